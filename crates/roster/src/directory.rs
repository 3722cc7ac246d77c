//! The roster in memory, indexed by every name that is looked up.

mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};
use std::ops::Bound;

use bus::NameToken;
use names::OtherNameIndex;
pub use names::{OtherNames, ReadOtherNames};
use provisioning::{
    Group, GroupId, IdentityQuestion, Membership, NormalName, Person, PersonId, QuestionId, SourceId,
};

/// A value with its revision in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    pub value: T,
    pub revision: u64,
}

/// The newest statement about one membership. There may be millions of these, so the source is stored as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stated {
    pub(crate) present: bool,
    source: u16,
    pub(crate) at_ms: u64,
    pub(crate) sequence: u64,
}

/// People who have or had a user name. At most one of them is not deleted.
#[derive(Debug, Default)]
struct NameHolders {
    ids: Vec<PersonId>,
    /// Newest known revision among the keys of the name.
    newest: u64,
}

/// People, groups and memberships of one org. A value with an older revision than the known one is ignored.
#[derive(Debug, Default)]
pub struct Directory {
    people: BTreeMap<PersonId, Entry<Person>>,
    by_name: HashMap<NameToken, NameHolders>,
    by_external: HashMap<(SourceId, String), Vec<PersonId>>,
    other_names: OtherNameIndex,
    /// Number of people who are not deleted.
    people_there: usize,
    groups_there: usize,
    groups: BTreeMap<GroupId, Entry<Group>>,
    groups_by_name: HashMap<NormalName, BTreeSet<GroupId>>,
    groups_by_external: HashMap<(SourceId, String), Vec<GroupId>>,
    members: HashMap<GroupId, BTreeMap<PersonId, Entry<Stated>>>,
    /// Newest revision among the keys of a group: its own and those of its members.
    group_newest: HashMap<GroupId, u64>,
    /// Sources of memberships, by number.
    sources: Vec<SourceId>,
    groups_of: HashMap<PersonId, BTreeSet<GroupId>>,
    questions: BTreeMap<QuestionId, Entry<IdentityQuestion>>,
}

fn token(user_name: &str) -> NameToken {
    NameToken::of_name(&NormalName::of(user_name))
}

/// External ids of a person or group, with the source of each.
fn external_keys(sources: &provisioning::Sources) -> impl Iterator<Item = (SourceId, String)> {
    sources
        .iter()
        .filter_map(|(source, mark)| Some((source.clone(), mark.external_id.clone()?)))
}

fn insert<K: std::hash::Hash + Eq, T: PartialEq>(index: &mut HashMap<K, Vec<T>>, key: K, id: T) {
    let ids = index.entry(key).or_default();
    if !ids.contains(&id) {
        ids.push(id);
    }
}

fn remove<K: std::hash::Hash + Eq, T: PartialEq>(index: &mut HashMap<K, Vec<T>>, key: &K, id: &T) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|known| known != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

impl Directory {
    /// Creates an empty directory that also indexes people by other names.
    pub(crate) fn reading(read: ReadOtherNames) -> Directory {
        Directory {
            other_names: OtherNameIndex::reading(read),
            ..Directory::default()
        }
    }

    /// Removes all data.
    pub(crate) fn clear(&mut self) {
        let mut other_names = std::mem::take(&mut self.other_names);
        other_names.clear();
        *self = Directory {
            other_names,
            ..Directory::default()
        };
    }

    pub(crate) fn put_person(&mut self, person: Person, revision: u64) {
        let (id, name) = (person.id.clone(), token(&person.user_name));
        if let Some(old) = self.people.get(&id) {
            if old.revision >= revision {
                return;
            }
            let old_name = token(&old.value.user_name);
            let old_externals: Vec<_> = external_keys(&old.value.sources).collect();
            if old_name != name
                && let Some(holders) = self.by_name.get_mut(&old_name)
            {
                holders.ids.retain(|known| *known != id);
            }
            for key in old_externals {
                remove(&mut self.by_external, &key, &id);
            }
            self.other_names.remove(&old.value);
            self.people_there -= usize::from(!old.value.deleted);
        }
        self.other_names.add(&person);
        self.people_there += usize::from(!person.deleted);
        let holders = self.by_name.entry(name).or_default();
        if !holders.ids.contains(&id) {
            holders.ids.push(id.clone());
        }
        for key in external_keys(&person.sources) {
            insert(&mut self.by_external, key, id.clone());
        }
        let value = person;
        self.people.insert(id, Entry { value, revision });
    }

    /// Handles a removed key of a person. It is ignored if the person now has a key under another user name.
    pub(crate) fn drop_person(&mut self, name: &NameToken, id: &PersonId) {
        let known = self.people.get(id);
        if known.is_none_or(|known| token(&known.value.user_name) != *name) {
            return;
        }
        if let Some(holders) = self.by_name.get_mut(name) {
            holders.ids.retain(|known| known != id);
        }
        if let Some(old) = self.people.remove(id) {
            self.other_names.remove(&old.value);
            self.people_there -= usize::from(!old.value.deleted);
            for key in external_keys(&old.value.sources) {
                remove(&mut self.by_external, &key, id);
            }
        }
    }

