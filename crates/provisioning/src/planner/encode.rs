//! The cheapest way of saying what is needed.
//!
//! Two encodings compete for people: one call each, or rows of a bulk import. A bulk row also carries up to five
//! teams for nothing, so a group whose joining members all fit in rows needs no call of its own. Each way is built
//! and priced as a whole; the cheaper one is taken, with a small preference for single calls, which answer at once.

use std::collections::{BTreeMap, BTreeSet};

use super::teams::Joining;
use super::{Amendment, Creation, Needs};
use crate::cost::{
    BULK_BYTES_MAX, BULK_PATIENCE_CALLS, BULK_ROWS_MAX, BULK_TEAMS_MAX, MEMBERS_PER_CALL, bulk_calls,
};
use crate::need;
use crate::plan::{BulkRow, Change, Operation};
use crate::{Account, AccountId, Attribute, GroupId, OperationId, PersonId, Policy, World};

/// Bytes that a field's name, quotes and commas take in a bulk row, at most.
const FIELD_OVERHEAD: usize = 32;

pub(crate) fn cheapest(
    world: &World,
    needs: &mut Needs,
    joinings: &BTreeMap<GroupId, Joining>,
    policy: &Policy,
) -> Vec<Operation> {
    let single = single(needs, joinings);
    let people = if policy.bulk
        && let Some(bulk) = bulk(world, needs, joinings)
        && calls(&bulk) + BULK_PATIENCE_CALLS <= calls(&single)
    {
        bulk
    } else {
        single
    };
    let (mut operations, leaves): (Vec<Operation>, Vec<Operation>) =
        needs.cut_offs.drain(..).map(|cut| (cut.cut, cut.leave)).unzip();
    operations.append(&mut needs.others);
    operations.extend(leaves);
    operations.extend(needs.removals.drain(..).map(|removal| removal.operation));
    operations.extend(needs.deletions.drain(..).map(|deletion| deletion.operation));
    operations.extend(people);
    operations
}

fn calls(operations: &[Operation]) -> u32 {
    operations.iter().map(|operation| operation.calls).sum()
}

fn create(person: &PersonId, creation: &Creation) -> Operation {
    let label = format!("create account {}", creation.draft.user_name);
    let change = Change::Create {
        person: person.clone(),
        revision: creation.revision,
        draft: creation.draft.clone(),
    };
    Operation::new(change, 1, label)
}

/// One update; a manager who is still to be made is waited for, so that one call says all.
fn update(person: &PersonId, amendment: &Amendment, created: &BTreeMap<&PersonId, OperationId>) -> Operation {
    let mut names: Vec<&str> = amendment
        .changes
        .iter()
        .map(|change| change.attribute.wire())
        .collect();
    let before = amendment.awaits.as_ref().and_then(|manager| created.get(manager));
    if before.is_some() {
        names.push(Attribute::Manager.wire());
    }
    let label = format!("update {}: {}", amendment.user_name, names.join(", "));
    let change = Change::Update {
        person: person.clone(),
        revision: amendment.revision,
        account: amendment.account.clone(),
        changes: amendment.changes.clone(),
        fresh: amendment.fresh,
    };
    let mut operation = Operation::new(change, amendment.single_calls(), label);
    operation.after.extend(before.cloned());
    operation
}

fn single(needs: &Needs, joinings: &BTreeMap<GroupId, Joining>) -> Vec<Operation> {
    let mut operations: BTreeMap<&PersonId, Operation> = needs
        .creations
        .iter()
        .map(|(person, creation)| (person, create(person, creation)))
        .collect();
    let created: BTreeMap<&PersonId, OperationId> = operations
        .iter()
        .map(|(person, operation)| (*person, operation.id.clone()))
        .collect();
    for (person, creation) in &needs.creations {
        if let Some(manager) = creation
            .awaits
            .as_ref()
            .filter(|manager| !in_cycle(needs, person, manager))
            && let Some(before) = created.get(manager)
            && let Some(operation) = operations.get_mut(person)
        {
            operation.after.insert(before.clone());
        }
    }
    let circles: Vec<Operation> = needs
        .creations
        .iter()
        .filter(|(person, creation)| {
            creation
                .awaits
                .as_ref()
                .is_some_and(|manager| in_cycle(needs, person, manager))
        })
        .map(|(person, creation)| set_manager(person, creation, &created))
        .collect();
    let mut ordered = managers_first(operations);
    ordered.extend(circles);
    let amended = needs.amendments.iter().chain(&needs.later);
    ordered.extend(amended.map(|(person, amendment)| update(person, amendment, &created)));
    for (group, joining) in joinings {
        ordered.extend(add_members(group, joining, &created));
    }
    ordered
}

