//! The account: the data of a Litmos organisation, and its rules for changes.
//!
//! Pure: no socket, no clock, only seeded random numbers. Every change gets its time as a parameter. Laws:
//!
//! - usernames are unique in any letter case, including inactive users, and follow Litmos's character rules;
//! - a refused change changes nothing;
//! - the user and the team of a membership both exist;
//! - the parent of a team and the manager of a user exist.
//!
//! Deliberately missing: learning paths, sessions and mail.

mod access;
mod account;
pub(crate) mod contract;
mod course;
mod directory;
mod ids;
mod input;
#[cfg(test)]
mod invariants;
mod refusal;
pub(crate) mod rules;
mod snapshot;
mod team;
mod teams;
mod text;
mod user;
mod zones;

pub use access::AccessLevel;
pub(crate) use account::{Account, House};
pub(crate) use course::{Assignment, Course, course_date};
pub(crate) use ids::{CourseKey, TeamKey, UserKey};
pub use ids::{TeamId, UserId};
pub(crate) use input::{Fields, Given, timestamp};
pub(crate) use refusal::Refusal;
pub use snapshot::{Snapshot, TeamState, UserState};
pub(crate) use team::{Membership, Team};
pub(crate) use teams::Role;
pub(crate) use text::Text;
pub(crate) use user::{Change, User};
