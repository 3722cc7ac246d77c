//! Changes within a range of days: the calls for incremental imports.
//!
//! Litmos accepts at most seven days per call and requires both ends. To include today, the end must be in the future. Deletions
//! are not reported; only a full import finds them.

use rate_tokens::Permit;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::people::since_text;
use crate::read;
use crate::record::{TeamRecord, UserRecord};

/// Longest range that Litmos accepts, in milliseconds.
pub const RANGE_MAX_MS: u64 = 7 * 24 * 3_600_000;

/// State of a team member, as a range reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamUser {
    pub team_id: String,
    pub user_id: String,
    /// False probably means that the user is no longer in the team.
    pub active: bool,
    pub leader: bool,
    pub admin: bool,
}

/// A range of time, and a page of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Unix milliseconds.
    pub since_ms: u64,
    /// Unix milliseconds, at most [`RANGE_MAX_MS`] after `since_ms`.
    pub to_ms: u64,
    pub start: u32,
    pub limit: u32,
}

impl Client {
    async fn range(
        &self,
        permit: Permit,
        name: &'static str,
        path: &'static str,
        range: Range,
    ) -> Result<Value, Failure> {
        let mut call = Call::get(name, path, &[]).page(range.start, range.limit);
        let ends = [
            ("since", range.since_ms),
            ("to", range.to_ms.min(range.since_ms + RANGE_MAX_MS)),
        ];
        call.query.extend(
            ends.into_iter()
                .filter_map(|(end, ms)| Some((end, since_text(ms)?))),
        );
        self.send(permit, call).await
    }

    /// Users created or changed in the range, active or not.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn changed_users(&self, permit: Permit, range: Range) -> Result<Vec<UserRecord>, Failure> {
        let answer = self
            .range(permit, "range.users", "/org/users/details", range)
            .await?;
        read::all(&answer, read::user)
            .ok_or_else(|| Client::broken("range.users", "the answer is no list of records"))
    }

    /// Teams created or changed in the range.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn changed_teams(&self, permit: Permit, range: Range) -> Result<Vec<TeamRecord>, Failure> {
        let answer = self.range(permit, "range.teams", "/org/teams", range).await?;
        read::all(&answer, read::team_item)
            .ok_or_else(|| Client::broken("range.teams", "the answer is no list of records"))
    }

    /// Team members that changed in the range.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn changed_members(&self, permit: Permit, range: Range) -> Result<Vec<TeamUser>, Failure> {
        let answer = self
            .range(permit, "range.members", "/org/teams/users", range)
            .await?;
        read::all(&answer, read::team_user)
            .ok_or_else(|| Client::broken("range.members", "the answer is no list of records"))
    }
}
