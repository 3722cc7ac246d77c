//! The account: what a Litmos organisation holds, and the rules by which it changes.
//!
//! Pure: no socket, no clock, no chance but the seeded one. Every change takes the moment at which it happens. Laws:
//!
//! - a username is unique without regard to case, inactive users included, and keeps to Litmos's character rules;
//! - a refused change changes nothing;
//! - a membership belongs to a user and a team that both exist;
//! - a parent of a team and a manager of a user exist.
//!
//! Missing on purpose: learning paths, sessions and mail.

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
