//! Long runs, started by `cargo xtask soak`. How long: ROLLCALL_SOAK_MINUTES, ten unless told.

use std::time::Duration;

use bus::{Bus, GOVERNOR_LEASE};
use litmos_simulator::{Settings, Window, most_requests_in_any_window};
use rollcall_tests::{Chance, Harness, Nats, differences, freeze, roster_csv};
use tokio::time::Instant;

const PEOPLE: usize = 4_000;

fn minutes() -> u64 {
    let output = std::env::var("ROLLCALL_SOAK_MINUTES").ok();
    output.and_then(|minutes| minutes.parse().ok()).unwrap_or(10)
}

/// Everything that can happen to processes happens, one thing after the other, at the real limit of 100 in any minute, while
/// there is always more work than the limit allows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak: cargo xtask soak"]
async fn ten_minutes_of_kills_and_freezes_at_a_hundred_a_minute() {
    let simulator = Settings {
        limit: 100,
        window: Window::Rolling,
        window_length: Duration::from_secs(60),
        ..Settings::default()
    };
    let mut harness = Harness::new(simulator, "requests_per_minute = 100\nbulk_import = false\n").await;
    let mut nats = Nats::start().await;
    let environment = nats.environment();
    harness.environment.clone_from(&environment);
    let names = [
        "rate-governor",
        "rate-governor",
        "pusher",
        "pusher",
        "importer",
        "schema-discovery",
        "intake",
        "scim-gateway",
    ];
    for name in names {
        harness.service(name, &environment);
    }
    let jitter = [
        "delay_ms=150,probability=0.3",
        "delay_reply_ms=150,probability=0.3",
        "delay_reply_ms=300,probability=0.2",
        "lose_reply_after_acting,probability=0.01",
    ];
    harness.litmos.set_faults(&jitter).unwrap();
    let file = harness.write("people.csv", roster_csv(PEOPLE, 12));
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    assert_eq!(code, 0, "{printed}{error}\n{}", harness.log());

    let mut chance = Chance::new(11);
    let started = Instant::now();
    let end = started + Duration::from_secs(60 * minutes());
    let (mut kills, mut freezes, mut restarts) = (0, 0, 0);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(3_000 + chance.below(9_000))).await;
        let place = chance.below(6) as usize;
        match chance.below(8) {
            0 => {
                nats.kill_and_restart(Duration::from_millis(chance.below(2_000)))
                    .await;
                restarts += 1;
            }
            1 => {
                if let Some(pid) = nats.pid() {
                    freeze(pid, true).await;
                    tokio::time::sleep(Duration::from_millis(1_000 + chance.below(5_000))).await;
                    freeze(pid, false).await;
                    freezes += 1;
                }
            }
            2..=4 => {
                harness.freeze(place, true).await;
                tokio::time::sleep(Duration::from_millis(1_000 + chance.below(14_000))).await;
                harness.freeze(place, false).await;
                freezes += 1;
            }
            _ => {
                harness.kill_and_restart(place, names[place], &environment).await;
                kills += 1;
            }
        }
        let log = harness.litmos.log();
        let most = most_requests_in_any_window(&log, Duration::from_secs(60));
        let refused = log.iter().filter(|entry| entry.refused).count();
        println!(
            "{:>5} s: {} requests, most in any 60 s {most}, refused {refused}; {kills} kills, {freezes} freezes, {restarts} restarts of nats-server",
            started.elapsed().as_secs(),
            log.len(),
        );
        assert!(most <= 100 && refused == 0, "{}", harness.log());
    }
    let counted = harness.litmos.log().len();
    assert!(counted as u64 > 40 * minutes(), "{counted} requests show little");
    let state = harness.litmos.state();
    let mut names: Vec<String> = state
        .users
        .iter()
        .map(|user| user.user_name.to_lowercase())
        .collect();
    names.sort();
    let made = names.len();
    names.dedup();
    assert_eq!(names.len(), made, "an account was made twice");
    let missing = differences(&harness.litmos, PEOPLE, 12).len();
    println!("{made} accounts made of {PEOPLE}, {missing} differences left to work on");

    let bus = Bus::connect(&nats.connection(), "story").await.unwrap();
    assert!(bus.lease_holder(GOVERNOR_LEASE).await.is_ok());
    harness.books_bound(&bus).await;
    harness.kill().await;
}
