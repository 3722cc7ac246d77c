//! What teams and their members need.

use std::collections::{BTreeMap, BTreeSet};

use super::{Needs, Removal};
use crate::need::{self, GroupNeed};
use crate::plan::{Change, Operation, TextChange, WaitReason};
use crate::{AccountId, GroupId, OperationId, PersonId, Policy, Subject, TeamId, World};

/// One group with people who are wanted in its team and not there yet.
pub(crate) struct Joining {
    pub(crate) name: String,
    /// The operation that makes the team, if there is none yet.
    pub(crate) made_by: Option<OperationId>,
    /// Whether bulk rows can name the team: its code is known, or will be when it has been made.
    pub(crate) bulk: bool,
    /// People with an account today.
    pub(crate) present: BTreeMap<PersonId, AccountId>,
    /// People whose account this plan makes.
    pub(crate) coming: BTreeSet<PersonId>,
}

/// Sorts what groups need: operations on teams go to `needs`, joining members come back to be encoded.
pub(crate) fn needs(
    world: &World,
    subjects: &BTreeSet<Subject>,
    needs: &mut Needs,
    policy: &Policy,
    now_ms: u64,
) -> BTreeMap<GroupId, Joining> {
    let mut joinings = BTreeMap::new();
    for id in groups_to_look_at(world, subjects, needs) {
        if world.is_under_way(&Subject::Group(id.clone())) {
            continue;
        }
        let Some(group) = world.group(&id) else { continue };
        let name = group.value.name.trim().to_owned();
        let linked = world.group_link(&id).and_then(|link| link.value.team.clone());
        let (team, made_by) = match need::group_need(world, group, policy, now_ms) {
            GroupNeed::Nothing if group.value.deleted => continue,
            GroupNeed::Nothing => (linked, None),
            GroupNeed::Wait(reason) => {
                let stops = !matches!(reason, WaitReason::Parked(_)) || linked.is_none();
                needs.waiting.push((Subject::Group(id.clone()), reason));
                if stops {
                    continue;
                }
                (linked, None)
            }
            GroupNeed::Park(parked) => {
                needs.park.push((Subject::Group(id.clone()), parked));
                (linked, None)
            }
            GroupNeed::Link(team) => {
                let label = format!("link group {name} to team {team}");
                let change = Change::LinkTeam {
                    group: id.clone(),
                    revision: group.revision,
                    team: team.clone(),
                };
                needs.others.push(Operation::new(change, 0, label));
                (Some(team), None)
            }
            GroupNeed::Create => {
                let label = format!("create team {name}");
                let change = Change::CreateTeam {
                    group: id.clone(),
                    revision: group.revision,
                    name: name.clone(),
                    description: group.value.description.clone().unwrap_or_default(),
                    parent: None,
                };
                let operation = Operation::new(change, 1, label);
                let made_by = operation.id.clone();
                needs.others.push(operation);
                (None, Some(made_by))
            }
            GroupNeed::Rename { team, from } => {
                let label = format!("rename team {from} to {name}");
                let calls = if world.team(&team).is_some_and(|team| team.description.is_some()) {
                    1
                } else {
                    2
                };
                let change = Change::AmendTeam {
                    group: id.clone(),
                    revision: group.revision,
                    team: team.clone(),
                    name: Some(TextChange {
                        from,
                        to: name.clone(),
                    }),
                    description: None,
                };
                needs.others.push(Operation::new(change, calls, label));
                (Some(team), None)
            }
        };
        if team.is_none() && made_by.is_none() {
            continue;
        }
        let joining = members(world, &id, name, team.as_ref(), made_by, needs);
        if !joining.present.is_empty() || !joining.coming.is_empty() {
            joinings.insert(id, joining);
        }
    }
    joinings
}

/// The named groups, and those that a newcomer of this plan is to join.
fn groups_to_look_at(world: &World, subjects: &BTreeSet<Subject>, needs: &Needs) -> BTreeSet<GroupId> {
    let mut groups = BTreeSet::new();
    for subject in subjects {
        match subject {
            Subject::Group(id) => {
                groups.insert(id.clone());
            }
            Subject::Person(id) if needs.creations.contains_key(id) => {
                groups.extend(world.groups_of(id).cloned());
            }
            // Whatever else about a person makes a difference to a group touches the group.
            Subject::Person(_) => {}
        }
    }
    groups
}

fn members(
    world: &World,
    group: &GroupId,
    name: String,
    team: Option<&TeamId>,
    made_by: Option<OperationId>,
    needs: &mut Needs,
) -> Joining {
    let bulk = match team.and_then(|id| world.team(id)) {
        Some(team) => !team.bulk_code.is_empty(),
        None => made_by.is_some(),
    };
    let mut joining = Joining {
        name,
        made_by,
        bulk,
        present: BTreeMap::new(),
        coming: BTreeSet::new(),
    };
    // Somebody whose account is being made right now joins in the same call as the others, a moment later.
    let mut awaited = false;
    for (id, wanted) in world.wanted_members(group) {
        let Some(person) = world.person(id) else { continue };
        if world.is_under_way(&Subject::Person(id.clone())) {
            awaited |=
                wanted && need::can_join(world, &person.value).is_none() && person.value.wanted_active();
            continue;
        }
        let account = need::can_join(world, &person.value);
        let there = team
            .zip(account.as_ref())
            .is_some_and(|(team, account)| world.is_team_member(team, account));
        match (wanted, account, team) {
            (true, Some(account), _) if !there => {
                joining.present.insert(id.clone(), account);
            }
            (true, None, _) if needs.creations.contains_key(id) => {
                joining.coming.insert(id.clone());
            }
            (false, Some(account), Some(team)) if there => {
                let label = format!("take {} out of team {}", person.value.user_name, joining.name);
                let change = Change::RemoveMember {
                    group: group.clone(),
                    team: team.clone(),
                    person: Some(id.clone()),
                    account: account.clone(),
                };
                needs.removals.push(Removal {
                    group: group.clone(),
                    account,
                    wished_at_ms: world.membership_wished_at_ms(group, id),
                    operation: Operation::new(change, 1, label),
                });
            }
            _ => {}
        }
    }
    if awaited {
        joining.present.clear();
        joining.coming.clear();
    }
    joining
}
