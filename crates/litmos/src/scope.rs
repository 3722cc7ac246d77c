//! Whether a failure is about one item or about the whole connection.
//!
//! A wrong base URL, a proxy's maintenance page, a refused key or a network that is down fail every request alike. Taken
//! for faults of the items that they happened to, they would reject people one by one who have nothing wrong with them.
//! Some failures tell by themselves; of the others a probing read decides: if that works, the item is at fault.

use rate_tokens::Permit;

use crate::client::Client;
use crate::failure::{Failure, FailureKind};

/// Requests in a row without an answer of Litmos's, from which on the connection is suspected.
const FAULTS_IN_A_ROW: u32 = 3;

/// What a failure is about, as far as it can tell by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The request or what it was about.
    Item,
    /// The item or the connection: [`Client::probe`] decides.
    Doubtful,
    /// Every request would fail so.
    Connection,
}

impl Client {
    /// What a failure of this client is about.
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

    /// The smallest read there is: whether Litmos answers at all.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn probe(&self, permit: Permit) -> Result<(), Failure> {
        self.list_users(permit, 0, 1).await.map(drop)
    }
}

impl Failure {
    /// Why nothing can be done with this Litmos, and what to do about it, for a person to read.
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
