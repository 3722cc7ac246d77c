//! Parts that every process needs, without domain terms: settings, telemetry, lifecycle, health, clock.
//!
//! The `main` of every service has the same five steps: read settings, start telemetry, build parts, run until stopped, drain.

pub mod clock;
mod error;
pub mod health;
pub mod lifecycle;
pub mod settings;
pub mod telemetry;
pub mod tls;

pub use error::error_chain;
