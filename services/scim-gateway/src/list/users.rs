//! Users in lists.

use std::sync::Arc;

use provisioning::{Field, Person, PersonId};
use roster::{Directory, Entry, OtherNames, Roster};
use scim::{
    CustomAttributes, Filter, GroupReference, ListQuery, Lookup, LookupKey, Meta, Projection, ResourceKind,
    ScimError, UserDocument,
};

use super::{Resource, ResourceStore};
use crate::users::{document_of, source};

#[derive(Debug)]
pub(crate) struct Users {
    pub(crate) fields: Arc<CustomAttributes>,
    pub(crate) base_url: String,
}

impl ResourceStore for Users {
    const KIND: ResourceKind = ResourceKind::User;
    type Id = PersonId;
    type Entry = Entry<Person>;

    fn id(entry: &Entry<Person>) -> &PersonId {
        &entry.value.id
    }

    fn is_there(entry: &Entry<Person>) -> bool {
        !entry.value.deleted
    }

    fn count(directory: &Directory) -> usize {
        directory.people_count()
    }

    fn get<'a>(directory: &'a Directory, id: &PersonId) -> Option<&'a Entry<Person>> {
        directory.person(id)
    }

    fn after<'a>(directory: &'a Directory, id: Option<&PersonId>) -> impl Iterator<Item = &'a Entry<Person>> {
        directory.people_after(id)
    }

    fn candidates(directory: &Directory, lookup: &Lookup<'_>) -> Vec<PersonId> {
        let value = lookup.value.as_ref();
        let ids = |people: &mut dyn Iterator<Item = &Entry<Person>>| -> Vec<PersonId> {
            people.map(|entry| entry.value.id.clone()).collect()
        };
        match lookup.key {
            LookupKey::Id => PersonId::parse(value).into_iter().collect(),
            LookupKey::ExternalId => ids(&mut directory.person_known_as(&source(), value).into_iter()),
            LookupKey::UserName => ids(&mut directory.person_named(value).into_iter()),
            LookupKey::Email => ids(&mut directory.people_with_email(value)),
            LookupKey::DisplayName => ids(&mut directory.people_displayed_as(value)),
            LookupKey::Group => match provisioning::GroupId::parse(value) {
                Ok(group) => directory.members(&group).cloned().collect(),
                Err(_) => Vec::new(),
            },
            // Users have no members, so such a filter was refused earlier.
            LookupKey::Member => Vec::new(),
        }
    }

    fn for_filter(
        &self,
        roster: &Roster,
        entry: &Entry<Person>,
        filter: &Filter,
    ) -> Result<Resource, ScimError> {
        self.rendered(roster, entry, filter.mentions("groups"))
    }

    fn for_answer(
        &self,
        roster: &Roster,
        entry: &Entry<Person>,
        projection: &Projection,
    ) -> Result<Resource, ScimError> {
        self.rendered(roster, entry, projection.shows("groups"))
    }

    fn for_both(
        &self,
        roster: &Roster,
        entry: &Entry<Person>,
        query: &ListQuery,
    ) -> Option<Result<Resource, ScimError>> {
        let asks = query
            .filter
            .as_ref()
            .is_some_and(|parsed| parsed.filter.mentions("groups"));
        Some(self.rendered(roster, entry, asks || query.projection.shows("groups")))
    }
}

impl Users {
    fn rendered(&self, roster: &Roster, entry: &Entry<Person>, groups: bool) -> Result<Resource, ScimError> {
        let groups = if groups {
            roster.read(|directory| groups_of(directory, &entry.value.id))
        } else {
            Vec::new()
        };
        rendered(entry, &groups, &self.fields, &self.base_url)
    }
}

/// The groups of a person, as their user shows them.
pub(crate) fn groups_of(directory: &Directory, person: &PersonId) -> Vec<GroupReference> {
    directory
        .groups_of(person)
        .filter_map(|id| directory.group(id))
        .filter(|group| !group.value.deleted)
        .map(|group| GroupReference {
            id: group.value.id.to_string(),
            display_name: group.value.name.clone(),
        })
        .collect()
}

pub(crate) fn rendered(
    entry: &Entry<Person>,
    groups: &[GroupReference],
    fields: &CustomAttributes,
    base_url: &str,
) -> Result<Resource, ScimError> {
    let person = &entry.value;
    let meta = Meta {
        kind: ResourceKind::User,
        id: person.id.as_str(),
        base_url,
        created_at_ms: person.created_at_ms,
        changed_at_ms: person.changed_at_ms,
        revision: entry.revision,
    };
    Ok(document_of(person, fields)?.render(&meta, groups))
}

/// E-mail addresses and display name of a person's user, for the roster's index.
pub(crate) fn other_names(person: &Person) -> OtherNames {
    match &person.scim_document {
        Some(document) => {
            let names = UserDocument::names_in(document);
            OtherNames {
                emails: names.emails,
                display_name: names.display_name,
            }
        }
        None => OtherNames {
            emails: vec![shown_email(person).to_owned()],
            display_name: None,
        },
    }
}

/// E-mail address of a person without a SCIM document. The user name if there is none.
pub(crate) fn shown_email(person: &Person) -> &str {
    Some(person.profile.value(Field::Email))
        .filter(|email| !email.is_empty())
        .unwrap_or(&person.user_name)
}
