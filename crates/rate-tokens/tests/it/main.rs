//! The budget as its callers use it: simulated clusters, fairness, forecasts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod exchange;
mod failover;
mod fairness;
mod forecasts;
mod harness;
mod leadership;
mod quality;
mod refusals;
mod replay;
mod safety;
mod settings;
mod simulation;
mod targets;
mod throughput;
mod wallet;
