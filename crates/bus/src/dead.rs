//! Dead letters: messages that cannot be read or processed. They are kept with the reason, never dropped, until a person decides.
//!
//! A dead letter is stored on `rollcall.dead.v1.{org}.{id}`. The id is a hash of the message and its original place, so setting
//! the same message aside twice leaves one dead letter.

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use std::collections::BTreeSet;
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

/// Subjects of refused lines. Nothing is published there: a subject tells which file a letter is from.
const LOAD: &str = "rollcall.load.v1.";

/// Most refused lines of one file that are stored, one letter each. The last of them names the number of all others.
const LINES_MAX: usize = 1_000;

/// Most letters that are read at once.
pub const LETTERS_AT_ONCE: usize = 200;

/// How long the server keeps the consumer of a process that ended.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

const SUBJECT: &str = "Rollcall-Dead-Subject";
const REASON: &str = "Rollcall-Dead-Reason";
const OF_TYPE: &str = "Rollcall-Dead-Type";

/// A payload to set aside, and its original subject.
#[derive(Debug)]
pub(crate) struct Buried<'a> {
    pub(crate) subject: &'a str,
    /// Sequence of the message if the same payload can come twice and mean two things; else 0.
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
        let mut tokens = self.subject.split('.');
        // `$KV.{bucket}.{org}.…` or `rollcall.{kind}.v1.{org}.…`: an org may have the name of a bucket.
        let org = match tokens.next() {
            Some("$KV") => tokens.nth(1),
            _ => tokens.nth(2),
        };
        org.unwrap_or("unknown")
    }
}

/// The file that refused lines are from.
#[derive(Clone, Copy, Debug)]
pub struct LoadedFile<'a> {
    pub source: &'a SourceId,
    /// Name without its folder: a corrected file has the same.
    pub name: &'a str,
}

impl LoadedFile<'_> {
    fn subject(&self, org: &OrgId) -> String {
        let name = Sha256::digest(self.name.as_bytes());
        let name: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{LOAD}{org}.{}.{name}", self.source)
    }
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: String,
    /// When it was set aside, Unix milliseconds.
    pub at_ms: u64,
    /// Subject that the message was sent to.
    pub subject: String,
    pub reason: String,
    /// The event, if it can be read.
    pub event: Option<Event>,
    type_name: Option<String>,
    payload: Bytes,
    sequence: u64,
}

impl DeadLetter {
    /// Source of the event or the line; `None` for a record of Rollcall's own state.
    pub fn source(&self) -> Option<SourceId> {
        let feed = self.subject.strip_prefix("rollcall.feed.v1.");
        let rest = feed.or_else(|| self.subject.strip_prefix(LOAD))?;
        SourceId::parse(rest.split('.').nth(1)?).ok()
    }

    /// True if it is a line of a file that could not be read.
    pub fn is_refused_line(&self) -> bool {
        self.subject.starts_with(LOAD)
    }

    /// Place among the letters. The next page continues after it.
    pub fn place(&self) -> u64 {
        self.sequence
    }
}

/// How a letter left the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetterEnd {
    Replayed,
    Dropped,
    /// The file was loaded again, and the line was accepted or was no longer in it.
    Corrected,
}

impl LetterEnd {
    fn as_str(self) -> &'static str {
        match self {
            LetterEnd::Replayed => "replayed",
            LetterEnd::Dropped => "dropped",
            LetterEnd::Corrected => "corrected",
        }
    }
}

/// A letter could not be removed from the list.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error(
        "dead letter {id} is a record of Rollcall's own state, not an event; have its source send it again, then drop the letter"
    )]
    NoEvent { id: String },
    #[error(
        "dead letter {id} is a line of a file; correct the line and load the file again, which removes the letter"
    )]
    Line { id: String },
    #[error("dead letter {id} could not be written to the journal, and stays in the list")]
    Journal {
        id: String,
        #[source]
        source: WriteError,
    },
    #[error("dead letter {id} could not be stored; load the file again")]
    Store {
        id: String,
        #[source]
        source: WriteError,
    },
    #[error("the dead letters could not be listed; load the file again")]
    List {
        #[source]
        source: BusError,
    },
    #[error("dead letter {id} could not be handed to the feed, and stays in the list")]
    Feed {
        id: String,
        #[source]
        source: WriteError,
    },
    #[error(
        "dead letter {id} could not be removed from the list; do it once more, which changes nothing else"
    )]
    Delete {
        id: String,
        #[source]
        source: BusError,
    },
}

