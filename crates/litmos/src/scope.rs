//! Decides whether a failure concerns one item or the whole connection.
//!
//! A wrong base URL, a proxy's maintenance page, a refused key or a broken network makes every request fail. If these failures
//! were blamed on the items, correct items would be rejected one by one. Some failures are clear by themselves. For the others a
//! probe decides: if it succeeds, the item is at fault.

use rate_tokens::Permit;

use crate::client::Client;
use crate::failure::{Failure, FailureKind};

/// Number of consecutive requests without a valid response of Litmos after which the connection is suspected.
const FAULTS_IN_A_ROW: u32 = 3;

/// Scope of a failure, as far as the failure itself shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The request or its item.
    Item,
    /// The item or the connection. [`Client::probe`] decides.
    Doubtful,
    /// Every request would fail the same way.
    Connection,
}

impl Client {
    /// Scope of a failure of this client.
    pub fn scope(&self, failure: &Failure) -> Scope {
        match &failure.kind {
            FailureKind::Credentials | FailureKind::Redirected | FailureKind::NotSent => Scope::Connection,
            FailureKind::Gone | FailureKind::Forbidden => Scope::Doubtful,
            FailureKind::Void | FailureKind::RateLimited { .. } | FailureKind::Exists => Scope::Item,
            FailureKind::Rejected { .. } | FailureKind::NoSuchCall if failure.foreign => Scope::Doubtful,
            FailureKind::Rejected { .. } | FailureKind::NoSuchCall => match failure.status {
                None | Some(400 | 406 | 409) => Scope::Item,
                Some(_) => Scope::Doubtful,
            },
            FailureKind::Broken if failure.foreign => Scope::Doubtful,
            FailureKind::Retry | FailureKind::Unknown | FailureKind::Broken => {
                if self.faults_in_a_row() >= FAULTS_IN_A_ROW {
                    Scope::Doubtful
                } else {
                    Scope::Item
                }
            }
        }
    }

    /// Sends the smallest possible read, to find out whether Litmos answers.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn probe(&self, permit: Permit) -> Result<(), Failure> {
        self.list_users(permit, 0, 1).await.map(drop)
    }
}

impl Failure {
    /// Text for a person: why Litmos cannot be used, and what to do.
    pub fn connection_words(&self) -> String {
        let status = self
            .status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let message = &self.message;
        match &self.kind {
            FailureKind::Credentials => "Litmos rejected the API key (401); check api_key".to_owned(),
            FailureKind::Forbidden => format!(
                "Litmos refuses every call with this API key (403, {message}); check the access level of the key's owner"
            ),
            FailureKind::Redirected => {
                format!("base_url does not lead to Litmos ({status}, {message}); check base_url")
            }
            FailureKind::Gone | FailureKind::Rejected { .. } | FailureKind::NoSuchCall => {
                format!("base_url does not lead to Litmos ({status} on every call); check base_url")
            }
            FailureKind::NotSent => {
                format!("no connection to Litmos ({message}); check base_url and the network")
            }
            FailureKind::Broken if self.foreign => {
                "a web page or another document came instead of Litmos's data; check base_url, or wait until the \
                 maintenance is over"
                    .to_owned()
            }
            FailureKind::Broken => format!("Litmos's answers cannot be read ({message}); check base_url"),
            FailureKind::Retry => {
                format!("Litmos fails on every call ({status}, {message}); see whether Litmos is down")
            }
            FailureKind::Unknown => {
                format!("Litmos does not answer ({message}); check the network, and whether Litmos is down")
            }
            FailureKind::RateLimited { .. } => {
                "Litmos refuses every call for its rate limit; see what else uses it".to_owned()
            }
            FailureKind::Void | FailureKind::Exists => format!("{self}; try again"),
        }
    }
}
