//! Group commit: many independent changes of one bucket stored together.
//!
//! A guarded publish takes one sync of the disk, and a stream syncs one message after the other; an atomic batch costs as
//! much as some ten single writes, and little more for each message in it (docs/decisions/0015-guards-over-keys-and-group-commit.md has the
//! figures). So few changes go one by one, and many share a batch. Nothing is answered before it is durable, and a change
//! whose guard fails is refused alone: it never takes others with it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use crate::bucket::{BATCH_MAX, Bucket, Change, Write, is_removal, message};
use crate::error::WriteError;
use crate::key::Key;
use crate::record::Record;
use crate::trace;

/// Up to this many changes of one message each are quicker one by one than in a batch.
const SINGLES_MAX: usize = 8;

/// Changes that are written side by side when each goes alone.
const SIDE_BY_SIDE: usize = 8;

/// How long a change waits for a server that is slow, away or busy. Identity providers wait a minute or more.
const PATIENCE: Duration = Duration::from_secs(25);

/// Pause before a change is sent again that got no answer.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys that change together: all of them, or none.
#[derive(Clone, Debug)]
pub struct ChangeSet<K, V> {
    pub writes: Vec<Write<K, V>>,
    /// W3C `traceparent` of whoever wants the change.
    pub(crate) trace: Option<String>,
}

impl<K, V> ChangeSet<K, V> {
    /// A set that belongs to the current trace.
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
    /// Stores change sets that have no key in common, each whole or not at all, and tells of each what came of it.
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
            // One of them met somebody else's write, or the batch as such failed: each for itself.
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

    /// Sends a change set until its outcome is known, or patience ends. `unanswered`: it was sent before without an answer.
    async fn commit_one(&self, set: ChangeSet<K, V>, mut unanswered: bool) -> Result<Revisions, WriteError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let error = match self.write_set(set.clone()).await {
                Ok(revisions) => return Ok(revisions),
                Err(error) => error,
            };
            match error {
                // An earlier attempt may have been stored without an answer.
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

    /// The revisions of a change set if it is what is stored now.
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
