//! The need of one group: which change its team needs.

use std::collections::BTreeSet;

use super::{AMBIGUOUS_REMEDY, Parent, Standing, parent_of, parked};
use crate::plan::{TextChange, WaitReason};
use crate::{
    Group, GroupId, NormalName, OrgState, ParkCode, Parked, Policy, Revised, Subject, Team, TeamId,
    UnlinkedTeams,
};

/// Most characters of a team's name (vendor page on the Teams API).
const TEAM_NAME_MAX: usize = 100;

/// Most characters of a team's description (the same page).
const TEAM_DESCRIPTION_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) enum GroupNeed {
    Nothing,
    Wait(WaitReason),
    Park(Parked),
    /// Link this existing team, and then change it if it differs.
    Link(TeamId, Option<TeamAmendment>),
    Create,
    Amend(TeamAmendment),
    Unlink {
        team: TeamId,
        /// Number of teams under it that stay. Because of them it is not deleted although the policy says so.
        kept_for: usize,
    },
    Delete {
        team: TeamId,
        name: String,
    },
}

/// The changes that a team's own record needs.
#[derive(Debug)]
pub(crate) struct TeamAmendment {
    pub(crate) team: TeamId,
    pub(crate) name: Option<TextChange>,
    pub(crate) description: Option<String>,
    /// True if the description is known. If not, it is read first.
    pub(crate) known: bool,
}

/// The parent of the team of an unlinked group.
#[derive(Debug)]
pub(crate) enum ParentTeam {
    /// The team has no parent.
    Root,
    Team(TeamId),
    /// A team that this plan creates.
    Coming,
    /// A team that does not exist yet and that this plan does not create.
    Awaited,
}

fn standing(state: &OrgState, group: &GroupId, revision: u64, now_ms: u64) -> Option<WaitReason> {
    let link = &state.group_link(group)?.value;
    if link.paused {
        return Some(WaitReason::Paused);
    }
    Standing {
        intent: link.intent.as_deref(),
        parked: link.parked.as_deref(),
        next_try_ms: link.next_try_ms,
        last_error: link.last_error.as_ref(),
    }
    .wait(revision, now_ms)
}

/// The need of a group. `parent` is called only if the group has no team yet.
pub(crate) fn group_need(
    state: &OrgState,
    group: &Revised<Group>,
    parent: impl FnOnce() -> ParentTeam,
    policy: &Policy,
    now_ms: u64,
) -> GroupNeed {
    let revision = group.revision;
    let group = &group.value;
    let linked = state
        .group_link(&group.id)
        .is_some_and(|link| link.value.team.is_some());
    if group.deleted && !linked {
        return GroupNeed::Nothing;
    }
    if let Some(wait) = standing(state, &group.id, revision, now_ms) {
        return GroupNeed::Wait(wait);
    }
    if !policy.push_groups {
        return GroupNeed::Wait(WaitReason::SwitchedOff {
            feature: "push_groups",
        });
    }
    if !state.import_complete() {
        return GroupNeed::Wait(WaitReason::FirstImport);
    }
    if group.deleted {
        return goodbye(state, group, policy, now_ms);
    }
    if let Some(parked) = unacceptable(group, revision, now_ms) {
        return GroupNeed::Park(parked);
    }
    match state.linked_team(&group.id) {
        Some(team) => {
            let amendment = amendment(group, team).map(GroupNeed::Amend);
            amendment.unwrap_or_else(|| match misplaced(state, group, team, revision, now_ms) {
                Some(parked) => GroupNeed::Park(parked),
                None => GroupNeed::Nothing,
            })
        }
        None => unlinked(state, group, parent, revision, now_ms),
    }
}

fn unacceptable(group: &Group, revision: u64, now_ms: u64) -> Option<Parked> {
    let chars = group.name.trim().chars().count();
    if chars == 0 || chars > TEAM_NAME_MAX {
        let message = format!("has {chars} characters; Litmos takes 1 to {TEAM_NAME_MAX} in a team name");
        let remedy = "Rename the group at the source.".to_owned();
        let code = if chars == 0 {
            ParkCode::ValueMissing
        } else {
            ParkCode::ValueTooLong
        };
        return Some(parked(code, "Name", message, remedy, revision, now_ms));
    }
    let chars = desired_description(group).map_or(0, |text| text.chars().count());
    if chars > TEAM_DESCRIPTION_MAX {
        let message =
            format!("has {chars} characters; Litmos takes {TEAM_DESCRIPTION_MAX} in a team's description");
        let remedy = "Shorten the description at the source.".to_owned();
        return Some(parked(
            ParkCode::ValueTooLong,
            "Description",
            message,
            remedy,
            revision,
            now_ms,
        ));
    }
    None
}

