//! Lenient parsing of Litmos's responses: lists bare or wrapped, values as text or typed, empty values as null or absent.

use serde_json::Value;

use crate::ranges::TeamUser;
use crate::record::{BulkError, BulkJob, Member, TeamRecord};

mod user;

pub(crate) use user::{Rest, rest, user};

/// Names of wrappers around lists in public sources.
const WRAPPERS: [&str; 13] = [
    "TeamUser",
    "TeamUsers",
    "User",
    "Users",
    "Team",
    "Teams",
    "Items",
    "Item",
    "UserCollection",
    "UserBulkImport",
    "UserBulkImports",
    "UserError",
    "UserErrors",
];

/// The objects of a list, in any form that public sources show. Any other value is not a list, and not an empty list either:
/// callers conclude that missing items do not exist.
pub(crate) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(fields) => wrapped(fields).find_map(|inner| match inner {
            // Converters from XML turn a list of one into an object.
            Value::Object(item) if has_id(item) => Some(std::slice::from_ref(inner)),
            _ => list(inner),
        }),
        _ => None,
    }
}

fn wrapped(fields: &serde_json::Map<String, Value>) -> impl Iterator<Item = &Value> {
    WRAPPERS.into_iter().filter_map(|name| fields.get(name))
}

fn has_id(fields: &serde_json::Map<String, Value>) -> bool {
    ["Id", "Username", "TeamId"]
        .iter()
        .any(|name| fields.contains_key(*name))
}

/// The single record of a response: bare, wrapped, or in a list of one.
pub(crate) fn one(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(fields) if has_id(fields) => Some(value),
        Value::Object(fields) => wrapped(fields).find_map(one),
        Value::Array(items) => match items.as_slice() {
            [only] => one(only),
            _ => None,
        },
        _ => None,
    }
}

/// Parses every item of a list. `None` if it is not a list or an item cannot be parsed.
pub(crate) fn all<T>(answer: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    list(answer)?.iter().map(read).collect()
}

/// A value as text, with null as empty text. `None` if it is not a single value.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(scalar).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    is_yes(&text(value, name))
}

fn is_yes(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "1")
}