    /// Records the newest revision among the keys of a name. Changes are guarded by it, so call this only if memory contains everything
    /// that was stored up to it.
    pub(crate) fn note_name(&mut self, name: &NameToken, revision: u64) {
        let holders = self.by_name.entry(name.clone()).or_default();
        holders.newest = holders.newest.max(revision);
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
            let old_externals: Vec<_> = external_keys(&old.value.sources).collect();
            for key in old_externals {
                remove(&mut self.groups_by_external, &key, &id);
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
        for key in external_keys(&group.sources) {
            insert(&mut self.groups_by_external, key, id.clone());
        }
        let value = group;
        self.groups.insert(id, Entry { value, revision });
    }

    /// Like [`Directory::note_name`], for the keys of a group and its members.
    pub(crate) fn note_group(&mut self, group: &GroupId, revision: u64) {
        let newest = self.group_newest.entry(group.clone()).or_default();
        *newest = (*newest).max(revision);
    }

    pub(crate) fn put_membership(&mut self, membership: Membership, revision: u64) {
        let source = self.source_number(&membership.source);
        let members = self.members.entry(membership.group.clone()).or_default();
        let known = members.get(&membership.person).map_or(0, |entry| entry.revision);
        if known >= revision {
            return;
        }
        let value = Stated {
            present: membership.present,
            source,
            at_ms: membership.changed_at_ms,
            sequence: membership.sequence,
        };
        members.insert(membership.person.clone(), Entry { value, revision });
        let groups = self.groups_of.entry(membership.person).or_default();
        if membership.present {
            groups.insert(membership.group);
        } else {
            groups.remove(&membership.group);
        }
    }

    pub(crate) fn put_question(&mut self, question: IdentityQuestion, revision: u64) {
        let id = question.id.clone();
        let newer = self.questions.get(&id).is_none_or(|old| old.revision < revision);
        if newer {
            let value = question;
            self.questions.insert(id, Entry { value, revision });
        }
    }

    pub(crate) fn drop_question(&mut self, id: &QuestionId) {
        self.questions.remove(id);
    }

    pub fn person(&self, id: &PersonId) -> Option<&Entry<Person>> {
        self.people.get(id)
    }

    /// All people, including deleted ones, in id order.
    pub fn people(&self) -> impl Iterator<Item = &Entry<Person>> {
        self.people.values()
    }

    /// All people with a greater id than this one, including deleted ones, in id order.
    pub fn people_after(&self, id: Option<&PersonId>) -> impl Iterator<Item = &Entry<Person>> {
        behind(&self.people, id).map(|(_, entry)| entry)
    }

    /// Number of people, without deleted ones.
    pub fn people_count(&self) -> usize {
        self.people_there
    }

    /// Candidates for this e-mail address. Everyone who has it is among them.
    pub fn people_with_email(&self, email: &str) -> impl Iterator<Item = &Entry<Person>> {
        let ids = self.other_names.with_email(email);
        ids.filter_map(|id| self.people.get(id))
    }

    /// Candidates for this display name. Everyone who has it is among them.
    pub fn people_displayed_as(&self, name: &str) -> impl Iterator<Item = &Entry<Person>> {
        let ids = self.other_names.displayed_as(name);
        ids.filter_map(|id| self.people.get(id))
    }

    /// The person who has this user name. A person who is not deleted comes before one who is.
    pub fn person_named(&self, user_name: &str) -> Option<&Entry<Person>> {
        let holders = self.by_name.get(&token(user_name))?;
        let entries = || holders.ids.iter().filter_map(|id| self.people.get(id));
        entries()
            .find(|entry| !entry.value.deleted)
            .or_else(|| entries().next())
    }

    /// Newest revision among the keys of a user name; 0 if there is none.
    pub(crate) fn newest_of_name(&self, name: &NameToken) -> u64 {
        self.by_name.get(name).map_or(0, |holders| holders.newest)
    }

    /// People that the source knows by this id. There are several if the source gave one id twice.
    pub fn people_known_as(
        &self,
        source: &SourceId,
        external_id: &str,
    ) -> impl Iterator<Item = &Entry<Person>> {
        let ids = self.by_external.get(&(source.clone(), external_id.to_owned()));
        ids.into_iter().flatten().filter_map(|id| self.people.get(id))
    }

    /// The one person that the source knows by this id. People with access come before people without; among these, people who are not
    /// deleted come first. `None` if several remain.
    pub fn person_known_as(&self, source: &SourceId, external_id: &str) -> Option<&Entry<Person>> {
        let rank = |entry: &Entry<Person>| (entry.value.wanted_active(), !entry.value.deleted);
        let best = self.people_known_as(source, external_id).map(rank).max()?;
        let mut first = self
            .people_known_as(source, external_id)
            .filter(|entry| rank(entry) == best);
        let found = first.next();
        first.next().is_none().then_some(found).flatten()
    }

    pub fn question(&self, id: &QuestionId) -> Option<&Entry<IdentityQuestion>> {
        self.questions.get(id)
    }

    /// All identity questions, including answered ones.
    pub fn questions(&self) -> impl Iterator<Item = &Entry<IdentityQuestion>> {
        self.questions.values()
    }

    pub fn group(&self, id: &GroupId) -> Option<&Entry<Group>> {
        self.groups.get(id)
    }

    /// All groups, including deleted ones, in id order.
    pub fn groups(&self) -> impl Iterator<Item = &Entry<Group>> {
        self.groups.values()
    }

    /// The group with this name; the one with the lowest id if there are several.
    pub fn group_named(&self, name: &str) -> Option<&Entry<Group>> {
        let ids = self.groups_by_name.get(&NormalName::of(name))?;
        ids.iter().next().and_then(|id| self.groups.get(id))
    }

    /// All groups with this name, in id order.
    pub fn groups_named(&self, name: &str) -> impl Iterator<Item = &Entry<Group>> {
        let ids = self
            .groups_by_name
            .get(&NormalName::of(name))
            .into_iter()
            .flatten();
        ids.filter_map(|id| self.groups.get(id))
    }

    /// All groups with a greater id than this one, including deleted ones, in id order.
    pub fn groups_after(&self, id: Option<&GroupId>) -> impl Iterator<Item = &Entry<Group>> {
        behind(&self.groups, id).map(|(_, entry)| entry)
    }

    /// Number of groups, without deleted ones.
    pub fn groups_count(&self) -> usize {
        self.groups_there
    }

    /// The group that the source knows by this id; the oldest if there are several. Deleted groups are left out.
    pub fn group_known_as(&self, source: &SourceId, external_id: &str) -> Option<&Entry<Group>> {
        let ids = self
            .groups_by_external
            .get(&(source.clone(), external_id.to_owned()))?;
        ids.iter()
            .filter_map(|id| self.groups.get(id))
            .filter(|group| !group.value.deleted)
            .min_by_key(|group| (group.value.created_at_ms, group.value.id.clone()))
    }

    /// Newest revision among the keys of a group. It changes with the group and with each of its members.
    pub fn newest_of_group(&self, group: &GroupId) -> u64 {
        self.group_newest.get(group).copied().unwrap_or_default()
    }

    /// People in a group, in id order.
    pub fn members(&self, group: &GroupId) -> impl Iterator<Item = &PersonId> {
        self.members
            .get(group)
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.value.present)
            .map(|(person, _)| person)
    }

