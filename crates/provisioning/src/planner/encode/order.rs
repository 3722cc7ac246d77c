//! Orders operations so that each comes after those that it depends on.

use std::collections::{BTreeMap, BTreeSet};

use crate::OperationId;
use crate::plan::Operation;

/// Moves dependencies in front of the operations that need them, and otherwise keeps the order.
pub(super) fn dependencies_first(operations: Vec<Operation>) -> Vec<Operation> {
    let mut open: BTreeMap<OperationId, Operation> = BTreeMap::new();
    let mut ids: Vec<OperationId> = Vec::with_capacity(operations.len());
    for operation in operations {
        ids.push(operation.id.clone());
        let twin = open.insert(operation.id.clone(), operation);
        debug_assert!(twin.is_none(), "two operations have one id");
    }
    let mut ordered = Vec::with_capacity(ids.len());
    let mut entered: BTreeSet<OperationId> = BTreeSet::new();
    for id in ids {
        let mut path = vec![id];
        while let Some(id) = path.last() {
            let Some(operation) = open.get(id) else {
                path.pop();
                continue;
            };
            // On the second visit all its dependencies are placed, except those that form a cycle with it.
            if entered.insert(id.clone()) {
                let before: Vec<OperationId> = operation
                    .after
                    .iter()
                    .filter(|before| open.contains_key(*before) && !entered.contains(*before))
                    .cloned()
                    .collect();
                path.extend(before.into_iter().rev());
            } else if let Some(operation) = path.pop().and_then(|id| open.remove(&id)) {
                ordered.push(operation);
            }
        }
    }
    ordered
}
