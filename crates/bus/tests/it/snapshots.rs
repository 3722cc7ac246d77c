use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Change, Expect, RosterKey, RosterValue, SnapshotPolicy, Watch, WatchEvent, Write};
use futures_util::StreamExt as _;
use provisioning::{Person, PersonId};

use crate::{Harness, harness, person};

/// Writes snapshots of few keys without delay.
const TERMS: SnapshotPolicy = SnapshotPolicy {
    keys_min: 10,
    stale_after: 1_000_000,
    delay: Duration::ZERO,
};

const HEAD: &str = "rollcall.snapshot.v1.acme.roster.head";

type Seen = BTreeMap<PersonId, (Person, u64)>;

/// Reads a watch until it is synced.
async fn synced(watch: &mut Watch<RosterKey, RosterValue>) -> Seen {
    let mut seen = Seen::new();
    let all = async {
        loop {
            match watch.next().await {
                WatchEvent::Put(_, stored) => match stored.value {
                    RosterValue::Person(person) => {
                        seen.insert(person.id.clone(), (*person, stored.revision));
                    }
                    other => panic!("{other:?} was not written"),
                },
                WatchEvent::Removed(RosterKey::Person(_, _, id)) => {
                    seen.remove(&id);
                }
                WatchEvent::Synced => return,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .expect("not everything was synced");
    seen
}

fn watch(harness: &Harness) -> Watch<RosterKey, RosterValue> {
    let roster = harness
        .bus
        .roster()
        .watch_kinds(&harness.org, &RosterKey::DESIRED);
    roster.with_snapshots(TERMS)
}

async fn plain(harness: &Harness) -> Seen {
    synced(&mut harness.bus.roster().watch(&harness.org)).await
}

fn key(harness: &Harness, n: usize) -> RosterKey {
    RosterKey::of_person(&harness.org, &person(n))
}

async fn put(harness: &Harness, people: impl IntoIterator<Item = Person>) {
    let write = |person: Person| Write {
        key: RosterKey::of_person(&harness.org, &person),
        expect: Expect::Any,
        change: Change::Put(RosterValue::Person(Box::new(person))),
    };
    let writes = people.into_iter().map(write).collect();
    harness.bus.roster().write_all(writes).await.unwrap();
}

async fn remove(harness: &Harness, n: usize) {
    let write = Write {
        key: key(harness, n),
        expect: Expect::Any,
        change: Change::Delete,
    };
    harness.bus.roster().write(write).await.unwrap();
}

/// A separate NATS client, for operations that `bus` does not have.
async fn raw(harness: &Harness) -> async_nats::jetstream::Context {
    let connection = harness.server.connection();
    let options = async_nats::ConnectOptions::with_token(connection.token.clone().unwrap());
    async_nats::jetstream::new(options.connect(&connection.url).await.unwrap())
}

/// A company with a snapshot: 3,000 people, with enough text for several parts.
async fn company_with_snapshot() -> Harness {
    let harness = harness().await;
    for from in (0..3_000).step_by(1_000) {
        let people = (from..from + 1_000).map(|n| Person {
            user_name: format!("{n}{}", "x".repeat(700)),
            scim_document: Some("{}".to_owned()),
            ..person(n)
        });
        put(&harness, people).await;
    }
    let snapshots = raw(&harness).await.get_stream("snapshots").await.unwrap();
    let mut first = watch(&harness);
    same(synced(&mut first).await, plain(&harness).await);
    let drawn = async {
        while snapshots.direct_get_last_for_subject(HEAD).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), drawn)
        .await
        .expect("no snapshot was written");
    harness
}

/// Compares the people of two watches, without the fields that a snapshot leaves out. Reports only people that differ.
fn same(mut one: Seen, mut other: Seen) {
    for (person, _) in one.values_mut().chain(other.values_mut()) {
        person.scim_document = None;
    }
    let ids: BTreeSet<PersonId> = one.keys().chain(other.keys()).cloned().collect();
    let different: Vec<_> = ids
        .iter()
        .filter(|id| one.get(*id) != other.get(*id))
        .map(|id| {
            (
                id,
                one.get(id).map(|(_, revision)| revision),
                other.get(id).map(|(_, revision)| revision),
            )
        })
        .collect();
    assert!(different.is_empty(), "{different:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_what_came_after_it_tell_what_the_bucket_tells() {
    let harness = company_with_snapshot().await;
    put(
        &harness,
        (0..50).map(|n| Person {
            active: false,
            ..person(n)
        }),
    )
    .await;
    put(&harness, (3_000..3_020).map(person)).await;
    for n in [7, 1_500, 2_999, 3_001] {
        remove(&harness, n).await;
    }
    remove(&harness, 8).await;
    put(
        &harness,
        [Person {
            deleted: true,
            ..person(8)
        }],
    )
    .await;
    let mut begun = watch(&harness);
    same(synced(&mut begun).await, plain(&harness).await);
    // The watch continues after the snapshot.
    put(&harness, [person(4_000)]).await;
    let next = tokio::time::timeout(Duration::from_secs(5), begun.next())
        .await
        .unwrap();
    assert!(matches!(next, WatchEvent::Put(RosterKey::Person(_, _, id), _) if id == person(4_000).id));
    harness.server.stop().await;
}

/// The other tests would pass without a snapshot. Here a message is deleted from the stream by hand, so only the snapshot has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_with_the_snapshot_where_there_is_one() {
    let harness = company_with_snapshot().await;
    let roster = raw(&harness).await.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p5")
        .await
        .unwrap();
    assert_eq!(synced(&mut watch(&harness)).await.len(), 3_000);
    assert_eq!(plain(&harness).await.len(), 2_999);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_whole_is_no_snapshot() {
    let harness = company_with_snapshot().await;
    let snapshots = raw(&harness).await.get_stream("snapshots").await.unwrap();
    snapshots
        .purge()
        .filter("rollcall.snapshot.v1.acme.roster.*.1")
        .await
        .unwrap();
    remove(&harness, 3).await;
    same(synced(&mut watch(&harness)).await, plain(&harness).await);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_snapshot_is_refused() {
    part_is_refused(|part| {
        let mut payload = lz4_flex::block::decompress_size_prepended(part).unwrap();
        // The id of the snapshot is the first text of a part.
        payload[2] = if payload[2] == b'0' { b'1' } else { b'0' };
        lz4_flex::block::compress_prepend_size(&payload)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_does_not_unpack_is_no_part() {
    part_is_refused(|part| part[..part.len() / 2].to_vec()).await;
    part_is_refused(|_| Vec::new()).await;
    // The part claims a size of 4 GB after decompression.
    part_is_refused(|part| [&[255; 4], &part[4..]].concat()).await;
}

/// Changes the first part of a snapshot, and deletes a message from the bucket by hand. The watch does not deliver that message,
/// because it reads the bucket.
async fn part_is_refused(change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let harness = company_with_snapshot().await;
    let js = raw(&harness).await;
    let snapshots = js.get_stream("snapshots").await.unwrap();
    let part = "rollcall.snapshot.v1.acme.roster.a.0";
    let stored = snapshots.direct_get_last_for_subject(part).await.unwrap();
    let payload = change(&stored.payload);
    js.publish(part, payload.into()).await.unwrap().await.unwrap();
    let roster = js.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p2999")
        .await
        .unwrap();
    assert_eq!(synced(&mut watch(&harness)).await.len(), 2_999);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_made_anew_is_not_the_one_in_the_snapshot() {
    let harness = company_with_snapshot().await;
    let js = raw(&harness).await;
    js.delete_stream("KV_roster").await.unwrap();
    harness.bus.prepare(1).await.unwrap();
    for _ in 0..8 {
        put(&harness, (0..1_000).map(person)).await;
    }
    assert_eq!(synced(&mut watch(&harness)).await.len(), 1_000);
    harness.server.stop().await;
}

/// Keys move to the end of the stream while the snapshot is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_written_while_its_keys_are_written_is_right() {
    let harness = harness().await;
    for from in (0..3_000).step_by(1_000) {
        put(&harness, (from..from + 1_000).map(person)).await;
    }
    let snapshots = raw(&harness).await.get_stream("snapshots").await.unwrap();
    let mut first = watch(&harness);
    synced(&mut first).await;
    let mut round = 0_u64;
    while snapshots.direct_get_last_for_subject(HEAD).await.is_err() {
        round += 1;
        let spread = |n: u64| usize::try_from((n * 7 + round * 131) % 3_000).unwrap();
        put(
            &harness,
            (0..100).map(|n| Person {
                changed_at_ms: round,
                ..person(spread(n))
            }),
        )
        .await;
        remove(&harness, spread(round)).await;
    }
    assert!(round > 0, "nothing was written meanwhile");
    same(synced(&mut watch(&harness)).await, plain(&harness).await);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_snapshot_is_written_anew_and_the_old_parts_go() {
    let harness = company_with_snapshot().await;
    let terms = SnapshotPolicy {
        stale_after: 500,
        ..TERMS
    };
    let js = raw(&harness).await;
    let mut snapshots = js.get_stream("snapshots").await.unwrap();
    let old = snapshots
        .direct_get_last_for_subject(HEAD)
        .await
        .unwrap()
        .sequence;
    put(
        &harness,
        (0..600).map(|n| Person {
            active: false,
            ..person(n)
        }),
    )
    .await;
    let mut again = harness
        .bus
        .roster()
        .watch_kinds(&harness.org, &RosterKey::DESIRED)
        .with_snapshots(terms);
    synced(&mut again).await;
    let drawn = async {
        loop {
            let head = snapshots.direct_get_last_for_subject(HEAD).await.unwrap();
            let mut sides = snapshots
                .info_with_subjects("rollcall.snapshot.v1.acme.roster.a.*")
                .await
                .unwrap();
            if head.sequence > old && sides.next().await.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), drawn)
        .await
        .expect("no other snapshot was written");
    snapshots.info().await.unwrap();
    let roster = js.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p1")
        .await
        .unwrap();
    let seen = synced(&mut watch(&harness)).await;
    assert!(!seen[&person(1).id].0.active, "the new snapshot is the old one");
    harness.server.stop().await;
}
