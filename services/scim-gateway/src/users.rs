//! Users: people of the roster in SCIM form.

use bus::trace;
use provisioning::{
    AccessLevel, DesiredManager, Field, NormalName, Person, PersonId, Profile, Resolution, SourceId,
};
use roster::{Applied, Change, Directory, Entry, Origin, PersonDraft, PersonTarget};
use scim::{
    CustomAttributes, ENTERPRISE_USER, FieldChange, LITMOS_USER, PatchRequest, ScimError, USER, UserDocument,
    UserWrite, carry_over, carry_over_custom, carry_over_one, if_match_accepts, litmos_attributes,
};
use serde_json::{Map, Value, json};

use crate::http::{Answer, ScimRequest};
use crate::list::{self, groups_of, rendered, shown_email};
use crate::refusal::{Refusal, answered};

/// Source of SCIM clients. Their external ids are stored under it.
pub(crate) fn source() -> SourceId {
    SourceId::parse("scim").expect("letters are a source id")
}

/// Returns the document that a SCIM client wrote, if there is one. An unreadable document counts as missing, and the user is
/// shown from the roster's other values: one broken record must not fail a whole list.
fn said_of(person: &Person) -> Option<UserDocument> {
    match UserDocument::from_stored(person.scim_document.as_ref()?) {
        Ok(document) => Some(document.standing(&person.user_name, person.active)),
        Err(error) => {
            tracing::error!(
                person.id = %person.id,
                %error,
                "the SCIM document of this user cannot be read; the user is shown without it"
            );
            None
        }
    }
}

/// Returns the client's document, or a document built from the values of other sources.
pub(crate) fn document_of(person: &Person, fields: &CustomAttributes) -> Result<UserDocument, ScimError> {
    if let Some(document) = said_of(person) {
        return Ok(document);
    }
    let value = |field: Field| person.profile.value(field);
    let mut body = json!({
        "schemas": [USER],
        "userName": person.user_name,
        "active": person.active,
        "name": {"givenName": value(Field::FirstName), "familyName": value(Field::LastName)},
    });
    // If another source wrote the person last, SCIM clients still see their own external id.
    let mark = person.sources.get(&source());
    if let Some(external) = mark.and_then(|mark| mark.external_id.as_ref()) {
        body["externalId"] = json!(external);
    }
    body["emails"] = json!([{"value": shown_email(person), "type": "work", "primary": true}]);
    if !value(Field::JobTitle).is_empty() {
        body["title"] = json!(value(Field::JobTitle));
    }
    if !value(Field::ExternalEmployeeId).is_empty() {
        body[ENTERPRISE_USER] = json!({"employeeNumber": value(Field::ExternalEmployeeId)});
    }
    let mut litmos = Map::new();
    if let Some(level) = person.access_level {
        litmos.insert("accessLevel".to_owned(), level.as_litmos().into());
    }
    for field in fields.iter() {
        if let Some(value) = person.custom.get(&field.label) {
            litmos.insert(field.name.clone(), value.as_str().into());
        }
    }
    body[LITMOS_USER] = litmos.into();
    UserDocument::from_create(&body).map(|write| write.document)
}

fn manager(change: Option<FieldChange>) -> DesiredManager {
    match change {
        None => DesiredManager::Leave,
        Some(FieldChange::Clear) => DesiredManager::Clear,
        Some(FieldChange::Set(reference)) => DesiredManager::Reference(reference),
    }
}

