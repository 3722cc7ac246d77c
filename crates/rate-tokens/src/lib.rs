//! The right to send one request to one org: who may have it, and when.
//!
//! An org with a limit of N requests a minute has N **tokens**. A token goes *free → held → cooling → free*
//! and cools for a whole window from the moment its holder reports that the response has arrived. Two uses
//! of one token are therefore a whole window apart on any clock that the other side may count with, so no
//! window, rolling or fixed, ever holds more than N requests.
//!
//! Nothing here reads a clock, opens a socket or draws a random number: `now` is a parameter, decisions are
//! returned as plain data, and a thin shell (the rate-governor service) performs them.

mod class;
mod moment;
mod permit;

pub use class::Class;
pub use moment::Moment;
pub use permit::{Outcome, Permit, Settlement, Spent, VoidPermit};