    /// People in a group with a greater id than this one, in id order.
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
            .is_some_and(|stated| stated.value.present)
    }

    pub fn member_count(&self, group: &GroupId) -> usize {
        self.members(group).count()
    }

    /// Groups that the person is in, in id order.
    pub fn groups_of(&self, person: &PersonId) -> impl Iterator<Item = &GroupId> {
        self.groups_of.get(person).into_iter().flatten()
    }

    /// The newest revision of everything in a SCIM user: the person, memberships that began or ended, and groups.
    pub fn newest_around_person(&self, id: &PersonId) -> u64 {
        let own = self.people.get(id).map(|entry| entry.revision);
        let memberships = self.members.values().filter_map(|members| members.get(id));
        let groups = self.groups_of(id).filter_map(|group| self.groups.get(group));
        let around = memberships
            .map(|entry| entry.revision)
            .chain(groups.map(|entry| entry.revision));
        around.chain(own).max().unwrap_or(0)
    }

    /// The newest revision of everything in a SCIM group: the group, memberships that began or ended, and the people in them.
    pub fn newest_around_group(&self, id: &GroupId) -> u64 {
        let own = self.groups.get(id).map(|entry| entry.revision);
        let memberships = self.members.get(id).into_iter().flatten();
        let around = memberships.map(|(person, entry)| {
            let person = self.people.get(person).map_or(0, |entry| entry.revision);
            person.max(entry.revision)
        });
        around.chain(own).max().unwrap_or(0)
    }

    pub(crate) fn membership(&self, group: &GroupId, person: &PersonId) -> Option<&Entry<Stated>> {
        self.members.get(group)?.get(person)
    }

    pub(crate) fn is_stated_by(&self, stated: &Stated, source: &SourceId) -> bool {
        self.sources.get(usize::from(stated.source)) == Some(source)
    }

    /// The number of a source, assigned at first use. The last number is shared by all sources beyond the limit and matches none.
    fn source_number(&mut self, source: &SourceId) -> u16 {
        let at = self.sources.iter().position(|known| known == source);
        let at = at.unwrap_or_else(|| {
            if self.sources.len() < usize::from(u16::MAX) {
                self.sources.push(source.clone());
                self.sources.len() - 1
            } else {
                usize::from(u16::MAX)
            }
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

/// The entries after this key, or all entries.
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
            custom: Default::default(),
            manager: Default::default(),
            sources: Default::default(),
            scim_document: Some(email.to_owned()),
            created_at_ms: 1,
            changed_at_ms: 1,
        }
    }

    /// Reads the test person's SCIM document as the e-mail address.
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
        // An older revision changes nothing.
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
