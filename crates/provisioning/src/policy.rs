//! What an org's operator allows and how eager to be.

use serde::{Deserialize, Serialize};

/// The org's switches, in Okta's words, and the bounds of freshness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// "Push New Users".
    pub create_users: bool,
    /// "Push Profile Updates".
    pub update_attributes: bool,
    /// "Push User Deactivation": cut off and leave all teams.
    pub deactivate_users: bool,
    pub reactivate_users: bool,
    /// "Group Push".
    pub push_groups: bool,
    /// Whether bulk import may be used where it is cheaper.
    pub bulk: bool,
    /// How old an observed record may be to be written back without reading it again, in milliseconds.
    pub fresh_ms: u64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            create_users: true,
            update_attributes: true,
            deactivate_users: true,
            reactivate_users: true,
            push_groups: true,
            bulk: true,
            fresh_ms: 600_000,
        }
    }
}
