//! Decides which people are in bulk rows and which get calls of their own, and what that costs.
//!
//! A shape has a price before any operation is created. The ways that are tried are those in `cost`. Each way puts as many
//! people into rows as possible, because a row costs nothing once the import is paid.

mod carry;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::{HashMap, HashSet};

use super::emit::row_bytes;
use crate::cost::{CostModel, calls};
use crate::need;
use crate::planner::{Amendment, Needs};
use crate::{GroupId, OrgState, PersonId, Policy};

/// A rule that chooses the people in rows.
#[derive(Clone, Debug, Default)]
struct Way<'a> {
    import: bool,
    /// New people who are created before the import by a call of their own, because others report to them.
    early: BTreeSet<&'a PersonId>,
    /// True if a second import sets the managers that the first import could not name.
    second: bool,
}

/// Which people are in rows, which get calls, and the price.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    /// New people who are created by a call of their own before the imports.
    pub(super) first: BTreeSet<&'a PersonId>,
    /// People in rows, with the groups that each row names.
    pub(super) rows: BTreeMap<&'a PersonId, Vec<&'a GroupId>>,
    /// The rows, import by import.
    pub(super) chunks: Vec<Vec<&'a PersonId>>,
    /// Number of people who join each group by a row.
    pub(super) carried: BTreeMap<&'a GroupId, usize>,
    /// People whose manager is set later, when both accounts exist.
    pub(super) late_managers: BTreeSet<&'a PersonId>,
    /// People of `late_managers` whose manager a second import sets.
    pub(super) second: BTreeSet<&'a PersonId>,
    /// People who give up a user name and can still wait for a new manager, because that makes no cycle of dependencies.
    pub(super) patient: BTreeSet<&'a PersonId>,
    pub(super) calls: u32,
    pub(super) imports: u32,
}

impl Shape<'_> {
    /// True if a row adds this person to the group's team.
    pub(super) fn carries(&self, group: &GroupId, person: &PersonId) -> bool {
        self.carried.contains_key(group)
            && self
                .rows
                .get(person)
                .is_some_and(|groups| groups.contains(&group))
    }
}

/// Inputs of every shape.
pub(super) struct EncodingInputs<'a> {
    pub(super) state: &'a OrgState,
    pub(super) needs: &'a Needs,
    pub(super) costs: &'a CostModel,
    bulk: bool,
    sizes: HashMap<&'a PersonId, usize>,
    /// The first person of each cycle of new people who manage each other. It does not wait for its manager.
    pub(super) circles: BTreeSet<&'a PersonId>,
    /// People whose user name another person gets in this plan.
    pub(super) givers: HashSet<&'a PersonId>,
}

impl<'a> EncodingInputs<'a> {
    pub(super) fn new(state: &'a OrgState, needs: &'a Needs, policy: &'a Policy) -> EncodingInputs<'a> {
        let mut inputs = EncodingInputs {
            state,
            needs,
            costs: &policy.costs,
            bulk: policy.bulk,
            sizes: HashMap::default(),
            circles: circles(needs),
            givers: HashSet::default(),
        };
        let creations = needs
            .creations
            .values()
            .filter_map(|creation| creation.name_from.as_ref());
        let amendments = needs
            .amendments
            .values()
            .filter_map(|amendment| amendment.name_from.as_ref());
        inputs.givers = creations.chain(amendments).collect();
        if inputs.bulk {
            let creations = needs.creations.iter();
            inputs.sizes.extend(
                creations.map(|(id, creation)| {
                    (id, row_bytes(&creation.draft.user_name, &creation.draft.profile))
                }),
            );
            for (id, amendment) in needs.amendments.iter().filter(|(_, amendment)| amendment.bulk) {
                let size = state.account(&amendment.account).map(|account| {
                    let profile = need::bulk_update_profile(account, &amendment.changes);
                    row_bytes(&account.user_name, &profile)
                });
                inputs.sizes.extend(size.map(|size| (id, size)));
            }
        }
        inputs
    }

    /// This person's manager, if this plan creates the manager's account.
    pub(super) fn new_manager(&self, person: &PersonId) -> Option<&'a PersonId> {
        let awaits = match self.needs.creations.get(person) {
            Some(creation) => creation.awaits.as_ref(),
            None => self
                .amendment(person)
                .and_then(|amendment| amendment.awaits.as_ref()),
        }?;
        let (manager, _) = self.needs.creations.get_key_value(awaits)?;
        Some(manager)
    }

