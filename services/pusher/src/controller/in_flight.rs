//! The remaining work while bulk imports are in flight.
//!
//! The people of an import are in no plan until it has ended, and neither are the changes that depend on it, such as their managers and
//! roles. A plan made meanwhile would show that nothing is left. So this module counts the remaining calls of each import, and keeps the
//! operations that were planned after it until it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use provisioning::{Operation, OperationId, Plan};

use crate::forecast::{self, Step};

#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Each import with the number of permits that it has used; `None` before it starts.
    imports: BTreeMap<OperationId, (Step, Option<Arc<AtomicU32>>)>,
    behind: Vec<Step>,
}

impl InFlight {
    /// Notes the imports of the plan that are sent together now.
    pub(super) fn fixed<'a>(&mut self, plan: &Plan, imports: impl IntoIterator<Item = &'a Operation>) {
        for import in imports {
            self.imports.insert(import.id.clone(), (Step::of(import), None));
        }
        let behind = self.behind.iter().map(|step| step.id.clone());
        let mut known: BTreeSet<OperationId> = self.imports.keys().cloned().chain(behind).collect();
        // In a plan, an operation is listed after those that it depends on.
        for operation in &plan.operations {
            if operation.after.iter().any(|before| known.contains(before))
                && known.insert(operation.id.clone())
            {
                self.behind.push(Step::of(operation));
            }
        }
    }

    pub(super) fn started(&mut self, import: &OperationId, spent: Arc<AtomicU32>) {
        if let Some((_, counter)) = self.imports.get_mut(import) {
            *counter = Some(spent);
        }
    }

    /// Notes that the import has ended, or was dropped before it started.
    pub(super) fn ended(&mut self, import: &OperationId) {
        self.imports.remove(import);
        if self.imports.is_empty() {
            self.behind.clear();
        }
    }

    /// All remaining work: the rest of the imports in flight, this plan, and the operations that depend on those imports.
    pub(super) fn steps(&self, plan: &Plan) -> Vec<Step> {
        if self.imports.is_empty() {
            return forecast::steps(plan);
        }
        let imports = self.imports.values().map(|(step, spent)| {
            let spent = spent.as_ref().map_or(0, |spent| spent.load(Ordering::Relaxed));
            step.clone().resumed(spent)
        });
        let mut steps: Vec<Step> = imports.collect();
        let planned = plan
            .operations
            .iter()
            .filter(|operation| !self.imports.contains_key(&operation.id));
        steps.extend(planned.map(Step::of));
        let known: BTreeSet<&OperationId> = plan.operations.iter().map(|operation| &operation.id).collect();
        steps.extend(
            self.behind
                .iter()
                .filter(|step| !known.contains(&step.id))
                .cloned(),
        );
        steps
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::forecast::{Pace, expect};
    use crate::schedule::tests::{plan_of, state_of_reports};

    #[test]
    fn what_an_import_has_yet_to_do_and_what_comes_after_it_is_ahead_until_it_has_ended() {
        let full = plan_of(&state_of_reports(500), true);
        let import = full.operations.first().unwrap().clone();
        assert!(full.operations.len() > 1, "{}", full.to_text(9));
        let nothing = plan_of(&state_of_reports(0), true);
        let calls = |steps: &[Step]| steps.iter().map(|step| step.calls).sum::<u32>();

        let mut ahead = InFlight::default();
        assert_eq!(calls(&ahead.steps(&full)), full.calls());
        ahead.fixed(&full, [&import]);
        assert_eq!(calls(&ahead.steps(&full)), full.calls(), "nothing counts twice");
        let spent = Arc::new(AtomicU32::new(1));
        ahead.started(&import.id, spent.clone());
        assert_eq!(calls(&ahead.steps(&nothing)), full.calls() - 1);

        let pace = Pace {
            token: Duration::from_millis(600),
            burst: 1,
            latency: Duration::from_millis(100),
            row: Duration::ZERO,
        };
        let early = expect(&ahead.steps(&nothing), &pace).all;
        spent.store(import.calls, Ordering::Relaxed);
        let late = expect(&ahead.steps(&nothing), &pace).all;
        assert!(late < early && late > Duration::ZERO, "{late:?} {early:?}");

        ahead.ended(&import.id);
        assert_eq!(ahead.steps(&nothing), []);
    }
}
