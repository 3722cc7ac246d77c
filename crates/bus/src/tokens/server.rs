//! The governor's side of the exchange.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use prost::{Message as _, Name as _};
use proto::v1::{self, token_response};
use rate_tokens::{Class, GrantId, Settled};
use tokio::sync::oneshot;

use super::{class_in, grant_in, grant_out, use_report_in};
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Name of the lease that the leading governor holds.
pub const GOVERNOR_LEASE: &str = "governor";

/// Subject of the responses to one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo(Subject);

/// A token request, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    pub id: u64,
    /// `None` if the class is unknown.
    pub class: Option<Class>,
    pub flow: String,
    pub want: u32,
}

/// A use report of one token, as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseReport {
    pub grant: Option<GrantId>,
    pub settled: Settled,
}

/// Requests and reports of one process about one org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgMessages {
    pub org: String,
    pub seen: Option<GrantId>,
    pub requests: Vec<TokenRequest>,
    /// Reports of one grant follow each other.
    pub reports: Vec<UseReport>,
}

/// All requests and reports of one message of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub worker: String,
    /// Number of the exchange, counted by the worker. The acknowledgement of its reports names it.
    pub number: u64,
    /// How long the responses may take.
    pub wait: Duration,
    pub orgs: Vec<OrgMessages>,
    pub reply_to: ReplyTo,
}

/// Sends the governor's status, a JSON object, to the process that requested it.
#[derive(Debug)]
pub struct StatusAnswer(oneshot::Sender<serde_json::Value>);

impl StatusAnswer {
    pub fn send(self, status: serde_json::Value) {
        // The receiver may be gone.
        let _ = self.0.send(status);
    }
}

/// A message to the governor.
#[derive(Debug)]
pub enum GovernorRequest {
    Exchange(Exchange),
    /// `None`: all orgs.
    Status {
        org: Option<String>,
        answer: StatusAnswer,
    },
}

/// The response to a token request, with the id that the worker gave the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenResponse {
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
        message: String,
    },
}

/// All responses in one message to one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseBatch {
    /// Responses by org, with the name as received.
    pub orgs: BTreeMap<String, Vec<TokenResponse>>,
    /// Numbers of exchanges whose reports need not be sent again.
    pub acknowledged: Vec<u64>,
    /// Reasons why reports changed nothing.
    pub odd: Vec<String>,
}

impl ResponseBatch {
    /// True if the batch has only acknowledgements, which no waiter needs.
    pub fn are_idle(&self) -> bool {
        self.orgs.is_empty() && self.odd.is_empty()
    }

    pub fn add(&mut self, org: &str, response: TokenResponse) {
        match self.orgs.get_mut(org) {
            Some(responses) => responses.push(response),
            None => drop(self.orgs.insert(org.to_owned(), vec![response])),
        }
    }
}

/// Receives the messages of workers to the governor that holds the lease.
///
/// Messages that are not read fast enough wait in the NATS client. Above its limit exchanges are lost; the workers send them again.
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
            if let Some(request) = self.bus.parse(&message) {
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
    /// Receives the messages of workers to this process while it holds the governor's lease.
    ///
    /// # Errors
    /// When the bus does not accept the subscription.
    pub async fn governor_requests(&self) -> Result<GovernorRequests, BusError> {
        let subject = format!("rollcall.tokens.v1.{}.*", self.worker());
        let messages = self.client.subscribe(subject).await;
        Ok(GovernorRequests {
            bus: self.clone(),
            messages: messages.map_err(|error| BusError::Unavailable {
                doing: "listening for token requests",
                source: error.into(),
            })?,
        })
    }

    /// Sends the responses to one process.
    pub async fn respond(&self, to: &ReplyTo, responses: ResponseBatch) {
        let ResponseBatch {
            orgs,
            acknowledged,
            odd,
        } = responses;
        let orgs = orgs.into_iter().map(|(org, responses)| v1::OrgResponses {
            org,
            responses: responses.into_iter().map(response_out).collect(),
        });
        let answers = v1::ExchangeResponse {
            orgs: orgs.collect(),
            acknowledged,
            odd,
        };
        let payload = Bytes::from(answers.encode_to_vec());
        // If the message is lost, the worker sends its requests again and the lost grants expire.
        let _ = self.client.publish(to.0.clone(), payload).await;
    }

    fn parse(&self, message: &async_nats::Message) -> Option<GovernorRequest> {
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
                let (answer, outcome) = oneshot::channel();
                self.reply_status(reply_to, outcome);
                Some(GovernorRequest::Status {
                    org: Some(status.org).filter(|org| !org.is_empty()),
                    answer: StatusAnswer(answer),
                })
            }
            _ => None,
        }
    }

    fn reply_status(&self, to: Subject, outcome: oneshot::Receiver<serde_json::Value>) {
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Ok(status) = outcome.await {
                let response = v1::StatusReply {
                    json: status.to_string(),
                };
                let payload = Bytes::from(response.encode_to_vec());
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

fn words_in(words: v1::OrgMessages) -> OrgMessages {
    let requests = words.requests.into_iter().map(|request| TokenRequest {
        id: request.id,
        class: class_in(request.class),
        flow: request.flow,
        want: request.want,
    });
    OrgMessages {
        seen: words.seen.map(grant_in),
        reports: words.reports.iter().map(use_report_in).collect(),
        requests: requests.collect(),
        org: words.org,
    }
}

fn response_out(response: TokenResponse) -> v1::TokenResponse {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (id, response) = match response {
        TokenResponse::Grant {
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
            (id, token_response::Response::Grant(grant))
        }
        TokenResponse::Wait { id, retry_after } => {
            let wait = v1::Wait {
                retry_after_ms: ms(retry_after),
            };
            (id, token_response::Response::Wait(wait))
        }
        TokenResponse::Refused { id, message } => (id, token_response::Response::Refused(message)),
    };
    v1::TokenResponse {
        id,
        response: Some(response),
    }
}
