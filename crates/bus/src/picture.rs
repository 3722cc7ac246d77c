//! Pictures: one org's part of a bucket, packed into few large messages, so that a start is quick.
//!
//! A bucket gives its keys one message at a time, and each costs the server and the reader microseconds: a million and a
//! half of them are ten seconds of two processors. A picture holds the same values, thousands to a message, as they were
//! up to one sequence of the bucket. A watch begins with the picture and goes on in the bucket from the sequence after,
//! exactly as it goes on after a reconnect: since a bucket keeps the last message of every key, also of a removed one,
//! what changed since then is told, and nothing else is needed.
//!
//! Laws: a picture is only ever a shortcut, and whatever is odd about one (another bucket, other filters, a part of
//! another drawing, a part that is missing) means that the bucket is read; a head names a drawing only after all its
//! parts are stored; drawing never stands in the way of the watch.
//!
//! Deliberately missing: any use of a picture as a record. It leaves out SCIM documents, and what was removed before. And one thing is not
//! seen: messages that an operator takes out of a bucket's stream by hand, which no watch sees either.

mod drawing;
mod reading;

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use prost::Message as _;
use proto::v1::PictureHead;

use self::drawing::draw;
use self::reading::Reading;
use crate::bucket::Bucket;
use crate::connection::Bus;
use crate::key::Key;
use crate::record::Record;
use crate::watch::{Source, WatchEvent};

pub(crate) const STREAM: &str = "pictures";

/// When pictures are worth their making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureTerms {
    /// Fewer keys than this are read from the bucket in no time.
    pub keys_min: u64,
    /// A picture is drawn anew when so many messages have come since.
    pub stale_after: u64,
    /// How long a drawing waits before it begins.
    pub delay: Duration,
}

/// Twenty thousand keys are read in a fifth of a second, a hundred thousand messages in about one; and a drawing that
/// waits ten seconds does not compete with the first plan.
impl Default for PictureTerms {
    fn default() -> PictureTerms {
        PictureTerms {
            keys_min: 20_000,
            stale_after: 100_000,
            delay: Duration::from_secs(10),
        }
    }
}

fn subject(source: &Source, rest: &str) -> String {
    format!("rollcall.picture.v1.{}.{}.{rest}", source.org, source.bucket)
}

/// A picture could not be used, or not be drawn, and why.
#[derive(Debug)]
pub(crate) struct NoPicture(String);

impl std::fmt::Display for NoPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn no(why: impl ToString) -> NoPicture {
    NoPicture(why.to_string())
}

/// How a watch stands to pictures.
#[derive(Debug)]
pub(crate) struct Pictures {
    terms: PictureTerms,
    reading: Option<Reading>,
    /// Nothing has been looked for yet.
    fresh: bool,
    /// There is a picture, or one is being drawn.
    drawn: bool,
    /// Messages that came from the bucket and are in no picture.
    since: u64,
    drawing: tokio::task::JoinSet<()>,
}

impl Pictures {
    pub(crate) fn new(terms: PictureTerms) -> Pictures {
        Pictures {
            terms,
            reading: None,
            fresh: true,
            drawn: false,
            since: 0,
            drawing: tokio::task::JoinSet::new(),
        }
    }

    /// Looks for a picture, once. Says the sequence up to which it tells everything.
    pub(crate) async fn begin(&mut self, bus: &Bus, source: &Source, made: &str, last: u64) -> Option<u64> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        match Reading::open(bus, source, made, last).await {
            Ok(reading) => {
                let through = reading.through();
                self.reading = Some(reading);
                self.drawn = true;
                Some(through)
            }
            Err(why) => {
                tracing::debug!(bucket = source.bucket, %why, "no picture to begin with");
                None
            }
        }
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The next events; `None` when there are no more.
    ///
    /// # Errors
    /// When the picture turns out not to be whole: then the bucket must be read from the start.
    pub(crate) async fn next<K: Key, V: Record>(
        &mut self,
    ) -> Result<Option<VecDeque<WatchEvent<K, V>>>, NoPicture> {
        let Some(reading) = self.reading.as_mut() else {
            return Ok(None);
        };
        let events = reading.next().await;
        if !matches!(events, Ok(Some(_))) {
            self.reading = None;
        }
        self.drawn = events.is_ok();
        events
    }

    /// A message came from the bucket.
    pub(crate) fn count(&mut self) {
        self.since += 1;
    }

    /// Everything is told up to now: begins a drawing in the background if it is time for one.
    pub(crate) fn consider<K: Key, V: Record>(&mut self, bucket: &Bucket<K, V>, source: &Source) {
        let due = if self.drawn {
            self.terms.stale_after
        } else {
            self.terms.keys_min
        };
        if self.since < due {
            return;
        }
        while self.drawing.try_join_next().is_some() {}
        if !self.drawing.is_empty() {
            return;
        }
        (self.since, self.drawn) = (0, true);
        let (bucket, source, terms) = (bucket.clone(), source.clone(), self.terms);
        self.drawing.spawn(async move {
            tokio::time::sleep(terms.delay).await;
            match draw(&bucket, &source, terms.keys_min).await {
                Ok(None) => {}
                Ok(Some(items)) => {
                    tracing::info!(org.id = %source.org, bucket = source.bucket, items, "picture drawn")
                }
                Err(why) => {
                    tracing::warn!(org.id = %source.org, bucket = source.bucket, %why, "no picture was drawn")
                }
            }
        });
    }
}

/// The message on a subject of pictures.
async fn last(bus: &Bus, subject: &str) -> Result<Option<StreamMessage>, NoPicture> {
    let stream = bus.js.get_stream_no_info(STREAM).await.map_err(no)?;
    bus.last_of(&stream, subject).await.map_err(no)
}

/// The head and its revision.
async fn find_head(bus: &Bus, source: &Source) -> Result<Option<(PictureHead, u64)>, NoPicture> {
    let message = last(bus, &subject(source, "head")).await?;
    let head = message.map(|message| {
        let head = PictureHead::decode(message.payload).map_err(no)?;
        Ok((head, message.sequence))
    });
    head.transpose()
}
