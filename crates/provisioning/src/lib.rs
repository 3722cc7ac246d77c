//! Compares the roster with what Litmos has, and plans the changes that make Litmos equal to the roster.
//!
//! Sources want **people**, **groups** and **memberships** (the roster). Litmos has **accounts**, **teams** and
//! **team members** (the observed state). A **link** is the durable pair of a person and an account, or of a group and
//! a team; it also records what is in flight. The planner compares the three and returns a [`Plan`]: an immutable list
//! of operations, each with its price, printable as text.
//!
//! Nothing here reads a clock, opens a socket or draws a random number.

mod access_level;
mod change;
pub mod cost;
mod custom;
mod decision;
mod deviation;
mod field;
mod harms;
mod hash;
mod identity;
mod ids;
mod index;
mod link;
mod name;
mod need;
mod observed;
mod org_state;
mod plan;
mod planner;
mod policy;
mod pool;
mod profile;
mod roster;
mod run;
mod safeguard;
mod sources;
mod tally;
mod undo;

pub use access_level::{AccessLevel, UnknownAccessLevel};
pub use change::{Attribute, AttributeChange};
pub use custom::CustomValues;
pub use decision::{Decision, Ended, Image, ValueChange};
pub use deviation::{Deviation, DeviationItem, DeviationKind, Deviations, deviations};
pub use field::{Field, FieldKind};
pub use harms::{harms, made_owners};
pub use identity::{
    Candidate, EqualBy, IdentityQuestion, IdentityVerdict, Resolution, Traits, released_name, resolve,
};
pub use ids::{
    AccountId, GroupId, InvalidId, OperationId, OrgId, PersonId, PlanHash, QuestionId, SourceId, TeamId,
};
pub use link::{BulkJob, Frozen, GroupLink, Intent, IntentKind, ParkCode, Parked, PersonLink};
pub use name::{NormalName, UserNameProblem, is_invisible, repaired, user_name_problem};
pub use need::{Protection, protection_of};
pub use observed::{
    Account, ImportPhase, ImportReport, ImportRun, ImportTally, RawAccount, Rest, Roles, SchemaField,
    SchemaKind, SchemaVersion, Team, TeamRole, Unseen,
};
pub use org_state::{OrgState, Revised, Subject};
pub use plan::{BulkRow, Change, Draft, Operation, Plan, PlanLine, TextChange, WaitReason};
pub use planner::plan;
pub use policy::{ExtraMembers, Policy, UnlinkedTeams};
pub use profile::{DesiredValue, Profile};
pub use roster::{DesiredManager, Group, Membership, Person, SourceMark};
pub use run::{Forecast, RIGHT_WITHIN_PERCENT, RUNS_KEPT, Run, Track};
pub use safeguard::{
    Approval, Exceeded, Harm, HarmHistory, HarmKey, Harmful, Held, Limit, RUN_GAP_MS, Safeguard, held_hash,
};
pub use sources::Sources;
pub use tally::Tally;
pub use undo::{Edit, GroupEdit, PersonEdit, Undo, undo};
