//! What is played: a small company in which everything changes at once that can.

use std::collections::BTreeMap;

use bus::{Change, Expect, LinksKey, LinksValue, WatchEvent, Write};
use litmos_simulator::Settings;
use provisioning::{DesiredManager, Field, GroupLink, Person, PersonLink, TeamId};
use rollcall_tests::{Hall, QUICK, Room, group, group_id, person};
use serde_json::{Value, json};

/// People who are in Litmos before.
const STAFF: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// One call for each change, each record read before it is written.
    Single,
    /// An import of newcomers with their teams and managers.
    Bulk,
}

impl Scenario {
    pub(super) async fn room(self, hall: &Hall, org: &str) -> Room {
        let simulator = Settings {
            limit: 400,
            window_length: std::time::Duration::from_secs(1),
            bulk_delay: std::time::Duration::from_millis(200),
            ..Settings::default()
        };
        let more = match self {
            Scenario::Single => format!("{QUICK}bulk_import = false\nfresh_seconds = 0\n"),
            Scenario::Bulk => QUICK.to_owned(),
        };
        Room::new(&hall.bus, org, simulator, &more).await
    }

    /// Litmos as it was before, the import that saw it, and what sources want.
    pub(super) async fn prepare(self, room: &Room) {
        let staff: Vec<Value> = (0..STAFF).map(record).collect();
        room.litmos.put_users(&staff).expect("staff is put");
        room.litmos
            .put_teams(&[
                json!({"Name": "Sales", "Members": ["s0@corp.example", "s1@corp.example", "s2@corp.example"]}),
                json!({"Name": "Depot", "Members": ["s3@corp.example", "s4@corp.example"]}),
            ])
            .expect("teams are put");
        room.import().await;
        match self {
            Scenario::Single => self.single(room).await,
            Scenario::Bulk => self.bulk(room).await,
        }
    }

    async fn single(self, room: &Room) {
        let mut people: Vec<Person> = (0..STAFF)
            .map(|n| {
                let mut staff = person(&format!("s{n}"));
                staff.profile.set(Field::JobTitle, format!("New title {n}"));
                if n % 5 == 0 {
                    staff.profile.set(Field::City, "");
                }
                staff
            })
            .collect();
        people[1].user_name = "renamed@corp.example".to_owned();
        people[2].active = false;
        people[5].active = false;
        people.extend((0..10).map(|n| {
            let mut newcomer = person(&format!("n{n}"));
            if n > 0 {
                newcomer.manager = DesiredManager::Reference(format!("n{}@corp.example", n / 3));
            }
            newcomer
        }));
        // The one who was renamed is tied already: a name that changed names nobody in Litmos.
        self.link_to(room, "s1").await;
        room.people(people).await;
        room.groups([
            group("Sales"),
            group("Depot North"),
            group("Fresh"),
            group("Also Fresh"),
        ])
        .await;
        let depot = team_id(room, "Depot");
        let link = GroupLink {
            team: Some(depot),
            ..GroupLink::new(group_id("depot-north"))
        };
        let key = LinksKey::Group(room.org.clone(), group_id("depot-north"));
        room.link(key, LinksValue::Group(Box::new(link))).await;
        let members = [
            ("sales", "s0", true),
            ("sales", "s1", false),
            ("sales", "n1", true),
            ("depot-north", "s3", true),
            ("depot-north", "n2", true),
            ("fresh", "n3", true),
            ("fresh", "s6", true),
            ("also-fresh", "s7", true),
            ("also-fresh", "n4", true),
        ];
        room.members(members).await;
    }

    async fn bulk(self, room: &Room) {
        room.groups((0..3).map(|n| group(&format!("Wave {n}")))).await;
        room.people((0..30).map(|n| {
            let mut newcomer = person(&format!("n{n}"));
            if n > 0 {
                newcomer.manager = DesiredManager::Reference(format!("n{}@corp.example", n / 10 * 10));
            }
            newcomer
        }))
        .await;
        let names: Vec<(String, String)> = (0..30)
            .map(|n| (format!("wave-{}", n % 3), format!("n{n}")))
            .collect();
        room.members(
            names
                .iter()
                .map(|(group, person)| (group.as_str(), person.as_str(), true)),
        )
        .await;
    }

    async fn link_to(self, room: &Room, name: &str) {
        let state = room.litmos.state();
        let user = state
            .users
            .iter()
            .find(|user| user.user_name == format!("{name}@corp.example"));
        let account =
            provisioning::AccountId::parse(&user.expect("staff is there").id.0).expect("an account id");
        let person = rollcall_tests::person_id(name);
        let link = PersonLink {
            account: Some(account),
            ..PersonLink::new(person.clone())
        };
        room.link(
            LinksKey::Person(room.org.clone(), person),
            LinksValue::Person(Box::new(link)),
        )
        .await;
    }

    /// The undisturbed run did what the scenario is for.
    pub(super) fn check(self, litmos: &[String], effects: &BTreeMap<String, usize>) {
        let shows = |text: &str| litmos.iter().filter(|line| line.contains(text)).count();
        match self {
            Scenario::Single => {
                assert_eq!(effects["user.created"], 10, "{effects:?}");
                assert_eq!(effects["user.deactivated"], 2, "{effects:?}");
                assert_eq!(effects["team.created"], 2, "{effects:?}");
                assert_eq!(shows("New title"), STAFF - 2, "{litmos:#?}");
                assert_eq!(shows("user renamed@corp.example"), 1, "{litmos:#?}");
                assert_eq!(shows("team Depot North"), 1);
            }
            Scenario::Bulk => {
                assert_eq!(shows("user n"), 30, "{litmos:#?}");
                assert_eq!(effects["team.created"], 3, "{effects:?}");
            }
        }
    }
}

fn record(n: usize) -> Value {
    json!({"UserName": format!("s{n}@corp.example"), "FirstName": "First", "LastName": format!("s{n}"),
        "Email": format!("s{n}@corp.example"), "City": "Oslo", "JobTitle": "Old title"})
}

fn team_id(room: &Room, name: &str) -> TeamId {
    let state = room.litmos.state();
    let team = state
        .teams
        .iter()
        .find(|team| team.name == name)
        .expect("the team is there");
    TeamId::parse(&team.id.0).expect("a team id")
}

/// Takes the intents out of all links of an org, or the links away.
pub(super) async fn rewrite_links(room: &Room, all: bool) {
    let mut watch = room.bus().links().watch(&room.org);
    let mut writes = Vec::new();
    loop {
        match watch.next().await {
            WatchEvent::Put(key, stored) => {
                let change = match stored.value {
                    LinksValue::Person(_) | LinksValue::Group(_) | LinksValue::Bulk(_) if all => {
                        Change::Delete
                    }
                    LinksValue::Person(link) => Change::Put(LinksValue::Person(Box::new(PersonLink {
                        intent: None,
                        ..*link
                    }))),
                    LinksValue::Group(link) => Change::Put(LinksValue::Group(Box::new(GroupLink {
                        intent: None,
                        ..*link
                    }))),
                    LinksValue::Bulk(_) => Change::Delete,
                    LinksValue::Harm(_) | LinksValue::Approval(_) | LinksValue::Run(_) => continue,
                };
                writes.push(Write {
                    key,
                    expect: Expect::Any,
                    change,
                });
            }
            WatchEvent::Removed(_) | WatchEvent::Reset => {}
            WatchEvent::Synced => break,
        }
    }
    for write in writes {
        room.bus()
            .links()
            .write(write)
            .await
            .expect("the link is rewritten");
    }
}
