//! What is still ahead while imports of ours are under way.
//!
//! Whoever is in an import is in no plan until it has ended, and neither is what comes after: their managers, their roles.
//! A plan made meanwhile would say that nothing is left. So the calls that an import has yet to make are counted here, and what
//! was planned behind it is kept until it has ended and is planned anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use provisioning::{Operation, OperationId, Plan};

use crate::forecast::{self, Step};

#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// With the permits that each import has taken; none before it starts.
    imports: BTreeMap<OperationId, (Step, Option<Arc<AtomicU32>>)>,
    behind: Vec<Step>,
}

impl InFlight {
    /// These imports of the plan go now, together.
    pub(super) fn fixed<'a>(&mut self, plan: &Plan, imports: impl IntoIterator<Item = &'a Operation>) {
        for import in imports {
            self.imports.insert(import.id.clone(), (Step::of(import), None));
        }
        let behind = self.behind.iter().map(|step| step.id.clone());
        let mut known: BTreeSet<OperationId> = self.imports.keys().cloned().chain(behind).collect();
        // A plan names what comes first before what comes after it.
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

    /// The import is over, or given up before it started.
    pub(super) fn ended(&mut self, import: &OperationId) {
        self.imports.remove(import);
        if self.imports.is_empty() {
            self.behind.clear();
        }
    }

    /// All that is to be done from now on: by imports under way, by this plan, and by what comes after those imports.
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
