//! State and messages of Rollcall in NATS. No other crate uses NATS.
//!
//! State is in typed [`Bucket`]s. Every write names what it expects to find. Events and records are in streams. Requests use
//! NATS request-reply. Headers carry the trace context. This crate works around the traps of the client library: see `publish`
//! (error codes), `watch` (resumption), `lease` (time to live of deleted keys).

mod bucket;
mod commit;
mod connection;
mod dead;
mod error;
mod feed;
mod journal;
mod key;
mod lease;
mod ledger;
mod operator;
mod position;
mod publish;
mod record;
mod server;
mod snapshot;
mod tokens;
pub mod trace;
mod watch;

pub use bucket::{BATCH_MAX, Bucket, Change, Expect, Stored, Write};
pub use commit::{ChangeSet, Revisions};
pub use connection::{Bus, ConnectError, NatsConnection};
pub use dead::{DeadLetter, LETTERS_AT_ONCE, LetterError, LoadedFile};
pub use error::{BusError, Cause, WriteError};
pub use feed::{Delivery, Event, EventBody, FeedBatch, Outcome, Receipt, ReceiptInbox, Receipts};
pub use journal::{CallRecord, Decisions, Journal};
pub use key::{Key, KeysUnder, LinksKey, NameToken, ObservedKey, RosterKey, SchemaKey};
pub use lease::Lease;
pub use ledger::Ledger;
pub use operator::{GroupOrder, OperatorError, OperatorRequest, OperatorRequestError, RetryTarget, Service};
pub use position::Position;
pub use record::{BrokenRecord, Index, LinksValue, ObservedValue, Record, RosterValue, TeamMember};
pub use server::{NatsServer, ServerError, find_binary};
pub use snapshot::SnapshotPolicy;
pub use tokens::{
    Exchange, GOVERNOR_LEASE, GovernorRequest, GovernorRequests, OrgMessages, ReplyTo, ResponseBatch,
    StatusAnswer, TokenRequest, TokenResponse, Tokens, UseReport,
};
pub use watch::{Watch, WatchEvent};

pub type RosterBucket = Bucket<RosterKey, RosterValue>;
pub type ObservedBucket = Bucket<ObservedKey, ObservedValue>;
pub type LinksBucket = Bucket<LinksKey, LinksValue>;
pub type SchemaBucket = Bucket<SchemaKey, provisioning::SchemaVersion>;

impl Bus {
    /// The roster: what sources want.
    pub fn roster(&self) -> RosterBucket {
        Bucket::new(self)
    }

    /// The observed state: what Litmos has.
    pub fn observed(&self) -> ObservedBucket {
        Bucket::new(self)
    }

    /// The links between people and accounts, and between groups and teams.
    pub fn links(&self) -> LinksBucket {
        Bucket::new(self)
    }

    /// The user attributes of each org.
    pub fn schema(&self) -> SchemaBucket {
        Bucket::new(self)
    }
}
