//! The price named by a plan is the price paid: what the simulator counts after `apply` is what the plan and its
//! forecast said, call for call.
//!
//! Where nothing goes wrong there is one thing that a plan cannot know: how long Litmos takes for an import. The plan
//! expects [`POLLS`] polls; a job that takes longer costs more of them, and nothing else.

use bus::OperatorRequest;
use std::time::Duration;

use litmos_simulator::Settings;
use provisioning::cost::BULK_POLLS_EXPECTED as POLLS;
use provisioning::{AccessLevel, DesiredManager, Field, Person};
use rollcall_tests::{Hall, QUICK, Room, group, person};
use serde_json::{Value, json};
use settings::ApplyMode;

/// After the first poll, at 1.2 s, and before the second, at 3.2 s: a second in hand on either side.
const AS_EXPECTED: Duration = Duration::from_millis(2_200);

/// After the second poll, and before the third, at 7.2 s.
const SLOW: Duration = Duration::from_millis(5_200);

/// People who are in Litmos before.
const STAFF: usize = 30;

/// What is wished, and how it is to be paid for.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    more: &'static str,
    wish: fn() -> Wish,
    calls: u64,
}

#[derive(Default)]
struct Wish {
    people: Vec<Person>,
    groups: Vec<provisioning::Group>,
    members: Vec<(String, String, bool)>,
}

impl Wish {
    fn join(mut self, group: &str, people: impl IntoIterator<Item = String>) -> Wish {
        self.members
            .extend(people.into_iter().map(|person| (group.to_owned(), person, true)));
        self
    }

    fn quit(mut self, group: &str, person: &str) -> Wish {
        self.members.push((group.to_owned(), person.to_owned(), false));
        self
    }
}

fn edited(name: &str, edit: impl FnOnce(&mut Person)) -> Person {
    let mut person = person(name);
    edit(&mut person);
    person
}

fn title(name: &str) -> Person {
    edited(name, |person| person.profile.set(Field::JobTitle, "New title"))
}

fn with_level(name: &str, level: AccessLevel) -> Person {
    edited(name, |person| person.access_level = Some(level))
}

fn one_hire() -> Wish {
    let wish = Wish {
        people: vec![person("mira")],
        groups: vec![group("Sales")],
        ..Wish::default()
    };
    wish.join("sales", ["mira".to_owned()])
}

fn newcomers(count: usize) -> impl Iterator<Item = Person> {
    (0..count).map(|n| {
        edited(&format!("n{n}"), |person| {
            if n > 0 {
                person.manager = DesiredManager::Reference("n0@corp.example".to_owned());
            }
        })
    })
}

fn two_hundred() -> Wish {
    let groups = (0..4).map(|n| group(&format!("Wave {n}")));
    let mut wish = Wish {
        people: newcomers(200).collect(),
        groups: groups.collect(),
        ..Wish::default()
    };
    for wave in 0..4 {
        let people = (0..200).filter(|n| n % 4 == wave).map(|n| format!("n{n}"));
        wish = wish.join(&format!("wave-{wave}"), people);
    }
    wish
}

/// More than one import takes, with managers in one import and their reports in another.
fn thousands() -> Wish {
    const PEOPLE: usize = 2_500;
    let people = (0..PEOPLE).map(|n| {
        edited(&format!("n{n}"), |person| {
            if n > 0 {
                let manager = if n % 10 == 0 { 0 } else { n / 10 * 10 };
                person.manager = DesiredManager::Reference(format!("n{manager}@corp.example"));
            }
        })
    });
    let mut wish = Wish {
        people: people.collect(),
        groups: (0..5).map(|n| group(&format!("Wave {n}"))).collect(),
        ..Wish::default()
    };
    for wave in 0..5 {
        let people = (0..PEOPLE).filter(|n| n % 5 == wave).map(|n| format!("n{n}"));
        wish = wish.join(&format!("wave-{wave}"), people);
    }
    wish
}

/// A tree in which every tenth newcomer has reports, who are newcomers too.
fn tree() -> Wish {
    let people = (0..60).map(|n| {
        edited(&format!("n{n}"), |person| {
            if n > 0 {
                person.manager = DesiredManager::Reference(format!("n{}@corp.example", n / 10));
            }
        })
    });
    Wish {
        people: people.collect(),
        ..Wish::default()
    }
}

fn edits() -> Wish {
    let mut people: Vec<Person> = (0..8).map(|n| title(&format!("s{n}"))).collect();
    people.push(edited("s8", |person| person.profile.set(Field::City, "")));
    people.push(edited("s9", |person| {
        person.manager = DesiredManager::Reference("s0@corp.example".to_owned());
    }));
    Wish {
        people,
        ..Wish::default()
    }
}

fn leavers() -> Wish {
    let leaves = |name: &str| edited(name, |person| person.active = false);
    Wish {
        people: ["s1", "s2", "s20"].map(leaves).into(),
        ..Wish::default()
    }
}

