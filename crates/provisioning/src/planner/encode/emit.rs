//! Creates the operations of a shape.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use rows::manager_row;
pub(super) use rows::row_bytes;

use super::Emitted;
use super::shape::{EncodingInputs, Shape};
use crate::cost::calls;
use crate::plan::{BulkRow, Change, Operation};
use crate::planner::{Amendment, Joining};
use crate::{Attribute, AttributeChange, GroupId, OperationId, PersonId};

struct Emitter<'a, 'd> {
    inputs: &'d EncodingInputs<'a>,
    shape: &'d Shape<'a>,
    leaving: &'d BTreeMap<PersonId, OperationId>,
    /// The operation that creates each account.
    made: BTreeMap<&'a PersonId, OperationId>,
    /// The call that updates each account.
    updated: BTreeMap<&'a PersonId, OperationId>,
    /// The operation that frees the user name of each account.
    freed: BTreeMap<&'a PersonId, OperationId>,
    imported: BTreeMap<&'a PersonId, OperationId>,
    operations: Vec<Operation>,
}

pub(super) fn emit<'a>(
    inputs: &EncodingInputs<'a>,
    shape: &Shape<'a>,
    leaving: &BTreeMap<PersonId, OperationId>,
) -> Emitted<'a> {
    let mut spelling = Emitter {
        inputs,
        shape,
        leaving,
        made: BTreeMap::new(),
        updated: BTreeMap::new(),
        freed: BTreeMap::new(),
        imported: BTreeMap::new(),
        operations: Vec::new(),
    };
    let creations = spelling.creations();
    let imports = spelling.imports();
    let (asides, updates) = spelling.updates();
    spelling.place_creations(creations);
    spelling.place_imports(imports);
    spelling.place_updates(asides, updates);
    spelling.late_managers();
    let by_member = spelling.joins();
    let mut carriers: BTreeMap<&GroupId, BTreeSet<OperationId>> = BTreeMap::new();
    for ((group, _), import) in by_member
        .iter()
        .filter(|((group, person), _)| shape.carries(group, person))
    {
        carriers.entry(group).or_default().insert(import.clone());
    }
    let mut by_person = std::mem::take(&mut spelling.made);
    by_person.extend(std::mem::take(&mut spelling.updated));
    for (person, import) in &spelling.imported {
        by_person.entry(person).or_insert_with(|| import.clone());
    }
    Emitted {
        operations: spelling.operations,
        by_person,
        by_member,
        carriers,
    }
}

