//! The part of the Litmos REST API that provisioning needs.
//!
//! Rules: Every request consumes a [`rate_tokens::Permit`]. One call is one HTTP attempt, without retries and redirects. A permit
//! is settled when the head of the response arrives. Each error is classified once, in this crate, as a [`Failure`] that says
//! what to do. `LoginKey`, which logs its owner in, and `Password` are never kept.
//!
//! ```compile_fail
//! fn twice(permit: rate_tokens::Permit) -> (rate_tokens::Permit, rate_tokens::Permit) {
//!     (permit.clone(), permit)
//! }
//! ```

mod client;
mod connection;
mod custom_fields;
mod diagnosis;
mod failure;
mod imports;
mod people;
mod ranges;
mod read;
mod record;
mod retry_after;
mod roles;
mod scope;
mod shape;
mod teams;

pub use client::{CallReport, Client, Observer};
pub use connection::{Connection, ConnectionProblem};
pub use custom_fields::CustomFieldsBody;
pub use diagnosis::{Diagnosis, Verdict};
pub use failure::{Failure, FailureKind};
pub use imports::{JobCounts, JobWord};
pub use ranges::{RANGE_MAX_MS, Range, TeamUser};
pub use record::{BulkError, BulkJob, BulkRow, Member, NewUser, TeamRecord, UserRecord};
pub use roles::TeamRole;
pub use scope::Scope;
