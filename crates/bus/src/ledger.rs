//! The governor's log: one subject for all orgs, every append conditional on the last.
//!
//! The log is the lock. Whoever appends first wins; the other is fenced, and what it had decided was never told. One subject
//! for all orgs makes one append, and one sync to disk, out of whatever was decided for a thousand of them at a time; and a
//! take-over is one append, not a thousand.

mod line;
mod run;

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
use crate::error::{BusError, WriteError};
use crate::publish::{EXPECTED, headers};

const STREAM: &str = "ledger";

pub(crate) const SUBJECT: &str = "rollcall.ledger.v1";

/// The ledger as a governor uses it.
#[derive(Clone, Debug)]
pub struct Ledger {
    bus: Bus,
    orgs: Vec<OrgName>,
    clocks: fn() -> Stamp,
}

impl Bus {
    /// The ledger, for a governor of these orgs. `clocks` are the writer's own; the server adds its own.
    pub fn ledger(&self, orgs: impl IntoIterator<Item = OrgName>, clocks: fn() -> Stamp) -> Ledger {
        Ledger {
            bus: self.clone(),
            orgs: orgs.into_iter().collect(),
            clocks,
        }
    }
}

impl Ledger {
    /// Changes with every connection made anew to the server.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.bus.connections.clone()
    }

    /// Does what a governor wants of the ledger, and says what came of it.
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

    /// All entries from a sequence on, oldest first.
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

    /// An empty ledger proves nothing about orgs of whose requests the journal knows.
    async fn distrust(&self, from: u64, entries: &[Entry]) -> Distrust {
        if from > 1 || !entries.is_empty() {
            return Distrust::Nobody;
        }
        let mut used = BTreeSet::new();
        let journal = self.bus.js.get_stream_no_info("journal").await;
        for org in &self.orgs {
            let subject = format!("rollcall.journal.v1.{org}.call");
            // Without an answer: rather silent for a window than wrong.
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
                "the ledger is gone: no requests until what was sent has cooled"
            );
            Distrust::Some(used)
        }
    }

    async fn append(&self, after: u64, lines: &[Line]) -> Input {
        let mut headers = headers(&v1::LedgerEntry::full_name());
        headers.insert(EXPECTED, after.to_string().as_str());
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
        let unavailable = |message: String| BusError::Unavailable {
            doing: "cutting off old entries of the ledger",
            message,
        };
        let stream = self.bus.js.get_stream_no_info(STREAM).await;
        let stream = stream.map_err(|error| unavailable(error.to_string()))?;
        let purged = stream.purge().filter(SUBJECT).sequence(before).await;
        purged.map(drop).map_err(|error| unavailable(error.to_string()))
    }
}

impl Bus {
    /// Reads everything that a stream holds of a subject now, from a sequence on.
    pub(crate) async fn read_stream(
        &self,
        stream: &'static str,
        filter: &str,
        from: u64,
        mut take: impl FnMut(u64, u64, Option<&async_nats::HeaderMap>, &[u8]),
    ) -> Result<(), BusError> {
        let unavailable = |message: String| BusError::Unavailable {
            doing: "reading a stream",
            message,
        };
        let stream = self
            .js
            .get_stream_no_info(stream)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
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
            .map_err(|error| unavailable(error.to_string()))?;
        let mut left = consumer.cached_info().num_pending;
        if left == 0 {
            return Ok(());
        }
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(1_000)
            .messages()
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        while left > 0 {
            let message = messages
                .next()
                .await
                .ok_or_else(|| unavailable("it broke off".to_owned()))?;
            let message = message.map_err(|error| unavailable(error.to_string()))?;
            let info = message.info().map_err(|error| unavailable(error.to_string()))?;
            let written = info.published.unix_timestamp_nanos() / 1_000_000;
            let (sequence, written_ms) = (info.stream_sequence, u64::try_from(written).unwrap_or_default());
            take(sequence, written_ms, message.headers.as_ref(), &message.payload);
            left -= 1;
        }
        Ok(())
    }
}
