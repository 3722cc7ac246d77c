//! What the governor writes to its ledger, and what it reads back when it takes a budget over.
//!
//! Law: a record of a grant is durable *before* anybody is told of the grant. Reports may be written later or be lost: a token
//! whose report is unknown only ever frees later.

use std::time::Duration;

use crate::{Class, ClassCounts, Epoch, FlowId, GrantId, PerClass, Settlement, WorkerId};

/// What became of one token of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settled {
    /// Index of the token within its grant, from 0.
    pub token: u32,
    pub settlement: Settlement,
}

/// One entry of a budget's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LedgerRecord {
    /// A governor took over. Its append, conditional on the last sequence, is what fences its predecessor off.
    Epoch { epoch: Epoch },
    /// Tokens went out.
    Granted {
        grant: GrantId,
        worker: WorkerId,
        flow: FlowId,
        class: Class,
        tokens: u32,
        ttl_ms: u64,
    },
    /// A worker told what became of tokens.
    Reported {
        grant: GrantId,
        class: Class,
        settled: Vec<Settled>,
    },
    /// Nobody told, and nothing that was sent can take effect any more: the tokens cool from here.
    Expired {
        grant: GrantId,
        class: Class,
        tokens: Vec<u32>,
    },
    /// Refusals, or their absence, moved the working limit or the stretch of the pacing.
    Adapted { working_limit: u32, stretch: u8 },
    /// From here on nothing is granted until whatever any predecessor granted has cooled: the ledger may lack some of it.
    Silent,
    /// What older entries said that is still of use, so that they can be cut off.
    Carried {
        working_limit: u32,
        stretch: u8,
        counts: Box<PerClass<ClassCounts>>,
        /// The newest grant that was ever made.
        newest: Option<GrantId>,
    },
}

/// When an entry was written, by several clocks that do not depend on each other.
///
/// A clock that is set forward makes everything before it look older than it is, and tokens free early. So an age is the least
/// that any of the clocks says, and one of them may be wrong by any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The log server's time of storing it, Unix milliseconds.
    pub server_ms: u64,
    /// The writer's wall clock, Unix milliseconds; 0 if it said none.
    pub wall_ms: u64,
    /// The writer's clock since its machine was started, which nobody can set, and which machine and start that was.
    pub boot: Option<(u64, u64)>,
}

impl Stamp {
    /// How long before `later` this was, at least.
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

/// A record and how long before the take-over it was written.
///
/// The age is counted back from the new governor's own first entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aged {
    pub record: LedgerRecord,
    pub age: Duration,
}

impl Aged {
    /// `written_ms` and `epoch_ms` are server time stamps. A stamp ahead of the epoch record's counts as just written.
    pub fn between(record: LedgerRecord, written_ms: u64, epoch_ms: u64) -> Aged {
        Aged {
            record,
            age: Duration::from_millis(epoch_ms.saturating_sub(written_ms)),
        }
    }
}
