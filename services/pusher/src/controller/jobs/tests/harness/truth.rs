//! Compares the observed state with Litmos.

use std::collections::BTreeSet;

use litmos_simulator::Snapshot;
use provisioning::{Account, AccountId, OrgState, Team, TeamId};

use super::Harness;

impl Harness {
    /// Differences between the observed state and Litmos. Memberships of inactive accounts are not compared, because Litmos does not list
    /// them.
    pub(in crate::controller::jobs::tests) async fn untruths(&self) -> Vec<String> {
        let state = self.state().await;
        let Snapshot { users, teams } = self.litmos.state();
        let mut untruths = Vec::new();
        for user in &users {
            let known = state.account(&AccountId::parse(&user.id.0).unwrap());
            let same = |known: &Account| known.user_name == user.user_name && known.active == user.active;
            if !known.is_some_and(same) {
                untruths.push(format!("{}: {known:?}", user.user_name));
            }
        }
        for team in &teams {
            let id = TeamId::parse(&team.id.0).unwrap();
            let same = |known: &Team| {
                known.name == team.name
                    && known.parent.as_ref().map(TeamId::as_str) == team.parent_id.as_ref().map(|id| &*id.0)
                    && known
                        .description
                        .as_ref()
                        .is_none_or(|known| *known == team.description)
            };
            if !state.team(&id).is_some_and(same) {
                untruths.push(format!("{}: {:?}", team.name, state.team(&id)));
            }
            for user in users.iter().filter(|user| user.active) {
                let account = AccountId::parse(&user.id.0).unwrap();
                let there = (
                    team.members.contains(&user.id),
                    team.leaders.contains(&user.id),
                    team.admins.contains(&user.id),
                );
                let roles = state.roles(&id, &account);
                let known = (state.is_team_member(&id, &account), roles.leader, roles.admin);
                if there != known {
                    untruths.push(format!(
                        "{} in {}: {known:?}, is {there:?}",
                        user.user_name, team.name
                    ));
                }
            }
        }
        let gone = |team: &&Team| !teams.iter().any(|there| there.id.0 == team.id.as_str());
        untruths.extend(
            state
                .teams()
                .filter(gone)
                .map(|team| format!("{} is gone", team.name)),
        );
        untruths
    }
}

/// Everything in a state that jobs write, sorted.
pub(super) fn summary(state: &OrgState) -> BTreeSet<String> {
    let accounts = state.accounts().map(|account| format!("{account:?}"));
    let teams = state.teams().map(|team| format!("{team:?}"));
    let links = state.person_links().map(|link| format!("{link:?}"));
    let group_links = state.group_links().map(|link| format!("{link:?}"));
    let members = state.teams().flat_map(|team| {
        state
            .team_members(&team.id)
            .map(move |account| format!("{account} in {} {:?}", team.id, state.roles(&team.id, account)))
    });
    accounts
        .chain(teams)
        .chain(links)
        .chain(group_links)
        .chain(members)
        .collect()
}
