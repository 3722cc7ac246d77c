//! The request log: one line per request that reached the account, written by neither client nor limiter.
//!
//! A line is written when the request has been counted and answered (or its reply thrown away), with one write call,
//! so a killed simulator leaves whole lines. Lines come in order of answering; `n` and `at_ms` tell the order of
//! arrival. No line holds an API key, a body or a login key.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Lines kept in memory for the control API; the file keeps them all. About an hour of an unpaced test run.
const LINES_KEPT: usize = 200_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Sequence of arrival, from 1.
    pub n: u64,
    /// Monotonic milliseconds from the simulator's start to the arrival, to the microsecond.
    pub at_ms: f64,
    /// The arrival on the calendar, RFC 3339 in UTC.
    pub at: String,
    /// HTTP method.
    pub method: String,
    /// Path, with the query except `source` and keys.
    pub path: String,
    /// The `source` query parameter: the organisation, as the caller names it.
    pub source: Option<String>,
    /// What the query parameter `sendmessage` asked for; missing when it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sendmessage: Option<bool>,
    /// What the query parameter `skipfirstlogin` asked for; missing when it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipfirstlogin: Option<bool>,
    /// The status answered; null when no reply was sent.
    pub status: Option<u16>,
    /// First eight hex digits of the SHA-256 of the API key that was sent.
    pub key: Option<String>,
    /// Whether that is a key of this account. Only such requests meet the limit.
    pub known_key: bool,
    /// Whether the limit refused it.
    pub refused: bool,
    /// The faults that struck, joined by `+`.
    pub fault: Option<String>,
    /// What it changed, such as `user.created id=...`.
    pub effect: Option<String>,
    /// From arrival to the answer.
    pub duration_ms: f64,
}

/// The lines so far, and where they are written.
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

    /// Appends a line; the error is the file's.
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

    /// The kept lines with an `n` above `since`, in order of arrival.
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
