//! A user as a client wrote it: canonical attributes with typed access.

use serde_json::{Map, Value, json};

use crate::draft::{Draft, MAX_ATTRIBUTES, is_primary};
use crate::error::ScimError;
use crate::fold::normal_form;
use crate::litmos::FieldChange;
use crate::meta::Meta;
use crate::note::{Note, NoteReason};
use crate::patch::OperationKind;
use crate::schema::{self, ENTERPRISE_USER, LITMOS_USER, ResourceKind, USER};

/// The list of advanced custom fields in the Litmos extension.
const CUSTOM_FIELDS: &str = "customFields";

/// The attributes of a user in canonical names and types, without `id`, `meta`, `groups`, `schemas` and passwords.
///
/// Explicit nulls and empty lists are kept, because they say *clear*; [`UserDocument::render`] leaves them out.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDocument {
    attributes: Map<String, Value>,
}

/// A user that was read from a request, and what could not be taken as sent.
#[derive(Clone, Debug)]
pub struct UserWrite {
    pub document: UserDocument,
    pub notes: Vec<Note>,
    stated_active: Option<bool>,
}

impl UserWrite {
    /// What the request itself says of `active`; `None` if it does not mention it, or says null.
    ///
    /// The document holds what follows: somebody new is active, everybody else stays as they were.
    pub fn stated_active(&self) -> Option<bool> {
        self.stated_active
    }
}

/// A group that a user is in, for the read-only `groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReference {
    pub id: String,
    pub display_name: String,
}

/// What a stored document names a person by, besides the user name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredNames {
    pub emails: Vec<String>,
    pub display_name: Option<String>,
}

/// A stored user document that cannot be read back: the record is broken, not the request.
#[derive(Debug, thiserror::Error)]
pub enum StoredDocumentError {
    #[error("a stored user document is not a JSON object; write the user again from its source")]
    NotAnObject(#[source] serde_json::Error),
    #[error("a stored user document has no userName; write the user again from its source")]
    NoUserName,
}

impl UserDocument {
    /// Reads a POST body. Without `active` the user is active.
    ///
    /// # Errors
    /// A 400 naming the attribute; `userName` is the only one required.
    pub fn from_create(body: &Value) -> Result<UserWrite, ScimError> {
        UserDocument::finish(UserDocument::read(body)?)
    }

    /// Reads a PUT body that replaces this user. What it does not mention is gone, except `active` and `externalId`,
    /// which silence leaves as they are.
    ///
    /// # Errors
    /// As [`UserDocument::from_create`].
    pub fn replaced_by(&self, body: &Value) -> Result<UserWrite, ScimError> {
        let mut draft = UserDocument::read(body)?;
        for kept in ["active", "externalId"] {
            if let (false, Some(value)) = (draft.attributes.contains_key(kept), self.attributes.get(kept)) {
                draft.attributes.insert(kept.to_owned(), value.clone());
            }
        }
        UserDocument::finish(draft)
    }

    /// Reads back what [`UserDocument::to_stored`] wrote.
    ///
    /// # Errors
    /// The text is no such document.
    pub fn from_stored(text: &str) -> Result<UserDocument, StoredDocumentError> {
        let attributes = serde_json::from_str(text).map_err(StoredDocumentError::NotAnObject)?;
        let document = UserDocument { attributes };
        if document.text("userName").is_none() {
            return Err(StoredDocumentError::NoUserName);
        }
        Ok(document)
    }

    /// The document as JSON text for keeping, changes to clear included.
    pub fn to_stored(&self) -> String {
        Value::Object(self.attributes.clone()).to_string()
    }

    /// The names that a stored document holds, for indexes: read without building the document, of which there are many.
    /// A document that is broken holds none.
    pub fn names_in(stored: &str) -> StoredNames {
        #[derive(serde::Deserialize)]
        struct Email {
            value: Option<String>,
        }
        #[derive(serde::Deserialize)]
        struct Names {
            emails: Option<Vec<Email>>,
            #[serde(rename = "displayName")]
            display_name: Option<String>,
        }
        match serde_json::from_str::<Names>(stored) {
            Ok(names) => StoredNames {
                emails: names
                    .emails
                    .into_iter()
                    .flatten()
                    .filter_map(|email| email.value)
                    .collect(),
                display_name: names.display_name,
            },
            Err(_) => StoredNames::default(),
        }
    }

    fn read(body: &Value) -> Result<Draft, ScimError> {
        let object = body
            .as_object()
            .ok_or_else(|| ScimError::invalid_syntax("a user is a JSON object"))?;
        let mut draft = Draft::default();
        draft.edit_all(OperationKind::Replace, object)?;
        Ok(draft)
    }

