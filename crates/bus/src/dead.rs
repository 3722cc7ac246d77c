//! Dead letters: what cannot be read or taken is set aside with the reason, never dropped, until a person decides.
//!
//! A letter lies on `rollcall.dead.v1.{org}.{id}`. The id is made of what was set aside and where it lay, so setting the same
//! thing aside twice leaves one letter.

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::{OrgId, SourceId};
use sha2::{Digest as _, Sha256};

use crate::bucket::header;
use crate::connection::Bus;
use crate::error::{BusError, Cause, WriteError};
use crate::feed::{Event, RECEIPT, ReceiptInbox, event_in};
use crate::publish::headers;

/// Most characters of a reason.
const REASON_MAX: usize = 500;

/// Letters that are read at once.
pub const LETTERS_AT_ONCE: usize = 200;

/// How long the server keeps the reader of a process that went away.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

const SUBJECT: &str = "Rollcall-Dead-Subject";
const REASON: &str = "Rollcall-Dead-Reason";
const OF_TYPE: &str = "Rollcall-Dead-Type";

/// A payload to set aside, and the subject it lay on.
#[derive(Debug)]
pub(crate) struct Buried<'a> {
    pub(crate) subject: &'a str,
    /// Its place, where the same payload may come twice and mean two things.
    pub(crate) sequence: u64,
    pub(crate) type_name: Option<String>,
    pub(crate) payload: Bytes,
}

impl Buried<'_> {
    fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.subject.as_bytes());
        hash.update([0]);
        hash.update(self.sequence.to_be_bytes());
        hash.update(&self.payload);
        hash.finalize()[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn org(&self) -> &str {
        let no_org = [
            "$KV", "roster", "observed", "links", "schema", "rollcall", "feed", "v1",
        ];
        let mut tokens = self.subject.split('.');
        tokens.find(|token| !no_org.contains(token)).unwrap_or("unknown")
    }
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: String,
    /// When it was set aside.
    pub at_ms: u64,
    /// Subject it was sent to.
    pub subject: String,
    pub reason: String,
    /// The event, if it can be read.
    pub event: Option<Event>,
    type_name: Option<String>,
    payload: Bytes,
    sequence: u64,
}

impl DeadLetter {
    /// Source of the event, if it came through the feed.
    pub fn source(&self) -> Option<SourceId> {
        let rest = self.subject.strip_prefix("rollcall.feed.v1.")?;
        let (_, source) = rest.split_once('.')?;
        SourceId::parse(source).ok()
    }

    /// Its place among the letters: where a later page goes on.
    pub fn place(&self) -> u64 {
        self.sequence
    }
}

/// How a letter left the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetterEnd {
    Replayed,
    Dropped,
}

impl LetterEnd {
    fn as_str(self) -> &'static str {
        match self {
            LetterEnd::Replayed => "replayed",
            LetterEnd::Dropped => "dropped",
        }
    }
}

/// A letter could not leave the list.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error(
        "dead letter {id} is a record of Rollcall's own state, not an event; have its source send it again, then drop the letter"
    )]
    NoEvent { id: String },
    #[error("dead letter {id} could not be written to the journal, and stays in the list")]
    Journal {
        id: String,
        #[source]
        source: WriteError,
    },
    #[error("dead letter {id} could not be handed to the feed, and stays in the list")]
    Feed {
        id: String,
        #[source]
        source: WriteError,
    },
    #[error(
        "dead letter {id} could not be taken off the list; do it once more, a second replay changes nothing"
    )]
    Delete {
        id: String,
        #[source]
        source: BusError,
    },
}

impl Bus {
    /// Sets something aside, with where it lay and why. What is set aside already stays as it is.
    ///
    /// # Errors
    /// When it is not stored for certain: then it must be kept where it is.
    pub(crate) async fn bury(&self, buried: Buried<'_>, reason: &str) -> Result<(), WriteError> {
        let subject = buried.subject;
        let line: String = reason
            .chars()
            .filter(|c| !c.is_control())
            .take(REASON_MAX)
            .collect();
        let mut headers = HeaderMap::new();
        headers.insert(SUBJECT, subject);
        headers.insert(REASON, line.as_str());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        if let Some(type_name) = &buried.type_name {
            headers.insert(OF_TYPE, type_name.as_str());
        }
        let id = buried.id();
        let letter = format!("rollcall.dead.v1.{}.{id}", buried.org());
        let place = subject.split('.').nth(1).unwrap_or_default().to_owned();
        match self.publish(&letter, headers, buried.payload.clone()).await {
            Ok(_) => {
                tracing::error!(
                    subject,
                    letter.id = id,
                    "a payload was set aside as a dead letter"
                );
                metrics::counter!("rollcall_dead_letters_total", "place" => place).increment(1);
                Ok(())
            }
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => {
                tracing::error!(subject, letter.id = id, %error, "a payload could not be set aside and stays where it is");
                Err(error)
            }
        }
    }

