//! The default mapping from users to Litmos attributes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::schema::{ENTERPRISE_USER, LITMOS_USER};
use crate::user::UserDocument;

/// The five access levels in the spelling of Litmos user records.
pub const ACCESS_LEVELS: [&str; 5] = [
    "Account_Owner",
    "Administrator",
    "Team_Admin",
    "Team_Leader",
    "Learner",
];

/// What a client wants of one attribute; a client that never spoke of it has no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// Make it this value, which is not empty.
    Set(String),
    /// Make it empty.
    Clear,
}

impl FieldChange {
    pub(crate) fn of(value: &Value) -> FieldChange {
        match value {
            Value::Null => FieldChange::Clear,
            Value::String(text) if text.is_empty() => FieldChange::Clear,
            Value::String(text) => FieldChange::Set(text.clone()),
            other => FieldChange::Set(other.to_string()),
        }
    }

    /// The value, if one is to be set.
    pub fn value(&self) -> Option<&str> {
        match self {
            FieldChange::Set(value) => Some(value),
            FieldChange::Clear => None,
        }
    }
}

/// FieldChanges by Litmos attribute name.
pub type FieldChanges = BTreeMap<&'static str, FieldChange>;

/// Attributes that always have a value in Litmos, so that silence about them never means *clear*.
const NEVER_CLEARED: [&str; 3] = ["UserName", "Active", "AccessLevel"];

const CUSTOM_FIELDS: [(&str, &str); 10] = [
    ("CustomField1", "customField1"),
    ("CustomField2", "customField2"),
    ("CustomField3", "customField3"),
    ("CustomField4", "customField4"),
    ("CustomField5", "customField5"),
    ("CustomField6", "customField6"),
    ("CustomField7", "customField7"),
    ("CustomField8", "customField8"),
    ("CustomField9", "customField9"),
    ("CustomField10", "customField10"),
];

const ADDRESS_PARTS: [(&str, &str); 5] = [
    ("Street1", "streetAddress"),
    ("City", "locality"),
    ("State", "region"),
    ("PostalCode", "postalCode"),
    ("Country", "country"),
];

/// What the user as a client wrote it wants of Litmos attributes, by their wire names.
///
/// The manager stands apart ([`UserDocument::manager`]), since it names another person; so do discovered custom
/// fields ([`UserDocument::further_litmos_attributes`]).
pub fn litmos_attributes(user: &UserDocument) -> FieldChanges {
    let mut changes = FieldChanges::new();
    let mut take = |name: &'static str, value: Option<&Value>| {
        if let Some(value) = value {
            changes.insert(name, FieldChange::of(value));
        }
    };
    take("UserName", user.at(&["userName"]));
    take("Active", user.at(&["active"]));
    take("FirstName", user.at(&["name", "givenName"]));
    take("LastName", user.at(&["name", "familyName"]));
    take("JobTitle", user.at(&["title"]));
    take("TimeZone", user.at(&["timezone"]));
    take("Website", user.at(&["profileUrl"]));
    let language = user.at(&["preferredLanguage"]);
    let locale = user.at(&["locale"]);
    let culture = language.filter(|value| !value.is_null()).or(locale).or(language);
    take("Culture", culture.map(language_tag).as_ref());
    take("CompanyName", user.at(&[ENTERPRISE_USER, "organization"]));
    take(
        "ExternalEmployeeId",
        user.at(&[ENTERPRISE_USER, "employeeNumber"]),
    );
    take("AccessLevel", user.at(&[LITMOS_USER, "accessLevel"]));
    take("Brand", user.at(&[LITMOS_USER, "brand"]));
    take("JobRole", user.at(&[LITMOS_USER, "jobRole"]));
    for (name, attribute) in CUSTOM_FIELDS {
        take(name, user.at(&[LITMOS_USER, attribute]));
    }
    // An empty list was sent on purpose and empties what it feeds; a list without the entry says nothing of it.
    let emptied = |list: &str| {
        let list = user.at(&[list])?;
        list.as_array().is_none_or(Vec::is_empty).then_some(&Value::Null)
    };
    let value_of = |entry: Option<&serde_json::Map<String, Value>>| {
        entry.map(|e| e.get("value").cloned().unwrap_or_default())
    };
    take(
        "Email",
        value_of(user.email_entry()).as_ref().or(emptied("emails")),
    );
    take(
        "PhoneWork",
        value_of(user.phone_entry("work"))
            .as_ref()
            .or(emptied("phoneNumbers")),
    );
    take(
        "PhoneMobile",
        value_of(user.phone_entry("mobile"))
            .as_ref()
            .or(emptied("phoneNumbers")),
    );
    for (name, part) in ADDRESS_PARTS {
        let given = user.address_entry().and_then(|entry| entry.get(part));
        take(name, given.or(emptied("addresses")));
    }
    changes
}

/// `en_US`, as Java and Okta profiles write it, in the spelling `en-US` that Litmos accepts.
fn language_tag(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('_', "-").into(),
        other => other.clone(),
    }
}

/// The Litmos attributes that the old document set or cleared and the new one clears or no longer mentions.
pub fn cleared_by(old: &UserDocument, new: &UserDocument) -> BTreeSet<&'static str> {
    let changes = litmos_attributes(new);
    let gone = |name: &&'static str| {
        changes
            .get(name)
            .is_none_or(|change| *change == FieldChange::Clear)
    };
    litmos_attributes(old)
        .into_keys()
        .filter(|name| !NEVER_CLEARED.contains(name))
        .filter(gone)
        .collect()
}

/// The changes of a new document on top of the changes before it: what was managed and is no longer mentioned is
/// cleared, and stays a change to clear through later documents. `UserName`, `Active` and `AccessLevel` are never
/// cleared by silence; they keep the value wished before.
pub fn carry_over(previous: &FieldChanges, new: &UserDocument) -> FieldChanges {
    let mut changes = litmos_attributes(new);
    for (name, change) in previous {
        let silent = if NEVER_CLEARED.contains(name) {
            change.clone()
        } else {
            FieldChange::Clear
        };
        changes.entry(name).or_insert(silent);
    }
    changes
}

/// The same for one change that stands apart: a manager, a discovered custom field.
pub fn carry_over_one(previous: Option<&FieldChange>, now: Option<FieldChange>) -> Option<FieldChange> {
    now.or(previous.map(|_| FieldChange::Clear))
}

/// The access level a text names, in any case, with `_`, `-`, a blank or nothing between the words.
pub(crate) fn access_level(text: &str) -> Option<&'static str> {
    let squeezed = |text: &str| -> String {
        text.chars()
            .filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = squeezed(text);
    ACCESS_LEVELS.into_iter().find(|level| squeezed(level) == wanted)
}
