//! Faults of the whole connection pause an org and heal by themselves; a fault of one item parks that item.

use bus::{OperatorRequest, Service};
use std::time::Duration;

use litmos_simulator::{Settings, most_requests_in_any_window};
use rollcall_tests::{Harness, PATIENCE, user};
use serde_json::Value;
use tokio::time::Instant;

const LIMIT: usize = 40;
const WINDOW: Duration = Duration::from_secs(2);
const ORG: &str = "requests_per_minute = 40\nwindow_ms = 2000\npermit_ttl_ms = 1500\nsettle_ms = 1500\nbulk_import = false\n";

async fn harness(more: &str) -> Harness {
    let simulator = Settings {
        limit: LIMIT,
        window_length: WINDOW,
        ..Settings::default()
    };
    Harness::new(simulator, &format!("{ORG}{more}")).await
}

async fn arrive(harness: &Harness, names: impl IntoIterator<Item = String>) {
    for name in names {
        let (status, made) = harness.scim("POST", "/Users", Some(&user(&name))).await;
        assert_eq!(status, 201, "{made}");
    }
}

fn names(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| format!("p{n}"))
}

/// Waits until the status says this.
async fn until(harness: &Harness, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let bus = harness.bus().await;
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < deadline {
        last = harness.ask(&bus, Service::Pusher, OperatorRequest::Status).await;
        if let Some(status) = last.as_ref().filter(|status| holds(status)) {
            return status.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come; last seen {last:#?}\n{}", harness.log());
}

/// Everybody is there once, nobody is parked, and the limit was kept.
async fn all_is_well(harness: &Harness, people: usize, parked: u64) {
    let status = harness.settled(people).await;
    assert_eq!(status["parked"], parked, "{status:#}");
    let users = harness.litmos.state().users;
    let mut found: Vec<String> = users
        .iter()
        .map(|user| user.user_name.to_lowercase())
        .filter(|name| name.starts_with('p'))
        .collect();
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(
        (found.len(), count),
        (people - parked as usize, people - parked as usize)
    );
    let log = harness.litmos.log();
    assert!(most_requests_in_any_window(&log, WINDOW) <= LIMIT);
    let made = log.iter().filter(|entry| {
        let effect = entry.effect.as_deref().unwrap_or_default();
        effect.starts_with("user.created")
    });
    assert_eq!(made.count(), people - parked as usize, "each is made once");
}

/// While it is paused, `status` says why and ends with 3, and hardly anything is sent.
async fn paused_with(harness: &Harness, words: &str) {
    let status = until(harness, "the pause", |status| {
        status["paused"]
            .as_str()
            .is_some_and(|message| message.contains(words))
    })
    .await;
    assert_eq!(status["in_sync"], false, "{status:#}");
    let (code, message, error) = harness.rollcall(&["status"]).await;
    assert_eq!(code, 3, "{message}{error}");
    assert!(
        message.contains("paused: ") && message.contains(words),
        "{message}"
    );
    let (code, json, _) = harness.rollcall(&["status", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 3);
    assert!(json["paused"].as_str().unwrap().contains(words), "{json:#}");
    let before = harness.litmos.log().len();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let sent = harness.litmos.log().len() - before;
    assert!(sent <= 4, "{sent} requests in 4 s of a pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_base_url_parks_nobody_and_heals_when_it_is_corrected() {
    let mut harness = harness("").await;
    let right = std::fs::read_to_string(harness.config()).unwrap();
    let wrong = right.replace(
        &harness.litmos.base_url(),
        &format!("{}/elsewhere", harness.litmos.base_url()),
    );
    harness.write("rollcall.toml", &wrong);
    harness.up(&[]).await;
    arrive(&harness, names(0..5)).await;
    paused_with(&harness, "check base_url").await;
    harness.kill().await;
    harness.write("rollcall.toml", &right);
    harness.up(&[]).await;
    all_is_well(&harness, 5, 0).await;
    // Also for those who were in before: nobody is taken for gone.
    harness.kill().await;
    harness.write("rollcall.toml", &wrong);
    harness.up(&[]).await;
    arrive(&harness, names(5..8)).await;
    paused_with(&harness, "check base_url").await;
    harness.kill().await;
    harness.write("rollcall.toml", &right);
    harness.up(&[]).await;
    all_is_well(&harness, 8, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_page_for_a_while_parks_nobody() {
    for (fault, words) in [
        ("status=404", "check base_url"),
        ("status=502", "Litmos fails on every call"),
        ("status=403", "check the access level"),
    ] {
        let mut harness = harness("").await;
        harness.up(&[]).await;
        arrive(&harness, names(0..3)).await;
        harness.settled(3).await;
        harness.litmos.set_faults(&[fault]).unwrap();
        arrive(&harness, names(3..9)).await;
        paused_with(&harness, words).await;
        harness.litmos.set_faults(&[]).unwrap();
        all_is_well(&harness, 9, 0).await;
        let (code, message, _) = harness.rollcall(&["status"]).await;
        assert_eq!(code, 0, "{fault}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_and_accepted_again_heals_by_itself() {
    let mut harness = harness("").await;
    harness.litmos.set_faults(&["status=401"]).unwrap();
    harness.up(&[]).await;
    arrive(&harness, names(0..2)).await;
    paused_with(&harness, "Litmos rejected the API key (401); check api_key").await;
    harness.litmos.set_faults(&[]).unwrap();
    harness.settled(2).await;
    harness.litmos.set_faults(&["status=401"]).unwrap();
    arrive(&harness, names(2..6)).await;
    paused_with(&harness, "Litmos rejected the API key (401); check api_key").await;
    harness.litmos.set_faults(&[]).unwrap();
    all_is_well(&harness, 6, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_403_about_one_person_parks_that_person_and_the_others_arrive() {
    let mut harness = harness("").await;
    harness.up(&[]).await;
    arrive(&harness, names(0..1)).await;
    harness.settled(1).await;
    harness
        .litmos
        .set_faults(&["status=403,method=POST,path=/users?,times=1"])
        .unwrap();
    arrive(&harness, names(1..6)).await;
    all_is_well(&harness, 6, 1).await;
    let status = harness.settled(6).await;
    let parked = &status["parked_items"][0];
    assert_eq!(parked["code"], "rejected-by-litmos", "{parked}");
    assert!(
        parked["remedy"].as_str().unwrap().contains("rollcall retry"),
        "{parked}"
    );
    assert!(status["paused"].is_null(), "{status:#}");
    let probes = harness.litmos.log();
    let probes = probes
        .iter()
        .filter(|entry| entry.path.contains("limit=1&") || entry.path.ends_with("limit=1"));
    assert!(probes.count() <= 3, "one probing read decides");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_in_an_import_that_does_not_end_is_cut_off_at_once() {
    let simulator = Settings {
        limit: LIMIT,
        window_length: WINDOW,
        bulk_delay: Duration::from_millis(200),
        ..Settings::default()
    };
    let org = ORG.replace("bulk_import = false\n", "");
    let mut harness = Harness::new(simulator, &org).await;
    harness.up(&[]).await;
    arrive(&harness, names(0..30)).await;
    harness.settled(30).await;
    // The next import takes very long.
    harness
        .litmos
        .set_faults(&["slow_job=600000,method=POST,path=/bulkimports"])
        .unwrap();
    let (_, found) = harness.scim("GET", "/Users?count=100", None).await;
    let people: Vec<(String, String)> = found["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| {
            let text = |name: &str| person[name].as_str().unwrap().to_owned();
            (text("id"), text("userName"))
        })
        .collect();
    let edits = people.iter().map(|(id, _)| {
        let title = serde_json::json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "title", "value": "Guide"}]});
        let path = format!("/Users/{id}");
        let harness = &harness;
        async move { harness.scim("PATCH", &path, Some(&title)).await }
    });
    futures_util::future::join_all(edits).await;
    let deadline = Instant::now() + PATIENCE;
    while !harness
        .litmos
        .log()
        .iter()
        .any(|entry| entry.method == "POST" && entry.path.contains("/bulkimports"))
    {
        assert!(Instant::now() < deadline, "no import began:\n{}", harness.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (id, name) = &people[7];
    let off = serde_json::json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert!(harness.scim("PATCH", &format!("/Users/{id}"), Some(&off)).await.0 < 300);
    let active = || {
        harness
            .litmos
            .state()
            .users
            .iter()
            .any(|user| user.user_name == *name && user.active)
    };
    while active() {
        assert!(
            Instant::now() < deadline,
            "{name} was not cut off:\n{}",
            harness.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let off: Vec<String> = harness
        .litmos
        .log()
        .iter()
        .filter_map(|entry| entry.effect.clone())
        .filter(|effect| effect.starts_with("user.deactivated"))
        .collect();
    assert_eq!(off.len(), 1, "{off:?}");
    let others = harness.litmos.state().users;
    assert_eq!(others.iter().filter(|user| !user.active).count(), 1);
}

/// A name that no server knows, and a server that speaks no TLS: found before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_found_or_speaks_no_tls_parks_nobody_and_heals() {
    let mut harness = harness("").await;
    let right = std::fs::read_to_string(harness.config()).unwrap();
    let address = harness.litmos.base_url();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let mut people = 0;
    for wrong in [
        "https://litmos.invalid".to_owned(),
        format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1:1".to_owned(),
    ] {
        harness.write("rollcall.toml", right.replace(&address, &wrong));
        harness.up(&[]).await;
        arrive(&harness, names(people..people + 3)).await;
        people += 3;
        let before = harness.litmos.log().len();
        paused_with(&harness, "no connection to Litmos").await;
        assert_eq!(
            harness.litmos.log().len(),
            before,
            "{wrong}: nothing reaches Litmos"
        );
        harness.kill().await;
        harness.write("rollcall.toml", &right);
        harness.up(&[]).await;
        all_is_well(&harness, people, 0).await;
        harness.kill().await;
    }
}

/// Nothing is sent before a pause that Litmos asks for is over, and `status` says until when.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_litmos_asks_for_is_kept_and_told() {
    const PAUSE: Duration = Duration::from_secs(8);
    let mut harness = harness("").await;
    harness.up(&[]).await;
    arrive(&harness, names(0..2)).await;
    harness.settled(2).await;
    harness
        .litmos
        .set_faults(&["retry_after=8,method=POST,path=/users?,times=1"])
        .unwrap();
    arrive(&harness, names(2..9)).await;
    let status = until(&harness, "the pause", |status| {
        !status["pause_until_ms"].is_null()
    })
    .await;
    let now_ms = chassis::clock::unix_ms();
    let until_ms = status["pause_until_ms"].as_u64().unwrap();
    assert!(until_ms > now_ms && until_ms <= now_ms + 8_000, "{status:#}");
    let forecast = &status["forecast"];
    assert!(forecast["done_at_ms"].as_u64() >= Some(until_ms), "{forecast:#}");
    let (code, message, error) = harness.rollcall(&["status"]).await;
    assert_eq!(code, 0, "{message}{error}");
    assert!(
        message.contains("Litmos asked for that pause (Retry-After)"),
        "{message}"
    );
    all_is_well(&harness, 9, 0).await;
    let log = harness.litmos.log();
    let asked = log.iter().find(|entry| entry.status == Some(429)).unwrap().at_ms;
    // What had its permit already was under way when the answer came.
    let pause = asked + 500.0..asked + PAUSE.as_secs_f64() * 1e3;
    let early: Vec<_> = log.iter().filter(|entry| pause.contains(&entry.at_ms)).collect();
    assert!(early.is_empty(), "{early:#?}");
    assert!(status_without_pause(&harness).await);
}

async fn status_without_pause(harness: &Harness) -> bool {
    until(harness, "the end of the pause", |status| {
        status["pause_until_ms"].is_null()
    })
    .await;
    true
}

/// The largest pause that is believed is an hour: `status` says its end, and a cut-off waits for it too.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_days_is_taken_for_an_hour() {
    let mut harness = harness("").await;
    harness.up(&[]).await;
    harness.settled(0).await;
    harness
        .litmos
        .set_faults(&["retry_after=864000,method=POST,path=/users?,times=1"])
        .unwrap();
    arrive(&harness, names(0..3)).await;
    let status = until(&harness, "the pause", |status| {
        !status["pause_until_ms"].is_null()
    })
    .await;
    let ahead = status["pause_until_ms"].as_u64().unwrap() - chassis::clock::unix_ms();
    assert!((3_500_000..=3_600_000).contains(&ahead), "{ahead} ms");
    assert!(
        status["forecast"]["expected_seconds"].as_f64() > Some(3_500.0),
        "{status:#}"
    );
    let before = harness.litmos.log().len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(harness.litmos.log().len(), before, "nothing is sent meanwhile");
}
