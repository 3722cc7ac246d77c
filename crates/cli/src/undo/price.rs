//! Cost of an undo, and what the safeguard would hold: planned on a copy of the org state that has the edits.

use std::collections::BTreeSet;
use std::time::Duration;

use provisioning::{
    Account, Attribute, Change, Edit, Membership, Operation, OrgState, Plan, SourceId, Subject, Undo, plan,
};
use serde_json::{Value, json};
use settings::Org;

use crate::print;

#[derive(Debug)]
pub(super) struct Price {
    plan: Plan,
    expected: Duration,
}

impl Price {
    pub(super) fn of(state: &OrgState, undo: &Undo, org: &Org) -> Price {
        let now = chassis::clock::unix_ms();
        let (mut state, touched) = wished(state.clone(), undo, now);
        let mut plan = plan(&org.id, &state, &touched, &org.policy, now);
        reactivate(&mut state, &plan);
        let later = provisioning::plan(&org.id, &state, &touched, &org.policy, now);
        // A reactivated person also joins their teams again. The first plan does not contain that.
        let joins = |operation: &Operation| matches!(operation.change, Change::AddMembers { .. });
        plan.operations.retain(|operation| !joins(operation));
        plan.operations.extend(later.operations.into_iter().filter(joins));
        let expected = pusher::expected(&plan, org.budget());
        Price { plan, expected }
    }

    pub(super) fn to_json(&self) -> Value {
        let held: Vec<Value> = self
            .plan
            .held
            .iter()
            .map(|held| json!({"harm": held.harm, "message": held.describe(), "count": held.items.len()}))
            .collect();
        let park: Vec<&str> = self
            .plan
            .park
            .iter()
            .map(|(_, parked)| parked.message.as_str())
            .collect();
        json!({"operations": self.plan.operations.len(), "calls": self.plan.calls(), "seconds": self.expected.as_secs_f64(),
            "held": held, "parked": park})
    }
}

/// Marks the accounts that a plan reactivates as active.
fn reactivate(state: &mut OrgState, plan: &Plan) {
    for operation in &plan.operations {
        let Change::Update { account, changes, .. } = &operation.change else {
            continue;
        };
        let active = changes.iter().any(|change| change.attribute == Attribute::Active);
        if let Some(account) = state.account(account).filter(|account| active && !account.active) {
            let active = Account {
                active: true,
                ..account.clone()
            };
            state.put_account(active);
        }
    }
}

/// Returns the state with these edits, and the subjects whose plan may change.
fn wished(mut state: OrgState, undo: &Undo, now_ms: u64) -> (OrgState, BTreeSet<Subject>) {
    let source = SourceId::parse("undo").expect("letters are a source id");
    let mut touched = BTreeSet::new();
    for edit in &undo.edits {
        touched.extend(match edit {
            Edit::Person(edit) => {
                let Some(known) = state.person(&edit.person) else {
                    continue;
                };
                let mut person = edit.apply(&known.value);
                person.changed_at_ms = now_ms;
                let revision = known.revision + 1;
                state.put_person(person, revision)
            }
            Edit::Membership {
                group,
                person,
                present,
            } => state.put_membership(&Membership {
                group: group.clone(),
                person: person.clone(),
                present: *present,
                source: source.clone(),
                changed_at_ms: now_ms,
                sequence: 0,
            }),
            Edit::Group(edit) => {
                let Some(known) = state.group(&edit.group) else {
                    continue;
                };
                let (group, revision) = (edit.apply(&known.value), known.revision + 1);
                state.put_group(group, revision)
            }
        });
    }
    (state, touched)
}

pub(super) fn render(price: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "it would take {} in about {}",
        print::count(print::number(price, "calls"), "call", "calls"),
        print::duration(price["seconds"].as_f64().unwrap_or_default())
    )];
    for held in print::list(&price["held"]) {
        lines.push(format!(
            "and wait for your approval: {}",
            print::text(held, "message")
        ));
    }
    for parked in print::list(&price["parked"]) {
        lines.push(format!(
            "and not be possible: {}",
            parked.as_str().unwrap_or_default()
        ));
    }
    lines
}
