//! What identity providers send, and what must come of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bodies;
mod discovery;
mod filters;
mod groups;
mod laws;
mod lists;
mod litmos;
mod patches;
mod users;

use scim::{Meta, PatchRequest, ResourceKind, UserDocument, UserWrite};
use serde_json::{Map, Value};

pub(crate) const BASE: &str = "https://sync.corp.example/scim/acme/v2";
pub(crate) const ENTERPRISE: &str = scim::ENTERPRISE_USER;
pub(crate) const LITMOS: &str = scim::LITMOS_USER;

pub(crate) fn meta(kind: ResourceKind) -> Meta<'static> {
    Meta {
        kind,
        id: "u-1",
        base_url: BASE,
        created_at_ms: 1_772_000_000_000,
        changed_at_ms: 1_772_000_060_500,
        revision: 7,
    }
}

pub(crate) fn created(body: &Value) -> UserDocument {
    UserDocument::from_create(body).unwrap().document
}

pub(crate) fn shown(user: &UserDocument) -> Map<String, Value> {
    user.render(&meta(ResourceKind::User), &[])
}

/// The user after a PATCH with these operations.
pub(crate) fn patched(user: &UserDocument, operations: &Value) -> Result<UserWrite, scim::ScimError> {
    user.patched(&PatchRequest::parse(
        &serde_json::json!({ "Operations": operations }),
    )?)
}

pub(crate) fn notes(notes: &[scim::Note]) -> String {
    notes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
