//! Group commit: stores many independent changes of one bucket together.
//!
//! A guarded publish needs one sync to disk, and a stream syncs one message after the other. An atomic batch costs as much as
//! some ten single writes, and little more for each message in it. The figures are in
//! docs/decisions/0015-guards-over-keys-and-group-commit.md. So few changes are written one by one, and many share a batch. A change
//! is confirmed only when it is durable. If the guard of a change fails, only this change is refused.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use crate::bucket::{BATCH_MAX, Bucket, Change, Write, is_removal, message};
use crate::error::WriteError;
use crate::key::Key;
use crate::record::Record;
use crate::trace;

/// Most changes of one message each that are faster one by one than in a batch.
const SINGLES_MAX: usize = 8;

/// Changes that are written at the same time when each is written alone.
const SIDE_BY_SIDE: usize = 8;

/// How long a change waits for a server that is slow, unreachable or busy. Identity providers wait a minute or more.
const PATIENCE: Duration = Duration::from_secs(25);

/// Pause before a change is sent again after no response or a busy server.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes that are stored together: all or none.
#[derive(Clone, Debug)]
pub struct ChangeSet<K, V> {
    pub writes: Vec<Write<K, V>>,
    /// W3C `traceparent` of the request that made the change.
    pub(crate) trace: Option<String>,
}

impl<K, V> ChangeSet<K, V> {
    /// Creates a set that belongs to the current trace.
    pub fn new(writes: Vec<Write<K, V>>) -> ChangeSet<K, V> {
        ChangeSet {
            writes,
            trace: trace::current(),
        }
    }
}

/// The new revision of each key of a change set.
pub type Revisions = Vec<u64>;

impl<K: Key, V: Record> Bucket<K, V> {
    /// Stores change sets that have no key in common. Each set is stored completely or not at all. Returns one outcome per set.
    pub async fn commit(&self, sets: Vec<ChangeSet<K, V>>) -> Vec<Result<Revisions, WriteError>> {
        let messages: usize = sets.iter().map(|set| set.writes.len()).sum();
        let few = sets.len() <= SINGLES_MAX && sets.iter().all(|set| set.writes.len() <= 1);
        if sets.len() < 2 || few || messages > BATCH_MAX {
            return self.commit_each(sets, false).await;
        }
        match self.batch(&sets).await {
            Ok(revisions) => {
                let mut rest = revisions.into_iter();
                sets.iter()
                    .map(|set| Ok(rest.by_ref().take(set.writes.len()).collect()))
                    .collect()
            }
            // One set has a conflict, or the batch as a whole failed. Write each set alone.
            Err(error) => {
                let unanswered = matches!(error, WriteError::Unknown { .. });
                self.commit_each(sets, unanswered).await
            }
        }
    }

    async fn commit_each(
        &self,
        sets: Vec<ChangeSet<K, V>>,
        unanswered: bool,
    ) -> Vec<Result<Revisions, WriteError>> {
        stream::iter(sets)
            .map(|set| self.commit_one(set, unanswered))
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await
    }

    /// Sends a change set until its outcome is known or [`PATIENCE`] is over. `unanswered`: it was sent before and got no response.
    async fn commit_one(&self, set: ChangeSet<K, V>, mut unanswered: bool) -> Result<Revisions, WriteError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let error = match self.write_set(set.clone()).await {
                Ok(revisions) => return Ok(revisions),
                Err(error) => error,
            };
            match error {
                // An earlier attempt may be stored although no response came.
                WriteError::Conflict { .. } if unanswered => match self.as_stored(&set.writes).await {
                    Ok(Some(revisions)) => return Ok(revisions),
                    Ok(None) => return Err(error),
                    Err(unknown) if Instant::now() >= until => return Err(unknown),
                    Err(_) => {}
                },
                WriteError::Unknown { .. } | WriteError::Busy { .. } if Instant::now() < until => {
                    unanswered |= matches!(error, WriteError::Unknown { .. });
                }
                WriteError::Conflict { .. }
                | WriteError::Unknown { .. }
                | WriteError::Busy { .. }
                | WriteError::Refused { .. } => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The revisions of a change set if exactly its values are stored now.
    async fn as_stored(&self, set: &[Write<K, V>]) -> Result<Option<Revisions>, WriteError> {
        let mut revisions = Vec::with_capacity(set.len());
        for write in set {
            let subject = Bucket::<K, V>::subject(&write.key);
            let last = self
                .bus
                .last(K::BUCKET, &subject)
                .await
                .map_err(|error| WriteError::unknown(subject, error))?;
            let (_, payload) = message(write, None);
            let same = last.filter(|last| match write.change {
                Change::Put(_) => !is_removal(&last.headers) && last.payload == payload,
                Change::Delete => is_removal(&last.headers),
            });
            match same {
                Some(last) => revisions.push(last.sequence),
                None => return Ok(None),
            }
        }
        Ok(Some(revisions))
    }
}
