//! Users: people of the roster as SCIM shows them.

use bus::trace;
use provisioning::{AccessLevel, Field, ManagerWish, Person, PersonId, Profile, SourceId};
use roster::{Directory, Entry, PersonDraft};
use scim::{
    CustomAttributes, ENTERPRISE_USER, GroupReference, LITMOS_USER, LookupKey, Meta, PatchRequest,
    ResourceKind, ScimError, USER, UserDocument, UserWrite, Wish, carry_over, carry_over_custom,
    carry_over_one, if_match_accepts, list_response, litmos_attributes,
};
use serde_json::{Map, Value, json};

use crate::door::{Answer, Visit, refusal};

/// The source under which SCIM clients' ids are known.
pub(crate) fn source() -> SourceId {
    SourceId::parse("scim").expect("letters are a source id")
}

/// The document that a SCIM client wrote, if one did.
fn said_of(person: &Person) -> Result<Option<UserDocument>, ScimError> {
    let broken = |error| ScimError::new(500, format!("the user's record cannot be read: {error}"));
    let read = |text: &String| UserDocument::from_stored(text).map_err(broken);
    let document = person.scim_document.as_ref().map(read).transpose()?;
    Ok(document.map(|document| document.standing(&person.user_name, person.active)))
}

/// The document a client wrote, or one made from what another source said.
fn document_of(person: &Person, fields: &CustomAttributes) -> Result<UserDocument, ScimError> {
    if let Some(document) = said_of(person)? {
        return Ok(document);
    }
    let value = |field: Field| person.profile.value(field);
    let mut body = json!({
        "schemas": [USER],
        "userName": person.user_name,
        "active": person.active,
        "name": {"givenName": value(Field::FirstName), "familyName": value(Field::LastName)},
    });
    // Somebody whom another source has the last word about keeps the id that SCIM clients know them by.
    let mark = person.sources.get(&source());
    if let Some(external) = mark.and_then(|mark| mark.external_id.as_ref()) {
        body["externalId"] = json!(external);
    }
    let email = Some(value(Field::Email))
        .filter(|email| !email.is_empty())
        .unwrap_or(&person.user_name);
    body["emails"] = json!([{"value": email, "type": "work", "primary": true}]);
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

fn manager(wish: Option<Wish>) -> ManagerWish {
    match wish {
        None => ManagerWish::Leave,
        Some(Wish::Clear) => ManagerWish::Clear,
        Some(Wish::Set(reference)) => ManagerWish::Reference(reference),
    }
}

/// What a document wants of the roster; `old` is the client's document before. What the client once said and now does
/// not mention is to be cleared; what only other sources ever said is left to them.
fn draft(
    document: &UserDocument,
    old: Option<&UserDocument>,
    fields: &CustomAttributes,
) -> Result<PersonDraft, ScimError> {
    let custom_before = old.map(|old| fields.wishes(old)).unwrap_or_default();
    let custom = carry_over_custom(&custom_before, fields.wishes(document))
        .into_iter()
        .map(|(label, wish)| (label, wish.value().unwrap_or_default().to_owned()))
        .collect();
    let before = old.map(litmos_attributes).unwrap_or_default();
    let mut profile = Profile::new();
    for (name, wish) in carry_over(&before, document) {
        // Litmos knows Windows names of time zones only; one it would not know is left as it is.
        let foreign = name == "TimeZone" && wish.value().is_some_and(|zone| zone.contains('/'));
        if let Some(field) = Field::from_wire(name).filter(|_| !foreign) {
            profile.set(field, wish.value().unwrap_or_default());
        }
    }
    let level = document.access_level().map(AccessLevel::parse).transpose();
    let manager_before = old.and_then(UserDocument::manager);
    Ok(PersonDraft {
        external_id: document.external_id().map(str::to_owned),
        active: document.active(),
        access_level: level.map_err(|error| ScimError::invalid_value(error.to_string()))?,
        profile,
        custom,
        manager: manager(carry_over_one(manager_before.as_ref(), document.manager())),
        scim_document: Some(document.to_stored()),
        ..PersonDraft::active(document.user_name())
    })
}

fn render(
    visit: &Visit<'_>,
    directory: &Directory,
    entry: &Entry<Person>,
) -> Result<Map<String, Value>, ScimError> {
    let person = &entry.value;
    let meta = Meta {
        kind: ResourceKind::User,
        id: person.id.as_str(),
        base_url: &visit.base_url,
        created_at_ms: person.created_at_ms,
        changed_at_ms: person.changed_at_ms,
        revision: entry.revision,
    };
    let groups: Vec<GroupReference> = directory
        .groups_of(&person.id)
        .filter_map(|id| directory.group(id))
        .filter(|group| !group.value.deleted)
        .map(|group| GroupReference {
            id: group.value.id.to_string(),
            display_name: group.value.name.clone(),
        })
        .collect();
    let fields = visit.org.fields.now();
    Ok(document_of(person, &fields)?.render(&meta, &groups))
}

fn shown(visit: &Visit<'_>, id: &PersonId) -> Result<Map<String, Value>, ScimError> {
    visit.org.roster.read(|directory| {
        let entry = directory
            .person(id)
            .filter(|entry| !entry.value.deleted)
            .ok_or_else(|| no_user(id.as_str()))?;
        render(visit, directory, entry).map(|resource| visit.query.projection.apply(resource))
    })
}

fn no_user(id: &str) -> ScimError {
    ScimError::not_found(format!(
        "there is no user {:?}",
        id.chars().take(80).collect::<String>()
    ))
}

fn known(visit: &Visit<'_>, id: &str) -> Result<Entry<Person>, ScimError> {
    let parsed = PersonId::parse(id).map_err(|_| no_user(id))?;
    let entry = visit
        .org
        .roster
        .read(|directory| directory.person(&parsed).cloned());
    let entry = entry
        .filter(|entry| !entry.value.deleted)
        .ok_or_else(|| no_user(id))?;
    match &visit.if_match {
        Some(tag) if !if_match_accepts(tag, entry.revision) => Err(ScimError::precondition_failed(
            "the user was changed since this version; read it again",
        )),
        _ => Ok(entry),
    }
}

pub(crate) fn get(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let parsed = PersonId::parse(id).map_err(|_| no_user(id))?;
    shown(visit, &parsed).map(|resource| Answer::Found(resource.into()))
}

pub(crate) fn list(visit: &Visit<'_>) -> Result<Answer, ScimError> {
    let query = &visit.query;
    visit.org.roster.read(|directory| {
        let there = |entry: &&Entry<Person>| !entry.value.deleted;
        let Some(parsed) = &query.filter else {
            let all: Vec<&Entry<Person>> = directory.people().filter(there).collect();
            let page = query.page.range(all.len());
            let total = all.len();
            let resources: Result<Vec<_>, ScimError> = all[page]
                .iter()
                .map(|entry| render(visit, directory, entry).map(|resource| query.projection.apply(resource)))
                .collect();
            return Ok(Answer::Found(list_response(
                total,
                query.page.start_index,
                resources?,
            )));
        };
        let candidates: Vec<&Entry<Person>> = match parsed.filter.lookup() {
            Some(lookup) => match lookup.key {
                LookupKey::UserName => directory.person_named(lookup.value).into_iter().collect(),
                LookupKey::ExternalId => directory
                    .person_known_as(&source(), lookup.value)
                    .into_iter()
                    .collect(),
                LookupKey::Id => PersonId::parse(lookup.value)
                    .ok()
                    .and_then(|id| directory.person(&id))
                    .into_iter()
                    .collect(),
                LookupKey::DisplayName | LookupKey::Email | LookupKey::Member => directory.people().collect(),
            },
            None => directory.people().collect(),
        };
        let mut found = Vec::new();
        for entry in candidates.into_iter().filter(there) {
            let resource = render(visit, directory, entry)?;
            if parsed.filter.matches(&resource) {
                found.push(resource);
            }
        }
        let total = found.len();
        let page = found
            .drain(query.page.range(total))
            .map(|resource| query.projection.apply(resource))
            .collect();
        Ok(Answer::Found(list_response(total, query.page.start_index, page)))
    })
}

pub(crate) async fn create(visit: &Visit<'_>) -> Result<Answer, ScimError> {
    let UserWrite { document, notes } = UserDocument::from_create(&visit.body)?;
    note(&notes);
    let old = visit.org.roster.read(|directory| {
        let by_name = directory.person_named(document.user_name());
        by_name
            .or_else(|| directory.person_known_as(&source(), document.external_id()?))
            .cloned()
    });
    // Somebody who was cut off or deleted comes back in place, with the same id; only an active one is in the way.
    if let Some(old) = old.as_ref().filter(|old| old.value.wanted_active()) {
        let id = &old.value.id;
        return Err(ScimError::conflict(format!(
            "the userName {:?} exists already, as user {id}",
            document.user_name()
        )));
    }
    let before = old.as_ref().map(|old| said_of(&old.value)).transpose()?.flatten();
    let draft = draft(&document, before.as_ref(), &visit.org.fields.now())?;
    let id = old.map(|old| old.value.id);
    let applied = visit
        .org
        .roster
        .put_person(&source(), id.as_ref(), &draft, visit.now_ms)
        .await
        .map_err(refusal)?;
    let body = shown(visit, &applied.value.id)?;
    let location = format!("{}/Users/{}", visit.base_url, applied.value.id);
    Ok(Answer::Created {
        location,
        body: body.into(),
    })
}

pub(crate) async fn replace(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let old = known(visit, id)?;
    let document = document_of(&old.value, &visit.org.fields.now())?;
    let write = document.replaced_by(&visit.body)?;
    // Silence clears only what a SCIM client said.
    write_over(visit, &old, write, said_of(&old.value)?).await
}

pub(crate) async fn patch(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let old = known(visit, id)?;
    let document = document_of(&old.value, &visit.org.fields.now())?;
    let write = document.patched(&PatchRequest::parse(&visit.body)?)?;
    // A patch is never silent: what it takes away was named.
    write_over(visit, &old, write, Some(document)).await
}

async fn write_over(
    visit: &Visit<'_>,
    old: &Entry<Person>,
    write: UserWrite,
    before: Option<UserDocument>,
) -> Result<Answer, ScimError> {
    note(&write.notes);
    let draft = draft(&write.document, before.as_ref(), &visit.org.fields.now())?;
    let id = &old.value.id;
    visit
        .org
        .roster
        .put_person(&source(), Some(id), &draft, visit.now_ms)
        .await
        .map_err(refusal)?;
    shown(visit, id).map(|resource| Answer::Found(resource.into()))
}

pub(crate) async fn delete(visit: &Visit<'_>, id: &str) -> Result<Answer, ScimError> {
    let old = known(visit, id)?;
    let draft = PersonDraft {
        deleted: true,
        ..PersonDraft::inactive(&old.value.user_name)
    };
    let id = &old.value.id;
    visit
        .org
        .roster
        .put_person(&source(), Some(id), &draft, visit.now_ms)
        .await
        .map_err(refusal)?;
    Ok(Answer::NoContent)
}

pub(crate) fn note(notes: &[scim::Note]) {
    for note in notes {
        tracing::debug!(attribute = note.attribute(), reason = ?note.reason(), trace = trace::current_id(), "not taken as sent");
    }
}
