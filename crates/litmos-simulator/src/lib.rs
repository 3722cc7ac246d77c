//! litmos-simulator
