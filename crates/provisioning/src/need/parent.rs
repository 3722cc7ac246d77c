//! What a group's wish for a parent comes to.

use std::collections::BTreeSet;

use crate::org_state::Referenced;
use crate::{Group, GroupId, OrgState};

/// The group under whose team another's is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parent<'a> {
    /// None is desired.
    None,
    Group(&'a GroupId),
    /// Named, but not in the roster, or deleted there.
    Unknown,
    /// So many groups answer to the name.
    Several(usize),
    /// Going up from the group leads back to it.
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
