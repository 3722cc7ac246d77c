//! At the limit itself: as many calls as there are people, and what kills and lost replies cost.

use bus::{OperatorRequest, Service};
use std::collections::BTreeMap;
use std::time::Duration;

use litmos_simulator::{Settings, Window, most_requests_in_any_window};
use rollcall_tests::{Chance, Harness, Nats, PATIENCE};
use tokio::time::Instant;

const PEOPLE: usize = 300;

/// Kills of the pusher while it works.
const KILLS: usize = 8;

/// The limit, and how long it counts.
#[derive(Clone, Copy)]
struct Limit {
    requests: usize,
    window: Duration,
}

fn csv() -> String {
    let mut csv = String::from("external_id,user_name,first_name,last_name,email\n");
    for n in 0..PEOPLE {
        csv.push_str(&format!(
            "E{n},p{n}@corp.example,First{n},Last{n},p{n}@corp.example\n"
        ));
    }
    csv
}

/// Nobody imports meanwhile: every call after the load is about one of the people.
async fn three_hundred(limit: Limit, seed: u64) {
    let simulator = Settings {
        limit: limit.requests,
        window: Window::Rolling,
        window_length: limit.window,
        ..Settings::default()
    };
    let org = format!(
        "requests_per_minute = {}\nwindow_ms = {}\npermit_ttl_ms = 1500\nsettle_ms = 1500\nbulk_import = false\n",
        limit.requests,
        limit.window.as_millis()
    );
    let mut harness = Harness::new(simulator, &org).await;
    let nats = Nats::start().await;
    let environment = nats.environment();
    harness.environment.clone_from(&environment);
    for service in ["rate-governor", "importer", "schema-discovery", "intake"] {
        harness.service(service, &environment);
    }
    let pusher = harness.service("pusher", &environment);
    let bus = bus::Bus::connect(&nats.connection(), "story").await.unwrap();
    settled(&harness, &bus, 0, Duration::ZERO).await;
    let before = harness.litmos.log().len();
    harness
        .litmos
        .set_faults(&["lose_reply_after_acting,probability=0.05"])
        .unwrap();
    let file = harness.write("people.csv", csv());
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    assert_eq!(code, 0, "{printed}{error}\n{}", harness.log());
    let mut chance = Chance::new(seed);
    let work = limit.window * PEOPLE as u32 / limit.requests as u32;
    for _ in 0..KILLS {
        tokio::time::sleep(work / (2 * KILLS as u32) + chance.millis(0, 600)).await;
        harness.kill_and_restart(pusher, "pusher", &environment).await;
    }
    settled(&harness, &bus, PEOPLE, work).await;

    let log = harness.litmos.log();
    let most = most_requests_in_any_window(&log, limit.window);
    let calls = &log[before..];
    let lost = calls.iter().filter(|entry| entry.status.is_none()).count();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in calls {
        let path = entry.path.split('?').next().unwrap_or_default();
        // Ids make no kinds.
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.len() > 12 { "_" } else { part })
            .collect();
        *kinds
            .entry(format!("{} {}", entry.method, path.join("/")))
            .or_default() += 1;
    }
    println!(
        "{} calls for {PEOPLE} people, {KILLS} kills and {lost} lost replies; most in a window {most} of {}; {kinds:?}; seed {seed}",
        calls.len(),
        limit.requests
    );
    let names: BTreeMap<String, usize> =
        harness
            .litmos
            .state()
            .users
            .iter()
            .fold(BTreeMap::new(), |mut names, user| {
                *names.entry(user.user_name.to_lowercase()).or_default() += 1;
                names
            });
    assert!(
        names.values().all(|count| *count == 1),
        "an account was made twice"
    );
    assert_eq!(names.len(), PEOPLE + 1);
    assert!(lost > 0, "no reply was lost, so this shows nothing");
    assert_eq!(log.iter().filter(|entry| entry.refused).count(), 0);
    assert!(most <= limit.requests, "{most} requests in one window");
    assert!(
        calls.len() <= PEOPLE + KILLS + lost,
        "{} calls are more than one for each person, kill and lost reply: {kinds:?}",
        calls.len()
    );
    harness.kill().await;
}

/// Waits until Litmos equals the roster with so many people, for as long as they take and some more.
async fn settled(harness: &Harness, bus: &bus::Bus, people: usize, work: Duration) {
    let deadline = Instant::now() + work + PATIENCE;
    loop {
        let status = harness.ask(bus, Service::Pusher, OperatorRequest::Status).await;
        let status = status.unwrap_or_default();
        if status["in_sync"] == true && status["people"].as_u64() == Some(people as u64) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "Litmos is not equal to the roster: {status:#}\n{}",
            harness.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_people_cost_a_call_each_and_a_read_for_each_kill_and_lost_reply() {
    let limit = Limit {
        requests: 30,
        window: Duration::from_secs(2),
    };
    three_hundred(limit, 5).await;
}

/// Takes about four minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak: cargo xtask soak --only limit"]
async fn soak_at_a_hundred_a_minute() {
    let limit = Limit {
        requests: 100,
        window: Duration::from_secs(60),
    };
    three_hundred(limit, 5).await;
}
