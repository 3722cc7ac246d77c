//! Removes the changes that the safeguard holds from the needs, before anything is encoded.
//!
//! A plan's operations never contain held changes. So neither the encoder, which would price them, nor the executor has
//! to know about them.

use std::collections::BTreeSet;

use super::{Amendment, Creation, CutOff, Deletion, Needs, Removal, linked_by};
use crate::harms::{harms_of, promotion, promotion_by};
use crate::plan::{Change, Operation, WaitReason};
use crate::safeguard::SafeguardInputs;
use crate::{AccessLevel, Harm, HarmKey, Harmful, Held, OrgState, PersonId, Policy, Subject};

pub(crate) fn hold_back(state: &OrgState, needs: &mut Needs, policy: &Policy, now_ms: u64) -> Vec<Held> {
    let changes = harmful(needs);
    if changes.is_empty() {
        return Vec::new();
    }
    let inputs = SafeguardInputs {
        safeguard: &policy.safeguard,
        history: state.harm_history(),
        approvals: state.approvals(),
        now_ms,
    };
    let held = inputs.judge(changes, |harm| population(state, needs, harm));
    let keys: BTreeSet<HarmKey> = held
        .iter()
        .flat_map(|held| &held.items)
        .map(|item| item.key)
        .collect();
    if keys.is_empty() {
        return held;
    }
    let waits = |subject: &Subject, harm| (subject.clone(), WaitReason::Held { harm });
    for item in held.iter().flat_map(|held| &held.items) {
        needs.waiting.push(waits(&item.subject, item.harm));
    }
    needs.cut_offs.retain(|cut| !keys.contains(&cut.key()));
    needs.removals.retain(|removal| !keys.contains(&removal.key()));
    needs.deletions.retain(|deletion| !keys.contains(&deletion.key()));
    hold_promotions(state, needs, &keys);
    needs.amendments.retain(|person, amendment| {
        let harms = harms_of(&amendment.changes);
        let held = |harm: &Harm| keys.contains(&person_key(*harm, person, amendment.revision));
        !harms.iter().any(held)
    });
    needs.customs.retain(|person, custom| {
        !custom.need.overwrites || !keys.contains(&person_key(Harm::Overwrite, person, custom.revision))
    });
    held
}

/// Removes held promotions from the needs. Other changes of these people stay: a new account starts as a Learner.
///
/// The key of a promotion contains the person and the roster revision. So it stays the same after the account is created,
/// and an approval of it is still valid.
fn hold_promotions(state: &OrgState, needs: &mut Needs, keys: &BTreeSet<HarmKey>) {
    for (person, creation) in &mut needs.creations {
        let held = creation.promotion();
        if held.is_some_and(|harm| keys.contains(&person_key(harm, person, creation.revision))) {
            creation.draft.access_level = AccessLevel::Learner;
        }
    }
    let mut emptied: Vec<PersonId> = Vec::new();
    for (person, amendment) in &mut needs.amendments {
        let revision = amendment.revision;
        let before = amendment.changes.len();
        amendment.changes.retain(|change| {
            promotion_by(change).is_none_or(|harm| !keys.contains(&person_key(harm, person, revision)))
        });
        if amendment.changes.len() < before && amendment.changes.is_empty() {
            emptied.push(person.clone());
        }
    }
    for person in emptied {
        let Some(amendment) = needs.amendments.remove(&person) else {
            continue;
        };
        if state.linked_account(&person).is_none() {
            let label = format!("link {} to account {}", amendment.user_name, amendment.account);
            let change = Change::Link {
                person: person.clone(),
                revision: amendment.revision,
                account: amendment.account.clone(),
            };
            needs.others.push(Operation::new(change, 0, label));
        }
        if amendment.awaits.is_some() {
            needs.later.insert(person, amendment);
        }
    }
}

fn harmful(needs: &Needs) -> Vec<Harmful> {
    let mut changes: Vec<Harmful> = needs.cut_offs.iter().map(CutOff::harmful).collect();
    changes.extend(needs.removals.iter().map(Removal::harmful));
    changes.extend(needs.deletions.iter().map(Deletion::harmful));
    changes.extend(needs.creations.iter().filter_map(|(person, creation)| {
        let harm = creation.promotion()?;
        Some(Harmful {
            key: person_key(harm, person, creation.revision),
            harm,
            subject: Subject::Person(person.clone()),
            requested_at_ms: creation.requested_at_ms,
            label: promotion_label(&creation.draft.user_name, creation.draft.access_level.as_litmos()),
            ordered: false,
        })
    }));
    changes.extend(needs.amendments.iter().flat_map(|(person, amendment)| {
        let harms = harms_of(&amendment.changes).into_iter();
        harms.map(|harm| Harmful {
            key: person_key(harm, person, amendment.revision),
            harm,
            subject: Subject::Person(person.clone()),
            requested_at_ms: amendment.requested_at_ms,
            label: harm_label(needs, person, amendment, harm),
            ordered: false,
        })
    }));
    changes.extend(needs.customs.iter().filter_map(|(person, custom)| {
        let beside = needs.amendments.get(person);
        let counted = beside.is_some_and(|beside| harms_of(&beside.changes).contains(&Harm::Overwrite));
        (custom.need.overwrites && !counted).then(|| Harmful {
            key: person_key(Harm::Overwrite, person, custom.revision),
            harm: Harm::Overwrite,
            subject: Subject::Person(person.clone()),
            requested_at_ms: custom.requested_at_ms,
            label: format!("update {}: {}", custom.user_name, custom.need.differ.join(", ")),
            ordered: false,
        })
    }));
    changes
}

