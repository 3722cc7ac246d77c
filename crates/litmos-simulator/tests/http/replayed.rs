//! Eight public clients of Litmos, replayed as they send: method, path, query, headers and body shape of each.
//!
//! None of them can be installed from the package registries that this project builds from (PyPI, npm, crates.io and
//! Debian have none), so their requests are written down here from their public sources; no code of theirs is here.

mod baton;
mod java;
mod mcp;
mod node;
mod powershell;
mod python;
mod ruby;
