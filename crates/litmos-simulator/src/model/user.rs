//! One user: changes by request bodies, and records in responses.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    AccessLevel, Assignment, CourseKey, Fields, Given, Refusal, TeamKey, Text, UserId, UserKey, rules,
    timestamp,
};
use crate::mode::{Details, DetailsId, Lengths, Modes, RangeDates};
use crate::wire::{Record, Value};

/// Culture of a user without one.
const DEFAULT_CULTURE: &str = "en-US";
/// Brand of a user without one.
const DEFAULT_BRAND: &str = "Default";
/// URL of login keys. The host does not exist.
const LOGIN_PATH: &str = "https://learning.corp.example/login";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) key: UserKey,
    pub(crate) user_name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) access_level: AccessLevel,
    pub(crate) active: bool,
    pub(crate) disable_messages: bool,
    pub(crate) is_custom_username: bool,
    pub(crate) skip_first_login: bool,
    pub(crate) enable_text_notification: bool,
    /// A missing attribute was never set; an empty one was cleared.
    pub(crate) texts: BTreeMap<Text, String>,
    /// True if attributes that were never set are shown as empty, as after a create by the API. False if as null.
    pub(crate) unset_is_empty: bool,
    pub(crate) manager: Option<UserKey>,
    pub(crate) custom_fields: BTreeMap<String, String>,
    pub(crate) teams: BTreeSet<TeamKey>,
    pub(crate) courses: BTreeMap<CourseKey, Assignment>,
    pub(crate) last_login: Option<Timestamp>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) login_secret: String,
    /// Derived by [`User::checked`].
    pub(crate) search_text: String,
}

/// Treatment of fields that are missing in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// They become empty, false, or Learner.
    Replace,
    /// They keep their value.
    Merge,
}

impl User {
    /// Creates a user without an id. `Account::admit` assigns the id.
    pub(crate) fn blank(created: Timestamp) -> Self {
        Self {
            id: UserId(String::new()),
            key: UserKey(0),
            user_name: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            access_level: AccessLevel::Learner,
            active: true,
            disable_messages: false,
            is_custom_username: false,
            skip_first_login: false,
            enable_text_notification: false,
            texts: BTreeMap::new(),
            unset_is_empty: false,
            manager: None,
            custom_fields: BTreeMap::new(),
            teams: BTreeSet::new(),
            courses: BTreeMap::new(),
            last_login: None,
            created,
            updated: created,
            login_secret: String::new(),
            search_text: String::new(),
        }
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
            .trim()
            .to_owned()
    }

    pub(crate) fn text(&self, text: Text) -> Option<&str> {
        self.texts.get(&text).map(String::as_str)
    }

