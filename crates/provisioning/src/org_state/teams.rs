//! Groups, teams, their members, and the links between them.

use std::collections::BTreeSet;

use super::{AccountEntry, OrgState, PersonEntry, Revised, Subject, Subjects, WantedMember};
use crate::{
    AccountId, Group, GroupId, GroupLink, Membership, NormalName, Person, PersonId, PersonLink, Roles, Team,
    TeamId,
};

/// References that may name the group as a parent: group id, external ids and name.
pub(super) fn references(group: &Group) -> Vec<NormalName> {
    let mut all = vec![NormalName::of(&group.name), NormalName::of(group.id.as_str())];
    all.extend(external_ids(group));
    all
}

fn external_ids(group: &Group) -> impl Iterator<Item = NormalName> {
    let ids = group
        .sources
        .values()
        .filter_map(|mark| mark.external_id.as_deref());
    ids.map(NormalName::of)
}

/// The group that a parent reference names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Referenced<'a> {
    Nobody,
    One(&'a GroupId),
    /// Number of groups that match equally well.
    Several(usize),
}

impl OrgState {
    pub fn put_group(&mut self, mut group: Group, revision: u64) -> Subjects {
        self.ids.group(&mut group);
        group.scim_document = None;
        let id = group.id.clone();
        let mut touched = self.drop_group(&id);
        for reference in references(&group) {
            self.groups_by_reference.insert(reference, id.clone());
        }
        if let Some(parent) = &group.parent {
            self.children_of.insert(NormalName::of(parent), id.clone());
        }
        self.groups.insert(
            id.clone(),
            Revised {
                value: group,
                revision,
            },
        );
        self.around_group(&id, &mut touched);
        touched
    }

    pub fn drop_group(&mut self, id: &GroupId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_group(id, &mut touched);
        if let Some(old) = self.groups.remove(id) {
            for reference in references(&old.value) {
                self.groups_by_reference.remove(&reference, id);
            }
            if let Some(parent) = &old.value.parent {
                self.children_of.remove(&NormalName::of(parent), id);
            }
        }
        touched
    }

    pub fn put_membership(&mut self, membership: &Membership) -> Subjects {
        let group = self.ids.group_id(&membership.group);
        let (person, entry) = self.person_entry(&membership.person);
        entry.groups.insert(group.clone());
        let wanted = WantedMember {
            present: membership.present,
            changed_at_ms: membership.changed_at_ms,
        };
        if let Some(gathering) = &mut self.gathering {
            gathering.wanted.push(group, person, Some(wanted));
            return Subjects::new();
        }
        self.wanted_members
            .entry(group)
            .or_default()
            .insert(person, wanted);
        Subjects::from([
            Subject::Group(membership.group.clone()),
            Subject::Person(membership.person.clone()),
        ])
    }

    pub fn drop_membership(&mut self, group: &GroupId, person: &PersonId) -> Subjects {
        if let Some(gathering) = &mut self.gathering {
            gathering.wanted.push(group.clone(), person.clone(), None);
        }
        if let Some(wanted) = self.wanted_members.get_mut(group) {
            wanted.remove(person);
        }
        self.with_person_entry(person, |entry| entry.groups.remove(group));
        Subjects::from([Subject::Group(group.clone()), Subject::Person(person.clone())])
    }

    pub fn put_team(&mut self, mut team: Team) -> Subjects {
        self.ids.team(&mut team);
        let id = team.id.clone();
        let mut touched = self.drop_team(&id);
        self.teams_by_name.insert(NormalName::of(&team.name), id.clone());
        if let Some(parent) = &team.parent {
            self.subteams.insert(parent.clone(), id.clone());
        }
        self.teams.insert(id.clone(), team);
        self.around_team(&id, &mut touched);
        touched
    }

    pub fn drop_team(&mut self, id: &TeamId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_team(id, &mut touched);
        if let Some(old) = self.teams.remove(id) {
            self.teams_by_name.remove(&NormalName::of(&old.name), id);
            if let Some(parent) = &old.parent {
                self.subteams.remove(parent, id);
            }
        }
        touched
    }

