//! The feed: events from sources. They are published and read in batches, and acknowledged one by one.
//!
//! The sender of an event can request a receipt (`receipt`).

mod event;
mod hand_in;
mod receipt;

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::{OrgId, SourceId};

use crate::bucket::header;
use crate::connection::{Bus, REQUEST_TIMEOUT};
use crate::dead::Buried;
use crate::error::{BusError, Cause};
use crate::publish::TYPE;
use crate::trace::TRACEPARENT;

pub(crate) use event::event_in;
pub use event::{Event, EventBody};
pub(crate) use receipt::RECEIPT;
pub use receipt::{Outcome, Receipt, ReceiptInbox, Receipts};

/// Most events read at once: enough for many writes at the same time, and few enough to finish long before [`ACK_WAIT`].
const BATCH: usize = 1_000;

/// How long to wait for the next event.
const FIRST: Duration = Duration::from_secs(1);

/// How long an event may be processed before it is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(60);

/// Pause before an event is delivered again that could not be set aside.
const AGAIN: Duration = Duration::from_secs(2);

/// Most events that are delivered and not finished, including those that wait for another delivery. At this number the server
/// delivers no more events of any source. It is as many as the largest company has people: a source may send the memberships
/// of a group before the people.
const OUT_MAX: i64 = 200_000;

/// One delivered event. The reader finishes it with [`Delivery::done`], [`Delivery::later`] or [`Delivery::refuse`].
#[derive(Debug)]
pub struct Delivery {
    pub org: OrgId,
    pub source: SourceId,
    pub event: Event,
    /// Position in the feed. Later events have a larger one.
    pub sequence: u64,
    pub trace: Option<String>,
    /// Number of deliveries, including this one.
    pub times: u32,
    bus: Bus,
    message: Message,
}

impl Delivery {
    /// Acknowledges the event: it is durably in the roster.
    pub async fn done(&self) {
        // The receipt is sent first: after this the event is not delivered again, so its receipt would be missing.
        self.bus.crash_points.place().await;
        self.receipt(Outcome::Applied).await;
        self.bus.crash_points.place().await;
        let acked = self.message.ack().await;
        self.bus.crash_points.place().await;
        if let Err(error) = acked {
            tracing::warn!(%error, "an event was taken in but not acknowledged; it comes again and changes nothing");
        }
    }

    /// Postpones the event: it is delivered again after a pause.
    pub async fn later(&self, pause: Duration, reason: &str) {
        self.bus.crash_points.place().await;
        // If this message is lost, the event is delivered again too, but later.
        let _ = self.message.ack_with(AckKind::Nak(Some(pause))).await;
        self.bus.crash_points.place().await;
        self.receipt(Outcome::Waits(reason.to_owned())).await;
    }

    /// Sets the event aside as a dead letter, with the reason. If that fails, the event stays in the feed and is delivered again.
    pub async fn refuse(&self, reason: &str) {
        let kept = keep(&self.bus, &self.message, self.sequence, reason).await;
        let outcome = if kept {
            Outcome::SetAside(reason.to_owned())
        } else {
            Outcome::Waits(format!("it cannot be set aside yet: {reason}"))
        };
        // The receipt is sent first: after this the event is not delivered again, so its receipt would be missing.
        self.receipt(outcome).await;
        end(&self.bus, &self.message, kept).await;
    }

    async fn receipt(&self, outcome: Outcome) {
        if let Some(headers) = &self.message.headers {
            self.bus
                .send_receipt(headers, &self.event.event_id, outcome)
                .await;
        }
    }
}

/// Stores an event that cannot be processed as a dead letter. Returns false if that fails.
async fn keep(bus: &Bus, message: &Message, sequence: u64, reason: &str) -> bool {
    let buried = Buried {
        subject: message.subject.as_str(),
        sequence,
        type_name: message.headers.as_ref().and_then(|headers| header(headers, TYPE)),
        payload: message.payload.clone(),
    };
    bus.bury(buried, reason).await.is_ok()
}

/// Removes an event from the feed if it was `kept` as a dead letter. Otherwise it is delivered again.
async fn end(bus: &Bus, message: &Message, kept: bool) {
    let end = if kept {
        AckKind::Term
    } else {
        AckKind::Nak(Some(AGAIN))
    };
    bus.crash_points.place().await;
    // If this message is lost, the event is delivered again and is found to be set aside already.
    let _ = message.ack_with(end).await;
    bus.crash_points.place().await;
}

