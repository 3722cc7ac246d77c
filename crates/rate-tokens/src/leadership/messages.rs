//! What passes between a governor, its ledger and those who request it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exchange::Wait;
use crate::record::Stamp;
use crate::{Class, Epoch, GrantId, LedgerRecord, OrgName, RequestId, RequestRefused, UnknownGrant};

/// One line of an entry: a record of one org, or of all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    pub org: Option<OrgName>,
    pub record: LedgerRecord,
}

/// One append, as it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub sequence: u64,
    pub written: Stamp,
    /// `None` if it cannot be read.
    pub lines: Option<Vec<Line>>,
}

/// What the shell has to do with the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read all entries whose sequence is at least `from`.
    Read { from: u64 },
    /// Append these lines as one entry, on the condition that `after` is the newest sequence (0: there is none).
    Append { after: u64, lines: Arc<Vec<Line>> },
    /// Cut off all entries whose sequence is below `before`. If it fails it is asked for again later.
    Trim { before: u64 },
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Read {
        entries: Vec<Entry>,
        distrust: Distrust,
    },
    Appended {
        sequence: u64,
    },
    /// Another entry stands there. Nothing was stored.
    Fenced,
    /// Nothing was stored, for another reason. Worth another try.
    Rejected,
    /// No answer to an append: it may be stored, or be on its way still.
    Unknown,
    /// Reading or trimming failed.
    Failed,
}

/// What the shell knows beside the ledger: whose silence in it proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Distrust {
    /// The ledger tells everything.
    #[default]
    Nobody,
    /// These orgs have sent requests that the ledger does not know of.
    Some(BTreeSet<OrgName>),
    /// The ledger is known to have lost entries.
    Everybody,
}

/// The answer to an request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenResponse {
    pub request: RequestId,
    pub body: ResponseBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResponseBody {
    Grant {
        grant: GrantId,
        class: Class,
        tokens: u32,
        ttl: Duration,
    },
    /// Worth asking again after this long.
    Wait { retry_after: Duration },
}

/// Why a leadership is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Another governor has appended.
    Fenced,
    /// A worker has seen a grant of which the ledger knows nothing: it went back in time. The next leadership must have a higher
    /// epoch than this, and begin with [`Leadership::distrusting`](crate::Leadership::distrusting).
    WentBack { seen: Epoch },
}

/// Why an request was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("org {org} is not in the governor's settings; add it there")]
    UnknownOrg { org: OrgName },
    #[error("this governor does not rule yet, or not any more")]
    NotLeading,
    #[error(transparent)]
    Refused(#[from] RequestRefused),
}

/// Why a report was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("org {org} is not in the governor's settings; stop reporting for it")]
    UnknownOrg { org: OrgName },
    #[error("this governor does not rule yet, or not any more; report again")]
    NotLeading,
    #[error(transparent)]
    UnknownGrant(#[from] UnknownGrant),
}

impl ReportError {
    /// Whether the same report may be taken in later.
    pub fn is_for_now(&self) -> bool {
        matches!(self, ReportError::NotLeading)
    }
}

/// What came in that should not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Anomalies {
    /// Asks and reports for orgs without settings.
    pub unknown_orgs: u64,
    /// Asks that make no sense, or for which there was no place.
    pub refused_requests: u64,
    /// Reports of grants that nothing is known of.
    pub unknown_grants: u64,
    /// Tokens that were reported with two meanings, or that their grant does not have.
    pub contradictions: u64,
    /// Entries of the ledger that could not be read.
    pub damaged_entries: u64,
}

/// The first entry of a leadership. Silence is written with it: a successor must keep it too.
pub(super) fn claim(epoch: Epoch, silent: &Distrust) -> Vec<Line> {
    let silence = |org| Line {
        org,
        record: LedgerRecord::Silent,
    };
    let mut lines = vec![Line {
        org: None,
        record: LedgerRecord::Epoch { epoch },
    }];
    match silent {
        Distrust::Nobody => {}
        Distrust::Some(orgs) => lines.extend(orgs.iter().cloned().map(Some).map(silence)),
        Distrust::Everybody => lines.push(silence(None)),
    }
    lines
}

pub(super) fn wait(wait: &Wait) -> TokenResponse {
    TokenResponse {
        request: wait.request,
        body: ResponseBody::Wait {
            retry_after: wait.retry_after,
        },
    }
}
