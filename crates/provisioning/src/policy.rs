//! The org's switches and limits, as set by the operator.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{NormalName, Safeguard, cost::CostModel};

/// What happens to the team of a group that its source deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlinkedTeams {
    /// The team stays as it is and is no longer managed.
    #[default]
    Leave,
    Delete,
}

/// What happens to members of a managed team that no source named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraMembers {
    /// They stay, and are counted and listed.
    #[default]
    Report,
    /// They are removed from the team, within the limits of the safeguard.
    Remove,
}

/// The org's switches, in Okta's words, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// "Push New Users".
    pub create_users: bool,
    /// "Push Profile Updates".
    pub update_attributes: bool,
    /// "Push User Deactivation": cut off and leave all teams.
    pub deactivate_users: bool,
    pub reactivate_users: bool,
    /// "Update application username on: create and update". Off: the user name is set only when the account is created.
    pub update_user_names: bool,
    /// "Group Push".
    pub push_groups: bool,
    pub unlinked_teams: UnlinkedTeams,
    pub extra_members: ExtraMembers,
    /// User names of accounts that are never cut off, demoted or renamed.
    pub protected: BTreeSet<NormalName>,
    /// User name of the account whose API key Rollcall uses. It is protected too. The API does not return the owner of a key.
    pub api_key_owner: Option<NormalName>,
    /// True if Account Owners that Rollcall did not promote are never cut off or demoted.
    pub protect_owners: bool,
    /// Limits on harmful changes without an approval.
    pub safeguard: Safeguard,
    /// True if bulk import may be used where it is cheaper.
    pub bulk: bool,
    /// Greatest age of an observed record that is written back without reading it again, in milliseconds.
    pub fresh_ms: u64,
    /// The costs of the different ways to perform the same change.
    pub costs: CostModel,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            create_users: true,
            update_attributes: true,
            deactivate_users: true,
            reactivate_users: true,
            update_user_names: true,
            push_groups: true,
            unlinked_teams: UnlinkedTeams::Leave,
            extra_members: ExtraMembers::Report,
            protected: BTreeSet::new(),
            api_key_owner: None,
            protect_owners: true,
            safeguard: Safeguard::default(),
            bulk: true,
            fresh_ms: 600_000,
            costs: CostModel::default(),
        }
    }
}