/// Returns the desired values of a document; `old` is the client's previous document. A value that the client once set and no
/// longer mentions is cleared. Values set only by other sources are left unchanged.
fn draft(
    document: &UserDocument,
    old: Option<&UserDocument>,
    active: Option<bool>,
    fields: &CustomAttributes,
) -> Result<PersonDraft, ScimError> {
    let custom_before = old.map(|old| fields.changes(old)).unwrap_or_default();
    let custom = carry_over_custom(&custom_before, fields.changes(document))
        .into_iter()
        .map(|(label, change)| (label, change.value().unwrap_or_default().to_owned()))
        .collect();
    let before = old.map(litmos_attributes).unwrap_or_default();
    let mut profile = Profile::new();
    for (name, change) in carry_over(&before, document) {
        // Litmos accepts only Windows names of time zones. Other names are ignored.
        let foreign = name == "TimeZone" && change.value().is_some_and(|zone| zone.contains('/'));
        if let Some(field) = Field::from_wire(name).filter(|_| !foreign) {
            profile.set(field, change.value().unwrap_or_default());
        }
    }
    let level = document.access_level().map(AccessLevel::parse).transpose();
    let manager_before = old.and_then(UserDocument::manager);
    Ok(PersonDraft {
        external_id: document.external_id().map(str::to_owned),
        active,
        access_level: level.map_err(|error| ScimError::invalid_value(error.to_string()))?,
        profile,
        custom,
        manager: manager(carry_over_one(manager_before.as_ref(), document.manager())),
        scim_document: Some(document.to_stored()),
        ..PersonDraft::named(document.user_name())
    })
}

fn render(
    request: &ScimRequest<'_>,
    directory: &Directory,
    entry: &Entry<Person>,
) -> Result<Map<String, Value>, ScimError> {
    let groups = groups_of(directory, &entry.value.id);
    rendered(entry, &groups, &request.org.fields.now(), &request.base_url)
}

/// A user as the response shows it.
fn shown(
    request: &ScimRequest<'_>,
    directory: &Directory,
    entry: &Entry<Person>,
) -> Result<Map<String, Value>, ScimError> {
    render(request, directory, entry).map(|resource| request.query.projection.apply(resource))
}

fn no_user(id: &str) -> ScimError {
    ScimError::not_found(format!(
        "there is no user {:?}",
        id.chars().take(80).collect::<String>()
    ))
}

/// Returns the user with this id, if it exists and `If-Match` accepts its version.
fn known<'d>(
    request: &ScimRequest<'_>,
    directory: &'d Directory,
    id: &str,
) -> Result<&'d Entry<Person>, ScimError> {
    let entry = PersonId::parse(id)
        .ok()
        .and_then(|id| directory.person(&id))
        .filter(|entry| !entry.value.deleted)
        .ok_or_else(|| no_user(id))?;
    match &request.if_match {
        Some(tag) if !if_match_accepts(tag, entry.revision) => Err(ScimError::precondition_failed(
            "the user was changed since this version; read it again",
        )),
        Some(_) | None => Ok(entry),
    }
}

pub(crate) async fn get(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    request.catch_up().await?;
    request.org.roster.read(|directory| {
        let parsed = PersonId::parse(id).map_err(|_| no_user(id))?;
        let entry = directory
            .person(&parsed)
            .filter(|entry| !entry.value.deleted)
            .ok_or_else(|| no_user(id))?;
        shown(request, directory, entry).map(|resource| Answer::Found(resource.into()))
    })
}

pub(crate) async fn list(request: &ScimRequest<'_>) -> Result<Answer, ScimError> {
    let users = list::Users {
        fields: request.org.fields.now(),
        base_url: request.base_url.clone(),
    };
    list::answer(users, &request.org.roster, &request.org.scans, &request.query).await
}

pub(crate) async fn create(request: &ScimRequest<'_>) -> Result<Answer, ScimError> {
    let UserWrite { document, notes, .. } = UserDocument::from_create(&request.body)?;
    note(&notes);
    let active = Some(document.active());
    let (source, fields) = (source(), request.org.fields.now());
    let origin = Origin::now(&source, request.now_ms);
    let org = request.org.roster.org();
    let decide = |directory: &Directory| -> Result<Change<Person>, Refusal> {
        let stated = draft(&document, None, active, &fields)?;
        let id = match directory.resolve_person(&origin, &stated) {
            Resolution::Known(id) => id,
            Resolution::New { releasing } => {
                let target = PersonTarget::New {
                    releasing: releasing.as_ref(),
                };
                return Ok(directory.put_person_draft(org, &origin, target, &stated)?);
            }
            Resolution::NameTaken { by } => return Err(exists(&document, directory.person(&by))),
            Resolution::Unclear { candidate } => {
                return Err(directory.question_about(&origin, &stated, &candidate).into());
            }
        };
        let old = directory.person(&id);
        // A deactivated or deleted user is reactivated with the same id. Only an active user is a conflict.
        if old.is_some_and(|old| old.value.wanted_active()) {
            return Err(exists(&document, old));
        }
        let before = old.and_then(|old| said_of(&old.value));
        let stated = draft(&document, before.as_ref(), active, &fields)?;
        Ok(directory.put_person_draft(org, &origin, PersonTarget::Id(&id), &stated)?)
    };
    let user = entry(answered(request, request.org.roster.change(decide).await).await?);
    let location = format!("{}/Users/{}", request.base_url, user.value.id);
    let body = request
        .org
        .roster
        .read(|directory| shown(request, directory, &user))?;
    Ok(Answer::Created {
        location,
        body: body.into(),
    })
}

