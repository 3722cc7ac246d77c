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

/// Name of the list of advanced custom fields in the Litmos extension.
const CUSTOM_FIELDS: &str = "customFields";

/// Attributes of a user in canonical names and types, without `id`, `meta`, `groups`, `schemas` and passwords.
///
/// Explicit nulls and empty lists are kept, because they mean *clear*. [`UserDocument::render`] leaves them out.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDocument {
    attributes: Map<String, Value>,
}

/// A user parsed from a request, and notes about attributes that were not used as sent.
#[derive(Clone, Debug)]
pub struct UserWrite {
    pub document: UserDocument,
    pub notes: Vec<Note>,
    stated_active: Option<bool>,
}

impl UserWrite {
    /// Value of `active` in the request. `None` if it is missing or null.
    ///
    /// The document contains the resulting value: a new user is active, an existing user is unchanged.
    pub fn stated_active(&self) -> Option<bool> {
        self.stated_active
    }
}

/// A group of a user, for the read-only `groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReference {
    pub id: String,
    pub display_name: String,
}

/// Names of a person in a stored document, besides the user name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredNames {
    pub emails: Vec<String>,
    pub display_name: Option<String>,
}

/// Error for a stored user document that cannot be read: the record is broken, not the request.
#[derive(Debug, thiserror::Error)]
pub enum StoredDocumentError {
    #[error("a stored user document is not a JSON object; write the user again from its source")]
    NotAnObject(#[source] serde_json::Error),
    #[error("a stored user document has no userName; write the user again from its source")]
    NoUserName,
}

impl UserDocument {
    /// Parses a POST body. Without `active` the user is active.
    ///
    /// # Errors
    /// A 400 that names the attribute. Only `userName` is required.
    pub fn from_create(body: &Value) -> Result<UserWrite, ScimError> {
        UserDocument::finish(UserDocument::read(body)?)
    }

    /// Parses a PUT body that replaces this user. An attribute that it does not mention is removed, except `active` and
    /// `externalId`, which stay unchanged.
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

    /// Parses text written by [`UserDocument::to_stored`].
    ///
    /// # Errors
    /// The text is not a user document.
    pub fn from_stored(text: &str) -> Result<UserDocument, StoredDocumentError> {
        let attributes = serde_json::from_str(text).map_err(StoredDocumentError::NotAnObject)?;
        let document = UserDocument { attributes };
        if document.text("userName").is_none() {
            return Err(StoredDocumentError::NoUserName);
        }
        Ok(document)
    }

    /// The document as JSON text for storage, including values that mean *clear*.
    pub fn to_stored(&self) -> String {
        Value::Object(self.attributes.clone()).to_string()
    }

    /// Names in a stored document, for indexes. It does not build the document, because there are many. A broken document has no names.
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

    /// The user in the form that clients read and that [`crate::Filter::matches`] expects.
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

    /// True if the person may log in. True unless a client set it to false.
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

    /// The primary address, otherwise the first work address, otherwise the first.
    pub fn primary_email(&self) -> Option<&str> {
        self.email_entry()?.get("value")?.as_str()
    }

    pub fn work_phone(&self) -> Option<&str> {
        self.phone_entry("work")?.get("value")?.as_str()
    }

    pub fn mobile_phone(&self) -> Option<&str> {
        self.phone_entry("mobile")?.get("value")?.as_str()
    }

    /// One part of the work address, otherwise of the primary, otherwise of the first: `streetAddress`, `locality`, `region`,
    /// `postalCode`, `country`, `formatted`.
    pub fn address_part(&self, part: &str) -> Option<&str> {
        self.address_entry()?.get(part)?.as_str()
    }

    /// The preferred language, otherwise the locale.
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

    /// Manager of the person as the client named them: one of our ids, an external id or a user name. `None` if the client never
    /// mentioned a manager.
    pub fn manager(&self) -> Option<FieldChange> {
        match self.at(&[ENTERPRISE_USER, "manager"])? {
            Value::Object(parts) => parts.get("value").map(FieldChange::of),
            other => Some(FieldChange::of(other)),
        }
    }

    /// Access level: one of [`crate::ACCESS_LEVELS`].
    pub fn access_level(&self) -> Option<&str> {
        self.at(&[LITMOS_USER, "accessLevel"])?.as_str()
    }

    /// Values of `roles`.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.entries("roles")
            .filter_map(|entry| entry.get("value")?.as_str())
    }

    /// Values of `entitlements`.
    pub fn entitlements(&self) -> impl Iterator<Item = &str> {
        self.entries("entitlements")
            .filter_map(|entry| entry.get("value")?.as_str())
    }

    /// Attributes under the Litmos extension that its schema does not list: discovered custom fields, by the name that the client
    /// used. Values that are not text are returned as JSON.
    pub fn further_litmos_attributes(&self) -> impl Iterator<Item = (&str, FieldChange)> {
        let extension = self.attributes.get(LITMOS_USER).and_then(Value::as_object);
        let known = schema::attributes_of(LITMOS_USER);
        extension
            .into_iter()
            .flatten()
            .filter(move |(name, _)| schema::find(known, name).is_none())
            .map(|(name, value)| (name.as_str(), FieldChange::of(value)))
    }

    /// Entries of `customFields`, by the name that the client used.
    pub fn custom_fields(&self) -> impl Iterator<Item = (&str, FieldChange)> {
        let list = self.at(&[LITMOS_USER, CUSTOM_FIELDS]).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|entry| {
            let value = entry.get("value").map_or(FieldChange::Clear, FieldChange::of);
            Some((entry.get("name")?.as_str()?, value))
        })
    }

    /// Replaces user name and `active` with the roster's values, because another source may have changed them since.
    pub fn standing(mut self, user_name: &str, active: bool) -> UserDocument {
        self.attributes.insert("userName".to_owned(), user_name.into());
        self.attributes.insert("active".to_owned(), active.into());
        self
    }

    /// The canonical attributes, including nulls that mean *clear*.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Value at the end of the keys. Null as soon as one of the keys leads to null.
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

    /// The phone number of that type. A number without a type counts as work.
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

/// Keeps only the last entry of `customFields` for each name. Drops entries without a name.
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

/// Returns the object without nulls, empty lists and empty objects, at any depth.
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

/// Drops list entries of the core that have only a type or a primary mark, and lists that become empty.
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
