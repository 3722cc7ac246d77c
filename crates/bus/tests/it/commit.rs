//! Changes that are stored together while responses get lost and the server is busy.

use std::time::Duration;

use async_nats::HeaderMap;
use bus::{Change, ChangeSet, Expect, NameToken, RosterKey, RosterValue, Write, WriteError};
use provisioning::NormalName;

use crate::wire::{Break, Wire};
use crate::{Harness, harness, person};

type Set = ChangeSet<RosterKey, RosterValue>;

/// Most batches that the server allows open at once per stream.
const OPEN_MAX: usize = 50;

fn key(harness: &Harness, n: usize) -> RosterKey {
    RosterKey::of_person(&harness.org, &person(n))
}

/// All keys of a person's user name.
fn under_name(harness: &Harness, n: usize) -> bus::KeysUnder {
    let name = NameToken::of_name(&NormalName::of(&person(n).user_name));
    RosterKey::under_name(&harness.org, &name)
}

/// Write of a new person, guarded over the user name.
fn new(harness: &Harness, n: usize) -> Write<RosterKey, RosterValue> {
    Write {
        key: key(harness, n),
        expect: Expect::NewestUnder(under_name(harness, n), 0),
        change: Change::Put(RosterValue::Person(Box::new(person(n)))),
    }
}

async fn revision(harness: &Harness, n: usize) -> u64 {
    let stored = harness.bus.roster().get(&key(harness, n)).await.unwrap();
    stored
        .unwrap_or_else(|| panic!("person {n} is not stored"))
        .revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_stored_without_an_answer_is_recognised_and_not_stored_again() {
    let harness = harness().await;
    let wire = Wire::before(&harness).await;
    let absent = Write {
        expect: Expect::Absent,
        ..new(&harness, 1)
    };
    for (n, write) in [(0, new(&harness, 0)), (1, absent)] {
        let bus = wire.bus().await;
        wire.break_at(Break::Answering("$KV.roster.acme.person"));
        let outcomes = bus.roster().commit(vec![ChangeSet::new(vec![write])]).await;
        wire.broken().await;
        // Nothing else is stored: a second copy would have the next revision.
        let stored = n as u64 + 1;
        assert_eq!(revision(&harness, n).await, stored);
        assert_eq!(outcomes.into_iter().next().unwrap().unwrap(), [stored]);
    }
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stored_without_an_answer_is_recognised_set_by_set() {
    let harness = harness().await;
    let old = harness.bus.roster().write(new(&harness, 100)).await.unwrap();
    let wire = Wire::before(&harness).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Answering("Nats-Batch-Commit"));
    let mut sets: Vec<Set> = (0..12).map(|n| ChangeSet::new(vec![new(&harness, n)])).collect();
    // A rename: the old key is deleted together with the write of the new one.
    sets[5].writes.push(Write {
        key: key(&harness, 100),
        expect: Expect::NewestUnder(under_name(&harness, 100), old),
        change: Change::Delete,
    });
    let outcomes = bus.roster().commit(sets).await;
    wire.broken().await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let stored = revision(&harness, n).await;
        // After the rename, every sequence is larger by one.
        assert_eq!(stored, old + 1 + n as u64 + u64::from(n > 5), "person {n}");
        assert_eq!(outcome.unwrap()[0], stored, "person {n}");
    }
    assert_eq!(harness.bus.roster().get(&key(&harness, 100)).await.unwrap(), None);
    let removed = harness
        .bus
        .roster()
        .newest_under(&under_name(&harness, 100))
        .await;
    assert_eq!(removed.unwrap(), old + 7, "removed once");
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_got_lost_on_its_way_is_sent_again() {
    let harness = harness().await;
    let wire = Wire::before(&harness).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Sending("Nats-Batch-Commit"));
    let sets = (0..12).map(|n| ChangeSet::new(vec![new(&harness, n), new(&harness, n + 100)]));
    let outcomes = bus.roster().commit(sets.collect()).await;
    wire.broken().await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let stored = [revision(&harness, n).await, revision(&harness, n + 100).await];
        assert_eq!(outcome.unwrap(), stored, "set {n}");
    }
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_an_answer_is_no_conflict_but_for_the_one_that_was_overwritten() {
    let harness = harness().await;
    let wire = Wire::before(&harness).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Answering("Nats-Batch-Commit"));
    let sets = (0..12).map(|n| ChangeSet::new(vec![new(&harness, n)])).collect();
    let roster = bus.roster();
    let commit = tokio::spawn(async move { roster.commit(sets).await });
    wire.broken().await;
    let mut other = person(3);
    other.active = false;
    let roster = harness.bus.roster();
    let overwritten = roster.write(Write {
        key: key(&harness, 3),
        expect: Expect::Revision(revision(&harness, 3).await),
        change: Change::Put(RosterValue::Person(Box::new(other))),
    });
    let overwritten = overwritten.await.unwrap();
    for (n, outcome) in commit.await.unwrap().into_iter().enumerate() {
        if n == 3 {
            assert!(outcome.unwrap_err().is_conflict());
        } else {
            assert_eq!(outcome.unwrap(), [revision(&harness, n).await], "person {n}");
        }
    }
    assert_eq!(revision(&harness, 3).await, overwritten);
    harness.server.stop().await;
}

/// Begins as many batches as the server allows at once; `end` ends them.
struct Crowd(async_nats::Client);

impl Crowd {
    async fn begin(harness: &Harness) -> Crowd {
        let connection = harness.server.connection();
        let options = async_nats::ConnectOptions::new().token(connection.token.clone().unwrap());
        let crowd = Crowd(options.connect(&connection.url).await.unwrap());
        for n in 0..OPEN_MAX {
            crowd.say(n, "1", false).await;
        }
        crowd
    }

    async fn say(&self, n: usize, place: &str, last: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("open-{n}").as_str());
        headers.insert("Nats-Batch-Sequence", place);
        if last {
            headers.insert("Nats-Batch-Commit", "1");
        }
        let subject = format!("$KV.roster.crowd.question.{n}-{place}");
        // The response shows that the server has the message.
        let sent = self.0.request_with_headers(subject, headers, "".into());
        sent.await.unwrap();
    }

    async fn end(&self) {
        for n in 0..OPEN_MAX {
            self.say(n, "2", true).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_too_many_open_batches_is_waited_for_and_then_everything_is_stored() {
    let harness = harness().await;
    let crowd = Crowd::begin(&harness).await;
    let roster = harness.bus.roster();
    let refused = roster.write_all(vec![new(&harness, 50), new(&harness, 51)]);
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, WriteError::Busy { .. }), "{refused}");
    for (size, first) in [(1, 0), (12, 2)] {
        let sets: Vec<Set> = (0..size)
            .map(|n| first + 2 * n)
            .map(|n| ChangeSet::new(vec![new(&harness, n), new(&harness, n + 1)]))
            .collect();
        let roster = harness.bus.roster();
        let commit = tokio::spawn(async move { roster.commit(sets).await });
        if size == 1 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert!(!commit.is_finished(), "it did not wait: {:?}", commit.await);
            crowd.end().await;
        }
        for (n, outcome) in commit.await.unwrap().into_iter().enumerate() {
            let n = first + 2 * n;
            let stored = [revision(&harness, n).await, revision(&harness, n + 1).await];
            assert_eq!(outcome.unwrap(), stored, "person {n}");
        }
    }
    harness.server.stop().await;
}
