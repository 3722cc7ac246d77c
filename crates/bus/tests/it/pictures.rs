use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Change, Expect, PictureTerms, RosterKey, RosterValue, Watch, WatchEvent, Write};
use futures_util::StreamExt as _;
use provisioning::{Person, PersonId};

use crate::{World, person, world};

/// Pictures of few keys, at once.
const TERMS: PictureTerms = PictureTerms {
    keys_min: 10,
    stale_after: 1_000_000,
    delay: Duration::ZERO,
};

const HEAD: &str = "rollcall.picture.v1.acme.roster.head";

type Seen = BTreeMap<PersonId, (Person, u64)>;

/// What a watch tells until everything is told.
async fn told(watch: &mut Watch<RosterKey, RosterValue>) -> Seen {
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
        .expect("not everything was told");
    seen
}

fn watch(world: &World) -> Watch<RosterKey, RosterValue> {
    let roster = world.bus.roster().watch_kinds(&world.org, &RosterKey::DESIRED);
    roster.with_pictures(TERMS)
}

async fn plain(world: &World) -> Seen {
    told(&mut world.bus.roster().watch(&world.org)).await
}

fn key(world: &World, n: usize) -> RosterKey {
    RosterKey::of_person(&world.org, &person(n))
}

async fn put(world: &World, people: impl IntoIterator<Item = Person>) {
    let write = |person: Person| Write {
        key: RosterKey::of_person(&world.org, &person),
        expect: Expect::Any,
        change: Change::Put(RosterValue::Person(Box::new(person))),
    };
    let writes = people.into_iter().map(write).collect();
    world.bus.roster().write_all(writes).await.unwrap();
}

async fn remove(world: &World, n: usize) {
    let write = Write {
        key: key(world, n),
        expect: Expect::Any,
        change: Change::Delete,
    };
    world.bus.roster().write(write).await.unwrap();
}

/// A client of its own, for what `bus` has no word for.
async fn raw(world: &World) -> async_nats::jetstream::Context {
    let connection = world.server.connection();
    let options = async_nats::ConnectOptions::with_token(connection.token.clone().unwrap());
    async_nats::jetstream::new(options.connect(&connection.url).await.unwrap())
}

/// A company of which a picture has been drawn: 3,000 people, each with as much text as makes several parts.
async fn pictured() -> World {
    let world = world().await;
    for from in (0..3_000).step_by(1_000) {
        let people = (from..from + 1_000).map(|n| Person {
            user_name: format!("{n}{}", "x".repeat(700)),
            scim_document: Some("{}".to_owned()),
            ..person(n)
        });
        put(&world, people).await;
    }
    let pictures = raw(&world).await.get_stream("pictures").await.unwrap();
    let mut first = watch(&world);
    same(told(&mut first).await, plain(&world).await);
    let drawn = async {
        while pictures.direct_get_last_for_subject(HEAD).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), drawn)
        .await
        .expect("no picture was drawn");
    world
}

/// Compares what two watches told, without what a picture leaves out. Names only those about whom they differ.
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
async fn a_picture_and_what_came_after_it_tell_what_the_bucket_tells() {
    let world = pictured().await;
    put(
        &world,
        (0..50).map(|n| Person {
            active: false,
            ..person(n)
        }),
    )
    .await;
    put(&world, (3_000..3_020).map(person)).await;
    for n in [7, 1_500, 2_999, 3_001] {
        remove(&world, n).await;
    }
    remove(&world, 8).await;
    put(
        &world,
        [Person {
            deleted: true,
            ..person(8)
        }],
    )
    .await;
    let mut begun = watch(&world);
    same(told(&mut begun).await, plain(&world).await);
    // And it goes on.
    put(&world, [person(4_000)]).await;
    let next = tokio::time::timeout(Duration::from_secs(5), begun.next())
        .await
        .unwrap();
    assert!(matches!(next, WatchEvent::Put(RosterKey::Person(_, _, id), _) if id == person(4_000).id));
    world.server.stop().await;
}

