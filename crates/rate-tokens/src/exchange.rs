//! Input and output of a budget, as plain data.

use std::time::Duration;

use crate::flows::{REQUESTS_PER_CLASS_MAX, REQUESTS_PER_WORKER_MAX};
use crate::{Class, Epoch, FlowId, GrantId, LedgerRecord, Moment, RequestId, WorkerId};

/// Most tokens that one token request may ask for. One grant never has more than half a second's worth, so a larger
/// number has no use.
pub const WANT_MAX: u32 = 1_000;
/// A request for tokens. It is answered once, by a [`Grant`] or a [`Wait`], at its deadline or after half a permit's
/// life, whichever is earlier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    pub id: RequestId,
    pub worker: WorkerId,
    pub flow: FlowId,
    pub class: Class,
    /// Number of tokens wanted; a grant may have fewer.
    pub want: u32,
    pub deadline: Moment,
}

/// A grant of tokens `0..tokens` to the worker that requested them. They become void `ttl` after the worker made the
/// request, on the worker's own clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    pub request: RequestId,
    pub grant: GrantId,
    pub class: Class,
    pub tokens: u32,
    pub ttl: Duration,
}

/// A response without tokens: none was free in time. Zero means that the worker may request again at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    pub request: RequestId,
    pub retry_after: Duration,
}

/// Decisions of one call to [`Budget::advance`](crate::Budget::advance).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Step {
    /// To be sent to their workers once `records` are durable.
    pub grants: Vec<Grant>,
    pub waits: Vec<Wait>,
    /// To be appended to the ledger in this order.
    pub records: Vec<LedgerRecord>,
    /// Time of the next call to `advance` if nothing happens before.
    pub next_wake: Option<Moment>,
}

/// Result of the append of a grant's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// The ledger refused: the record is certainly not in it. The tokens are free at once.
    Rejected,
    /// The record may be in the ledger, or may be stored later. The tokens stay held until their use-by and beyond, as
    /// if their worker had died. After the ledger was read again: if the record is missing, disown the grant again as
    /// rejected; if it is there, report its tokens as unused.
    Unknown,
}

/// Effect of a use report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    pub settled: u32,
    /// Tokens that were reported before with the same settlement.
    pub repeated: u32,
    /// Tokens whose report contradicts an earlier one, or arrives after the token was free and may have been granted
    /// again.
    pub contradictions: u32,
    /// Indices that the grant does not have.
    pub no_such_token: u32,
}

/// Reason why a token request was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    #[error("the request is for no token; ask for at least one")]
    WantsNothing,
    #[error("the request is for {want} tokens; ask for at most {WANT_MAX} at a time")]
    WantsTooMuch { want: u32 },
    #[error("request {request} is waiting already; give each request its own number")]
    Duplicate { request: RequestId },
    #[error("{REQUESTS_PER_CLASS_MAX} {class} requests are waiting already; try again later")]
    ClassFull { class: Class },
    #[error(
        "worker {worker} has {REQUESTS_PER_WORKER_MAX} {class} requests waiting already; wait for their answers"
    )]
    WorkerFull { worker: WorkerId, class: Class },
}

/// The grant was never made here, or all its tokens have been free for a long time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "grant {grant} is not known to the budget's epoch {epoch}; nothing is left to settle, stop reporting it"
)]
pub struct UnknownGrant {
    pub grant: GrantId,
    pub epoch: Epoch,
}
