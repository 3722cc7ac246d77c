//! The default mapping from users to Litmos attributes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::schema::{ENTERPRISE_USER, LITMOS_USER};
use crate::user::UserDocument;

/// The five access levels as Litmos user records spell them.
pub const ACCESS_LEVELS: [&str; 5] = [
    "Account_Owner",
    "Administrator",
    "Team_Admin",
    "Team_Leader",
    "Learner",
];

/// Change of one attribute. There is no change if the client never mentioned the attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// Set this value, which is not empty.
    Set(String),
    /// Empty the attribute.
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

    /// The value to set, if there is one.
    pub fn value(&self) -> Option<&str> {
        match self {
            FieldChange::Set(value) => Some(value),
            FieldChange::Clear => None,
        }
    }
}

/// Field changes by Litmos attribute name.
pub type FieldChanges = BTreeMap<&'static str, FieldChange>;

/// Attributes that always have a value in Litmos, so their absence never means *clear*.
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

/// Returns the field changes that a user document means for Litmos, by wire name.
///
/// The manager is not included, because it names another person ([`UserDocument::manager`]). Discovered custom fields are not
/// included either ([`UserDocument::further_litmos_attributes`]).
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
    // An empty list clears its Litmos attributes. A list that only lacks the entry changes nothing.
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

/// Converts `en_US`, as Java and Okta profiles write it, to `en-US`, which Litmos accepts.
fn language_tag(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('_', "-").into(),
        other => other.clone(),
    }
}

/// Litmos attributes that the old document set or cleared, and that the new one clears or does not mention.
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

/// Adds changes for attributes that the new document no longer mentions: an attribute that was managed is cleared, and stays
/// cleared in later documents. `UserName`, `Active` and `AccessLevel` are never cleared by absence; they keep their previous
/// value.
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

/// Like [`carry_over`], for one other field: a manager or a discovered custom field.
pub fn carry_over_one(previous: Option<&FieldChange>, now: Option<FieldChange>) -> Option<FieldChange> {
    now.or(previous.map(|_| FieldChange::Clear))
}

/// Parses an access level in any case, with `_`, `-`, a blank or nothing between the words.
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
