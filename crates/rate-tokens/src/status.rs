//! A budget at a glance, for the console, metrics and the planner's forecast.

use serde::{Deserialize, Serialize};

use crate::{BudgetSettings, Epoch, PerClass};

/// What one class got and did with it, since the org's first grant: the ledger carries the sums from governor to governor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Asks that wait for their answer now.
    pub waiting: u32,
    /// Tokens granted.
    pub granted: u64,
    /// Requests that were answered by anything but a refusal.
    pub answered: u64,
    /// Requests that the target refused for its limit.
    pub refused: u64,
    /// Requests without an answer.
    pub unknown: u64,
    /// Tokens that came back unused.
    pub unused: u64,
    /// Tokens that nobody reported in time.
    pub expired: u64,
    /// Asks that were told to request again later.
    pub put_off: u64,
}

impl ClassCounts {
    /// Requests that the target may have counted.
    pub fn used(&self) -> u64 {
        self.answered + self.refused + self.unknown
    }
}

/// A snapshot of one budget. All durations are in milliseconds from the moment it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub epoch: Epoch,
    pub settings: BudgetSettings,
    /// Our share of the target's limit.
    pub limit: u32,
    /// What is in use at present: lower than `limit` while others are seen on the same limit, higher where it was allowed to try
    /// and the target allowed more.
    pub working_limit: u32,
    /// What others on the same limit were seen to use of it.
    pub others: u32,
    /// Steps by which refusals stretched the guard and the spacing.
    pub stretch: u8,
    pub free: u32,
    pub held: u32,
    pub cooling: u32,
    /// Requests that the target may have counted within the last window: an upper bound.
    pub used_last_window: u32,
    /// How long nothing will be granted: after a refusal, or while a governor without a ledger waits a window out.
    pub closed_for_ms: Option<u64>,
    /// Grants wait for the answer of a single request that tries whether the target accepts again.
    pub probing: bool,
    /// Moving average of the time from a grant to its report.
    pub report_delay_ms: u64,
    /// Reports that contradicted what the ring had concluded. Anything but zero is a fault of a worker or of `settle`.
    pub contradictions: u64,
    pub classes: PerClass<ClassCounts>,
}
