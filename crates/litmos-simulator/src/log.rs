//! The request log: one line per request that reached the account, independent of clients and limiters.
//!
//! A line is written after the request was counted and answered (or its response discarded), with one write call. So a
//! killed simulator leaves only whole lines. Lines are in the order of responses; `n` and `at_ms` give the order of
//! arrival. No line contains an API key, a body or a login key.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Lines kept in memory for the control API. The file keeps all lines. About an hour of an unpaced test run.
const LINES_KEPT: usize = 200_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Sequence number of the arrival, from 1.
    pub n: u64,
    /// Monotonic milliseconds from the simulator's start to the arrival, with microsecond precision.
    pub at_ms: f64,
    /// Time of the arrival, RFC 3339 in UTC.
    pub at: String,
    /// HTTP method.
    pub method: String,
    /// Path, with the query except `source` and keys.
    pub path: String,
    /// The `source` query parameter: the organisation, as the caller names it.
    pub source: Option<String>,
    /// Value of the query parameter `sendmessage`. Missing if it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sendmessage: Option<bool>,
    /// Value of the query parameter `skipfirstlogin`. Missing if it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipfirstlogin: Option<bool>,
    /// Status of the response. Null if no response was sent.
    pub status: Option<u16>,
    /// First eight hex digits of the SHA-256 of the API key that was sent.
    pub key: Option<String>,
    /// True for a key of this account. Only these requests count toward the limit.
    pub known_key: bool,
    /// True if the limit refused the request.
    pub refused: bool,
    /// Faults applied to the request, joined by `+`.
    pub fault: Option<String>,
    /// Effect of the request, such as `user.created id=...`.
    pub effect: Option<String>,
    /// Time from arrival to response, in milliseconds.
    pub duration_ms: f64,
}

/// The log lines so far, and their file.
#[derive(Debug)]
pub(crate) struct RequestLog {
    file: Option<File>,
    kept: VecDeque<Entry>,
}

impl RequestLog {
    pub(crate) fn new(file: Option<File>) -> Self {
        Self {
            file,
            kept: VecDeque::new(),
        }
    }

    /// Appends a line. Returns errors of the file.
    pub(crate) fn append(&mut self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&entry).map_err(io::Error::other)?;
        line.push(b'\n');
        if self.kept.len() == LINES_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(entry);
        match &mut self.file {
            Some(file) => file.write_all(&line),
            None => Ok(()),
        }
    }

    /// Lines in memory with an `n` above `since`, in order of arrival.
    pub(crate) fn since(&self, since: u64) -> Vec<Entry> {
        let mut lines: Vec<Entry> = self
            .kept
            .iter()
            .filter(|entry| entry.n > since)
            .cloned()
            .collect();
        lines.sort_by_key(|entry| entry.n);
        lines
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}
