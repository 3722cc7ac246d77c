//! Snapshots: one org's part of a bucket, packed into few large messages, so that a start is quick.
//!
//! A bucket gives its keys one message at a time, and each costs the server and the reader microseconds: a million and a
//! half of them are ten seconds of two processors. A snapshot holds the same values, thousands to a message, as they were
//! up to one sequence of the bucket. A watch begins with the snapshot and goes on in the bucket from the sequence after,
//! exactly as it goes on after a reconnect: since a bucket keeps the last message of every key, also of a removed one,
//! what changed since then is told, and nothing else is needed.
//!
//! Laws: a snapshot is only ever a shortcut, and whatever is odd about one (another bucket, other filters, a part of
//! another drawing, a part that is missing) means that the bucket is read; a head names a drawing only after all its
//! parts are stored; drawing never stands in the way of the watch.
//!
//! Deliberately missing: any use of a snapshot as a record. It leaves out SCIM documents, and what was removed before. And one thing is not
//! seen: messages that an operator takes out of a bucket's stream by hand, which no watch sees either.

mod load;
mod write;

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use prost::Message as _;
use proto::v1::SnapshotHead;

use self::load::SnapshotReader;
use self::write::write;
use crate::bucket::Bucket;
use crate::connection::Bus;
use crate::key::Key;
use crate::record::Record;
use crate::watch::{Source, WatchEvent};

pub(crate) const STREAM: &str = "snapshots";

/// When snapshots are worth their making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Fewer keys than this are read from the bucket in no time.
    pub keys_min: u64,
    /// A snapshot is drawn anew when so many messages have come since.
    pub stale_after: u64,
    /// How long a drawing waits before it begins.
    pub delay: Duration,
}

/// Twenty thousand keys are read in a fifth of a second, a hundred thousand messages in about one; and a drawing that
/// waits ten seconds does not compete with the first plan.
impl Default for SnapshotPolicy {
    fn default() -> SnapshotPolicy {
        SnapshotPolicy {
            keys_min: 20_000,
            stale_after: 100_000,
            delay: Duration::from_secs(10),
        }
    }
}

fn subject(source: &Source, rest: &str) -> String {
    format!("rollcall.snapshot.v1.{}.{}.{rest}", source.org, source.bucket)
}

/// A snapshot could not be used, or not be drawn, and why.
#[derive(Debug)]
pub(crate) struct SnapshotError(String);

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn no(why: impl ToString) -> SnapshotError {
    SnapshotError(why.to_string())
}

/// How a watch stands to snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    terms: SnapshotPolicy,
    reader: Option<SnapshotReader>,
    /// Nothing has been looked for yet.
    fresh: bool,
    /// There is a snapshot, or one is being drawn.
    exists: bool,
    /// Messages that came from the bucket and are in no snapshot.
    since: u64,
    writes: tokio::task::JoinSet<()>,
}

impl Snapshots {
    pub(crate) fn new(terms: SnapshotPolicy) -> Snapshots {
        Snapshots {
            terms,
            reader: None,
            fresh: true,
            exists: false,
            since: 0,
            writes: tokio::task::JoinSet::new(),
        }
    }

    /// Looks for a snapshot, once. Says the sequence up to which it tells everything.
    pub(crate) async fn begin(&mut self, bus: &Bus, source: &Source, made: &str, last: u64) -> Option<u64> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        match SnapshotReader::open(bus, source, made, last).await {
            Ok(reader) => {
                let through = reader.through();
                self.reader = Some(reader);
                self.exists = true;
                Some(through)
            }
            Err(why) => {
                tracing::debug!(bucket = source.bucket, %why, "no snapshot to begin with");
                None
            }
        }
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.reader.is_some()
    }

    /// The next events; `None` when there are no more.
    ///
    /// # Errors
    /// When the snapshot turns out not to be whole: then the bucket must be read from the start.
    pub(crate) async fn next<K: Key, V: Record>(
        &mut self,
    ) -> Result<Option<VecDeque<WatchEvent<K, V>>>, SnapshotError> {
        let Some(reader) = self.reader.as_mut() else {
            return Ok(None);
        };
        let events = reader.next().await;
        if !matches!(events, Ok(Some(_))) {
            self.reader = None;
        }
        self.exists = events.is_ok();
        events
    }

    /// A message came from the bucket.
    pub(crate) fn count(&mut self) {
        self.since += 1;
    }

    /// Everything is told up to now: begins a drawing in the background if it is time for one.
    pub(crate) fn consider<K: Key, V: Record>(&mut self, bucket: &Bucket<K, V>, source: &Source) {
        let due = if self.exists {
            self.terms.stale_after
        } else {
            self.terms.keys_min
        };
        if self.since < due {
            return;
        }
        while self.writes.try_join_next().is_some() {}
        if !self.writes.is_empty() {
            return;
        }
        (self.since, self.exists) = (0, true);
        let (bucket, source, terms) = (bucket.clone(), source.clone(), self.terms);
        self.writes.spawn(async move {
            tokio::time::sleep(terms.delay).await;
            match write(&bucket, &source, terms.keys_min).await {
                Ok(None) => {}
                Ok(Some(items)) => {
                    tracing::info!(org.id = %source.org, bucket = source.bucket, items, "snapshot written")
                }
                Err(why) => {
                    tracing::warn!(org.id = %source.org, bucket = source.bucket, %why, "no snapshot was drawn")
                }
            }
        });
    }
}

/// The message on a subject of snapshots.
async fn last(bus: &Bus, subject: &str) -> Result<Option<StreamMessage>, SnapshotError> {
    let stream = bus.js.get_stream_no_info(STREAM).await.map_err(no)?;
    bus.last_of(&stream, subject).await.map_err(no)
}

/// The head and its revision.
async fn find_head(bus: &Bus, source: &Source) -> Result<Option<(SnapshotHead, u64)>, SnapshotError> {
    let message = last(bus, &subject(source, "head")).await?;
    let head = message.map(|message| {
        let head = SnapshotHead::decode(message.payload).map_err(no)?;
        Ok((head, message.sequence))
    });
    head.transpose()
}
