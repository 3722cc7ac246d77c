//! What every process needs and no domain word: settings, telemetry, lifecycle, health, clock.
//!
//! A service's `main` is the same five steps everywhere: read settings, start telemetry, build parts, run until
//! stopped, drain. This crate has one module for each.

pub mod clock;
mod error;
pub mod health;
pub mod lifecycle;
pub mod settings;
pub mod telemetry;
pub mod tls;

pub use error::error_chain;