    pub fn put_team_member(&mut self, team: &TeamId, account: &AccountId) -> Subjects {
        let team = &self.ids.team_id(team);
        let account = &self.account_entry(account).0;
        if let Some(gathering) = &mut self.gathering {
            gathering.members.push(team.clone(), account.clone(), Some(()));
            self.account_entry(account).1.teams.insert(team.clone());
            return Subjects::new();
        }
        let members = self.members.entry(team.clone()).or_default();
        // The watch delivers Rollcall's own writes again: up to a thousand members for one call.
        if !members.insert(account.clone()) {
            return Subjects::new();
        }
        self.account_entry(account).1.teams.insert(team.clone());
        self.around_team_member(team, account)
    }

    pub fn drop_team_member(&mut self, team: &TeamId, account: &AccountId) -> Subjects {
        let touched = self.around_team_member(team, account);
        if let Some(gathering) = &mut self.gathering {
            gathering.members.push(team.clone(), account.clone(), None);
        }
        if let Some(members) = self.members.get_mut(team) {
            members.remove(account);
        }
        if let Some(roles) = self.roles.get_mut(team) {
            roles.remove(account);
        }
        self.with_account_entry(account, |entry| entry.teams.remove(team));
        touched
    }

    /// Sets the roles of a team member; [`Roles::NONE`] removes them.
    pub fn put_roles(&mut self, team: &TeamId, account: &AccountId, roles: Roles) -> Subjects {
        let holders = self.roles.entry(team.clone()).or_default();
        let before = if roles == Roles::NONE {
            holders.remove(account)
        } else {
            holders.insert(account.clone(), roles)
        };
        if before.unwrap_or(Roles::NONE) == roles {
            return Subjects::new();
        }
        self.around_team_member(team, account)
    }

    pub fn roles(&self, team: &TeamId, account: &AccountId) -> Roles {
        let holders = self.roles.get(team);
        holders
            .and_then(|holders| holders.get(account))
            .copied()
            .unwrap_or_default()
    }

    /// Accounts that have a role in this team, in id order.
    pub(crate) fn role_holders(&self, team: &TeamId) -> impl Iterator<Item = (&AccountId, Roles)> {
        let holders = self.roles.get(team).into_iter().flatten();
        holders.map(|(account, roles)| (account, *roles))
    }

    /// Members of the group's team that no source named for this group, in id order. Accounts that are about to leave all teams are not
    /// among them.
    pub fn extra_members(&self, group: &GroupId) -> impl Iterator<Item = &AccountId> {
        let team = self
            .group_links
            .get(group)
            .and_then(|link| link.value.team.as_ref());
        let members = team.into_iter().flat_map(|team| self.team_members(team));
        let group = group.clone();
        members.filter(move |account| {
            let holder = self.holder_of(account).and_then(|person| self.people.get(person));
            holder.is_none_or(|holder| {
                let leaves = |link: &Revised<PersonLink>| link.value.leave_teams_due;
                !holder.groups.contains(&group) && !holder.link.as_ref().is_some_and(leaves)
            })
        })
    }

    /// Time of the newest statement about a member of the group, in Unix milliseconds; 0 if there is none.
    pub(crate) fn newest_membership_ms(&self, group: &GroupId) -> u64 {
        let wanted = self.wanted_members.get(group).into_iter().flatten();
        wanted.map(|(_, wanted)| wanted.changed_at_ms).max().unwrap_or(0)
    }

    /// Sets when a complete import last read all team memberships, in Unix milliseconds: the time before its first request. A membership
    /// that this read did not find is known to be absent.
    pub fn set_memberships_as_of(&mut self, as_of_ms: u64) -> Subjects {
        self.memberships_as_of_ms = as_of_ms;
        self.groups_with_somebody_to_leave()
    }

    pub fn memberships_as_of_ms(&self) -> u64 {
        self.memberships_as_of_ms
    }

