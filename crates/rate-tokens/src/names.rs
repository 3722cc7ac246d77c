//! Names that a budget uses.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest org, worker or flow name. Names are kept per waiting request and per open grant, so their size is bounded
/// too.
pub const NAME_BYTES_MAX: usize = 128;

/// Number of a leadership. It increases with every take-over, so no two governors make grants with the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    pub const fn new(number: u64) -> Epoch {
        Epoch(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Id of one request, chosen by the caller of [`Budget`](crate::Budget). After the response, the id may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(u64);

impl RequestId {
    pub const fn new(number: u64) -> RequestId {
        RequestId(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Permanent id of one grant: the epoch that made it and its number within the epoch. Written `epoch-number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrantId {
    pub epoch: Epoch,
    pub number: u64,
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl FromStr for GrantId {
    type Err = NotAGrantId;

    fn from_str(text: &str) -> Result<GrantId, NotAGrantId> {
        let parsed = text
            .split_once('-')
            .and_then(|(epoch, number)| Some((epoch.parse().ok()?, number.parse().ok()?)));
        let (epoch, number) = parsed.ok_or_else(|| NotAGrantId {
            text: text.chars().take(NAME_BYTES_MAX).collect(),
        })?;
        Ok(GrantId {
            epoch: Epoch::new(epoch),
            number,
        })
    }
}

/// The text is not a grant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a grant id; expected EPOCH-NUMBER, for example 3-17")]
pub struct NotAGrantId {
    pub text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// # Errors
            /// [`NameRefused`] if the text is empty or longer than [`NAME_BYTES_MAX`].
            pub fn new(text: &str) -> Result<$type, NameRefused> {
                match text.len() {
                    0 => Err(NameRefused::Empty { what: $what }),
                    1..=NAME_BYTES_MAX => Ok($type(Arc::from(text))),
                    bytes => Err(NameRefused::TooLong { what: $what, bytes }),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameRefused;

            fn try_from(text: String) -> Result<$type, NameRefused> {
                $type::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// Name of an org, which owns one budget with its own limit.
    OrgName,
    "org"
);
name!(
    /// Name of a process that sends requests. The number of permits that it may hold at a time is bounded.
    WorkerId,
    "worker"
);
name!(
    /// Name of the purpose of requests: one job, one connector, one person at a console. Flows share tokens fairly, so
    /// a worker gains nothing by requesting more often.
    FlowId,
    "flow"
);

/// The text cannot be the name of an org, a worker or a flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    #[error("the {what} name is empty; give every {what} a name")]
    Empty { what: &'static str },
    #[error("the {what} name has {bytes} bytes; shorten it to {NAME_BYTES_MAX}")]
    TooLong { what: &'static str, bytes: usize },
}
