//! The worker's side: permits whose use-by needs no common clock, and reports that are repeated until they are
//! acknowledged.
//!
//! Laws:
//! - A permit's use-by counts from the moment the worker *requested* it, on the worker's own clock. The governor
//!   granted it later. So nothing is sent after the time at which the governor gives up an unreported token.
//! - Every token of an accepted grant is reported, once settled, until the governor has acknowledged the report.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{GrantId, Moment, Settled, Settlement};

/// Delay before a report that was not acknowledged is sent again. Repeating is free; a missing report blocks a token
/// for more than a window.
pub const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// One token of a worker, from which a [`Permit`](crate::Permit) is made.
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

/// The tokens of one org that one worker holds, and the reports that it still has to send.
#[derive(Clone, Debug, Default)]
pub struct Wallet {
    outbox: BTreeMap<GrantId, Outgoing>,
    seen: Option<GrantId>,
}

#[derive(Clone, Debug, Default)]
struct Outgoing {
    /// By token.
    settled: Vec<Settled>,
    /// Time at which it is sent next; immediately if not sent since the last change.
    due: Moment,
}

impl Wallet {
    pub fn new() -> Wallet {
        Wallet::default()
    }

    /// Highest grant that was ever seen. It is sent with every request, so that a governor notices when its ledger went
    /// back in time.
    pub fn seen(&self) -> Option<GrantId> {
        self.seen
    }

    /// Accepts a grant. `asked_at` is the time of the request, before it was sent, on a clock that runs while the
    /// machine is suspended.
    pub fn accept(
        &mut self,
        requested_at: Moment,
        grant: GrantId,
        tokens: u32,
        ttl: Duration,
    ) -> Vec<HeldToken> {
        self.seen = self.seen.max(Some(grant));
        let use_by = requested_at + ttl;
        (0..tokens)
            .map(|token| HeldToken { grant, token, use_by })
            .collect()
    }

    /// Stores the settlement of a token, to be reported.
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

    /// Reports to send now. Each is returned again after [`REPORT_AGAIN`] unless it is acknowledged.
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

    /// True if any report is not acknowledged by the governor.
    pub fn owes(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub fn next_due(&self) -> Option<Moment> {
        self.outbox.values().map(|outgoing| outgoing.due).min()
    }

    /// Removes a report that the governor has accepted, or whose grant it does not know any more. It need not be sent
    /// again.
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
