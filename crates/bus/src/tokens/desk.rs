//! The governor's side of the exchange.

use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, answer};
use rate_tokens::{Class, GrantId, Settled};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{class_in, grant_in, grant_out, token_in};
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Name of the lease that the leading governor holds.
pub const GOVERNOR_LEASE: &str = "governor";

/// Exchanges that wait for the governor before new ones are left unanswered and come again.
const WAITING_MAX: usize = 10_000;

/// Where answers to one process go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(String);

/// One wish for tokens, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskIn {
    pub id: u64,
    pub org: String,
    /// `None`: none of the four.
    pub class: Option<Class>,
    pub flow: String,
    pub want: u32,
    pub wait: Duration,
    pub seen: Option<GrantId>,
}

/// One report, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportIn {
    pub id: u64,
    pub org: String,
    pub grant: Option<GrantId>,
    pub settled: Vec<Settled>,
}

/// All that one process said at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub worker: String,
    pub asks: Vec<AskIn>,
    pub reports: Vec<ReportIn>,
    pub reply_to: ReplyTo,
}

/// Takes the governor's status: a JSON object.
#[derive(Debug)]
pub struct StatusAnswer(oneshot::Sender<serde_json::Value>);

impl StatusAnswer {
    pub fn send(self, status: serde_json::Value) {
        // Whoever asked may have gone.
        let _ = self.0.send(status);
    }
}

/// What a governor is asked.
#[derive(Debug)]
pub enum GovernorRequest {
    Exchange(Exchange),
    /// `None`: all orgs.
    Status {
        org: Option<String>,
        answer: StatusAnswer,
    },
}

/// An answer to an ask or a report, by the id that the worker gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Grant {
        id: u64,
        org: String,
        grant: GrantId,
        tokens: u32,
        ttl: Duration,
    },
    Wait {
        id: u64,
        retry_after: Duration,
    },
    Refused {
        id: u64,
        said: String,
    },
    /// The report need not come again.
    Heard {
        id: u64,
        said: Option<String>,
    },
}

impl Bus {
    /// What workers ask of this process while it holds the governor's lease.
    ///
    /// # Errors
    /// When the bus takes no subscription.
    pub async fn governor_requests(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<GovernorRequest>, BusError> {
        let subject = format!("rollcall.tokens.v1.{}.*", self.worker());
        let mut messages = self
            .client
            .subscribe(subject)
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "listening for those who ask for tokens",
                said: error.to_string(),
            })?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let bus = self.clone();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    message = messages.next() => message,
                };
                let Some(message) = message else { break };
                if sender.is_closed() {
                    break;
                }
                if let Some(request) = bus.hear(&message) {
                    // A full queue leaves it unanswered: the worker asks and reports again.
                    let _ = sender.try_send(request);
                }
            }
        });
        Ok(receiver)
    }

    /// Tells one process what was decided for it.
    pub async fn tell(&self, to: &ReplyTo, replies: Vec<Reply>) {
        let answers = v1::Answers {
            answers: replies.into_iter().map(reply_out).collect(),
        };
        let payload = Bytes::from(answers.encode_to_vec());
        // An answer that is lost is asked for again, and a grant that nobody heard of lapses.
        let _ = self.client.publish(to.0.clone(), payload).await;
    }

    fn hear(&self, message: &async_nats::Message) -> Option<GovernorRequest> {
        let reply_to = message.reply.clone()?;
        match message.subject.as_str().rsplit('.').next()? {
            "exchange" => match v1::Exchange::decode(message.payload.as_ref()) {
                Ok(exchange) => Some(GovernorRequest::Exchange(exchange_in(exchange, &reply_to))),
                Err(error) => {
                    metrics::counter!("rollcall_governor_unreadable_total").increment(1);
                    tracing::warn!(%error, "a message to the governor cannot be read");
                    None
                }
            },
            "status" => {
                let status = v1::StatusRequest::decode(message.payload.as_ref()).ok()?;
                let (answer, answered) = oneshot::channel();
                self.reply_status(reply_to, answered);
                Some(GovernorRequest::Status {
                    org: Some(status.org).filter(|org| !org.is_empty()),
                    answer: StatusAnswer(answer),
                })
            }
            _ => None,
        }
    }

    fn reply_status(&self, to: Subject, answered: oneshot::Receiver<serde_json::Value>) {
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Ok(status) = answered.await {
                let reply = v1::StatusReply {
                    json: status.to_string(),
                };
                let payload = Bytes::from(reply.encode_to_vec());
                let _ = client
                    .publish_with_headers(to, headers(&v1::StatusReply::full_name()), payload)
                    .await;
            }
        });
    }
}

fn exchange_in(exchange: v1::Exchange, reply_to: &Subject) -> Exchange {
    let asks = exchange.asks.into_iter().map(|ask| AskIn {
        id: ask.id,
        org: ask.org,
        class: class_in(ask.class),
        flow: ask.flow,
        want: ask.want,
        wait: Duration::from_millis(ask.wait_ms),
        seen: ask.seen.map(grant_in),
    });
    let reports = exchange.reports.into_iter().map(|report| ReportIn {
        id: report.id,
        org: report.org,
        grant: report.grant.map(grant_in),
        settled: report.tokens.iter().map(token_in).collect(),
    });
    Exchange {
        worker: exchange.worker,
        asks: asks.collect(),
        reports: reports.collect(),
        reply_to: ReplyTo(reply_to.to_string()),
    }
}

fn reply_out(reply: Reply) -> v1::Answer {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (id, answer) = match reply {
        Reply::Grant {
            id,
            org,
            grant,
            tokens,
            ttl,
        } => {
            let grant = v1::Grant {
                org,
                id: Some(grant_out(grant)),
                tokens,
                ttl_ms: ms(ttl),
            };
            (id, answer::Answer::Grant(grant))
        }
        Reply::Wait { id, retry_after } => {
            let wait = v1::Wait {
                retry_after_ms: ms(retry_after),
            };
            (id, answer::Answer::Wait(wait))
        }
        Reply::Refused { id, said } => (id, answer::Answer::Refused(said)),
        Reply::Heard { id, said } => (id, answer::Answer::Heard(v1::Heard { said })),
    };
    v1::Answer {
        id,
        answer: Some(answer),
    }
}
