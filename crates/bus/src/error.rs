//! What can go wrong on the bus, and whether a write may be stored all the same.

use std::fmt;

/// A read, or a write whose fate does not matter, failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the bus did not answer while {doing}; is nats-server running at the [nats] url?")]
    Unavailable { doing: &'static str, message: String },
    #[error("the bus refused {doing}: {message}")]
    Refused { doing: &'static str, message: String },
    #[error("{what} on the bus cannot be read: {message}")]
    Broken { what: String, message: String },
}

/// A guarded write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else wrote the key first. Nothing was stored.
    #[error("{key} was written by somebody else meanwhile")]
    Conflict { key: String },
    /// No answer: the write may or may not be stored.
    #[error("no answer to a write of {key}; it may be stored all the same")]
    Unknown { key: String },
    /// The server has too much to do. Nothing was stored.
    #[error("the bus is too busy to store {key}; try again")]
    Busy { key: String },
    /// The server refused. Nothing was stored.
    #[error("the bus refused to store {key}: {message}{}", Remedy(.message))]
    Refused { key: String, message: String },
}

impl WriteError {
    /// Whether somebody else wrote first, so that reading again and deciding again is right.
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
