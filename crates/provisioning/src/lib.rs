//! People, groups, accounts and teams: what is wanted, what is there, and the plan that makes them equal.
//!
//! A source wants **people**, **groups** and **memberships** (the roster); Litmos has **accounts**, **teams** and
//! team memberships (the observed state); a **link** ties one to the other and remembers what is under way. The
//! planner compares the three and returns a [`Plan`]: an immutable, priced, printable list of operations.
//!
//! Nothing here reads a clock, opens a socket or draws a random number.

mod access_level;
mod field;
mod ids;
mod link;
mod name;
mod observed;
mod profile;
mod roster;

pub use access_level::{AccessLevel, UnknownAccessLevel};
pub use field::{Field, FieldKind};
pub use ids::{AccountId, GroupId, InvalidId, OperationId, OrgId, PersonId, PlanHash, SourceId, TeamId};
pub use link::{BulkJob, GroupLink, Intent, IntentKind, ParkCode, Parked, PersonLink};
pub use name::{NormalName, UserNameProblem, user_name_problem};
pub use observed::{Account, ImportPhase, ImportReport, ImportRun, ImportTally, Team};
pub use profile::{Profile, Wish};
pub use roster::{Group, ManagerWish, Membership, Person, SourceMark};
