//! Finds the subjects whose plan may change when a value changes.

use std::collections::BTreeSet;

use super::{OrgState, Subject, Subjects, people, teams};
use crate::{AccountId, GroupId, NormalName, PersonId, TeamId};

impl OrgState {
    /// Adds the person, the people who report to them, and the people who wait for their user name.
    pub(super) fn around_person(&self, id: &PersonId, touched: &mut Subjects) {
        if self.gathering.is_some() {
            return;
        }
        touched.insert(Subject::Person(id.clone()));
        let mut names = Vec::new();
        self.around_manager(id, touched);
        names.extend(
            self.person(id)
                .map(|person| NormalName::of(&person.value.user_name)),
        );
        if let Some(account) = self.linked_account(id) {
            names.extend(
                self.account(account)
                    .map(|account| NormalName::of(&account.user_name)),
            );
        }
        self.around_names(names, touched);
    }

    /// Groups whose overwrite is due and that have this account in their team.
    fn overwritten_teams_of(&self, account: &AccountId) -> impl Iterator<Item = Subject> {
        let owners = self.teams_of(account).flat_map(|team| self.team_owners.get(team));
        let due = owners.filter(|group| {
            let link = self.group_links.get(*group);
            link.is_some_and(|link| link.value.overwrite_due)
        });
        due.cloned().map(Subject::Group)
    }

    /// Adds the people who report to this person, because this person's account may appear or disappear.
    fn around_manager(&self, id: &PersonId, touched: &mut Subjects) {
        let Some(person) = self.person(id) else { return };
        for reference in people::references(&person.value) {
            touched.extend(self.reports_of.get(&reference).cloned().map(Subject::Person));
        }
    }

    /// Adds the people who want one of these user names, and those who want the names that these people would give up.
    pub(super) fn around_names(&self, mut names: Vec<NormalName>, touched: &mut Subjects) {
        let mut seen: BTreeSet<&PersonId> = BTreeSet::new();
        while let Some(name) = names.pop() {
            if let Some(account) = self.account_named(&name) {
                touched.extend(self.owners_of(&account.id).cloned().map(Subject::Person));
            }
            for person in self.people_called(&name) {
                if !seen.insert(person) {
                    continue;
                }
                touched.insert(Subject::Person(person.clone()));
                self.around_manager(person, touched);
                if let Some(account) = self.account_for(person) {
                    touched.extend(self.overwritten_teams_of(account));
                }
                let account = self.linked_account(person).and_then(|id| self.account(id));
                names.extend(account.map(|account| NormalName::of(&account.user_name)));
            }
        }
    }

    pub(super) fn around_account(&self, id: &AccountId, touched: &mut Subjects) {
        if self.gathering.is_some() {
            return;
        }
        for owner in self.owners_of(id) {
            self.around_person(owner, touched);
        }
        if let Some(account) = self.account(id) {
            let name = NormalName::of(&account.user_name);
            for person in self.people_called(&name) {
                self.around_person(person, touched);
            }
            touched.extend(self.managed_teams_of(id));
        }
    }

    fn managed_teams_of(&self, account: &AccountId) -> impl Iterator<Item = Subject> {
        let teams = self.teams_of(account);
        teams.flat_map(|team| self.team_owners.get(team).cloned().map(Subject::Group))
    }

    /// Adds the group, groups with the same name, all groups under it, and the groups of the teams above its team.
    pub(super) fn around_group(&self, id: &GroupId, touched: &mut Subjects) {
        if self.gathering.is_some() {
            return;
        }
        touched.insert(Subject::Group(id.clone()));
        if let Some(group) = self.groups.get(id) {
            let name = NormalName::of(&group.value.name);
            touched.extend(self.groups_by_reference.get(&name).cloned().map(Subject::Group));
        }
        let mut seen = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(group) = open.pop().and_then(|id| self.groups.get(id)) {
            for reference in teams::references(&group.value) {
                for child in self.children_of.get(&reference) {
                    if seen.insert(child) {
                        touched.insert(Subject::Group(child.clone()));
                        open.push(child);
                    }
                }
            }
        }
        if let Some(team) = self.group_link(id).and_then(|link| link.value.team.as_ref()) {
            self.above_team(team, touched);
        }
    }

    /// Like `around_group`. Also adds the groups that may get or lose the team of this group's link.
    pub(super) fn around_linked_group(&self, id: &GroupId, touched: &mut Subjects) {
        self.around_group(id, touched);
        if let Some(team) = self.group_link(id).and_then(|link| link.value.team.as_ref()) {
            self.around_team(team, touched);
        }
    }

    fn above_team(&self, id: &TeamId, touched: &mut Subjects) {
        let mut seen = BTreeSet::from([id]);
        let mut at = self.teams.get(id).and_then(|team| team.parent.as_ref());
        while let Some(parent) = at.filter(|parent| seen.insert(parent)) {
            touched.extend(self.team_owners.get(parent).cloned().map(Subject::Group));
            at = self.teams.get(parent).and_then(|team| team.parent.as_ref());
        }
    }

    pub(super) fn around_team(&self, id: &TeamId, touched: &mut Subjects) {
        if self.gathering.is_some() {
            return;
        }
        for owner in self.team_owners.get(id) {
            self.around_group(owner, touched);
        }
        if let Some(team) = self.teams.get(id) {
            let name = NormalName::of(&team.name);
            for group in self.groups_by_reference.get(&name) {
                self.around_group(group, touched);
            }
        }
        self.above_team(id, touched);
    }

    pub(super) fn around_team_member(&self, team: &TeamId, account: &AccountId) -> Subjects {
        if self.gathering.is_some() {
            return Subjects::new();
        }
        let groups = self.team_owners.get(team).cloned().map(Subject::Group);
        let people = self.owners_of(account).cloned().map(Subject::Person);
        groups.chain(people).collect()
    }

    /// Groups with a team member that must leave or that no source named for the group, and groups whose overwrite is due.
    pub(super) fn groups_with_somebody_to_leave(&self) -> Subjects {
        let mut groups = Subjects::new();
        for (group, link) in &self.group_links {
            let Some(team) = &link.value.team else { continue };
            let leaves = self.wanted_members.get(group).is_some_and(|wanted| {
                let mut out = wanted.iter().filter(|(_, wanted)| !wanted.present);
                out.any(|(person, _)| {
                    self.account_for(person)
                        .is_some_and(|account| self.is_team_member(team, account))
                })
            });
            if leaves || link.value.overwrite_due || self.extra_members(group).next().is_some() {
                groups.insert(Subject::Group(group.clone()));
            }
        }
        groups
    }
}