/// The other tests would pass without any picture. What is taken out of the stream by hand is in the picture only.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_with_the_picture_where_there_is_one() {
    let world = pictured().await;
    let roster = raw(&world).await.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p5")
        .await
        .unwrap();
    assert_eq!(told(&mut watch(&world)).await.len(), 3_000);
    assert_eq!(plain(&world).await.len(), 2_999);
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_not_whole_is_no_picture() {
    let world = pictured().await;
    let pictures = raw(&world).await.get_stream("pictures").await.unwrap();
    pictures
        .purge()
        .filter("rollcall.picture.v1.acme.roster.*.1")
        .await
        .unwrap();
    remove(&world, 3).await;
    same(told(&mut watch(&world)).await, plain(&world).await);
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_drawing_is_no_part() {
    part_is_refused(|part| {
        let mut payload = lz4_flex::block::decompress_size_prepended(part).unwrap();
        // The id of the drawing is the first text of a part.
        payload[2] = if payload[2] == b'0' { b'1' } else { b'0' };
        lz4_flex::block::compress_prepend_size(&payload)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_does_not_unpack_is_no_part() {
    part_is_refused(|part| part[..part.len() / 2].to_vec()).await;
    part_is_refused(|_| Vec::new()).await;
    // It says that it unpacks to four gigabytes.
    part_is_refused(|part| [&[255; 4], &part[4..]].concat()).await;
}

/// Changes the first part of a picture. What is taken out of the bucket by hand then is not told, for the bucket is read.
async fn part_is_refused(change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let world = pictured().await;
    let js = raw(&world).await;
    let pictures = js.get_stream("pictures").await.unwrap();
    let part = "rollcall.picture.v1.acme.roster.a.0";
    let stored = pictures.direct_get_last_for_subject(part).await.unwrap();
    let payload = change(&stored.payload);
    js.publish(part, payload.into()).await.unwrap().await.unwrap();
    let roster = js.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p2999")
        .await
        .unwrap();
    assert_eq!(told(&mut watch(&world)).await.len(), 2_999);
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_made_anew_is_not_the_one_in_the_picture() {
    let world = pictured().await;
    let js = raw(&world).await;
    js.delete_stream("KV_roster").await.unwrap();
    world.bus.prepare(1).await.unwrap();
    for _ in 0..8 {
        put(&world, (0..1_000).map(person)).await;
    }
    assert_eq!(told(&mut watch(&world)).await.len(), 1_000);
    world.server.stop().await;
}

/// Keys move to the end of the stream while they are drawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_drawn_while_its_keys_are_written_is_right() {
    let world = world().await;
    for from in (0..3_000).step_by(1_000) {
        put(&world, (from..from + 1_000).map(person)).await;
    }
    let pictures = raw(&world).await.get_stream("pictures").await.unwrap();
    let mut first = watch(&world);
    told(&mut first).await;
    let mut round = 0_u64;
    while pictures.direct_get_last_for_subject(HEAD).await.is_err() {
        round += 1;
        let spread = |n: u64| usize::try_from((n * 7 + round * 131) % 3_000).unwrap();
        put(
            &world,
            (0..100).map(|n| Person {
                changed_at_ms: round,
                ..person(spread(n))
            }),
        )
        .await;
        remove(&world, spread(round)).await;
    }
    assert!(round > 0, "nothing was written meanwhile");
    same(told(&mut watch(&world)).await, plain(&world).await);
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_picture_is_drawn_anew_and_the_old_parts_go() {
    let world = pictured().await;
    let terms = PictureTerms {
        stale_after: 500,
        ..TERMS
    };
    let js = raw(&world).await;
    let mut pictures = js.get_stream("pictures").await.unwrap();
    let old = pictures.direct_get_last_for_subject(HEAD).await.unwrap().sequence;
    put(
        &world,
        (0..600).map(|n| Person {
            active: false,
            ..person(n)
        }),
    )
    .await;
    let mut again = world
        .bus
        .roster()
        .watch_kinds(&world.org, &RosterKey::DESIRED)
        .with_pictures(terms);
    told(&mut again).await;
    let drawn = async {
        loop {
            let head = pictures.direct_get_last_for_subject(HEAD).await.unwrap();
            let mut sides = pictures
                .info_with_subjects("rollcall.picture.v1.acme.roster.a.*")
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
        .expect("no other picture was drawn");
    pictures.info().await.unwrap();
    let roster = js.get_stream("KV_roster").await.unwrap();
    roster
        .purge()
        .filter("$KV.roster.acme.person.*.p1")
        .await
        .unwrap();
    let seen = told(&mut watch(&world)).await;
    assert!(!seen[&person(1).id].0.active, "the new picture is the old one");
    world.server.stop().await;
}
