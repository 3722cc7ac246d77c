//! Reads one org's part of a bucket, then follows its changes, across reconnects.
//!
//! The client library resumes a watch ten seconds after a server restart. Here a reconnect creates a new consumer at once, from the
//! first sequence not seen yet. If the bucket went back in time, the watch reports a reset and delivers it again from the start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use provisioning::OrgId;

use crate::bucket::{Bucket, SET, Stored, decode, header, is_removal};
use crate::connection::Bus;
use crate::dead::Buried;
use crate::key::Key;
use crate::position::Position;
use crate::publish::TYPE;
use crate::record::Record;
use crate::snapshot::{SnapshotPolicy, Snapshots};
use crate::trace::TRACEPARENT;

/// Pause after a failed attempt to watch again.
const PAUSE: Duration = Duration::from_millis(250);

/// Messages per pull request.
const PULLED: usize = 500;

/// Most events that are held back because a change set is torn. A watch that is so far behind shows old states anyway.
const HELD_MAX: usize = 10_000;

/// How long the server keeps the consumer of a process that ended.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// An event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<K, V> {
    Put(K, Stored<V>),
    Removed(K),
    /// All values that existed at the start, or after a reset, were delivered.
    Synced,
    /// The bucket went back in time. Forget everything: all values are delivered again.
    Reset,
}

/// The first events of a change set that is not complete yet.
#[derive(Debug)]
struct Held<K, V> {
    begins: u64,
    ends: u64,
    /// Sequence of the next message of the set.
    next: u64,
    /// A message of the set is missing: its key was written again before the watch read it, and its new value comes later.
    torn: bool,
    events: Vec<WatchEvent<K, V>>,
}

/// Parses the place of a message in its set, counted from 1, and the size of the set: `2/5`.
fn place_in_set(text: &str) -> Option<(u64, u64)> {
    let (place, size) = text.split_once('/')?;
    let (place, size) = (place.parse().ok()?, size.parse().ok()?);
    (1..=size).contains(&place).then_some((place, size))
}

/// A watch of one org's part of a bucket.
pub struct Watch<K, V> {
    bucket: Bucket<K, V>,
    source: Source,
    snapshots: Option<Snapshots>,
    seen: u64,
    /// The initial state was not delivered completely yet.
    behind: bool,
    /// Every key of the org is watched, so that no part of a set can be missing.
    whole: bool,
    messages: Option<pull::Stream>,
    connection: u64,
    ready: VecDeque<WatchEvent<K, V>>,
    /// The start of a change set, and the sequence that ends the set.
    held: Option<Held<K, V>>,
    position: Arc<Position>,
}

impl<K, V> std::fmt::Debug for Watch<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("source", &self.source)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Record> Bucket<K, V> {
    /// Watches all keys of one org.
    pub fn watch(&self, org: &OrgId) -> Watch<K, V> {
        let watch = self.watch_over(org, vec![format!("$KV.{}.{org}.>", K::BUCKET)]);
        Watch { whole: true, ..watch }
    }

    /// Watches only keys of these kinds. The kind is the part after the org in the text of a key.
    pub fn watch_kinds(&self, org: &OrgId, kinds: &[&str]) -> Watch<K, V> {
        let filter = |kind: &&str| format!("$KV.{}.{org}.{kind}.>", K::BUCKET);
        self.watch_over(org, kinds.iter().map(filter).collect())
    }

    fn watch_over(&self, org: &OrgId, filters: Vec<String>) -> Watch<K, V> {
        Watch {
            bucket: self.clone(),
            source: Source {
                org: org.clone(),
                bucket: K::BUCKET,
                filters,
            },
            snapshots: None,
            seen: 0,
            behind: true,
            whole: false,
            messages: None,
            connection: 0,
            ready: VecDeque::new(),
            held: None,
            position: Arc::default(),
        }
    }
}

/// The part of a bucket that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) org: OrgId,
    pub(crate) bucket: &'static str,
    pub(crate) filters: Vec<String>,
}

impl Source {
    /// The bucket's stream, with its current state.
    pub(crate) async fn stream(&self, bus: &Bus) -> Result<Stream, String> {
        let stream = bus.js.get_stream(format!("KV_{}", self.bucket)).await;
        stream.map_err(|error| error.to_string())
    }

