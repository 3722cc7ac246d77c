//! What a group's wish for a parent comes to.

use std::collections::BTreeSet;

use crate::world::Referenced;
use crate::{Group, GroupId, World};

/// The group under whose team another's is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parent<'a> {
    /// None is wished.
    None,
    Group(&'a GroupId),
    /// Named, but not in the roster, or deleted there.
    Unknown,
    /// So many groups answer to the name.
    Several(usize),
    /// Going up from the group leads back to it.
    Circle,
}

pub(crate) fn parent_of<'a>(world: &'a World, group: &Group) -> Parent<'a> {
    let parent = match step(world, group) {
        Parent::Group(parent) => parent,
        other => return other,
    };
    let mut seen = BTreeSet::new();
    let mut at = Some(parent);
    while let Some(id) = at.filter(|id| seen.insert(*id)) {
        if *id == group.id {
            return Parent::Circle;
        }
        at = match world.group(id).map(|group| step(world, &group.value)) {
            Some(Parent::Group(next)) => Some(next),
            _ => None,
        };
    }
    Parent::Group(parent)
}

fn step<'a>(world: &'a World, group: &Group) -> Parent<'a> {
    let Some(wished) = group.parent.as_deref().filter(|wished| !wished.trim().is_empty()) else {
        return Parent::None;
    };
    match world.referenced_group(wished) {
        Referenced::Nobody => Parent::Unknown,
        Referenced::One(id) => Parent::Group(id),
        Referenced::Several(count) => Parent::Several(count),
    }
}
