//! Requests from the command line and the console to services, as JSON in a protobuf envelope.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{ControlReply, ControlRequest, control_reply::Reply};
use provisioning::OrgId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Largest response that fits in one message of the server's default size.
const ANSWER_MAX: usize = 900_000;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error(
        "no {service} serves org {org}; is `rollcall up` (or the service) running, and is the org in its settings?"
    )]
    NobodyServes { service: &'static str, org: OrgId },
    #[error("{service} did not answer in {}s", waited.as_secs())]
    TooSlow { service: &'static str, waited: Duration },
    #[error("{0}")]
    Refused(String),
    #[error("what {service} answered cannot be read: {message}")]
    Broken { service: &'static str, message: String },
}

fn subject(service: &str, org: &OrgId) -> String {
    format!("rollcall.control.v1.{service}.{org}")
}

impl Bus {
    /// Handles requests about one org until `stop`, many at the same time.
    ///
    /// # Errors
    /// When the bus does not accept the subscription.
    pub async fn serve_control<H, F>(
        &self,
        service: &'static str,
        org: &OrgId,
        stop: CancellationToken,
        handler: H,
    ) -> Result<(), BusError>
    where
        H: Fn(String, Value) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let mut questions = self
            .client
            .subscribe(subject(service, org))
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "listening for questions",
                source: error.into(),
            })?;
        let handler = Arc::new(handler);
        let client = self.client.clone();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    message = questions.next() => message,
                };
                let Some(message) = message else { break };
                let Some(reply_to) = message.reply.clone() else {
                    continue;
                };
                let (handler, client) = (handler.clone(), client.clone());
                tokio::spawn(async move {
                    let answer = match ControlRequest::decode(message.payload.as_ref()) {
                        Ok(request) => {
                            let body = serde_json::from_str(&request.body).unwrap_or(Value::Null);
                            handler(request.method, body).await
                        }
                        Err(error) => Err(format!("the question cannot be read: {error}")),
                    };
                    let reply = match answer.map(|value| value.to_string()) {
                        Ok(text) if text.len() > ANSWER_MAX => {
                            Reply::Error("the answer is too large; ask for less".to_owned())
                        }
                        Ok(text) => Reply::Answer(text),
                        Err(message) => Reply::Error(message),
                    };
                    let payload = ControlReply { reply: Some(reply) }.encode_to_vec();
                    let headers = headers(&ControlReply::full_name());
                    let _ = client
                        .publish_with_headers(reply_to, headers, Bytes::from(payload))
                        .await;
                });
            }
        });
        Ok(())
    }

    /// Sends a request about an org to a service.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn control(
        &self,
        service: &'static str,
        org: &OrgId,
        method: &str,
        body: &Value,
        timeout: Duration,
    ) -> Result<Value, ControlError> {
        let request = ControlRequest {
            method: method.to_owned(),
            body: body.to_string(),
        };
        let headers = headers(&ControlRequest::full_name());
        let request = async_nats::Request::new()
            .payload(Bytes::from(request.encode_to_vec()))
            .headers(headers)
            .timeout(Some(timeout));
        let reply = self
            .client
            .send_request(subject(service, org), request)
            .await
            .map_err(|error| match error.kind() {
                async_nats::RequestErrorKind::NoResponders => ControlError::NobodyServes {
                    service,
                    org: org.clone(),
                },
                _ => ControlError::TooSlow {
                    service,
                    waited: timeout,
                },
            })?;
        let broken = |message: String| ControlError::Broken { service, message };
        match ControlReply::decode(reply.payload)
            .map_err(|error| broken(error.to_string()))?
            .reply
        {
            Some(Reply::Answer(text)) => {
                serde_json::from_str(&text).map_err(|error| broken(error.to_string()))
            }
            Some(Reply::Error(message)) => Err(ControlError::Refused(message)),
            None => Err(broken("it is empty".to_owned())),
        }
    }
}
