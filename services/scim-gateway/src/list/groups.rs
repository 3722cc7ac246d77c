//! Groups in lists.

use provisioning::{Group, GroupId, PersonId};
use roster::{Directory, Entry, Roster};
use scim::{Filter, Lookup, LookupKey, Member, MembersNeeded, Meta, Projection, ResourceKind, ScimError};

use super::{CHUNK, Resource, ResourceStore};
use crate::groups::document;
use crate::users::source;

#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) base_url: String,
}

impl ResourceStore for Groups {
    const KIND: ResourceKind = ResourceKind::Group;
    type Id = GroupId;
    type Entry = Entry<Group>;

    fn id(entry: &Entry<Group>) -> &GroupId {
        &entry.value.id
    }

    fn is_there(entry: &Entry<Group>) -> bool {
        !entry.value.deleted
    }

    fn count(directory: &Directory) -> usize {
        directory.groups_count()
    }

    fn get<'a>(directory: &'a Directory, id: &GroupId) -> Option<&'a Entry<Group>> {
        directory.group(id)
    }

    fn after<'a>(directory: &'a Directory, id: Option<&GroupId>) -> impl Iterator<Item = &'a Entry<Group>> {
        directory.groups_after(id)
    }

    fn candidates(directory: &Directory, lookup: &Lookup<'_>) -> Vec<GroupId> {
        let value = lookup.value.as_ref();
        let ids = |groups: &mut dyn Iterator<Item = &Entry<Group>>| -> Vec<GroupId> {
            groups.map(|entry| entry.value.id.clone()).collect()
        };
        match lookup.key {
            LookupKey::Id => GroupId::parse(value).into_iter().collect(),
            LookupKey::ExternalId => ids(&mut directory.group_known_as(&source(), value).into_iter()),
            LookupKey::DisplayName => ids(&mut directory.groups_named(value)),
            LookupKey::Member => match PersonId::parse(value) {
                Ok(person) => directory.groups_of(&person).cloned().collect(),
                Err(_) => Vec::new(),
            },
            // Groups have none of these attributes, so such a filter was refused earlier.
            LookupKey::UserName | LookupKey::Email | LookupKey::Group => Vec::new(),
        }
    }

    fn for_filter(
        &self,
        roster: &Roster,
        entry: &Entry<Group>,
        filter: &Filter,
    ) -> Result<Resource, ScimError> {
        let group = &entry.value.id;
        let members = match filter.members_needed() {
            MembersNeeded::These(ids) => roster.read(|directory| {
                let people = ids.into_iter().filter_map(|id| PersonId::parse(id).ok());
                people
                    .filter(|person| directory.is_member(group, person))
                    .filter_map(|person| member(directory, &person))
                    .collect()
            }),
            MembersNeeded::All => members_of(roster, group),
        };
        let revision = roster.read(|directory| directory.newest_of_group(&entry.value.id));
        Ok(rendered(entry, revision, Some(&members), &self.base_url))
    }

    fn for_answer(
        &self,
        roster: &Roster,
        entry: &Entry<Group>,
        projection: &Projection,
    ) -> Result<Resource, ScimError> {
        // Members are listed only if the client asks for them: there may be 50,000.
        let members = projection
            .shows("members")
            .then(|| members_of(roster, &entry.value.id));
        let revision = roster.read(|directory| directory.newest_of_group(&entry.value.id));
        Ok(rendered(entry, revision, members.as_deref(), &self.base_url))
    }
}

/// All members of a group, read in chunks.
fn members_of(roster: &Roster, group: &GroupId) -> Vec<Member> {
    let mut members = Vec::new();
    let mut last: Option<PersonId> = None;
    loop {
        let walked = roster.read(|directory| {
            let ids: Vec<&PersonId> = directory
                .members_after(group, last.as_ref())
                .take(CHUNK)
                .collect();
            members.extend(ids.iter().filter_map(|id| member(directory, id)));
            ids.last().map(|id| (*id).clone())
        });
        if walked.is_none() {
            return members;
        }
        last = walked;
    }
}

fn member(directory: &Directory, id: &PersonId) -> Option<Member> {
    let person = directory.person(id).filter(|person| !person.value.deleted)?;
    Some(Member {
        id: person.value.id.to_string(),
        display: Some(person.value.user_name.clone()),
    })
}

/// A group in SCIM form. Its revision also changes with its members.
pub(crate) fn rendered(
    entry: &Entry<Group>,
    revision: u64,
    members: Option<&[Member]>,
    base_url: &str,
) -> Resource {
    let group = &entry.value;
    let meta = Meta {
        kind: ResourceKind::Group,
        id: group.id.as_str(),
        base_url,
        created_at_ms: group.created_at_ms,
        changed_at_ms: group.changed_at_ms,
        revision,
    };
    document(group).render(&meta, members)
}
