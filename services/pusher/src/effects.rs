//! What an operation left behind, as plain data.
//!
//! Performing an operation writes buckets; the controller's snapshot of the state would hear of it only when the watch
//! brings it back. Effects close that gap: they are applied to the state at once, so nothing is planned twice.

use provisioning::{Account, AccountId, GroupLink, PersonLink, Roles, Team, TeamId};

/// Everything that one operation wrote, with the revisions of what is guarded by revision.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) person_links: Vec<(PersonLink, u64)>,
    pub(crate) group_links: Vec<(GroupLink, u64)>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) gone_accounts: Vec<AccountId>,
    pub(crate) teams: Vec<Team>,
    pub(crate) gone_teams: Vec<TeamId>,
    /// New members. Roles of one who is a member already stay as they are.
    pub(crate) joined: Vec<(TeamId, AccountId)>,
    /// Members no more, with all roles.
    pub(crate) left: Vec<(TeamId, AccountId)>,
    /// What members are in their teams now.
    pub(crate) roles: Vec<(TeamId, AccountId, Roles)>,
}

impl Effects {
    pub(crate) fn apply(
        self,
        state: &mut provisioning::OrgState,
    ) -> std::collections::BTreeSet<provisioning::Subject> {
        let mut touched = std::collections::BTreeSet::new();
        for account in self.accounts {
            touched.extend(state.put_account(account));
        }
        for id in &self.gone_accounts {
            touched.extend(state.drop_account(id));
        }
        for team in self.teams {
            touched.extend(state.put_team(team));
        }
        for id in &self.gone_teams {
            touched.extend(state.drop_team(id));
        }
        for (team, account) in &self.joined {
            touched.extend(state.put_team_member(team, account));
        }
        for (team, account) in &self.left {
            touched.extend(state.drop_team_member(team, account));
        }
        for (team, account, roles) in &self.roles {
            touched.extend(state.put_team_member(team, account));
            touched.extend(state.put_roles(team, account, *roles));
        }
        for (link, revision) in self.person_links {
            touched.extend(state.put_person_link(link, revision));
        }
        for (link, revision) in self.group_links {
            touched.extend(state.put_group_link(link, revision));
        }
        touched
    }
}
