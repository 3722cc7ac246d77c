//! Groups: of the roster, with their members one by one.

use std::collections::BTreeSet;

use provisioning::{Group, GroupId, PersonId};
use roster::{Directory, Entry, GroupDraft, MemberWord};
use scim::{
    GroupChange, GroupDocument, GroupWrite, LookupKey, Member, Meta, NetMembers, PatchRequest, ResourceKind,
    ScimError, Wish, if_match_accepts, list_response,
};
use serde_json::{Map, Value};

use crate::door::{Answer, Visit, refusal};
use crate::users::{note, source};

fn no_group(id: &str) -> ScimError {
    ScimError::not_found(format!(
        "there is no group {:?}",
        id.chars().take(80).collect::<String>()
    ))
}

fn document(group: &Group) -> GroupDocument {
    let external_id = group
        .sources
        .get(&source())
        .and_then(|mark| mark.external_id.clone());
    GroupDocument {
        display_name: group.name.clone(),
        external_id,
        description: group.description.clone().filter(|text| !text.is_empty()),
        parent: group.parent.clone(),
    }
}

fn render(visit: &Visit<'_>, directory: &Directory, entry: &Entry<Group>) -> Map<String, Value> {
    let group = &entry.value;
    let meta = Meta {
        kind: ResourceKind::Group,
        id: group.id.as_str(),
        base_url: &visit.base_url,
        created_at_ms: group.created_at_ms,
        changed_at_ms: group.changed_at_ms,
        revision: entry.revision,
    };
    // Fifty thousand members are listed only for those who want to see them.
    let members: Option<Vec<Member>> = visit.query.projection.shows("members").then(|| {
        let people = directory.members(&group.id).filter_map(|id| directory.person(id));
        people
            .filter(|person| !person.value.deleted)
            .map(|person| Member {
                id: person.value.id.to_string(),
                display: Some(person.value.user_name.clone()),
            })
            .collect()
    });
    document(group).render(&meta, members.as_deref())
}

fn known(visit: &Visit<'_>, id: &str) -> Result<Entry<Group>, ScimError> {
    let parsed = GroupId::parse(id).map_err(|_| no_group(id))?;
    let entry = visit
        .org
        .roster
        .read(|directory| directory.group(&parsed).cloned());
    let entry = entry
        .filter(|entry| !entry.value.deleted)
        .ok_or_else(|| no_group(id))?;
    match &visit.if_match {
        Some(tag) if !if_match_accepts(tag, entry.revision) => Err(ScimError::precondition_failed(
            "the group was changed since this version; read it again",
        )),
        _ => Ok(entry),
    }
}

fn shown(visit: &Visit<'_>, id: &GroupId) -> Result<Value, ScimError> {
    visit.org.roster.read(|directory| {
        let entry = directory
            .group(id)
            .filter(|entry| !entry.value.deleted)
            .ok_or_else(|| no_group(id.as_str()))?;
        Ok(visit
            .query
            .projection
            .apply(render(visit, directory, entry))
            .into())
    })
}

pub(crate) fn get(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let entry = known(visit, id)?;
    shown(visit, &entry.value.id).map(Answer::Found)
}

pub(crate) fn list(visit: &Visit<'_>) -> Result<Answer, ScimError> {
    let query = &visit.query;
    visit.org.roster.read(|directory| {
        let all = directory.groups().filter(|group| !group.value.deleted);
        let candidates: Vec<&Entry<Group>> =
            match query.filter.as_ref().and_then(|parsed| parsed.filter.lookup()) {
                Some(lookup) => match lookup.key {
                    LookupKey::DisplayName => directory.group_named(lookup.value).into_iter().collect(),
                    LookupKey::ExternalId => directory
                        .group_known_as(&source(), lookup.value)
                        .into_iter()
                        .collect(),
                    LookupKey::Member => PersonId::parse(lookup.value)
                        .map(|person| {
                            directory
                                .groups_of(&person)
                                .filter_map(|id| directory.group(id))
                                .collect()
                        })
                        .unwrap_or_default(),
                    LookupKey::Id | LookupKey::UserName | LookupKey::Email => all.collect(),
                },
                None => all.collect(),
            };
        let there = candidates.into_iter().filter(|group| !group.value.deleted);
        let matching: Vec<&Entry<Group>> = match &query.filter {
            None => there.collect(),
            Some(parsed) => there
                .filter(|group| parsed.filter.matches(&render(visit, directory, group)))
                .collect(),
        };
        let page = matching[query.page.range(matching.len())]
            .iter()
            .map(|group| query.projection.apply(render(visit, directory, group)))
            .collect();
        Ok(Answer::Found(list_response(
            matching.len(),
            query.page.start_index,
            page,
        )))
    })
}

