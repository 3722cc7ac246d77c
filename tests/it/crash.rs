use std::collections::BTreeMap;
use std::time::Duration;

use litmos_simulator::{Settings, Window, most_requests_in_any_window};
use rollcall_tests::{Harness, differences, roster_csv};

/// People of the load.
const PEOPLE: usize = 300;

/// Kills of the whole process.
const KILLS: usize = 20;

/// The same moments in every run, from a few milliseconds to two seconds after a start.
fn moments() -> impl Iterator<Item = Duration> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_millis(400 + state % 1_800)
    })
    .take(KILLS)
}

async fn load_through_kills(bulk: bool) {
    let simulator = Settings {
        limit: 40,
        window: Window::Rolling,
        window_length: Duration::from_secs(2),
        bulk_delay: Duration::from_millis(300),
        seed: 7,
        ..Settings::default()
    };
    let org = format!(
        "requests_per_minute = 40\nwindow_ms = 2000\npermit_ttl_ms = 1500\nsettle_ms = 1500\nbulk_import = {bulk}\n"
    );
    let mut harness = Harness::new(simulator, &org).await;
    harness.up(&[]).await;
    harness.bus().await;
    let file = harness.write("people.csv", roster_csv(PEOPLE, 6));
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    assert_eq!(code, 0, "{printed}{error}");
    harness
        .litmos
        .set_faults(&["lose_reply_after_acting,probability=0.05"])
        .unwrap();
    for moment in moments() {
        tokio::time::sleep(moment).await;
        harness.kill().await;
        harness.up(&[]).await;
    }
    harness.settled(PEOPLE).await;
    assert_eq!(differences(&harness.litmos, PEOPLE, 6), Vec::<String>::new());

    let state = harness.litmos.state();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for user in &state.users {
        *names.entry(user.user_name.to_lowercase()).or_default() += 1;
    }
    assert!(
        names.values().all(|count| *count == 1),
        "an account was made twice"
    );
    assert_eq!(state.users.len(), PEOPLE + 1);
    assert_eq!(state.teams.len(), 6, "a team was made twice");
    let log = harness.litmos.log();
    let most = most_requests_in_any_window(&log, Duration::from_secs(2));
    assert!(most <= 40, "{most} requests in one window");
    assert_eq!(log.iter().filter(|entry| entry.refused).count(), 0);
    assert!(
        log.iter().any(|entry| entry.status.is_none()),
        "no reply was lost, so this shows nothing"
    );
    harness.books_bound(&harness.bus().await).await;
}

/// Complaint 14.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_and_lost_replies_change_nothing_about_the_end_with_single_calls() {
    load_through_kills(false).await;
}

/// Complaint 14.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_and_lost_replies_change_nothing_about_the_end_with_bulk_imports() {
    load_through_kills(true).await;
}
