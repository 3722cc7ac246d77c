//! Handing events in: one, or many in atomic batches, because a batch costs the server one write to the disk.

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

/// Events of one batch. The server takes a thousand; a batch is held in its memory until it is whole.
const AT_ONCE: usize = 500;

/// Batches on their way at once, of the fifty that the server allows for a stream.
const BATCHES: usize = 2;

/// Single events on their way at once, where a batch was refused.
const SINGLES: usize = 32;

impl Bus {
    /// Hands an event in. The same event again is recognised for two hours.
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

    /// Hands many events in, in batches. Events are taken from the iterator as they are sent, so that it may hold a large file.
    ///
    /// # Errors
    /// See [`WriteError`]. What was stored before stays stored; the same events again are recognised for two hours.
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

    /// Stores a batch. One that was refused or not answered is sent one by one: what is there already is recognised then, while
    /// a batch with one such message is refused as a whole.
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