fn desired_description(group: &Group) -> Option<&str> {
    group.description.as_deref().map(str::trim)
}

fn amendment(group: &Group, team: &Team) -> Option<TeamAmendment> {
    let desired = group.name.trim();
    let name = (team.name.trim() != desired).then(|| TextChange {
        from: team.name.clone(),
        to: desired.to_owned(),
    });
    let there = team.description.as_deref().map(str::trim);
    let description = desired_description(group).filter(|desired| there != Some(*desired));
    if name.is_none() && description.is_none() {
        return None;
    }
    Some(TeamAmendment {
        team: team.id.clone(),
        name,
        description: description.map(str::to_owned),
        known: team.description.is_some(),
    })
}

/// Parks the group if its team has another parent than the group wants.
fn misplaced(state: &OrgState, group: &Group, team: &Team, revision: u64, now_ms: u64) -> Option<Parked> {
    let parent = match parent_of(state, group) {
        Parent::Group(parent) => state.linked_team(parent)?,
        Parent::Circle => return Some(circle(group, revision, now_ms)),
        // An unknown or ambiguous parent cannot be compared; the team stays under its parent.
        Parent::None | Parent::Unknown | Parent::Several(_) => return None,
    };
    if team.parent.as_ref() == Some(&parent.id) {
        return None;
    }
    let above = team.parent.as_ref().map(|id| {
        state
            .team(id)
            .map_or_else(|| id.to_string(), |team| team.name.clone())
    });
    let message = match above {
        Some(above) => format!("lies under team {above:?} and is wanted under {:?}", parent.name),
        None => format!("lies under no team and is wanted under {:?}", parent.name),
    };
    Some(parked(
        ParkCode::TeamParentDiffers,
        "ParentTeamId",
        message,
        "Move the team in Litmos and import again, or name another parent at the source.".to_owned(),
        revision,
        now_ms,
    ))
}

fn circle(group: &Group, revision: u64, now_ms: u64) -> Parked {
    let message = format!(
        "{:?} lies under itself, going up from parent to parent",
        group.name
    );
    let remedy = "Take one of the groups out of the circle at the source.".to_owned();
    parked(
        ParkCode::ParentCircle,
        "ParentTeamId",
        message,
        remedy,
        revision,
        now_ms,
    )
}

fn unlinked(
    state: &OrgState,
    group: &Group,
    parent: impl FnOnce() -> ParentTeam,
    revision: u64,
    now_ms: u64,
) -> GroupNeed {
    let awaited = || {
        GroupNeed::Wait(WaitReason::ParentAwaited {
            parent: group.parent.clone().unwrap_or_default(),
        })
    };
    match parent_of(state, group) {
        Parent::Circle => return GroupNeed::Park(circle(group, revision, now_ms)),
        Parent::Unknown => return awaited(),
        Parent::Several(count) => {
            let desired = group.parent.as_deref().unwrap_or_default();
            let message = format!("{count} groups in the roster have the name {desired:?}");
            return GroupNeed::Park(ambiguous("ParentTeamId", message, revision, now_ms));
        }
        Parent::None | Parent::Group(_) => {}
    }
    let found = match parent() {
        ParentTeam::Awaited => return awaited(),
        ParentTeam::Root => find(state, group, None),
        ParentTeam::Team(parent) => find(state, group, Some(Some(&parent))),
        ParentTeam::Coming => find(state, group, Some(None)),
    };
    match found {
        Found::None => GroupNeed::Create,
        Found::Several(count) => {
            let message = format!("{count} teams in Litmos are called {:?}", group.name);
            GroupNeed::Park(ambiguous("Name", message, revision, now_ms))
        }
        // A team is linked only once. Another group with the same name gets a team of its own.
        Found::One(team) if is_anothers(state, group, team, now_ms) => GroupNeed::Create,
        Found::One(team) => GroupNeed::Link(team.id.clone(), amendment(group, team)),
    }
}

fn ambiguous(attribute: &str, message: String, revision: u64, now_ms: u64) -> Parked {
    let remedy = AMBIGUOUS_REMEDY.to_owned();
    parked(
        ParkCode::TeamNameAmbiguous,
        attribute,
        message,
        remedy,
        revision,
        now_ms,
    )
}

enum Found<'a> {
    None,
    One(&'a Team),
    Several(usize),
}

