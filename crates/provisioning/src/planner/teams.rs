//! Collects the needs of groups. Parent groups are planned before the groups under them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deletion, Needs, is_over, members};
use crate::need::{self, GroupNeed, Parent, ParentTeam, TeamAmendment};
use crate::plan::{Change, Operation, WaitReason};
use crate::{Group, GroupId, OperationId, OrgState, PersonId, Policy, Revised, Roles, Subject, TeamId};

/// The team of a group now, or after an operation of this plan.
#[derive(Clone, Default)]
pub(super) struct TeamPlacement {
    pub(super) team: Option<TeamId>,
    /// The operation of this plan that creates or links the team.
    pub(super) by: Option<OperationId>,
}

impl TeamPlacement {
    fn is_anywhere(&self) -> bool {
        self.team.is_some() || self.by.is_some()
    }
}

struct TeamPlanner<'a> {
    state: &'a OrgState,
    policy: &'a Policy,
    now_ms: u64,
    needs: &'a mut Needs,
    placements: BTreeMap<GroupId, TeamPlacement>,
    scopes: BTreeMap<GroupId, Scope>,
}

/// The members of a group to plan.
#[derive(Clone)]
pub(super) enum Scope {
    All,
    Only(BTreeSet<PersonId>),
}

/// Collects the needs of the given groups, of the groups of the given people, and of their members.
pub(super) fn look(
    state: &OrgState,
    subjects: &BTreeSet<Subject>,
    needs: &mut Needs,
    policy: &Policy,
    now_ms: u64,
) {
    let mut look = TeamPlanner {
        state,
        policy,
        now_ms,
        needs,
        placements: BTreeMap::new(),
        scopes: scopes(state, subjects),
    };
    let groups: Vec<GroupId> = look.scopes.keys().cloned().collect();
    for id in groups {
        look.with_those_above(&id);
    }
    look.leavers_elsewhere();
}

/// The groups to plan: each given group with all members, and the groups of the given people with these people only.
/// A group of a person is one that has a statement about the person, or in whose team the person holds a role.
fn scopes(state: &OrgState, subjects: &BTreeSet<Subject>) -> BTreeMap<GroupId, Scope> {
    let mut scopes: BTreeMap<GroupId, Scope> = BTreeMap::new();
    for subject in subjects {
        if let Subject::Group(id) = subject {
            scopes.insert(id.clone(), Scope::All);
        }
    }
    let has_role_holders = state.has_role_holders();
    for subject in subjects {
        let Subject::Person(id) = subject else { continue };
        let account = has_role_holders.then(|| state.account_for(id)).flatten();
        let teams = account.into_iter().flat_map(|account| {
            let holds = |team: &&TeamId| state.roles(team, account) != Roles::NONE;
            state.teams_of(account).filter(holds)
        });
        let by_role = teams.filter_map(|team| state.owner_of_team(team));
        for group in state.groups_of(id).chain(by_role) {
            match scopes.get_mut(group) {
                None => {
                    scopes.insert(group.clone(), Scope::Only(BTreeSet::from([id.clone()])));
                }
                Some(Scope::All) => {}
                Some(Scope::Only(people)) => {
                    people.insert(id.clone());
                }
            }
        }
    }
    scopes
}

