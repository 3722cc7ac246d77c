use bus::{Bus, NatsServer};
use litmos_simulator::Settings;
use rollcall_tests::{Harness, differences, roster_csv};

/// The services of the compose file, each the process that its container runs.
const SERVICES: [&str; 6] = [
    "rate-governor",
    "pusher",
    "importer",
    "schema-discovery",
    "intake",
    "scim-gateway",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_service_runs_as_a_process_of_its_own_and_two_pushers_share_the_work() {
    let mut harness = Harness::new(Settings::default(), "").await;
    let server = NatsServer::start(&harness.data()).await.unwrap();
    let connection = server.connection().clone();
    let token = connection.token.clone().unwrap();
    let environment = [
        ("ROLLCALL_NATS__URL", connection.url.as_str()),
        ("ROLLCALL_NATS__TOKEN", token.as_str()),
    ];
    for service in SERVICES {
        harness.service(service, &environment);
    }
    harness.service("pusher", &environment);
    let file = harness.write("people.csv", roster_csv(40, 3));
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    assert_eq!(code, 0, "{printed}{error}\n{}", harness.log());
    harness.settled(40).await;
    assert_eq!(differences(&harness.litmos, 40, 3), Vec::<String>::new());
    assert_eq!(harness.litmos.report().refused, 0);
    let bus = Bus::connect(&connection, "story").await.unwrap();
    harness.books_agree(&bus).await;
    harness.kill().await;
    server.stop().await;
}

#[test]
fn the_compose_file_names_every_service_and_durable_storage() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let compose = std::fs::read_to_string(format!("{root}/docker-compose.yml")).unwrap();
    for service in SERVICES {
        assert!(
            compose.contains(&format!(
                "command: [\"rollcall\", \"service\", \"{service}\", \"--config\""
            )),
            "{service} has no container"
        );
    }
    let nats = std::fs::read_to_string(format!("{root}/docs/compose/nats.conf")).unwrap();
    assert!(nats.contains("sync_interval: always"));
}