    /// How many dead letters of an org there are.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn dead_letter_count(&self, org: &OrgId) -> Result<u64, BusError> {
        let stream = self.letters().await?;
        let consumer = letters_after(&stream, org, 0).await?;
        let (pending, name) = (
            consumer.cached_info().num_pending,
            consumer.cached_info().name.clone(),
        );
        // It would be forgotten by itself.
        let _ = stream.delete_consumer(&name).await;
        Ok(pending)
    }

    /// The next dead letters of an org behind a place, oldest first; 0 begins.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn dead_letters(&self, org: &OrgId, behind: u64) -> Result<Vec<DeadLetter>, BusError> {
        let stream = self.letters().await?;
        let consumer = letters_after(&stream, org, behind).await?;
        let messages = consumer.fetch().max_messages(LETTERS_AT_ONCE).messages().await;
        let mut messages = messages.map_err(|error| unavailable(error.into()))?;
        let mut letters = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| unavailable(error.into()))?;
            let info = message.info().map_err(|error| unavailable(error.into()))?;
            let at_ms = u64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
            let sequence = info.stream_sequence;
            let headers = message.headers.clone().unwrap_or_default();
            letters.push(letter(
                message.subject.as_str(),
                &headers,
                &message.payload,
                (sequence, at_ms),
            ));
        }
        let _ = stream.delete_consumer(&consumer.cached_info().name).await;
        Ok(letters)
    }

    /// The dead letter of an id.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn dead_letter(&self, org: &OrgId, id: &str) -> Result<Option<DeadLetter>, BusError> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let stream = self.letters().await?;
        let subject = format!("rollcall.dead.v1.{org}.{id}");
        let message = self.last_of(&stream, &subject).await?;
        Ok(message.map(|message| {
            let at_ms = u64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
            letter(
                &subject,
                &message.headers,
                &message.payload,
                (message.sequence, at_ms),
            )
        }))
    }

    /// Hands a dead letter to the feed once more, under a message id of its own, and takes it off the list. A crash in between
    /// leaves it in the list; to replay it again then changes nothing.
    ///
    /// # Errors
    /// See [`LetterError`].
    pub async fn replay_letter(
        &self,
        org: &OrgId,
        letter: &DeadLetter,
        receipts: Option<&ReceiptInbox>,
        by: (&str, u64),
    ) -> Result<(), LetterError> {
        let id = || letter.id.clone();
        if letter.source().is_none() {
            return Err(LetterError::NoEvent { id: id() });
        }
        let own = v1::IdentityEvent::full_name();
        let mut headers = headers(letter.type_name.as_ref().unwrap_or(&own));
        let message_id = format!("{org}/replay/{}/{}", letter.id, letter.sequence);
        headers.insert(NATS_MESSAGE_ID, message_id.as_str());
        if let Some(receipts) = receipts {
            headers.insert(RECEIPT, receipts.subject());
        }
        self.publish(&letter.subject, headers, letter.payload.clone())
            .await
            .map_err(|source| LetterError::Feed { id: id(), source })?;
        self.end_letter(org, letter, LetterEnd::Replayed, by).await
    }

    /// Drops a dead letter. The journal keeps it.
    ///
    /// # Errors
    /// See [`LetterError`].
    pub async fn drop_letter(
        &self,
        org: &OrgId,
        letter: &DeadLetter,
        by: (&str, u64),
    ) -> Result<(), LetterError> {
        self.end_letter(org, letter, LetterEnd::Dropped, by).await
    }

    /// Writes into the journal how a letter ended, and takes it off the list.
    async fn end_letter(
        &self,
        org: &OrgId,
        letter: &DeadLetter,
        end: LetterEnd,
        (by, at_ms): (&str, u64),
    ) -> Result<(), LetterError> {
        let id = || letter.id.clone();
        let record = v1::Letter {
            id: id(),
            subject: letter.subject.clone(),
            r#type: letter.type_name.clone().unwrap_or_default(),
            reason: letter.reason.clone(),
            set_aside_at_ms: letter.at_ms,
            ended: end.as_str().to_owned(),
            ended_at_ms: at_ms,
            by: by.to_owned(),
            payload: letter.payload.to_vec(),
        };
        let mut headers = headers(&v1::Letter::full_name());
        let message_id = format!("{org}/letter/{}/{}", letter.id, letter.sequence);
        headers.insert(NATS_MESSAGE_ID, message_id.as_str());
        let journal = format!("rollcall.journal.v1.{org}.letter");
        self.publish(&journal, headers, Bytes::from(record.encode_to_vec()))
            .await
            .map_err(|source| LetterError::Journal { id: id(), source })?;
        let deleted = |source| LetterError::Delete { id: id(), source };
        let stream = self.letters().await.map_err(deleted)?;
        stream
            .delete_message(letter.sequence)
            .await
            .map_err(|error| deleted(unavailable(error.into())))?;
        Ok(())
    }

    async fn letters(&self) -> Result<Stream<()>, BusError> {
        let stream = self.js.get_stream_no_info("dead").await;
        stream.map_err(|error| unavailable(error.into()))
    }
}

async fn letters_after(
    stream: &Stream<()>,
    org: &OrgId,
    behind: u64,
) -> Result<Consumer<pull::Config>, BusError> {
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: behind + 1,
        },
        ack_policy: AckPolicy::None,
        filter_subject: format!("rollcall.dead.v1.{org}.>"),
        inactive_threshold: FORGOTTEN_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await;
    consumer.map_err(|error| unavailable(error.into()))
}

fn letter(place: &str, headers: &HeaderMap, payload: &Bytes, (sequence, at_ms): (u64, u64)) -> DeadLetter {
    let subject = header(headers, SUBJECT).unwrap_or_default();
    let type_name = header(headers, OF_TYPE);
    let is_event = subject.starts_with("rollcall.feed.")
        && type_name
            .as_ref()
            .is_none_or(|name| *name == v1::IdentityEvent::full_name());
    let event = is_event
        .then(|| v1::IdentityEvent::decode(payload.as_ref()).ok())
        .flatten()
        .and_then(|event| event_in(event).ok());
    DeadLetter {
        id: place.rsplit('.').next().unwrap_or_default().to_owned(),
        at_ms,
        subject,
        reason: header(headers, REASON).unwrap_or_default(),
        event,
        type_name,
        payload: payload.clone(),
        sequence,
    }
}

fn unavailable(source: Cause) -> BusError {
    BusError::Unavailable {
        doing: "reading dead letters",
        source,
    }
}