pub(crate) async fn create(visit: &Visit<'_>) -> Result<Answer, ScimError> {
    let GroupWrite {
        document,
        members,
        notes,
    } = GroupDocument::from_create(&visit.body)?;
    note(&notes);
    let taken = visit.org.roster.read(|directory| {
        directory
            .group_named(&document.display_name)
            .map(|group| group.value.id.clone())
    });
    if let Some(id) = taken {
        return Err(ScimError::conflict(format!(
            "the displayName {:?} exists already, as group {id}",
            document.display_name
        )));
    }
    let members = people(visit, &members)?;
    let draft = GroupDraft {
        external_id: document.external_id,
        description: document.description,
        parent: document.parent,
        ..GroupDraft::named(document.display_name)
    };
    let now = visit.now_ms;
    let applied = visit
        .org
        .roster
        .make_group(&source(), &draft, members, now)
        .await
        .map_err(refusal)?;
    let id = applied.value.id;
    Ok(Answer::Created {
        location: format!("{}/Groups/{id}", visit.base_url),
        body: shown(visit, &id)?,
    })
}

pub(crate) async fn replace(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let entry = known(visit, id)?;
    change(visit, &entry, GroupChange::from_replace(&visit.body)?).await?;
    shown(visit, &entry.value.id).map(Answer::Found)
}

pub(crate) async fn patch(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let entry = known(visit, id)?;
    change(
        visit,
        &entry,
        GroupChange::from_patch(&PatchRequest::parse(&visit.body)?)?,
    )
    .await?;
    // Entra wants no body, and Okta takes none just as well: no member is read to change one.
    Ok(Answer::NoContent)
}

pub(crate) async fn delete(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let entry = known(visit, id)?;
    let draft = GroupDraft::deleted(&entry.value.name);
    let now = visit.now_ms;
    visit
        .org
        .roster
        .put_group(&source(), Some(&entry.value.id), &draft, now)
        .await
        .map_err(refusal)?;
    Ok(Answer::NoContent)
}

async fn change(visit: &Visit<'_>, entry: &Entry<Group>, change: GroupChange) -> Result<(), ScimError> {
    note(&change.notes);
    let roster = &visit.org.roster;
    let id = &entry.value.id;
    let net = NetMembers::of(&change.members);
    let present = people(visit, &net.present.iter().cloned().collect::<Vec<_>>())?;
    let now = visit.now_ms;
    if change.is_about_the_group() {
        let external_id = change.external_id.as_ref().and_then(Wish::value);
        let said = |wish: Option<&Wish>| wish.map(|wish| wish.value().unwrap_or_default().to_owned());
        let (description, parent) = (said(change.description.as_ref()), said(change.parent.as_ref()));
        let name = change
            .display_name
            .clone()
            .unwrap_or_else(|| entry.value.name.clone());
        let draft = GroupDraft {
            external_id: external_id.map(str::to_owned),
            description,
            parent,
            ..GroupDraft::named(name)
        };
        roster
            .put_group(&source(), Some(id), &draft, now)
            .await
            .map_err(refusal)?;
    }
    let mut members: Vec<(PersonId, bool)> = Vec::new();
    if net.only_these {
        let keep: BTreeSet<&PersonId> = present.iter().collect();
        let out = roster.read(|directory| {
            directory
                .members(id)
                .filter(|person| !keep.contains(person))
                .cloned()
                .collect::<Vec<_>>()
        });
        members.extend(out.into_iter().map(|person| (person, false)));
    }
    // Somebody unknown who is to be out is out.
    members.extend(
        net.absent
            .iter()
            .filter_map(|person| PersonId::parse(person).ok())
            .map(|person| (person, false)),
    );
    members.extend(present.into_iter().map(|person| (person, true)));
    roster
        .put_members(&MemberWord::in_order(&source(), now), id, members)
        .await
        .map_err(refusal)?;
    Ok(())
}

/// The people that ids name. One that names nobody is told: it would be lost silently otherwise.
fn people(visit: &Visit<'_>, ids: &[String]) -> Result<Vec<PersonId>, ScimError> {
    visit.org.roster.read(|directory| {
        ids.iter()
            .map(|id| {
                let known = PersonId::parse(id)
                    .ok()
                    .filter(|id| directory.person(id).is_some());
                known.ok_or_else(|| {
                    let group = GroupId::parse(id)
                        .ok()
                        .filter(|id| directory.group(id).is_some());
                    let id: String = id.chars().take(80).collect();
                    ScimError::invalid_value(match group {
                        // To create a user of that id would be the wrong advice.
                        Some(_) => format!(
                            "members: {id:?} is a group, and Litmos teams hold people only; send the people in it"
                        ),
                        None => format!("members: there is no user {id:?}; create it first"),
                    })
                })
            })
            .collect()
    })
}
