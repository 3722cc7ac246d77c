//! Receipts: what became of an event, sent to its sender on request.
//!
//! The header `Rollcall-Receipt` of an event names an inbox. A receipt is a plain message and can be lost with a connection. So
//! a missing receipt proves nothing about the event.

use async_nats::{HeaderMap, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, event_receipt};

use crate::bucket::header;
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

pub(crate) const RECEIPT: &str = "Rollcall-Receipt";

/// Prefix of every inbox. No receipt is sent to another subject, even if an event names one.
const INBOX: &str = "_INBOX.";

/// Outcome of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event is durably in the roster.
    Applied,
    /// The event is a dead letter now, for this reason.
    SetAside(String),
    /// The event cannot be applied yet, for this reason. It is delivered again automatically.
    Waits(String),
}

/// Receipt of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub event_id: String,
    pub outcome: Outcome,
}

/// Inbox that receipts are sent to.
#[derive(Clone, Debug)]
pub struct ReceiptInbox(String);

impl ReceiptInbox {
    pub(crate) fn subject(&self) -> &str {
        &self.0
    }
}

/// Receives the receipts of one inbox.
#[derive(Debug)]
pub struct Receipts {
    messages: Subscriber,
}

impl Receipts {
    /// The next receipt; `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<Receipt> {
        loop {
            let message = self.messages.next().await?;
            let receipt = v1::EventReceipt::decode(message.payload.as_ref()).ok();
            if let Some(receipt) = receipt.and_then(receipt_in) {
                return Some(receipt);
            }
        }
    }
}

impl Bus {
    /// Opens an inbox for receipts.
    ///
    /// # Errors
    /// When the bus does not accept the subscription.
    pub async fn receipts(&self) -> Result<(ReceiptInbox, Receipts), BusError> {
        let inbox = self.client.new_inbox();
        let messages = self
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "listening for receipts",
                source: error.into(),
            })?;
        Ok((ReceiptInbox(inbox), Receipts { messages }))
    }

    /// Sends the receipt of an event, if its sender requested one.
    pub(crate) async fn send_receipt(&self, of: &HeaderMap, event_id: &str, outcome: Outcome) {
        let Some(inbox) = header(of, RECEIPT).filter(|inbox| inbox.starts_with(INBOX)) else {
            return;
        };
        let receipt = receipt_out(event_id, outcome);
        let headers = headers(&v1::EventReceipt::full_name());
        let payload = Bytes::from(receipt.encode_to_vec());
        if let Err(error) = self.client.publish_with_headers(inbox, headers, payload).await {
            tracing::debug!(%error, "a receipt could not be sent");
        }
    }
}

fn receipt_out(event_id: &str, outcome: Outcome) -> v1::EventReceipt {
    use event_receipt::Outcome as Out;
    let outcome = match outcome {
        Outcome::Applied => Out::Applied(v1::Applied {}),
        Outcome::SetAside(reason) => Out::SetAside(v1::SetAside { reason }),
        Outcome::Waits(reason) => Out::Waits(v1::Waits { reason }),
    };
    v1::EventReceipt {
        event_id: event_id.to_owned(),
        outcome: Some(outcome),
    }
}

fn receipt_in(receipt: v1::EventReceipt) -> Option<Receipt> {
    use event_receipt::Outcome as In;
    let outcome = match receipt.outcome? {
        In::Applied(v1::Applied {}) => Outcome::Applied,
        In::SetAside(v1::SetAside { reason }) => Outcome::SetAside(reason),
        In::Waits(v1::Waits { reason }) => Outcome::Waits(reason),
    };
    Some(Receipt {
        event_id: receipt.event_id,
        outcome,
    })
}
