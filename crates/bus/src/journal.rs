//! The journal: all requests to Litmos with their outcome and trace, and all decisions.

use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::{Decision, OrgId};
use tokio::sync::{mpsc, oneshot};

use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;
use crate::record::Record as _;

/// Most records that wait for the bus. At 100 calls a minute, this covers an hour and a half without the bus.
const WAITING_MAX: usize = 10_000;

/// One request to Litmos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRecord {
    pub org: String,
    pub service: String,
    pub class: String,
    pub operation: String,
    pub kind: String,
    pub subjects: Vec<String>,
    pub method: String,
    /// The path with placeholders instead of ids.
    pub path: String,
    /// HTTP status; 0 if no response came.
    pub status: u16,
    pub outcome: String,
    pub permit: String,
    pub trace: String,
    pub started_at_ms: u64,
    pub duration_ms: u64,
    /// Number of changes that the operation makes. One by one, each of them would cost a request.
    pub covers: u32,
    /// Number of edits in the sources that led to the operation.
    pub edits: u32,
}

/// Decisions of an org that the journal keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Oldest first.
    pub decisions: Vec<Decision>,
    /// Number of records that cannot be read. They are missing from `decisions`.
    pub unreadable: usize,
}

/// Accepts records for the journal. Never blocks the sender of requests.
#[derive(Clone, Debug)]
pub struct Journal {
    records: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Record(Box<CallRecord>),
    Decision(OrgId, Box<Decision>),
    /// Sends a signal once everything before it is written.
    Written(oneshot::Sender<()>),
}

impl Journal {
    pub fn write(&self, record: CallRecord) {
        if self.records.try_send(Waiting::Record(Box::new(record))).is_err() {
            metrics::counter!("rollcall_journal_lost_total").increment(1);
            tracing::error!("the journal cannot keep up and a record was lost; is the bus away?");
        }
    }
}

impl Journal {
    /// Writes what an operation did.
    pub fn decided(&self, org: &OrgId, decision: Decision) {
        let waiting = Waiting::Decision(org.clone(), Box::new(decision));
        if self.records.try_send(waiting).is_err() {
            metrics::counter!("rollcall_journal_lost_total").increment(1);
            tracing::error!("the journal cannot keep up and a decision was lost; is the bus away?");
        }
    }

    /// Waits until everything that was accepted so far is written.
    pub async fn written(&self) {
        let (written, heard) = oneshot::channel();
        if self.records.send(Waiting::Written(written)).await.is_ok() {
            // If the writer is gone, its records are gone too.
            let _ = heard.await;
        }
    }
}

fn out(record: CallRecord) -> v1::Call {
    v1::Call {
        org: record.org,
        service: record.service,
        class: record.class,
        operation: record.operation,
        kind: record.kind,
        subjects: record.subjects,
        method: record.method,
        path: record.path,
        status: record.status.into(),
        outcome: record.outcome,
        permit: record.permit,
        trace: record.trace,
        started_at_ms: record.started_at_ms,
        duration_ms: record.duration_ms,
        covers: record.covers,
        edits: record.edits,
    }
}

fn read(call: v1::Call) -> CallRecord {
    CallRecord {
        org: call.org,
        service: call.service,
        class: call.class,
        operation: call.operation,
        kind: call.kind,
        subjects: call.subjects,
        method: call.method,
        path: call.path,
        status: u16::try_from(call.status).unwrap_or_default(),
        outcome: call.outcome,
        permit: call.permit,
        trace: call.trace,
        started_at_ms: call.started_at_ms,
        duration_ms: call.duration_ms,
        covers: call.covers,
        edits: call.edits,
    }
}

impl Bus {
    /// Starts a journal: a task that writes the accepted records in order, until all handles are dropped.
    pub fn journal(&self) -> Journal {
        let (records, mut waiting) = mpsc::channel::<Waiting>(WAITING_MAX);
        let bus = self.clone();
        tokio::spawn(async move {
            while let Some(next) = waiting.recv().await {
                let (subject, type_name, id, payload) = match next {
                    Waiting::Record(record) => {
                        let subject = format!("rollcall.journal.v1.{}.call", record.org);
                        let call = out(*record);
                        let id = format!("{}/{}/{}", call.permit, call.started_at_ms, call.path);
                        (subject, v1::Call::full_name(), id, call.encode_to_vec())
                    }
                    Waiting::Decision(org, decision) => {
                        let subject = format!("rollcall.journal.v1.{org}.decision");
                        let id = format!("{}/{}", decision.operation, decision.at_ms);
                        let (type_name, payload) = decision.encode();
                        (subject, type_name, id, payload)
                    }
                    Waiting::Written(written) => {
                        let _ = written.send(());
                        continue;
                    }
                };
                let mut headers = headers(&type_name);
                headers.insert(NATS_MESSAGE_ID, id.as_str());
                let payload = Bytes::from(payload);
                while let Err(error) = bus.publish(&subject, headers.clone(), payload.clone()).await {
                    tracing::warn!(%error, "the journal waits for the bus");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        });
        Journal { records }
    }

    /// All calls of an org that the journal keeps, oldest first.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn journal_calls(&self, org: &OrgId) -> Result<Vec<CallRecord>, BusError> {
        let mut calls = Vec::new();
        self.read_stream(
            "journal",
            &format!("rollcall.journal.v1.{org}.call"),
            1,
            |_, _, _, payload| {
                if let Ok(call) = v1::Call::decode(payload) {
                    calls.push(read(call));
                }
            },
        )
        .await?;
        Ok(calls)
    }

    /// All decisions of an org that the journal keeps.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn journal_decisions(&self, org: &OrgId) -> Result<Decisions, BusError> {
        let mut kept = Decisions::default();
        self.read_stream(
            "journal",
            &format!("rollcall.journal.v1.{org}.decision"),
            1,
            |_, _, _, payload| match Decision::decode(&v1::Decision::full_name(), payload) {
                Ok(decision) => kept.decisions.push(decision),
                Err(_) => kept.unreadable += 1,
            },
        )
        .await?;
        Ok(kept)
    }
}
