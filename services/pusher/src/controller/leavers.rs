//! People to cut off while they are in a running bulk import.
//!
//! People in flight are in no plan, so the controller marks leavers for the operation that waits for their import. The limits of the
//! safeguard apply here too: if there are more leavers than the safeguard allows, they wait for the end of the import and then for an
//! approval. An order to cut off a named person has no limit.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{Harm, IntentKind, PersonId, Subject};

use super::orders::Order;
use super::{Controller, Finished};
use crate::executor::unix_ms;

impl Controller {
    /// Notes that a person in flight may have to be cut off.
    pub(super) fn may_leave(&mut self, subject: &Subject) {
        if let Subject::Person(person) = subject
            && self.state.is_under_way(subject)
        {
            self.leaving.insert(person.clone());
        }
    }

    /// Marks the people that their running imports must cut off.
    pub(super) fn cut_off_in_imports(&mut self) {
        let ordered: BTreeSet<PersonId> = self.ordered_off().collect();
        if self.leaving.is_empty() && ordered.is_empty() && !self.executor.imports.has_leavers() {
            return;
        }
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.retain(|person| {
            let wished = self.state.person(person);
            self.state.is_under_way(&Subject::Person(person.clone()))
                && wished.is_some_and(|person| !self.state.is_to_be_active(&person.value))
        });
        let passes = self.policy.deactivate_users && self.safeguard_lets(leaving.len());
        let wished = leaving.iter().filter(|_| passes);
        let due: Vec<PersonId> = wished
            .chain(&ordered)
            .filter(|person| self.is_in_import(person))
            .cloned()
            .collect();
        self.leaving = leaving;
        let imports = self.executor.imports.clone();
        imports.keep_leavers(&due);
        let new = due.iter().filter(|person| imports.name_leaver(person)).count();
        if new == 0 {
            return;
        }
        let count = u32::try_from(new).unwrap_or(u32::MAX);
        if let Some(history) = self.note_harms(&BTreeMap::from([(Harm::Deactivate, count)])) {
            let executor = self.executor.clone();
            self.running.spawn(async move {
                // If the bus refuses this write, the next write of the harm history includes it.
                let _ = executor.note_harms(history).await;
                Finished::default()
            });
        }
    }

    fn ordered_off(&self) -> impl Iterator<Item = PersonId> {
        let orders = self
            .orders
            .iter()
            .filter(|open| matches!(open.order, Order::Freeze { .. }));
        let subjects = orders.flat_map(|open| &open.subjects);
        subjects.filter_map(|subject| match subject {
            Subject::Person(person) => Some(person.clone()),
            Subject::Group(_) => None,
        })
    }

    fn is_in_import(&self, person: &PersonId) -> bool {
        let link = self.state.person_link(person);
        let intent = link.and_then(|link| link.value.intent.as_ref());
        intent.is_some_and(|intent| intent.kind == IntentKind::Bulk)
    }

    fn safeguard_lets(&self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let safeguard = &self.policy.safeguard;
        let taken = self.state.harm_history().in_day(Harm::Deactivate, unix_ms());
        let population = u32::try_from(self.state.tally().linked).unwrap_or(u32::MAX);
        let within = |limits: &BTreeMap<Harm, provisioning::Limit>, count: u32| {
            limits
                .get(&Harm::Deactivate)
                .is_none_or(|limit| count <= limit.allowed(population))
        };
        within(&safeguard.run, count) && within(&safeguard.day, taken.saturating_add(count))
    }
}
