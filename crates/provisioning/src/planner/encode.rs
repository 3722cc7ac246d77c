//! Encodes the needs as the cheapest operations, by the cost model in `cost`.
//!
//! A need that has only one encoding becomes an operation directly. Leaving several teams becomes one call where that has
//! the same effect (`leave`). For people and new team members, the encoder compares **shapes**: a shape says who is in a
//! bulk row, who gets a call of their own, and what that costs, without creating operations (`shape`). The shape with
//! the lowest weight becomes operations (`emit`).

mod emit;
mod leave;
mod order;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use super::{Needs, RoleNeed, linked_by};
use crate::cost::CUSTOM_FIELDS_CALLS;
use crate::plan::{Change, Operation, WaitReason};
use crate::{GroupId, OperationId, OrgState, PersonId, Policy, Subject, TeamRole};

/// The operations for accounts and new team members, and which operation does what.
#[derive(Default)]
struct Emitted<'a> {
    operations: Vec<Operation>,
    /// The operation that creates or changes each person's account.
    by_person: BTreeMap<&'a PersonId, OperationId>,
    /// The operation that adds each person to a group's team.
    by_member: BTreeMap<(&'a GroupId, &'a PersonId), OperationId>,
    /// The bulk imports that name each group's team.
    carriers: BTreeMap<&'a GroupId, BTreeSet<OperationId>>,
}

pub(super) fn operations(
    state: &OrgState,
    needs: &mut Needs,
    policy: &Policy,
    now_ms: u64,
) -> Vec<Operation> {
    let removals = leave::cheapest(state, std::mem::take(&mut needs.removals), policy, now_ms);
    let waits = |group: &GroupId| (Subject::Group(group.clone()), WaitReason::UnderWay);
    needs.waiting.extend(removals.waiting.iter().map(waits));
    let needs: &Needs = needs;
    let inputs = shape::EncodingInputs::new(state, needs, policy);
    let shape = inputs.cheapest();
    let mut spelled = emit::emit(&inputs, &shape, &removals.leaving);
    for operation in &needs.others {
        if let Some(person) = linked_by(operation) {
            spelled.by_person.insert(person, operation.id.clone());
        }
    }
    let customs = customs(needs, &spelled);
    let roles = roles(needs, &spelled);
    let cuts = needs.cut_offs.iter().map(|cut| cut.cut.clone());
    let leaves = needs.cut_offs.iter().map(|cut| cut.leave.clone());
    let deletions = needs.deletions.iter().map(|deletion| deletion.operation.clone());
    let mut rest: Vec<Operation> = others(needs, &spelled);
    rest.extend(leaves);
    rest.extend(removals.operations);
    rest.extend(deletions);
    rest.extend(spelled.operations);
    rest.extend(customs);
    rest.extend(roles);
    let mut operations: Vec<Operation> = cuts.collect();
    operations.extend(order::dependencies_first(rest));
    operations
}

/// Renames a team after the bulk imports that name it, because a rename may change the team's code.
fn others(needs: &Needs, spelled: &Emitted<'_>) -> Vec<Operation> {
    let mut others = needs.others.clone();
    for operation in &mut others {
        if let Change::AmendTeam {
            group, name: Some(_), ..
        } = &operation.change
            && let Some(imports) = spelled.carriers.get(group)
        {
            operation.after.extend(imports.iter().cloned());
        }
    }
    others
}

fn customs(needs: &Needs, spelled: &Emitted<'_>) -> Vec<Operation> {
    let operations = needs.customs.iter().map(|(person, custom)| {
        let label = format!(
            "set custom fields of {}: {}",
            custom.user_name,
            custom.need.differ.join(", ")
        );
        let change = Change::SetCustomFields {
            person: person.clone(),
            revision: custom.revision,
            account: custom.account.clone(),
            values: custom.need.values.clone(),
        };
        let mut operation = Operation::new(change, CUSTOM_FIELDS_CALLS, label);
        operation.after.extend(spelled.by_person.get(person).cloned());
        operation
    });
    operations.collect()
}

/// Promotions and demotions. Each comes after the account has its level and is in the team, a demotion after a promotion.
fn roles(needs: &Needs, spelled: &Emitted<'_>) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::with_capacity(needs.roles.len());
    for need in &needs.roles {
        let mut operation = role(need);
        if need.levelled {
            operation
                .after
                .extend(spelled.by_person.get(&need.person).cloned());
        }
        if need.joins {
            operation
                .after
                .extend(spelled.by_member.get(&(&need.group, &need.person)).cloned());
        }
        let promoted = operations.last().filter(|last| {
            !need.holds
                && matches!(&last.change, Change::SetRole { group, person, holds: true, .. }
                    if *group == need.group && *person == need.person)
        });
        operation.after.extend(promoted.map(|last| last.id.clone()));
        operations.push(operation);
    }
    operations
}

fn role(need: &RoleNeed) -> Operation {
    let what = match (need.role, need.holds) {
        (TeamRole::Leader, true) => "make {} leader of team",
        (TeamRole::Admin, true) => "make {} admin of team",
        (TeamRole::Leader, false) => "make {} no longer leader of team",
        (TeamRole::Admin, false) => "make {} no longer admin of team",
    };
    let label = format!("{} {}", what.replace("{}", &need.user_name), need.group_name);
    let change = Change::SetRole {
        group: need.group.clone(),
        team: need.team.clone(),
        person: need.person.clone(),
        account: need.account.clone(),
        role: need.role,
        holds: need.holds,
    };
    Operation::new(change, 1, label)
}
