//! Numbers about the requests so far.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mode::LimitScope;
use crate::model::{Account, Text};
use crate::oracle::Busiest;

/// Numbers about the requests so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests with a known key.
    pub requests: u64,
    /// Requests that the limit refused.
    pub refused: u64,
    /// Requests without a key or with a wrong one. They do not count toward the limit.
    pub unknown_key: u64,
    /// Requests without a response, because of a fault or because the caller closed the connection.
    pub unanswered: u64,
    /// Most requests in any window, including refused ones. If each key has its own limit, the maximum over the keys.
    pub most_in_window: usize,
    /// The window's length.
    pub window_ms: u64,
    /// The limit.
    pub limit: usize,
    /// True if `most_in_window` is at most `limit`.
    pub within_limit: bool,
    /// Requests by status of the response.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests by effect.
    pub effects: BTreeMap<String, u64>,
    /// Users created by bulk imports.
    pub bulk_created: usize,
    /// Users updated by bulk imports.
    pub bulk_updated: usize,
    /// Ids of duplicates: users with the e-mail address or external employee id of an older user, and teams with the name
    /// and parent of an older team.
    pub created_twice: Vec<String>,
    /// Users in the account.
    pub users: usize,
    /// Teams in the account.
    pub teams: usize,
    /// Memberships in the account, including inactive users.
    pub memberships: usize,
    /// Error while writing the request log, if there was one. Then the log is incomplete.
    pub log_failure: Option<String>,
}

/// Running counts.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) unknown_key: u64,
    pub(crate) unanswered: u64,
    pub(crate) by_status: BTreeMap<u16, u64>,
    pub(crate) effects: BTreeMap<String, u64>,
    pub(crate) busiest: Busiest,
    /// The same per key.
    pub(crate) busiest_key: Vec<Busiest>,
    pub(crate) log_failure: Option<String>,
}

impl Tally {
    pub(crate) fn new(window: Duration, keys: usize) -> Self {
        Self {
            requests: 0,
            refused: 0,
            unknown_key: 0,
            unanswered: 0,
            by_status: BTreeMap::new(),
            effects: BTreeMap::new(),
            busiest: Busiest::new(window),
            busiest_key: vec![Busiest::new(window); keys],
            log_failure: None,
        }
    }

    pub(crate) fn report(
        &self,
        account: &Account,
        scope: LimitScope,
        limit: usize,
        window: Duration,
    ) -> Report {
        let (bulk_created, bulk_updated) = account.jobs.totals();
        let most_in_window = match scope {
            LimitScope::Account => self.busiest.most(),
            LimitScope::Key => self.busiest_key.iter().map(Busiest::most).max().unwrap_or(0),
        };
        Report {
            requests: self.requests,
            refused: self.refused,
            unknown_key: self.unknown_key,
            unanswered: self.unanswered,
            most_in_window,
            window_ms: window.as_millis() as u64,
            limit,
            within_limit: most_in_window <= limit,
            by_status: self.by_status.clone(),
            effects: self.effects.clone(),
            bulk_created,
            bulk_updated,
            created_twice: created_twice(account),
            users: account.users.len(),
            teams: account.teams.len(),
            memberships: account.teams.values().map(|team| team.members().count()).sum(),
            log_failure: self.log_failure.clone(),
        }
    }
}

fn created_twice(account: &Account) -> Vec<String> {
    let mut emails = BTreeSet::new();
    let mut employees = BTreeSet::new();
    let mut twice = Vec::new();
    for user in account.users.iter() {
        let employee = user.text(Text::ExternalEmployeeId).unwrap_or_default();
        let email_seen = !user.email.is_empty() && !emails.insert(user.email.to_lowercase());
        let employee_seen = !employee.is_empty() && !employees.insert(employee);
        if email_seen || employee_seen {
            twice.push(user.id.to_string());
        }
    }
    let mut names = BTreeSet::new();
    for team in account.teams.values() {
        if !names.insert((team.parent, team.name.to_lowercase())) {
            twice.push(team.id.to_string());
        }
    }
    twice
}
