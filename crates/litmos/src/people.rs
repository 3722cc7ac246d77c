//! Calls about users.

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client};
use crate::failure::{Failure, FailureKind};
use crate::read;
use crate::record::{NewUser, Slot, TeamRecord, UserRecord, wire_fields};

/// The parts of a record that are no plain fields.
struct Head<'a> {
    id: &'a str,
    user_name: &'a str,
    active: bool,
    access_level: &'a str,
    manager_id: Option<&'a str>,
}

fn body(head: &Head<'_>, fields: &std::collections::BTreeMap<String, String>) -> Value {
    let mut record = Map::new();
    for (name, slot) in wire_fields() {
        let text = || fields.get(name).cloned().unwrap_or_default();
        let value = match slot {
            Slot::Id => json!(head.id),
            Slot::UserName => json!(head.user_name),
            Slot::AccessLevel => json!(head.access_level),
            Slot::Active => json!(head.active),
            Slot::ManagerId => json!(head.manager_id.unwrap_or("0")),
            Slot::Text => json!(text()),
            Slot::Flag => json!(text() == "true"),
            Slot::Blank => json!(""),
        };
        record.insert(name.to_owned(), value);
    }
    Value::Object(record)
}

impl Client {
    /// Whole records, by offset; only those created since, if that is given.
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
        read::all(&answer, read::user)
            .ok_or_else(|| Client::broken("users.details", "the answer is no list of records"))
    }

    /// One page of the short list: what a key may see at least.
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
        read::all(&answer, read::user)
            .ok_or_else(|| Client::broken("users.list", "the answer is no list of records"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn user(&self, permit: Permit, id: &str) -> Result<UserRecord, Failure> {
        let answer = self
            .send(permit, Call::get("user.get", "/users/{}", &[id]))
            .await?;
        read::user(&answer).ok_or_else(|| Client::broken("user.get", "the answer is no user"))
    }

    /// The user of exactly this name, whatever its case.
    ///
    /// # Errors
    /// [`FailureKind::Gone`] if there is none.
    pub async fn user_by_name(&self, permit: Permit, user_name: &str) -> Result<UserRecord, Failure> {
        let answer = self
            .send(permit, Call::get("user.find", "/users/{}", &[user_name]))
            .await?;
        read::user(&answer).ok_or_else(|| Client::broken("user.find", "the answer is no user"))
    }

    /// # Errors
    /// See [`Failure`]; [`FailureKind::Exists`] if the name is taken.
    pub async fn create_user(&self, permit: Permit, user: &NewUser) -> Result<UserRecord, Failure> {
        let head = Head {
            id: "",
            user_name: &user.user_name,
            active: user.active,
            access_level: &user.access_level,
            manager_id: user.manager_id.as_deref(),
        };
        let mut call =
            Call::write("user.create", Method::POST, "/users", &[]).body(body(&head, &user.fields));
        call.query.push(("skipfirstlogin", "true".to_owned()));
        let answer = self.send(permit, call).await?;
        read::user(&answer).ok_or_else(|| Client::broken("user.create", "the answer is no user"))
    }

    /// Writes the whole record: what it lacks is emptied, whether Litmos replaces or merges.
    ///
    /// # Errors
    /// See [`Failure`].
    ///
    /// A record without an access level is not written: Litmos would make its owner a Learner.
    pub async fn put_user(&self, permit: Permit, user: &UserRecord) -> Result<(), Failure> {
        let Some(access_level) = &user.access_level else {
            return Err(Failure {
                kind: FailureKind::Rejected {
                    attribute: Some("AccessLevel".to_owned()),
                },
                call: "user.update",
                status: None,
                said: "the access level is not one of the five and would be lost; nothing was sent"
                    .to_owned(),
                permit_id: Some(permit.id().to_owned()),
            });
        };
        let head = Head {
            id: &user.id,
            user_name: &user.user_name,
            active: user.active,
            access_level,
            manager_id: user.manager_id.as_deref(),
        };
        let arguments = [user.id.as_str()];
        let call =
            Call::write("user.update", Method::PUT, "/users/{}", &arguments).body(body(&head, &user.fields));
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

/// The one form of `since` that Litmos takes to the second, in UTC.
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
        let text = body(
            &head,
            &std::collections::BTreeMap::from([("City".to_owned(), "Oslo".to_owned())]),
        )
        .to_string();
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
}
