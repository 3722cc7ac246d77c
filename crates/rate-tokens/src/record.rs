//! What the governor writes to its ledger, and what it reads back when it takes a budget over.
//!
//! Law: a record of a grant is durable *before* anybody is told of the grant. Reports may be written later or be lost: a token
//! whose report is unknown only ever frees later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Class, ClassCounts, Epoch, FlowId, GrantId, PerClass, Settlement, WorkerId};

/// What became of one token of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settled {
    /// Index of the token within its grant, from 0.
    pub token: u32,
    pub settlement: Settlement,
}

/// One entry of a budget's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
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

/// A record and how long before the take-over it was written.
///
/// The age is the difference of two time stamps of the log's own server, that of the new governor's epoch record and that of
/// this one: the two governors' clocks are never compared.
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
