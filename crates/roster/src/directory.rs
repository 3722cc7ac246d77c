//! The roster in memory, by every name that somebody may ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use provisioning::{Group, GroupId, Membership, NormalName, Person, PersonId, SourceId};

/// A value with its revision in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    pub value: T,
    pub revision: u64,
}

/// What was said last of one membership. There may be millions: who said it is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) present: bool,
    source: u16,
    pub(crate) at_ms: u64,
}

/// People, groups and memberships of one org. What is older than what is known changes nothing.
#[derive(Debug, Default)]
pub struct Directory {
    people: BTreeMap<PersonId, Entry<Person>>,
    by_name: HashMap<NormalName, PersonId>,
    by_external: HashMap<(SourceId, String), PersonId>,
    groups: BTreeMap<GroupId, Entry<Group>>,
    groups_by_name: HashMap<NormalName, BTreeSet<GroupId>>,
    groups_by_external: HashMap<(SourceId, String), GroupId>,
    members: HashMap<GroupId, BTreeMap<PersonId, Entry<Said>>>,
    /// Those who spoke of memberships.
    speakers: Vec<SourceId>,
    groups_of: HashMap<PersonId, BTreeSet<GroupId>>,
}

impl Directory {
    pub(crate) fn put_person(&mut self, person: Person, revision: u64) {
        let id = person.id.clone();
        if let Some(old) = self.people.get(&id) {
            if old.revision >= revision {
                return;
            }
            let name = NormalName::of(&old.value.user_name);
            if self.by_name.get(&name) == Some(&id) {
                self.by_name.remove(&name);
            }
            for (source, mark) in old.value.sources.iter() {
                if let Some(external) = &mark.external_id {
                    self.by_external.remove(&(source.clone(), external.clone()));
                }
            }
        }
        self.by_name.insert(NormalName::of(&person.user_name), id.clone());
        for (source, mark) in person.sources.iter() {
            if let Some(external) = &mark.external_id {
                self.by_external
                    .insert((source.clone(), external.clone()), id.clone());
            }
        }
        self.people.insert(
            id,
            Entry {
                value: person,
                revision,
            },
        );
    }

    pub(crate) fn put_group(&mut self, group: Group, revision: u64) {
        let id = group.id.clone();
        if let Some(old) = self.groups.get(&id) {
            if old.revision >= revision {
                return;
            }
            if let Some(ids) = self.groups_by_name.get_mut(&NormalName::of(&old.value.name)) {
                ids.remove(&id);
            }
        }
        if !group.deleted {
            self.groups_by_name
                .entry(NormalName::of(&group.name))
                .or_default()
                .insert(id.clone());
        }
        for (source, mark) in group.sources.iter() {
            if let Some(external) = &mark.external_id {
                self.groups_by_external
                    .insert((source.clone(), external.clone()), id.clone());
            }
        }
        self.groups.insert(
            id,
            Entry {
                value: group,
                revision,
            },
        );
    }

    pub(crate) fn put_membership(&mut self, membership: Membership, revision: u64) {
        let source = self.speaker(&membership.source);
        let members = self.members.entry(membership.group.clone()).or_default();
        let known = members.get(&membership.person).map_or(0, |entry| entry.revision);
        if known >= revision {
            return;
        }
        members.insert(
            membership.person.clone(),
            Entry {
                value: Said {
                    present: membership.present,
                    source,
                    at_ms: membership.changed_at_ms,
                },
                revision,
            },
        );
        let groups = self.groups_of.entry(membership.person).or_default();
        if membership.present {
            groups.insert(membership.group);
        } else {
            groups.remove(&membership.group);
        }
    }

    pub fn person(&self, id: &PersonId) -> Option<&Entry<Person>> {
        self.people.get(id)
    }

    /// Everybody, deleted people included, in id order.
    pub fn people(&self) -> impl Iterator<Item = &Entry<Person>> {
        self.people.values()
    }

    pub fn person_named(&self, user_name: &str) -> Option<&Entry<Person>> {
        self.by_name
            .get(&NormalName::of(user_name))
            .and_then(|id| self.people.get(id))
    }

    pub fn person_known_as(&self, source: &SourceId, external_id: &str) -> Option<&Entry<Person>> {
        self.by_external
            .get(&(source.clone(), external_id.to_owned()))
            .and_then(|id| self.people.get(id))
    }

    pub fn group(&self, id: &GroupId) -> Option<&Entry<Group>> {
        self.groups.get(id)
    }

    /// Every group, deleted ones included, in id order.
    pub fn groups(&self) -> impl Iterator<Item = &Entry<Group>> {
        self.groups.values()
    }

    /// The group of this name; the oldest if there are several.
    pub fn group_named(&self, name: &str) -> Option<&Entry<Group>> {
        let ids = self.groups_by_name.get(&NormalName::of(name))?;
        ids.iter().next().and_then(|id| self.groups.get(id))
    }

    pub fn group_known_as(&self, source: &SourceId, external_id: &str) -> Option<&Entry<Group>> {
        let id = self
            .groups_by_external
            .get(&(source.clone(), external_id.to_owned()))?;
        self.groups.get(id).filter(|group| !group.value.deleted)
    }

    /// The people in a group, in id order.
    pub fn members(&self, group: &GroupId) -> impl Iterator<Item = &PersonId> {
        self.members
            .get(group)
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.value.present)
            .map(|(person, _)| person)
    }

    pub fn member_count(&self, group: &GroupId) -> usize {
        self.members(group).count()
    }

    /// The groups somebody is in, in id order.
    pub fn groups_of(&self, person: &PersonId) -> impl Iterator<Item = &GroupId> {
        self.groups_of.get(person).into_iter().flatten()
    }

    pub(crate) fn membership(&self, group: &GroupId, person: &PersonId) -> Option<&Entry<Said>> {
        self.members.get(group)?.get(person)
    }

    pub(crate) fn is_said_by(&self, said: &Said, source: &SourceId) -> bool {
        self.speakers.get(usize::from(said.source)) == Some(source)
    }

    /// The number of a source. Of more than there are numbers the last ones share one, which nobody has: their words are
    /// taken as they come.
    fn speaker(&mut self, source: &SourceId) -> u16 {
        let at = self.speakers.iter().position(|known| known == source);
        let at = at.unwrap_or_else(|| {
            if self.speakers.len() < usize::from(u16::MAX) {
                self.speakers.push(source.clone());
                self.speakers.len() - 1
            } else {
                usize::from(u16::MAX)
            }
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}
