//! Asking the rate governor, and serving those who ask it.

mod desk;
mod wire;
mod worker;

pub use desk::{
    AskIn, Exchange, GOVERNOR_LEASE, GovernorRequest, GovernorRequests, OrgWords, Replies, Reply, ReplyTo,
    ReportIn, StatusAnswer,
};
pub(crate) use wire::{class_in, class_out, grant_in, grant_out, settlement_in, settlement_out};
use wire::{report_in, report_out};
pub use worker::Tokens;
