//! What Litmos does, as far as public sources tell, asked of the simulator over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bulk;
mod client;
mod control;
mod courses;
mod custom_fields;
mod details;
mod faults;
mod keys;
mod limit;
mod outages;
mod program;
mod ranges;
mod replayed;
mod teams;
mod users;
mod values;
mod xml;
