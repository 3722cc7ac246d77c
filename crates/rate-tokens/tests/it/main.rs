//! The budget as its callers see it: simulated worlds, fairness, forecasts.

mod safety;
mod targets;
mod world;
