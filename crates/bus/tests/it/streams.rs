use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{
    CallRecord, Decisions, Event, EventBody, OperatorError, OperatorRequest, OperatorRequestError, Service,
};
use prost::Message as _;
use proto::v1;
use provisioning::{Decision, Ended, OperationId, PlanHash, SourceId};
use rate_tokens::{Command, Distrust, Epoch, Input, LedgerRecord, Line, OrgName, Stamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness;

pub(crate) fn event(id: &str) -> Event {
    let body = EventBody::PersonUpserted {
        external_id: "E1".to_owned(),
        user_name: "mira@corp.example".to_owned(),
        active: Some(true),
        access_level: None,
        attributes: BTreeMap::from([("FirstName".to_owned(), "Mira".to_owned())]),
        manager: None,
        groups: Some(vec!["Sales".to_owned()]),
        custom_fields: BTreeMap::from([("Region".to_owned(), "North".to_owned())]),
        from_complete_list: false,
    };
    Event {
        event_id: id.to_owned(),
        happened_at_ms: 7,
        in_order: false,
        body,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_sent_twice_is_taken_once_and_comes_again_until_it_is_done() {
    let harness = harness().await;
    let source = SourceId::parse("hr").unwrap();
    assert!(
        !harness
            .bus
            .publish_event(&harness.org, &source, event("1"))
            .await
            .unwrap()
            .duplicate
    );
    assert!(
        harness
            .bus
            .publish_event(&harness.org, &source, event("1"))
            .await
            .unwrap()
            .duplicate
    );
    let mut feed = harness.bus.feed().await.unwrap();
    let taken = feed.next().await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].event, event("1"));
    taken[0].later(Duration::ZERO, "nobody is known yet").await;
    let again = feed.next().await.unwrap();
    assert_eq!(again.len(), 1);
    again[0].done().await;
    assert!(feed.next().await.unwrap().is_empty());
    harness.server.stop().await;
}

fn claim(epoch: u64) -> Vec<Line> {
    vec![Line {
        org: None,
        record: LedgerRecord::Epoch {
            epoch: Epoch::new(epoch),
        },
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_writer_of_the_ledger_fences_the_first_and_old_entries_can_be_cut_off() {
    let harness = harness().await;
    let ledger = harness
        .bus
        .ledger([OrgName::new("acme").unwrap()], Stamp::default);
    let append = async |after, epoch| {
        let lines = Arc::new(claim(epoch));
        ledger.perform(Command::Append { after, lines }).await
    };
    assert_eq!(append(0, 1).await, Input::Appended { sequence: 1 });
    assert_eq!(append(1, 2).await, Input::Appended { sequence: 2 });
    assert_eq!(append(1, 3).await, Input::Fenced);
    let entries = ledger.read(1).await.unwrap();
    let lines: Vec<_> = entries.iter().filter_map(|entry| entry.lines.clone()).collect();
    assert_eq!(lines, [claim(1), claim(2)]);
    assert!(
        entries[0].written.server_ms <= entries[1].written.server_ms
            && entries[0].written.server_ms > 1_600_000_000_000
    );

    assert_eq!(
        ledger.perform(Command::Trim { before: 2 }).await,
        Input::Appended { sequence: 2 }
    );
    let left: Vec<u64> = ledger
        .read(1)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.sequence)
        .collect();
    assert_eq!(left, [2]);
    assert_eq!(append(2, 4).await, Input::Appended { sequence: 3 });
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_ledger_proves_nothing_about_an_org_that_has_a_journal() {
    let harness = harness().await;
    let ledger = harness.bus.ledger(
        ["acme", "other"].map(|org| OrgName::new(org).unwrap()),
        Stamp::default,
    );
    let read = async || ledger.perform(Command::Read { from: 1 }).await;
    let nothing = |distrust| Input::Read {
        entries: vec![],
        distrust,
    };
    assert_eq!(read().await, nothing(Distrust::Nobody));
    harness.bus.journal().write(CallRecord {
        org: "acme".to_owned(),
        permit: "1-1.0".to_owned(),
        ..CallRecord::default()
    });
    while harness.bus.journal_calls(&harness.org).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let acme = [OrgName::new("acme").unwrap()].into();
    assert_eq!(read().await, nothing(Distrust::Some(acme)));
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_requests_are_answered_refused_unknown_or_served_by_nobody() {
    let harness = harness().await;
    let stop = CancellationToken::new();
    let answer = |request| async move {
        match request {
            OperatorRequest::Explain { person } => Ok(json!({"person": person})),
            OperatorRequest::Status => Ok(json!("x".repeat(1_000_000))),
            OperatorRequest::Runs => Err(OperatorError::Refused("there are no runs; wait".to_owned())),
            _ => Err(OperatorError::UnknownRequest {
                service: Service::Pusher,
            }),
        }
    };
    let (bus, org) = (&harness.bus, &harness.org);
    bus.serve_operator(Service::Pusher, org, stop.clone(), answer)
        .await
        .unwrap();
    let request = async |service, request| bus.request(service, org, request, Duration::from_secs(2)).await;
    let explain = || OperatorRequest::Explain {
        person: "mira".to_owned(),
    };
    assert_eq!(
        request(Service::Pusher, explain()).await.unwrap(),
        json!({"person": "mira"})
    );
    let failed = async |request_sent| match request(Service::Pusher, request_sent).await {
        Err(OperatorRequestError::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(OperatorRequest::Status).await, OperatorError::TooLarge);
    let refused = failed(OperatorRequest::Runs).await;
    assert_eq!(refused.to_string(), "there are no runs; wait");
    let unknown = failed(OperatorRequest::Schema).await;
    assert_eq!(
        unknown,
        OperatorError::UnknownRequest {
            service: Service::Pusher
        }
    );
    let nobody = request(Service::Importer, explain()).await.unwrap_err();
    assert!(
        nobody.to_string().contains("no importer serves org acme"),
        "{nobody}"
    );

    // A request of a later version, and bytes that are no request, get a typed answer at once.
    let connection = harness.server.connection();
    let options = async_nats::ConnectOptions::with_token(connection.token.clone().unwrap());
    let client = options.connect(&connection.url).await.unwrap();
    for payload in [&[0x9a, 0x06, 0x00][..], b"\xff\xff\xff", b""] {
        let subject = format!("rollcall.operator.v1.pusher.{org}");
        let reply = client.request(subject, payload.to_vec().into()).await.unwrap();
        let reply = v1::OperatorReply::decode(reply.payload).unwrap().reply;
        let Some(v1::operator_reply::Reply::Error(error)) = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(error.kind(), v1::operator_error::Kind::UnknownRequest);
        assert!(error.message.contains("another version"), "{}", error.message);
    }
    stop.cancel();
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_keeps_calls_in_order() {
    let harness = harness().await;
    let journal = harness.bus.journal();
    for n in 0..5_u64 {
        journal.write(CallRecord {
            org: "acme".to_owned(),
            permit: format!("1-{n}.0"),
            started_at_ms: n,
            ..CallRecord::default()
        });
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let mut calls = Vec::new();
    while calls.len() < 5 && tokio::time::Instant::now() < deadline {
        calls = harness.bus.journal_calls(&harness.org).await.unwrap();
    }
    assert_eq!(
        calls.iter().map(|call| call.started_at_ms).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_read_is_counted_and_hides_no_other() {
    let harness = harness().await;
    let decision = |at_ms| Decision {
        run: PlanHash::parse("aa").unwrap(),
        operation: OperationId::parse("bb").unwrap(),
        kind: "update".to_owned(),
        label: "update ada".to_owned(),
        at_ms,
        ended: Ended::Done,
        message: None,
        images: Vec::new(),
    };
    let js = async_nats::jetstream::new(stranger(&harness).await);
    let journal = harness.bus.journal();
    let planted: [&[u8]; 2] = [b"no protobuf at all", b""];
    for (n, payload) in (1..).zip(planted) {
        journal.decided(&harness.org, decision(n));
        journal.written().await;
        js.publish("rollcall.journal.v1.acme.decision", payload.into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    journal.decided(&harness.org, decision(3));
    journal.written().await;
    let kept = harness.bus.journal_decisions(&harness.org).await.unwrap();
    let expected = Decisions {
        decisions: (1..=3).map(decision).collect(),
        unreadable: planted.len(),
    };
    assert_eq!(kept, expected);
    harness.server.stop().await;
}

/// A NATS client that does not use `bus`, like a broken or foreign program.
pub(crate) async fn stranger(harness: &crate::Harness) -> async_nats::Client {
    let connection = harness.server.connection();
    let options = async_nats::ConnectOptions::new().token(connection.token.clone().unwrap());
    options.connect(&connection.url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_cannot_be_read_is_set_aside_with_the_reason_and_stops_nobody() {
    let harness = harness().await;
    let stranger = stranger(&harness).await;
    stranger
        .publish("rollcall.feed.v1.acme.hr", "no protobuf at all".into())
        .await
        .unwrap();
    stranger
        .publish("$KV.roster.acme.person.00ff.p1", "nor this".into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    let source = SourceId::parse("hr").unwrap();
    harness
        .bus
        .publish_event(&harness.org, &source, event("after"))
        .await
        .unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken = feed.next().await.unwrap();
    }
    assert_eq!(taken[0].event.event_id, "after");
    let mut watch = harness.bus.roster().watch(&harness.org);
    assert_eq!(watch.next().await, bus::WatchEvent::Synced);
    let letters = harness.bus.dead_letters(&harness.org, 0).await.unwrap();
    let of = |subject: &str| letters.iter().find(|letter| letter.subject == subject).unwrap();
    assert!(
        of("$KV.roster.acme.person.00ff.p1")
            .reason
            .contains("Rollcall-Type")
    );
    assert!(of("rollcall.feed.v1.acme.hr").event.is_none());
    assert_eq!(letters.len(), 2);
    // The next watch finds the same record, and no second letter is written about it.
    let mut watch = harness.bus.roster().watch(&harness.org);
    assert_eq!(watch.next().await, bus::WatchEvent::Synced);
    assert_eq!(harness.bus.dead_letter_count(&harness.org).await.unwrap(), 2);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_the_write_and_names_the_remedy() {
    let harness = harness().await;
    let js = async_nats::jetstream::new(stranger(&harness).await);
    let mut config = js
        .get_stream("KV_roster")
        .await
        .unwrap()
        .cached_info()
        .config
        .clone();
    config.max_bytes = 400;
    js.update_stream(config).await.unwrap();
    let mut refused = None;
    for n in 0..20 {
        let person = crate::person(n);
        let key = bus::RosterKey::of_person(&harness.org, &person);
        let change = bus::Change::Put(bus::RosterValue::Person(Box::new(person)));
        if let Err(error) = harness
            .bus
            .roster()
            .write(bus::Write {
                key,
                expect: bus::Expect::Absent,
                change,
            })
            .await
        {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("a full stream takes no more");
    assert!(
        matches!(error, bus::WriteError::Refused { .. }) && error.to_string().contains("make room"),
        "{error}"
    );
    harness.server.stop().await;
}
