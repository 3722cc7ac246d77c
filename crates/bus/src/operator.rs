//! The operator API: typed requests of the command line and the console to the service that owns an org.
//!
//! A response is a JSON document. Its shape belongs to the service that answers, and docs/operating.md describes it.

mod request;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, operator_error::Kind, operator_reply::Reply};
use provisioning::OrgId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use self::request::{GroupOrder, OperatorRequest, RetryTarget};
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Largest response that fits in one message of the server's default size.
const ANSWER_MAX: usize = 900_000;

/// A service that answers operator requests. Each org has one owner in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Pusher,
    Importer,
    SchemaDiscovery,
    Intake,
}

impl Service {
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Pusher => "pusher",
            Service::Importer => "importer",
            Service::SchemaDiscovery => "schema-discovery",
            Service::Intake => "intake",
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason why a service did not do what was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    #[error(
        "{service} does not know this request; it may be of another version than the sender, or another service answers it"
    )]
    UnknownRequest { service: Service },
    /// The message contains the reason and the remedy.
    #[error("{0}")]
    Refused(String),
    #[error("the {service} of this org is stopping; try again")]
    Stopping { service: Service },
    #[error("the response is too large; request less")]
    TooLarge,
}

/// An operator request got no document.
#[derive(Debug, thiserror::Error)]
pub enum OperatorRequestError {
    #[error(
        "no {service} serves org {org}; is `rollcall up` (or the service) running, and is the org in its settings?"
    )]
    NobodyServes { service: Service, org: OrgId },
    #[error("{service} did not answer in {}s", waited.as_secs())]
    TooSlow { service: Service, waited: Duration },
    #[error(transparent)]
    Failed(OperatorError),
    #[error("the response of {service} cannot be read: {message}")]
    Broken { service: Service, message: String },
}

fn subject(service: Service, org: &OrgId) -> String {
    format!("rollcall.operator.v1.{service}.{org}")
}

fn error_out(error: &OperatorError) -> v1::OperatorError {
    let kind = match error {
        OperatorError::UnknownRequest { .. } => Kind::UnknownRequest,
        OperatorError::Refused(_) => Kind::Refused,
        OperatorError::Stopping { .. } => Kind::Stopping,
        OperatorError::TooLarge => Kind::TooLarge,
    };
    v1::OperatorError {
        kind: kind.into(),
        message: error.to_string(),
    }
}

/// A kind that a later version adds is read as a refusal: its message says what to do.
fn error_in(service: Service, error: v1::OperatorError) -> OperatorError {
    match error.kind() {
        Kind::UnknownRequest => OperatorError::UnknownRequest { service },
        Kind::Stopping => OperatorError::Stopping { service },
        Kind::TooLarge => OperatorError::TooLarge,
        Kind::Refused | Kind::Unspecified => OperatorError::Refused(error.message),
    }
}

impl Bus {
    /// Handles requests about one org until `stop`, many at the same time.
    ///
    /// # Errors
    /// When the bus does not accept the subscription.
    pub async fn serve_operator<H, F>(
        &self,
        service: Service,
        org: &OrgId,
        stop: CancellationToken,
        handler: H,
    ) -> Result<(), BusError>
    where
        H: Fn(OperatorRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Value, OperatorError>> + Send + 'static,
    {
        let mut requests = self
            .client
            .subscribe(subject(service, org))
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "listening for operator requests",
                source: error.into(),
            })?;
        let handler = Arc::new(handler);
        let client = self.client.clone();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    message = requests.next() => message,
                };
                let Some(message) = message else { break };
                let Some(reply_to) = message.reply.clone() else {
                    continue;
                };
                let (handler, client) = (handler.clone(), client.clone());
                tokio::spawn(async move {
                    let answer = match OperatorRequest::decode(&message.payload) {
                        Some(request) => handler(request).await,
                        None => Err(OperatorError::UnknownRequest { service }),
                    };
                    let reply = match answer.map(|document| document.to_string()) {
                        Ok(text) if text.len() > ANSWER_MAX => {
                            Reply::Error(error_out(&OperatorError::TooLarge))
                        }
                        Ok(text) => Reply::Document(text),
                        Err(error) => Reply::Error(error_out(&error)),
                    };
                    let payload = v1::OperatorReply { reply: Some(reply) }.encode_to_vec();
                    let headers = headers(&v1::OperatorReply::full_name());
                    let _ = client
                        .publish_with_headers(reply_to, headers, Bytes::from(payload))
                        .await;
                });
            }
        });
        Ok(())
    }

    /// Sends a request about an org to the service that owns it.
    ///
    /// # Errors
    /// See [`OperatorRequestError`].
    pub async fn request(
        &self,
        service: Service,
        org: &OrgId,
        request: OperatorRequest,
        timeout: Duration,
    ) -> Result<Value, OperatorRequestError> {
        let headers = headers(&v1::OperatorRequest::full_name());
        let message = async_nats::Request::new()
            .payload(Bytes::from(request.encode()))
            .headers(headers)
            .timeout(Some(timeout));
        let reply = self
            .client
            .send_request(subject(service, org), message)
            .await
            .map_err(|error| match error.kind() {
                async_nats::RequestErrorKind::NoResponders => OperatorRequestError::NobodyServes {
                    service,
                    org: org.clone(),
                },
                _ => OperatorRequestError::TooSlow {
                    service,
                    waited: timeout,
                },
            })?;
        let broken = |message: String| OperatorRequestError::Broken { service, message };
        match v1::OperatorReply::decode(reply.payload)
            .map_err(|error| broken(error.to_string()))?
            .reply
        {
            Some(Reply::Document(text)) => {
                serde_json::from_str(&text).map_err(|error| broken(error.to_string()))
            }
            Some(Reply::Error(error)) => Err(OperatorRequestError::Failed(error_in(service, error))),
            None => Err(broken("it is empty".to_owned())),
        }
    }
}
