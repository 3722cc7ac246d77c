//! Which operation goes next: pure, so that its laws can be tested without a bus.
//!
//! Laws: an operation never starts before those it comes after, never beside one that shares a subject with it, and a
//! cut-off never waits for anything but its own subject. While the roster is still changing fast, bulk imports hold
//! back, so that a file of two thousand lines becomes one import and not ten.

use std::collections::BTreeSet;

use provisioning::{Change, Operation, OperationId, Plan, Subject, World};
use rate_tokens::Class;

/// The class of token an operation asks for.
pub(crate) fn class_of(change: &Change) -> Class {
    if change.cuts_access() {
        Class::Urgent
    } else {
        Class::Normal
    }
}

/// What stands in the way of operations just now.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// The roster has not been quiet for long enough to start a bulk import, or to make a team that one may carry.
    pub(crate) unsettled: bool,
    /// The roster is changing right now: what is planned may be part of something larger.
    pub(crate) stirring: bool,
    /// Only these subjects may be acted on; `None` for all (plans that are applied by hand).
    pub(crate) released: Option<BTreeSet<Subject>>,
}

impl Traffic {
    fn lets_through(&self, world: &World, operation: &Operation) -> bool {
        if self.unsettled && matches!(operation.change, Change::Bulk { .. } | Change::CreateTeam { .. }) {
            return false;
        }
        if self.stirring && !operation.change.cuts_access() && operation.calls > 0 {
            return false;
        }
        operation.change.subjects().iter().all(|subject| {
            let released = self
                .released
                .as_ref()
                .is_none_or(|released| released.contains(subject));
            !world.is_under_way(subject) && (released || operation.change.cuts_access())
        })
    }
}

/// The operations that may start now, in the order of the plan.
pub(crate) fn ready<'a>(
    plan: &'a Plan,
    world: &'a World,
    traffic: &'a Traffic,
) -> impl Iterator<Item = &'a Operation> {
    let open: BTreeSet<&OperationId> = plan.operations.iter().map(|operation| &operation.id).collect();
    plan.operations.iter().filter(move |operation| {
        operation.after.iter().all(|before| !open.contains(before)) && traffic.lets_through(world, operation)
    })
}

/// The first ready operation that a permit of this class may be spent on.
///
/// A permit in hand is spent on the most urgent thing there is, whatever it was asked for.
pub(crate) fn next<'a>(plan: &'a Plan, world: &'a World, traffic: &'a Traffic) -> Option<&'a Operation> {
    ready(plan, world, traffic).find(|operation| operation.calls > 0)
}
