//! Finds people by other names: e-mail addresses and display names. Several people may share one.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use provisioning::{NormalName, Person, PersonId};

/// Names of a person besides the user name, as SCIM clients see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherNames {
    pub emails: Vec<String>,
    pub display_name: Option<String>,
}

/// Extracts the other names of a person. The roster itself does not know which names clients see.
pub type ReadOtherNames = fn(&Person) -> OtherNames;

/// Both indexes. They stay empty without a reader, so processes that do not search by these names pay nothing.
#[derive(Debug, Default)]
pub(super) struct OtherNameIndex {
    read: Option<ReadOtherNames>,
    by_email: NameIndex,
    by_display_name: NameIndex,
}

impl OtherNameIndex {
    pub(super) fn reading(read: ReadOtherNames) -> OtherNameIndex {
        OtherNameIndex {
            read: Some(read),
            ..OtherNameIndex::default()
        }
    }

    /// Removes all entries and keeps the reader.
    pub(super) fn clear(&mut self) {
        *self = OtherNameIndex {
            read: self.read,
            ..OtherNameIndex::default()
        };
    }

    pub(super) fn add(&mut self, person: &Person) {
        let Some(read) = self.read else { return };
        let names = read(person);
        for email in &names.emails {
            self.by_email.add(email, &person.id);
        }
        if let Some(name) = &names.display_name {
            self.by_display_name.add(name, &person.id);
        }
    }

    pub(super) fn remove(&mut self, person: &Person) {
        let Some(read) = self.read else { return };
        let names = read(person);
        for email in &names.emails {
            self.by_email.remove(email, &person.id);
        }
        if let Some(name) = &names.display_name {
            self.by_display_name.remove(name, &person.id);
        }
    }

    pub(super) fn with_email(&self, email: &str) -> impl Iterator<Item = &PersonId> {
        self.by_email.people(email)
    }

    pub(super) fn displayed_as(&self, name: &str) -> impl Iterator<Item = &PersonId> {
        self.by_display_name.people(name)
    }
}

/// People by the hash of a normal name. It needs 32 bytes per name, for hundreds of thousands of names. Two names may have the same hash,
/// so a found person is only a candidate.
#[derive(Debug, Default)]
struct NameIndex {
    hasher: RandomState,
    people: HashMap<u64, Owners>,
}

#[derive(Debug)]
enum Owners {
    One(PersonId),
    Several(BTreeSet<PersonId>),
}

impl NameIndex {
    fn key(&self, name: &str) -> u64 {
        self.hasher.hash_one(NormalName::of(name).as_str())
    }

    fn add(&mut self, name: &str, id: &PersonId) {
        let key = self.key(name);
        match self.people.get_mut(&key) {
            None => {
                self.people.insert(key, Owners::One(id.clone()));
            }
            Some(Owners::One(known)) if known == id => {}
            Some(owners @ Owners::One(_)) => {
                let Owners::One(known) = std::mem::replace(owners, Owners::Several(BTreeSet::new())) else {
                    return;
                };
                *owners = Owners::Several(BTreeSet::from([known, id.clone()]));
            }
            Some(Owners::Several(known)) => {
                known.insert(id.clone());
            }
        }
    }

    /// Removes only this owner of the name.
    fn remove(&mut self, name: &str, id: &PersonId) {
        let key = self.key(name);
        let empty = match self.people.get_mut(&key) {
            None => false,
            Some(Owners::One(known)) => known == id,
            Some(Owners::Several(known)) => {
                known.remove(id);
                known.is_empty()
            }
        };
        if empty {
            self.people.remove(&key);
        }
    }

    fn people(&self, name: &str) -> impl Iterator<Item = &PersonId> {
        let owners = self.people.get(&self.key(name));
        let (one, several) = match owners {
            None => (None, None),
            Some(Owners::One(id)) => (Some(id), None),
            Some(Owners::Several(ids)) => (None, Some(ids)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> PersonId {
        PersonId::parse(text).unwrap()
    }

    fn found(index: &NameIndex, name: &str) -> Vec<String> {
        index.people(name).map(ToString::to_string).collect()
    }

    #[test]
    fn people_who_share_a_name_are_all_found_and_leave_one_by_one() {
        let mut index = NameIndex::default();
        for person in ["a", "b", "c", "b"] {
            index.add("Team@corp.example", &id(person));
        }
        assert_eq!(found(&index, " team@CORP.example"), ["a", "b", "c"]);
        index.remove("team@corp.example", &id("x"));
        index.remove("team@corp.example", &id("b"));
        assert_eq!(found(&index, "team@corp.example"), ["a", "c"]);
        index.remove("team@corp.example", &id("a"));
        index.remove("team@corp.example", &id("c"));
        assert!(index.people.is_empty());
    }

    #[test]
    fn a_name_is_taken_only_from_its_owner() {
        let mut index = NameIndex::default();
        index.add("mira@corp.example", &id("a"));
        index.remove("mira@corp.example", &id("b"));
        assert_eq!(found(&index, "mira@corp.example"), ["a"]);
    }
}
