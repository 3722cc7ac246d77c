//! rate-governor
