//! Position of a watch in its bucket. It makes a read from memory as good as a read from the bus.
//!
//! A watch is some milliseconds behind its bucket, and more after the process was frozen. Before memory may answer "there is
//! none" or "that is so already", the watch must have seen every write that was acknowledged before the request came. The
//! server knows what the watch's consumer has not delivered yet. [`Position::catch_up`] asks the server and waits.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::{Bus, REQUEST_TIMEOUT};
use crate::error::{BusError, Cause};

/// Pause before asking the server again while the consumer has messages to deliver.
const PAUSE: Duration = Duration::from_millis(1);

/// Consumer and sequence of one watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The consumer's name; `None` while there is none.
    consumer: Option<String>,
    /// Everything up to this sequence of the stream was handled.
    followed: u64,
}

/// Position of a watch in its bucket.
#[derive(Debug)]
pub struct Position {
    place: watch::Sender<Place>,
}

impl Default for Position {
    fn default() -> Position {
        Position {
            place: watch::channel(Place::default()).0,
        }
    }
}

#[derive(Debug, Deserialize)]
struct ConsumerInfo {
    #[serde(default)]
    num_pending: u64,
    delivered: Option<Delivered>,
}

#[derive(Debug, Deserialize)]
struct Delivered {
    #[serde(default)]
    stream_seq: u64,
}

#[derive(Debug, Deserialize)]
struct StreamInfo {
    state: StreamState,
}

#[derive(Debug, Deserialize)]
struct StreamState {
    last_seq: u64,
}

impl Position {
    pub(crate) fn opened(&self, consumer: String, seen: u64) {
        self.place.send_replace(Place {
            consumer: Some(consumer),
            followed: seen,
        });
    }

    pub(crate) fn lost(&self) {
        self.place.send_modify(|place| place.consumer = None);
    }

    pub(crate) fn followed(&self, seen: u64) {
        self.place.send_if_modified(|place| {
            let further = place.followed != seen;
            place.followed = seen;
            further
        });
    }

    /// Waits until the watch of this bucket has handled everything that was stored before this call.
    ///
    /// # Errors
    /// When the bus does not answer in time.
    pub async fn catch_up(&self, bus: &Bus, bucket: &str) -> Result<(), BusError> {
        let caught_up = tokio::time::timeout(REQUEST_TIMEOUT, self.wait_for_now(bus, bucket));
        caught_up.await.unwrap_or_else(|_| {
            Err(BusError::Unavailable {
                doing: "following a bucket to its end",
                source: "it did not come to its end in time".into(),
            })
        })
    }

    async fn wait_for_now(&self, bus: &Bus, bucket: &str) -> Result<(), BusError> {
        let mut place = self.place.subscribe();
        let mut stream_end = None;
        loop {
            let opened = place.wait_for(|place| place.consumer.is_some()).await;
            let Some((consumer, followed)) = opened.ok().map(|now| (now.consumer.clone(), now.followed))
            else {
                return Ok(());
            };
            let consumer = consumer.unwrap_or_default();
            if stream_end.is_some_and(|end| followed >= end) {
                return Ok(());
            }
            let info = bus.api(&format!("CONSUMER.INFO.KV_{bucket}.{consumer}")).await?;
            // The watch replaces a consumer that is gone.
            let Some(ConsumerInfo {
                num_pending,
                delivered: Some(delivered),
            }) = serde_json::from_slice(&info).ok()
            else {
                let replaced = place.wait_for(|place| place.consumer.as_ref() != Some(&consumer));
                let _ = replaced.await.map(drop);
                continue;
            };
            if num_pending == 0 {
                let here = |place: &Place| place.consumer.as_ref() == Some(&consumer);
                let there = place.wait_for(|place| place.followed >= delivered.stream_seq || !here(place));
                match there.await.map(|place| here(&place)) {
                    Ok(false) => continue,
                    Ok(true) | Err(_) => return Ok(()),
                }
            }
            if stream_end.is_none() {
                let info = bus.api(&format!("STREAM.INFO.KV_{bucket}")).await?;
                let info: Option<StreamInfo> = serde_json::from_slice(&info).ok();
                stream_end = info.map(|info| info.state.last_seq);
            }
            let until = Instant::now() + PAUSE;
            let _ = tokio::time::timeout_at(until, place.changed()).await;
        }
    }
}

impl Bus {
    async fn api(&self, request: &str) -> Result<bytes::Bytes, BusError> {
        let sent = self
            .client
            .request(format!("$JS.API.{request}"), bytes::Bytes::new());
        let unavailable = |source: Cause| BusError::Unavailable {
            doing: "asking how far a watch has come",
            source,
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, sent).await {
            Ok(Ok(reply)) => Ok(reply.payload),
            Ok(Err(error)) => Err(unavailable(error.into())),
            Err(_) => Err(unavailable("no answer in time".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_names_an_error_is_no_position() {
        let error = br#"{"type":"io.nats.jetstream.api.v1.consumer_info_response","error":{"code":404}}"#;
        let info: ConsumerInfo = serde_json::from_slice(error).unwrap();
        assert!(info.delivered.is_none());
    }
}
