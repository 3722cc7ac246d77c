//! The ledger: one subject for all orgs. Every append expects the sequence of the last one.
//!
//! The ledger is the lock. The governor that appends first wins. The other one is fenced, and its decisions were never sent. With
//! one subject, the decisions for a thousand orgs need one append and one sync to disk. A takeover is one append, not a thousand.

mod line;
mod run;

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1;
use rate_tokens::{Command, Distrust, Entry, Input, Line, OrgName, Stamp};
use tokio::sync::watch;

use crate::connection::Bus;
use crate::error::{BusError, Cause, WriteError};
use crate::publish::headers;

const STREAM: &str = "ledger";

pub(crate) const SUBJECT: &str = "rollcall.ledger.v1";

/// The ledger of one governor.
#[derive(Clone, Debug)]
pub struct Ledger {
    bus: Bus,
    orgs: Vec<OrgName>,
    clocks: fn() -> Stamp,
}

impl Bus {
    /// Opens the ledger for a governor of these orgs. `clocks` reads the writer's clocks; the server adds its own.
    pub fn ledger(&self, orgs: impl IntoIterator<Item = OrgName>, clocks: fn() -> Stamp) -> Ledger {
        Ledger {
            bus: self.clone(),
            orgs: orgs.into_iter().collect(),
            clocks,
        }
    }
}

impl Ledger {
    /// Number of connections made to the server. Changes with every reconnect.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.bus.connections.clone()
    }

    /// Performs a command of the governor and returns its outcome.
    pub async fn perform(&self, command: Command) -> Input {
        match command {
            Command::Read { from } => match self.read(from).await {
                Ok(entries) => Input::Read {
                    distrust: self.distrust(from, &entries).await,
                    entries,
                },
                Err(error) => {
                    tracing::warn!(%error, "the ledger cannot be read yet");
                    Input::Failed
                }
            },
            Command::Append { after, lines } => self.append(after, &lines).await,
            Command::Trim { before } => match self.trim(before).await {
                Ok(()) => Input::Appended { sequence: before },
                Err(error) => {
                    tracing::warn!(%error, "old entries of the ledger could not be cut off");
                    Input::Failed
                }
            },
        }
    }

    /// Reads all entries from a sequence on, oldest first.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn read(&self, from: u64) -> Result<Vec<Entry>, BusError> {
        let mut entries = Vec::new();
        self.bus
            .read_stream(STREAM, SUBJECT, from, |sequence, written_ms, _, payload| {
                entries.push(line::read(sequence, written_ms, payload));
            })
            .await?;
        Ok(entries)
    }

    /// Returns the orgs to distrust: the ledger is empty, but the journal has requests of them.
    async fn distrust(&self, from: u64, entries: &[Entry]) -> Distrust {
        if from > 1 || !entries.is_empty() {
            return Distrust::Nobody;
        }
        let mut used = BTreeSet::new();
        let journal = self.bus.js.get_stream_no_info("journal").await;
        for org in &self.orgs {
            let subject = format!("rollcall.journal.v1.{org}.call");
            // Without a response, distrust the org: no grants for one window is better than too many.
            let last = match &journal {
                Ok(journal) => self.bus.last_of(journal, &subject).await.ok(),
                Err(_) => None,
            };
            if !matches!(last, Some(None)) {
                used.insert(org.clone());
            }
        }
        if used.is_empty() {
            Distrust::Nobody
        } else {
            tracing::warn!(
                orgs = used.len(),
                "the ledger is gone: no requests until earlier requests no longer count"
            );
            Distrust::Some(used)
        }
    }

    async fn append(&self, after: u64, lines: &[Line]) -> Input {
        let mut headers = headers(&v1::LedgerEntry::full_name());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string().as_str());
        let entry = Bytes::from(line::write(lines, (self.clocks)()).encode_to_vec());
        match self.bus.publish(SUBJECT, headers, entry).await {
            Ok(stored) => Input::Appended {
                sequence: stored.sequence,
            },
            Err(WriteError::Conflict { .. }) => Input::Fenced,
            Err(WriteError::Unknown { .. }) => Input::Unknown,
            Err(WriteError::Busy { .. }) => Input::Rejected,
            Err(WriteError::Refused { message, .. }) => {
                tracing::error!(message, "nothing can be granted: the ledger takes no append");
                Input::Rejected
            }
        }
    }

    async fn trim(&self, before: u64) -> Result<(), BusError> {
        let unavailable = |source: Cause| BusError::Unavailable {
            doing: "cutting off old entries of the ledger",
            source,
        };
        let stream = self.bus.js.get_stream_no_info(STREAM).await;
        let stream = stream.map_err(|error| unavailable(error.into()))?;
        let purged = stream.purge().filter(SUBJECT).sequence(before).await;
        purged.map(drop).map_err(|error| unavailable(error.into()))
    }
}

impl Bus {
    /// Reads all messages that a stream has on a subject now, from a sequence on.
    pub(crate) async fn read_stream(
        &self,
        stream: &'static str,
        filter: &str,
        from: u64,
        mut take: impl FnMut(u64, u64, Option<&async_nats::HeaderMap>, &[u8]),
    ) -> Result<(), BusError> {
        let unavailable = |source: Cause| BusError::Unavailable {
            doing: "reading a stream",
            source,
        };
        let stream = self
            .js
            .get_stream_no_info(stream)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from.max(1),
            },
            ack_policy: AckPolicy::None,
            filter_subject: filter.to_owned(),
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream
            .create_consumer(config)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let mut left = consumer.cached_info().num_pending;
        if left == 0 {
            return Ok(());
        }
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(1_000)
            .messages()
            .await
            .map_err(|error| unavailable(error.into()))?;
        while left > 0 {
            let message = messages
                .next()
                .await
                .ok_or_else(|| unavailable("it broke off".into()))?;
            let message = message.map_err(|error| unavailable(error.into()))?;
            let info = message.info().map_err(&unavailable)?;
            let written = info.published.unix_timestamp_nanos() / 1_000_000;
            let (sequence, written_ms) = (info.stream_sequence, u64::try_from(written).unwrap_or_default());
            take(sequence, written_ms, message.headers.as_ref(), &message.payload);
            left -= 1;
        }
        Ok(())
    }
}
