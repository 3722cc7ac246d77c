//! schema-discovery
