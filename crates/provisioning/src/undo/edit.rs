//! The edits of an undo. Values that an edit does not name stay as they are.

use std::collections::BTreeMap;

use crate::{AccessLevel, DesiredManager, Field, Group, GroupId, Person, PersonId};

/// One edit of the roster: of a person, a membership or a group.
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

/// The edit of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonEdit {
    pub person: PersonId,
    pub active: Option<bool>,
    pub user_name: Option<String>,
    pub access_level: Option<AccessLevel>,
    /// The manager before, by person id. `Clear`: there was no manager.
    pub manager: Option<DesiredManager>,
    /// Profile fields. An empty value clears the field.
    pub fields: BTreeMap<Field, String>,
    /// Advanced custom fields by their name in the roster. An empty value clears the field.
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

    /// Applies the edit to a copy of the person.
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

/// The edit of one group. Name and description are in one edit, because it replaces one revision of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEdit {
    pub group: GroupId,
    pub name: Option<String>,
    /// Description. An empty text clears it.
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

    /// Applies the edit to a copy of the group.
    pub fn apply(&self, group: &Group) -> Group {
        let mut group = group.clone();
        if let Some(name) = &self.name {
            group.name.clone_from(name);
        }
        group.description = self.description.clone().or(group.description);
        group
    }
}