fn number(value: &Value, name: &str) -> u32 {
    let text = text(value, name);
    // A whole number may be written as `5.0`.
    text.strip_suffix(".0")
        .unwrap_or(&text)
        .parse()
        .unwrap_or_default()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Parses the record of a single team. It contains the description; null means empty.
pub(crate) fn team(value: &Value) -> Option<TeamRecord> {
    Some(TeamRecord {
        id: some(text(value, "Id"))?,
        name: text(value, "Name"),
        description: value.get("Description").and_then(scalar),
        parent_id: some(text(value, "ParentTeamId")),
        bulk_code: text(value, "TeamCodeForBulkImport"),
    })
}

/// Parses the item of a list of teams. Litmos omits the description there, so null does not mean empty.
pub(crate) fn team_item(value: &Value) -> Option<TeamRecord> {
    let record = team(value)?;
    let shown = value.get("Description").is_some_and(|shown| !shown.is_null());
    Some(TeamRecord {
        description: record.description.filter(|_| shown),
        ..record
    })
}

pub(crate) fn team_user(value: &Value) -> Option<TeamUser> {
    Some(TeamUser {
        team_id: some(text(value, "TeamId"))?,
        user_id: some(text(value, "Id"))?,
        active: flag(value, "Active"),
        leader: flag(value, "IsTeamLeader"),
        admin: flag(value, "IsTeamAdmin"),
    })
}

pub(crate) fn member(value: &Value) -> Option<Member> {
    Some(Member {
        id: some(text(value, "Id"))?,
        user_name: text(value, "UserName"),
    })
}

pub(crate) fn bulk_job(value: &Value) -> Option<BulkJob> {
    Some(BulkJob {
        id: some(text(value, "Id"))?,
        status: text(value, "Status"),
        total_records: number(value, "TotalRecords"),
        created: number(value, "TotalUsersCreated"),
        updated: ["TotalUsersUpdated", "Updated", "Duplicate"]
            .into_iter()
            .map(|name| number(value, name))
            .fold(0, u32::max),
        failed: number(value, "Failed").saturating_add(number(value, "InvalidEmail")),
        invalid_emails: number(value, "InvalidEmail"),
        import_date_ms: date_ms(&text(value, "ImportDate")),
    })
}

pub(crate) fn bulk_error(value: &Value) -> Option<BulkError> {
    let message = some(text(value, "ImportStatus")).unwrap_or_else(|| text(value, "ImporStatus"));
    Some(BulkError {
        user_name: some(text(value, "Username"))?,
        message,
    })
}

/// Parses a date in ISO form, with or without zone (then UTC), or `/Date(ms±zone)/`. Empty text is not a date.
pub(crate) fn date_ms(text: &str) -> Option<u64> {
    if let Some(wcf) = text.strip_prefix("/Date(") {
        let digits: String = wcf.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().ok();
    }
    let zoned: Option<jiff::Timestamp> = text.parse().ok();
    let timestamp = zoned.or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        local
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })?;
    u64::try_from(timestamp.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_read_in_every_shape() {
        let user = json!({"Id": "a", "UserName": "mira"});
        for shape in [
            json!([user]),
            json!({"User": [user]}),
            json!({"Users": {"User": [user]}}),
            json!({"Items": [user]}),
        ] {
            assert_eq!(list(&shape).unwrap().len(), 1, "{shape}");
        }
        let alone = json!({"User": user});
        assert_eq!(list(&alone).unwrap(), std::slice::from_ref(&user));
        assert_eq!(list(&json!({"Users": alone})).unwrap().len(), 1);
        for shape in [user.clone(), alone, json!([user]), json!({"User": [user]})] {
            assert_eq!(
                one(&shape).and_then(|user| user.get("Id")),
                Some(&json!("a")),
                "{shape}"
            );
        }
        assert!(one(&json!([user, user])).is_none() && one(&json!({"Detail": "x"})).is_none());
        assert_eq!(list(&json!([])).unwrap().len(), 0);
        assert!(list(&json!("page")).is_none());
        assert!(list(&json!(null)).is_none() && list(&json!({"Errors": []})).is_none());
    }

    #[test]
    fn a_description_that_was_not_shown_is_no_empty_one() {
        for (shown, alone, listed) in [
            (json!({"Id": "t"}), None, None),
            (json!({"Id": "t", "Description": null}), Some(""), None),
            (json!({"Id": "t", "Description": ""}), Some(""), Some("")),
            (json!({"Id": "t", "Description": "All"}), Some("All"), Some("All")),
        ] {
            assert_eq!(team(&shown).unwrap().description.as_deref(), alone, "{shown}");
            assert_eq!(
                team_item(&shown).unwrap().description.as_deref(),
                listed,
                "{shown}"
            );
        }
    }

    #[test]
    fn dates_are_read_in_every_form() {
        let day = 1_709_629_811_000;
        assert_eq!(date_ms("2024-03-05T09:10:11Z"), Some(day));
        assert_eq!(date_ms("2024-03-05T09:10:11.000"), Some(day));
        assert_eq!(date_ms("2024-03-05 09:10:11"), Some(day));
        assert_eq!(date_ms("/Date(1709629811000-0500)/"), Some(day));
        assert_eq!(date_ms(""), None);
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let names = prop::sample::select(vec![
            "Id",
            "UserName",
            "Active",
            "CreatedDate",
            "Failed",
            "Username",
            "X",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
            "/Date\\([0-9]{0,30}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..5).prop_map(|fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_json_makes_it_panic(value in any_json()) {
            for item in list(&value).unwrap_or_default() {
                let _ = (user(item), team_item(item), member(item), bulk_job(item), bulk_error(item));
            }
        }
    }
}