    /// Value of the text in records.
    fn shown(&self, text: Text) -> Value<'_> {
        match self.text(text) {
            None if self.shows_empty(text) => Value::text(""),
            set => Value::maybe(set),
        }
    }

    /// True if the text is shown as empty rather than null while it is not set.
    fn shows_empty(&self, text: Text) -> bool {
        self.unset_is_empty && !text.is_null_until_set()
    }

    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.text(Text::ExpirationDate).and_then(timestamp)
    }

    /// True if `search`, in lower case, occurs in a field that Litmos searches.
    pub(crate) fn matches(&self, search: &str) -> bool {
        self.search_text.contains(search)
    }

    /// Applies a body with the names of the user record. Does not check manager, uniqueness and the account's lists: the
    /// account checks those.
    pub(crate) fn changed(
        mut self,
        fields: &Fields,
        change: Change,
        lengths: Lengths,
    ) -> Result<Self, Refusal> {
        let required = |name: &'static str, max: usize, old: &str| -> Result<String, Refusal> {
            match (fields.text(name)?, change) {
                (Given::Absent, Change::Merge) => Ok(old.to_owned()),
                (Given::Absent | Given::Null, _) => Ok(String::new()),
                (Given::Value(value), _) => rules::fit(name, value, max, lengths),
            }
        };
        let user_name = required("UserName", 255, &self.user_name)?;
        let first_name = required("FirstName", 50, &self.first_name)?;
        let last_name = required("LastName", 50, &self.last_name)?;
        let email = required("Email", 255, &self.email)?;
        let flag = |name: &str, old: bool| -> Result<bool, Refusal> {
            Ok(match (fields.flag(name)?, change) {
                (Given::Absent, Change::Merge) => old,
                (Given::Absent | Given::Null, _) => false,
                (Given::Value(value), _) => value,
            })
        };
        self.active = flag("Active", self.active)?;
        self.disable_messages = flag("DisableMessages", self.disable_messages)?;
        self.is_custom_username = flag("IsCustomUsername", self.is_custom_username)?;
        self.skip_first_login = flag("SkipFirstLogin", self.skip_first_login)?;
        self.enable_text_notification = flag("EnableTextNotification", self.enable_text_notification)?;
        self.access_level = match (fields.text("AccessLevel")?, change) {
            (Given::Absent, Change::Merge) => self.access_level,
            (Given::Absent | Given::Null, _) => AccessLevel::Learner,
            (Given::Value(word), _) if word.is_empty() => AccessLevel::Learner,
            (Given::Value(word), _) => AccessLevel::from_record(&word).ok_or(Refusal::AccessLevelInvalid)?,
        };
        for text in Text::ALL {
            match (fields.text(text.name())?, change) {
                (Given::Absent, Change::Merge) => {}
                // A value that was set is cleared. A value that was never set stays so.
                (Given::Absent | Given::Null, _) => {
                    if let Some(value) = self.texts.get_mut(text) {
                        value.clear();
                    }
                }
                (Given::Value(value), _) if value.is_empty() && self.shows_empty(*text) => {
                    if let Some(value) = self.texts.get_mut(text) {
                        value.clear();
                    }
                }
                (Given::Value(value), _) => {
                    self.texts
                        .insert(*text, rules::fit(text.name(), value, text.longest(), lengths)?);
                }
            }
        }
        rules::password(&fields.text("Password")?.value().unwrap_or_default())?;
        (self.user_name, self.first_name, self.last_name, self.email) =
            (user_name, first_name, last_name, email);
        self.checked()
    }

    /// Sets defaults and checks the rules that need only this record.
    pub(crate) fn checked(mut self) -> Result<Self, Refusal> {
        rules::user_name(&self.user_name)?;
        if self.last_name.trim().is_empty() {
            return Err(Refusal::Required("LastName"));
        }
        let name_as_email = self.email.is_empty() && !self.is_custom_username;
        if name_as_email && rules::email(&self.user_name).is_ok() {
            self.email = self.user_name.clone();
        }
        rules::email(&self.email)?;
        if self.enable_text_notification {
            rules::mobile_for_texts(self.text(Text::PhoneMobile).unwrap_or_default())?;
        }
        for (text, default) in [(Text::Culture, DEFAULT_CULTURE), (Text::Brand, DEFAULT_BRAND)] {
            if self.text(text).unwrap_or_default().is_empty() {
                self.texts.insert(text, default.to_owned());
            }
        }
        match self.texts.remove(&Text::ExpirationDate) {
            Some(date) if !date.is_empty() => {
                let moment = timestamp(&date).ok_or(Refusal::NotADate("ExpirationDate"))?;
                self.texts.insert(Text::ExpirationDate, to_second(moment));
            }
            // Records show it as empty in both cases, so cleared equals never set.
            Some(_) | None => {}
        }
        let company = self.text(Text::CompanyName).unwrap_or_default();
        self.search_text = [&self.user_name, self.full_name().as_str(), &self.email, company]
            .join("\n")
            .to_lowercase();
        Ok(self)
    }

    /// Item of user lists.
    pub(crate) fn item(&self) -> Record<'_> {
        Record {
            name: "User",
            fields: vec![
                ("Id", Value::text(&self.id.0)),
                ("UserName", Value::text(&self.user_name)),
                ("FirstName", Value::text(&self.first_name)),
                ("LastName", Value::text(&self.last_name)),
                ("Active", Value::Bool(self.active)),
                ("Email", Value::text(&self.email)),
                ("AccessLevel", Value::text(self.access_level.name())),
                ("Brand", Value::maybe(self.text(Text::Brand))),
            ],
        }
    }

    /// Full record, in the order of responses.
    pub(crate) fn record<'a>(&'a self, manager: Option<&'a User>) -> Record<'a> {
        let text = |text: Text| (text.name(), self.shown(text));
        let mut fields = vec![
            ("Id", Value::text(&self.id.0)),
            ("UserName", Value::text(&self.user_name)),
            ("FirstName", Value::text(&self.first_name)),
            ("LastName", Value::text(&self.last_name)),
            ("FullName", Value::text(self.full_name())),
            ("Email", Value::text(&self.email)),
            ("AccessLevel", Value::text(self.access_level.name())),
            ("DisableMessages", Value::Bool(self.disable_messages)),
            ("Active", Value::Bool(self.active)),
            text(Text::Skype),
            text(Text::PhoneWork),
            text(Text::PhoneMobile),
            (
                "LastLogin",
                Value::text(self.last_login.map(to_second).unwrap_or_default()),
            ),
            (
                "LoginKey",
                Value::text(format!("{LOGIN_PATH}?key={}", self.login_secret)),
            ),
            ("IsCustomUsername", Value::Bool(self.is_custom_username)),
            ("Password", Value::text("")),
            ("SkipFirstLogin", Value::Bool(self.skip_first_login)),
            text(Text::TimeZone),
            text(Text::SalesforceId),
            ("OriginalId", Value::Int(i64::from(self.key.0))),
        ];
        // From Street1 to SalesforceAccountId, the table of texts is in the order of responses.
        let first = Text::ALL
            .iter()
            .position(|text| *text == Text::Street1)
            .unwrap_or_default();
        let last = Text::ALL
            .iter()
            .position(|text| *text == Text::SalesforceAccountId)
            .unwrap_or_default();
        fields.extend(Text::ALL[first..=last].iter().map(|attribute| text(*attribute)));
        fields.extend([
            ("CreatedDate", Value::text(to_second(self.created))),
            ("Points", Value::Number(0.0)),
            text(Text::Brand),
            (
                "ManagerId",
                manager.map_or(Value::text("0"), |manager| Value::text(&manager.id.0)),
            ),
            (
                "ManagerName",
                manager.map_or(Value::Null, |manager| Value::text(manager.full_name())),
            ),
            (
                "EnableTextNotification",
                Value::Bool(self.enable_text_notification),
            ),
            text(Text::Website),
            text(Text::Twitter),
            (
                "ExpirationDate",
                Value::text(self.text(Text::ExpirationDate).unwrap_or_default()),
            ),
            text(Text::JobRole),
            text(Text::ExternalEmployeeId),
            text(Text::ProfileType),
        ]);
        Record { name: "User", fields }
    }

    /// Item of the list of details.
    pub(crate) fn details_record<'a>(&'a self, manager: Option<&'a User>, details: Details) -> Record<'a> {
        let mut record = self.record(manager);
        match details {
            Details::Whole => {}
            Details::Sap => {
                record
                    .fields
                    .retain(|(name, _)| !matches!(*name, "Culture" | "Password"));
                for (name, _) in &mut record.fields {
                    match *name {
                        "EnableTextNotification" => *name = "EnableTextNotifications",
                        "SalesforceContactId" => *name = "SalesforcecontactId",
                        _ => {}
                    }
                }
            }
        }
        record
    }

    /// Record of the date-range lists: with the author of the last change, without the login key and some other fields.
    pub(crate) fn range_record<'a>(
        &'a self,
        manager: Option<&'a User>,
        changed_by: UserKey,
        modes: &Modes,
    ) -> Record<'a> {
        let mut record = self.record(manager);
        record.fields.retain(|(name, _)| {
            !matches!(
                *name,
                "Password" | "SkipFirstLogin" | "Points" | "Culture" | "JobRole"
            )
        });
        for (name, value) in &mut record.fields {
            match *name {
                "LoginKey" => *value = Value::text(LOGIN_PATH),
                "CreatedDate" => *value = Value::text(range_date(self.created, modes.range_dates)),
                "OriginalId" => {
                    *name = match modes.details_id {
                        DetailsId::OriginalUserId => "OriginalUserId",
                        DetailsId::OriginalId => "OriginalId",
                    };
                }
                _ => {}
            }
        }
        let changes = [
            (
                "UpdatedDate",
                Value::text(range_date(self.updated, modes.range_dates)),
            ),
            ("CreatedBy", Value::Int(i64::from(changed_by.0))),
            ("UpdatedBy", Value::Int(i64::from(changed_by.0))),
        ];
        let created = record.fields.iter().position(|(name, _)| *name == "CreatedDate");
        let place = created.map_or(record.fields.len(), |created| created + 1);
        record.fields.splice(place..place, changes);
        record
    }
}

/// Formats a time as in user records: ISO 8601 to the second with `Z`.
pub(crate) fn to_second(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats a date as in the date-range lists.
pub(crate) fn range_date(moment: Timestamp, dates: RangeDates) -> String {
    match dates {
        RangeDates::Iso => moment.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        RangeDates::Wcf => format!("/Date({}+0000)/", moment.as_millisecond()),
    }
}