    pub fn put_group_link(&mut self, mut link: GroupLink, revision: u64) -> Subjects {
        self.ids.group_link(&mut link);
        let group = link.group.clone();
        let mut touched = Subjects::from([Subject::Group(group.clone())]);
        let old = self.group_links.get(&group);
        // An operation on members also writes the link. Other subjects depend only on its team and on whether the group is managed.
        let narrow = old.is_some_and(|old| {
            old.value.team.is_some()
                && old.value.team == link.team
                && old.value.paused == link.paused
                && self.groups.get(&group).is_some_and(|group| !group.value.deleted)
        });
        if !narrow {
            touched = self.forget_group_link(&group);
        }
        if let Some(team) = &link.team {
            self.team_owners.insert(team.clone(), group.clone());
        }
        self.group_links.insert(
            group.clone(),
            Revised {
                value: link,
                revision,
            },
        );
        if !narrow {
            self.around_linked_group(&group, &mut touched);
        }
        touched
    }

    pub fn drop_group_link(&mut self, group: &GroupId) -> Subjects {
        let mut touched = self.forget_group_link(group);
        self.around_linked_group(group, &mut touched);
        touched
    }

    fn forget_group_link(&mut self, group: &GroupId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_linked_group(group, &mut touched);
        if let Some(old) = self.group_links.remove(group)
            && let Some(team) = &old.value.team
        {
            self.team_owners.remove(team, group);
        }
        touched
    }

    pub fn group(&self, id: &GroupId) -> Option<&Revised<Group>> {
        self.groups.get(id)
    }

    pub fn groups(&self) -> impl Iterator<Item = &Revised<Group>> {
        self.groups.values()
    }

