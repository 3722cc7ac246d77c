//! What Litmos does, as far as public sources tell, asked of the simulator over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bulk;
mod client;
mod control;
mod custom_fields;
mod faults;
mod limit;
mod program;
mod ranges;
mod teams;
mod users;
