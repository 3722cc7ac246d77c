//! Finds the parent of a group.

use std::collections::BTreeSet;

use crate::org_state::Referenced;
use crate::{Group, GroupId, OrgState};

/// The group whose team is to be the parent of another group's team.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parent<'a> {
    /// The group names no parent.
    None,
    Group(&'a GroupId),
    /// The named parent is not in the roster, or is deleted there.
    Unknown,
    /// Several groups have the name; this is their number.
    Several(usize),
    /// The chain of parents leads back to the group.
    Circle,
}

pub(crate) fn parent_of<'a>(state: &'a OrgState, group: &Group) -> Parent<'a> {
    let parent = match step(state, group) {
        Parent::Group(parent) => parent,
        other => return other,
    };
    let mut seen = BTreeSet::new();
    let mut at = Some(parent);
    while let Some(id) = at.filter(|id| seen.insert(*id)) {
        if *id == group.id {
            return Parent::Circle;
        }
        at = match state.group(id).map(|group| step(state, &group.value)) {
            Some(Parent::Group(next)) => Some(next),
            _ => None,
        };
    }
    Parent::Group(parent)
}

fn step<'a>(state: &'a OrgState, group: &Group) -> Parent<'a> {
    let Some(desired) = group
        .parent
        .as_deref()
        .filter(|desired| !desired.trim().is_empty())
    else {
        return Parent::None;
    };
    match state.referenced_group(desired) {
        Referenced::Nobody => Parent::Unknown,
        Referenced::One(id) => Parent::Group(id),
        Referenced::Several(count) => Parent::Several(count),
    }
}
