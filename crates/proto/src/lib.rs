//! Protobuf payloads of every subject and bucket, generated from `proto/`.
//!
//! Only the crate `bus` uses these types; the other crates use the types of `provisioning`.

#![allow(missing_docs)]

/// Version 1 of all payloads.
#[allow(clippy::all, clippy::pedantic, clippy::needless_pass_by_value)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/rollcall.v1.rs"));
}