impl TeamPlanner<'_> {
    /// Plans a group, after the groups above it that have no team yet.
    fn with_those_above(&mut self, id: &GroupId) {
        let mut chain = vec![id.clone()];
        let mut seen = BTreeSet::from([id.clone()]);
        while let Some(parent) = chain.last().and_then(|id| self.parent_without_team(id))
            && !self.placements.contains_key(&parent)
            && seen.insert(parent.clone())
        {
            chain.push(parent);
        }
        for id in chain.into_iter().rev() {
            self.at(&id);
        }
    }

    fn parent_without_team(&self, id: &GroupId) -> Option<GroupId> {
        let group = self.state.group(id)?;
        if group.value.deleted || self.state.linked_team(id).is_some() {
            return None;
        }
        match need::parent_of(self.state, &group.value) {
            Parent::Group(parent) if self.state.linked_team(parent).is_none() => Some(parent.clone()),
            Parent::Group(_) | Parent::None | Parent::Unknown | Parent::Several(_) | Parent::Circle => None,
        }
    }

    fn at(&mut self, id: &GroupId) {
        if self.placements.contains_key(id) {
            return;
        }
        let linked = TeamPlacement {
            team: self.state.linked_team(id).map(|team| team.id.clone()),
            by: None,
        };
        let subject = Subject::Group(id.clone());
        let (Some(group), false) = (self.state.group(id), self.state.is_under_way(&subject)) else {
            self.placements.insert(id.clone(), linked);
            return;
        };
        let needed = need::group_need(
            self.state,
            group,
            || self.place_of_parent(&group.value),
            self.policy,
            self.now_ms,
        );
        let (placement, goes_on) = self.sort(group, needed, linked);
        if goes_on && placement.is_anywhere() {
            // A group outside the scopes that this plan needs is planned with all its members.
            let scope = self.scopes.get(id).unwrap_or(&Scope::All);
            let joining = members::look(
                self.state,
                group,
                &placement,
                scope,
                self.policy,
                self.now_ms,
                self.needs,
            );
            if !joining.people.is_empty() {
                self.needs.joinings.insert(id.clone(), joining);
            }
        }
        self.placements.insert(id.clone(), placement);
    }

    fn place_of_parent(&self, group: &Group) -> ParentTeam {
        let Parent::Group(parent) = need::parent_of(self.state, group) else {
            return ParentTeam::Root;
        };
        if let Some(team) = self.state.linked_team(parent) {
            return ParentTeam::Team(team.id.clone());
        }
        match self.placements.get(parent) {
            Some(TeamPlacement { team: Some(team), .. }) => ParentTeam::Team(team.clone()),
            Some(TeamPlacement {
                team: None,
                by: Some(_),
            }) => ParentTeam::Coming,
            Some(TeamPlacement { team: None, by: None }) | None => ParentTeam::Awaited,
        }
    }

    /// Adds the need of a group to the plan. Returns its team, and whether its members are planned too.
    fn sort(
        &mut self,
        group: &Revised<Group>,
        needed: GroupNeed,
        linked: TeamPlacement,
    ) -> (TeamPlacement, bool) {
        let revision = group.revision;
        let group = &group.value;
        let id = group.id.clone();
        let name = group.name.trim().to_owned();
        match needed {
            GroupNeed::Nothing => {
                let link = self.state.group_link(&id).map(|link| &link.value);
                let parked = link.and_then(|link| link.parked.as_ref());
                if let Some(team) = &linked.team
                    && parked.is_some_and(|parked| is_over(parked, revision))
                {
                    let label = format!("group {name} is no longer parked");
                    let change = Change::LinkTeam {
                        group: id,
                        revision,
                        team: team.clone(),
                    };
                    self.add(Operation::new(change, 0, label));
                }
                (linked, !group.deleted)
            }
            GroupNeed::Wait(reason) => {
                let goes_on = matches!(reason, WaitReason::Parked(_)) && !group.deleted;
                self.needs.wait(Subject::Group(id), reason);
                (linked, goes_on)
            }
            GroupNeed::Park(parked) => {
                self.needs
                    .set_aside(self.state, Subject::Group(id), revision, parked);
                (linked, !group.deleted)
            }
            GroupNeed::Link(team, amendment) => {
                let label = format!("link group {name} to team {team}");
                let change = Change::LinkTeam {
                    group: id,
                    revision,
                    team: team.clone(),
                };
                let by = self.add(Operation::new(change, 0, label));
                if let Some(amendment) = amendment {
                    let mut amend = amend(group, revision, amendment);
                    amend.after.insert(by.clone());
                    self.add(amend);
                }
                (
                    TeamPlacement {
                        team: Some(team),
                        by: Some(by),
                    },
                    true,
                )
            }
            GroupNeed::Create => (self.create(group, revision, name), true),
            GroupNeed::Amend(amendment) => {
                let amend = amend(group, revision, amendment);
                self.add(amend);
                (linked, true)
            }
            GroupNeed::Unlink { team, kept_for } => {
                let label = match kept_for {
                    0 => format!("let team {team} of group {name} go unmanaged"),
                    1 => format!("let team {team} of group {name} go unmanaged: a team lies under it"),
                    n => format!("let team {team} of group {name} go unmanaged: {n} teams lie under it"),
                };
                let change = Change::UnlinkTeam {
                    group: id,
                    revision,
                    team,
                };
                self.add(Operation::new(change, 0, label));
                (TeamPlacement::default(), false)
            }
            GroupNeed::Delete { team, name } => {
                self.delete(group, revision, team, name);
                (TeamPlacement::default(), false)
            }
        }
    }

    fn add(&mut self, operation: Operation) -> OperationId {
        let id = operation.id.clone();
        self.needs.others.push(operation);
        id
    }

    fn create(&mut self, group: &Group, revision: u64, name: String) -> TeamPlacement {
        let parent = match need::parent_of(self.state, group) {
            Parent::Group(parent) => Some(parent.clone()),
            Parent::None | Parent::Unknown | Parent::Several(_) | Parent::Circle => None,
        };
        let above = parent.as_ref().and_then(|parent| self.state.group(parent));
        let label = match above {
            Some(above) => format!("create team {name} under {}", above.value.name.trim()),
            None => format!("create team {name}"),
        };
        let before = parent.as_ref().and_then(|parent| self.placements.get(parent));
        let before = before.and_then(|placement| placement.by.clone());
        let change = Change::CreateTeam {
            group: group.id.clone(),
            revision,
            name,
            description: group.description.as_deref().unwrap_or_default().trim().to_owned(),
            parent,
        };
        let mut operation = Operation::new(change, 1, label);
        operation.after.extend(before);
        TeamPlacement {
            team: None,
            by: Some(self.add(operation)),
        }
    }

    fn delete(&mut self, group: &Group, revision: u64, team: TeamId, name: String) {
        let under: Vec<GroupId> = need::subteams(self.state, &team, self.now_ms)
            .going
            .into_iter()
            .cloned()
            .collect();
        let label = format!("delete team {name}");
        let change = Change::DeleteTeam {
            group: group.id.clone(),
            revision,
            team,
            name,
        };
        let mut operation = Operation::new(change, 1, label);
        // Ends the recursion if the teams form a cycle.
        self.placements.insert(group.id.clone(), TeamPlacement::default());
        for id in &under {
            self.at(id);
        }
        let of = |deletion: &&Deletion| under.contains(&deletion.group);
        let before = self.needs.deletions.iter().filter(of);
        operation
            .after
            .extend(before.map(|deletion| deletion.operation.id.clone()));
        if operation.after.len() < under.len() {
            let subject = Subject::Group(group.id.clone());
            return self.needs.wait(subject, WaitReason::UnderWay);
        }
        self.needs.deletions.push(Deletion {
            group: group.id.clone(),
            revision,
            requested_at_ms: group.changed_at_ms,
            operation,
        });
    }

    /// Plans the other teams of every account that leaves a team, because it may be leaving all of them.
    fn leavers_elsewhere(&mut self) {
        let mut from = 0;
        while from < self.needs.removals.len() {
            let removals = self.needs.removals[from..].iter();
            let accounts: BTreeSet<_> = removals.map(|removal| removal.account.clone()).collect();
            from = self.needs.removals.len();
            let teams = accounts.iter().flat_map(|account| self.state.teams_of(account));
            let groups: BTreeSet<GroupId> = teams
                .filter_map(|team| self.state.owner_of_team(team))
                .filter(|group| !self.placements.contains_key(*group))
                .cloned()
                .collect();
            for group in groups {
                self.with_those_above(&group);
            }
        }
    }
}

fn amend(group: &Group, revision: u64, amendment: TeamAmendment) -> Operation {
    let TeamAmendment {
        team,
        name,
        description,
        known,
    } = amendment;
    let label = match (&name, description.as_deref()) {
        (Some(name), None) => format!("rename team {} to {}", name.from, name.to),
        (Some(name), Some(_)) => {
            format!("rename team {} to {} and describe it anew", name.from, name.to)
        }
        (None, Some("")) => format!("clear the description of team {}", group.name.trim()),
        (None, _) => format!("describe team {} anew", group.name.trim()),
    };
    let change = Change::AmendTeam {
        group: group.id.clone(),
        revision,
        team,
        name,
        description,
    };
    Operation::new(change, if known { 1 } else { 2 }, label)
}
