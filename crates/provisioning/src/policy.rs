//! What an org's operator allows and how eager to be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{NormalName, Safeguard, cost::CostModel};

/// What becomes of the team of a group that its source deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlinkedTeams {
    /// It stays as it is and is no longer managed.
    #[default]
    Leave,
    Delete,
}

/// What becomes of members of a managed team whom no source named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraMembers {
    /// They stay, and are counted and listed.
    #[default]
    Report,
    /// They are taken out of the team, as far as the safeguard lets that pass.
    Remove,
}

/// The org's switches, in Okta's words, and the bounds of freshness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// "Push New Users".
    pub create_users: bool,
    /// "Push Profile Updates".
    pub update_attributes: bool,
    /// "Push User Deactivation": cut off and leave all teams.
    pub deactivate_users: bool,
    pub reactivate_users: bool,
    /// "Update application username on: create and update". Off: only when the account is made.
    pub update_user_names: bool,
    /// "Group Push".
    pub push_groups: bool,
    pub unlinked_teams: UnlinkedTeams,
    pub extra_members: ExtraMembers,
    /// User names of accounts that nothing cuts off, demotes or renames.
    pub protected: BTreeSet<NormalName>,
    /// User name of the account whose API key Rollcall uses, protected like those. The API does not say whose key it is.
    pub api_key_owner: Option<NormalName>,
    /// Whether Account Owners whom Rollcall did not promote are neither cut off nor demoted.
    pub protect_owners: bool,
    /// Which harmful changes pass before a person must approve.
    pub safeguard: Safeguard,
    /// Whether bulk import may be used where it is cheaper.
    pub bulk: bool,
    /// How old an observed record may be to be written back without reading it again, in milliseconds.
    pub fresh_ms: u64,
    /// What ways of saying the same cost.
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
