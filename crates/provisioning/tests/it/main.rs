//! The planner, looked at from outside: stories as snapshots, laws as properties over small random companies.

mod laws;
mod scene;
mod stories;
