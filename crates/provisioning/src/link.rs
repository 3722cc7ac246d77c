//! Links: durable pairs of a person and an account, or of a group and a team, with their requests in flight.
//!
//! A link is written twice for every operation: with an **intent** before the request is sent, and with the outcome after the response. An
//! intent that is found at the start of a process therefore means: that request may or may not have taken effect.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, CustomValues, GroupId, OperationId, PersonId, TeamId};

/// The kind of request that an intent announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentKind {
    Create,
    Update,
    LeaveTeams,
    Bulk,
    Members,
    /// Advanced custom fields of an account.
    CustomFields,
    /// A promotion or demotion inside a team.
    Roles,
    DeleteTeam,
}

/// A request that may have taken effect. Written before the request is sent, removed when its outcome is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub operation: OperationId,
    pub kind: IntentKind,
    /// Roster revision that the request contains.
    pub revision: u64,
    /// Unix milliseconds after which the request can no longer take effect. Until then, nothing else may be sent for the same person or
    /// group.
    pub settled_at_ms: u64,
    /// The name of the account or team after the request, if the request sets one. The roster may have another name by the time the outcome
    /// of the request is checked.
    pub name: Option<String>,
}

/// Why an item is parked. The texts are stable, because people search for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkCode {
    /// The user name breaks a rule of Litmos; nothing was sent.
    UserNameForbidden,
    /// Another person in the roster already has this account.
    UserNameTaken,
    /// Several teams in Litmos have the group's name, so the right one is unknown.
    TeamNameAmbiguous,
    /// A value that Litmos requires is missing; nothing was sent.
    ValueMissing,
    /// A value is longer than Litmos accepts; nothing was sent.
    ValueTooLong,
    /// Litmos rejected the request; the message contains its reason.
    RejectedByLitmos,
    /// Every attempt up to the last one failed in Litmos.
    KeepsFailing,
    /// The account is protected: it is never cut off or demoted.
    ProtectedAccount,
    /// The team is under another parent than the group names. Litmos documents no way to move a team.
    TeamParentDiffers,
    /// The groups form a cycle of parents.
    ParentCircle,
    /// Litmos accepted the request but kept another value.
    ValueNotTaken,
}

impl ParkCode {
    pub const ALL: [ParkCode; 11] = [
        ParkCode::UserNameForbidden,
        ParkCode::UserNameTaken,
        ParkCode::TeamNameAmbiguous,
        ParkCode::ValueMissing,
        ParkCode::ValueTooLong,
        ParkCode::RejectedByLitmos,
        ParkCode::KeepsFailing,
        ParkCode::ProtectedAccount,
        ParkCode::TeamParentDiffers,
        ParkCode::ParentCircle,
        ParkCode::ValueNotTaken,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ParkCode::UserNameForbidden => "user-name-forbidden",
            ParkCode::UserNameTaken => "user-name-taken",
            ParkCode::TeamNameAmbiguous => "team-name-ambiguous",
            ParkCode::ValueMissing => "value-missing",
            ParkCode::ValueTooLong => "value-too-long",
            ParkCode::RejectedByLitmos => "rejected-by-litmos",
            ParkCode::KeepsFailing => "keeps-failing",
            ParkCode::ProtectedAccount => "protected-account",
            ParkCode::TeamParentDiffers => "team-parent-differs",
            ParkCode::ParentCircle => "parent-circle",
            ParkCode::ValueNotTaken => "value-not-taken",
        }
    }
}

impl fmt::Display for ParkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An item that is stopped until an admin acts or its input changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub code: ParkCode,
    /// The Litmos name of the attribute that caused the problem, if known.
    pub attribute: Option<String>,
    /// The error message of Litmos, or the rule that the value breaks.
    pub message: String,
    pub remedy: String,
    /// The refused roster revision. A newer revision is tried again.
    pub revision: u64,
    pub at_ms: u64,
}

/// An admin's order to cut a person off at once. It overrides all sources until an admin lifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    pub at_ms: u64,
    /// Name of the admin who gave the order, from the command line or the console.
    pub by: String,
}

/// The link between a person and an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonLink {
    pub person: PersonId,
    pub account: Option<AccountId>,
    /// Roster revision that was last applied in Litmos; 0 for none.
    pub applied_revision: u64,
    pub intent: Option<Box<Intent>>,
    pub parked: Option<Box<Parked>>,
    /// The account was cut off but has not left its teams yet.
    pub leave_teams_due: bool,
    /// Advanced custom fields as last applied. No list of Litmos shows them, so this is the only knowledge of their values.
    pub custom: CustomValues,
    pub frozen: Option<Box<Frozen>>,
    /// True if Rollcall made the account an Account Owner. Written with the intent, before the request is sent.
    pub made_owner: bool,
    /// Failed attempts since the last success.
    pub attempts: u32,
    /// Unix milliseconds before which there is no retry.
    pub next_try_ms: u64,
    pub last_error: Option<String>,
    pub changed_at_ms: u64,
}

impl PersonLink {
    pub fn new(person: PersonId) -> PersonLink {
        PersonLink {
            person,
            account: None,
            applied_revision: 0,
            intent: None,
            parked: None,
            leave_teams_due: false,
            custom: CustomValues::new(),
            frozen: None,
            made_owner: false,
            attempts: 0,
            next_try_ms: 0,
            last_error: None,
            changed_at_ms: 0,
        }
    }
}

/// The link between a group and a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLink {
    pub group: GroupId,
    pub team: Option<TeamId>,
    pub applied_revision: u64,
    pub intent: Option<Box<Intent>>,
    pub parked: Option<Box<Parked>>,
    /// Group push is deactivated for this group: nothing is sent for it or its members until it is activated again.
    pub paused: bool,
    /// "Push now" was requested: team members who are not in the group are removed, once.
    pub overwrite_due: bool,
    pub attempts: u32,
    pub next_try_ms: u64,
    pub last_error: Option<String>,
    pub changed_at_ms: u64,
}

impl GroupLink {
    pub fn new(group: GroupId) -> GroupLink {
        GroupLink {
            group,
            team: None,
            applied_revision: 0,
            intent: None,
            parked: None,
            paused: false,
            overwrite_due: false,
            attempts: 0,
            next_try_ms: 0,
            last_error: None,
            changed_at_ms: 0,
        }
    }
}

/// A bulk import in flight. The links of the people in it have an intent with the same operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJob {
    pub operation: OperationId,
    /// Litmos's id of the job, once its response was read.
    pub job: Option<String>,
    pub people: Vec<PersonId>,
    pub sent_at_ms: u64,
    pub settled_at_ms: u64,
}