    /// Groups with this name, in id order.
    pub(crate) fn groups_named<'a>(
        &'a self,
        name: &'a NormalName,
    ) -> impl Iterator<Item = &'a Revised<Group>> {
        self.groups_by_reference
            .get(name)
            .filter_map(|id| self.groups.get(id))
            .filter(move |group| NormalName::of(&group.value.name) == *name)
    }

    /// The group that a parent reference names: by id before external id before name. Deleted groups never match.
    pub(crate) fn referenced_group(&self, reference: &str) -> Referenced<'_> {
        let name = NormalName::of(reference);
        let mut best: Option<(u8, &GroupId, usize)> = None;
        let answering = self
            .groups_by_reference
            .get(&name)
            .filter_map(|id| self.groups.get(id))
            .filter(|group| !group.value.deleted);
        for group in answering {
            let group = &group.value;
            let how = if NormalName::of(group.id.as_str()) == name {
                0
            } else if external_ids(group).any(|id| id == name) {
                1
            } else {
                2
            };
            best = match best {
                Some((so_far, id, count)) if so_far == how => Some((how, id, count + 1)),
                Some((so_far, id, count)) if so_far < how => Some((so_far, id, count)),
                _ => Some((how, &group.id, 1)),
            };
        }
        match best {
            None => Referenced::Nobody,
            Some((_, id, 1)) => Referenced::One(id),
            Some((.., count)) => Referenced::Several(count),
        }
    }

    pub fn team(&self, id: &TeamId) -> Option<&Team> {
        self.teams.get(id)
    }

    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// Teams with this name, in id order.
    pub fn teams_named<'a>(&'a self, name: &NormalName) -> impl Iterator<Item = &'a Team> + use<'a> {
        self.teams_by_name.get(name).filter_map(|id| self.teams.get(id))
    }

    /// Teams directly under this team, in id order.
    pub fn subteams(&self, id: &TeamId) -> impl Iterator<Item = &TeamId> {
        self.subteams.get(id)
    }

    pub fn is_team_member(&self, team: &TeamId, account: &AccountId) -> bool {
        // An account is in few teams, but a team may contain all accounts: the account's set is smaller.
        self.accounts
            .get(account)
            .is_some_and(|entry| entry.teams.contains(team))
    }

    pub fn team_members(&self, team: &TeamId) -> impl Iterator<Item = &AccountId> {
        self.members.get(team).into_iter().flatten()
    }

    pub(crate) fn team_size(&self, team: &TeamId) -> usize {
        self.members.get(team).map_or(0, BTreeSet::len)
    }

    /// Returns the person if this quick check finds them settled: they are to be active, not in flight, and in the team with an active
    /// account that only they own. This is true for nearly all members. `None` means that the full check is needed.
    pub(crate) fn settled_member(&self, team: &TeamId, person: &PersonId) -> Option<&Person> {
        let PersonEntry { person, link, .. } = self.people.get(person)?.as_ref();
        let (person, link) = (&person.as_ref()?.value, &link.as_ref()?.value);
        let AccountEntry {
            account,
            teams,
            owners,
        } = self.accounts.get(link.account.as_ref()?)?.as_ref();
        let is_settled = teams.contains(team)
            && account.as_ref().is_some_and(|account| account.active)
            && owners.len() == 1
            && person.wanted_active()
            && link.frozen.is_none()
            && !link.leave_teams_due
            && !self.is_person_under_way(&person.id);
        is_settled.then_some(person)
    }

    /// True if any account has a role in any team.
    pub(crate) fn has_role_holders(&self) -> bool {
        self.roles.values().any(|holders| !holders.is_empty())
    }

    pub fn teams_of(&self, account: &AccountId) -> impl Iterator<Item = &TeamId> {
        let entry = self.accounts.get(account);
        entry.into_iter().flat_map(|entry| &entry.teams)
    }

    /// People that the group wants in (`true`) or out (`false`), in id order.
    pub fn wanted_members(&self, group: &GroupId) -> impl Iterator<Item = (&PersonId, bool)> {
        self.wanted_members
            .get(group)
            .into_iter()
            .flatten()
            .map(|(person, wanted)| (person, wanted.present))
    }

    /// True if the group wants this person in (`true`) or out (`false`); `None` without a statement.
    pub fn wants_member(&self, group: &GroupId, person: &PersonId) -> Option<bool> {
        let wanted = self.wanted_members.get(group)?.get(person)?;
        Some(wanted.present)
    }

    /// When the statement about this membership became known, in Unix milliseconds; 0 if there is none.
    pub fn membership_requested_at_ms(&self, group: &GroupId, person: &PersonId) -> u64 {
        let wanted = self
            .wanted_members
            .get(group)
            .and_then(|wanted| wanted.get(person));
        wanted.map_or(0, |wanted| wanted.changed_at_ms)
    }

    /// Groups that have a statement about this person: present or not.
    pub fn groups_of(&self, person: &PersonId) -> impl Iterator<Item = &GroupId> {
        let entry = self.people.get(person);
        entry.into_iter().flat_map(|entry| &entry.groups)
    }

    pub fn group_link(&self, group: &GroupId) -> Option<&Revised<GroupLink>> {
        self.group_links.get(group)
    }

    pub fn group_links(&self) -> impl Iterator<Item = &Revised<GroupLink>> {
        self.group_links.values()
    }

    pub fn owner_of_team(&self, team: &TeamId) -> Option<&GroupId> {
        self.team_owners.first(team)
    }

    /// The team that this group is linked to, if Litmos still has it.
    pub(crate) fn linked_team(&self, group: &GroupId) -> Option<&Team> {
        let link = self.group_links.get(group)?;
        self.teams.get(link.value.team.as_ref()?)
    }

    /// True if the group is not deleted and its linked team exists.
    pub(super) fn is_settled(&self, group: &GroupId) -> bool {
        self.linked_team(group).is_some() && self.groups.get(group).is_some_and(|group| !group.value.deleted)
    }

    pub(crate) fn linked_teams(&self) -> usize {
        self.team_owners.len()
    }

    /// Number of team members in all linked teams.
    pub(crate) fn linked_memberships(&self) -> usize {
        let members = self.team_owners.keys().filter_map(|team| self.members.get(team));
        members.map(BTreeSet::len).sum()
    }
}