impl Bus {
    /// Sets a payload aside as a dead letter, with its subject and the reason. A dead letter that exists already stays unchanged.
    ///
    /// # Errors
    /// When it is not certain that the letter is stored. Then the payload must stay where it is.
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

    /// Number of dead letters of an org.
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
        // If this fails, the server removes the consumer later.
        let _ = stream.delete_consumer(&name).await;
        Ok(pending)
    }

    /// The next dead letters of an org after the place `behind`, oldest first. 0 starts at the oldest.
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
            let message = message.map_err(unavailable)?;
            let info = message.info().map_err(unavailable)?;
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

    /// The dead letter with this id.
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

    /// Publishes a dead letter to the feed again, with a message id of its own, and removes it from the list. After a crash in between
    /// it is still in the list; a second replay then changes nothing.
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
        if letter.is_refused_line() {
            return Err(LetterError::Line { id: id() });
        }
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

    /// Stores the refused lines of a file as dead letters, so that they are counted until the file is corrected. Letters of
    /// an earlier load of the same file end here if their lines are no longer refused. Returns the number of letters.
    ///
    /// # Errors
    /// See [`LetterError`].
    pub async fn refuse_lines(
        &self,
        org: &OrgId,
        file: &LoadedFile<'_>,
        lines: &[(u64, String)],
        by: (&str, u64),
    ) -> Result<usize, LetterError> {
        let subject = file.subject(org);
        let mut refused: BTreeSet<String> = BTreeSet::new();
        for (index, (line, reason)) in lines.iter().take(LINES_MAX).enumerate() {
            let more = match lines.len().saturating_sub(LINES_MAX) {
                more if more > 0 && index + 1 == LINES_MAX => format!(" and {more} more lines"),
                _ => String::new(),
            };
            let buried = Buried {
                subject: &subject,
                sequence: *line,
                type_name: None,
                payload: Bytes::from(reason.clone().into_bytes()),
            };
            let id = buried.id();
            self.bury(buried, &format!("{} line {line}{more}: {reason}", file.name))
                .await
                .map_err(|source| LetterError::Store {
                    id: id.clone(),
                    source,
                })?;
            refused.insert(id);
        }
        let unread = |source| LetterError::List { source };
        let mut behind = 0;
        loop {
            let page = self.dead_letters(org, behind).await.map_err(unread)?;
            let Some(last) = page.last() else { break };
            behind = last.place();
            for letter in page.iter().filter(|letter| letter.subject == subject) {
                if !refused.contains(&letter.id) {
                    self.end_letter(org, letter, LetterEnd::Corrected, by).await?;
                }
            }
        }
        Ok(refused.len())
    }

    /// Writes to the journal how a letter ended, and removes it from the list.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_org_of_a_letter_is_found_by_its_place() {
        let org = |subject| {
            let buried = Buried {
                subject,
                sequence: 0,
                type_name: None,
                payload: Bytes::new(),
            };
            buried.org().to_owned()
        };
        for (subject, expected) in [
            ("$KV.roster.acme.person.abc.p1", "acme"),
            ("rollcall.feed.v1.acme.hr", "acme"),
            ("rollcall.load.v1.acme.hr.0123", "acme"),
            // Orgs may have the names of buckets and subjects.
            ("$KV.roster.roster.person.abc.p1", "roster"),
            ("rollcall.feed.v1.feed.hr", "feed"),
            ("rollcall.load.v1.load.hr.0123", "load"),
            ("odd", "unknown"),
        ] {
            assert_eq!(org(subject), expected, "{subject}");
        }
    }
}