/// A team described, made, joined, left by one of its members, and all teams left by somebody.
fn team_changes() -> Wish {
    let mut yard = group("Yard");
    yard.description = Some("Behind the depot".to_owned());
    let wish = Wish {
        people: ["s0", "s1", "s2", "s3", "s4", "s5"].map(person).into(),
        groups: vec![yard, group("Sales"), group("Depot"), group("Fresh")],
        ..Wish::default()
    };
    wish.join("fresh", ["s0", "s1", "s2"].map(str::to_owned))
        .join("depot", ["s0".to_owned()])
        .quit("yard", "s5")
        .quit("sales", "s4")
        .quit("depot", "s4")
}

fn custom_fields() -> Wish {
    let with = |name: &str| {
        edited(name, |person| {
            person.custom.insert("Cost Centre".to_owned(), "100".to_owned());
            person.custom.insert("Site".to_owned(), "Kiel".to_owned());
        })
    };
    Wish {
        people: ["s0", "s1", "mira"].map(with).into(),
        ..Wish::default()
    }
}

/// One who is a member already is promoted, and so is one who is made and joins first.
fn roles() -> Wish {
    let wish = Wish {
        people: vec![
            with_level("s1", AccessLevel::TeamLeader),
            with_level("mira", AccessLevel::TeamAdmin),
        ],
        groups: vec![group("Sales")],
        ..Wish::default()
    };
    wish.join("sales", ["s1", "mira"].map(str::to_owned))
}

const CASES: [Case; 15] = [
    Case {
        name: "one new hire",
        more: "",
        wish: one_hire,
        calls: 2,
    },
    Case {
        name: "two hundred newcomers in teams, with a manager",
        more: "",
        wish: two_hundred,
        calls: 4 + 1 + 4,
    },
    Case {
        name: "the same, call for call",
        more: "bulk_import = false\n",
        wish: two_hundred,
        calls: 4 + 200 + 4,
    },
    Case {
        name: "more newcomers than one import takes, whose managers are new too",
        more: "",
        wish: thousands,
        calls: 5 + 5 + 4 + 2 * 3,
    },
    Case {
        name: "a tree of newcomers",
        more: "",
        wish: tree,
        calls: 6 + 4,
    },
    Case {
        name: "edits of fresh records",
        more: "",
        wish: edits,
        calls: 3 + 1,
    },
    Case {
        name: "the same, call for call",
        more: "bulk_import = false\n",
        wish: edits,
        calls: 10,
    },
    Case {
        name: "edits of records that must be read",
        more: STALE,
        wish: edits,
        calls: 20,
    },
    Case {
        name: "leavers",
        more: AT_ONCE,
        wish: leavers,
        calls: 6,
    },
    Case {
        name: "leavers whose records must be read",
        more: STALE_AT_ONCE,
        wish: leavers,
        calls: 9,
    },
    Case {
        name: "team changes",
        more: "",
        wish: team_changes,
        calls: 2 + 1 + 1 + 1 + 2,
    },
    Case {
        name: "team changes after a while",
        more: STALE,
        wish: team_changes,
        calls: 2 + 1 + 3 + 2,
    },
    Case {
        name: "custom fields",
        more: "",
        wish: custom_fields,
        calls: 1 + 3 * 2,
    },
    Case {
        name: "roles",
        more: "",
        wish: roles,
        calls: 5,
    },
    Case {
        name: "roles of people who must be read",
        more: STALE,
        wish: roles,
        calls: 6,
    },
];

/// No record is fresh.
const STALE: &str = "bulk_import = false\nfresh_seconds = 0\n";

/// Cut-offs do not wait for a word, and so neither does what this is about.
const AT_ONCE: &str = "apply = \"automatic\"\n";
const STALE_AT_ONCE: &str = "apply = \"automatic\"\nbulk_import = false\nfresh_seconds = 0\n";

fn record(n: usize) -> Value {
    json!({"UserName": format!("s{n}@corp.example"), "FirstName": "First", "LastName": format!("s{n}"),
        "Email": format!("s{n}@corp.example"), "City": "Oslo", "JobTitle": "Old title"})
}

async fn room(hall: &Hall, n: usize, more: &str, bulk_delay: Duration) -> Room {
    let simulator = Settings {
        limit: 400,
        window_length: Duration::from_secs(1),
        bulk_delay,
        ..Settings::default()
    };
    let manual = if more.contains("apply") {
        ""
    } else {
        "apply = \"manual\"\n"
    };
    let more = format!("{QUICK}{manual}{more}");
    Room::new(&hall.bus, &format!("room-{n}"), simulator, &more).await
}

/// What a plan said, and what was paid.
#[derive(Debug)]
struct Paid {
    plan: u64,
    forecast: u64,
    requests: u64,
    polls: u64,
    /// What the plan was, and what was asked of Litmos.
    output: String,
}

