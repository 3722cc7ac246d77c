//! Links: the durable tie between what is wanted and what is there, and what is under way between them.
//!
//! A link is written twice for every operation: an **intent** before the request leaves, an outcome after its answer.
//! An intent found at the start of a process therefore means: that request may or may not have taken effect.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, CustomValues, GroupId, OperationId, PersonId, TeamId};

/// What an open intent was about to do.
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

/// Written before a request leaves, removed with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub operation: OperationId,
    pub kind: IntentKind,
    /// Roster revision that the request carries.
    pub revision: u64,
    /// Unix milliseconds after which the request can no longer take effect: until then nobody may act on the key.
    pub settled_at_ms: u64,
    /// The name that the account or team has once the request has taken effect, where it gives one. The roster may say
    /// another by the time that somebody asks what became of the request.
    pub name: Option<String>,
}

/// Why an item waits for a person. Stable: people search for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkCode {
    /// The user name breaks a rule of Litmos; nothing was sent.
    UserNameForbidden,
    /// Another person of the roster already has this account.
    UserNameTaken,
    /// Several teams in Litmos have the group's name; which one is meant cannot be told.
    TeamNameAmbiguous,
    /// A value that Litmos needs is missing; nothing was sent.
    ValueMissing,
    /// A value is longer than Litmos takes; nothing was sent.
    ValueTooLong,
    /// Litmos refused the request with the words given.
    RejectedByLitmos,
    /// Litmos kept answering with faults until the last attempt.
    KeepsFailing,
    /// The account is protected: it is never cut off or demoted.
    ProtectedAccount,
    /// The team lies under another team than the group names, and Litmos documents no way of moving one.
    TeamParentDiffers,
    /// The groups name each other as parents in a circle.
    ParentCircle,
    /// Litmos said yes and kept another value.
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

/// An item that waits for a person, until its input changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub code: ParkCode,
    /// The attribute at fault, by its Litmos name, where it is known.
    pub attribute: Option<String>,
    /// What Litmos said, or which rule the value breaks.
    pub message: String,
    pub remedy: String,
    /// Roster revision that was refused; a newer one is tried again.
    pub revision: u64,
    pub at_ms: u64,
}

/// An admin's order to cut somebody off at once, whatever the sources say, until it is lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    pub at_ms: u64,
    /// Who gave the order, as the command line or console knows them.
    pub by: String,
}

/// The tie person ↔ account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonLink {
    pub person: PersonId,
    pub account: Option<AccountId>,
    /// Roster revision last made true in Litmos; 0 for none.
    pub applied_revision: u64,
    pub intent: Option<Box<Intent>>,
    pub parked: Option<Box<Parked>>,
    /// The account was cut off and has yet to leave its teams.
    pub leave_teams_due: bool,
    /// Advanced custom fields as last applied: no list shows them, so this is what is known.
    pub custom: CustomValues,
    pub frozen: Option<Box<Frozen>>,
    /// Rollcall made the account an Account Owner. Written before the request leaves, with its intent.
    pub made_owner: bool,
    /// Failed attempts since the last success.
    pub attempts: u32,
    /// Unix milliseconds before which nothing is tried again.
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

/// The tie group ↔ team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLink {
    pub group: GroupId,
    pub team: Option<TeamId>,
    pub applied_revision: u64,
    pub intent: Option<Box<Intent>>,
    pub parked: Option<Box<Parked>>,
    /// Group push is deactivated for this group: nothing is sent about it or its members until it is activated.
    pub paused: bool,
    /// "Push now" was asked for: whoever is in the team and not in the group is to be taken out, once.
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

/// A bulk import under way: the people in it carry an intent with the same operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJob {
    pub operation: OperationId,
    /// Litmos's id of the job, once its answer was read.
    pub job: Option<String>,
    pub people: Vec<PersonId>,
    pub sent_at_ms: u64,
    pub settled_at_ms: u64,
}
