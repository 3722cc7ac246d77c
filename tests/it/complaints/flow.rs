use std::time::Duration;

use bus::{Event, EventBody};
use futures_util::future::join_all;
use litmos_simulator::{Settings, most_requests_in_any_window};
use provisioning::SourceId;
use rollcall_tests::{Harness, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, made, patched, quick, title, until};

/// Complaint 19: a burst ends in refusals, and the one urgent change waits behind all others.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_accepted_at_once_sent_within_the_limit_and_overtaken_by_a_cut_off() {
    const LIMIT: usize = 20;
    const PEOPLE: usize = 120;
    let window = Duration::from_secs(4);
    let simulator = Settings {
        limit: LIMIT,
        window_length: window,
        ..Settings::default()
    };
    let org = "requests_per_minute = 20\nwindow_ms = 4000\npermit_ttl_ms = 2000\nsettle_ms = 2000\nbulk_import = false\n";
    let mut harness = Harness::new(simulator, org).await;
    harness.up(&[]).await;
    let leaver = made(&harness, "leaver").await;
    harness.settled(1).await;

    let people: Vec<Value> = (0..PEOPLE).map(|n| user(&format!("p{n}"))).collect();
    let answers = join_all(
        people
            .iter()
            .map(|person| harness.scim("POST", "/Users", Some(person))),
    )
    .await;
    assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:#?}");
    patched(&harness, &format!("/Users/{leaver}"), json!({"active": false})).await;
    harness.settled(PEOPLE + 1).await;

    assert!(!account(&harness, "leaver").active);
    let log = harness.litmos.log();
    let most = most_requests_in_any_window(&log, window);
    assert!(most <= LIMIT, "{most} requests in one window");
    assert!(
        most > LIMIT / 2,
        "the limit was hardly felt, so this shows nothing: {most}"
    );
    assert_eq!(log.iter().filter(|entry| entry.refused).count(), 0);
    let did = |entry: &litmos_simulator::Entry, what: &str| {
        entry
            .effect
            .as_deref()
            .is_some_and(|effect| effect.starts_with(what))
    };
    let cut_off = log
        .iter()
        .position(|entry| did(entry, "user.deactivated"))
        .unwrap();
    let behind = log[cut_off..]
        .iter()
        .filter(|entry| did(entry, "user.created"))
        .count();
    assert!(
        behind >= PEOPLE / 4,
        "only {behind} of the burst came after the cut-off"
    );
}

/// Complaint 23: a change waits for the next cycle, forty minutes away, in which everything is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_litmos_by_itself_without_anything_else_being_read() {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.up(&[]).await;
    let id = made(&harness, "mira").await;
    harness.settled(1).await;
    let of_mira = format!("/users/{}", account(&harness, "mira").id);
    let spent = harness.litmos.log().len();

    patched(&harness, &format!("/Users/{id}"), json!({"title": "Guide"})).await;
    until(&harness, "the SCIM change", |harness| {
        title(harness, "mira") == "Guide"
    })
    .await;
    let event = Event {
        event_id: "1".to_owned(),
        happened_at_ms: chassis::clock::unix_ms(),
        in_order: false,
        body: EventBody::PersonUpserted {
            external_id: "E1".to_owned(),
            user_name: "mira@corp.example".to_owned(),
            active: Some(true),
            access_level: None,
            attributes: [("JobTitle".to_owned(), "Host".to_owned())].into(),
            manager: None,
            groups: None,
            custom_fields: [].into(),
            from_complete_list: false,
        },
    };
    let (bus, source) = (harness.bus().await, SourceId::parse("hr").unwrap());
    bus.publish_event(&harness.org, &source, event).await.unwrap();
    until(&harness, "the feed event", |harness| {
        title(harness, "mira") == "Host"
    })
    .await;
    harness.settled(1).await;
    let log = harness.litmos.log();
    let sent: Vec<String> = log[spent..]
        .iter()
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect();
    assert!(
        !sent.is_empty() && sent.iter().all(|request| request.contains(&of_mira)),
        "{sent:#?}"
    );
}
