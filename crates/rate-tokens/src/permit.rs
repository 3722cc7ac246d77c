//! A permit is a granted token in the code that sends. It is owned, used at most once, and void after its use-by.
//!
//! Law: every permit is settled exactly once. If it is dropped before it is spent, it is returned as unused. Once
//! spent, it is settled as used with the outcome that the sender saw, also if the sending task is cancelled before it
//! ends.

use std::fmt;
use std::sync::Arc;

use crate::Moment;

/// Outcome of the request that a permit was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A response arrived, with any status except a refusal.
    Answered,
    /// The target refused because of its rate limit. `retry_after_ms` is set if the response contains it.
    Refused { retry_after_ms: Option<u64> },
    /// No response: it is unknown whether and when the request was counted.
    Unknown,
}

/// The final state of a permit, reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    Unused,
    Used(Outcome),
}

type Settle = Box<dyn FnOnce(Settlement) + Send>;

/// The right to send one request to one org before its use-by. It cannot be cloned; [`Permit::spend`] consumes it.
pub struct Permit {
    org: Arc<str>,
    id: String,
    use_by: Moment,
    settle: Option<Settle>,
}

impl Permit {
    /// Wraps one granted token. `settle` is called exactly once, on the thread that ends the permit. It must not block.
    pub fn new(
        org: impl Into<Arc<str>>,
        id: impl Into<String>,
        use_by: Moment,
        settle: impl FnOnce(Settlement) + Send + 'static,
    ) -> Permit {
        Permit {
            org: org.into(),
            id: id.into(),
            use_by,
            settle: Some(Box::new(settle)),
        }
    }

    pub fn org(&self) -> &str {
        &self.org
    }

    /// Id of the grant and token, for the journal.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn use_by(&self) -> Moment {
        self.use_by
    }

    /// Turns the permit into a spent one if `now` is before its use-by. Call it directly before writing to the socket.
    ///
    /// # Errors
    /// [`VoidPermit`] after use-by; the permit is then returned as unused.
    pub fn spend(mut self, now: Moment) -> Result<Spent, VoidPermit> {
        if now >= self.use_by {
            return Err(VoidPermit {
                org: self.org.to_string(),
                id: self.id.clone(),
            });
        }
        Ok(Spent {
            id: self.id.clone(),
            settle: self.settle.take(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Settlement::Unused);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("org", &self.org)
            .field("id", &self.id)
            .field("use_by", &self.use_by)
            .finish_non_exhaustive()
    }
}

/// A permit whose request is in flight. If it is dropped without an outcome, it settles as [`Outcome::Unknown`].
pub struct Spent {
    id: String,
    settle: Option<Settle>,
}

impl Spent {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reports the outcome. Call it when the response *head* has arrived, before the body is read: the token cools from
    /// then on.
    pub fn settle(mut self, outcome: Outcome) {
        if let Some(settle) = self.settle.take() {
            settle(Settlement::Used(outcome));
        }
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Settlement::Used(Outcome::Unknown));
        }
    }
}

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spent")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The permit was past its use-by, so nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permit {id} of org {org} has expired; nothing was sent, ask for a new one")]
pub struct VoidPermit {
    pub org: String,
    pub id: String,
}
