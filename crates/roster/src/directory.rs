//! The roster in memory, by every name that somebody may ask for.

mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};
use std::ops::Bound;

use names::OtherNameIndex;
pub use names::{OtherNames, ReadOtherNames};
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
    other_names: OtherNameIndex,
    /// How many are not deleted.
    people_there: usize,
    groups_there: usize,
    groups: BTreeMap<GroupId, Entry<Group>>,
    groups_by_name: HashMap<NormalName, BTreeSet<GroupId>>,
    groups_by_external: HashMap<(SourceId, String), GroupId>,
    members: HashMap<GroupId, BTreeMap<PersonId, Entry<Said>>>,
    /// Those who spoke of memberships.
    speakers: Vec<SourceId>,
    groups_of: HashMap<PersonId, BTreeSet<GroupId>>,
}

impl Directory {
    /// An empty one that keeps people by further names too.
    pub(crate) fn reading(read: ReadOtherNames) -> Directory {
        Directory {
            other_names: OtherNameIndex::reading(read),
            ..Directory::default()
        }
    }

    /// Forgets everything that was read.
    pub(crate) fn clear(&mut self) {
        let mut other_names = std::mem::take(&mut self.other_names);
        other_names.clear();
        *self = Directory {
            other_names,
            ..Directory::default()
        };
    }

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
            self.other_names.remove(&old.value);
            self.people_there -= usize::from(!old.value.deleted);
        }
        self.other_names.add(&person);
        self.people_there += usize::from(!person.deleted);
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
            self.groups_there -= usize::from(!old.value.deleted);
        }
        self.groups_there += usize::from(!group.deleted);
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

    /// Everybody with an id after this one, deleted people included, in id order.
    pub fn people_after(&self, id: Option<&PersonId>) -> impl Iterator<Item = &Entry<Person>> {
        behind(&self.people, id).map(|(_, entry)| entry)
    }

    /// How many people are there, without the deleted ones.
    pub fn people_count(&self) -> usize {
        self.people_there
    }

    /// Candidates for having this e-mail address; all who have it are among them.
    pub fn people_with_email(&self, email: &str) -> impl Iterator<Item = &Entry<Person>> {
        let ids = self.other_names.with_email(email);
        ids.filter_map(|id| self.people.get(id))
    }

    /// Candidates for having this display name; all who have it are among them.
    pub fn people_displayed_as(&self, name: &str) -> impl Iterator<Item = &Entry<Person>> {
        let ids = self.other_names.displayed_as(name);
        ids.filter_map(|id| self.people.get(id))
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

    /// Every group of this name, in id order.
    pub fn groups_named(&self, name: &str) -> impl Iterator<Item = &Entry<Group>> {
        let ids = self
            .groups_by_name
            .get(&NormalName::of(name))
            .into_iter()
            .flatten();
        ids.filter_map(|id| self.groups.get(id))
    }

    /// Every group with an id after this one, deleted ones included, in id order.
    pub fn groups_after(&self, id: Option<&GroupId>) -> impl Iterator<Item = &Entry<Group>> {
        behind(&self.groups, id).map(|(_, entry)| entry)
    }

    /// How many groups are there, without the deleted ones.
    pub fn groups_count(&self) -> usize {
        self.groups_there
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

    /// The people in a group with an id after this one, in id order.
    pub fn members_after(&self, group: &GroupId, id: Option<&PersonId>) -> impl Iterator<Item = &PersonId> {
        let members = self.members.get(group);
        let after = members.map(|members| behind(members, id));
        after
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.value.present)
            .map(|(person, _)| person)
    }

    pub fn is_member(&self, group: &GroupId, person: &PersonId) -> bool {
        self.membership(group, person)
            .is_some_and(|said| said.value.present)
    }

    pub fn member_count(&self, group: &GroupId) -> usize {
        self.members(group).count()
    }

    /// The groups somebody is in, in id order.
    pub fn groups_of(&self, person: &PersonId) -> impl Iterator<Item = &GroupId> {
        self.groups_of.get(person).into_iter().flatten()
    }

    /// The newest revision of all that a user shows: the person, memberships that began or ended, groups.
    pub fn newest_around_person(&self, id: &PersonId) -> u64 {
        let own = self.people.get(id).map(|entry| entry.revision);
        let memberships = self.members.values().filter_map(|members| members.get(id));
        let groups = self.groups_of(id).filter_map(|group| self.groups.get(group));
        let around = memberships
            .map(|entry| entry.revision)
            .chain(groups.map(|entry| entry.revision));
        around.chain(own).max().unwrap_or(0)
    }

    /// The newest revision of all that a group shows: the group, memberships that began or ended, its people.
    pub fn newest_around_group(&self, id: &GroupId) -> u64 {
        let own = self.groups.get(id).map(|entry| entry.revision);
        let memberships = self.members.get(id).into_iter().flatten();
        let around = memberships.map(|(person, entry)| {
            let person = self.people.get(person).map_or(0, |entry| entry.revision);
            person.max(entry.revision)
        });
        around.chain(own).max().unwrap_or(0)
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

/// What lies behind this key, or everything.
fn behind<'a, K: Ord, V>(map: &'a BTreeMap<K, V>, key: Option<&K>) -> btree_map::Range<'a, K, V> {
    let start = key.map_or(Bound::Unbounded, Bound::Excluded);
    map.range::<K, _>((start, Bound::Unbounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, user_name: &str, email: &str, deleted: bool) -> Person {
        Person {
            id: PersonId::parse(id).unwrap(),
            user_name: user_name.to_owned(),
            active: true,
            deleted,
            access_level: None,
            profile: Default::default(),
            custom: BTreeMap::new(),
            manager: Default::default(),
            sources: Default::default(),
            scim_document: Some(email.to_owned()),
            created_at_ms: 1,
            changed_at_ms: 1,
        }
    }

    /// A document that is the address itself.
    fn read(person: &Person) -> OtherNames {
        OtherNames {
            emails: person.scim_document.iter().cloned().collect(),
            display_name: Some(person.user_name.clone()),
        }
    }

    #[test]
    fn the_further_names_and_the_counts_follow_what_is_written() {
        let mut directory = Directory::reading(read);
        let found = |directory: &Directory, email: &str| -> Vec<String> {
            let people = directory.people_with_email(email);
            people.map(|entry| entry.value.id.to_string()).collect()
        };
        directory.put_person(person("a", "Mira", "x@corp.example", false), 1);
        directory.put_person(person("b", "Zoe", "X@corp.example", false), 2);
        assert_eq!(found(&directory, "x@CORP.example"), ["a", "b"]);
        assert_eq!(directory.people_count(), 2);
        // An older word changes nothing.
        directory.put_person(person("b", "Zoe", "old@corp.example", true), 1);
        assert_eq!(found(&directory, "x@corp.example"), ["a", "b"]);
        directory.put_person(person("a", "Mirabel", "y@corp.example", true), 3);
        assert_eq!(found(&directory, "x@corp.example"), ["b"]);
        assert_eq!(found(&directory, "y@corp.example"), ["a"]);
        assert_eq!(directory.people_displayed_as("mira").count(), 0);
        assert_eq!(directory.people_displayed_as("MIRABEL").count(), 1);
        assert_eq!(directory.people_count(), 1);
        let first = PersonId::parse("a").unwrap();
        assert_eq!(directory.people_after(None).count(), 2);
        assert_eq!(directory.people_after(Some(&first)).count(), 1);

        directory.clear();
        assert_eq!(
            (
                directory.people_count(),
                found(&directory, "x@corp.example").len()
            ),
            (0, 0)
        );
        directory.put_person(person("b", "Zoe", "x@corp.example", false), 2);
        assert_eq!(found(&directory, "x@corp.example"), ["b"], "and goes on reading");
    }
}
