//! Encodes leaving teams: one call for each team, or one call for all teams of an account.
//!
//! A group in flight is not planned. An account that is to leave its team too waits until the group is free, and then
//! leaves all teams in one call. Leaving the other teams first would cost one more call.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Change, Operation};
use crate::planner::Removal;
use crate::{AccountId, GroupId, OperationId, OrgState, PersonId, Policy, Subject, TeamId};

pub(super) struct Leaving {
    pub(super) operations: Vec<Operation>,
    /// Groups with removals that wait until another group is free.
    pub(super) waiting: BTreeSet<GroupId>,
    /// People who leave all teams in one call. Joins of these people come after it.
    pub(super) leaving: BTreeMap<PersonId, OperationId>,
}

/// Replaces the removals of an account by one call, if the account leaves all its teams and has at least two.
pub(super) fn cheapest(state: &OrgState, removals: Vec<Removal>, policy: &Policy, now_ms: u64) -> Leaving {
    let age_ms = now_ms.saturating_sub(state.memberships_as_of_ms());
    let mut of: BTreeMap<AccountId, BTreeSet<TeamId>> = BTreeMap::new();
    let mut later: BTreeSet<AccountId> = BTreeSet::new();
    if age_ms <= policy.fresh_ms {
        for removal in removals.iter().filter(|removal| removal.person.is_some()) {
            let teams = of.entry(removal.account.clone()).or_default();
            teams.insert(removal.team.clone());
            let busy = removal.person.iter().flat_map(|person| {
                let teams = state.teams_of(&removal.account);
                teams.filter(|team| is_left_later(state, person, team))
            });
            for team in busy {
                teams.insert(team.clone());
                later.insert(removal.account.clone());
            }
        }
    }
    of.retain(|account, teams| teams.len() >= 2 && state.teams_of(account).all(|team| teams.contains(team)));
    let mut at_once: BTreeMap<AccountId, Vec<Removal>> = BTreeMap::new();
    let mut operations = Vec::new();
    let mut waiting = BTreeSet::new();
    for removal in removals {
        let all = of.contains_key(&removal.account)
            && removal
                .person
                .as_ref()
                .is_some_and(|person| nothing_else_is_under_way(state, person));
        if all && later.contains(&removal.account) {
            waiting.insert(removal.group);
        } else if all {
            at_once.entry(removal.account.clone()).or_default().push(removal);
        } else {
            operations.push(removal.operation);
        }
    }
    let mut leaving = BTreeMap::new();
    for (account, removals) in at_once {
        let Some(person) = removals.first().and_then(|removal| removal.person.clone()) else {
            continue;
        };
        let named = state
            .person(&person)
            .map_or("", |person| person.value.user_name.trim());
        let teams: Vec<&str> = removals
            .iter()
            .map(|removal| removal.team_name.as_str())
            .collect();
        let label = format!("take {named} out of all teams at once: {}", teams.join(", "));
        let change = Change::LeaveAllTeams {
            person: person.clone(),
            account,
            groups: removals.iter().map(|removal| removal.group.clone()).collect(),
        };
        let operation = Operation::new(change, 1, label);
        leaving.insert(person, operation.id.clone());
        operations.push(operation);
    }
    Leaving {
        operations,
        waiting,
        leaving,
    }
}

/// True if the person is to leave this team and its group is in flight.
fn is_left_later(state: &OrgState, person: &PersonId, team: &TeamId) -> bool {
    state.owner_of_team(team).is_some_and(|group| {
        state.is_under_way(&Subject::Group(group.clone())) && state.wants_member(group, person) == Some(false)
    })
}

/// True if no request in flight may add the person to a team. The call that leaves all teams could undo it unseen.
fn nothing_else_is_under_way(state: &OrgState, person: &PersonId) -> bool {
    let wanted = state
        .groups_of(person)
        .filter(|group| state.wants_member(group, person) == Some(true));
    let mut busy = wanted.filter(|group| {
        state.is_under_way(&Subject::Group((*group).clone()))
            || state
                .group_link(group)
                .is_some_and(|link| link.value.intent.is_some())
    });
    busy.next().is_none()
}