impl<'a> Emitter<'a, '_> {
    fn creations(&mut self) -> Vec<(&'a PersonId, Operation)> {
        let mut operations = Vec::new();
        for (person, creation) in &self.inputs.needs.creations {
            if self.shape.rows.contains_key(person) && !self.shape.first.contains(person) {
                continue;
            }
            let label = format!("create account {}", creation.draft.user_name);
            let change = Change::Create {
                person: person.clone(),
                revision: creation.revision,
                draft: creation.draft.clone(),
            };
            let operation = Operation::new(change, 1, label);
            self.made.insert(person, operation.id.clone());
            operations.push((person, operation));
        }
        operations
    }

    fn imports(&mut self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for chunk in &self.shape.chunks {
            let rows: Vec<BulkRow> = chunk.iter().filter_map(|person| self.row(person)).collect();
            let is_new = |person: &&&PersonId| {
                self.inputs.needs.creations.contains_key(**person) && !self.shape.first.contains(**person)
            };
            let created = chunk.iter().filter(is_new).count();
            let label = format!(
                "bulk import of {created} new and {} existing accounts",
                chunk.len() - created
            );
            let price = self.inputs.costs.import_calls(created);
            let operation = Operation::new(Change::Bulk { rows }, price, label);
            for person in chunk {
                self.imported.insert(person, operation.id.clone());
                if is_new(&person) {
                    self.made.insert(person, operation.id.clone());
                }
            }
            operations.push(operation);
        }
        operations
    }

    /// Updates by a call of their own. An account that swaps user names needs two steps.
    fn updates(&mut self) -> (Vec<Operation>, Vec<(&'a PersonId, Operation)>) {
        let (mut asides, mut updates) = (Vec::new(), Vec::new());
        for (person, amendment) in &self.inputs.needs.amendments {
            if amendment.bulk && self.shape.rows.contains_key(person) {
                continue;
            }
            let mut price = amendment.single_calls();
            let aside = amendment
                .aside
                .as_ref()
                .map(|name| step_aside(person, amendment, name));
            if aside.is_some() {
                price = 1;
            }
            let manager = self
                .inputs
                .new_manager(person)
                .filter(|_| !self.inputs.givers.contains(person) || self.shape.patient.contains(person));
            let mut operation = update(person, amendment, &amendment.changes, price, manager.is_some());
            operation
                .after
                .extend(manager.and_then(|manager| self.made.get(manager)).cloned());
            self.updated.insert(person, operation.id.clone());
            let frees = aside.as_ref().map_or(&operation.id, |aside| &aside.id);
            self.freed.insert(person, frees.clone());
            asides.extend(aside);
            updates.push((person, operation));
        }
        (asides, updates)
    }

    fn place_creations(&mut self, creations: Vec<(&'a PersonId, Operation)>) {
        for (person, mut operation) in creations {
            let creation = self.inputs.needs.creations.get(person);
            let name_from = creation.and_then(|creation| creation.name_from.as_ref());
            operation
                .after
                .extend(name_from.and_then(|owner| self.freed.get(owner)).cloned());
            operation.after.extend(self.before_manager(person));
            let left_to_a_row = self.shape.first.contains(person) && self.inputs.circles.contains(person);
            if !self.shape.late_managers.contains(person) && !left_to_a_row {
                let manager = self.inputs.new_manager(person);
                operation
                    .after
                    .extend(manager.and_then(|manager| self.made.get(manager)).cloned());
            }
            self.operations.push(operation);
        }
    }

    /// Updates that free a user name and come before the creation of `manager`, the new manager of these people. They do
    /// not wait for the manager, because others wait for the name.
    fn before_manager(&self, manager: &PersonId) -> impl Iterator<Item = OperationId> {
        let inputs = self.inputs;
        let givers = inputs.givers.iter().filter(move |giver| {
            inputs.new_manager(giver) == Some(manager)
                && !self.shape.patient.contains(*giver)
                && !inputs.rests_on(giver, manager, Some(giver))
        });
        givers.filter_map(|giver| self.updated.get(*giver)).cloned()
    }

    fn place_updates(&mut self, asides: Vec<Operation>, updates: Vec<(&'a PersonId, Operation)>) {
        self.operations.extend(asides);
        for (person, mut operation) in updates {
            let amendment = self.inputs.needs.amendments.get(person);
            let name_from = amendment.and_then(|amendment| amendment.name_from.as_ref());
            operation
                .after
                .extend(name_from.and_then(|owner| self.freed.get(owner)).cloned());
            self.operations.push(operation);
        }
    }

    /// Adds the imports. Each comes after the teams, the repeated accounts and the managers that its rows name.
    fn place_imports(&mut self, imports: Vec<Operation>) {
        for (chunk, mut import) in self.shape.chunks.iter().zip(imports) {
            let mut after: BTreeSet<OperationId> = BTreeSet::new();
            for person in chunk {
                let manager = self.inputs.new_manager(person);
                let people = manager.into_iter().chain([*person]);
                let first = people.filter(|person| self.shape.first.contains(person));
                after.extend(first.filter_map(|person| self.made.get(person)).cloned());
                if self.inputs.is_before_imports(person, self.shape) {
                    after.extend(self.updated.get(person).cloned());
                }
                let creation = self.inputs.needs.creations.get(*person);
                let name_from = creation.and_then(|creation| creation.name_from.as_ref());
                after.extend(name_from.and_then(|owner| self.freed.get(owner)).cloned());
                after.extend(self.before_manager(person));
                let groups = &self.shape.rows[person];
                let joinings = groups
                    .iter()
                    .filter_map(|group| self.inputs.needs.joinings.get(*group));
                after.extend(joinings.filter_map(|joining| joining.made_by.clone()));
                if !groups.is_empty() {
                    after.extend(self.leaving.get(*person).cloned());
                }
            }
            import.after = after;
            self.operations.push(import);
        }
    }

    /// Sets the managers that could not be set together with the other values.
    ///
    /// These operations carry only the price. When the accounts exist, the next plan names the managers.
    fn late_managers(&mut self) {
        for &person in &self.shape.late_managers {
            if self.shape.second.contains(person) {
                continue;
            }
            let mut operation = match self.inputs.needs.creations.get(person) {
                Some(creation) => {
                    let label = format!("set the manager of {}", creation.draft.user_name);
                    let rows = vec![manager_row(person, creation.revision, &creation.draft.user_name)];
                    Operation::new(Change::Bulk { rows }, 1, label)
                }
                None => {
                    let Some(amendment) = self.inputs.amendment(person) else {
                        continue;
                    };
                    let price = self.inputs.debt_calls(person);
                    update(person, amendment, &[], price, true)
                }
            };
            self.after_both(person, &mut operation);
            self.operations.push(operation);
        }
        let second: Vec<&PersonId> = self.shape.second.iter().copied().collect();
        for chunk in second.chunks(self.inputs.costs.rows_max) {
            let rows = chunk
                .iter()
                .filter_map(|person| self.manager_row(person))
                .collect();
            let label = match chunk.len() {
                1 => "set the manager of 1 person by import".to_owned(),
                n => format!("set the managers of {n} people"),
            };
            let price = self.inputs.costs.import_calls(0);
            let mut operation = Operation::new(Change::Bulk { rows }, price, label);
            for person in chunk {
                self.after_both(person, &mut operation);
            }
            self.operations.push(operation);
        }
    }

    fn after_both(&self, person: &PersonId, operation: &mut Operation) {
        let manager = self.inputs.new_manager(person);
        let own = [
            self.made.get(person),
            self.updated.get(person),
            self.imported.get(person),
        ];
        operation.after.extend(
            manager
                .and_then(|manager| self.made.get(manager))
                .into_iter()
                .chain(own.into_iter().flatten())
                .cloned(),
        );
    }

    fn joins(&mut self) -> BTreeMap<(&'a GroupId, &'a PersonId), OperationId> {
        let mut by_member = BTreeMap::new();
        for (group, joining) in &self.inputs.needs.joinings {
            let (carried, people): (Vec<&PersonId>, Vec<&PersonId>) = joining
                .people
                .keys()
                .partition(|person| self.shape.carries(group, person));
            by_member.extend(carried.into_iter().filter_map(|person| {
                let import = self.imported.get(person)?;
                Some(((group, person), import.clone()))
            }));
            for chunk in people.chunks(self.inputs.costs.members_max) {
                let operation = self.add_members(group, joining, chunk);
                by_member.extend(
                    chunk
                        .iter()
                        .map(|person| ((group, *person), operation.id.clone())),
                );
                self.operations.push(operation);
            }
        }
        by_member
    }

    fn add_members(&self, group: &GroupId, joining: &Joining, people: &[&PersonId]) -> Operation {
        let label = format!("add {} to team {}", people_text(people.len()), joining.name);
        let change = Change::AddMembers {
            group: group.clone(),
            people: people.iter().map(|person| (*person).clone()).collect(),
        };
        let mut operation = Operation::new(change, 1, label);
        operation.after.extend(joining.made_by.clone());
        for person in people {
            let amendment = self.inputs.needs.amendments.get(*person);
            let returns = amendment.is_some_and(Amendment::reactivates);
            let before = [
                self.made.get(*person),
                self.updated.get(*person).filter(|_| returns),
                self.leaving.get(*person),
            ];
            operation.after.extend(before.into_iter().flatten().cloned());
        }
        operation
    }
}

/// One update. `manager`: it will also set a manager whose account is not created yet.
fn update(
    person: &PersonId,
    amendment: &Amendment,
    changes: &[AttributeChange],
    price: u32,
    manager: bool,
) -> Operation {
    let beside: &[&str] = if manager {
        &[Attribute::Manager.wire()]
    } else {
        &[]
    };
    let label = amendment.label(changes, beside);
    let change = Change::Update {
        person: person.clone(),
        revision: amendment.revision,
        account: amendment.account.clone(),
        changes: changes.to_vec(),
        fresh: price == 1,
    };
    Operation::new(change, price, label)
}

/// The first of two steps for an account that swaps user names with others: it gets a temporary name.
fn step_aside(person: &PersonId, amendment: &Amendment, name: &str) -> Operation {
    let from = amendment
        .changes
        .iter()
        .find(|change| change.attribute == Attribute::UserName)
        .map_or("", |change| &change.from);
    let label = format!("rename {from} to {name} for a moment, to swap names");
    let change = Change::Update {
        person: person.clone(),
        revision: amendment.revision,
        account: amendment.account.clone(),
        changes: vec![AttributeChange {
            attribute: Attribute::UserName,
            from: from.to_owned(),
            to: name.to_owned(),
        }],
        fresh: amendment.fresh,
    };
    Operation::new(change, amendment.single_calls(), label)
}

fn people_text(count: usize) -> String {
    if count == 1 {
        "1 person".to_owned()
    } else {
        format!("{} people", calls(count))
    }
}
