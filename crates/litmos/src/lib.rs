//! litmos
