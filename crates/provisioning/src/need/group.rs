//! What one group needs of its team.

use std::collections::BTreeSet;

use super::{AMBIGUOUS_REMEDY, Parent, Standing, parent_of, parked};
use crate::plan::{TextChange, WaitReason};
use crate::{
    Group, GroupId, NormalName, ParkCode, Parked, Policy, Revised, Subject, Team, TeamId, UnlinkedTeams,
    World,
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
    /// A team that is there, and what of it must change then.
    Link(TeamId, Option<TeamAmendment>),
    Create,
    Amend(TeamAmendment),
    Unlink {
        team: TeamId,
        /// Teams under it, for the sake of which it is not deleted although the policy says so.
        kept_for: usize,
    },
    Delete {
        team: TeamId,
        name: String,
    },
}

/// How a team's own record is to change.
#[derive(Debug)]
pub(crate) struct TeamAmendment {
    pub(crate) team: TeamId,
    pub(crate) name: Option<TextChange>,
    pub(crate) description: Option<String>,
    /// Whether the description is known, and need not be read first.
    pub(crate) known: bool,
}

/// Where the team of an unlinked group is to be made.
#[derive(Debug)]
pub(crate) enum ParentTeam {
    /// Under none.
    Root,
    Team(TeamId),
    /// Under one that this plan makes.
    Coming,
    /// Under one that is not there yet.
    Awaited,
}

