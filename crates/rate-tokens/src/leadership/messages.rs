//! Messages between a governor, its ledger and the callers that request tokens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exchange::Wait;
use crate::record::Stamp;
use crate::{Class, Epoch, GrantId, LedgerRecord, OrgName, RequestId, RequestRefused, UnknownGrant};

/// One line of an entry: a record of one org, or of all orgs (`org` is `None`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    pub org: Option<OrgName>,
    pub record: LedgerRecord,
}

/// One append, as read from the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub sequence: u64,
    pub written: Stamp,
    /// `None` if it cannot be read.
    pub lines: Option<Vec<Line>>,
}

/// A command for the ledger. The caller performs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read all entries whose sequence is at least `from`.
    Read { from: u64 },
    /// Append these lines as one entry, on the condition that `after` is the newest sequence (0: there is none).
    Append { after: u64, lines: Arc<Vec<Line>> },
    /// Delete all entries whose sequence is below `before`. If it fails, a later snapshot repeats it.
    Trim { before: u64 },
}

/// Result of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Read {
        entries: Vec<Entry>,
        distrust: Distrust,
    },
    Appended {
        sequence: u64,
    },
    /// Another entry has this place. Nothing was stored.
    Fenced,
    /// Nothing was stored, for another reason. Trying again may succeed.
    Rejected,
    /// No answer to an append: it may be stored, or may still be stored later.
    Unknown,
    /// Reading or trimming failed.
    Failed,
}

/// Knowledge from outside the ledger: the orgs for which the ledger may lack grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Distrust {
    /// The ledger is complete.
    #[default]
    Nobody,
    /// These orgs have sent requests that the ledger does not know of.
    Some(BTreeSet<OrgName>),
    /// The ledger is known to have lost entries.
    Everybody,
}

/// Response to a token request.
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
    /// No token yet: request again after this time.
    Wait { retry_after: Duration },
}

/// Reason for the end of a leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Another governor has appended.
    Fenced,
    /// A worker has seen a grant that is missing in the ledger, or our own newest entry is missing: the ledger went
    /// back in time. The next leadership must have a higher epoch than `seen`, and must start with
    /// [`Leadership::distrusting`](crate::Leadership::distrusting).
    WentBack { seen: Epoch },
}

/// Reason why a token request was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("org {org} is not in the governor's settings; add it there")]
    UnknownOrg { org: OrgName },
    #[error("this governor is not the leader")]
    NotLeading,
    #[error(transparent)]
    Refused(#[from] RequestRefused),
}

/// Reason why a use report was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("org {org} is not in the governor's settings; stop reporting for it")]
    UnknownOrg { org: OrgName },
    #[error("this governor is not the leader; report again")]
    NotLeading,
    #[error(transparent)]
    UnknownGrant(#[from] UnknownGrant),
}

impl ReportError {
    /// True if the same report may be accepted later.
    pub fn is_for_now(&self) -> bool {
        matches!(self, ReportError::NotLeading)
    }
}

/// Number of invalid messages and unreadable entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Anomalies {
    /// Token requests and use reports for orgs without settings.
    pub unknown_orgs: u64,
    /// Token requests that are invalid, or whose queue was full.
    pub refused_requests: u64,
    /// Use reports of unknown grants.
    pub unknown_grants: u64,
    /// Tokens that were reported with contradicting settlements, or that do not exist in their grant.
    pub contradictions: u64,
    /// Entries of the ledger that could not be read.
    pub damaged_entries: u64,
}

/// Builds the first entry of a leadership. It contains the silence, so that a successor keeps it too.
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
