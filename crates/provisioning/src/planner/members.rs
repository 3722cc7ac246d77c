//! Collects the needs of the members of one team: to join, to leave, to be promoted or demoted.

use std::collections::BTreeSet;

use super::teams::{Scope, TeamPlacement};
use super::{Joining, Needs, Removal, RoleNeed};
use crate::need;
use crate::plan::{Change, Operation, WaitReason};
use crate::{
    AccessLevel, AccountId, Attribute, ExtraMembers, Group, GroupId, OrgState, Person, PersonId, Policy,
    Revised, Roles, Subject, TeamId, TeamRole,
};

/// Time without a change of the group by any source, in milliseconds, before members that no source named are removed.
const EXTRA_MEMBERS_WAIT_MS: u64 = 15 * 60_000;

struct MemberPlanner<'a> {
    state: &'a OrgState,
    policy: &'a Policy,
    group: &'a Group,
    team: Option<&'a TeamId>,
    needs: &'a mut Needs,
    /// Accounts that this plan removes from the team.
    leaving: BTreeSet<AccountId>,
}

/// Collects the needs of the members of a group. Returns the people who join.
pub(super) fn look(
    state: &OrgState,
    group: &Revised<Group>,
    placement: &TeamPlacement,
    scope: &Scope,
    policy: &Policy,
    now_ms: u64,
    needs: &mut Needs,
) -> Joining {
    let bulk = match placement.team.as_ref().and_then(|id| state.team(id)) {
        Some(team) => !team.bulk_code.is_empty(),
        None => placement.by.is_some(),
    };
    let mut joining = Joining {
        name: group.value.name.trim().to_owned(),
        made_by: placement.by.clone(),
        bulk,
        people: Default::default(),
    };
    let mut look = MemberPlanner {
        state,
        policy,
        group: &group.value,
        team: placement.team.as_ref(),
        needs,
        leaving: BTreeSet::new(),
    };
    let mut roles = Vec::new();
    // If the account of a member is being created now, all who join wait for it, so that one call adds them all.
    let mut awaited = false;
    // In a team where nobody has a role, members without a role need no further check.
    let plain_team = placement
        .team
        .as_ref()
        .filter(|team| state.role_holders(team).next().is_none());
    let is_plain = |person: &Person| person.access_level.and_then(role_of).is_none();
    let mut settled = 0;
    let mut member = |id: &PersonId, wanted: bool| {
        let at_rest = plain_team.and_then(|team| state.settled_member(team, id));
        if wanted && at_rest.is_some_and(is_plain) {
            settled += 1;
            return;
        }
        let Some(person) = state.person(id).map(|person| &person.value) else {
            return;
        };
        let account = need::can_join(state, person);
        if state.is_person_under_way(id) {
            awaited |= is_awaited(state, &group.value.id, id);
            return;
        }
        if !wanted {
            if let Some(account) = account.filter(|account| look.is_member(account)) {
                look.remove(
                    Some(person),
                    account.clone(),
                    state.membership_requested_at_ms(&group.value.id, id),
                );
            }
            return;
        }
        let Some(account) = look.account_to_be(person, account) else {
            return;
        };
        let joins = !account.is_some_and(|account| look.is_member(account));
        roles.extend(look.roles(person, account, joins));
        if joins {
            joining.people.insert(id.clone(), account.cloned());
        }
    };
    let id = &group.value.id;
    let overwrites = state.group_link(id).is_some_and(|link| link.value.overwrite_due);
    match scope {
        Scope::Only(people) if !overwrites => {
            for person in people {
                if let Some(wanted) = state.wants_member(id, person) {
                    member(person, wanted);
                }
            }
        }
        Scope::All | Scope::Only(_) => {
            for (person, wanted) in state.wanted_members(id) {
                member(person, wanted);
            }
        }
    }
    // With a scope of some people only, accounts of other members may be in creation too.
    if !awaited && !joining.people.is_empty() {
        awaited = state.under_way().iter().any(|subject| match subject {
            Subject::Person(id) => is_awaited(state, &group.value.id, id),
            Subject::Group(_) => false,
        });
    }
    if awaited {
        joining.people.clear();
        roles.retain(|role| !role.joins);
    }
    if overwrites {
        look.overwrite();
    } else if matches!(scope, Scope::All) && plain_team.is_none_or(|team| state.team_size(team) != settled) {
        look.extra_members(group, now_ms);
    }
    look.strange_roles(&mut roles);
    needs.roles.extend(roles);
    joining
}

