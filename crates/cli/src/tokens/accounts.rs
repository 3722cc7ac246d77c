//! Requests by who sent them and why, and how many were wasted or saved.
//!
//! The journal knows who sent a request; the ledger knows how many were sent. If a process died between a request and its journal
//! record, the ledger counts one more. Both numbers are shown.

use std::collections::{BTreeMap, BTreeSet};

use bus::CallRecord;
use rate_tokens::{Class, Status};
use serde::Serialize;

/// Most lines of a table shown.
const LINES: usize = 20;

/// Requests of one org, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Accounts {
    pub(crate) by_service: BTreeMap<String, u64>,
    pub(crate) by_class: BTreeMap<String, u64>,
    pub(crate) by_operation: BTreeMap<String, u64>,
    /// A request about several people counts for each of them.
    pub(crate) by_person: BTreeMap<String, u64>,
    /// Number of requests in the journal.
    pub(crate) journalled: u64,
    /// Number of requests in the ledger, since the first request of the org.
    pub(crate) sent: u64,
    /// Number of tokens without a use report. At most this many more requests were sent.
    pub(crate) unreported: u64,
    pub(crate) wasted: Wasted,
    pub(crate) saved: Saved,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Wasted {
    /// Requests that Litmos refused because of its limit.
    pub(crate) refused: u64,
    /// Tokens that were returned unused or expired. They cost no request.
    pub(crate) void: u64,
    /// Writes that were sent again after a failure or without an answer.
    pub(crate) repeated: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Saved {
    /// Requests avoided by batches and bulk imports.
    pub(crate) bulk: u64,
    /// Requests avoided because one request covered several edits.
    pub(crate) coalesced: u64,
}

#[derive(Default)]
struct Operation {
    calls: u64,
    covers: u64,
    edits: u64,
    people: bool,
}

impl Accounts {
    pub(crate) fn of<'a>(calls: impl Iterator<Item = &'a CallRecord>, status: &Status) -> Accounts {
        let mut accounts = Accounts::default();
        let mut operations: BTreeMap<&str, Operation> = BTreeMap::new();
        let mut sent_before = BTreeSet::new();
        for call in calls {
            accounts.journalled += 1;
            *accounts.by_service.entry(call.service.clone()).or_default() += 1;
            *accounts.by_class.entry(call.class.clone()).or_default() += 1;
            *accounts.by_operation.entry(call.kind.clone()).or_default() += 1;
            for person in call
                .subjects
                .iter()
                .filter_map(|subject| subject.strip_prefix("person/"))
            {
                *accounts.by_person.entry(person.to_owned()).or_default() += 1;
            }
            if call.operation.is_empty() {
                continue;
            }
            let write = (&call.operation, &call.method, &call.path);
            if call.method != "GET" && !sent_before.insert(write) && call.covers <= 1 {
                accounts.wasted.repeated += 1;
            }
            let operation = operations.entry(&call.operation).or_default();
            operation.calls += 1;
            operation.covers = operation.covers.max(call.covers.into());
            operation.edits = operation.edits.max(call.edits.into());
            operation.people |= call.subjects.iter().any(|subject| subject.starts_with("person/"));
        }
        for operation in operations.values() {
            accounts.saved.bulk += operation.covers.saturating_sub(operation.calls.max(1));
            if operation.people {
                accounts.saved.coalesced += operation.edits.saturating_sub(operation.covers.max(1));
            }
        }
        for class in Class::ALL {
            let counts = status.classes.get(class);
            accounts.sent += counts.used();
            accounts.unreported += counts.expired;
            accounts.wasted.refused += counts.refused;
            accounts.wasted.void += counts.unused + counts.expired;
        }
        accounts
    }

    pub(crate) fn to_text(&self, table: &BTreeMap<String, u64>) -> String {
        let mut lines = vec![format!(
            "{} requests sent by the ledger, {} of them in the journal{}",
            self.sent,
            self.journalled,
            match self.unreported {
                0 => String::new(),
                unreported => format!(", and up to {unreported} that nobody reported"),
            }
        )];
        let mut rows: Vec<(&String, &u64)> = table.iter().collect();
        rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let more = rows.len().saturating_sub(LINES);
        lines.extend(rows.into_iter().take(LINES).map(|(name, requests)| {
            let name = if name.is_empty() { "(none)" } else { name };
            format!("  {requests:>7}  {name}")
        }));
        if more > 0 {
            lines.push(format!("  {more} more; all of them with --json"));
        }
        lines.push(format!(
            "wasted: {} refused, {} repeated; {} tokens void, which cost no request",
            self.wasted.refused, self.wasted.repeated, self.wasted.void
        ));
        lines.push(format!(
            "saved: {} by batches and bulk imports, {} by answering several edits at once",
            self.saved.bulk, self.saved.coalesced
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use rate_tokens::{Budget, BudgetSettings, Epoch, Moment};

    use super::*;

    fn call(operation: &str, method: &str, path: &str) -> CallRecord {
        CallRecord {
            service: "pusher".to_owned(),
            class: "normal".to_owned(),
            kind: "kind".to_owned(),
            operation: operation.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            subjects: vec!["person/p1".to_owned()],
            covers: 1,
            edits: 1,
            ..CallRecord::default()
        }
    }

    fn status() -> Status {
        let now = Moment::from_millis(1);
        Budget::new(BudgetSettings::per_minute(100).unwrap(), Epoch::new(1), now).status(now)
    }

    #[test]
    fn a_bulk_import_saves_what_single_calls_would_have_cost() {
        let mut calls = [
            call("a", "POST", "/bulkimports"),
            call("a", "GET", "/bulkimports"),
        ];
        calls
            .iter_mut()
            .for_each(|call| (call.covers, call.edits) = (500, 500));
        let accounts = Accounts::of(calls.iter(), &status());
        assert_eq!(accounts.saved.bulk, 498);
        assert_eq!((accounts.saved.coalesced, accounts.wasted.repeated), (0, 0));
    }

    #[test]
    fn one_update_for_ten_edits_saves_nine() {
        let mut calls = [call("a", "PUT", "/users/{id}")];
        calls[0].edits = 10;
        let accounts = Accounts::of(calls.iter(), &status());
        assert_eq!((accounts.saved.bulk, accounts.saved.coalesced), (0, 9));
        assert_eq!(accounts.by_person["p1"], 1);
    }

    #[test]
    fn a_write_that_is_sent_again_is_wasted_and_a_read_is_not() {
        let calls = [
            call("a", "POST", "/users"),
            call("a", "GET", "/users/{id}"),
            call("a", "GET", "/users/{id}"),
            call("a", "POST", "/users"),
            call("b", "POST", "/users"),
        ];
        assert_eq!(Accounts::of(calls.iter(), &status()).wasted.repeated, 1);
    }
}
