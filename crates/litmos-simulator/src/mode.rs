//! Modes: one switch for each point on which public facts about Litmos disagree or are silent.
//!
//! A client of Litmos must work in every mode. The first value of each mode is the default. If the facts favour no value,
//! the default is the one that is harder for the client.

use std::collections::BTreeMap;

/// Error when a mode is set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// The text is not `NAME=VALUE`.
    #[error("mode `{0}` is not NAME=VALUE; the modes are: {known}", known = help())]
    Shape(String),
    /// There is no such mode.
    #[error("there is no mode `{0}`; the modes are: {known}", known = help())]
    Unknown(String),
    /// The mode exists, but has no such value.
    #[error("mode `{name}` has no value `{value}`; it takes: {values}")]
    Value {
        /// The mode.
        name: &'static str,
        /// The unknown value.
        value: String,
        /// The known values.
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

        /// Behaviour of the simulated account where the facts leave a choice.
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
            /// If there is no such mode, or it has no such value. Both errors list the known ones.
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

            /// Every mode with its current value.
            pub fn current(&self) -> BTreeMap<&'static str, &'static str> {
                BTreeMap::from([$( ($name, self.$field.name()) ),+])
            }
        }
    };
}

modes! {
    /// Treatment of missing fields in `PUT /users/{id}`: clear them, or keep them.
    "put" put: Put { Replace = "replace", Merge = "merge" }
    /// Status of a request over the limit.
    "refusal" refusal: RefusalStatus { Unavailable = "503", TooManyRequests = "429" }
    /// Whether the response to a request over the limit has `Retry-After`.
    "retry-after" retry_after: RetryAfter { None = "none", Seconds = "seconds" }
    /// Whether refused requests count toward the limit.
    "refused" refused: Refused { Counted = "counted", Uncounted = "uncounted" }
    /// Whether a JSON list is a bare array or wrapped under the name of its items.
    "list" list: ListShape { Bare = "bare", Wrapped = "wrapped" }
    /// Status of a created user or sub-team.
    "create-status" create_status: CreateStatus { Created = "201", Ok = "200" }
    /// Whether two teams may have the same name.
    "team-name" team_name: TeamName { Unique = "unique", Reusable = "reusable" }
    /// Whether a rename of a team changes its code for bulk imports.
    "team-code" team_code: TeamCode { FollowsName = "follows-name", Fixed = "fixed" }
    /// Whether a team can be updated and deleted, or the status of such a request.
    "team-writes" team_writes: TeamWrites { Supported = "supported", MethodNotAllowed = "405", NotFound = "404" }
    /// Status when a user is removed from a team without being a member.
    "absent-member" absent_member: AbsentMember { NotFound = "404", Ok = "200" }
    /// Required field of a row of a bulk import.
    "bulk-required" bulk_required: BulkRequired { Username = "username", Email = "email" }
    /// Name of the numeric id in `/org/users/details`.
    "details-id" details_id: DetailsId { OriginalUserId = "OriginalUserId", OriginalId = "OriginalId" }
    /// Format of JSON dates under `/org/`.
    "range-dates" range_dates: RangeDates { Iso = "iso", Wcf = "wcf" }
    /// Whether a deactivated user stays a member of teams.
    "deactivate" deactivate: Deactivate { KeepTeams = "keep-teams", LeaveTeams = "leave-teams" }
    /// Treatment of a value longer than its documented length: refuse it, or truncate it.
    "lengths" lengths: Lengths { Refuse = "refuse", Truncate = "truncate" }
    /// Whether a page can have slightly more items than requested.
    "page" page: PageSize { Exact = "exact", Over = "over" }
    /// JSON form of advanced custom fields in requests and responses. The other form is not accepted.
    "custom-fields" custom_fields: CustomFieldsShape { Object = "object", Pairs = "pairs" }
    /// Whether `/users/details` shows all properties, or the 51 of SAP's description: no `Culture`, no `Password`, and the
    /// spellings `EnableTextNotifications` and `SalesforcecontactId`.
    "details" details: Details { Whole = "whole", Sap = "sap" }
    /// Status word of a finished bulk import. `CompletedWithErrors` is used only if a row failed, `Failed` only if all rows
    /// failed, otherwise `Completed`. `Waiting` and `Processing` never change.
    "bulk-word" bulk_word: BulkWord {
        Completed = "Completed", Processed = "Processed", Finished = "Finished",
        CompletedWithErrors = "CompletedWithErrors", Failed = "Failed", Waiting = "Waiting",
        Processing = "Processing"
    }
    /// Whether a bulk import counts updated users as duplicates.
    "bulk-duplicate" bulk_duplicate: BulkDuplicate { Updated = "updated", None = "none" }
    /// Whether a write without a `Content-Type` of JSON or XML is accepted, or refused with 403.
    "content-type" content_type: ContentType { Tolerant = "tolerant", Wanted = "wanted" }
    /// Whose keys may use the API: administrators too, and leaders for bulk imports, or only owners.
    "api-access" api_access: ApiAccess { Administrators = "administrators", Owners = "owners" }
    /// Whether all keys share one limit, or each key has its own.
    "limit-scope" limit_scope: LimitScope { Account = "account", Key = "key" }
    /// Status for a wrong key, and for a missing `source`.
    "bad-key" bad_key: BadKey { Unauthorized = "401", Forbidden = "403" }
    /// Place of the key: in the header only, or in the query too, as before 2019.
    "key-place" key_place: KeyPlace { Header = "header", QueryToo = "query-too" }
    /// Whether a brand that the account does not have is accepted, or refused with 409.
    "brand" brand: BrandNames { Any = "any", Known = "known" }
    /// Whether a time zone that Windows does not know is accepted, or refused with 409.
    "time-zone" time_zone: TimeZones { Any = "any", Known = "known" }
}

impl Modes {
    /// Sets one mode from `NAME=VALUE`.
    ///
    /// # Errors
    /// As for [`Modes::set`], and if there is no `=`.
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
