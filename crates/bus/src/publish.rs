//! Publishes with an acknowledgement and reads the server's error codes.
//!
//! The server has two codes for "another writer was first". The client library knows only one of them, so the acknowledgement
//! is parsed here.

use async_nats::HeaderMap;
use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::jetstream::ErrorCode;
use bytes::Bytes;
use serde::Deserialize;

use crate::connection::{Bus, REQUEST_TIMEOUT};
use crate::error::WriteError;
use crate::trace;

/// Another writer has written the subject since ("wrong last sequence").
const WRONG_LAST_SEQUENCE: u64 = ErrorCode::STREAM_WRONG_LAST_SEQUENCE.0;

/// Another write to the subject is in flight in the cluster: a definite refusal as well.
const SEQUENCE_IN_FLIGHT: u64 = 10_164;

/// Too many atomic batches are open on the stream.
const BATCHES_IN_FLIGHT: u64 = ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT.0;

/// The server does not have the start of the batch. It refused the start because too many batches were open, or it gave the
/// batch up because the end came too late, or a part never arrived. The server reports all three with this code, because it
/// acknowledges only the last message of a batch.
const INCOMPLETE_BATCH: u64 = ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH.0;

pub(crate) const TYPE: &str = "Rollcall-Type";
pub(crate) const SCHEMA: &str = "Rollcall-Schema";
pub(crate) const SCHEMA_VERSION: &str = "1";
/// Subject filter of [`NATS_EXPECTED_LAST_SUBJECT_SEQUENCE`](async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE), if it
/// covers more than the message's own subject.
pub(crate) const EXPECTED_UNDER: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<AckError>,
}

#[derive(Debug, Deserialize)]
struct AckError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Position of a stored message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub sequence: u64,
    /// The server had this message already.
    pub duplicate: bool,
}

/// Headers of every Rollcall message: its type, the schema version and the current trace.
pub(crate) fn headers(type_name: &str) -> HeaderMap {
    headers_in(type_name, trace::current().as_deref())
}

/// The same headers for a message of another trace.
pub(crate) fn headers_in(type_name: &str, trace: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TYPE, type_name);
    headers.insert(SCHEMA, SCHEMA_VERSION);
    if let Some(parent) = trace {
        headers.insert(trace::TRACEPARENT, parent);
    }
    headers
}

impl Bus {
    pub(crate) async fn publish(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Stored, WriteError> {
        let key = || subject.to_owned();
        let sent = self
            .client
            .request_with_headers(subject.to_owned(), headers, payload);
        self.crash_points.place().await;
        let exchange = tokio::time::timeout(REQUEST_TIMEOUT, sent);
        let answer = self.crash_points.between(exchange).await;
        self.crash_points.place().await;
        let reply = match answer {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                return Err(WriteError::Refused {
                    key: key(),
                    message: "no stream takes this subject".to_owned(),
                });
            }
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::MaxPayloadExceeded => {
                return Err(WriteError::Refused {
                    key: key(),
                    message: "it is larger than the server takes".to_owned(),
                });
            }
            Ok(Err(error)) => return Err(WriteError::unknown(key(), error)),
            Err(elapsed) => return Err(WriteError::unknown(key(), elapsed)),
        };
        read_ack(subject, &reply.payload)
    }
}

impl Bus {
    /// Stores all these messages on one subject, or none.
    pub(crate) async fn publish_batch(
        &self,
        subject: &str,
        messages: &[(HeaderMap, Bytes)],
    ) -> Result<(), WriteError> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let last = messages.len().saturating_sub(1);
        for (index, (headers, payload)) in messages.iter().enumerate() {
            let (mut headers, payload) = (headers.clone(), payload.clone());
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string().as_str());
            if index == last {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            if index != 0 && index != last {
                let sent = self
                    .client
                    .publish_with_headers(subject.to_owned(), headers, payload);
                sent.await.map_err(|error| WriteError::unknown(subject, error))?;
                continue;
            }
            let sent = self
                .client
                .request_with_headers(subject.to_owned(), headers, payload);
            let reply = tokio::time::timeout(REQUEST_TIMEOUT, sent).await;
            let reply = match reply {
                Ok(Ok(reply)) => reply,
                Ok(Err(error)) => return Err(WriteError::unknown(subject, error)),
                Err(elapsed) => return Err(WriteError::unknown(subject, elapsed)),
            };
            // The response to the first message of a batch is empty, unless the server refuses the whole batch.
            if index == last || !reply.payload.is_empty() {
                read_ack(subject, &reply.payload)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn read_ack(subject: &str, payload: &[u8]) -> Result<Stored, WriteError> {
    let key = || subject.to_owned();
    let ack: Ack = serde_json::from_slice(payload).map_err(|error| WriteError::unknown(key(), error))?;
    match ack.error {
        None => Ok(Stored {
            sequence: ack.seq,
            duplicate: ack.duplicate,
        }),
        Some(error) if matches!(error.err_code, WRONG_LAST_SEQUENCE | SEQUENCE_IN_FLIGHT) => {
            Err(WriteError::Conflict { key: key() })
        }
        Some(error) if matches!(error.err_code, BATCHES_IN_FLIGHT | INCOMPLETE_BATCH) => {
            Err(WriteError::Busy { key: key() })
        }
        Some(error) => Err(WriteError::Refused {
            key: key(),
            message: format!("{} ({})", error.description, error.err_code),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codes_for_somebody_wrote_first_are_conflicts_and_others_are_not() {
        let ack = |code: u64| {
            format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"no"}},"stream":"s","seq":0}}"#)
        };
        for code in [10_071, 10_164] {
            assert!(read_ack("s", ack(code).as_bytes()).unwrap_err().is_conflict());
        }
        for code in [10_176, 10_210] {
            let busy = read_ack("s", ack(code).as_bytes());
            assert!(matches!(busy, Err(WriteError::Busy { .. })), "{code}");
        }
        assert!(matches!(
            read_ack("s", ack(10_047).as_bytes()),
            Err(WriteError::Refused { .. })
        ));
        assert!(matches!(
            read_ack("s", b"not json"),
            Err(WriteError::Unknown { .. })
        ));
    }
}
