//! The fields of Litmos records that Rollcall keeps.

use std::collections::{BTreeMap, BTreeSet};

/// A user. `fields` contains the writable profile fields that have a value, by their names in user records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    pub id: String,
    pub user_name: String,
    pub active: bool,
    pub access_level: Option<String>,
    /// `None` if Litmos returns `"0"` or nothing.
    pub manager_id: Option<String>,
    /// Unix milliseconds.
    pub created_ms: Option<u64>,
    pub fields: BTreeMap<String, String>,
    /// Writable fields that the response did not contain. Their values are unknown, not empty.
    pub lacking: BTreeSet<String>,
    /// Other content of the record, to be written back unchanged. JSON for this crate only; empty if there is none.
    pub rest: String,
    /// True if this is the whole record, so that it can be written back.
    pub whole: bool,
}

/// A user to create.
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
    /// `None` if the response did not contain it, as in lists. Empty if the team has none.
    pub description: Option<String>,
    pub parent_id: Option<String>,
    /// `TeamCodeForBulkImport`. Empty if Litmos did not return it.
    pub bulk_code: String,
}

/// A user in a list of team members. Such a list contains only active users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub user_name: String,
}

/// One row of a bulk import, with the field names of bulk imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkRow {
    pub user_name: String,
    pub fields: BTreeMap<String, String>,
    /// A code such as `L`. `None` leaves the level unchanged.
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
    /// Accounts that existed before, as far as Litmos counts them.
    pub updated: u32,
    /// Rows that were refused for any reason.
    pub failed: u32,
    /// Rows whose e-mail address was refused. It is not documented whether Litmos also counts them as failed.
    pub invalid_emails: u32,
    /// Unix milliseconds by Litmos's clock.
    pub import_date_ms: Option<u64>,
}

/// A row that a bulk import refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkError {
    pub user_name: String,
    pub message: String,
}

/// How a field of the record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Id,
    UserName,
    AccessLevel,
    Active,
    ManagerId,
    Text,
    Flag,
    /// "No" for a new account. Otherwise written back as read.
    Kept,
    /// Written empty: Litmos sets it, or it is never written.
    Blank,
}

/// The user record in wire order (from a live record of 2025). Litmos loses XML values that are out of order, and says that JSON
/// is order-sensitive too. So this order is kept.
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

/// Order of fields in a bulk import. Teams, access level and manager have their own rules.
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
