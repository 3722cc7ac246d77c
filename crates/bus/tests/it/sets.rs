//! A watch that breaks off inside a change set: no reader sees half of the set, and nothing is missed.

use std::time::Duration;

use bus::{Change, Expect, RosterKey, RosterValue, Watch, WatchEvent, Write};

use crate::wire::{Break, Wire};
use crate::{Harness, harness, person};

fn key(harness: &Harness, n: usize) -> RosterKey {
    RosterKey::of_person(&harness.org, &person(n))
}

fn put(harness: &Harness, n: usize) -> Write<RosterKey, RosterValue> {
    Write {
        key: key(harness, n),
        expect: Expect::Any,
        change: Change::Put(RosterValue::Person(Box::new(person(n)))),
    }
}

/// Reads all events of a watch that belong together. `None` means that everything that existed at the start was delivered.
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

fn keys(harness: &Harness, people: impl IntoIterator<Item = usize>) -> Vec<Option<RosterKey>> {
    people.into_iter().map(|n| Some(key(harness, n))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_off_inside_a_set_tells_all_of_it_at_once_and_then_goes_on() {
    for place in ["Rollcall-Set: 1/5", "Rollcall-Set: 3/5", "Rollcall-Set: 5/5"] {
        let harness = harness().await;
        let wire = Wire::before(&harness).await;
        let bus = wire.bus().await;
        let mut watch = bus.roster().watch(&harness.org);
        assert_eq!(together(&mut watch).await, [None]);
        wire.break_at(Break::Telling(place));
        let set = (0..5).map(|n| put(&harness, n)).collect();
        harness.bus.roster().write_all(set).await.unwrap();
        harness.bus.roster().write(put(&harness, 9)).await.unwrap();
        assert_eq!(together(&mut watch).await, keys(&harness, 0..5), "{place}");
        assert_eq!(together(&mut watch).await, keys(&harness, [9]), "{place}");
        wire.broken().await;
        harness.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_reading_that_breaks_off_inside_a_set_ends_behind_all_of_it() {
    let harness = harness().await;
    let set = (0..5).map(|n| put(&harness, n)).collect();
    harness.bus.roster().write_all(set).await.unwrap();
    let wire = Wire::before(&harness).await;
    let bus = wire.bus().await;
    wire.break_at(Break::Telling("Rollcall-Set: 3/5"));
    let mut watch = bus.roster().watch(&harness.org);
    let mut wanted = keys(&harness, 0..5);
    wanted.push(None);
    assert_eq!(together(&mut watch).await, wanted);
    wire.broken().await;
    harness.server.stop().await;
}

/// The end of the set is overwritten while the watch is disconnected. Its last key comes later in the stream, after other writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_whose_end_was_overwritten_while_a_watch_was_away_is_not_told_by_half() {
    let harness = harness().await;
    let wire = Wire::before(&harness).await;
    let bus = wire.bus().await;
    let mut watch = bus.roster().watch(&harness.org);
    assert_eq!(together(&mut watch).await, [None]);
    wire.lets_through(false);
    wire.break_at(Break::Telling("Rollcall-Set: 3/5"));
    let set = (0..5).map(|n| put(&harness, n)).collect();
    harness.bus.roster().write_all(set).await.unwrap();
    let away = async {
        wire.broken().await;
        for n in [9, 4, 3] {
            harness.bus.roster().write(put(&harness, n)).await.unwrap();
        }
        wire.lets_through(true);
    };
    let (synced, ()) = tokio::join!(together(&mut watch), away);
    assert_eq!(synced, keys(&harness, [0, 1, 2, 9, 4, 3]));
    harness.bus.roster().write(put(&harness, 10)).await.unwrap();
    assert_eq!(together(&mut watch).await, keys(&harness, [10]));
    harness.server.stop().await;
}