/// The unlinked team with the group's name.
///
/// If the group wants a parent (`Some`), it is a team under the parent's team, or else a team without a parent, created
/// by hand. `Some(None)`: the parent has no team yet. A team under another parent is a different team with the same name.
fn find<'a>(state: &'a OrgState, group: &Group, parent: Option<Option<&TeamId>>) -> Found<'a> {
    let name = NormalName::of(&group.name);
    let free: Vec<&Team> = state
        .teams_named(&name)
        .filter(|team| state.owner_of_team(&team.id).is_none())
        .collect();
    let Some(parent) = parent else {
        return one_of(group, free);
    };
    let (flat, deep): (Vec<&Team>, Vec<&Team>) = free.into_iter().partition(|team| team.parent.is_none());
    let right = deep
        .into_iter()
        .filter(|team| parent.is_some() && team.parent.as_ref() == parent);
    match one_of(group, right.collect()) {
        Found::None => one_of(group, flat),
        found => found,
    }
}

fn one_of<'a>(group: &Group, teams: Vec<&'a Team>) -> Found<'a> {
    let same = |team: &&&Team| team.name.trim() == group.name.trim();
    let exact: Vec<&&Team> = teams.iter().filter(same).collect();
    match (exact.as_slice(), teams.as_slice()) {
        ([team], _) => Found::One(team),
        ([], [team]) => Found::One(team),
        ([], []) => Found::None,
        _ => Found::Several(teams.len()),
    }
}

/// True if another group with the same name links this team. A group spelled exactly like the team comes first, then the
/// lowest id.
fn is_anothers(state: &OrgState, group: &Group, team: &Team, now_ms: u64) -> bool {
    let rank = |group: &Group| (group.name.trim() != team.name.trim(), group.id.clone());
    let own = rank(group);
    state.groups_named(&NormalName::of(&group.name)).any(|other| {
        let revision = other.revision;
        let other = &other.value;
        if other.id == group.id
            || other.deleted
            || state.linked_team(&other.id).is_some()
            || standing(state, &other.id, revision, now_ms).is_some()
        {
            return false;
        }
        let found = match parent_of(state, other) {
            Parent::None => find(state, other, None),
            Parent::Group(parent) => find(state, other, Some(state.linked_team(parent).map(|team| &team.id))),
            Parent::Circle | Parent::Unknown | Parent::Several(_) => Found::None,
        };
        matches!(found, Found::One(found) if found.id == team.id) && rank(other) < own
    })
}

/// The need of a group that its source deleted: unlink or delete its team.
fn goodbye(state: &OrgState, group: &Group, policy: &Policy, now_ms: u64) -> GroupNeed {
    let link = state.group_link(&group.id);
    let Some(team) = link.and_then(|link| link.value.team.clone()) else {
        return GroupNeed::Nothing;
    };
    let there = state.team(&team);
    match (policy.unlinked_teams, there) {
        (UnlinkedTeams::Leave, _) | (UnlinkedTeams::Delete, None) => GroupNeed::Unlink { team, kept_for: 0 },
        (UnlinkedTeams::Delete, Some(there)) => {
            let under = subteams(state, &team, now_ms);
            if under.staying > 0 {
                let kept_for = under.staying;
                GroupNeed::Unlink { team, kept_for }
            } else if under.waiting {
                GroupNeed::Wait(WaitReason::UnderWay)
            } else {
                GroupNeed::Delete {
                    team,
                    name: there.name.clone(),
                }
            }
        }
    }
}

/// The teams under a team that is to be deleted.
#[derive(Default)]
pub(crate) struct Subteams<'a> {
    /// Groups whose teams are deleted too.
    pub(crate) going: Vec<&'a GroupId>,
    /// Number of teams that stay.
    pub(crate) staying: usize,
    /// True if a team is to be deleted but cannot be deleted now.
    waiting: bool,
}

/// Sorts all teams under this one, at any depth.
///
/// The vendor does not document what happens to the teams under a deleted team, so each is deleted by its own call,
/// lowest first.
pub(crate) fn subteams<'a>(state: &'a OrgState, team: &'a TeamId, now_ms: u64) -> Subteams<'a> {
    let mut under = Subteams::default();
    let mut seen = BTreeSet::from([team]);
    let mut open: Vec<&TeamId> = state.subteams(team).collect();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        open.extend(state.subteams(id));
        let owner = state
            .owner_of_team(id)
            .and_then(|owner| state.group(owner))
            .filter(|group| group.value.deleted);
        let Some(owner) = owner else {
            under.staying += 1;
            continue;
        };
        let owner_id = &owner.value.id;
        match standing(state, owner_id, owner.revision, now_ms) {
            None if state.is_under_way(&Subject::Group(owner_id.clone())) => under.waiting = true,
            None => under.going.push(owner_id),
            Some(WaitReason::UnderWay | WaitReason::RetryAt { .. }) => under.waiting = true,
            Some(_) => under.staying += 1,
        }
    }
    under
}
