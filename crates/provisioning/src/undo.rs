//! Taking back what a run did: not by writing Litmos behind the roster's back, but by changing the wishes that led to
//! it. What follows is a plan like any other, priced and held by the same safeguard.
//!
//! A wish is taken back only while it still stands: whoever changed their mind since is left alone and named. What a
//! run did last about a thing is taken back to what was there before the run touched it first. A wish that already is
//! what it was before needs nothing and is not mentioned: the teams of somebody who was cut off were never unwished.
//!
//! Deliberately missing: bringing back what Litmos deleted for good, and what a run did without our knowing what was
//! there before, be it that a crash hid it or that nobody had ever read it. Both are named, not guessed.

mod edit;
mod unlisted;

use std::collections::BTreeMap;

use crate::change::{Manager, manager_of};
use crate::{
    AccessLevel, AccountId, Attribute, Decision, Ended, Group, GroupId, Image, ManagerWish, NormalName,
    Person, PersonId, World,
};
pub use edit::{Edit, GroupEdit, PersonEdit};
use unlisted::Unlisted;

/// Kinds of operations that may have changed nothing: without an image there is nothing to take back.
const MAY_CHANGE_NOTHING: [&str; 6] = [
    "link",
    "link-team",
    "unlink-team",
    "read",
    "end-overwrite",
    "leave-teams",
];

/// What can be taken back of a run, and what cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    pub edits: Vec<Edit>,
    /// What stays as it is, and why.
    pub left: Vec<(String, String)>,
}

/// Reads what a run did, newest first taken back first.
pub fn undo(world: &World, decisions: &[Decision]) -> Undo {
    let mut undo = Undo::default();
    let mut people: BTreeMap<PersonId, PersonEdit> = BTreeMap::new();
    let mut memberships: BTreeMap<(GroupId, PersonId), bool> = BTreeMap::new();
    let mut groups: BTreeMap<GroupId, GroupEdit> = BTreeMap::new();
    let mut unlisted = Unlisted::default();
    // Of two in the same millisecond, the one that was written down later is the newer.
    let mut newest_first: Vec<&Decision> = decisions.iter().rev().collect();
    newest_first.sort_by_key(|decision| std::cmp::Reverse(decision.at_ms));
    for decision in newest_first {
        let done = match decision.ended {
            Ended::Done => true,
            // What waits for a person may have been done in part.
            Ended::Parked => false,
            Ended::Failed => continue,
        };
        if done && decision.images.is_empty() && !MAY_CHANGE_NOTHING.contains(&decision.kind.as_str()) {
            let why = "what was there before is not known";
            undo.left.push((decision.label.clone(), why.to_owned()));
        }
        for image in &decision.images {
            let result = match image {
                Image::Created { person, .. } => {
                    unlisted.created(person);
                    take_back_active(world, &mut people, person, false)
                }
                Image::CutOff { person, .. } => take_back_active(world, &mut people, person, true),
                Image::Changed { person, changes, .. } => changes.iter().try_for_each(|change| {
                    take_back(
                        world,
                        &mut people,
                        person,
                        change.attribute,
                        &change.from,
                        &change.to,
                    )
                }),
                Image::CustomSet { person, changes, .. } => {
                    unlisted.custom(decision, person, changes);
                    Ok(())
                }
                Image::Joined { group, person } => {
                    take_back_membership(world, &mut memberships, group, person, false)
                }
                Image::Left { group, person } => {
                    take_back_membership(world, &mut memberships, group, person, true)
                }
                Image::TeamNamed { group, from, to } => take_back_name(world, &mut groups, group, from, to),
                Image::TeamDescribed { group, change } => {
                    unlisted.description(decision, group, change);
                    Ok(())
                }
                // The level that promoted is taken back with the account's change.
                Image::RoleSet { .. } => Ok(()),
                Image::TeamMade { .. } => {
                    Err("a team is not deleted by an undo; delete the group at its source".to_owned())
                }
                Image::TeamDeleted { group, name } => Err(deleted_for_good(world, group, name)),
            };
            if let Err(why) = result {
                undo.left.push((decision.label.clone(), why));
            }
        }
    }
    unlisted.take_back(world, &mut people, &mut groups, &mut undo.left);
    let people = people.into_values().filter(|edit| !edit.is_empty());
    undo.edits.extend(people.map(|edit| Edit::Person(Box::new(edit))));
    undo.edits.extend(
        memberships
            .into_iter()
            .map(|((group, person), present)| Edit::Membership {
                group,
                person,
                present,
            }),
    );
    undo.edits.extend(groups.into_values().map(Edit::Group));
    undo.left.dedup();
    undo
}

fn edit<'a>(
    world: &World,
    people: &'a mut BTreeMap<PersonId, PersonEdit>,
    id: &PersonId,
) -> Result<(Person, &'a mut PersonEdit), String> {
    let person = roster_person(world, id)?;
    let edit = people
        .entry(id.clone())
        .or_insert_with(|| PersonEdit::new(id.clone()));
    Ok((edit.apply(person), edit))
}

