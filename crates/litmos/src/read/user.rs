//! Parses user records, and keeps everything that must be written back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{date_ms, is_yes, scalar, some};
use crate::record::{Slot, UserRecord, wire_fields};
use crate::shape::{is_output, plain};

/// A field that Rollcall does not know, and its position in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// The known field before it. Empty if there is none.
    pub(crate) after: String,
    pub(crate) name: String,
    pub(crate) value: Value,
    /// The known field that this is another spelling of.
    pub(crate) spells: Option<String>,
}

impl Rest {
    fn to_json(&self) -> Value {
        match &self.spells {
            None => json!([self.after, self.name, self.value]),
            Some(field) => json!([self.after, self.name, Value::Null, field]),
        }
    }

    fn from_json(value: &Value) -> Option<Rest> {
        let parts = value.as_array()?;
        let text = |at: usize| Some(parts.get(at)?.as_str()?.to_owned());
        Some(Rest {
            after: text(0)?,
            name: text(1)?,
            value: parts.get(2)?.clone(),
            spells: text(3),
        })
    }
}

/// Parses [`UserRecord::rest`]. `None` if Rollcall did not write it.
pub(crate) fn rest(text: &str) -> Option<Vec<Rest>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let value: Value = serde_json::from_str(text).ok()?;
    value.as_array()?.iter().map(Rest::from_json).collect()
}

/// Known fields by their plain names.
fn known(name: &str) -> Option<(&'static str, Slot)> {
    static KNOWN: OnceLock<HashMap<String, (&'static str, Slot)>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        wire_fields()
            .map(|(name, slot)| (plain(name), (name, slot)))
            .collect()
    });
    known.get(name).copied()
}

/// Parses a user record, from a list or alone. `None` if a required field is missing. The caller decides whether the record is whole.
pub(crate) fn user(value: &Value) -> Option<UserRecord> {
    let mut fields: BTreeMap<&'static str, String> = BTreeMap::new();
    let (mut seen, mut kept) = (BTreeSet::new(), Vec::new());
    let (mut after, mut created_ms) = ("", None);
    for (name, value) in value.as_object()? {
        let plainly = plain(name);
        if plainly == "createddate" {
            created_ms = scalar(value).and_then(|text| date_ms(&text));
        }
        let unknown = |after: &str, spells: Option<&str>| Rest {
            after: after.to_owned(),
            name: name.clone(),
            value: value.clone(),
            spells: spells.map(str::to_owned),
        };
        match known(&plainly) {
            Some((wire, Slot::Blank)) => after = wire,
            Some((wire, Slot::Kept)) => {
                seen.insert(wire);
                kept.push(unknown(after, None));
                after = wire;
            }
            Some((wire, _)) => {
                match scalar(value) {
                    Some(text) if name == wire || !seen.contains(wire) => {
                        fields.insert(wire, text);
                        seen.insert(wire);
                    }
                    Some(_) => {}
                    None => kept.push(unknown(after, None)),
                }
                after = wire;
                if name != wire && name != "Username" {
                    kept.push(unknown(after, Some(wire)));
                }
            }
            None if is_output(&plainly) => {}
            None => kept.push(unknown(after, None)),
        }
    }
    let mut take = |name: &str| fields.remove(name);
    let (id, user_name) = (take("Id").and_then(some)?, take("UserName").and_then(some)?);
    let active = is_yes(&take("Active").and_then(some)?);
    let access_level = take("AccessLevel").and_then(some);
    let manager_id = take("ManagerId").and_then(some).filter(|id| id != "0");
    let lacking = wire_fields().filter(|(name, slot)| {
        let field = matches!(
            slot,
            Slot::Text | Slot::Flag | Slot::AccessLevel | Slot::ManagerId
        );
        field && !seen.contains(name)
    });
    let lacking = lacking.map(|(name, _)| name.to_owned()).collect();
    let flags = |(name, text): (&str, String)| {
        let flag = matches!(known(&plain(name)), Some((_, Slot::Flag)));
        (
            name.to_owned(),
            if flag { text.to_ascii_lowercase() } else { text },
        )
    };
    let fields = fields.into_iter().filter(|(_, text)| !text.is_empty()).map(flags);
    Some(UserRecord {
        id,
        user_name,
        active,
        access_level,
        manager_id,
        created_ms,
        fields: fields.collect(),
        lacking,
        rest: match kept.is_empty() {
            true => String::new(),
            false => Value::from_iter(kept.iter().map(Rest::to_json)).to_string(),
        },
        whole: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_whatever_the_spelling_of_nothing_and_its_secrets_are_not() {
        let record = user(&json!({
            "Id": "a-B_1", "UserName": "mira@corp.example", "Active": "True", "ManagerId": "0", "City": null, "State": "",
            "Country": "Norway", "LoginKey": "https://corp.example/login/secret", "Password": "secret", "OriginalId": 7,
            "DisableMessages": true, "CreatedDate": "2024-03-05T09:10:11Z",
        }))
        .unwrap();
        assert!(record.active);
        assert_eq!(record.manager_id, None);
        assert_eq!(record.fields.get("Country").map(String::as_str), Some("Norway"));
        assert_eq!(
            record.fields.get("DisableMessages").map(String::as_str),
            Some("true")
        );
        assert_eq!(record.fields.len(), 2);
        assert!(!format!("{record:?}").contains("secret"));
        assert!(record.created_ms.is_some());
    }

    #[test]
    fn what_a_record_does_not_show_is_lacking_and_what_it_shows_empty_is_not() {
        let record = user(&json!({
            "Id": "a", "UserName": "mira", "Active": true, "City": null, "State": "", "SalesforcecontactId": "S1",
            "EnableTextNotifications": true,
        }))
        .unwrap();
        for shown in ["City", "State", "SalesforceContactId", "EnableTextNotification"] {
            assert!(!record.lacking.contains(shown), "{shown}");
        }
        for absent in ["Culture", "AccessLevel", "ManagerId", "DisableMessages"] {
            assert!(record.lacking.contains(absent), "{absent}");
        }
        assert_eq!(record.fields["SalesforceContactId"], "S1");
        assert_eq!(record.fields["EnableTextNotification"], "true");
        for broken in [
            json!({"Id": "a", "UserName": "mira"}),
            json!({"Id": "a", "UserName": "mira", "Active": null}),
            json!({"Id": "a", "UserName": "", "Active": true}),
            json!({"UserName": "mira", "Active": true}),
        ] {
            assert!(user(&broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn unknown_fields_are_kept_with_their_places_and_types() {
        let record = user(&json!({
            "Id": "a", "UserName": "mira", "Active": true, "IsCustomUsername": false, "Password": "", "SkipFirstLogin": true,
            "Seats": 3, "City": "Oslo", "Tags": ["x", {"y": null}], "ProfileType": null,
        }))
        .unwrap();
        let kept = rest(&record.rest).unwrap();
        let message: Vec<String> = kept
            .iter()
            .map(|kept| format!("{}<{} {}", kept.after, kept.name, kept.value))
            .collect();
        assert_eq!(
            message,
            [
                "IsCustomUsername<SkipFirstLogin true",
                "SkipFirstLogin<Seats 3",
                "City<Tags [\"x\",{\"y\":null}]",
                "City<ProfileType null"
            ]
        );
        assert!(rest("{}").is_none() && rest("[[1]]").is_none() && rest("nonsense").is_none());
    }
}
