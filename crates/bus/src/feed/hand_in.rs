//! Publishes events: one, or many in atomic batches. A batch costs the server one write to disk.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::{OrgId, SourceId};

use super::Event;
use super::receipt::{RECEIPT, ReceiptInbox};
use crate::connection::Bus;
use crate::error::WriteError;
use crate::publish::{Stored, headers};

/// Events of one batch. The server accepts 1,000, but it keeps a batch in memory until the batch is complete.
const AT_ONCE: usize = 500;

/// Most batches in flight, of the 50 that the server allows per stream.
const BATCHES: usize = 2;

/// Most single events in flight, after a batch was refused.
const SINGLES: usize = 32;

impl Bus {
    /// Publishes an event. The server recognizes the same event for two hours.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn publish_event(
        &self,
        org: &OrgId,
        source: &SourceId,
        event: Event,
    ) -> Result<Stored, WriteError> {
        let (headers, payload) = message(org, source, event, None);
        self.publish(&subject(org, source), headers, payload).await
    }

    /// Publishes many events in batches. Reads the iterator while it sends, so the iterator can read a large file.
    ///
    /// # Errors
    /// See [`WriteError`]. Events that were stored before the error stay stored. The server recognizes the same events for two hours.
    pub async fn publish_events(
        &self,
        org: &OrgId,
        source: &SourceId,
        events: impl IntoIterator<Item = Event>,
        receipts: Option<&ReceiptInbox>,
    ) -> Result<(), WriteError> {
        let subject = &subject(org, source);
        let mut messages = events
            .into_iter()
            .map(|event| message(org, source, event, receipts))
            .peekable();
        let batches = std::iter::from_fn(|| {
            messages.peek()?;
            Some(messages.by_ref().take(AT_ONCE).collect::<Vec<_>>())
        });
        let sent = batches.map(|batch| Ok(self.hand_in(subject, batch)));
        stream::iter(sent)
            .try_buffer_unordered(BATCHES)
            .try_collect()
            .await
    }

    /// Stores a batch. If the batch was refused or got no response, its events are sent one by one. The server then recognizes events
    /// that it has already; it refuses a whole batch with one such event.
    async fn hand_in(&self, subject: &str, batch: Vec<(HeaderMap, Bytes)>) -> Result<(), WriteError> {
        let Err(error) = self.publish_batch(subject, &batch).await else {
            return Ok(());
        };
        tracing::debug!(%error, "a batch of events is sent one by one");
        let singles = batch
            .into_iter()
            .map(|(headers, payload)| self.publish(subject, headers, payload));
        let mut singles = stream::iter(singles).buffer_unordered(SINGLES);
        while let Some(stored) = singles.next().await {
            stored?;
        }
        Ok(())
    }
}

fn subject(org: &OrgId, source: &SourceId) -> String {
    format!("rollcall.feed.v1.{org}.{source}")
}

fn message(
    org: &OrgId,
    source: &SourceId,
    event: Event,
    receipts: Option<&ReceiptInbox>,
) -> (HeaderMap, Bytes) {
    let mut headers = headers(&v1::IdentityEvent::full_name());
    let id = format!("{org}/{source}/{}", event.event_id);
    headers.insert(NATS_MESSAGE_ID, id.as_str());
    if let Some(receipts) = receipts {
        headers.insert(RECEIPT, receipts.subject());
    }
    let payload = v1::IdentityEvent::from(event).encode_to_vec();
    (headers, Bytes::from(payload))
}
