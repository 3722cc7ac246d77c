//! Snapshots: one org's part of a bucket, packed into few large messages, so that a start is fast.
//!
//! A bucket delivers its keys one message at a time. Each message costs the server and the reader some microseconds: 1.5 million
//! messages are 10 s of two processors. A snapshot has the same values, thousands in one message, up to one sequence of the
//! bucket. A watch reads the snapshot, then continues in the bucket from the next sequence, as it does after a reconnect. A bucket
//! keeps the last message of every key, also of a removed one. So the watch receives everything that changed since the snapshot.
//!
//! Invariants:
//! - A snapshot is only a shortcut. If anything in it is unexpected (another bucket, other filters, a part of another snapshot, a
//!   missing part), the watch reads the bucket.
//! - A head names a snapshot only after all its parts are stored.
//! - Writing a snapshot never blocks the watch.
//!
//! Deliberately missing: use of a snapshot as a record. It leaves out SCIM documents and keys that were removed before. If an
//! operator deletes messages from a bucket's stream by hand, the snapshot does not show it; a running watch does not see it either.

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

/// Conditions for writing a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Fewest keys for a snapshot. Fewer keys are read fast enough from the bucket.
    pub keys_min: u64,
    /// Number of messages since the last snapshot after which a new one is written.
    pub stale_after: u64,
    /// Delay before writing starts.
    pub delay: Duration,
}

/// 20,000 keys are read in 0.2 s, 100,000 messages in about 1 s. After a delay of 10 s, writing does not compete with the first
/// plan.
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

/// Reason why a snapshot could not be used or written.
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

/// Reads and writes the snapshots of one watch.
#[derive(Debug)]
pub(crate) struct Snapshots {
    terms: SnapshotPolicy,
    reader: Option<SnapshotReader>,
    /// No snapshot was searched yet.
    fresh: bool,
    /// There is a snapshot, or one is being written.
    exists: bool,
    /// Number of messages that came from the bucket and are not in a snapshot.
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

    /// Searches for a snapshot, at the first call only. Returns the sequence up to which the snapshot is complete.
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
    /// When the snapshot is not complete. Then the bucket must be read from the start.
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

    /// Counts a message that came from the bucket.
    pub(crate) fn count(&mut self) {
        self.since += 1;
    }

    /// Starts writing a snapshot in the background if one is due. Called when the watch has delivered everything.
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
                    tracing::warn!(org.id = %source.org, bucket = source.bucket, %why, "no snapshot was written")
                }
            }
        });
    }
}

/// Reads the last message on a subject of the stream `snapshots`.
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
