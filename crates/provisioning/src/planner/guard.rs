//! Takes out of the needs what the safeguard holds back, before anything is encoded.
//!
//! Held changes never stand in a plan's operations, so nothing downstream has to know of them: not the encoder, which
//! would price them, nor whoever performs.

use std::collections::BTreeSet;

use super::{Amendment, CutOff, Deletion, Needs, Removal, linked_by};
use crate::plan::WaitReason;
use crate::safeguard::Bench;
use crate::{Attribute, Harm, HarmKey, Harmful, Held, PersonId, Policy, Subject, World};

pub(crate) fn hold_back(world: &World, needs: &mut Needs, policy: &Policy, now_ms: u64) -> Vec<Held> {
    let changes = harmful(needs);
    if changes.is_empty() {
        return Vec::new();
    }
    let bench = Bench {
        safeguard: &policy.safeguard,
        history: world.harm_history(),
        approvals: world.approvals(),
        now_ms,
    };
    let held = bench.judge(changes, |harm| population(world, needs, harm));
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
    needs.amendments.retain(|person, amendment| {
        harm_of(amendment).is_none_or(|harm| !keys.contains(&person_key(harm, person, amendment.revision)))
    });
    needs.customs.retain(|person, custom| {
        !custom.need.overwrites || !keys.contains(&person_key(Harm::Overwrite, person, custom.revision))
    });
    held
}

fn harmful(needs: &Needs) -> Vec<Harmful> {
    let mut changes: Vec<Harmful> = needs.cut_offs.iter().map(CutOff::harmful).collect();
    changes.extend(needs.removals.iter().map(Removal::harmful));
    changes.extend(needs.deletions.iter().map(Deletion::harmful));
    changes.extend(needs.amendments.iter().filter_map(|(person, amendment)| {
        let harm = harm_of(amendment)?;
        // One account that is overwritten in two ways is one account.
        let custom = needs.customs.get(person);
        let beside: Vec<&str> = custom
            .filter(|custom| harm == Harm::Overwrite && custom.need.overwrites)
            .into_iter()
            .flat_map(|custom| custom.need.differ.iter().map(String::as_str))
            .collect();
        Some(Harmful {
            key: person_key(harm, person, amendment.revision),
            harm,
            subject: Subject::Person(person.clone()),
            wished_at_ms: amendment.wished_at_ms,
            label: amendment.label(&amendment.changes, &beside),
            ordered: false,
        })
    }));
    changes.extend(needs.customs.iter().filter_map(|(person, custom)| {
        let counted = needs.amendments.get(person).and_then(harm_of) == Some(Harm::Overwrite);
        (custom.need.overwrites && !counted).then(|| Harmful {
            key: person_key(Harm::Overwrite, person, custom.revision),
            harm: Harm::Overwrite,
            subject: Subject::Person(person.clone()),
            wished_at_ms: custom.wished_at_ms,
            label: format!("update {}: {}", custom.user_name, custom.need.differ.join(", ")),
            ordered: false,
        })
    }));
    changes
}

/// What an update takes away; `None` if it only gives.
fn harm_of(amendment: &Amendment) -> Option<Harm> {
    let mut overwrites = false;
    for change in &amendment.changes {
        match change.attribute {
            Attribute::UserName => return Some(Harm::Rename),
            Attribute::AccessLevel | Attribute::Manager | Attribute::Profile(_) => {
                overwrites |= !change.from.is_empty();
            }
            Attribute::Active => {}
        }
    }
    overwrites.then_some(Harm::Overwrite)
}

fn person_key(harm: Harm, person: &PersonId, revision: u64) -> HarmKey {
    HarmKey::of(harm, &Subject::Person(person.clone()), "", revision)
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
            wished_at_ms: self.wished_at_ms,
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
            wished_at_ms: self.wished_at_ms,
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
            wished_at_ms: self.wished_at_ms,
            label: self.operation.label.clone(),
            ordered: false,
        }
    }
}

/// What there is of what a harm takes away: the measure of its share.
///
/// A first load ties accounts by the same plan that overwrites some of them. Measured against those tied so far it
/// would hold what passes a moment later, and name neither those calls nor what follows from them.
fn population(world: &World, needs: &Needs, harm: Harm) -> u32 {
    let count = match harm {
        Harm::Deactivate | Harm::Rename => world.linked_active_accounts(),
        Harm::Overwrite => world.linked_active_accounts() + about_to_be_tied(world, needs),
        Harm::DeleteTeam => world.linked_teams(),
        Harm::TeamLoss => world.linked_memberships(),
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Accounts that are made or tied to a person by what is needed.
fn about_to_be_tied(world: &World, needs: &Needs) -> usize {
    let untied = |person: &&PersonId| world.linked_account(person).is_none();
    let links = needs.others.iter().filter_map(linked_by).filter(untied);
    needs.creations.len() + needs.amendments.keys().filter(untied).count() + links.count()
}
