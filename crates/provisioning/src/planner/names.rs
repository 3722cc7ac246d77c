//! Orders the renames of accounts.
//!
//! Litmos refuses a user name that another account has, so a rename comes after the account that gives up the name.
//! Accounts that swap names form a cycle. The account of the first person by id gets a temporary name, which breaks the
//! cycle.

use std::collections::BTreeSet;

use super::Needs;
use crate::plan::WaitReason;
use crate::{Attribute, NormalName, OrgState, PersonId, Subject};

/// Temporary user name of an account. No source uses such a name, and Litmos accepts it.
fn aside_name(needs: &Needs, person: &PersonId) -> String {
    let account = needs.amendments.get(person).map(|amendment| &amendment.account);
    format!("rollcall-{}", account.map_or("", |account| account.as_str()))
}

/// Removes the changes whose user name is not given up in this plan (they wait), and breaks cycles.
pub(super) fn settle(state: &OrgState, needs: &mut Needs) {
    loop {
        let mut stuck: Vec<(PersonId, PersonId)> = waits(needs)
            .filter(|(_, owner)| {
                let amendment = needs.amendments.get(*owner);
                !amendment.is_some_and(|amendment| amendment.changes(Attribute::UserName))
            })
            .map(|(person, owner)| (person.clone(), owner.clone()))
            .collect();
        let first_of_circles = first_of_circles(needs);
        stuck.extend(first_of_circles.iter().filter_map(|person| {
            state.account_named(&NormalName::of(&aside_name(needs, person)))?;
            let owner = needs.amendments.get(person)?.name_from.clone()?;
            Some((person.clone(), owner))
        }));
        if stuck.is_empty() {
            for person in first_of_circles {
                let name = aside_name(needs, &person);
                if let Some(amendment) = needs.amendments.get_mut(&person) {
                    amendment.aside = Some(name);
                }
            }
            return;
        }
        for (person, owner) in stuck {
            needs.creations.remove(&person);
            needs.amendments.remove(&person);
            let reason = WaitReason::NameAwaited { person: owner };
            needs.wait(Subject::Person(person), reason);
        }
    }
}

fn waits(needs: &Needs) -> impl Iterator<Item = (&PersonId, &PersonId)> {
    let creations = needs
        .creations
        .iter()
        .filter_map(|(id, creation)| Some((id, creation.name_from.as_ref()?)));
    let amendments = needs
        .amendments
        .iter()
        .filter_map(|(id, amendment)| Some((id, amendment.name_from.as_ref()?)));
    creations.chain(amendments)
}

fn first_of_circles(needs: &Needs) -> BTreeSet<PersonId> {
    let next = |id: &PersonId| needs.amendments.get(id)?.name_from.as_ref();
    let mut firsts = BTreeSet::new();
    let mut seen: BTreeSet<&PersonId> = BTreeSet::new();
    for start in needs.amendments.keys() {
        let mut path: Vec<&PersonId> = Vec::new();
        let mut at = Some(start);
        while let Some(id) = at.filter(|id| seen.insert(id)) {
            path.push(id);
            at = next(id);
        }
        if let Some(from) = at.and_then(|end| path.iter().position(|id| *id == end)) {
            firsts.extend(path[from..].iter().min().map(|first| (*first).clone()));
        }
    }
    firsts
}
