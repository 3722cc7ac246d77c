//! Date-range lists under `/org`: items created or changed between `since` and `to`. Deletions are not shown.

use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;

use super::{Api, Call, Reply};
use crate::model::{Refusal, User, timestamp};

/// Longest range that Litmos accepts.
const RANGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl Api<'_> {
    pub(super) fn range_of_users(&self, call: &Call) -> Result<Reply, Refusal> {
        let range = range(call)?;
        let owner = self.account.owner();
        let changed = self
            .account
            .users
            .iter()
            .filter(|user| range.contains(&user.updated));
        let items = self
            .page(call, changed)
            .into_iter()
            .map(|user| user.range_record(self.account.manager_of(user), owner, self.modes))
            .collect();
        Ok(self.list_reply(call, ("Users", "User"), items))
    }

    /// Lists users whose last login is in the range. Earlier logins are not stored.
    pub(super) fn range_of_logins(&self, call: &Call) -> Result<Reply, Refusal> {
        let range = range(call)?;
        let owner = self.account.owner();
        let seen = |user: &&User| user.last_login.is_some_and(|login| range.contains(&login));
        let items = self
            .page(call, self.account.users.iter().filter(seen))
            .into_iter()
            .map(|user| user.range_record(self.account.manager_of(user), owner, self.modes))
            .collect();
        Ok(self.list_reply(call, ("Users", "User"), items))
    }

    pub(super) fn range_of_teams(&self, call: &Call) -> Result<Reply, Refusal> {
        let range = range(call)?;
        let owner = self.account.owner();
        let changed = self
            .account
            .teams
            .values()
            .filter(|team| range.contains(&team.updated));
        let items = self
            .page(call, changed)
            .into_iter()
            .map(|team| team.range_record(self.account.parent_of(team), owner, self.modes.range_dates))
            .collect();
        Ok(self.list_reply(call, ("Teams", "Team"), items))
    }

    pub(super) fn range_of_memberships(&self, call: &Call) -> Result<Reply, Refusal> {
        let range = range(call)?;
        let owner = self.account.owner();
        let changed = self.account.teams.values().flat_map(|team| {
            let inside = team
                .memberships
                .iter()
                .filter(|(_, membership)| range.contains(&membership.updated));
            inside.map(move |(user, membership)| (team, *user, membership))
        });
        let items = self
            .page(call, changed)
            .into_iter()
            .filter_map(|(team, user, membership)| {
                let user = self.account.users.get(user)?;
                Some(team.membership_record(user, membership, owner, self.modes.range_dates))
            })
            .collect();
        Ok(self.list_reply(call, ("TeamUsers", "TeamUser"), items))
    }
}

fn range(call: &Call) -> Result<Range<Timestamp>, Refusal> {
    let bound = |name: &'static str| {
        call.query
            .get(name)
            .and_then(timestamp)
            .ok_or(Refusal::DateRange(name))
    };
    let (since, to) = (bound("since")?, bound("to")?);
    if to < since || to.duration_since(since).unsigned_abs() > RANGE_MAX {
        return Err(Refusal::DateRange("to"));
    }
    Ok(since..to)
}