fn roster_person<'a>(world: &'a World, id: &PersonId) -> Result<&'a Person, String> {
    let person = world.person(id).ok_or("the person is no longer in the roster")?;
    Ok(&person.value)
}

/// A group that its source has not deleted.
fn living_group<'a>(world: &'a World, id: &GroupId) -> Result<&'a Group, String> {
    let group = world.group(id).ok_or("the group is no longer in the roster")?;
    if group.value.deleted {
        let name = &group.value.name;
        return Err(format!(
            "the source has deleted the group {name}; where it gives the group again, a team of that name that \
             Litmos still has becomes its team, else a new one is made"
        ));
    }
    Ok(&group.value)
}

fn deleted_for_good(world: &World, group: &GroupId, name: &str) -> String {
    let next = match living_group(world, group) {
        Ok(_) => "its group has been given again and has a team of its own",
        Err(_) => "where its source gives the group again, a new one is made",
    };
    format!("Litmos has deleted the team {name} for good; {next}")
}

fn take_back_active(
    world: &World,
    people: &mut BTreeMap<PersonId, PersonEdit>,
    id: &PersonId,
    to: bool,
) -> Result<(), String> {
    let (person, edit) = edit(world, people, id)?;
    if person.deleted {
        return Err("the source has deleted the person".to_owned());
    }
    let frozen = world
        .person_link(id)
        .is_some_and(|link| link.value.frozen.is_some());
    if to && frozen {
        return Err(format!(
            "an order cut the person off, not a wish; take it back with: rollcall leaver {id} --lift"
        ));
    }
    if person.active != to {
        edit.active = Some(to);
    }
    Ok(())
}

fn take_back(
    world: &World,
    people: &mut BTreeMap<PersonId, PersonEdit>,
    id: &PersonId,
    attribute: Attribute,
    from: &str,
    to: &str,
) -> Result<(), String> {
    let (person, edit) = edit(world, people, id)?;
    let changed = || format!("{} has been changed again since", attribute.wire());
    match attribute {
        Attribute::Active => take_back_active(world, people, id, from == "true"),
        Attribute::UserName if person.user_name.trim() == to => {
            edit.user_name = Some(from.to_owned());
            Ok(())
        }
        Attribute::AccessLevel if person.access_level.map(AccessLevel::as_litmos) == Some(to) => {
            let level = AccessLevel::parse(from)
                .map_err(|_| "the access level before is not known, and none cannot be wished".to_owned())?;
            edit.access_level = Some(level);
            Ok(())
        }
        Attribute::Manager if wants_manager(world, &person, to) => {
            edit.manager = Some(manager_before(world, from)?);
            Ok(())
        }
        Attribute::Profile(field) if person.profile.value(field) == to => {
            edit.fields.insert(field, from.to_owned());
            Ok(())
        }
        Attribute::UserName | Attribute::AccessLevel | Attribute::Manager | Attribute::Profile(_) => {
            Err(changed())
        }
    }
}

/// Whether the person's wish for a manager still comes to this account; empty: to none.
fn wants_manager(world: &World, person: &Person, account: &str) -> bool {
    match manager_of(world, person) {
        Manager::Account(id) => id.as_str() == account,
        Manager::Clear => account.is_empty(),
        Manager::Leave | Manager::Pending => false,
    }
}

/// The wish that comes to the manager who was there before.
fn manager_before(world: &World, account: &str) -> Result<ManagerWish, String> {
    if account.is_empty() {
        return Ok(ManagerWish::Clear);
    }
    let person = AccountId::parse(account).ok().and_then(|id| {
        let named = || {
            let name = &world.account(&id)?.user_name;
            world.referenced(NormalName::of(name).as_str())
        };
        world.owner_of(&id).or_else(named)
    });
    person
        .map(|person| ManagerWish::Reference(person.to_string()))
        .ok_or_else(|| "the manager before is not in the roster, and no wish can name them".to_owned())
}

fn take_back_membership(
    world: &World,
    memberships: &mut BTreeMap<(GroupId, PersonId), bool>,
    group: &GroupId,
    person: &PersonId,
    to: bool,
) -> Result<(), String> {
    living_group(world, group)?;
    let key = (group.clone(), person.clone());
    let now = memberships.get(&key).copied().or_else(|| {
        world
            .wanted_members(group)
            .find(|(id, _)| *id == person)
            .map(|(_, present)| present)
    });
    match now {
        Some(present) => {
            if present != to {
                memberships.insert(key, to);
            }
            Ok(())
        }
        None => Err("no source says anything about this membership".to_owned()),
    }
}

fn take_back_name(
    world: &World,
    groups: &mut BTreeMap<GroupId, GroupEdit>,
    id: &GroupId,
    from: &str,
    to: &str,
) -> Result<(), String> {
    let group = living_group(world, id)?;
    let edited = groups.get(id).and_then(|edit| edit.name.as_deref());
    if edited.unwrap_or(&group.name).trim() != to.trim() {
        return Err("the group has another name by now".to_owned());
    }
    let edit = groups
        .entry(id.clone())
        .or_insert_with(|| GroupEdit::new(id.clone()));
    edit.name = Some(from.to_owned());
    Ok(())
}