/// The user as this request wrote it, without later changes.
fn entry(applied: Applied<Person>) -> Entry<Person> {
    Entry {
        value: applied.value,
        revision: applied.revision,
    }
}

/// Returns the conflict error for an existing user. It names the attribute that both have.
fn exists(document: &UserDocument, known: Option<&Entry<Person>>) -> Refusal {
    let id = known.map_or_else(String::new, |known| format!(", as user {}", known.value.id));
    let same_name = known
        .is_some_and(|known| NormalName::of(&known.value.user_name) == NormalName::of(document.user_name()));
    let (attribute, value) = match (same_name, document.external_id()) {
        (false, Some(external_id)) => ("externalId", external_id),
        (true, _) | (false, None) => ("userName", document.user_name()),
    };
    Refusal::Scim(ScimError::conflict(
        attribute,
        format!("{value:?} exists already{id}"),
    ))
}

pub(crate) async fn replace(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    write_over(request, id, |old, document| {
        let write = document.replaced_by(&request.body)?;
        // A missing attribute clears only values set by a SCIM client.
        Ok((write, said_of(&old.value)))
    })
    .await
}

pub(crate) async fn patch(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    let patch = PatchRequest::parse(&request.body)?;
    write_over(request, id, |_, document| {
        let write = document.patched(&patch)?;
        // A patch names every attribute that it clears.
        Ok((write, Some(document)))
    })
    .await
}

/// Changes the user, starting from its newest version, even if others change it at the same time.
async fn write_over(
    request: &ScimRequest<'_>,
    id: &str,
    edit: impl Fn(&Entry<Person>, UserDocument) -> Result<(UserWrite, Option<UserDocument>), ScimError>,
) -> Result<Answer, ScimError> {
    let (source, fields) = (source(), request.org.fields.now());
    let origin = Origin::now(&source, request.now_ms);
    let org = request.org.roster.org();
    let decide = |directory: &Directory| -> Result<Change<Person>, Refusal> {
        let old = known(request, directory, id)?;
        let (write, before) = edit(old, document_of(&old.value, &fields)?)?;
        note(&write.notes);
        let stated = draft(&write.document, before.as_ref(), write.stated_active(), &fields)?;
        Ok(directory.put_person_draft(org, &origin, PersonTarget::Id(&old.value.id), &stated)?)
    };
    let user = entry(answered(request, request.org.roster.change(decide).await).await?);
    request
        .org
        .roster
        .read(|directory| shown(request, directory, &user))
        .map(|resource| Answer::Found(resource.into()))
}

pub(crate) async fn delete(request: &ScimRequest<'_>, id: &str) -> Result<Answer, ScimError> {
    let source = source();
    let origin = Origin::now(&source, request.now_ms);
    let org = request.org.roster.org();
    let decide = |directory: &Directory| -> Result<Change<Person>, Refusal> {
        let old = known(request, directory, id)?;
        let gone = PersonDraft {
            deleted: true,
            leaves: true,
            ..PersonDraft::inactive(&old.value.user_name)
        };
        Ok(directory.put_person_draft(org, &origin, PersonTarget::Id(&old.value.id), &gone)?)
    };
    answered(request, request.org.roster.change(decide).await).await?;
    Ok(Answer::NoContent)
}

pub(crate) fn note(notes: &[scim::Note]) {
    for note in notes {
        tracing::debug!(attribute = note.attribute(), reason = ?note.reason(), trace = trace::current_id(), "not taken as sent");
    }
}
