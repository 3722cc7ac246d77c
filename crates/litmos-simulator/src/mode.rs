//! Modes: one switch for each point on which public facts about Litmos disagree or are silent.
//!
//! An engine that talks to Litmos has to be right in every mode. The first value of each mode is the default, and
//! it is the side that is harder on the engine wherever the facts do not favour the other.

use std::collections::BTreeMap;

/// Why a mode was not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// The text is not `NAME=VALUE`.
    #[error("mode `{0}` is not NAME=VALUE; the modes are: {known}", known = help())]
    Shape(String),
    /// There is no such mode.
    #[error("there is no mode `{0}`; the modes are: {known}", known = help())]
    Unknown(String),
    /// The mode exists and has no such value.
    #[error("mode `{name}` has no value `{value}`; it takes: {values}")]
    Value {
        /// The mode.
        name: &'static str,
        /// What was asked for.
        value: String,
        /// What it takes.
        values: String,
    },
}

macro_rules! modes {
    ($( $(#[$doc:meta])* $name:literal $field:ident: $kind:ident {
        $first:ident = $first_value:literal $(, $other:ident = $other_value:literal)+ $(,)?
    } )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            #[allow(missing_docs)]
            pub enum $kind { #[default] $first, $($other),+ }

            impl $kind {
                const VALUES: &'static [(&'static str, Self)] =
                    &[($first_value, Self::$first) $(, ($other_value, Self::$other))+];

                fn name(self) -> &'static str {
                    match self { Self::$first => $first_value, $(Self::$other => $other_value),+ }
                }
            }
        )+

        /// How this Litmos behaves where the facts leave a choice.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Modes {
            $( $(#[$doc])* pub $field: $kind, )+
        }

        impl Modes {
            /// Every mode with its values, default first.
            pub const ALL: &'static [(&'static str, &'static [&'static str])] =
                &[$( ($name, &[$first_value $(, $other_value)+]) ),+];

            /// Sets one mode.
            ///
            /// # Errors
            /// When there is no such mode, or it has no such value; both name what would do.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), ModeError> {
                match name {
                    $( $name => match $kind::VALUES.iter().find(|(known, _)| *known == value) {
                        Some((_, found)) => { self.$field = *found; Ok(()) }
                        None => Err(ModeError::Value {
                            name: $name,
                            value: value.to_owned(),
                            values: $kind::VALUES.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "),
                        }),
                    }, )+
                    _ => Err(ModeError::Unknown(name.to_owned())),
                }
            }

            /// Every mode with its present value.
            pub fn current(&self) -> BTreeMap<&'static str, &'static str> {
                BTreeMap::from([$( ($name, self.$field.name()) ),+])
            }
        }
    };
}

