//! The governor's side of the exchange.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use prost::{Message as _, Name as _};
use proto::v1::{self, answer};
use rate_tokens::{Class, GrantId, Settled};
use tokio::sync::oneshot;

use super::{class_in, grant_in, grant_out, report_in};
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Name of the lease that the leading governor holds.
pub const GOVERNOR_LEASE: &str = "governor";

/// Where answers to one process go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo(Subject);

/// One wish for tokens, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskIn {
    pub id: u64,
    /// `None`: none of the four.
    pub class: Option<Class>,
    pub flow: String,
    pub want: u32,
}

/// What became of one token, as it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportIn {
    pub grant: Option<GrantId>,
    pub settled: Settled,
}

/// What one process said of one org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgWords {
    pub org: String,
    pub seen: Option<GrantId>,
    pub asks: Vec<AskIn>,
    /// Those of one grant in a row.
    pub reports: Vec<ReportIn>,
}

/// All that one process said at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub worker: String,
    /// The worker's own count, to tell it that its reports were heard.
    pub number: u64,
    /// How long the answers may take.
    pub wait: Duration,
    pub orgs: Vec<OrgWords>,
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

/// An answer to an ask, by the id that the worker gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Grant {
        id: u64,
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
}

/// All that one process is told at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// By org, as it was named.
    pub orgs: BTreeMap<String, Vec<Reply>>,
    /// Exchanges whose reports need not come again.
    pub heard: Vec<u64>,
    /// Why reports changed nothing, where they did not.
    pub odd: Vec<String>,
}

impl Replies {
    /// Whether there is nothing that somebody waits for.
    pub fn are_idle(&self) -> bool {
        self.orgs.is_empty() && self.odd.is_empty()
    }

    pub fn add(&mut self, org: &str, reply: Reply) {
        match self.orgs.get_mut(org) {
            Some(replies) => replies.push(reply),
            None => drop(self.orgs.insert(org.to_owned(), vec![reply])),
        }
    }
}

/// What workers ask of the process that holds the governor's lease.
///
/// What is not taken out fast enough waits in the client; beyond its bound exchanges are lost, and come again.
#[derive(Debug)]
pub struct GovernorRequests {
    bus: Bus,
    messages: Subscriber,
}

impl GovernorRequests {
    /// The next request; `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<GovernorRequest> {
        loop {
            let message = self.messages.next().await?;
            if let Some(request) = self.bus.hear(&message) {
                return Some(request);
            }
        }
    }

    /// The next request, if it is there already.
    pub fn ready(&mut self) -> Option<GovernorRequest> {
        self.next().now_or_never().flatten()
    }
}

impl Bus {
    /// What workers ask of this process while it holds the governor's lease.
    ///
    /// # Errors
    /// When the bus takes no subscription.
    pub async fn governor_requests(&self) -> Result<GovernorRequests, BusError> {
        let subject = format!("rollcall.tokens.v1.{}.*", self.worker());
        let messages = self.client.subscribe(subject).await;
        Ok(GovernorRequests {
            bus: self.clone(),
            messages: messages.map_err(|error| BusError::Unavailable {
                doing: "listening for those who ask for tokens",
                said: error.to_string(),
            })?,
        })
    }

    /// Tells one process what was decided for it.
    pub async fn tell(&self, to: &ReplyTo, replies: Replies) {
        let Replies { orgs, heard, odd } = replies;
        let orgs = orgs.into_iter().map(|(org, replies)| v1::OrgAnswers {
            org,
            answers: replies.into_iter().map(reply_out).collect(),
        });
        let answers = v1::Answers {
            orgs: orgs.collect(),
            heard,
            odd,
        };
        let payload = Bytes::from(answers.encode_to_vec());
        // An answer that is lost is asked for again, and a grant that nobody heard of lapses.
        let _ = self.client.publish(to.0.clone(), payload).await;
    }

    fn hear(&self, message: &async_nats::Message) -> Option<GovernorRequest> {
        let reply_to = message.reply.clone()?;
        match message.subject.as_str().rsplit('.').next()? {
            "exchange" => match v1::Exchange::decode(message.payload.as_ref()) {
                Ok(exchange) => Some(GovernorRequest::Exchange(exchange_in(exchange, reply_to))),
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

fn exchange_in(exchange: v1::Exchange, reply_to: Subject) -> Exchange {
    Exchange {
        worker: exchange.worker,
        number: exchange.number,
        wait: Duration::from_millis(exchange.wait_ms),
        orgs: exchange.orgs.into_iter().map(words_in).collect(),
        reply_to: ReplyTo(reply_to),
    }
}

fn words_in(words: v1::OrgWords) -> OrgWords {
    let asks = words.asks.into_iter().map(|ask| AskIn {
        id: ask.id,
        class: class_in(ask.class),
        flow: ask.flow,
        want: ask.want,
    });
    OrgWords {
        seen: words.seen.map(grant_in),
        reports: words.reports.iter().map(report_in).collect(),
        asks: asks.collect(),
        org: words.org,
    }
}

fn reply_out(reply: Reply) -> v1::Answer {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (id, answer) = match reply {
        Reply::Grant {
            id,
            grant,
            tokens,
            ttl,
        } => {
            let grant = v1::Grant {
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
    };
    v1::Answer {
        id,
        answer: Some(answer),
    }
}