async fn pay(room: &Room, wish: Wish) -> Paid {
    let staff: Vec<Value> = (0..STAFF).map(record).collect();
    room.litmos.put_users(&staff).expect("staff is put");
    let names = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|n| format!("s{n}@corp.example")).collect()
    };
    room.litmos
        .put_teams(&[
            json!({"Name": "Sales", "Members": names(1..5)}),
            json!({"Name": "Depot", "Members": names(4..8)}),
            json!({"Name": "Yard", "Members": names(5..7)}),
        ])
        .expect("teams are put");
    room.import().await;
    room.people(wish.people).await;
    room.groups(wish.groups).await;
    let members = wish.members.iter();
    room.members(members.map(|(group, person, present)| (group.as_str(), person.as_str(), *present)))
        .await;
    let before = room.litmos.log().len();
    // As it is before anything goes: cut-offs do not wait for a word.
    let org = &room.settings.orgs[0];
    let world = pusher::state(room.bus(), &room.org).await;
    let now = chassis::clock::unix_ms();
    let named = provisioning::plan(&room.org, &world, &world.subjects(), &org.policy, now);
    let (pusher, stop) = room.pusher(pusher::CrashPoints::none());
    let mut forecast = u64::from(named.calls());
    if org.apply == ApplyMode::Manual {
        rollcall_tests::wait_for("a plan", async || {
            room.ask(OperatorRequest::Plan { start: 0 }).await.is_ok()
        })
        .await;
        let plan = room
            .ask(OperatorRequest::Plan { start: 0 })
            .await
            .expect("a plan");
        assert_eq!(plan["calls"], named.calls(), "{plan:#}");
        forecast = plan["forecast"]["calls"].as_u64().expect("a forecast");
        assert_eq!(room.litmos.log().len(), before, "nothing is sent before the word");
        let applied = room
            .ask(OperatorRequest::Apply {
                plan: plan["hash"].as_str().map(str::to_owned),
            })
            .await;
        assert_eq!(applied.expect("it is applied")["calls"], named.calls());
    }
    room.settled().await;
    stop.cancel();
    let _ = pusher.await;
    let log = room.litmos.log().split_off(before);
    let polls = log
        .iter()
        .filter(|entry| entry.method == "GET" && entry.path.contains("bulkimports"))
        .count();
    let lines = log.iter().map(|entry| {
        format!(
            "{} {} {:?} {:?}",
            entry.method, entry.path, entry.status, entry.effect
        )
    });
    let output = format!(
        "{}\n{}",
        named.to_text(12),
        lines
            .filter(|line| !line.contains("user.created"))
            .take(60)
            .collect::<Vec<_>>()
            .join("\n")
    );
    Paid {
        plan: u64::from(named.calls()),
        forecast,
        requests: log.len() as u64,
        polls: polls as u64,
        output,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_to_the_call_what_it_takes() {
    let mut hall = Hall::open().await;
    let mut rooms = Vec::new();
    for case in CASES {
        rooms.push(room(&hall, rooms.len(), case.more, AS_EXPECTED).await);
    }
    hall.govern(&rooms);
    let plays = rooms
        .iter()
        .zip(CASES)
        .map(|(room, case)| pay(room, (case.wish)()));
    let all = futures_util::future::join_all(plays).await;
    let mut wrong = Vec::new();
    for (case, paid) in CASES.iter().zip(&all) {
        println!("{}: {} calls, {} polls", case.name, paid.requests, paid.polls);
        let right = (paid.plan, paid.forecast, paid.requests) == (case.calls, case.calls, case.calls);
        if !right {
            let Paid {
                plan,
                forecast,
                requests,
                output,
                ..
            } = paid;
            wrong.push(format!(
                "{} ({:?}): {} expected, plan {plan}, forecast {forecast}, paid {requests}\n{output}",
                case.name, case.more, case.calls
            ));
        }
    }
    hall.close().await;
    assert!(
        wrong.is_empty(),
        "{} wrong prices:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_import_costs_more_polls_and_nothing_else() {
    let mut hall = Hall::open().await;
    let rooms = vec![
        room(&hall, 0, "", AS_EXPECTED).await,
        room(&hall, 1, "", SLOW).await,
    ];
    hall.govern(&rooms);
    let (expected, slow) = tokio::join!(pay(&rooms[0], two_hundred()), pay(&rooms[1], two_hundred()));
    assert_eq!(
        (expected.polls, slow.polls),
        (u64::from(POLLS), u64::from(POLLS) + 1),
        "{}",
        slow.output
    );
    assert_eq!(expected.plan, slow.plan);
    assert_eq!(slow.requests - expected.requests, 1, "{}", slow.output);
    assert_eq!(expected.requests, expected.plan);
    hall.close().await;
}