    /// Creates a consumer of all messages after `seen`. If `seen` is 0, it delivers the last message of each key.
    pub(crate) async fn consumer(
        &self,
        stream: &Stream,
        seen: u64,
    ) -> Result<Consumer<pull::Config>, String> {
        let policy = match seen {
            0 => DeliverPolicy::LastPerSubject,
            seen => DeliverPolicy::ByStartSequence {
                start_sequence: seen + 1,
            },
        };
        let config = pull::Config {
            deliver_policy: policy,
            ack_policy: AckPolicy::None,
            filter_subjects: self.filters.clone(),
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        stream
            .create_consumer(config)
            .await
            .map_err(|error| error.to_string())
    }

    pub(crate) async fn messages(consumer: Consumer<pull::Config>) -> Result<pull::Stream, String> {
        consumer
            .stream()
            .max_messages_per_batch(PULLED)
            .heartbeat(Duration::from_secs(2))
            .expires(Duration::from_secs(20))
            .messages()
            .await
            .map_err(|error| error.to_string())
    }
}

impl<K: Key, V: Record> Watch<K, V> {
    /// Starts with a snapshot of the bucket if there is one, and writes snapshots when they are due. Values from a snapshot have no
    /// SCIM documents.
    pub fn with_snapshots(mut self, terms: SnapshotPolicy) -> Watch<K, V> {
        self.snapshots = Some(Snapshots::new(terms));
        self
    }

    /// Position of this watch, for callers that must know that it has seen everything up to now.
    pub fn position(&self) -> Arc<Position> {
        self.position.clone()
    }

