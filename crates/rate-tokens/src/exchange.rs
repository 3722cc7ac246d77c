//! What goes into a budget and what comes out of it, as plain data.

use std::time::Duration;

use crate::flows::{REQUESTS_PER_CLASS_MAX, REQUESTS_PER_WORKER_MAX};
use crate::{Class, Epoch, FlowId, GrantId, LedgerRecord, Moment, RequestId, WorkerId};

/// Tokens that one request may want. More than half a second's worth is never granted at once, so more would be no use.
pub const WANT_MAX: u32 = 1_000;
/// A wish for tokens. It is answered once, by a [`Grant`] or a [`Wait`], no later than its deadline or half a permit's life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    pub id: RequestId,
    pub worker: WorkerId,
    pub flow: FlowId,
    pub class: Class,
    /// How many tokens would be of use; a grant may have fewer.
    pub want: u32,
    pub deadline: Moment,
}

/// Tokens `0..tokens` of `grant` go to whoever asked. They are void `ttl` after the asking, on the asker's clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    pub request: RequestId,
    pub grant: GrantId,
    pub class: Class,
    pub tokens: u32,
    pub ttl: Duration,
}

/// There was no token in time. Zero means that it is worth asking again at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    pub request: RequestId,
    pub retry_after: Duration,
}

/// What one look at the budget decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Step {
    /// To be told to their askers once `records` are durable.
    pub grants: Vec<Grant>,
    pub waits: Vec<Wait>,
    /// To be appended to the ledger in this order.
    pub records: Vec<LedgerRecord>,
    /// When to advance again if nothing happens before.
    pub next_wake: Option<Moment>,
}

/// What became of the append of a grant's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// The ledger refused: the record is certainly not in it. The tokens are free at once.
    Rejected,
    /// It may be in the ledger, or come to be. The tokens stay held until their use-by and beyond, as if a worker had died with
    /// them. Once the ledger was read again: if the record is missing, disown again as rejected; if it is there, report its
    /// tokens as unused.
    Unknown,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    pub settled: u32,
    /// Tokens that were reported before with the same meaning.
    pub repeated: u32,
    /// Tokens whose report contradicts an earlier one, or comes after their place was given away.
    pub contradictions: u32,
    /// Indices that the grant does not have.
    pub no_such_token: u32,
}

/// Why an request was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    #[error("the request wants no token; request for at least one")]
    WantsNothing,
    #[error("the request wants {want} tokens; request for at most {WANT_MAX} at a time")]
    WantsTooMuch { want: u32 },
    #[error("request {request} is waiting already; number requests uniquely")]
    Duplicate { request: RequestId },
    #[error("{REQUESTS_PER_CLASS_MAX} {class} requests are waiting already; request again later")]
    ClassFull { class: Class },
    #[error(
        "worker {worker} has {REQUESTS_PER_WORKER_MAX} {class} requests waiting already; wait for their answers"
    )]
    WorkerFull { worker: WorkerId, class: Class },
}

/// The grant was never made here, or all its tokens have long been free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "grant {grant} is not known to the budget's epoch {epoch}; nothing is left to settle, stop reporting it"
)]
pub struct UnknownGrant {
    pub grant: GrantId,
    pub epoch: Epoch,
}
