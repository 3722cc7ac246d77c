//! Groups of the roster in SCIM form. Members are stored one by one.

use std::collections::BTreeSet;

use provisioning::{Group, GroupId, PersonId};
use roster::{Applied, Change, Directory, Entry, GroupChanged, GroupDraft, Origin};
use scim::{
    FieldChange, GroupChange, GroupDocument, GroupWrite, Member, NetMembers, PatchRequest, ScimError,
    if_match_accepts,
};
use serde_json::{Map, Value};

use crate::http::{Answer, ScimRequest};
use crate::list::{self, rendered_group};
use crate::refusal::{Refusal, answered};
use crate::users::{note, source};

fn no_group(id: &str) -> ScimError {
    ScimError::not_found(format!(
        "there is no group {:?}",
        id.chars().take(80).collect::<String>()
    ))
}

pub(crate) fn document(group: &Group) -> GroupDocument {
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

fn render(request: &ScimRequest<'_>, directory: &Directory, entry: &Entry<Group>) -> Map<String, Value> {
    // Members are listed only if the client asks for them: there may be 50,000.
    let members = shows_members(request).then(|| members_of(directory, directory.members(&entry.value.id)));
    let revision = directory.newest_of_group(&entry.value.id);
    rendered_group(entry, revision, members.as_deref(), &request.base_url)
}

/// Returns the group with this id, if it exists and `If-Match` accepts its version.
fn known<'d>(
    request: &ScimRequest<'_>,
    directory: &'d Directory,
    id: &str,
) -> Result<&'d Entry<Group>, ScimError> {
    let entry = there(directory, id)?;
    match &request.if_match {
        Some(tag) if !if_match_accepts(tag, directory.newest_of_group(&entry.value.id)) => Err(
            ScimError::precondition_failed("the group was changed since this version; read it again"),
        ),
        Some(_) | None => Ok(entry),
    }
}

fn there<'d>(directory: &'d Directory, id: &str) -> Result<&'d Entry<Group>, ScimError> {
    GroupId::parse(id)
        .ok()
        .and_then(|id| directory.group(&id))
        .filter(|entry| !entry.value.deleted)
        .ok_or_else(|| no_group(id))
}

/// The group as the response shows it.
fn shown(request: &ScimRequest<'_>, directory: &Directory, entry: &Entry<Group>) -> Map<String, Value> {
    request.query.projection.apply(render(request, directory, entry))
}

pub(crate) async fn get(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    request.catch_up().await?;
    request.org.roster.read(|directory| {
        let entry = there(directory, id)?;
        Ok(Answer::Found(shown(request, directory, entry).into()))
    })
}

pub(crate) async fn list(request: &ScimRequest<'_>) -> Result<Answer, ScimError> {
    let groups = list::Groups {
        base_url: request.base_url.clone(),
    };
    list::answer(groups, &request.org.roster, &request.org.scans, &request.query).await
}

pub(crate) async fn create(request: &ScimRequest<'_>) -> Result<Answer, ScimError> {
    let GroupWrite {
        document,
        members,
        notes,
    } = GroupDocument::from_create(&request.body)?;
    note(&notes);
    let check = |directory: &Directory| -> Result<(), Refusal> {
        let source = source();
        let by_name = directory
            .group_named(&document.display_name)
            .map(|group| ("displayName", &document.display_name, group));
        let by_external_id = document.external_id.as_ref().and_then(|external_id| {
            let group = directory.group_known_as(&source, external_id)?;
            Some(("externalId", external_id, group))
        });
        match by_name.or(by_external_id) {
            Some((attribute, value, group)) => Err(Refusal::Scim(ScimError::conflict(
                attribute,
                format!("{value:?} exists already, as group {}", group.value.id),
            ))),
            None => people(directory, &members).map(drop).map_err(Refusal::Scim),
        }
    };
    let joining: Vec<PersonId> = members.iter().filter_map(|id| PersonId::parse(id).ok()).collect();
    let draft = GroupDraft {
        external_id: document.external_id.clone(),
        description: document.description.clone(),
        parent: document.parent.clone(),
        ..GroupDraft::named(&document.display_name)
    };
    let source = source();
    let origin = Origin::now(&source, request.now_ms);
    let made = request
        .org
        .roster
        .make_group(&origin, &draft, joining.clone(), check)
        .await;
    let made = answered(request, made).await?;
    let location = format!("{}/Groups/{}", request.base_url, made.value.id);
    let members = shows_members(request).then(|| {
        request
            .org
            .roster
            .read(|directory| members_of(directory, joining.iter()))
    });
    Ok(Answer::Created {
        location,
        body: written(request, made.value, made.newest, members.as_deref()),
    })
}

pub(crate) async fn replace(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    let change = GroupChange::from_replace(&request.body)?;
    let (applied, members) = apply(request, id, change, shows_members(request)).await?;
    Ok(Answer::Found(written(
        request,
        applied.value.group,
        applied.newest,
        members.as_deref(),
    )))
}

pub(crate) async fn patch(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    let change = GroupChange::from_patch(&PatchRequest::parse(&request.body)?)?;
    apply(request, id, change, false).await?;
    // Entra expects no body, and Okta accepts that too. So no members have to be read.
    Ok(Answer::NoContent)
}