/// Reads events from the feed. Any number of processes can share the feed.
#[derive(Debug)]
pub struct FeedBatch {
    bus: Bus,
    consumer: async_nats::jetstream::consumer::Consumer<pull::Config>,
    end: u64,
}

impl Bus {
    /// Joins the readers of the feed.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn feed(&self) -> Result<FeedBatch, BusError> {
        let unavailable = |source: Cause| BusError::Unavailable {
            doing: "joining the feed",
            source,
        };
        let stream = self
            .js
            .get_stream("feed")
            .await
            .map_err(|error| unavailable(error.into()))?;
        let end = stream.cached_info().state.last_sequence;
        let config = pull::Config {
            durable_name: Some("intake".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: OUT_MAX,
            ..pull::Config::default()
        };
        // An existing consumer is updated to this configuration.
        let consumer = stream
            .create_consumer(config)
            .await
            .map_err(|error| unavailable(error.into()))?;
        Ok(FeedBatch {
            bus: self.clone(),
            consumer,
            end,
        })
    }
}

impl FeedBatch {
    /// The last known position of the feed.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Reads the next events in the order of the feed: as many as there are, at most 1,000. Returns none if none came for 1 s.
    /// Messages that cannot be read become dead letters.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let mut messages = self.there_now(BATCH).await?;
        if messages.is_empty() {
            messages = self.first().await?;
            if !messages.is_empty() {
                messages.extend(self.there_now(BATCH - 1).await?);
            }
        }
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            match read(&message) {
                Ok((org, source, event, (sequence, times))) => {
                    self.end = self.end.max(sequence);
                    let headers = message.headers.as_ref();
                    deliveries.push(Delivery {
                        org,
                        source,
                        event,
                        sequence,
                        trace: headers.and_then(|headers| header(headers, TRACEPARENT)),
                        times,
                        bus: self.bus.clone(),
                        message,
                    });
                }
                Err(reason) => {
                    let sequence = message.info().map_or(0, |info| info.stream_sequence);
                    let kept = keep(&self.bus, &message, sequence, &reason).await;
                    end(&self.bus, &message, kept).await;
                }
            }
        }
        Ok(deliveries)
    }

    /// Reads messages that are in the feed now.
    async fn there_now(&self, most: usize) -> Result<Vec<Message>, BusError> {
        let messages = self.consumer.fetch().max_messages(most).messages().await;
        collected(messages.map_err(|error| unavailable(error.into()))?).await
    }

    /// Waits for the next event.
    async fn first(&self) -> Result<Vec<Message>, BusError> {
        let batch = self.consumer.batch().max_messages(1).expires(FIRST);
        let messages = batch.messages().await;
        collected(messages.map_err(|error| unavailable(error.into()))?).await
    }
}

/// Collects all messages of one request. If the connection is lost after the request, its end never comes, so this has a timeout.
async fn collected(mut messages: pull::Batch) -> Result<Vec<Message>, BusError> {
    let mut there = Vec::new();
    loop {
        match tokio::time::timeout(FIRST + REQUEST_TIMEOUT, messages.next()).await {
            Ok(Some(message)) => there.push(message.map_err(unavailable)?),
            Ok(None) => return Ok(there),
            // The messages that came are processed. The others are delivered again.
            Err(_) if !there.is_empty() => return Ok(there),
            Err(_) => return Err(unavailable("no answer".into())),
        }
    }
}

fn unavailable(source: Cause) -> BusError {
    BusError::Unavailable {
        doing: "reading the feed",
        source,
    }
}

fn read(message: &Message) -> Result<(OrgId, SourceId, Event, (u64, u32)), String> {
    let tokens: Vec<&str> = message.subject.as_str().split('.').collect();
    let [_, _, _, org, source] = tokens.as_slice() else {
        return Err("its subject is not rollcall.feed.v1.{org}.{source}".to_owned());
    };
    let type_name = message.headers.as_ref().and_then(|headers| header(headers, TYPE));
    if let Some(other) = type_name.filter(|name| *name != v1::IdentityEvent::full_name()) {
        return Err(format!(
            "its {TYPE} is {other}, not {}",
            v1::IdentityEvent::full_name()
        ));
    }
    let org = OrgId::parse(org).map_err(|error| error.to_string())?;
    let source = SourceId::parse(source).map_err(|error| error.to_string())?;
    let event = v1::IdentityEvent::decode(message.payload.as_ref()).map_err(|error| error.to_string())?;
    let info = message.info().map_err(|error| error.to_string())?;
    let times = u32::try_from(info.delivered).unwrap_or(1);
    Ok((org, source, event_in(event)?, (info.stream_sequence, times)))
}
