//! Token requests: the worker's side and the governor's side.

mod client;
mod server;
mod wire;

pub use client::Tokens;
pub use server::{
    Exchange, GOVERNOR_LEASE, GovernorRequest, GovernorRequests, OrgMessages, ReplyTo, ResponseBatch,
    StatusAnswer, TokenRequest, TokenResponse, UseReport,
};
pub(crate) use wire::{class_in, class_out, grant_in, grant_out, settlement_in, settlement_out};
use wire::{use_report_in, use_report_out};