/// The second call for somebody in a circle of managers who are all new.
fn set_manager(
    person: &PersonId,
    creation: &Creation,
    created: &BTreeMap<&PersonId, OperationId>,
) -> Operation {
    let label = format!("set the manager of {}", creation.draft.user_name);
    let rows = vec![new_row(person, creation)];
    let mut operation = Operation::new(Change::Bulk { rows }, 1, label);
    operation.after.extend(created.get(person).cloned());
    operation.after.extend(
        creation
            .awaits
            .as_ref()
            .and_then(|manager| created.get(manager))
            .cloned(),
    );
    operation
}

/// Whether going up from `manager` leads back to `person`: then nobody in the circle waits for anybody.
fn in_cycle(needs: &Needs, person: &PersonId, manager: &PersonId) -> bool {
    let mut seen = BTreeSet::from([person]);
    let mut at = Some(manager);
    while let Some(id) = at {
        if !seen.insert(id) {
            return true;
        }
        at = needs
            .creations
            .get(id)
            .and_then(|creation| creation.awaits.as_ref());
    }
    false
}

fn managers_first(mut operations: BTreeMap<&PersonId, Operation>) -> Vec<Operation> {
    let mut placed: BTreeSet<OperationId> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(operations.len());
    while !operations.is_empty() {
        let ready: Vec<&PersonId> = operations
            .iter()
            .filter(|(_, operation)| operation.after.is_subset(&placed))
            .map(|(person, _)| *person)
            .collect();
        if ready.is_empty() {
            ordered.extend(std::mem::take(&mut operations).into_values());
        }
        for person in ready {
            if let Some(operation) = operations.remove(person) {
                placed.insert(operation.id.clone());
                ordered.push(operation);
            }
        }
    }
    ordered
}

fn add_members(
    group: &GroupId,
    joining: &Joining,
    created: &BTreeMap<&PersonId, OperationId>,
) -> Vec<Operation> {
    let people: Vec<PersonId> = joining.present.keys().chain(&joining.coming).cloned().collect();
    people
        .chunks(MEMBERS_PER_CALL)
        .map(|chunk| {
            let label = format!("add {} to team {}", people_text(chunk.len()), joining.name);
            let change = Change::AddMembers {
                group: group.clone(),
                people: chunk.to_vec(),
            };
            let mut operation = Operation::new(change, 1, label);
            operation.after.extend(joining.made_by.clone());
            operation
                .after
                .extend(chunk.iter().filter_map(|person| created.get(person).cloned()));
            operation
        })
        .collect()
}

fn people_text(count: usize) -> String {
    if count == 1 {
        "1 person".to_owned()
    } else {
        format!("{count} people")
    }
}

/// Rows under construction, and what is left over for single calls.
struct Rows<'a> {
    world: &'a World,
    rows: BTreeMap<PersonId, BulkRow>,
}

