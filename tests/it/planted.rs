//! Faults that are planted around the pusher, in its durable state and on the wire; and the oracle that sees each. Those
//! planted in plans and judgements are with the planner's own tests.
//!
//! | fault | oracle |
//! | --- | --- |
//! | intents are lost with their owner | a team made twice (in the sweep) |
//! | an intent says too early that its request can do nothing any more | no older title follows a newer one |
//! | two buses, and so two owners at once | a team made twice; the limit is kept |

use std::time::Duration;

use bus::{Change, Expect, LinksValue, WatchEvent, Write};
use litmos_simulator::{Settings, most_requests_in_any_window};
use provisioning::{Field, Intent, Person, PersonLink};
use rollcall_tests::{Hall, Room, group, person, wait_for};
use serde_json::json;

fn simulator() -> Settings {
    Settings {
        limit: 400,
        window_length: Duration::from_secs(1),
        ..Settings::default()
    }
}

fn titled(title: &str) -> Person {
    let mut staff = person("s0");
    staff.profile.set(Field::JobTitle, title);
    staff
}

/// Makes every intent of a person's say that it is settled.
async fn settle_intents(room: &Room) {
    let mut watch = room.bus().links().watch(&room.org);
    loop {
        match watch.next().await {
            WatchEvent::Put(key, stored) => {
                let LinksValue::Person(link) = stored.value else {
                    continue;
                };
                let intent = link.intent.clone().map(|intent| {
                    Box::new(Intent {
                        settled_at_ms: 0,
                        ..*intent
                    })
                });
                let write = Write {
                    key,
                    expect: Expect::Any,
                    change: Change::Put(LinksValue::Person(Box::new(PersonLink { intent, ..*link }))),
                };
                room.bus()
                    .links()
                    .write(write)
                    .await
                    .expect("the link is rewritten");
            }
            WatchEvent::Synced => return,
            WatchEvent::Removed(_) | WatchEvent::Reset => {}
        }
    }
}

fn title(room: &Room) -> String {
    let users = room.litmos.state().users;
    let user = users.iter().find(|user| user.user_name.starts_with("s0"));
    let title = user.and_then(|user| user.attributes.get("JobTitle").cloned());
    title.unwrap_or_default()
}

/// A request that takes effect late, its owner gone, and a newer wish: what Litmos has in the end.
async fn late_request(room: &Room, planted: bool) -> String {
    let record = json!({"UserName": "s0@corp.example", "FirstName": "First", "LastName": "s0", "Email": "s0@corp.example"});
    room.litmos.put_users(&[record]).expect("somebody is put");
    room.import().await;
    room.people([titled("Older")]).await;
    room.litmos
        .set_faults(&["delay_ms=12000,method=PUT,path=/users/,times=1"])
        .expect("a rule");
    let arrived = room.litmos.report().requests;
    let (first, _) = room.pusher(pusher::CrashPoints::none());
    // Litmos counts a request when it arrives, also one that it holds back.
    wait_for("a request that is held back", async || {
        room.litmos.report().requests > arrived
    })
    .await;
    first.abort();
    let _ = first.await;
    if planted {
        settle_intents(room).await;
    }
    room.people([titled("Newer")]).await;
    let (second, stop) = room.pusher(pusher::CrashPoints::none());
    wait_for("the newer title", async || title(room) == "Newer").await;
    wait_for("the late request", async || {
        room.litmos.log().iter().any(|entry| entry.fault.is_some())
    })
    .await;
    stop.cancel();
    let _ = second.await;
    title(room)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_settles_too_early_is_seen() {
    let mut hall = Hall::open().await;
    // As long as the request is held back.
    let more = "requests_per_minute = 400\nwindow_ms = 1000\npaced = false\npermit_ttl_ms = 3000\nsettle_ms = 15000\n";
    let rooms = vec![
        Room::new(&hall.bus, "sound", simulator(), more).await,
        Room::new(&hall.bus, "planted", simulator(), more).await,
    ];
    hall.govern(&rooms);
    let (sound, planted) = tokio::join!(late_request(&rooms[0], false), late_request(&rooms[1], true));
    assert_eq!(sound, "Newer");
    assert_eq!(planted, "Older", "a stale overwrite went unseen");
    hall.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_on_two_buses_are_seen() {
    const LIMIT: usize = 10;
    const SLOW: &str = "requests_per_minute = 10\nwindow_ms = 2000\npaced = false\npermit_ttl_ms = 1500\n\
                        settle_ms = 1000\nbulk_import = false\n";
    let window = Duration::from_secs(2);
    let mut one = Hall::open().await;
    let mut other = Hall::open().await;
    let mut settings = simulator();
    // It refuses nothing, so that the log alone can tell; and it minds no second team of a name.
    settings.modes.set("team-name", "reusable").expect("a mode");
    let room = Room::new(&one.bus, "twin", settings, SLOW).await;
    let twin = room.on(&other.bus);
    let rooms = [vec![room], vec![twin]];
    one.govern(&rooms[0]);
    other.govern(&rooms[1]);
    for room in rooms.iter().flatten() {
        room.import().await;
    }
    let before = rooms[0][0].litmos.log().len();
    let mut pushers = Vec::new();
    for room in rooms.iter().flatten() {
        room.groups((0..20).map(|n| group(&format!("Team {n}")))).await;
        pushers.push(room.pusher(pusher::CrashPoints::none()));
    }
    for room in rooms.iter().flatten() {
        room.settled().await;
    }
    let log = rooms[0][0].litmos.log().split_off(before);
    let made = log.iter().filter(|entry| {
        entry
            .effect
            .as_deref()
            .is_some_and(|effect| effect.starts_with("team.created"))
    });
    assert_eq!(made.count(), 40, "teams made twice went unseen");
    let most = most_requests_in_any_window(&log, window);
    assert!(most > LIMIT, "twice the limit went unseen: {most} in one window");
    for (pusher, stop) in pushers {
        stop.cancel();
        let _ = pusher.await;
    }
    one.close().await;
    other.close().await;
}