modes! {
    /// What `PUT /users/{id}` does to fields that the body leaves out: blank them, or keep them.
    "put" put: Put { Replace = "replace", Merge = "merge" }
    /// The status of a request over the limit.
    "refusal" refusal: RefusalStatus { Unavailable = "503", TooManyRequests = "429" }
    /// Whether a refusal carries `Retry-After`.
    "retry-after" retry_after: RetryAfter { None = "none", Seconds = "seconds" }
    /// Whether refused requests count toward the limit's window.
    "refused" refused: Refused { Counted = "counted", Uncounted = "uncounted" }
    /// Whether a JSON list is a bare array or wrapped under the name of its items.
    "list" list: ListShape { Bare = "bare", Wrapped = "wrapped" }
    /// The status of a successful create of a user or a sub-team.
    "create-status" create_status: CreateStatus { Created = "201", Ok = "200" }
    /// Whether two teams may share a name.
    "team-name" team_name: TeamName { Unique = "unique", Reusable = "reusable" }
    /// Whether renaming a team renews its bulk-import code.
    "team-code" team_code: TeamCode { FollowsName = "follows-name", Fixed = "fixed" }
    /// Whether a team can be changed and deleted, and if not, what that answers.
    "team-writes" team_writes: TeamWrites { Supported = "supported", MethodNotAllowed = "405", NotFound = "404" }
    /// What removing a user from a team that the user is not in answers.
    "absent-member" absent_member: AbsentMember { NotFound = "404", Ok = "200" }
    /// Which fields a bulk-import row must have.
    "bulk-required" bulk_required: BulkRequired { Username = "username", Email = "email" }
    /// What the numeric id is called in `/org/users/details`.
    "details-id" details_id: DetailsId { OriginalUserId = "OriginalUserId", OriginalId = "OriginalId" }
    /// How dates look in JSON under `/org/`.
    "range-dates" range_dates: RangeDates { Iso = "iso", Wcf = "wcf" }
    /// Whether a deactivated user stays a member of teams.
    "deactivate" deactivate: Deactivate { KeepTeams = "keep-teams", LeaveTeams = "leave-teams" }
    /// What happens to a value longer than its documented length.
    "lengths" lengths: Lengths { Refuse = "refuse", Truncate = "truncate" }
    /// Whether a page keeps to its limit or runs slightly over.
    "page" page: PageSize { Exact = "exact", Over = "over" }
    /// The JSON shape in which advanced custom fields are shown and taken; the other one is not read.
    "custom-fields" custom_fields: CustomFieldsShape { Object = "object", Pairs = "pairs" }
    /// Whether `/users/details` shows the whole record, or the 51 properties of SAP's description: no `Culture`, no
    /// `Password`, and the spellings `EnableTextNotifications` and `SalesforcecontactId`.
    "details" details: Details { Whole = "whole", Sap = "sap" }
    /// The word of a bulk import that is over. `CompletedWithErrors` stands only where a row failed and `Failed` only
    /// where all did, `Completed` otherwise; `Waiting` and `Processing` stay for good.
    "bulk-word" bulk_word: BulkWord {
        Completed = "Completed", Processed = "Processed", Finished = "Finished",
        CompletedWithErrors = "CompletedWithErrors", Failed = "Failed", Waiting = "Waiting",
        Processing = "Processing"
    }
    /// Whether a bulk import counts the users that it updated as duplicates.
    "bulk-duplicate" bulk_duplicate: BulkDuplicate { Updated = "updated", None = "none" }
    /// Whether a write may come without a `Content-Type` that names JSON or XML, or is refused with 403.
    "content-type" content_type: ContentType { Tolerant = "tolerant", Wanted = "wanted" }
    /// Whose keys have the API: administrators too, and leaders for bulk imports, or owners alone.
    "api-access" api_access: ApiAccess { Administrators = "administrators", Owners = "owners" }
    /// Whether all keys share one limit or each has its own.
    "limit-scope" limit_scope: LimitScope { Account = "account", Key = "key" }
    /// The status for a wrong key and for a missing `source`.
    "bad-key" bad_key: BadKey { Unauthorized = "401", Forbidden = "403" }
    /// Where the key is looked for: in the header, or in the query too, as before 2019.
    "key-place" key_place: KeyPlace { Header = "header", QueryToo = "query-too" }
    /// Whether a brand that the account does not have is taken or refused with 409.
    "brand" brand: BrandNames { Any = "any", Known = "known" }
    /// Whether a time zone that Windows does not know is taken or refused with 409.
    "time-zone" time_zone: TimeZones { Any = "any", Known = "known" }
}

impl Modes {
    /// Sets one mode from `NAME=VALUE`.
    ///
    /// # Errors
    /// As [`Modes::set`], and when there is no `=`.
    pub fn set_text(&mut self, text: &str) -> Result<(), ModeError> {
        match text.split_once('=') {
            Some((name, value)) => self.set(name.trim(), value.trim()),
            None => Err(ModeError::Shape(text.to_owned())),
        }
    }
}

/// All modes and values on one line, default first.
pub fn help() -> String {
    Modes::ALL
        .iter()
        .map(|(name, values)| format!("{name}={}", values.join("|")))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_takes_each_of_its_values_and_reports_it_back() {
        let mut modes = Modes::default();
        for (name, values) in Modes::ALL {
            assert_eq!(
                modes.current()[name],
                values[0],
                "the first value of {name} is its default"
            );
            for value in *values {
                modes.set_text(&format!("{name}={value}")).unwrap();
                assert_eq!(modes.current()[name], *value);
            }
        }
    }

    #[test]
    fn a_mistyped_mode_names_what_would_do() {
        let error = Modes::default().set("put", "patch").unwrap_err();
        assert_eq!(
            error.to_string(),
            "mode `put` has no value `patch`; it takes: replace, merge"
        );
        assert!(
            Modes::default()
                .set_text("puts=merge")
                .unwrap_err()
                .to_string()
                .contains("put=replace|merge")
        );
        assert!(
            Modes::default()
                .set_text("put")
                .unwrap_err()
                .to_string()
                .contains("not NAME=VALUE")
        );
    }
}