    pub(crate) fn draft(&self) -> Draft {
        Draft {
            attributes: self.attributes.clone(),
            ..Draft::default()
        }
    }

    pub(crate) fn finish(mut draft: Draft) -> Result<UserWrite, ScimError> {
        one_entry_a_custom_field(&mut draft);
        draft
            .attributes
            .retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
        if draft.attributes.len() > MAX_ATTRIBUTES {
            return Err(ScimError::invalid_value(format!(
                "a user has at most {MAX_ATTRIBUTES} attributes"
            )));
        }
        let document = UserDocument {
            attributes: draft.attributes,
        };
        if document
            .text("userName")
            .is_none_or(|name| name.trim().is_empty())
        {
            return Err(ScimError::invalid_value(
                "userName is required and must not be empty",
            ));
        }
        Ok(UserWrite {
            document,
            notes: draft.notes.into_vec(),
            stated_active: draft.stated_active,
        })
    }

    /// The user as clients read it, and as [`crate::Filter::matches`] wants it.
    pub fn render(&self, meta: &Meta, groups: &[GroupReference]) -> Map<String, Value> {
        let mut body = without_blanks(&self.attributes);
        drop_bare_entries(&mut body);
        let mut schemas = vec![USER];
        schemas.extend(body.keys().map(String::as_str).filter(|key| is_urn(key)));
        let schemas = json!(schemas);
        body.insert("schemas".to_owned(), schemas);
        body.entry("active").or_insert(true.into());
        if !groups.is_empty() {
            let groups = groups.iter().map(|group| {
                json!({
                    "value": group.id,
                    "$ref": meta.address_of(ResourceKind::Group, &group.id),
                    "display": group.display_name,
                })
            });
            body.insert("groups".to_owned(), groups.collect());
        }
        meta.put_into(&mut body);
        body
    }

    pub fn user_name(&self) -> &str {
        self.text("userName").unwrap_or_default()
    }

    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// Whether the person is to be able to log in; true unless a client said otherwise.
    pub fn active(&self) -> bool {
        self.attributes
            .get("active")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    }

    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    pub fn given_name(&self) -> Option<&str> {
        self.at(&["name", "givenName"])?.as_str()
    }

    pub fn family_name(&self) -> Option<&str> {
        self.at(&["name", "familyName"])?.as_str()
    }

    pub fn title(&self) -> Option<&str> {
        self.text("title")
    }

    /// The primary address, else the first for work, else the first.
    pub fn primary_email(&self) -> Option<&str> {
        self.email_entry()?.get("value")?.as_str()
    }

    pub fn work_phone(&self) -> Option<&str> {
        self.phone_entry("work")?.get("value")?.as_str()
    }

    pub fn mobile_phone(&self) -> Option<&str> {
        self.phone_entry("mobile")?.get("value")?.as_str()
    }

    /// A part of the work address, else of the primary, else of the first: `streetAddress`, `locality`, `region`,
    /// `postalCode`, `country`, `formatted`.
    pub fn address_part(&self, part: &str) -> Option<&str> {
        self.address_entry()?.get(part)?.as_str()
    }

    /// The preferred language, else the locale.
    pub fn language(&self) -> Option<&str> {
        self.text("preferredLanguage").or_else(|| self.text("locale"))
    }

    pub fn time_zone(&self) -> Option<&str> {
        self.text("timezone")
    }

    pub fn employee_number(&self) -> Option<&str> {
        self.enterprise("employeeNumber")
    }

    pub fn organization(&self) -> Option<&str> {
        self.enterprise("organization")
    }

    pub fn department(&self) -> Option<&str> {
        self.enterprise("department")
    }

    /// Who the person reports to, as the client put it: an id of ours, an external id or a user name. `None`: the
    /// client never spoke of it.
    pub fn manager(&self) -> Option<FieldChange> {
        match self.at(&[ENTERPRISE_USER, "manager"])? {
            Value::Object(parts) => parts.get("value").map(FieldChange::of),
            other => Some(FieldChange::of(other)),
        }
    }

    /// One of [`crate::ACCESS_LEVELS`].
    pub fn access_level(&self) -> Option<&str> {
        self.at(&[LITMOS_USER, "accessLevel"])?.as_str()
    }

    /// The values of `roles`.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.entries("roles")
            .filter_map(|entry| entry.get("value")?.as_str())
    }

    /// The values of `entitlements`.
    pub fn entitlements(&self) -> impl Iterator<Item = &str> {
        self.entries("entitlements")
            .filter_map(|entry| entry.get("value")?.as_str())
    }

