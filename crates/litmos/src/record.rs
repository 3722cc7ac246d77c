//! What Litmos's records hold, as far as it is kept.

use std::collections::{BTreeMap, BTreeSet};

/// A user. `fields` holds the writable profile fields that have a value, by the names of user records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    pub id: String,
    pub user_name: String,
    pub active: bool,
    pub access_level: Option<String>,
    /// `None` where Litmos says `"0"` or nothing.
    pub manager_id: Option<String>,
    /// Unix milliseconds.
    pub created_ms: Option<u64>,
    pub fields: BTreeMap<String, String>,
    /// Writable fields that the answer did not show: not empty ones, but unknown ones.
    pub lacking: BTreeSet<String>,
    /// What the record holds besides, to be written back as it was: JSON for this crate only, empty for nothing.
    pub rest: String,
    /// Whether this is the whole record, so that it can be written back.
    pub whole: bool,
}

/// A user to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    pub user_name: String,
    pub active: bool,
    pub access_level: String,
    pub manager_id: Option<String>,
    pub fields: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamRecord {
    pub id: String,
    pub name: String,
    /// `None`: the answer did not show it, as lists do not. Empty if the team has none.
    pub description: Option<String>,
    pub parent_id: Option<String>,
    /// `TeamCodeForBulkImport`; empty if Litmos did not say.
    pub bulk_code: String,
}

/// A user as a team lists them: active ones only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub user_name: String,
}

/// One row of a bulk import, by the names of bulk imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkRow {
    pub user_name: String,
    pub fields: BTreeMap<String, String>,
    /// A code such as `L`; `None` leaves the level.
    pub access_level: Option<String>,
    /// Id or user name.
    pub manager: Option<String>,
    /// Bulk codes of at most five teams.
    pub teams: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkJob {
    pub id: String,
    pub status: String,
    pub total_records: u32,
    pub created: u32,
    /// Accounts that were there before, as far as Litmos counts them.
    pub updated: u32,
    /// Rows that were refused, of whatever kind.
    pub failed: u32,
    /// Rows whose e-mail address was refused. Whether Litmos counts them among the failed ones too is not public.
    pub invalid_emails: u32,
    /// Unix milliseconds by Litmos's clock.
    pub import_date_ms: Option<u64>,
}

/// A row that a bulk import did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkError {
    pub user_name: String,
    pub message: String,
}

/// What a field of the record is, for writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Id,
    UserName,
    AccessLevel,
    Active,
    ManagerId,
    Text,
    Flag,
    /// No on a new account; on others written back as it was read.
    Kept,
    /// Written empty: output of Litmos, or never written.
    Blank,
}

/// The user record in wire order (a live record of 2025). Litmos loses values that come out of order in XML and calls
/// JSON order-sensitive too, so this order is kept.
pub(crate) const WIRE_ORDER: [(&str, Slot); 45] = [
    ("Id", Slot::Id),
    ("UserName", Slot::UserName),
    ("FirstName", Slot::Text),
    ("LastName", Slot::Text),
    ("FullName", Slot::Blank),
    ("Email", Slot::Text),
    ("AccessLevel", Slot::AccessLevel),
    ("DisableMessages", Slot::Flag),
    ("Active", Slot::Active),
    ("Skype", Slot::Text),
    ("PhoneWork", Slot::Text),
    ("PhoneMobile", Slot::Text),
    ("LastLogin", Slot::Blank),
    ("LoginKey", Slot::Blank),
    ("IsCustomUsername", Slot::Flag),
    ("SkipFirstLogin", Slot::Kept),
    ("TimeZone", Slot::Text),
    ("SalesforceId", Slot::Text),
    ("Street1", Slot::Text),
    ("Street2", Slot::Text),
    ("City", Slot::Text),
    ("State", Slot::Text),
    ("PostalCode", Slot::Text),
    ("Country", Slot::Text),
    ("CompanyName", Slot::Text),
    ("JobTitle", Slot::Text),
    ("CustomField1", Slot::Text),
    ("CustomField2", Slot::Text),
    ("CustomField3", Slot::Text),
    ("CustomField4", Slot::Text),
    ("CustomField5", Slot::Text),
    ("CustomField6", Slot::Text),
    ("CustomField7", Slot::Text),
    ("CustomField8", Slot::Text),
    ("CustomField9", Slot::Text),
    ("CustomField10", Slot::Text),
    ("Culture", Slot::Text),
    ("SalesforceContactId", Slot::Text),
    ("SalesforceAccountId", Slot::Text),
    ("Brand", Slot::Text),
    ("ManagerId", Slot::ManagerId),
    ("EnableTextNotification", Slot::Flag),
    ("Website", Slot::Text),
    ("Twitter", Slot::Text),
    ("ExpirationDate", Slot::Text),
];

/// Fields after [`WIRE_ORDER`], also in order.
pub(crate) const WIRE_TAIL: [(&str, Slot); 2] = [("JobRole", Slot::Text), ("ExternalEmployeeId", Slot::Text)];

/// Bulk import's own order. Teams, access level and manager are placed by their own rules.
pub(crate) const BULK_ORDER: [&str; 34] = [
    "Email",
    "FirstName",
    "LastName",
    "Phone",
    "Mobile",
    "Skype",
    "Title",
    "CompanyName",
    "WebSite",
    "Twitter",
    "Address1",
    "Address2",
    "City",
    "State",
    "Zip",
    "Country",
    "CustomField1",
    "CustomField2",
    "CustomField3",
    "CustomField4",
    "CustomField5",
    "CustomField6",
    "CustomField7",
    "CustomField8",
    "CustomField9",
    "CustomField10",
    "SalesforceId",
    "SalesforceContactId",
    "SalesforceAccountId",
    "Brand",
    "Culture",
    "JobRole",
    "ExternalEmployeeId",
    "TimeZone",
];

pub(crate) fn wire_fields() -> impl Iterator<Item = (&'static str, Slot)> {
    WIRE_ORDER.into_iter().chain(WIRE_TAIL)
}
