//! The governor's log: one subject an org, every append conditional on the last.
//!
//! The log is the lock. Whoever appends first wins; the other is fenced, and what it had decided was never told.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::OrgId;

use crate::connection::Bus;
use crate::error::{BusError, WriteError};
use crate::publish::{EXPECTED, headers};

/// One append, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub sequence: u64,
    /// The log server's own time of storing, Unix milliseconds.
    pub written_ms: u64,
    pub records: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else has appended. Nothing was stored.
    #[error("another governor writes the ledger of org {org}")]
    Fenced { org: OrgId },
    /// No answer: it may be stored.
    #[error("no answer to an append to the ledger of org {org}")]
    Unknown { org: OrgId },
    #[error("the ledger of org {org} takes no append: {said}")]
    Refused { org: OrgId, said: String },
}

fn subject(org: &OrgId) -> String {
    format!("rollcall.ledger.v1.{org}")
}

impl Bus {
    /// Appends after `last`, the sequence of the org's newest entry (0 for none), and says the new sequence.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn ledger_append(
        &self,
        org: &OrgId,
        last: u64,
        records: Vec<String>,
    ) -> Result<u64, LedgerError> {
        let entry = v1::LedgerEntry { records };
        let mut headers = headers(&v1::LedgerEntry::full_name());
        headers.insert(EXPECTED, last.to_string().as_str());
        match self
            .publish(&subject(org), headers, Bytes::from(entry.encode_to_vec()))
            .await
        {
            Ok(stored) => Ok(stored.sequence),
            Err(WriteError::Conflict { .. }) => Err(LedgerError::Fenced { org: org.clone() }),
            Err(WriteError::Unknown { .. }) => Err(LedgerError::Unknown { org: org.clone() }),
            Err(WriteError::Refused { said, .. }) => Err(LedgerError::Refused {
                org: org.clone(),
                said,
            }),
        }
    }

    /// All entries of an org that are kept, oldest first. An entry that cannot be read has no records.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn ledger_read(&self, org: &OrgId) -> Result<Vec<LedgerEntry>, BusError> {
        let mut entries = Vec::new();
        self.read_stream("ledger", &subject(org), |sequence, written_ms, _, payload| {
            let records = v1::LedgerEntry::decode(payload)
                .map(|entry| entry.records)
                .unwrap_or_default();
            entries.push(LedgerEntry {
                sequence,
                written_ms,
                records,
            });
        })
        .await?;
        Ok(entries)
    }

    /// Reads everything that a stream holds of a subject now.
    pub(crate) async fn read_stream(
        &self,
        stream: &'static str,
        filter: &str,
        mut take: impl FnMut(u64, u64, Option<&async_nats::HeaderMap>, &[u8]),
    ) -> Result<(), BusError> {
        let unavailable = |said: String| BusError::Unavailable {
            doing: "reading a stream",
            said,
        };
        let stream = self
            .js
            .get_stream_no_info(stream)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::All,
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