    pub(super) fn amendment(&self, person: &PersonId) -> Option<&'a Amendment> {
        self.needs
            .amendments
            .get(person)
            .or_else(|| self.needs.later.get(person))
    }

    /// Calls to set a person's manager after all other changes of the person. A row does not return the record, so a
    /// record that was not fresh before the row is not fresh after it.
    pub(super) fn debt_calls(&self, person: &PersonId) -> u32 {
        match self.amendment(person) {
            Some(amendment) if amendment.bulk => amendment.single_calls(),
            Some(_) if self.needs.amendments.contains_key(person) => 1,
            Some(amendment) => amendment.single_calls(),
            None => 1,
        }
    }

    fn shape(&self, way: &Way<'a>, left_out: &HashSet<&PersonId>) -> Shape<'a> {
        let mut shape = Shape::default();
        let fits = |person: &PersonId| way.import && !left_out.contains(person);
        let mut new_rows: BTreeSet<&PersonId> = self
            .needs
            .creations
            .iter()
            .filter(|(id, creation)| fits(id) && need::bulk_can_create(&creation.draft))
            .map(|(id, _)| id)
            .collect();
        let bulky = |amendments: &'a BTreeMap<PersonId, Amendment>| {
            amendments
                .iter()
                .filter(|(id, amendment)| fits(id) && amendment.bulk)
                .map(|(id, _)| id)
                .collect::<BTreeSet<&'a PersonId>>()
        };
        let changed_rows = bulky(&self.needs.amendments);
        let later_rows = bulky(&self.needs.later);
        self.choose_first(way, &mut new_rows, &mut shape);
        for giver in &self.givers {
            if let Some(manager) = self.new_manager(giver)
                && (shape.first.contains(manager) || !way.import)
                && !self.rests_on(manager, giver, None)
            {
                shape.patient.insert(giver);
            }
        }
        for person in new_rows.iter().chain(&changed_rows) {
            shape.rows.insert(person, Vec::new());
        }
        let ready = |person: &PersonId, shape: &Shape<'_>| {
            self.new_manager(person)
                .is_some_and(|manager| shape.first.contains(manager))
        };
        let ready_rows: BTreeSet<&PersonId> = later_rows
            .iter()
            .filter(|id| ready(id, &shape))
            .copied()
            .collect();
        shape.rows.extend(ready_rows.iter().map(|id| (*id, Vec::new())));
        if way.import {
            // If a cycle is created before the import, a row can set the manager that its first person had to leave out.
            for person in &self.circles {
                if shape.first.contains(person)
                    && ready(person, &shape)
                    && !left_out.contains(person)
                    && self.can_be_repeated(person, &shape)
                {
                    shape.rows.insert(person, Vec::new());
                }
            }
            self.carry(left_out, &mut shape);
        }
        self.cut(&new_rows, &ready_rows, &mut shape);
        self.owe(way, &mut shape);
        self.price(&new_rows, &mut shape);
        shape
    }

    /// True if the change of `one` must come after the change of `other`, because of managers or user names. The manager of
    /// `but` is not followed.
    pub(super) fn rests_on(&self, one: &PersonId, other: &PersonId, but: Option<&PersonId>) -> bool {
        let mut seen: BTreeSet<&PersonId> = BTreeSet::new();
        let mut open: Vec<&PersonId> = vec![one];
        while let Some(id) = open.pop() {
            let creation = self.needs.creations.get(id);
            let amendment = self.needs.amendments.get(id);
            let name_from = match creation {
                Some(creation) => creation.name_from.as_ref(),
                None => amendment.and_then(|amendment| amendment.name_from.as_ref()),
            };
            let manager = self.new_manager(id).filter(|_| Some(id) != but);
            for next in name_from.into_iter().chain(manager) {
                if next == other {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// Chooses the new people who are created before the import: those that the way names, and those who need a call of
    /// their own and do not wait for a manager in a row.
    fn choose_first(&self, way: &Way<'a>, new_rows: &mut BTreeSet<&'a PersonId>, shape: &mut Shape<'a>) {
        if !way.import {
            return;
        }
        for manager in &way.early {
            new_rows.remove(manager);
            shape.first.insert(manager);
        }
        let mut open: Vec<&PersonId> = Vec::new();
        let mut under: BTreeMap<&PersonId, Vec<&PersonId>> = BTreeMap::new();
        for id in self.needs.creations.keys() {
            if new_rows.contains(id) || shape.first.contains(id) {
                continue;
            }
            match self.new_manager(id) {
                None => open.push(id),
                Some(manager) if shape.first.contains(manager) => open.push(id),
                Some(manager) => under.entry(manager).or_default().push(id),
            }
        }
        while let Some(id) = open.pop() {
            shape.first.insert(id);
            open.extend(under.remove(id).into_iter().flatten());
        }
    }

    /// Splits the rows into imports that keep both bounds (rows and bytes). Rows that save the most calls come first.
    fn cut(&self, new_rows: &BTreeSet<&'a PersonId>, later: &BTreeSet<&'a PersonId>, shape: &mut Shape<'a>) {
        let value = |person: &PersonId| {
            if new_rows.contains(person) {
                1
            } else if later.contains(person)
                || self
                    .needs
                    .amendments
                    .get(person)
                    .is_some_and(|amendment| amendment.bulk)
            {
                self.amendment(person).map_or(0, Amendment::single_calls)
            } else {
                0
            }
        };
        let mut people: Vec<&PersonId> = shape.rows.keys().copied().collect();
        people.sort_by_key(|person| std::cmp::Reverse(value(person)));
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for person in people {
            let size = self.row_size(person, shape.rows[person].len());
            if !chunk.is_empty()
                && (chunk.len() == self.costs.rows_max || bytes + size > self.costs.bytes_max)
            {
                shape.chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes += size;
            chunk.push(person);
        }
        if !chunk.is_empty() {
            shape.chunks.push(chunk);
        }
    }

    /// Finds the people whose manager cannot be set together with their other values.
    fn owe(&self, way: &Way<'a>, shape: &mut Shape<'a>) {
        let creations = self.needs.creations.keys();
        let amendments = self.needs.amendments.keys();
        for person in creations.chain(amendments).chain(self.needs.later.keys()) {
            let Some(manager) = self.new_manager(person) else {
                continue;
            };
            let is_later = self.needs.later.contains_key(person);
            let manager_first = shape.first.contains(manager);
            // An update that does not fit into a row is a call, also if a row repeats the account for its teams.
            let by_call = self
                .needs
                .amendments
                .get(person)
                .is_some_and(|amendment| !amendment.bulk);
            let in_row = shape.rows.contains_key(person) && !by_call;
            let owes = if in_row && !shape.first.contains(person) {
                !manager_first
            } else if shape.first.contains(person) {
                !manager_first || (self.circles.contains(person) && !in_row)
            } else if self.needs.creations.contains_key(person) {
                !shape.rows.contains_key(manager) && !manager_first && self.circles.contains(person)
            } else {
                is_later || (self.givers.contains(person) && !shape.patient.contains(person))
            };
            if !owes {
                continue;
            }
            shape.late_managers.insert(person);
            let bulk = match self.needs.creations.get(person) {
                Some(creation) => need::leaves_alone_when_made(&creation.draft),
                None => self.amendment(person).is_some_and(|amendment| amendment.bulk),
            };
            if way.second && bulk {
                shape.second.insert(person);
            }
        }
    }

    fn price(&self, new_rows: &BTreeSet<&'a PersonId>, shape: &mut Shape<'a>) {
        let singles = self.needs.creations.len() - new_rows.len();
        let updates = self
            .needs
            .amendments
            .iter()
            .filter(|(id, amendment)| !(amendment.bulk && shape.rows.contains_key(id)))
            .map(|(_, amendment)| amendment.single_calls());
        let late_managers = shape
            .late_managers
            .iter()
            .filter(|id| !shape.second.contains(*id))
            .map(|id| self.debt_calls(id));
        let imports = shape.chunks.iter().map(|chunk| {
            let created = chunk.iter().filter(|id| new_rows.contains(*id)).count();
            self.costs.import_calls(created)
        });
        let second = shape.second.len().div_ceil(self.costs.rows_max);
        let joins = self.needs.joinings.iter().map(|(group, joining)| {
            let carried = shape.carried.get(group).copied().unwrap_or_default();
            self.costs.join_calls(joining.people.len() - carried)
        });
        let sum: u32 = updates.chain(late_managers).chain(imports).chain(joins).sum();
        shape.calls = sum + calls(singles) + calls(second) * self.costs.import_calls(0);
        shape.imports = calls(shape.chunks.len() + second);
    }

    fn row_size(&self, person: &PersonId, teams: usize) -> usize {
        /// Most bytes of one team's name and code in a row.
        const TEAM: usize = 152;
        /// Most bytes of a row that only repeats the required fields.
        const BARE: usize = 1_200;
        self.sizes.get(person).copied().unwrap_or(BARE) + teams * TEAM
    }
}

fn circles(needs: &Needs) -> BTreeSet<&PersonId> {
    let next = |id: &PersonId| {
        let awaits = needs.creations.get(id)?.awaits.as_ref()?;
        needs.creations.get_key_value(awaits).map(|(id, _)| id)
    };
    let mut firsts = BTreeSet::new();
    let mut seen: BTreeSet<&PersonId> = BTreeSet::new();
    for start in needs.creations.keys() {
        let mut path: Vec<&PersonId> = Vec::new();
        let mut at = Some(start);
        while let Some(id) = at.filter(|id| seen.insert(id)) {
            path.push(id);
            at = next(id);
        }
        if let Some(from) = at.and_then(|end| path.iter().position(|id| *id == end)) {
            firsts.extend(path[from..].iter().min());
        }
    }
    firsts
}
