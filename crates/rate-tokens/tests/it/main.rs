//! The budget as its callers see it: simulated worlds, fairness, forecasts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod desk;
mod exchange;
mod failover;
mod fairness;
mod forecasts;
mod quality;
mod refusals;
mod reign;
mod replay;
mod safety;
mod settings;
mod targets;
mod throughput;
mod wallet;
mod world;
