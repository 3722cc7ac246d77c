//! Typed key-value buckets. Every write says what it expects to find.

use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MARKER_REASON};
use std::marker::PhantomData;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use bytes::Bytes;

use crate::commit::ChangeSet;
use crate::connection::{Bus, REQUEST_TIMEOUT};
use crate::error::{BusError, WriteError};
use crate::key::{Key, KeysUnder};
use crate::publish::{EXPECTED_UNDER, TYPE, headers_in, read_ack};
use crate::record::Record;
use crate::trace::{self, TRACEPARENT};

/// Most writes of one atomic batch: the limit of the server.
pub const BATCH_MAX: usize = 1_000;

/// Header with the place of a message in its change set, such as `2/5`.
pub(crate) const SET: &str = "Rollcall-Set";

pub(crate) const OPERATION: &str = "KV-Operation";

/// Condition of a write: what must be stored before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No value, or a deleted one.
    Absent,
    /// Exactly the value of this revision.
    Revision(u64),
    /// This is the newest revision among all of these keys, deleted ones included; 0 if there is none.
    NewestUnder(KeysUnder, u64),
    /// No condition.
    Any,
}

#[derive(Clone, Debug)]
pub enum Change<V> {
    Put(V),
    Delete,
}

#[derive(Clone, Debug)]
pub struct Write<K, V> {
    pub key: K,
    pub expect: Expect,
    pub change: Change<V>,
}

/// A value with its revision and the trace of its write.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<V> {
    pub value: V,
    /// The next write must expect this revision.
    pub revision: u64,
    /// W3C `traceparent` of the write.
    pub trace: Option<String>,
}

/// One bucket, with keys of type `K` and values of type `V`.
#[derive(Debug)]
pub struct Bucket<K, V> {
    pub(crate) bus: Bus,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Bucket<K, V> {
    fn clone(&self) -> Self {
        Bucket {
            bus: self.bus.clone(),
            of: PhantomData,
        }
    }
}

pub(crate) fn is_removal(headers: &HeaderMap) -> bool {
    headers.get(NATS_MARKER_REASON).is_some()
        || headers
            .get(OPERATION)
            .is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

impl Bus {
    pub(crate) async fn kv_stream(&self, bucket: &str) -> Result<Stream<()>, BusError> {
        self.js
            .get_stream_no_info(format!("KV_{bucket}"))
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "opening a bucket",
                source: error.into(),
            })
    }

    /// The last message of a subject, removals included.
    pub(crate) async fn last(&self, bucket: &str, subject: &str) -> Result<Option<StreamMessage>, BusError> {
        let stream = self.kv_stream(bucket).await?;
        self.last_of(&stream, subject).await
    }

    /// The last message of a subject in any stream.
    pub(crate) async fn last_of(
        &self,
        stream: &Stream<()>,
        subject: &str,
    ) -> Result<Option<StreamMessage>, BusError> {
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(BusError::Unavailable {
                doing: "reading a key",
                source: error.into(),
            }),
        }
    }
}

impl<K: Key, V: Record> Bucket<K, V> {
    pub(crate) fn new(bus: &Bus) -> Bucket<K, V> {
        Bucket {
            bus: bus.clone(),
            of: PhantomData,
        }
    }

    pub(crate) fn subject(key: &K) -> String {
        format!("$KV.{}.{}", K::BUCKET, key.text())
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// When the bus does not answer, or the value cannot be read.
    pub async fn get(&self, key: &K) -> Result<Option<Stored<V>>, BusError> {
        let subject = Bucket::<K, V>::subject(key);
        let Some(message) = self.bus.last(K::BUCKET, &subject).await? else {
            return Ok(None);
        };
        if is_removal(&message.headers) {
            return Ok(None);
        }
        let value = decode(&message.headers, &message.payload).map_err(|message| BusError::Broken {
            what: subject,
            message,
        })?;
        Ok(Some(Stored {
            value,
            revision: message.sequence,
            trace: header(&message.headers, TRACEPARENT),
        }))
    }

    /// The newest revision among these keys, deleted ones included; 0 if there is none.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn newest_under(&self, keys: &KeysUnder) -> Result<u64, BusError> {
        let filter = format!("$KV.{}.{}", K::BUCKET, keys.0);
        let last = self.bus.last(K::BUCKET, &filter).await?;
        Ok(last.map_or(0, |message| message.sequence))
    }

    /// Writes one key and returns its new revision.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] if `expect` does not hold; see [`WriteError`] for the others.
    pub async fn write(&self, write: Write<K, V>) -> Result<u64, WriteError> {
        self.write_in(write, trace::current().as_deref()).await
    }

