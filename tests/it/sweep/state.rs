//! The roster of one org as a reader on the bus sees it, and what must never be seen there.

use std::collections::{BTreeMap, BTreeSet};

use bus::{Bus, NameToken, RosterKey, RosterValue, WatchEvent};
use provisioning::{Group, GroupId, NormalName, OrgId, Person, PersonId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Everything in the roster of one org.
#[derive(Debug, Default)]
pub(super) struct State {
    people: BTreeMap<(PersonId, NameToken), Person>,
    groups: BTreeMap<GroupId, Group>,
    members: BTreeMap<GroupId, BTreeMap<PersonId, bool>>,
    /// Entries of the index of group names.
    names: BTreeMap<NameToken, String>,
    questions: usize,
    synced: bool,
}

impl State {
    /// The roster as it is now.
    pub(super) async fn now(bus: &Bus, org: &OrgId) -> State {
        let mut watch = bus.roster().watch(org);
        let mut state = State::default();
        while !state.synced {
            state.take(watch.next().await);
        }
        state
    }

    fn take(&mut self, event: WatchEvent<RosterKey, RosterValue>) {
        match event {
            WatchEvent::Put(RosterKey::Person(_, name, id), stored) => {
                if let RosterValue::Person(person) = stored.value {
                    self.people.insert((id, name), *person);
                }
            }
            WatchEvent::Put(RosterKey::GroupName(_, name), stored) => {
                if let RosterValue::Index(index) = stored.value {
                    self.names.insert(name, index.0);
                }
            }
            WatchEvent::Put(_, stored) => match stored.value {
                RosterValue::Group(group) => {
                    self.groups.insert(group.id.clone(), *group);
                }
                RosterValue::Membership(membership) => {
                    let members = self.members.entry(membership.group).or_default();
                    members.insert(membership.person, membership.present);
                }
                RosterValue::Question(_) => self.questions += 1,
                RosterValue::Person(_) | RosterValue::Index(_) => {}
            },
            WatchEvent::Removed(RosterKey::Person(_, name, id)) => {
                self.people.remove(&(id, name));
            }
            WatchEvent::Removed(RosterKey::GroupName(_, name)) => {
                self.names.remove(&name);
            }
            WatchEvent::Removed(
                RosterKey::Group(..) | RosterKey::Membership(..) | RosterKey::Question(..),
            ) => {}
            WatchEvent::Synced => self.synced = true,
            WatchEvent::Reset => panic!("the bucket went back in time"),
        }
    }

    fn present(&self, group: &GroupId) -> impl Iterator<Item = &PersonId> {
        let members = self.members.get(group).into_iter().flatten();
        members.filter(|(_, present)| **present).map(|(person, _)| person)
    }

    /// Everything in plain lines without ids, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let user_name = |id: &PersonId| {
            let person = self.people.iter().find(|((known, _), _)| known == id);
            person.map_or_else(
                || format!("nobody ({id})"),
                |(_, person)| person.user_name.clone(),
            )
        };
        for person in self.people.values() {
            let profile: Vec<String> = person
                .profile
                .iter()
                .map(|(field, value)| format!("{field:?}={value}"))
                .collect();
            lines.push(format!(
                "person {} active={} deleted={} {}",
                person.user_name,
                person.active,
                person.deleted,
                profile.join(" ")
            ));
        }
        for group in self.groups.values() {
            let members: BTreeSet<String> = self.present(&group.id).map(user_name).collect();
            let members: Vec<String> = members.into_iter().collect();
            lines.push(format!(
                "group {} deleted={} {} members: {}",
                group.name,
                group.deleted,
                members.len(),
                members.join(" ")
            ));
        }
        for owner in self.names.values() {
            let group = self.groups.values().find(|group| group.id.as_str() == owner);
            lines.push(format!(
                "name of {}",
                group.map_or("no group", |group| group.name.as_str())
            ));
        }
        lines.push(format!("{} questions", self.questions));
        lines.sort();
        lines
    }

    /// Memberships of groups that are not there, which nobody is shown.
    pub(super) fn orphans(&self) -> usize {
        let gone = self
            .members
            .iter()
            .filter(|(group, _)| !self.groups.contains_key(*group));
        gone.map(|(_, members)| members.len()).sum()
    }

    /// Says what is wrong now: none of it may be seen at any moment.
    fn broken(&self, seen: &mut Seen) -> Vec<String> {
        let mut broken = Vec::new();
        let mut ids: BTreeSet<&PersonId> = BTreeSet::new();
        let mut names: BTreeSet<NormalName> = BTreeSet::new();
        for ((id, _), person) in &self.people {
            if !ids.insert(id) {
                broken.push(format!(
                    "{id} is there under two user names, one of them {}",
                    person.user_name
                ));
            }
            if !person.deleted && !names.insert(NormalName::of(&person.user_name)) {
                broken.push(format!("{} is there twice", person.user_name));
            }
        }
        for id in seen.people.iter().filter(|id| !ids.contains(id)) {
            broken.push(format!("{id} was there and is gone"));
        }
        seen.people.extend(ids.into_iter().cloned());
        let deleted: BTreeSet<&PersonId> = self
            .people
            .values()
            .filter(|person| person.deleted)
            .map(|person| &person.id)
            .collect();
        for group in self.groups.values() {
            let members: Vec<&PersonId> = self.present(&group.id).collect();
            for member in members.iter().filter(|member| deleted.contains(*member)) {
                broken.push(format!("{member} is deleted and in {}", group.name));
            }
            if seen.groups.insert(group.id.clone())
                && let Some(wanted) = seen.first_members.get(&group.name)
                // A reader who is behind may see it first as a later write left it, and that never has fewer.
                && members.len() < *wanted
            {
                broken.push(format!(
                    "group {} comes with only {} of {wanted} members",
                    group.name,
                    members.len()
                ));
            }
            let name = NameToken::of_name(&NormalName::of(&group.name));
            let owner = self.names.get(&name).map(String::as_str);
            if !group.deleted && owner != Some(group.id.as_str()) {
                broken.push(format!("the name of group {} leads to {owner:?}", group.name));
            }
        }
        broken
    }
}

/// Everything that was seen before.
#[derive(Debug, Default)]
struct Seen {
    people: BTreeSet<PersonId>,
    groups: BTreeSet<GroupId>,
    /// Members that a group of this name has when it is seen first.
    first_members: BTreeMap<String, usize>,
}

/// Looks at the roster after each change that is told as one.
pub(super) struct Reader {
    running: JoinHandle<(Vec<String>, Vec<String>)>,
    stop: CancellationToken,
}

impl Reader {
    pub(super) fn start(bus: &Bus, org: &OrgId, first_members: BTreeMap<String, usize>) -> Reader {
        let mut watch = bus.roster().watch(org);
        let stop = CancellationToken::new();
        let over = stop.clone();
        let running = tokio::spawn(async move {
            let (mut state, mut broken) = (State::default(), Vec::new());
            let mut seen = Seen {
                first_members,
                ..Seen::default()
            };
            loop {
                tokio::select! {
                    biased;
                    event = watch.next() => state.take(event),
                    () = over.cancelled() => return (broken, state.lines()),
                }
                while let Some(event) = watch.next_now() {
                    state.take(event);
                }
                if state.synced {
                    broken.extend(state.broken(&mut seen));
                }
            }
        });
        Reader { running, stop }
    }

    /// Its objections, and the state it saw last.
    pub(super) async fn end(self) -> (Vec<String>, Vec<String>) {
        self.stop.cancel();
        self.running.await.expect("the reader ends")
    }
}
