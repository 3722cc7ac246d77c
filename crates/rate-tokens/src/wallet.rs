//! The worker's side: permits with a use-by that needs no common clock, and reports that are repeated until they arrive.
//!
//! Laws:
//! - A permit's use-by counts from the moment the worker *asked*, on the worker's own clock. The governor granted later than that,
//!   so nothing is sent after the time at which the governor gives an unreported token up.
//! - Every token of an accepted grant is reported, once settled, until the governor has acknowledged it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{GrantId, Moment, Settled, Settlement};

/// A report that was not acknowledged goes out again after this long. Repeating is free, a missing report costs a token for
/// more than a window.
pub const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// One token in the hand of a worker: what a [`Permit`](crate::Permit) is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldToken {
    pub grant: GrantId,
    pub token: u32,
    pub use_by: Moment,
}

/// Settlements of one grant, to be sent to the governor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantReport {
    pub grant: GrantId,
    /// By token.
    pub settled: Vec<Settled>,
}

/// What one worker holds of one org's tokens, and what it still has to tell.
#[derive(Clone, Debug, Default)]
pub struct Wallet {
    outbox: BTreeMap<GrantId, Outgoing>,
    seen: Option<GrantId>,
}

#[derive(Clone, Debug, Default)]
struct Outgoing {
    /// By token.
    settled: Vec<Settled>,
    /// When it goes out next; at once if never sent since the last change.
    due: Moment,
}

impl Wallet {
    pub fn new() -> Wallet {
        Wallet::default()
    }

    /// The highest grant that was ever seen. Sent with every request, it lets a governor notice that its ledger was rolled back.
    pub fn seen(&self) -> Option<GrantId> {
        self.seen
    }

    /// Takes a grant in. `asked_at` is when the request was made, before it was sent, on a clock that runs through suspends.
    pub fn accept(&mut self, asked_at: Moment, grant: GrantId, tokens: u32, ttl: Duration) -> Vec<HeldToken> {
        self.seen = self.seen.max(Some(grant));
        let use_by = asked_at + ttl;
        (0..tokens)
            .map(|token| HeldToken { grant, token, use_by })
            .collect()
    }

    /// Notes what became of a token, to be reported.
    pub fn settle(&mut self, grant: GrantId, token: u32, settlement: Settlement) {
        let outgoing = self.outbox.entry(grant).or_default();
        if let Err(place) = outgoing
            .settled
            .binary_search_by_key(&token, |settled| settled.token)
        {
            outgoing.settled.insert(place, Settled { token, settlement });
        }
        outgoing.due = Moment::default();
    }

    /// The reports to send now. Each comes again after [`REPORT_AGAIN`] unless it is acknowledged.
    pub fn due(&mut self, now: Moment) -> Vec<GrantReport> {
        let mut reports = Vec::new();
        for (&grant, outgoing) in &mut self.outbox {
            if outgoing.due <= now {
                outgoing.due = now + REPORT_AGAIN;
                reports.push(GrantReport {
                    grant,
                    settled: outgoing.settled.clone(),
                });
            }
        }
        reports
    }

    /// Whether there is anything that the governor has not acknowledged.
    pub fn owes(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub fn next_due(&self) -> Option<Moment> {
        self.outbox.values().map(|outgoing| outgoing.due).min()
    }

    /// The governor has taken this report in, or does not know the grant any more: it need not be sent again.
    pub fn acknowledged(&mut self, report: &GrantReport) {
        if let Some(outgoing) = self.outbox.get_mut(&report.grant) {
            let input = |token| {
                report
                    .settled
                    .binary_search_by_key(&token, |settled| settled.token)
                    .is_ok()
            };
            outgoing.settled.retain(|settled| !input(settled.token));
            if outgoing.settled.is_empty() {
                self.outbox.remove(&report.grant);
            }
        }
    }
}