    async fn write_in(&self, write: Write<K, V>, trace: Option<&str>) -> Result<u64, WriteError> {
        let subject = Bucket::<K, V>::subject(&write.key);
        let (headers, payload) = message(&write, trace);
        match self.bus.publish(&subject, headers, payload).await {
            Ok(stored) => Ok(stored.sequence),
            Err(WriteError::Conflict { .. }) if write.expect == Expect::Absent => {
                let write = self.over_removal(write).await?;
                let (headers, payload) = message(&write, trace);
                Ok(self.bus.publish(&subject, headers, payload).await?.sequence)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes all keys or none, and returns each key's new revision.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] if one `expect` does not hold. Then nothing was written.
    pub async fn write_all(&self, writes: Vec<Write<K, V>>) -> Result<Vec<u64>, WriteError> {
        self.write_set(ChangeSet::new(writes)).await
    }

    pub(crate) async fn write_set(&self, mut set: ChangeSet<K, V>) -> Result<Vec<u64>, WriteError> {
        if let [_] = set.writes.as_slice() {
            let write = set.writes.remove(0);
            return Ok(vec![self.write_in(write, set.trace.as_deref()).await?]);
        }
        let writes = &set.writes;
        match self.batch(std::slice::from_ref(&set)).await {
            Err(WriteError::Conflict { .. }) if writes.iter().any(|write| write.expect == Expect::Absent) => {
                let mut over = Vec::with_capacity(writes.len());
                for write in set.writes {
                    over.push(if write.expect == Expect::Absent {
                        self.over_removal(write).await?
                    } else {
                        write
                    });
                }
                self.batch(&[ChangeSet {
                    writes: over,
                    trace: set.trace,
                }])
                .await
            }
            other => other,
        }
    }

    /// Makes a write that expects no value expect the marker of a deleted key: the server keeps a marker with a revision.
    async fn over_removal(&self, write: Write<K, V>) -> Result<Write<K, V>, WriteError> {
        let subject = Bucket::<K, V>::subject(&write.key);
        let last = self
            .bus
            .last(K::BUCKET, &subject)
            .await
            .map_err(|error| WriteError::unknown(subject.clone(), error))?;
        match last {
            None => Ok(write),
            Some(message) if is_removal(&message.headers) => Ok(Write {
                expect: Expect::Revision(message.sequence),
                ..write
            }),
            Some(_) => Err(WriteError::Conflict { key: subject }),
        }
    }

    /// Stores all these change sets or none. A watch delivers each set as one.
    pub(crate) async fn batch(&self, sets: &[ChangeSet<K, V>]) -> Result<Vec<u64>, WriteError> {
        let count = sets.iter().map(|set| set.writes.len()).sum::<usize>();
        if count == 0 {
            return Ok(Vec::new());
        }
        if count > BATCH_MAX {
            let message = format!("a batch of {count} writes; {BATCH_MAX} is the most");
            return Err(WriteError::Refused {
                key: K::BUCKET.to_owned(),
                message,
            });
        }
        self.bus.crash_points.place().await;
        // The server allows 50 open batches per stream, for all processes together.
        let _permit = self.bus.batches.acquire().await;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let last = count - 1;
        let placed = sets
            .iter()
            .flat_map(|set| {
                set.writes
                    .iter()
                    .zip(1..)
                    .map(move |(write, place)| (write, place, set))
            })
            .collect::<Vec<_>>();
        for (index, (write, place, set)) in placed.into_iter().enumerate() {
            let subject = Bucket::<K, V>::subject(&write.key);
            let (mut headers, payload) = message(write, set.trace.as_deref());
            let size = set.writes.len();
            if size > 1 {
                headers.insert(SET, format!("{place}/{size}").as_str());
            }
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string().as_str());
            if index == last {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            if index == last {
                let sent = self
                    .bus
                    .client
                    .request_with_headers(subject.clone(), headers, payload);
                // All messages but the last one were sent.
                self.bus.crash_points.place().await;
                let exchange = tokio::time::timeout(REQUEST_TIMEOUT, sent);
                let answer = self.bus.crash_points.between(exchange).await;
                self.bus.crash_points.place().await;
                let reply = match answer {
                    Ok(Ok(reply)) => reply,
                    Ok(Err(error)) => return Err(WriteError::unknown(subject, error)),
                    Err(elapsed) => return Err(WriteError::unknown(subject, elapsed)),
                };
                let stored = read_ack(&subject, &reply.payload)?;
                return Ok((0..count)
                    .map(|at| stored.sequence - (last - at) as u64)
                    .collect());
            } else {
                let sent = self
                    .bus
                    .client
                    .publish_with_headers(subject.clone(), headers, payload)
                    .await;
                sent.map_err(|error| WriteError::unknown(subject, error))?;
            }
        }
        Ok(Vec::new())
    }
}

pub(crate) fn message<K: Key, V: Record>(write: &Write<K, V>, trace: Option<&str>) -> (HeaderMap, Bytes) {
    let (mut headers, payload) = match &write.change {
        Change::Put(value) => {
            let (type_name, payload) = value.encode();
            (headers_in(&type_name, trace), Bytes::from(payload))
        }
        Change::Delete => {
            let mut headers = HeaderMap::new();
            headers.insert(OPERATION, "DEL");
            (headers, Bytes::new())
        }
    };
    match &write.expect {
        Expect::Absent => headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0"),
        Expect::Revision(revision) => {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str())
        }
        Expect::NewestUnder(keys, revision) => {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
            headers.insert(EXPECTED_UNDER, format!("$KV.{}.{}", K::BUCKET, keys.0).as_str());
        }
        Expect::Any => {}
    }
    (headers, payload)
}

pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.as_str().to_owned())
}

pub(crate) fn decode<V: Record>(headers: &HeaderMap, payload: &[u8]) -> Result<V, String> {
    let type_name = header(headers, TYPE).ok_or_else(|| format!("the header {TYPE} is missing"))?;
    V::decode(&type_name, payload).map_err(|broken| broken.to_string())
}
