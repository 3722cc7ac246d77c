//! Status of a budget, for the console, metrics and the planner's forecast.

use serde::{Deserialize, Serialize};

use crate::{BudgetSettings, Epoch, PerClass};

/// Counts of one class since the org's first grant. The ledger carries the sums from governor to governor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Token requests that wait for a response now.
    pub waiting: u32,
    /// Tokens granted.
    pub granted: u64,
    /// Requests that were answered with anything except a refusal.
    pub answered: u64,
    /// Requests that the target refused because of its limit.
    pub refused: u64,
    /// Requests without an answer.
    pub unknown: u64,
    /// Tokens that were returned unused.
    pub unused: u64,
    /// Tokens that were not reported in time.
    pub expired: u64,
    /// Token requests that were answered with a wait.
    pub put_off: u64,
}

impl ClassCounts {
    /// Requests that the target may have counted.
    pub fn used(&self) -> u64 {
        self.answered + self.refused + self.unknown
    }
}

/// State of one budget at one moment. All durations are milliseconds from that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub epoch: Epoch,
    pub settings: BudgetSettings,
    /// Our share of the target's limit.
    pub limit: u32,
    /// Limit in use now. It is lower than `limit` while others are seen on the same limit, and higher if exploring is
    /// allowed and the target accepted more.
    pub working_limit: u32,
    /// Part of the limit that others on the same limit were seen to use.
    pub others: u32,
    /// Number of steps by which refusals have stretched the guard and the spacing.
    pub stretch: u8,
    pub free: u32,
    pub held: u32,
    pub cooling: u32,
    /// Requests that the target may have counted within the last window: an upper bound.
    pub used_last_window: u32,
    /// Time for which nothing will be granted: after a refusal, or while a governor without a complete ledger waits
    /// until earlier grants have cooled.
    pub closed_for_ms: Option<u64>,
    /// True if grants wait for the answer to one probe, which tests whether the target accepts requests again.
    pub probing: bool,
    /// Moving average of the time from a grant to its report.
    pub report_delay_ms: u64,
    /// Reports that contradicted the ring. Any value above zero shows a fault of a worker or a wrong `settle` setting.
    pub contradictions: u64,
    pub classes: PerClass<ClassCounts>,
}
