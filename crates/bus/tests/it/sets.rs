//! A watch that breaks off inside a set: nobody sees half of it, and nothing is missed.

use std::time::Duration;

use bus::{Change, Expect, RosterKey, RosterValue, Watch, WatchEvent, Write};

use crate::wire::{Break, Wire};
use crate::{World, person, world};

fn key(world: &World, n: usize) -> RosterKey {
    RosterKey::of_person(&world.org, &person(n))
}

fn put(world: &World, n: usize) -> Write<RosterKey, RosterValue> {
    Write {
        key: key(world, n),
        expect: Expect::Any,
        change: Change::Put(RosterValue::Person(Box::new(person(n)))),
    }
}

/// All that a watch tells before anybody may look; `None` stands for the end of what was there at the start.
async fn together(watch: &mut Watch<RosterKey, RosterValue>) -> Vec<Option<RosterKey>> {
    let first = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    let mut events = vec![first.expect("the watch tells nothing")];
    events.extend(std::iter::from_fn(|| watch.next_now()));
    let key_of = |event| match event {
        WatchEvent::Put(key, _) => Some(key),
        WatchEvent::Synced => None,
        WatchEvent::Removed(_) | WatchEvent::Reset => panic!("{event:?}"),
    };
    events.into_iter().map(key_of).collect()
}

fn keys(world: &World, people: impl IntoIterator<Item = usize>) -> Vec<Option<RosterKey>> {
    people.into_iter().map(|n| Some(key(world, n))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_off_inside_a_set_tells_all_of_it_at_once_and_then_goes_on() {
    for place in ["Rollcall-Set: 1/5", "Rollcall-Set: 3/5", "Rollcall-Set: 5/5"] {
        let world = world().await;
        let wire = Wire::before(&world).await;
        let bus = wire.bus().await;
        let mut watch = bus.roster().watch(&world.org);
        assert_eq!(together(&mut watch).await, [None]);
        wire.break_at(Break::Telling(place));
        let set = (0..5).map(|n| put(&world, n)).collect();
        world.bus.roster().write_all(set).await.unwrap();
        world.bus.roster().write(put(&world, 9)).await.unwrap();
        assert_eq!(together(&mut watch).await, keys(&world, 0..5), "{place}");
        assert_eq!(together(&mut watch).await, keys(&world, [9]), "{place}");
        wire.broken().await;
        world.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_reading_that_breaks_off_inside_a_set_ends_behind_all_of_it() {
    let world = world().await;
    let set = (0..5).map(|n| put(&world, n)).collect();
    world.bus.roster().write_all(set).await.unwrap();
    let wire = Wire::before(&world).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Telling("Rollcall-Set: 3/5"));
    let mut watch = bus.roster().watch(&world.org);
    let mut wanted = keys(&world, 0..5);
    wanted.push(None);
    assert_eq!(together(&mut watch).await, wanted);
    wire.broken().await;
    world.server.stop().await;
}

/// The end of the set is overwritten while the watch is away: its last key comes later in the stream, behind other writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_whose_end_was_overwritten_while_a_watch_was_away_is_not_told_by_half() {
    let world = world().await;
    let wire = Wire::before(&world).await;
    let bus = wire.bus().await;
    let mut watch = bus.roster().watch(&world.org);
    assert_eq!(together(&mut watch).await, [None]);
    wire.lets_through(false);
    wire.break_at(Break::Telling("Rollcall-Set: 3/5"));
    let set = (0..5).map(|n| put(&world, n)).collect();
    world.bus.roster().write_all(set).await.unwrap();
    let away = async {
        wire.broken().await;
        for n in [9, 4, 3] {
            world.bus.roster().write(put(&world, n)).await.unwrap();
        }
        wire.lets_through(true);
    };
    let (told, ()) = tokio::join!(together(&mut watch), away);
    assert_eq!(told, keys(&world, [0, 1, 2, 9, 4, 3]));
    world.bus.roster().write(put(&world, 10)).await.unwrap();
    assert_eq!(together(&mut watch).await, keys(&world, [10]));
    world.server.stop().await;
}