/// Text of an update for the person who approves one harm of it.
fn harm_label(needs: &Needs, person: &PersonId, amendment: &Amendment, harm: Harm) -> String {
    match harm {
        Harm::PromoteOwner | Harm::PromoteAdministrator => {
            let mut levels = amendment
                .changes
                .iter()
                .filter(|change| promotion_by(change).is_some());
            promotion_label(
                &amendment.user_name,
                levels.next().map_or("", |change| &change.to),
            )
        }
        // An account with overwritten profile and custom fields counts once.
        Harm::Overwrite => {
            let custom = needs.customs.get(person).filter(|custom| custom.need.overwrites);
            let differ = custom.into_iter().flat_map(|custom| &custom.need.differ);
            let beside: Vec<&str> = differ.map(String::as_str).collect();
            amendment.label(&amendment.changes, &beside)
        }
        Harm::Reactivate | Harm::Rename | Harm::Deactivate | Harm::DeleteTeam | Harm::TeamLoss => {
            amendment.label(&amendment.changes, &[])
        }
    }
}

fn promotion_label(user_name: &str, level: &str) -> String {
    format!("make {user_name} {level}")
}

fn person_key(harm: Harm, person: &PersonId, revision: u64) -> HarmKey {
    HarmKey::of(harm, &Subject::Person(person.clone()), "", revision)
}

impl Creation {
    fn promotion(&self) -> Option<Harm> {
        promotion(None, self.draft.access_level)
    }
}

impl CutOff {
    fn key(&self) -> HarmKey {
        HarmKey::of(
            Harm::Deactivate,
            &Subject::Person(self.person.clone()),
            "",
            self.revision,
        )
    }

    fn harmful(&self) -> Harmful {
        Harmful {
            key: self.key(),
            harm: Harm::Deactivate,
            subject: Subject::Person(self.person.clone()),
            requested_at_ms: self.requested_at_ms,
            label: self.cut.label.clone(),
            ordered: self.ordered,
        }
    }
}

impl Removal {
    fn key(&self) -> HarmKey {
        HarmKey::of(
            Harm::TeamLoss,
            &Subject::Group(self.group.clone()),
            self.account.as_str(),
            0,
        )
    }

    fn harmful(&self) -> Harmful {
        Harmful {
            key: self.key(),
            harm: Harm::TeamLoss,
            subject: Subject::Group(self.group.clone()),
            requested_at_ms: self.requested_at_ms,
            label: self.operation.label.clone(),
            ordered: false,
        }
    }
}

impl Deletion {
    fn key(&self) -> HarmKey {
        HarmKey::of(
            Harm::DeleteTeam,
            &Subject::Group(self.group.clone()),
            "",
            self.revision,
        )
    }

    fn harmful(&self) -> Harmful {
        Harmful {
            key: self.key(),
            harm: Harm::DeleteTeam,
            subject: Subject::Group(self.group.clone()),
            requested_at_ms: self.requested_at_ms,
            label: self.operation.label.clone(),
            ordered: false,
        }
    }
}

/// Number of items that a limit's percentage is taken of.
///
/// For `Overwrite` this includes the accounts that the needs create or link, because the plan of a first load links
/// accounts and overwrites some of them. With only the accounts linked so far, the plan would hold changes that pass a
/// moment later, and would not show their calls.
fn population(state: &OrgState, needs: &Needs, harm: Harm) -> u32 {
    let count = match harm {
        Harm::Deactivate | Harm::Rename => state.linked_active_accounts(),
        Harm::Overwrite => state.linked_active_accounts() + about_to_be_tied(state, needs),
        Harm::DeleteTeam => state.linked_teams(),
        Harm::TeamLoss => state.linked_memberships(),
        // The count from the roster is the same before, during and after a first load.
        Harm::PromoteOwner | Harm::PromoteAdministrator | Harm::Reactivate => state.people_to_be_active(),
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Number of accounts that the needs create or link to a person.
fn about_to_be_tied(state: &OrgState, needs: &Needs) -> usize {
    let untied = |person: &&PersonId| state.linked_account(person).is_none();
    let links = needs.others.iter().filter_map(linked_by).filter(untied);
    needs.creations.len() + needs.amendments.keys().filter(untied).count() + links.count()
}
