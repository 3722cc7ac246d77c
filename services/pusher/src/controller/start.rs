//! Uses permits: chooses and starts operations.
//!
//! Everything is planned again before each start, except bulk imports that were planned together. The people of a running import are in
//! flight and in no plan. A plan for the rest would see only half of a company: people without their managers, teams without half of their
//! members. So when one import starts, the other imports of the same plan are kept as planned. They use the next permits that no urgent
//! operation needs.

use std::collections::{BTreeMap, VecDeque};

use provisioning::{Change, Harm, Operation, Subject, harms};
use rate_tokens::{Class, Permit};
use tokio::time::Instant;

use super::{Controller, Finished, Performed, jobs};
use crate::executor::unix_ms;
use crate::schedule;

impl Controller {
    /// Uses a permit for the first ready operation, or returns it unused.
    pub(super) fn spend(&mut self, class: Class, permit: Permit) {
        if let Some(asked) = self.asked.get_mut(&class) {
            *asked = asked.saturating_sub(1);
        }
        // A permit that arrives after the gate closed is returned unused.
        if self.executor.gate.is_closed() {
            return;
        }
        self.replan();
        let (planned, beside) = self.next_operation();
        let urgent = |operation: &Operation| operation.change.cuts_access();
        if !planned.as_ref().is_some_and(urgent)
            && let Some(import) = self.together.pop_front()
        {
            return self.start(import, permit);
        }
        let Some(operation) = planned else { return };
        if matches!(operation.change, Change::Bulk { .. }) {
            self.quiet.imports(self.now_ms());
            self.together = beside;
            self.in_flight
                .fixed(&self.plan, std::iter::once(&operation).chain(&self.together));
            for import in self.together.clone() {
                self.hold(&import);
            }
        }
        self.hold(&operation);
        self.start(operation, permit);
    }

    /// The next operation. If it is a bulk import, also the other imports that are ready.
    fn next_operation(&self) -> (Option<Operation>, VecDeque<Operation>) {
        let traffic = self.traffic();
        let Some(next) = schedule::next(&self.plan, &self.state, &traffic) else {
            return (None, VecDeque::new());
        };
        let is_import = |operation: &Operation| matches!(operation.change, Change::Bulk { .. });
        let beside = schedule::ready(&self.plan, &self.state, &traffic)
            .filter(|other| is_import(next) && is_import(other) && other.calls > 0 && other.id != next.id);
        (Some(next.clone()), beside.cloned().collect())
    }

    /// Drops the bulk imports that wait to start if one of their people has changed or has an order. They are planned again.
    pub(super) fn part_if_changed(&mut self) {
        if self.together.iter().all(|import| self.stands(import)) {
            return;
        }
        for import in std::mem::take(&mut self.together) {
            self.in_flight.ended(&import.id);
            self.release(&import.change.subjects());
        }
    }

    fn stands(&self, import: &Operation) -> bool {
        let Change::Bulk { rows } = &import.change else {
            return true;
        };
        rows.iter().all(|row| {
            let subject = Subject::Person(row.person.clone());
            self.revision_of(&subject) == row.revision && !self.is_ordered(&subject)
        })
    }

    /// Marks the subjects of an operation as in flight, so that no other operation starts on them.
    fn hold(&mut self, operation: &Operation) {
        let subjects = operation.change.subjects();
        if let Change::Bulk { rows } = &operation.change
            && let Some(person) = subjects.first()
        {
            let groups = rows.iter().flat_map(|row| &row.groups);
            self.in_rows.push((person.clone(), groups.cloned().collect()));
        }
        if let Change::Create { person, .. } = &operation.change {
            let groups = self.state.groups_of(person).cloned().collect();
            self.awaiting.push((Subject::Person(person.clone()), groups));
        }
        self.quiet.acted_on(&subjects);
        self.state.hold(subjects);
        for (person, name) in operation.change.user_names() {
            self.state.hold_name(person.clone(), name);
        }
        self.outdated = true;
    }

    /// Starts an operation whose subjects are marked as in flight.
    fn start(&mut self, operation: Operation, permit: Permit) {
        let subjects = operation.change.subjects();
        let span = tracing::info_span!(
            "operation.perform",
            org.id = %self.org,
            operation.id = %operation.id,
            operation.kind = operation.kind(),
            operation.calls = operation.calls,
        );
        let traces: Vec<&String> = subjects
            .iter()
            .filter_map(|subject| self.traces.get(subject))
            .collect();
        match traces.as_slice() {
            [only] if subjects.len() == 1 => bus::trace::set_parent(&span, Some(only)),
            many => many.iter().for_each(|trace| bus::trace::link(&span, trace)),
        }
        let Some(job) = jobs::prepare(&self.state, &operation) else {
            self.in_flight.ended(&operation.id);
            self.release(&subjects);
            self.outdated = true;
            return;
        };
        let answered = subjects.iter().filter_map(|subject| self.edits.remove(subject));
        let edits = answered.sum();
        self.forecast_records
            .starts(&self.plan, || self.in_flight.steps(&self.plan), unix_ms());
        let executor = self.executor.counting();
        self.in_flight.started(&operation.id, executor.spent.clone());
        let performed = Performed {
            run: self.forecast_records.run_id().cloned(),
            operation: operation.id.clone(),
            kind: operation.kind(),
            label: operation.label.clone(),
            spent: executor.spent.clone(),
            harms: harms(&self.state, &operation.change),
            started: Instant::now(),
            import: matches!(operation.change, Change::Bulk { .. }),
        };
        self.imports += usize::from(performed.import);
        let history = self.note_harms(&performed.harms);
        let work = service::about(jobs::about(&operation, edits), async move {
            executor.crash_points.place().await;
            if let Some(history) = history
                && let Err(trouble) = executor.note_harms(history).await
            {
                return Finished {
                    done: executor.not_started(subjects, &trouble),
                    performed: Some(performed),
                };
            }
            Finished {
                done: job.perform(&executor, permit).await,
                performed: Some(performed),
            }
        });
        self.running.spawn(tracing::Instrument::instrument(work, span));
    }

    /// Counts the harms of an operation in the harm history, before the operation is performed. Returns the new history, or `None` if there
    /// are no harms.
    pub(super) fn note_harms(&mut self, harms: &BTreeMap<Harm, u32>) -> Option<provisioning::HarmHistory> {
        if harms.is_empty() {
            return None;
        }
        let mut history = self.state.harm_history().clone();
        for (harm, count) in harms {
            history.add(*harm, *count, unix_ms());
        }
        self.state.set_harm_history(history.clone());
        Some(history)
    }
}
