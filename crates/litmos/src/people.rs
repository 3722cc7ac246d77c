//! Calls about users.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client};
use crate::failure::{Failure, FailureKind};
use crate::read::{self, Rest};
use crate::record::{NewUser, Slot, TeamRecord, UserRecord, wire_fields};
use crate::shape::{is_whole, plain};

/// The parts of a record that are not plain fields.
struct Head<'a> {
    id: &'a str,
    user_name: &'a str,
    active: bool,
    access_level: &'a str,
    manager_id: Option<&'a str>,
}

/// Body for a new user: every field in wire order, empty if it has no desired value.
fn new_body(head: &Head<'_>, fields: &BTreeMap<String, String>) -> Value {
    let mut record = Map::new();
    for (name, slot) in wire_fields() {
        record.insert(name.to_owned(), value_of(name, slot, head, fields));
    }
    Value::Object(record)
}

/// Body for a changed record. Fields that were not in the record as read are omitted. Fields that Rollcall does not know are
/// written back unchanged, in their position.
fn changed_body(head: &Head<'_>, user: &UserRecord, rest: Vec<Rest>) -> Value {
    let mut record = Map::new();
    let mut rest = VecDeque::from(rest);
    let known: BTreeSet<&str> = wire_fields().map(|(name, _)| name).collect();
    let keep = |record: &mut Map<String, Value>, kept: Rest| {
        let value = match kept.spells.as_deref() {
            Some(field) => record.get(field).cloned().unwrap_or(kept.value),
            None => kept.value,
        };
        record.entry(kept.name).or_insert(value);
    };
    for after in std::iter::once("").chain(wire_fields().map(|(name, _)| name)) {
        let slot = wire_fields()
            .find(|(name, _)| *name == after)
            .map(|(_, slot)| slot);
        if let Some(slot) = slot.filter(|slot| *slot != Slot::Kept)
            && (!user.lacking.contains(after) || user.fields.contains_key(after) || is_set(after, head))
        {
            record.insert(after.to_owned(), value_of(after, slot, head, &user.fields));
        }
        let (here, later) = rest.into_iter().partition(|kept| {
            kept.after == after || !known.contains(kept.after.as_str()) && after.is_empty()
        });
        rest = later;
        for kept in here {
            keep(&mut record, kept);
        }
    }
    Value::Object(record)
}

fn is_set(name: &str, head: &Head<'_>) -> bool {
    match name {
        "AccessLevel" => true,
        "ManagerId" => head.manager_id.is_some(),
        _ => false,
    }
}

fn value_of(name: &str, slot: Slot, head: &Head<'_>, fields: &BTreeMap<String, String>) -> Value {
    let text = || fields.get(name).cloned().unwrap_or_default();
    match slot {
        Slot::Id => json!(head.id),
        Slot::UserName => json!(head.user_name),
        Slot::AccessLevel => json!(head.access_level),
        Slot::Active => json!(head.active),
        Slot::ManagerId => json!(head.manager_id.unwrap_or("0")),
        Slot::Text => json!(text()),
        Slot::Flag => json!(text() == "true"),
        Slot::Kept => json!(false),
        Slot::Blank => json!(""),
    }
}

/// Parses the records of a list, and marks each as whole or not.
fn records(answer: &Value, demanded: &BTreeSet<String>) -> Option<Vec<UserRecord>> {
    let mut last: Option<(Vec<&String>, bool)> = None;
    let mut records = Vec::new();
    for value in read::list(answer)? {
        let mut record = read::user(value)?;
        let fields = value.as_object()?;
        // Nearly always the records of a page have the same fields.
        let known = last
            .as_ref()
            .filter(|(names, _)| fields.keys().eq(names.iter().copied()))
            .map(|(_, whole)| *whole);
        record.whole = known.unwrap_or_else(|| is_whole(fields, demanded));
        if known.is_none() {
            last = Some((fields.keys().collect(), record.whole));
        }
        records.push(record);
    }
    Some(records)
}

