//! EditBuilder as an undo changes them back; what is not named stays.

use std::collections::BTreeMap;

use crate::{AccessLevel, DesiredManager, Field, Group, GroupId, Person, PersonId};

/// What becomes of the edits about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    Person(Box<PersonEdit>),
    Membership {
        group: GroupId,
        person: PersonId,
        present: bool,
    },
    Group(GroupEdit),
}

/// What becomes of one person's edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonEdit {
    pub person: PersonId,
    pub active: Option<bool>,
    pub user_name: Option<String>,
    pub access_level: Option<AccessLevel>,
    /// Whoever was the manager before, by person id; `Clear`: nobody was.
    pub manager: Option<DesiredManager>,
    /// Empty: clear.
    pub fields: BTreeMap<Field, String>,
    /// Advanced custom fields by the name that the person's edits have; empty: clear.
    pub custom: BTreeMap<String, String>,
}

impl PersonEdit {
    pub(super) fn new(person: PersonId) -> PersonEdit {
        PersonEdit {
            person,
            active: None,
            user_name: None,
            access_level: None,
            manager: None,
            fields: BTreeMap::new(),
            custom: Default::default(),
        }
    }

    /// The person with these edits.
    pub fn apply(&self, person: &Person) -> Person {
        let mut person = person.clone();
        person.active = self.active.unwrap_or(person.active);
        if let Some(name) = &self.user_name {
            person.user_name.clone_from(name);
        }
        person.access_level = self.access_level.or(person.access_level);
        if let Some(manager) = &self.manager {
            person.manager = manager.clone();
        }
        for (field, value) in &self.fields {
            person.profile.set(*field, value.as_str());
        }
        person.custom.extend(self.custom.clone());
        person
    }
}

/// What becomes of the edits about one group itself: one edit, because one revision of it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEdit {
    pub group: GroupId,
    pub name: Option<String>,
    /// Empty: clear.
    pub description: Option<String>,
}

impl GroupEdit {
    pub(super) fn new(group: GroupId) -> GroupEdit {
        GroupEdit {
            group,
            name: None,
            description: None,
        }
    }

    /// The group with these edits.
    pub fn apply(&self, group: &Group) -> Group {
        let mut group = group.clone();
        if let Some(name) = &self.name {
            group.name.clone_from(name);
        }
        group.description = self.description.clone().or(group.description);
        group
    }
}
