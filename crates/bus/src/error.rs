//! Errors of the bus. An error of a write says whether the write may be stored.

use std::fmt;

/// Cause of a [`BusError`] or a [`WriteError`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A read failed, or a write whose outcome does not matter.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the bus did not answer while {doing}; is nats-server running at the [nats] url?")]
    Unavailable { doing: &'static str, source: Cause },
    #[error("the bus refused {doing}: {message}")]
    Refused { doing: &'static str, message: String },
    #[error("{what} on the bus cannot be read: {message}")]
    Broken { what: String, message: String },
}

/// A guarded write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another writer was first. Nothing was stored.
    #[error("{key} was written by somebody else meanwhile")]
    Conflict { key: String },
    /// No response came. The write may or may not be stored.
    #[error("no answer to a write of {key}; it may be stored all the same")]
    Unknown { key: String, source: Cause },
    /// The server is too busy. Nothing was stored.
    #[error("the bus is too busy to store {key}; try again")]
    Busy { key: String },
    /// The server refused. Nothing was stored.
    #[error("the bus refused to store {key}: {message}{}", Remedy(.message))]
    Refused { key: String, message: String },
}

impl WriteError {
    /// A [`WriteError::Unknown`]: the write may or may not be stored.
    pub fn unknown(key: impl Into<String>, cause: impl Into<Cause>) -> WriteError {
        WriteError::Unknown {
            key: key.into(),
            source: cause.into(),
        }
    }

    /// True if another writer was first. The caller then reads and decides again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, WriteError::Conflict { .. })
    }
}

struct Remedy<'a>(&'a str);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0.to_ascii_lowercase();
        if message.contains("insufficient")
            || message.contains("maximum bytes")
            || message.contains("resource")
            || message.contains("no space")
        {
            f.write_str("; the disk or the storage limit of nats-server is full: make room, then it goes on by itself")
        } else {
            Ok(())
        }
    }
}