/// True if this person, who is in flight, will join the group's team with a new or reactivated account.
fn is_awaited(state: &OrgState, group: &GroupId, person: &PersonId) -> bool {
    state.wants_member(group, person) == Some(true)
        && state.person(person).is_some_and(|person| {
            need::can_join(state, &person.value).is_none() && state.is_to_be_active(&person.value)
        })
}

impl MemberPlanner<'_> {
    fn is_member(&self, account: &AccountId) -> bool {
        self.team
            .is_some_and(|team| self.state.is_team_member(team, account))
    }

    /// The active account that the person has after this plan; `Some(None)` if this plan creates it.
    fn account_to_be<'b>(
        &'b self,
        person: &Person,
        account: Option<&'b AccountId>,
    ) -> Option<Option<&'b AccountId>> {
        if account.is_some() {
            return Some(account);
        }
        if self.needs.creations.contains_key(&person.id) {
            return Some(None);
        }
        let amendment = self.needs.amendments.get(&person.id)?;
        amendment.reactivates().then_some(Some(&amendment.account))
    }

    fn remove(&mut self, person: Option<&Person>, account: AccountId, requested_at_ms: u64) {
        let Some(team) = self.team else { return };
        if !self.leaving.insert(account.clone()) {
            return;
        }
        let named = match person {
            Some(person) => person.user_name.trim().to_owned(),
            None => {
                let account = self.state.account(&account);
                account.map_or_else(
                    || "an account that is not known".to_owned(),
                    |account| account.user_name.clone(),
                )
            }
        };
        let team_name = self.group.name.trim().to_owned();
        let label = format!("take {named} out of team {team_name}");
        let person = person.map(|person| person.id.clone());
        let change = Change::RemoveMember {
            group: self.group.id.clone(),
            team: team.clone(),
            person: person.clone(),
            account: account.clone(),
        };
        self.needs.removals.push(Removal {
            group: self.group.id.clone(),
            team: team.clone(),
            team_name,
            person,
            account,
            requested_at_ms,
            operation: Operation::new(change, 1, label),
        });
    }

    /// "Push now": removes all accounts from the team that are not in the group, also those without a person.
    fn overwrite(&mut self) {
        let state = self.state;
        let id = &self.group.id;
        let link = state.group_link(id).map(|link| &link.value);
        let due = link.filter(|link| link.overwrite_due && link.team.as_ref() == self.team);
        let (Some(link), Some(team)) = (due, self.team) else {
            return;
        };
        let wanted = state.wanted_members(id).filter(|(_, wanted)| *wanted);
        let accounts: BTreeSet<&AccountId> = wanted
            .filter_map(|(person, _)| state.account_for(person))
            .collect();
        let mut left = false;
        for account in state.team_members(team) {
            let owner = state.holder_of(account);
            if accounts.contains(account)
                || owner.is_some_and(|owner| state.wants_member(id, owner) == Some(true))
            {
                continue;
            }
            left = true;
            if owner.is_some_and(|owner| need::leaves_all_teams(state, owner, account, self.policy)) {
                continue;
            }
            let under_way = |owner: &PersonId| state.is_under_way(&Subject::Person(owner.clone()));
            if !owner.is_some_and(under_way) {
                let person = owner.and_then(|owner| state.person(owner));
                self.remove(
                    person.map(|person| &person.value),
                    account.clone(),
                    link.changed_at_ms,
                );
            }
        }
        if !left {
            let label = format!("end push now of team {}", self.group.name.trim());
            let change = Change::EndOverwrite { group: id.clone() };
            self.needs.others.push(Operation::new(change, 0, label));
        }
    }

    /// Removes members that no source named, if the policy says so. This waits until the sources have named members and
    /// until [`EXTRA_MEMBERS_WAIT_MS`] after their last change of the group, because they may still be sending members.
    fn extra_members(&mut self, group: &Revised<Group>, now_ms: u64) {
        let state = self.state;
        let id = &self.group.id;
        let removes = match self.policy.extra_members {
            ExtraMembers::Remove => state.import_complete(),
            ExtraMembers::Report => false,
        };
        if !removes || !state.wanted_members(id).any(|(_, wanted)| wanted) {
            return;
        }
        let extra: Vec<AccountId> = state.extra_members(id).cloned().collect();
        if extra.is_empty() {
            return;
        }
        let newest_word = state.newest_membership_ms(id).max(group.value.changed_at_ms);
        let at_ms = newest_word.saturating_add(EXTRA_MEMBERS_WAIT_MS);
        if now_ms < at_ms {
            let subject = Subject::Group(id.clone());
            return self.needs.wait(subject, WaitReason::ExtraMembers { at_ms });
        }
        for account in extra {
            let owner = state.holder_of(&account);
            let busy = |owner: &PersonId| {
                state.is_under_way(&Subject::Person(owner.clone()))
                    || need::leaves_all_teams(state, owner, &account, self.policy)
            };
            if !owner.is_some_and(busy) {
                let person = owner.and_then(|owner| state.person(owner));
                self.remove(person.map(|person| &person.value), account.clone(), now_ms);
            }
        }
    }

    /// True if this plan gives the account the desired level; `None` if the account neither has nor gets it.
    fn is_levelled(&self, person: &Person, account: Option<&AccountId>) -> Option<bool> {
        let has = account
            .and_then(|account| self.state.account(account))
            .is_some_and(|account| account.access_level == person.access_level);
        let gets = || {
            let amendment = self.needs.amendments.get(&person.id);
            self.needs.creations.contains_key(&person.id)
                || amendment.is_some_and(|amendment| amendment.changes(Attribute::AccessLevel))
        };
        (has || gets()).then_some(!has)
    }

    /// Promotions, then demotions. A desired level without a team role removes roles; without a desired level roles stay.
    fn roles(&self, person: &Person, account: Option<&AccountId>, joins: bool) -> Vec<RoleNeed> {
        let Some(desired) = person.access_level.map(role_of) else {
            return Vec::new();
        };
        let held = match (self.team, account) {
            (Some(team), Some(account)) if !joins => self.state.roles(team, account),
            _ => Roles::NONE,
        };
        // The usual case: no role now, and none desired.
        if desired.is_none() && held == Roles::NONE {
            return Vec::new();
        }
        let Some(levelled) = self.is_levelled(person, account) else {
            return Vec::new();
        };
        let spared = account
            .and_then(|account| self.state.account(account))
            .is_some_and(|account| need::is_protected(self.state, account, self.policy));
        let need = |role, holds| RoleNeed {
            group: self.group.id.clone(),
            group_name: self.group.name.trim().to_owned(),
            team: self.team.cloned(),
            person: person.id.clone(),
            user_name: person.user_name.trim().to_owned(),
            account: account.cloned(),
            role,
            holds,
            joins,
            levelled,
        };
        let promotions = desired
            .filter(|role| !held.holds(*role))
            .map(|role| need(role, true));
        let demotions = TeamRole::ALL
            .into_iter()
            .filter(|role| held.holds(*role) && desired != Some(*role) && !spared)
            .map(|role| need(role, false));
        promotions.into_iter().chain(demotions).collect()
    }

    /// Removes roles of members about whom the group says nothing, if their level gives no role.
    fn strange_roles(&self, roles: &mut Vec<RoleNeed>) {
        let Some(team) = self.team else { return };
        for (account, _) in self.state.role_holders(team) {
            let Some(person) = self
                .state
                .holder_of(account)
                .and_then(|owner| self.state.person(owner))
            else {
                continue;
            };
            let person = &person.value;
            let roleless = person.access_level.is_some_and(|level| role_of(level).is_none());
            if roleless
                && self.says_nothing_of(&person.id)
                && !self.leaving.contains(account)
                && self.state.is_to_be_active(person)
                && !self.state.is_under_way(&Subject::Person(person.id.clone()))
            {
                roles.extend(self.roles(person, Some(account), false));
            }
        }
    }

    fn says_nothing_of(&self, person: &PersonId) -> bool {
        let group: &GroupId = &self.group.id;
        self.state.wants_member(group, person).is_none()
    }
}

/// The team role that belongs to an access level.
fn role_of(level: AccessLevel) -> Option<TeamRole> {
    match level {
        AccessLevel::TeamLeader => Some(TeamRole::Leader),
        AccessLevel::TeamAdmin => Some(TeamRole::Admin),
        AccessLevel::AccountOwner | AccessLevel::Administrator | AccessLevel::Learner => None,
    }
}
