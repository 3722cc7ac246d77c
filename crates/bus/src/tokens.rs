//! Asking the rate governor, and serving those who ask it.

mod desk;
mod wire;
mod worker;

pub use desk::{AskIn, Exchange, GOVERNOR_LEASE, GovernorRequest, Reply, ReplyTo, ReportIn, StatusAnswer};
pub(crate) use wire::{class_in, class_out, grant_in, grant_out, token_in, token_out};
pub use worker::Tokens;