/// The plan that uses bulk import wherever it can, or `None` where there is nothing for it.
fn bulk(world: &World, needs: &Needs, joinings: &BTreeMap<GroupId, Joining>) -> Option<Vec<Operation>> {
    let mut rows = Rows {
        world,
        rows: BTreeMap::new(),
    };
    let mut operations = Vec::new();
    let mut created: BTreeMap<&PersonId, OperationId> = BTreeMap::new();
    let mut singles: Vec<(&PersonId, &Amendment)> = Vec::new();
    for (person, creation) in &needs.creations {
        if need::bulk_can_create(&creation.draft) {
            rows.rows.insert(person.clone(), new_row(person, creation));
        } else {
            let operation = create(person, creation);
            created.insert(person, operation.id.clone());
            operations.push(operation);
        }
    }
    for (person, amendment) in &needs.amendments {
        match world.account(&amendment.account).filter(|_| amendment.bulk) {
            Some(account) => {
                rows.rows
                    .insert(person.clone(), changed_row(person, amendment, account));
            }
            None => singles.push((person, amendment)),
        }
    }
    if rows.rows.is_empty() {
        return None;
    }
    let (carried, left) = rows.carry(joinings);
    let chunks = rows.into_chunks();
    let mut imports = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let new: Vec<PersonId> = chunk
            .iter()
            .filter(|row| row.account.is_none())
            .map(|row| row.person.clone())
            .collect();
        let after = chunk
            .iter()
            .flat_map(|row| &row.groups)
            .filter_map(|group| carried.get(group))
            .flatten()
            .cloned();
        let after: BTreeSet<OperationId> = after.collect();
        let label = format!(
            "bulk import of {} new and {} existing accounts",
            new.len(),
            chunk.len() - new.len()
        );
        let mut operation = Operation::new(Change::Bulk { rows: chunk }, bulk_calls(new.len()), label);
        operation.after = after;
        for person in &new {
            if let Some((id, _)) = needs.creations.get_key_value(person) {
                created.insert(id, operation.id.clone());
            }
        }
        imports.push(operation);
    }
    operations.extend(imports);
    singles.extend(needs.later.iter().filter(|(_, amendment)| !amendment.bulk));
    operations.extend(
        singles
            .into_iter()
            .map(|(person, amendment)| update(person, amendment, &created)),
    );
    operations.extend(second_pass(world, needs, &created));
    for (group, joining) in joinings.iter().filter(|(group, _)| left.contains(*group)) {
        operations.extend(add_members(group, joining, &created));
    }
    Some(operations)
}

fn new_row(person: &PersonId, creation: &Creation) -> BulkRow {
    BulkRow {
        person: person.clone(),
        revision: creation.revision,
        account: None,
        user_name: creation.draft.user_name.clone(),
        access_level: Some(creation.draft.access_level),
        profile: creation.draft.profile.clone(),
        manager: creation.draft.manager.clone(),
        groups: Vec::new(),
    }
}

fn changed_row(person: &PersonId, amendment: &Amendment, account: &Account) -> BulkRow {
    let change = |attribute| {
        amendment
            .changes
            .iter()
            .find(|change| change.attribute == attribute)
    };
    BulkRow {
        person: person.clone(),
        revision: amendment.revision,
        account: Some(account.id.clone()),
        user_name: account.user_name.clone(),
        access_level: change(Attribute::AccessLevel)
            .and_then(|change| crate::AccessLevel::parse(&change.to).ok()),
        profile: need::bulk_update_profile(account, &amendment.changes),
        manager: change(Attribute::Manager).and_then(|change| AccountId::parse(&change.to).ok()),
        groups: Vec::new(),
    }
}