pub(crate) async fn delete(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    let source = source();
    let origin = Origin::now(&source, request.now_ms);
    let org = request.org.roster.org();
    let decide = |directory: &Directory| -> Result<Change<Group>, Refusal> {
        let old = known(request, directory, id)?;
        let draft = GroupDraft::deleted(&old.value.name);
        Ok(directory.put_group_draft(org, &origin, Some(&old.value.id), &draft)?)
    };
    answered(request, request.org.roster.change(decide).await).await?;
    Ok(Answer::NoContent)
}

fn shows_members(request: &ScimRequest<'_>) -> bool {
    request.query.projection.shows("members")
}

fn members_of<'a>(directory: &Directory, ids: impl Iterator<Item = &'a PersonId>) -> Vec<Member> {
    ids.filter_map(|id| directory.person(id))
        .filter(|person| !person.value.deleted)
        .map(|person| Member {
            id: person.value.id.to_string(),
            display: Some(person.value.user_name.clone()),
        })
        .collect()
}

/// The group as this request wrote it, without later changes.
fn written(request: &ScimRequest<'_>, group: Group, revision: u64, members: Option<&[Member]>) -> Value {
    let entry = Entry {
        value: group,
        revision,
    };
    let resource = rendered_group(&entry, revision, members, &request.base_url);
    request.query.projection.apply(resource).into()
}

/// Changes the group, starting from its newest version, even if others change it at the same time. Returns its members if requested.
async fn apply(
    request: &ScimRequest<'_>,
    id: &str,
    change: GroupChange,
    show_members: bool,
) -> Result<(Applied<GroupChanged>, Option<Vec<Member>>), ScimError> {
    type Decided = (GroupChanged, Option<Vec<Member>>);
    note(&change.notes);
    let net = NetMembers::of(&change.members);
    let source = source();
    let origin = Origin::now(&source, request.now_ms);
    let org = request.org.roster.org();
    let mut begun = false;
    loop {
        let decide = |directory: &Directory| -> Result<Change<Decided>, Refusal> {
            // A large change is written in several steps. After the first step `If-Match` no longer fits, so only that step checks it.
            let old = match begun {
                false => known(request, directory, id)?,
                true => there(directory, id)?,
            };
            let draft = change.is_about_the_group().then(|| draft_of(&change, &old.value));
            let members = members_after(directory, &old.value.id, &net)?;
            let id = &old.value.id;
            let changed = directory.put_group_and_members(org, &origin, id, draft.as_ref(), &members)?;
            let shown = show_members.then(|| {
                let mut all: BTreeSet<&PersonId> = directory.members(id).collect();
                for (person, present) in &members {
                    match present {
                        true => all.insert(person),
                        false => all.remove(person),
                    };
                }
                members_of(directory, all.into_iter())
            });
            Ok(changed.map(|changed| (changed, shown)))
        };
        let applied = answered(request, request.org.roster.change(decide).await).await?;
        let (changed, members) = applied.value;
        if changed.remaining == 0 {
            let applied = Applied {
                value: changed,
                revision: applied.revision,
                newest: applied.newest,
                changed: applied.changed,
            };
            return Ok((applied, members));
        }
        begun = true;
    }
}

fn draft_of(change: &GroupChange, group: &Group) -> GroupDraft {
    let text =
        |change: Option<&FieldChange>| change.map(|change| change.value().unwrap_or_default().to_owned());
    let external_id = change.external_id.as_ref().and_then(FieldChange::value);
    GroupDraft {
        external_id: external_id.map(str::to_owned),
        description: text(change.description.as_ref()),
        parent: text(change.parent.as_ref()),
        ..GroupDraft::named(change.display_name.as_ref().unwrap_or(&group.name))
    }
}

/// All memberships that the change is about, and whether each is wanted.
fn members_after(
    directory: &Directory,
    group: &GroupId,
    net: &NetMembers,
) -> Result<Vec<(PersonId, bool)>, ScimError> {
    let present = people(directory, &net.present.iter().cloned().collect::<Vec<_>>())?;
    let mut members: Vec<(PersonId, bool)> = Vec::new();
    if net.only_these {
        let keep: BTreeSet<&PersonId> = present.iter().collect();
        let others = directory.members(group).filter(|person| !keep.contains(person));
        members.extend(others.map(|person| (person.clone(), false)));
    }
    // To remove an unknown person is not an error.
    let absent = net
        .absent
        .iter()
        .filter_map(|person| PersonId::parse(person).ok());
    members.extend(absent.map(|person| (person, false)));
    members.extend(present.into_iter().map(|person| (person, true)));
    Ok(members)
}

/// Returns the people with these ids. An unknown id is an error: otherwise the member would be lost silently.
fn people(directory: &Directory, ids: &[String]) -> Result<Vec<PersonId>, ScimError> {
    ids.iter()
        .map(|id| {
            let known = PersonId::parse(id)
                .ok()
                .filter(|id| directory.person(id).is_some_and(|person| !person.value.deleted));
            known.ok_or_else(|| {
                let group = GroupId::parse(id).ok().filter(|id| directory.group(id).is_some());
                let id: String = id.chars().take(80).collect();
                ScimError::invalid_value(match group {
                    // Advice to create a user with that id would be wrong.
                    Some(_) => format!(
                        "members: {id:?} is a group, and Litmos teams hold people only; send the people in it"
                    ),
                    None => format!("members: there is no user {id:?}; create it first"),
                })
            })
        })
        .collect()
}