impl Client {
    /// Records with their details, by offset; with `since_ms`, only those created since then. Each record says whether it is whole.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn list_users_details(
        &self,
        permit: Permit,
        since_ms: Option<u64>,
        start: u32,
        limit: u32,
    ) -> Result<Vec<UserRecord>, Failure> {
        let mut call = Call::get("users.details", "/users/details", &[]).page(start, limit);
        if let Some(since) = since_ms.and_then(since_text) {
            call.query.push(("since", since));
        }
        let answer = self.send(permit, call).await?;
        records(&answer, &self.shape.demanded())
            .ok_or_else(|| Client::broken("users.details", "the answer is no list of records"))
    }

    /// One page of the short list. Every key may read it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn list_users(
        &self,
        permit: Permit,
        start: u32,
        limit: u32,
    ) -> Result<Vec<UserRecord>, Failure> {
        let answer = self
            .send(permit, Call::get("users.list", "/users", &[]).page(start, limit))
            .await?;
        records(&answer, &self.shape.demanded())
            .ok_or_else(|| Client::broken("users.list", "the answer is no list of records"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn user(&self, permit: Permit, id: &str) -> Result<UserRecord, Failure> {
        let answer = self
            .send(permit, Call::get("user.get", "/users/{}", &[id]))
            .await?;
        self.whole(&answer)
            .ok_or_else(|| Client::broken("user.get", "the answer is no user"))
    }

    /// The user with this user name, in any case.
    ///
    /// # Errors
    /// [`FailureKind::Gone`] if there is no such user.
    pub async fn user_by_name(&self, permit: Permit, user_name: &str) -> Result<UserRecord, Failure> {
        let answer = self
            .send(permit, Call::get("user.find", "/users/{}", &[user_name]))
            .await?;
        self.whole(&answer)
            .ok_or_else(|| Client::broken("user.find", "the answer is no user"))
    }

    /// # Errors
    /// See [`Failure`]; [`FailureKind::Exists`] if the name is used.
    pub async fn create_user(&self, permit: Permit, user: &NewUser) -> Result<UserRecord, Failure> {
        let head = Head {
            id: "",
            user_name: &user.user_name,
            active: user.active,
            access_level: &user.access_level,
            manager_id: user.manager_id.as_deref(),
        };
        let mut call =
            Call::write("user.create", Method::POST, "/users", &[]).body(new_body(&head, &user.fields));
        call.query.push(("skipfirstlogin", "true".to_owned()));
        let answer = self.send(permit, call).await?;
        self.made(&answer)
            .ok_or_else(|| Client::broken("user.create", "the answer is no user"))
    }

    /// Parses the record of a single read. It is always whole.
    fn whole(&self, answer: &Value) -> Option<UserRecord> {
        let value = read::one(answer)?;
        let record = read::user(value)?;
        self.shape.learn(value.as_object()?);
        Some(UserRecord {
            whole: true,
            ..record
        })
    }

    /// True if a record has every field that single reads have returned until now.
    pub fn is_whole(&self, user: &UserRecord) -> bool {
        let Some(rest) = read::rest(&user.rest) else {
            return false;
        };
        let known = wire_fields().filter(|(name, slot)| {
            !matches!(slot, Slot::Kept | Slot::Blank) && !user.lacking.contains(*name)
        });
        let names: BTreeSet<String> = known
            .map(|(name, _)| plain(name))
            .chain(rest.iter().map(|kept| plain(&kept.name)))
            .collect();
        self.shape.demanded().is_subset(&names)
    }

    fn made(&self, answer: &Value) -> Option<UserRecord> {
        let value = read::one(answer)?;
        let record = read::user(value)?;
        Some(UserRecord {
            whole: is_whole(value.as_object()?, &self.shape.demanded()),
            ..record
        })
    }

    /// Writes a whole record. A field that is empty in the record is cleared, whether Litmos replaces or merges. A field that the
    /// record does not contain is omitted. A field that Rollcall does not know is written back as read.
    ///
    /// # Errors
    /// See [`Failure`].
    ///
    /// A record that is not whole is not sent, because Litmos would clear its other fields. A record without an access level is
    /// not sent either, because Litmos would make the user a Learner.
    pub async fn put_user(&self, permit: Permit, user: &UserRecord) -> Result<(), Failure> {
        let refused = |attribute: &str, message: &str| Failure {
            kind: FailureKind::Rejected {
                attribute: Some(attribute.to_owned()),
            },
            call: "user.update",
            status: None,
            message: message.to_owned(),
            foreign: false,
            permit_id: Some(permit.id().to_owned()),
        };
        let Some(access_level) = &user.access_level else {
            let message = "the access level is not one of the five and would be lost; nothing was sent";
            return Err(refused("AccessLevel", message));
        };
        let Some(rest) = read::rest(&user.rest).filter(|_| user.whole) else {
            let message = "only a part of the record is known and the rest would be lost; nothing was sent";
            return Err(refused("Id", message));
        };
        let head = Head {
            id: &user.id,
            user_name: &user.user_name,
            active: user.active,
            access_level,
            manager_id: user.manager_id.as_deref(),
        };
        let arguments = [user.id.as_str()];
        let call = Call::write("user.update", Method::PUT, "/users/{}", &arguments)
            .body(changed_body(&head, user, rest));
        self.send(permit, call).await.map(drop)
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn leave_all_teams(&self, permit: Permit, id: &str) -> Result<(), Failure> {
        let arguments = [id];
        let call = Call::write("user.leave_teams", Method::DELETE, "/users/{}/teams", &arguments);
        self.send(permit, call).await.map(drop)
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn user_teams(&self, permit: Permit, id: &str) -> Result<Vec<TeamRecord>, Failure> {
        let arguments = [id];
        let call = Call::get("user.teams", "/users/{}/teams", &arguments).page(0, 1_000);
        let answer = self.send(permit, call).await?;
        read::all(&answer, read::team_item)
            .ok_or_else(|| Client::broken("user.teams", "the answer is no list of records"))
    }
}

/// Formats `since` for Litmos, in UTC. This is the only accepted form with seconds.
pub(crate) fn since_text(ms: u64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(
        timestamp
            .to_zoned(jiff::tz::TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_in_wire_order() {
        let head = Head {
            id: "x",
            user_name: "m",
            active: true,
            access_level: "Learner",
            manager_id: None,
        };
        let text = new_body(&head, &BTreeMap::from([("City".to_owned(), "Oslo".to_owned())])).to_string();
        let at = |name: &str| {
            text.find(&format!("\"{name}\""))
                .unwrap_or_else(|| panic!("{name} is missing"))
        };
        assert!(at("Id") < at("UserName") && at("UserName") < at("FirstName") && at("City") < at("Culture"));
        assert_eq!(
            since_text(1_709_629_811_000).as_deref(),
            Some("2024-03-05 09:10:11")
        );
    }

    fn written_back(value: &Value) -> Value {
        let user = read::user(value).unwrap();
        let rest = read::rest(&user.rest).unwrap();
        let head = Head {
            id: &user.id,
            user_name: &user.user_name,
            active: user.active,
            access_level: user.access_level.as_deref().unwrap(),
            manager_id: user.manager_id.as_deref(),
        };
        changed_body(&head, &user, rest)
    }

    #[test]
    fn a_record_is_written_back_as_it_was_read_whatever_litmos_adds() {
        let read = json!({
            "Id": "x", "UserName": "mira", "FirstName": "Mira", "FullName": "", "AccessLevel": "Learner", "Active": true,
            "LastLogin": "", "LoginKey": "", "SkipFirstLogin": true, "Seats": {"of": [1, null]}, "City": "Oslo",
            "Culture": "nb-NO", "ManagerId": "0", "EnableTextNotification": true, "JobRole": "", "ProfileType": "External",
            "Pronouns": "she",
        });
        assert_eq!(written_back(&read).to_string(), read.to_string());
    }

    #[test]
    fn what_a_single_read_does_not_show_is_not_written() {
        let read = json!({"Id": "x", "UserName": "mira", "AccessLevel": "Learner", "Active": true, "City": null,
            "SalesforcecontactId": "S1", "EnableTextNotifications": true});
        let written = written_back(&read);
        for absent in [
            "Culture",
            "ManagerId",
            "SkipFirstLogin",
            "Website",
            "DisableMessages",
        ] {
            assert!(written.get(absent).is_none(), "{absent} in {written}");
        }
        assert_eq!(written["City"], "");
        // Written in both spellings: the one that Litmos returned, and the one of live records.
        for name in ["SalesforcecontactId", "SalesforceContactId"] {
            assert_eq!(written[name], "S1", "{name}");
        }
        for name in ["EnableTextNotifications", "EnableTextNotification"] {
            assert_eq!(written[name], true, "{name}");
        }
    }

    #[test]
    fn a_record_of_a_list_is_whole_only_if_it_shows_all_that_there_is() {
        let shape = crate::shape::Shape::default();
        let all: Map<String, Value> = shape
            .demanded()
            .into_iter()
            .map(|name| (name, json!("x")))
            .collect();
        let whole = |record: &Map<String, Value>, shape: &crate::shape::Shape| {
            records(&json!([record]), &shape.demanded()).unwrap()[0].whole
        };
        assert!(whole(&all, &shape));
        for absent in ["culture", "profiletype", "skipfirstlogin", "accesslevel"] {
            let mut part = all.clone();
            part.remove(absent);
            assert!(!whole(&part, &shape), "{absent}");
        }
        let mut more = all.clone();
        more.insert("Pronouns".to_owned(), json!("she"));
        shape.learn(&more);
        assert!(
            whole(&more, &shape) && !whole(&all, &shape),
            "a single read showed one more"
        );
        let small: Map<String, Value> = ["Id", "UserName", "Active", "City"]
            .into_iter()
            .map(|name| (name.to_owned(), json!("x")))
            .collect();
        let old = crate::shape::Shape::default();
        assert!(!whole(&small, &old));
        old.learn(&small);
        assert!(whole(&small, &old), "an older Litmos has no more than this");
    }
}