/// Managers of people who are created together with them can only be set when both exist.
///
/// The rows are priced here; when the accounts exist the next plan holds them in full.
fn second_pass(world: &World, needs: &Needs, created: &BTreeMap<&PersonId, OperationId>) -> Vec<Operation> {
    let mut rows = Vec::new();
    let mut after = BTreeSet::new();
    let mut single_price = 0;
    for (person, creation) in &needs.creations {
        let Some(manager) = creation.awaits.as_ref() else {
            continue;
        };
        let (Some(own), Some(managers)) = (created.get(person), created.get(manager)) else {
            continue;
        };
        after.extend([own.clone(), managers.clone()]);
        single_price += 1;
        rows.push(new_row(person, creation));
    }
    for (person, amendment) in needs
        .amendments
        .iter()
        .chain(&needs.later)
        .filter(|(_, amendment)| amendment.bulk)
    {
        let Some(managers) = amendment.awaits.as_ref().and_then(|manager| created.get(manager)) else {
            continue;
        };
        let Some(account) = world.account(&amendment.account) else {
            continue;
        };
        after.insert(managers.clone());
        single_price += amendment.single_calls();
        rows.push(changed_row(person, amendment, account));
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let imports = u32::try_from(rows.len().div_ceil(BULK_ROWS_MAX)).unwrap_or(u32::MAX);
    let bulk_price = bulk_calls(0).saturating_mul(imports);
    let calls = if bulk_price + BULK_PATIENCE_CALLS <= single_price {
        bulk_price
    } else {
        single_price
    };
    let label = format!("set the managers of {}", people_text(rows.len()));
    let mut operation = Operation::new(Change::Bulk { rows }, calls, label);
    operation.after = after;
    vec![operation]
}

impl Rows<'_> {
    /// Lets rows carry whole groups. Says which groups are carried (with what makes their team), and which are not.
    fn carry(
        &mut self,
        joinings: &BTreeMap<GroupId, Joining>,
    ) -> (BTreeMap<GroupId, Option<OperationId>>, BTreeSet<GroupId>) {
        let mut carried = BTreeMap::new();
        let mut left = BTreeSet::new();
        let mut smallest_first: Vec<(&GroupId, &Joining)> = joinings.iter().collect();
        smallest_first.sort_by_key(|(id, joining)| (joining.present.len() + joining.coming.len(), *id));
        for (id, joining) in smallest_first {
            match self.extra_rows(joining) {
                Some(extra) if joining.bulk && self.fits(extra.len()) => {
                    for row in extra {
                        self.rows.insert(row.person.clone(), row);
                    }
                    for person in joining.present.keys().chain(&joining.coming) {
                        if let Some(row) = self.rows.get_mut(person) {
                            row.groups.push(id.clone());
                        }
                    }
                    carried.insert(id.clone(), joining.made_by.clone());
                }
                _ => {
                    left.insert(id.clone());
                }
            }
        }
        (carried, left)
    }

    /// Whether this many more rows need no further import.
    fn fits(&self, extra: usize) -> bool {
        let now = self.rows.len().div_ceil(BULK_ROWS_MAX);
        (self.rows.len() + extra).div_ceil(BULK_ROWS_MAX) <= now
    }

    /// The rows that would have to be added to carry the group, or `None` if one member cannot be carried.
    fn extra_rows(&self, joining: &Joining) -> Option<Vec<BulkRow>> {
        let mut extra = Vec::new();
        for (person, account) in &joining.present {
            match self.rows.get(person) {
                Some(row) if row.groups.len() < BULK_TEAMS_MAX => {}
                Some(_) => return None,
                None => {
                    let account = self
                        .world
                        .account(account)
                        .filter(|account| need::bulk_leaves_alone(account))?;
                    let revision = self.world.person(person)?.revision;
                    extra.push(BulkRow {
                        person: person.clone(),
                        revision,
                        account: Some(account.id.clone()),
                        user_name: account.user_name.clone(),
                        access_level: None,
                        profile: need::bulk_update_profile(account, &[]),
                        manager: None,
                        groups: Vec::new(),
                    });
                }
            }
        }
        let coming_fit = joining.coming.iter().all(|person| {
            self.rows
                .get(person)
                .is_some_and(|row| row.groups.len() < BULK_TEAMS_MAX)
        });
        coming_fit.then_some(extra)
    }

    /// Cuts the rows into imports that keep both bounds.
    fn into_chunks(self) -> Vec<Vec<BulkRow>> {
        let mut chunks = Vec::new();
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for row in self.rows.into_values() {
            let size = row_bytes(&row);
            if !chunk.is_empty() && (chunk.len() == BULK_ROWS_MAX || bytes + size > BULK_BYTES_MAX) {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes += size;
            chunk.push(row);
        }
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        chunks
    }
}

/// An upper bound of a row's size as JSON.
fn row_bytes(row: &BulkRow) -> usize {
    let text = |value: &str| {
        let escaped: usize = value
            .bytes()
            .map(|byte| {
                if byte < 0x20 {
                    6
                } else {
                    1 + usize::from(matches!(byte, b'"' | b'\\'))
                }
            })
            .sum();
        escaped + FIELD_OVERHEAD
    };
    let fields: usize = row.profile.iter().map(|(_, value)| text(value)).sum();
    let teams = row.groups.len() * (FIELD_OVERHEAD + 120);
    text(&row.user_name) + fields + teams + 3 * FIELD_OVERHEAD + 64
}
