//! Changes that are stored together while answers get lost and the server is busy.

use std::time::Duration;

use async_nats::HeaderMap;
use bus::{Change, ChangeSet, Expect, NameToken, RosterKey, RosterValue, Write, WriteError};
use provisioning::NormalName;

use crate::wire::{Break, Wire};
use crate::{World, person, world};

type Set = ChangeSet<RosterKey, RosterValue>;

/// Batches that the server has open at once for a stream.
const OPEN_MAX: usize = 50;

fn key(world: &World, n: usize) -> RosterKey {
    RosterKey::of_person(&world.org, &person(n))
}

/// All keys of a person's user name.
fn under_name(world: &World, n: usize) -> bus::KeysUnder {
    let name = NameToken::of_name(&NormalName::of(&person(n).user_name));
    RosterKey::under_name(&world.org, &name)
}

/// Somebody new, guarded over the user name.
fn new(world: &World, n: usize) -> Write<RosterKey, RosterValue> {
    Write {
        key: key(world, n),
        expect: Expect::NewestUnder(under_name(world, n), 0),
        change: Change::Put(RosterValue::Person(Box::new(person(n)))),
    }
}

async fn revision(world: &World, n: usize) -> u64 {
    let stored = world.bus.roster().get(&key(world, n)).await.unwrap();
    stored
        .unwrap_or_else(|| panic!("person {n} is not stored"))
        .revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_stored_without_an_answer_is_recognised_and_not_stored_again() {
    let world = world().await;
    let wire = Wire::before(&world).await;
    let absent = Write {
        expect: Expect::Absent,
        ..new(&world, 1)
    };
    for (n, write) in [(0, new(&world, 0)), (1, absent)] {
        let bus = wire.bus().await;
        wire.break_at(Break::Answering("$KV.roster.acme.person"));
        let outcomes = bus.roster().commit(vec![ChangeSet::new(vec![write])]).await;
        wire.broken().await;
        // Nothing else is stored: a second copy would have the next revision.
        let stored = n as u64 + 1;
        assert_eq!(revision(&world, n).await, stored);
        assert_eq!(outcomes.into_iter().next().unwrap().unwrap(), [stored]);
    }
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stored_without_an_answer_is_recognised_set_by_set() {
    let world = world().await;
    let old = world.bus.roster().write(new(&world, 100)).await.unwrap();
    let wire = Wire::before(&world).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Answering("Nats-Batch-Commit"));
    let mut sets: Vec<Set> = (0..12).map(|n| ChangeSet::new(vec![new(&world, n)])).collect();
    // A rename: the old key goes with the new one.
    sets[5].writes.push(Write {
        key: key(&world, 100),
        expect: Expect::NewestUnder(under_name(&world, 100), old),
        change: Change::Delete,
    });
    let outcomes = bus.roster().commit(sets).await;
    wire.broken().await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let stored = revision(&world, n).await;
        // Behind the rename everything is one further.
        assert_eq!(stored, old + 1 + n as u64 + u64::from(n > 5), "person {n}");
        assert_eq!(outcome.unwrap()[0], stored, "person {n}");
    }
    assert_eq!(world.bus.roster().get(&key(&world, 100)).await.unwrap(), None);
    let removed = world.bus.roster().newest_under(&under_name(&world, 100)).await;
    assert_eq!(removed.unwrap(), old + 7, "removed once");
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_got_lost_on_its_way_is_sent_again() {
    let world = world().await;
    let wire = Wire::before(&world).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Sending("Nats-Batch-Commit"));
    let sets = (0..12).map(|n| ChangeSet::new(vec![new(&world, n), new(&world, n + 100)]));
    let outcomes = bus.roster().commit(sets.collect()).await;
    wire.broken().await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let stored = [revision(&world, n).await, revision(&world, n + 100).await];
        assert_eq!(outcome.unwrap(), stored, "set {n}");
    }
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_an_answer_is_no_conflict_but_for_the_one_that_was_overwritten() {
    let world = world().await;
    let wire = Wire::before(&world).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Answering("Nats-Batch-Commit"));
    let sets = (0..12).map(|n| ChangeSet::new(vec![new(&world, n)])).collect();
    let roster = bus.roster();
    let commit = tokio::spawn(async move { roster.commit(sets).await });
    wire.broken().await;
    let mut other = person(3);
    other.active = false;
    let roster = world.bus.roster();
    let overwritten = roster.write(Write {
        key: key(&world, 3),
        expect: Expect::Revision(revision(&world, 3).await),
        change: Change::Put(RosterValue::Person(Box::new(other))),
    });
    let overwritten = overwritten.await.unwrap();
    for (n, outcome) in commit.await.unwrap().into_iter().enumerate() {
        if n == 3 {
            assert!(outcome.unwrap_err().is_conflict());
        } else {
            assert_eq!(outcome.unwrap(), [revision(&world, n).await], "person {n}");
        }
    }
    assert_eq!(revision(&world, 3).await, overwritten);
    world.server.stop().await;
}

/// Begins as many batches as the server has open at once; `end` ends them.
struct Crowd(async_nats::Client);

impl Crowd {
    async fn begin(world: &World) -> Crowd {
        let connection = world.server.connection();
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
        // The answer says that the server has it.
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
    let world = world().await;
    let crowd = Crowd::begin(&world).await;
    let roster = world.bus.roster();
    let refused = roster.write_all(vec![new(&world, 50), new(&world, 51)]);
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, WriteError::Busy { .. }), "{refused}");
    for (size, first) in [(1, 0), (12, 2)] {
        let sets: Vec<Set> = (0..size)
            .map(|n| first + 2 * n)
            .map(|n| ChangeSet::new(vec![new(&world, n), new(&world, n + 1)]))
            .collect();
        let roster = world.bus.roster();
        let commit = tokio::spawn(async move { roster.commit(sets).await });
        if size == 1 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert!(!commit.is_finished(), "it did not wait: {:?}", commit.await);
            crowd.end().await;
        }
        for (n, outcome) in commit.await.unwrap().into_iter().enumerate() {
            let n = first + 2 * n;
            let stored = [revision(&world, n).await, revision(&world, n + 1).await];
            assert_eq!(outcome.unwrap(), stored, "person {n}");
        }
    }
    world.server.stop().await;
}
