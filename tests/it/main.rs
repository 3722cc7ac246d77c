//! Stories across services, against real nats-servers, real HTTP and a simulated Litmos that writes its own log.
//!
//! A story fails by panicking, and says where.
#![allow(clippy::unwrap_used)]

mod architecture;
mod arrival;
mod bad_input;
mod commands;
mod complaints;
mod crash;
mod differential;
mod governor;
mod imports;
mod limit;
mod linearizable;
mod paused;
mod planted;
mod price;
mod processes;
mod rebalance;
mod scim;
mod soak;
mod sources;
mod sweep;
mod traces;
