//! An invented company that changes in two phases: the same one for the same seed.
//!
//! People come, go, come back, get other names, titles, levels, managers and custom fields; groups are found, renamed,
//! put under one another and deleted. Nothing in it depends on the way there: whoever is gone at the end had an account
//! before and is never edited, so that a run that sees only the end has the same end to reach.

use std::collections::BTreeMap;

use bus::LinksValue;
use bus::{LinksKey, OperatorRequest};
use provisioning::{
    AccessLevel, AccountId, DesiredManager, Field, Group, GroupLink, Person, PersonLink, TeamId,
};
use rollcall_tests::{Room, group, group_id, person, person_id};
use serde_json::{Value, json};

/// People who are in Litmos before.
const STAFF: usize = 16;

/// People who come in the first phase: more than an import needs to be worth it.
const FIRST: usize = 18;

/// People who come in the second phase.
const SECOND: usize = 12;

/// Wishes that arrive together while a pusher runs.
const WAVE: usize = 12;

/// One word of a source.
#[derive(Clone, Debug)]
enum Wish {
    Person(Box<Person>),
    Group(Group),
    Member(String, String, bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Company {
    pub(super) seed: u64,
}

/// A stream of chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Staff who leave in the first phase, for good or for a while, and in the second.
const LEAVES_FIRST: &str = "s1";
const COMES_BACK: &str = "s8";
const LEAVES_SECOND: &str = "s9";
/// Somebody whose account was inactive before anything was wished.
const REVIVED: &str = "s2";
/// Somebody whose account has the name of before: the link says whose it is.
const RENAMED: &str = "s10";
/// Somebody in Litmos whom nobody has a wish about.
const STRANGER: usize = 15;

/// The groups of each phase by id, with the name they have at its end.
const GROUPS_FIRST: [(&str, &str); 5] = [
    ("sales", "Sales"),
    ("depot", "Depot North"),
    ("fresh", "Fresh"),
    ("inner", "Fresh Inner"),
    ("doomed", "Doomed"),
];

impl Company {
    /// Litmos as it was before the first wish, and an import of it.
    pub(super) async fn found(self, room: &Room) {
        let staff: Vec<Value> = (0..STAFF).map(record).collect();
        room.litmos.put_users(&staff).expect("staff is put");
        let of =
            |names: &[usize]| -> Vec<String> { names.iter().map(|n| format!("s{n}@corp.example")).collect() };
        room.litmos
            .put_teams(&[
                json!({"Name": "Sales", "Members": of(&[0, 1, 4, 12, STRANGER])}),
                json!({"Name": "Depot", "Members": of(&[3, 4, 5]), "Leaders": of(&[3])}),
                json!({"Name": "By Hand", "Members": of(&[6, 7, STRANGER]), "Leaders": of(&[STRANGER])}),
            ])
            .expect("teams are put");
        room.import().await;
        self.link_to(room).await;
        // Somebody takes a member out by hand, and no import has seen it yet.
        take_out(room, "Sales", "s12");
    }

    /// What is known from before of whom a name would not find.
    async fn link_to(self, room: &Room) {
        let state = room.litmos.state();
        let user = state
            .users
            .iter()
            .find(|user| user.user_name == format!("{RENAMED}@corp.example"));
        let account = AccountId::parse(&user.expect("staff is there").id.0).expect("an account id");
        let link = PersonLink {
            account: Some(account),
            ..PersonLink::new(person_id(RENAMED))
        };
        let key = LinksKey::Person(room.org.clone(), person_id(RENAMED));
        room.link(key, LinksValue::Person(Box::new(link))).await;
        let team = state.teams.iter().find(|team| team.name == "Depot");
        let team = TeamId::parse(&team.expect("the team is there").id.0).expect("a team id");
        let link = GroupLink {
            team: Some(team),
            ..GroupLink::new(group_id("depot"))
        };
        let key = LinksKey::Group(room.org.clone(), group_id("depot"));
        room.link(key, LinksValue::Group(Box::new(link))).await;
    }

    /// Both phases at once: what counts is the last word about each thing.
    pub(super) async fn tell_everything(self, room: &Room) {
        let mut people = BTreeMap::new();
        let mut groups = BTreeMap::new();
        let mut members = BTreeMap::new();
        for wish in self.first().into_iter().chain(self.second()) {
            match wish {
                Wish::Person(person) => drop(people.insert(person.id.clone(), *person)),
                Wish::Group(group) => drop(groups.insert(group.id.clone(), group)),
                Wish::Member(group, person, present) => drop(members.insert((group, person), present)),
            }
        }
        room.people(people.into_values()).await;
        room.groups(groups.into_values()).await;
        let members = members.iter();
        room.members(members.map(|((group, person), present)| (group.as_str(), person.as_str(), *present)))
            .await;
    }

    /// Tells a phase wave by wave, each when the pusher has begun with the one before.
    pub(super) async fn tell_in_waves(self, room: &Room, phase: usize) {
        let wishes = if phase == 0 { self.first() } else { self.second() };
        for wave in wishes.chunks(WAVE) {
            let before = room.litmos.log().len();
            for wish in wave {
                match wish.clone() {
                    Wish::Person(person) => room.people([*person]).await,
                    Wish::Group(group) => room.groups([group]).await,
                    Wish::Member(group, person, present) => {
                        room.members([(group.as_str(), person.as_str(), present)]).await;
                    }
                }
            }
            rollcall_tests::wait_for("something to do, or an end of it", async || {
                let status = room.ask(OperatorRequest::Status).await;
                room.litmos.log().len() > before || status.is_ok_and(|status| status["settled"] == true)
            })
            .await;
        }
    }

    fn chance(self, stream: u64) -> Chance {
        Chance(self.seed.wrapping_mul(1_000_003) ^ stream)
    }

    fn first(self) -> Vec<Wish> {
        let mut chance = self.chance(1);
        let mut people: BTreeMap<String, Person> = self.first_people(&mut chance);
        let mut wishes: Vec<Wish> = Vec::new();
        for (id, name) in GROUPS_FIRST {
            let mut group = group_called(id, name);
            group.parent = (id == "inner").then(|| "fresh".to_owned());
            group.description = (id == "fresh").then(|| "Those who came".to_owned());
            wishes.push(Wish::Group(group));
        }
        for (group, _) in GROUPS_FIRST {
            for name in people.keys() {
                if name != LEAVES_FIRST && name != COMES_BACK && chance.one_in(4) {
                    wishes.push(Wish::Member(group.to_owned(), name.clone(), true));
                }
            }
        }
        wishes.push(Wish::Member("sales".to_owned(), "s12".to_owned(), false));
        wishes.push(Wish::Member(
            "sales".to_owned(),
            "s0".to_owned(),
            chance.one_in(2),
        ));
        wishes.extend(
            std::mem::take(&mut people)
                .into_values()
                .map(|person| Wish::Person(Box::new(person))),
        );
        chance.shuffle(&mut wishes);
        wishes
    }

    fn first_people(self, chance: &mut Chance) -> BTreeMap<String, Person> {
        let mut people = BTreeMap::new();
        for n in (0..STAFF).filter(|n| *n != STRANGER) {
            let name = format!("s{n}");
            let mut staff = person(&name);
            match name.as_str() {
                LEAVES_FIRST | COMES_BACK => staff.active = false,
                LEAVES_SECOND => {}
                RENAMED => staff.user_name = "renamed@corp.example".to_owned(),
                _ => {
                    staff.profile.set(Field::JobTitle, title(chance));
                    if n == 3 {
                        staff.access_level = Some(AccessLevel::TeamLeader);
                    }
                }
            }
            people.insert(name, staff);
        }
        for n in 0..FIRST {
            let name = format!("n{n}");
            let mut newcomer = person(&name);
            self.furnish(&mut newcomer, chance);
            if n > 0 {
                newcomer.manager = DesiredManager::Reference(format!("n{}@corp.example", n / 5));
            }
            people.insert(name, newcomer);
        }
        // A value that Litmos would not take, corrected later.
        let long = people.get_mut("n17").expect("n17 comes first");
        long.profile.set(Field::City, "C".repeat(300));
        people
    }

    fn furnish(self, person: &mut Person, chance: &mut Chance) {
        if chance.one_in(2) {
            person.profile.set(Field::JobTitle, title(chance));
        }
        if chance.one_in(3) {
            person
                .profile
                .set(Field::City, ["Oslo", "Bergen", "Kiel"][chance.below(3)]);
        }
        if chance.one_in(4) {
            let level = [
                AccessLevel::Learner,
                AccessLevel::TeamLeader,
                AccessLevel::TeamAdmin,
            ];
            person.access_level = Some(level[chance.below(3)]);
        }
        if chance.one_in(5) {
            let value = ["100", "200", "north wing"][chance.below(3)];
            person.custom.insert("Cost Centre".to_owned(), value.to_owned());
        }
    }

    fn second(self) -> Vec<Wish> {
        let mut chance = self.chance(1);
        let before = self.first_people(&mut chance);
        let mut chance = self.chance(2);
        let mut people = BTreeMap::new();
        let untouched = [LEAVES_FIRST, RENAMED, "s0"];
        for (name, was) in &before {
            let mut now = was.clone();
            match name.as_str() {
                COMES_BACK => now.active = true,
                LEAVES_SECOND => now.active = false,
                name if untouched.contains(&name) => continue,
                _ => self.change(&mut now, &mut chance),
            }
            if now != *was {
                people.insert(name.clone(), now);
            }
        }
        self.rename(&before, &mut people);
        for n in 0..SECOND {
            let name = format!("m{n}");
            let mut newcomer = person(&name);
            self.furnish(&mut newcomer, &mut chance);
            // The name that somebody else had in the first phase.
            if n == 1 {
                newcomer.user_name = "n5@corp.example".to_owned();
            }
            let manager = ["s0@corp.example", "m0@corp.example", "n3@corp.example"][chance.below(3)];
            newcomer.manager = match n {
                0 => DesiredManager::Leave,
                _ => DesiredManager::Reference(manager.to_owned()),
            };
            people.insert(name, newcomer);
        }
        let mut wishes = self.second_groups();
        let names: Vec<String> = before.keys().chain(people.keys()).cloned().collect();
        for group in ["sales", "depot", "fresh", "inner", "late"] {
            for name in &names {
                let gone = [LEAVES_FIRST, LEAVES_SECOND, "s12", "s0"].contains(&name.as_str());
                if !gone && chance.one_in(4) {
                    let present = !chance.one_in(3);
                    wishes.push(Wish::Member(group.to_owned(), name.clone(), present));
                }
            }
        }
        wishes.extend(people.into_values().map(|person| Wish::Person(Box::new(person))));
        chance.shuffle(&mut wishes);
        wishes
    }

    fn change(self, person: &mut Person, chance: &mut Chance) {
        match chance.below(6) {
            0 => person.profile.set(Field::JobTitle, title(chance)),
            1 => person.profile.set(Field::City, ""),
            2 => person.manager = DesiredManager::Reference("s0@corp.example".to_owned()),
            3 if person.manager != DesiredManager::Leave => person.manager = DesiredManager::Clear,
            4 if person.access_level.is_some() => {
                person.access_level = Some([AccessLevel::Learner, AccessLevel::TeamLeader][chance.below(2)]);
            }
            _ => {
                for value in person.custom.values_mut() {
                    *value = ["", "300"][chance.below(2)].to_owned();
                }
            }
        }
        if person.profile.value(Field::City).len() > 100 {
            person.profile.set(Field::City, "Chur");
        }
    }

    /// One gets a new name, and two change names with each other.
    fn rename(self, before: &BTreeMap<String, Person>, people: &mut BTreeMap<String, Person>) {
        for (name, wanted) in [("n5", "n5-married"), ("n6", "n7"), ("n7", "n6")] {
            let known = people.get(name).unwrap_or(&before[name]).clone();
            let renamed = Person {
                user_name: format!("{wanted}@corp.example"),
                ..known
            };
            people.insert(name.to_owned(), renamed);
        }
    }

    fn second_groups(self) -> Vec<Wish> {
        let mut depot = group_called("depot", "Depot South");
        depot.description = Some("South of the river".to_owned());
        let mut fresh = group_called("fresh", "Fresh");
        fresh.description = Some(String::new());
        let mut late = group_called("late", "Late");
        late.parent = Some("inner".to_owned());
        let mut doomed = group_called("doomed", "Doomed");
        doomed.deleted = true;
        [depot, fresh, late, doomed].map(Wish::Group).into()
    }
}

fn title(chance: &mut Chance) -> String {
    format!("Title {}", chance.below(5))
}

fn group_called(id: &str, name: &str) -> Group {
    Group {
        id: group_id(id),
        ..group(name)
    }
}

fn record(n: usize) -> Value {
    let level = if n == 3 { "Team_Leader" } else { "Learner" };
    let active = format!("s{n}") != REVIVED;
    json!({"UserName": format!("s{n}@corp.example"), "FirstName": "First", "LastName": format!("s{n}"),
        "Email": format!("s{n}@corp.example"), "City": "Oslo", "JobTitle": "Old title", "AccessLevel": level,
        "Active": active})
}

/// Takes somebody out of a team as an admin does in Litmos.
fn take_out(room: &Room, team: &str, name: &str) {
    let state = room.litmos.state();
    let team = state.teams.iter().find(|known| known.name == team);
    let user_name = format!("{name}@corp.example");
    let user = state.users.iter().find(|user| user.user_name == user_name);
    let (team, user) = team.zip(user).expect("both are there");
    let member = format!("teams/{}/users/{}", team.id.0, user.id.0);
    room.litmos.delete(&member).expect("a member is taken out");
}