    /// Attributes under the Litmos extension that its schema does not list: discovered custom fields, by the name the
    /// client used. Values that are no text are shown as JSON.
    pub fn further_litmos_attributes(&self) -> impl Iterator<Item = (&str, FieldChange)> {
        let extension = self.attributes.get(LITMOS_USER).and_then(Value::as_object);
        let known = schema::attributes_of(LITMOS_USER);
        extension
            .into_iter()
            .flatten()
            .filter(move |(name, _)| schema::find(known, name).is_none())
            .map(|(name, value)| (name.as_str(), FieldChange::of(value)))
    }

    /// The entries of `customFields`, by the name that the client used.
    pub fn custom_fields(&self) -> impl Iterator<Item = (&str, FieldChange)> {
        let list = self.at(&[LITMOS_USER, CUSTOM_FIELDS]).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|entry| {
            let value = entry.get("value").map_or(FieldChange::Clear, FieldChange::of);
            Some((entry.get("name")?.as_str()?, value))
        })
    }

    /// The same document under the name, and with the access, that the roster has for the person: another source may
    /// have spoken since.
    pub fn standing(mut self, user_name: &str, active: bool) -> UserDocument {
        self.attributes.insert("userName".to_owned(), user_name.into());
        self.attributes.insert("active".to_owned(), active.into());
        self
    }

    /// The canonical attributes, nulls that say *clear* included.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// What stands at the end of the keys; null as soon as one of them leads to null.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter()
            .try_fold(self.attributes.get(*first)?, |value, key| match value {
                Value::Object(parts) => parts.get(*key),
                Value::Null => Some(value),
                _ => None,
            })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }

    fn enterprise(&self, name: &str) -> Option<&str> {
        self.at(&[ENTERPRISE_USER, name])?.as_str()
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = &Map<String, Value>> {
        self.attributes
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    }

    pub(crate) fn email_entry(&self) -> Option<&Map<String, Value>> {
        let entries = || self.entries("emails");
        let with_value =
            || entries().filter(|entry| entry.get("value").is_some_and(|value| !value.is_null()));
        with_value()
            .find(|entry| is_primary(entry))
            .or_else(|| with_value().find(|entry| has_type(entry, "work")))
            .or_else(|| with_value().next())
            .or_else(|| entries().next())
    }

    /// The number of that type; one without a type counts as work.
    pub(crate) fn phone_entry(&self, wanted: &str) -> Option<&Map<String, Value>> {
        let untyped =
            |entry: &&Map<String, Value>| wanted == "work" && entry.get("type").is_none_or(Value::is_null);
        let entries = || self.entries("phoneNumbers");
        entries()
            .find(|entry| has_type(entry, wanted))
            .or_else(|| entries().find(untyped))
    }

    pub(crate) fn address_entry(&self) -> Option<&Map<String, Value>> {
        let entries = || self.entries("addresses");
        entries()
            .find(|e| has_type(e, "work"))
            .or_else(|| entries().find(|entry| is_primary(entry)))
            .or_else(|| entries().next())
    }
}

/// A later entry of `customFields` stands for an earlier one of the same name; one without a name says nothing.
fn one_entry_a_custom_field(draft: &mut Draft) {
    let extension = draft
        .attributes
        .get_mut(LITMOS_USER)
        .and_then(Value::as_object_mut);
    let Some(Value::Array(entries)) = extension.and_then(|extension| extension.get_mut(CUSTOM_FIELDS)) else {
        return;
    };
    let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    for entry in std::mem::take(entries) {
        let name = entry.get("name").and_then(Value::as_str).map(str::trim);
        let Some(name) = name.filter(|name| !name.is_empty()).map(normal_form) else {
            draft.notes.add(CUSTOM_FIELDS, NoteReason::NoSuchValue);
            continue;
        };
        kept.retain(|(known, _)| *known != name);
        kept.push((name, entry));
    }
    *entries = kept.into_iter().map(|(_, entry)| entry).collect();
}

fn has_type(entry: &Map<String, Value>, wanted: &str) -> bool {
    entry
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
}

fn is_urn(key: &str) -> bool {
    key.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
}

/// The object without nulls, empty lists and empty objects, at any depth.
fn without_blanks(object: &Map<String, Value>) -> Map<String, Value> {
    object
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), without_blank(value)?)))
        .collect()
}

fn without_blank(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(parts) => {
            let parts = without_blanks(parts);
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Value::Array(values) => {
            let values: Vec<Value> = values.iter().filter_map(without_blank).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

/// Drops entries of core lists that are left with a type or a primary mark only, and lists left empty by that.
fn drop_bare_entries(body: &mut Map<String, Value>) {
    let says_something = |entry: &Value| {
        entry
            .as_object()
            .is_none_or(|parts| parts.keys().any(|key| key != "type" && key != "primary"))
    };
    body.retain(|_, value| match value {
        Value::Array(entries) => {
            entries.retain(says_something);
            !entries.is_empty()
        }
        _ => true,
    });
}
