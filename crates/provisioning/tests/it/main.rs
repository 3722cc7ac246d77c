//! The planner, looked at from outside: stories as snapshots, laws as properties over small random companies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cheapest;
mod company;
mod indexes;
mod laws;
mod planted;
mod scene;
mod stories;
mod undo;
