//! Values that no list of Litmos shows: advanced custom fields, and descriptions of teams.
//!
//! What was there before a run is known where Rollcall has set or read the value before, and only there. Of all changes
//! that a run made of one value, the newest says whether its wish still stands, and the oldest what was there before.
//!
//! A value that was empty goes back to a wish for an empty one, also where nobody had wished anything of it: without a
//! wish Litmos would keep what the run gave it.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{GroupEdit, PersonEdit};
use super::{living_group, roster_person};
use crate::{Decision, Ended, GroupId, NormalName, PersonId, ValueChange, World};

type Left = Vec<(String, String)>;

/// What a run did to one value.
#[derive(Debug)]
struct Written<'a> {
    /// The newest operation that wrote it.
    newest: &'a Decision,
    /// What is written of it in words.
    what: &'a str,
    to: &'a str,
    /// `None`: not known.
    from: Option<&'a str>,
}

impl Written<'_> {
    /// The wish that leads back to what was there before; `None` where it is wished already, or never was otherwise.
    fn wish_before(&self, now: Option<&str>) -> Result<Option<String>, String> {
        let what = self.what;
        let wished = |value: &str| now.is_some_and(|now| now.trim() == value.trim());
        match (self.from, self.newest.ended) {
            (Some(from), _) if wished(from) || from.trim() == self.to.trim() => Ok(None),
            (_, Ended::Parked) if !wished(self.to) => Err(format!(
                "{what} was not taken by Litmos as it was wished; correct it at the source"
            )),
            _ if !wished(self.to) => Err(format!("{what} has been changed again since")),
            (Some(from), _) => Ok(Some(from.to_owned())),
            (None, _) => Err(format!(
                "what was in {what} before is not known, as Rollcall had neither set nor read it; say at the source \
                 what is to be there"
            )),
        }
    }
}

/// The values that a run wrote, taken from what it did, newest first.
#[derive(Debug, Default)]
pub(super) struct Unlisted<'a> {
    /// By the field's name, in whatever spelling.
    custom: BTreeMap<(&'a PersonId, NormalName), Written<'a>>,
    descriptions: BTreeMap<&'a GroupId, Written<'a>>,
    created: BTreeSet<&'a PersonId>,
}

impl<'a> Unlisted<'a> {
    /// An account that was not there before the run had nothing in its fields, and is inactive after the undo.
    pub(super) fn created(&mut self, person: &'a PersonId) {
        self.created.insert(person);
    }

    pub(super) fn custom(
        &mut self,
        decision: &'a Decision,
        person: &'a PersonId,
        changes: &'a BTreeMap<String, ValueChange>,
    ) {
        for (name, change) in changes {
            let key = (person, NormalName::of(name));
            note(&mut self.custom, key, decision, name, change);
        }
    }

    pub(super) fn description(
        &mut self,
        decision: &'a Decision,
        group: &'a GroupId,
        change: &'a ValueChange,
    ) {
        note(&mut self.descriptions, group, decision, "the description", change);
    }

    /// Writes into the edits what can be taken back, and names what cannot.
    pub(super) fn take_back(
        self,
        world: &World,
        people: &mut BTreeMap<PersonId, PersonEdit>,
        groups: &mut BTreeMap<GroupId, GroupEdit>,
        left: &mut Left,
    ) {
        for ((id, name), written) in self.custom {
            if written.from.is_none() && self.created.contains(id) {
                continue;
            }
            let result = roster_person(world, id).and_then(|person| {
                if person.deleted {
                    return Err("the source has deleted the person".to_owned());
                }
                let mut wishes = person.custom.iter();
                let now = wishes.find(|(spelled, _)| NormalName::of(spelled) == name);
                let before = written.wish_before(now.map(|(_, value)| value.as_str()))?;
                if let (Some(before), Some((spelled, _))) = (before, now) {
                    let edit = people
                        .entry(id.clone())
                        .or_insert_with(|| PersonEdit::new(id.clone()));
                    edit.custom.insert(spelled.clone(), before);
                }
                Ok(())
            });
            written.name(result, left);
        }
        for (id, written) in self.descriptions {
            let result = living_group(world, id).and_then(|group| {
                if let Some(before) = written.wish_before(group.description.as_deref())? {
                    let edit = groups
                        .entry(id.clone())
                        .or_insert_with(|| GroupEdit::new(id.clone()));
                    edit.description = Some(before);
                }
                Ok(())
            });
            written.name(result, left);
        }
    }
}

impl Written<'_> {
    fn name(&self, result: Result<(), String>, left: &mut Left) {
        left.extend(result.err().map(|why| (self.newest.label.clone(), why)));
    }
}

/// Takes in one more change of a value; those that were made after it are known already.
fn note<'a, K: Ord>(
    values: &mut BTreeMap<K, Written<'a>>,
    key: K,
    decision: &'a Decision,
    what: &'a str,
    change: &'a ValueChange,
) {
    let from = change.from.as_deref();
    values
        .entry(key)
        .and_modify(|written| written.from = from)
        .or_insert(Written {
            newest: decision,
            what,
            to: &change.to,
            from,
        });
}
