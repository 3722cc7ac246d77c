use bus::{Bus, NatsServer};
use litmos_simulator::Settings;
use rollcall_tests::{House, differences, roster_csv};

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
    let mut house = House::new(Settings::default(), "").await;
    let server = NatsServer::start(&house.data()).await.unwrap();
    let connection = server.connection().clone();
    let token = connection.token.clone().unwrap();
    let environment = [
        ("ROLLCALL_NATS__URL", connection.url.as_str()),
        ("ROLLCALL_NATS__TOKEN", token.as_str()),
    ];
    for service in SERVICES {
        house.service(service, &environment);
    }
    house.service("pusher", &environment);
    let file = house.write("people.csv", roster_csv(40, 3));
    let (code, printed, error) = house.rollcall(&["load", &file.to_string_lossy()]).await;
    assert_eq!(code, 0, "{printed}{error}\n{}", house.log());
    house.settled(40).await;
    assert_eq!(differences(&house.litmos, 40, 3), Vec::<String>::new());
    assert_eq!(house.litmos.report().refused, 0);
    let bus = Bus::connect(&connection, "story").await.unwrap();
    house.books_agree(&bus).await;
    house.kill().await;
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