fn standing(world: &World, group: &GroupId, revision: u64, now_ms: u64) -> Option<WaitReason> {
    let link = &world.group_link(group)?.value;
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

/// What the group needs. `parent` is asked where its team is still to be found or made.
pub(crate) fn group_need(
    world: &World,
    group: &Revised<Group>,
    parent: impl FnOnce() -> ParentTeam,
    policy: &Policy,
    now_ms: u64,
) -> GroupNeed {
    let revision = group.revision;
    let group = &group.value;
    let tied = world
        .group_link(&group.id)
        .is_some_and(|link| link.value.team.is_some());
    if group.deleted && !tied {
        return GroupNeed::Nothing;
    }
    if let Some(wait) = standing(world, &group.id, revision, now_ms) {
        return GroupNeed::Wait(wait);
    }
    if !policy.push_groups {
        return GroupNeed::Wait(WaitReason::SwitchedOff {
            feature: "push_groups",
        });
    }
    if !world.import_complete() {
        return GroupNeed::Wait(WaitReason::FirstImport);
    }
    if group.deleted {
        return goodbye(world, group, policy, now_ms);
    }
    if let Some(parked) = unacceptable(group, revision, now_ms) {
        return GroupNeed::Park(parked);
    }
    match world.linked_team(&group.id) {
        Some(team) => {
            let amendment = amendment(group, team).map(GroupNeed::Amend);
            amendment.unwrap_or_else(|| match misplaced(world, group, team, revision, now_ms) {
                Some(parked) => GroupNeed::Park(parked),
                None => GroupNeed::Nothing,
            })
        }
        None => unlinked(world, group, parent, revision, now_ms),
    }
}

fn unacceptable(group: &Group, revision: u64, now_ms: u64) -> Option<Parked> {
    let chars = group.name.trim().chars().count();
    if chars == 0 || chars > TEAM_NAME_MAX {
        let said = format!("has {chars} characters; Litmos takes 1 to {TEAM_NAME_MAX} in a team name");
        let remedy = "Rename the group at the source.".to_owned();
        let code = if chars == 0 {
            ParkCode::ValueMissing
        } else {
            ParkCode::ValueTooLong
        };
        return Some(parked(code, "Name", said, remedy, revision, now_ms));
    }
    let chars = wished_description(group).map_or(0, |text| text.chars().count());
    if chars > TEAM_DESCRIPTION_MAX {
        let said =
            format!("has {chars} characters; Litmos takes {TEAM_DESCRIPTION_MAX} in a team's description");
        let remedy = "Shorten the description at the source.".to_owned();
        return Some(parked(
            ParkCode::ValueTooLong,
            "Description",
            said,
            remedy,
            revision,
            now_ms,
        ));
    }
    None
}

fn wished_description(group: &Group) -> Option<&str> {
    group.description.as_deref().map(str::trim)
}

fn amendment(group: &Group, team: &Team) -> Option<TeamAmendment> {
    let wished = group.name.trim();
    let name = (team.name.trim() != wished).then(|| TextChange {
        from: team.name.clone(),
        to: wished.to_owned(),
    });
    let there = team.description.as_deref().map(str::trim);
    let description = wished_description(group).filter(|wished| there != Some(*wished));
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

/// Why the team does not lie where the group wants it.
fn misplaced(world: &World, group: &Group, team: &Team, revision: u64, now_ms: u64) -> Option<Parked> {
    let parent = match parent_of(world, group) {
        Parent::Group(parent) => world.linked_team(parent)?,
        Parent::Circle => return Some(circle(group, revision, now_ms)),
        // Of a parent that is not there, or not known from others, nothing can be said; the team stays where it is.
        Parent::None | Parent::Unknown | Parent::Several(_) => return None,
    };
    if team.parent.as_ref() == Some(&parent.id) {
        return None;
    }
    let above = team.parent.as_ref().map(|id| {
        world
            .team(id)
            .map_or_else(|| id.to_string(), |team| team.name.clone())
    });
    let said = match above {
        Some(above) => format!("lies under team {above:?} and is wanted under {:?}", parent.name),
        None => format!("lies under no team and is wanted under {:?}", parent.name),
    };
    Some(parked(
        ParkCode::TeamParentDiffers,
        "ParentTeamId",
        said,
        "Move the team in Litmos and import again, or name another parent at the source.".to_owned(),
        revision,
        now_ms,
    ))
}

fn circle(group: &Group, revision: u64, now_ms: u64) -> Parked {
    let said = format!(
        "{:?} lies under itself, going up from parent to parent",
        group.name
    );
    let remedy = "Take one of the groups out of the circle at the source.".to_owned();
    parked(
        ParkCode::ParentCircle,
        "ParentTeamId",
        said,
        remedy,
        revision,
        now_ms,
    )
}

fn unlinked(
    world: &World,
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
    match parent_of(world, group) {
        Parent::Circle => return GroupNeed::Park(circle(group, revision, now_ms)),
        Parent::Unknown => return awaited(),
        Parent::Several(count) => {
            let wished = group.parent.as_deref().unwrap_or_default();
            let said = format!("{count} groups in the roster answer to {wished:?}");
            return GroupNeed::Park(ambiguous("ParentTeamId", said, revision, now_ms));
        }
        Parent::None | Parent::Group(_) => {}
    }
    let found = match parent() {
        ParentTeam::Awaited => return awaited(),
        ParentTeam::Root => find(world, group, None),
        ParentTeam::Team(parent) => find(world, group, Some(Some(&parent))),
        ParentTeam::Coming => find(world, group, Some(None)),
    };
    match found {
        Found::None => GroupNeed::Create,
        Found::Several(count) => {
            let said = format!("{count} teams in Litmos are called {:?}", group.name);
            GroupNeed::Park(ambiguous("Name", said, revision, now_ms))
        }
        // One team is linked once: a namesake that comes after gets a team of its own.
        Found::One(team) if is_anothers(world, group, team, now_ms) => GroupNeed::Create,
        Found::One(team) => GroupNeed::Link(team.id.clone(), amendment(group, team)),
    }
}

fn ambiguous(attribute: &str, said: String, revision: u64, now_ms: u64) -> Parked {
    let remedy = AMBIGUOUS_REMEDY.to_owned();
    parked(
        ParkCode::TeamNameAmbiguous,
        attribute,
        said,
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

/// The team of the group's name that is nobody's.
///
/// With a parent wished (`Some`), it is one under that parent's team, if there is one yet; else one under no team,
/// made flat by hand. One under another parent is another team that happens to have the name.
fn find<'a>(world: &'a World, group: &Group, parent: Option<Option<&TeamId>>) -> Found<'a> {
    let name = NormalName::of(&group.name);
    let free: Vec<&Team> = world
        .teams_named(&name)
        .filter(|team| world.owner_of_team(&team.id).is_none())
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

/// Whether a namesake of the group links this team: one spelled as the team is, or else the first of them.
fn is_anothers(world: &World, group: &Group, team: &Team, now_ms: u64) -> bool {
    let rank = |group: &Group| (group.name.trim() != team.name.trim(), group.id.clone());
    let own = rank(group);
    world.groups_named(&NormalName::of(&group.name)).any(|other| {
        let revision = other.revision;
        let other = &other.value;
        if other.id == group.id
            || other.deleted
            || world.linked_team(&other.id).is_some()
            || standing(world, &other.id, revision, now_ms).is_some()
        {
            return false;
        }
        let found = match parent_of(world, other) {
            Parent::None => find(world, other, None),
            Parent::Group(parent) => find(world, other, Some(world.linked_team(parent).map(|team| &team.id))),
            Parent::Circle | Parent::Unknown | Parent::Several(_) => Found::None,
        };
        matches!(found, Found::One(found) if found.id == team.id) && rank(other) < own
    })
}

/// What becomes of the team of a group that its source deleted.
fn goodbye(world: &World, group: &Group, policy: &Policy, now_ms: u64) -> GroupNeed {
    let link = world.group_link(&group.id);
    let Some(team) = link.and_then(|link| link.value.team.clone()) else {
        return GroupNeed::Nothing;
    };
    let there = world.team(&team);
    match (policy.unlinked_teams, there) {
        (UnlinkedTeams::Leave, _) | (UnlinkedTeams::Delete, None) => GroupNeed::Unlink { team, kept_for: 0 },
        (UnlinkedTeams::Delete, Some(there)) => {
            let under = subteams(world, &team, now_ms);
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

/// The teams under one that is to be deleted.
#[derive(Default)]
pub(crate) struct Subteams<'a> {
    /// Groups whose teams are to be deleted too.
    pub(crate) going: Vec<&'a GroupId>,
    /// Teams that nobody wants deleted.
    pub(crate) staying: usize,
    /// Whether one is to be deleted and cannot be just now.
    waiting: bool,
}

/// Looks through all teams under this one.
///
/// What Litmos does to the teams under one that is deleted is not documented, so each goes by itself, lowest first.
pub(crate) fn subteams<'a>(world: &'a World, team: &'a TeamId, now_ms: u64) -> Subteams<'a> {
    let mut under = Subteams::default();
    let mut seen = BTreeSet::from([team]);
    let mut open: Vec<&TeamId> = world.subteams(team).collect();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        open.extend(world.subteams(id));
        let owner = world
            .owner_of_team(id)
            .and_then(|owner| world.group(owner))
            .filter(|group| group.value.deleted);
        let Some(owner) = owner else {
            under.staying += 1;
            continue;
        };
        let owner_id = &owner.value.id;
        match standing(world, owner_id, owner.revision, now_ms) {
            None if world.is_under_way(&Subject::Group(owner_id.clone())) => under.waiting = true,
            None => under.going.push(owner_id),
            Some(WaitReason::UnderWay | WaitReason::RetryAt { .. }) => under.waiting = true,
            Some(_) => under.staying += 1,
        }
    }
    under
}