    /// Waits for the next event, also while the bus is unreachable.
    pub async fn next(&mut self) -> WatchEvent<K, V> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            // A caller that requests the next event has handled all events before it.
            self.position.followed(self.followed());
            if self.snapshots.as_ref().is_some_and(Snapshots::is_loading) {
                self.load_snapshot().await;
                continue;
            }
            if self.messages.is_none() {
                self.open().await;
                continue;
            }
            let mut connections = self.bucket.bus.connections.clone();
            let mine = self.connection;
            let Some(messages) = self.messages.as_mut() else {
                continue;
            };
            let message = tokio::select! {
                message = messages.next() => message,
                // After a reconnect, messages that this consumer was about to deliver may never come.
                Ok(_) = connections.wait_for(|count| *count != mine) => None,
            };
            match message {
                Some(Ok(message)) => self.handle(message).await,
                Some(Err(error)) => {
                    tracing::debug!(%error, source = ?self.source, "a watch broke off, watching anew");
                    self.messages = None;
                }
                None => self.messages = None,
            }
        }
    }

    /// Returns the next event if it is there already, such as the rest of a change set. Read all of these before the state is used,
    /// so that no reader sees half of a set.
    pub fn next_now(&mut self) -> Option<WatchEvent<K, V>> {
        self.ready.pop_front()
    }

    /// Sequence up to which everything was delivered.
    fn followed(&self) -> u64 {
        self.held.as_ref().map_or(self.seen, |held| held.begins - 1)
    }

    async fn open(&mut self) {
        self.connection = *self.bucket.bus.connections.borrow();
        self.position.lost();
        match self.try_open().await {
            Ok(()) => {}
            Err(message) => {
                tracing::debug!(message, source = ?self.source, "cannot watch yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn try_open(&mut self) -> Result<(), String> {
        let bus = self.bucket.bus.clone();
        let stream = self.source.stream(&bus).await?;
        let (last, made) = (
            stream.cached_info().state.last_sequence,
            stream.cached_info().created.to_string(),
        );
        // A watch that broke off inside a set continues after the last message it has seen, unless the bucket went back in time.
        if last < self.seen {
            self.held = None;
            self.seen = 0;
            self.behind = true;
            self.ready.push_back(WatchEvent::Reset);
        }
        if self.seen == 0
            && let Some(snapshots) = self.snapshots.as_mut()
            && let Some(through) = snapshots.begin(&bus, &self.source, &made, last).await
        {
            self.seen = through;
            return Ok(());
        }
        let consumer = self.source.consumer(&stream, self.seen).await?;
        let (pending, name) = (
            consumer.cached_info().num_pending,
            consumer.cached_info().name.clone(),
        );
        let messages = Source::messages(consumer).await?;
        self.settle(pending);
        self.position.opened(name, self.followed());
        self.messages = Some(messages);
        Ok(())
    }

    async fn load_snapshot(&mut self) {
        let Some(snapshots) = self.snapshots.as_mut() else {
            return;
        };
        match snapshots.next().await {
            Ok(events) => self.ready.extend(events.into_iter().flatten()),
            Err(why) => {
                tracing::warn!(org.id = %self.source.org, bucket = self.source.bucket, %why, "the snapshot is incomplete; reading the bucket instead");
                self.seen = 0;
            }
        }
    }

    /// Reports [`WatchEvent::Synced`] when nothing is pending. A count of messages would end too early: a key that is written during
    /// the read moves to the end.
    fn settle(&mut self, pending: u64) {
        let is_over = |held: &Held<K, V>| self.behind || self.is_whole(held, pending);
        if pending == 0 && self.held.as_ref().is_some_and(is_over) {
            self.emit_held();
        }
        if self.behind && pending == 0 {
            self.behind = false;
            self.ready.push_back(WatchEvent::Synced);
        }
        if !self.behind
            && let Some(snapshots) = self.snapshots.as_mut()
        {
            snapshots.consider(&self.bucket, &self.source);
        }
    }

    async fn handle(&mut self, message: async_nats::jetstream::Message) {
        let Ok((sequence, pending)) = message.info().map(|info| (info.stream_sequence, info.pending)) else {
            self.messages = None;
            return;
        };
        let message = message.message;
        self.seen = self.seen.max(sequence);
        if let Some(snapshots) = self.snapshots.as_mut() {
            snapshots.count();
        }
        let headers = message.headers.unwrap_or_default();
        let set = header(&headers, SET).and_then(|place| place_in_set(&place));
        if let Some(held) = &mut self.held {
            held.torn |= sequence != held.next;
            held.next = sequence + 1;
        }
        let text = message
            .subject
            .as_str()
            .strip_prefix("$KV.")
            .and_then(|rest| rest.split_once('.'));
        match text.and_then(|(_, key)| K::parse(key)) {
            None => {
                self.bury(
                    &message.subject,
                    "is no key of this bucket",
                    None,
                    &message.payload,
                )
                .await
            }
            Some(key) if is_removal(&headers) => self.emit(sequence, set, WatchEvent::Removed(key)),
            Some(key) => match decode(&headers, &message.payload) {
                Ok(value) => {
                    let trace = header(&headers, TRACEPARENT);
                    let stored = Stored {
                        value,
                        revision: sequence,
                        trace,
                    };
                    self.emit(sequence, set, WatchEvent::Put(key, stored));
                }
                Err(reason) => {
                    let type_name = header(&headers, TYPE);
                    self.bury(&message.subject, &reason, type_name, &message.payload)
                        .await
                }
            },
        }
        // Also if the last message of a set could not be read.
        if self
            .held
            .as_ref()
            .is_some_and(|held| self.is_whole(held, pending))
        {
            self.emit_held();
        }
        self.settle(pending);
    }

    /// Delivers an event, or holds it until its change set is complete, so that no reader sees half of a set.
    fn emit(&mut self, sequence: u64, set: Option<(u64, u64)>, event: WatchEvent<K, V>) {
        match (&mut self.held, set.filter(|_| self.whole)) {
            (None, None) => self.ready.push_back(event),
            (None, Some((place, size))) => {
                self.held = Some(Held {
                    begins: sequence,
                    ends: sequence + size - place,
                    next: sequence + 1,
                    torn: place > 1,
                    events: vec![event],
                });
            }
            (Some(held), set) => {
                held.events.push(event);
                if let Some((place, size)) = set {
                    held.ends = held.ends.max(sequence + size - place);
                }
            }
        }
    }

    /// True if the held set is complete, with this number of messages pending.
    fn is_whole(&self, held: &Held<K, V>, pending: u64) -> bool {
        // No reader uses the state before everything that existed at the start was delivered.
        let torn = held.torn && !self.behind && held.events.len() < HELD_MAX;
        self.seen >= held.ends && (!torn || pending == 0)
    }

    fn emit_held(&mut self) {
        if let Some(held) = self.held.take() {
            self.ready.extend(held.events);
        }
    }

    /// Writes a dead letter about a record that cannot be read. The record stays in the bucket, so nothing is lost if this fails: the
    /// next watch writes the dead letter again.
    async fn bury(&self, subject: &str, reason: &str, type_name: Option<String>, payload: &Bytes) {
        let buried = Buried {
            subject,
            sequence: 0,
            type_name,
            payload: payload.clone(),
        };
        let _ = self.bucket.bus.bury(buried, reason).await;
    }
}
