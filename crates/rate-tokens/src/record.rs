//! Records that the governor writes to its ledger, and reads back when it takes over a budget.
//!
//! Law: the record of a grant is durable *before* the grant is sent. Use reports may be written later or be lost: a
//! token without a known report only becomes free later.

use std::time::Duration;

use crate::{Class, ClassCounts, Epoch, FlowId, GrantId, PerClass, Settlement, WorkerId};

/// Settlement of one token of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settled {
    /// Index of the token within its grant, from 0.
    pub token: u32,
    pub settlement: Settlement,
}

/// One entry of a budget's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LedgerRecord {
    /// A governor took over. Its append is conditional on the last sequence and thereby fences its predecessor.
    Epoch { epoch: Epoch },
    /// Tokens were granted.
    Granted {
        grant: GrantId,
        worker: WorkerId,
        flow: FlowId,
        class: Class,
        tokens: u32,
        ttl_ms: u64,
    },
    /// A worker reported the use of tokens.
    Reported {
        grant: GrantId,
        class: Class,
        settled: Vec<Settled>,
    },
    /// No report arrived, and a request sent with these tokens can have no effect any more: the tokens cool from here.
    Expired {
        grant: GrantId,
        class: Class,
        tokens: Vec<u32>,
    },
    /// Refusals by the target, or their absence, changed the working limit or the stretch of the pacing.
    Adapted { working_limit: u32, stretch: u8 },
    /// From here on nothing is granted until everything that any predecessor granted has cooled: the ledger may lack
    /// some of it.
    Silent,
    /// Snapshot of the content of older entries that is still needed, so that those can be deleted.
    Carried {
        working_limit: u32,
        stretch: u8,
        counts: Box<PerClass<ClassCounts>>,
        /// Newest grant that was ever made.
        newest: Option<GrantId>,
    },
}

/// Time at which an entry was written, by several independent clocks.
///
/// A clock that is set forward makes everything before it look older than it is, and tokens would become free early. So
/// an age is the smallest age by any of the clocks. One of them may be wrong by any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Time at which the log server stored it, Unix milliseconds.
    pub server_ms: u64,
    /// The writer's wall clock, Unix milliseconds; 0 if unknown.
    pub wall_ms: u64,
    /// The machine and boot of the writer, and its time since that boot, in milliseconds. No one can set this clock.
    pub boot: Option<(u64, u64)>,
}

impl Stamp {
    /// Lower bound of the time from this stamp to `later`.
    pub fn age_at(&self, later: &Stamp) -> Duration {
        let between = |earlier: u64, later: u64| later.saturating_sub(earlier);
        let server = between(self.server_ms, later.server_ms);
        let wall = (self.wall_ms > 0 && later.wall_ms > 0).then(|| between(self.wall_ms, later.wall_ms));
        let boot = match (self.boot, later.boot) {
            (Some((machine, at)), Some((same, now))) if machine == same => Some(between(at, now)),
            (Some(_) | None, Some(_) | None) => None,
        };
        let least = [wall, boot].into_iter().flatten().fold(server, u64::min);
        Duration::from_millis(least)
    }
}

/// A record, and its age at the take-over.
///
/// The age is counted back from the new governor's own first entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aged {
    pub record: LedgerRecord,
    pub age: Duration,
}

impl Aged {
    /// Computes the age from server time stamps in milliseconds. A record with a later stamp than the epoch record
    /// counts as just written.
    pub fn between(record: LedgerRecord, written_ms: u64, epoch_ms: u64) -> Aged {
        Aged {
            record,
            age: Duration::from_millis(epoch_ms.saturating_sub(written_ms)),
        }
    }
}
