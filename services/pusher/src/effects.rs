//! The effects of an operation, as plain data.
//!
//! An operation writes to the buckets, and the watch delivers these writes to the controller only later. So the controller applies the
//! effects to its state at once. This way nothing is planned twice.

use provisioning::{Account, AccountId, GroupLink, PersonLink, Roles, Team, TeamId};

/// Everything that one operation wrote. Links come with their revisions.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) person_links: Vec<(PersonLink, u64)>,
    pub(crate) group_links: Vec<(GroupLink, u64)>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) gone_accounts: Vec<AccountId>,
    pub(crate) teams: Vec<Team>,
    pub(crate) gone_teams: Vec<TeamId>,
    /// New team members. The roles of an existing member stay as they are.
    pub(crate) joined: Vec<(TeamId, AccountId)>,
    /// Team members that were removed, with all their roles.
    pub(crate) left: Vec<(TeamId, AccountId)>,
    /// Current roles of team members.
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
