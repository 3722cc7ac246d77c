//! Undoes the changes of a run. It does not write to Litmos directly: it edits the roster back. The plan that follows is
//! like any other plan, with prices and under the same safeguard.
//!
//! A value is edited back only while the roster still has the desired value that the run applied. If a source has
//! changed it since, it stays and is reported. A value that the run changed several times goes back to the value before
//! the first change. If the roster already has the old value, no edit is needed and nothing is reported. An example is
//! the teams of a person who was cut off: the sources never ended those memberships.
//!
//! Deliberately missing: restoring things that Litmos deleted permanently, and values whose old value is not known. Both
//! are reported, not guessed. A change that was found done after an interruption is in no decision; it is neither undone
//! nor reported.

mod edit;
mod edits;
mod written;

use crate::change::Attribute;
use crate::{Decision, Ended, Group, GroupId, Image, NormalName, OrgState, PersonId};
pub use edit::{Edit, GroupEdit, PersonEdit};
use edits::EditBuilder;
use written::{Thing, Writer, Written};

/// Kinds of operations that may have changed nothing. Without an image there is nothing to undo, so nothing is reported.
const MAY_CHANGE_NOTHING: [&str; 6] = [
    "link",
    "link-team",
    "unlink-team",
    "read",
    "end-overwrite",
    LEAVE_TEAMS,
];

/// Kind of the operation that ends the memberships of a person who was cut off, even if they are still desired.
const LEAVE_TEAMS: &str = "leave-teams";

/// What can be undone of a run, and what cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    pub edits: Vec<Edit>,
    /// Label of each change that stays, and why. The newest change comes first.
    pub left: Vec<(String, String)>,
}

/// Why a change stays, with the decision that made it.
type Left<'a> = Vec<(Writer<'a>, String)>;

/// Reads the decisions of a run, newest first, and then edits back each value that the run wrote.
pub fn undo(state: &OrgState, decisions: &[Decision]) -> Undo {
    let mut written = Written::default();
    let mut left = Left::new();
    // Of two decisions in the same millisecond, the one later in the list is newer.
    let mut newest_first: Vec<&Decision> = decisions.iter().rev().collect();
    newest_first.sort_by_key(|decision| std::cmp::Reverse(decision.at_ms));
    for (place, decision) in newest_first.into_iter().enumerate() {
        let writer = Writer { place, decision };
        let done = match decision.ended {
            Ended::Done => true,
            // A parked operation may have been done in part.
            Ended::Parked => false,
            Ended::Failed => continue,
        };
        if done && decision.images.is_empty() && !MAY_CHANGE_NOTHING.contains(&decision.kind.as_str()) {
            left.push((writer, "what was there before is not known".to_owned()));
        }
        for image in decision.images.iter().rev() {
            let result = note(state, &mut written, writer, image);
            left.extend(result.err().map(|why| (writer, why)));
        }
    }
    let mut edits = EditBuilder::default();
    for (thing, write) in written.things() {
        let result = edits.take_back(state, &thing, &write);
        left.extend(result.err().map(|why| (write.newest, why)));
    }
    left.sort_by_key(|(writer, _)| writer.place);
    let left = left.into_iter();
    let mut left: Vec<(String, String)> = left
        .map(|(writer, why)| (writer.decision.label.clone(), why))
        .collect();
    left.dedup();
    Undo {
        edits: edits.into_edits(),
        left,
    }
}

/// Records what an image shows was written. `Err`: why it stays, because no source asked for it or it is permanent.
fn note<'a>(
    state: &OrgState,
    written: &mut Written<'a>,
    writer: Writer<'a>,
    image: &'a Image,
) -> Result<(), String> {
    match image {
        Image::Created { person, .. } => {
            written.created(person);
            written.active(writer, person, true);
        }
        Image::CutOff { person, .. } => {
            by_a_source(state, person)?;
            written.active(writer, person, false);
        }
        Image::Changed { person, changes, .. } => {
            let mut result = Ok(());
            for change in changes {
                let cut_off = change.attribute == Attribute::Active && change.from == "true";
                if cut_off && let Err(ordered) = by_a_source(state, person) {
                    result = Err(ordered);
                    continue;
                }
                let thing = Thing::Attribute(person, change.attribute);
                let what = change.attribute.wire();
                written.value(writer, thing, what, Some(&change.from), &change.to);
            }
            return result;
        }
        Image::CustomSet { person, changes, .. } => {
            for (name, change) in changes {
                let thing = Thing::Custom(person, NormalName::of(name));
                written.value(writer, thing, name, change.from.as_deref(), &change.to);
            }
        }
        Image::Joined { group, person } => written.membership(writer, group, person, true),
        Image::Left { group, person } if writer.decision.kind == LEAVE_TEAMS => {
            written.swept(writer, group, person);
        }
        Image::Left { group, person } => written.membership(writer, group, person, false),
        Image::TeamNamed { group, from, to } => {
            written.value(writer, Thing::Name(group), "the name", Some(from), to);
        }
        Image::TeamDescribed { group, change } => {
            let thing = Thing::Description(group);
            written.value(
                writer,
                thing,
                "the description",
                change.from.as_deref(),
                &change.to,
            );
        }
        // The access level that led to the role is undone with the account's change.
        Image::RoleSet { .. } => {}
        Image::TeamMade { .. } => {
            return Err("a team is not deleted by an undo; delete the group at its source".to_owned());
        }
        Image::TeamDeleted { group, name } => return Err(deleted_for_good(state, group, name)),
    }
    Ok(())
}

/// `Err` if an admin's order keeps the person cut off: no source asked for it, so editing the roster cannot undo it.
fn by_a_source(state: &OrgState, id: &PersonId) -> Result<(), String> {
    let deleted = state.person(id).is_none_or(|person| person.value.deleted);
    let link = state.person_link(id);
    if !deleted && link.is_some_and(|link| link.value.frozen.is_some()) {
        return Err(format!(
            "an order cut the person off, not a source; take it back with: rollcall leaver {id} --lift"
        ));
    }
    Ok(())
}

/// The group, if its source has not deleted it.
fn living_group<'a>(state: &'a OrgState, id: &GroupId) -> Result<&'a Group, String> {
    let group = state.group(id).ok_or("the group is no longer in the roster")?;
    if group.value.deleted {
        let name = &group.value.name;
        return Err(format!(
            "the source has deleted the group {name}; where it gives the group again, a team of that name that \
             Litmos still has becomes its team, else a new one is made"
        ));
    }
    Ok(&group.value)
}

fn deleted_for_good(state: &OrgState, group: &GroupId, name: &str) -> String {
    let next = match living_group(state, group) {
        Ok(_) => "its group has been given again and has a team of its own",
        Err(_) => "where its source gives the group again, a new one is made",
    };
    format!("Litmos has deleted the team {name} for good; {next}")
}
