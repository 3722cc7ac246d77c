//! Tries the possible ways and returns the shape with the lowest weight.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::HashSet;

use super::{EncodingInputs, Shape, Way};
use crate::cost::calls;
use crate::{PersonId, need};

/// Most people for whom the managers who could be created first are also tried one by one. Above this number one call
/// more or less is not worth the time.
const CLOSER_LOOK_MAX: usize = 200;

impl<'a> EncodingInputs<'a> {
    /// The shape with the lowest weight. If two weigh the same, the one with more imports.
    pub(in crate::planner::encode) fn cheapest(&self) -> Shape<'a> {
        let mut best = self.shape(&Way::default(), &HashSet::default());
        if !self.bulk {
            return best;
        }
        let mut consider = |way: &Way<'a>| {
            let shape = self.filled(way);
            let (new, old) = (self.weight(&shape), self.weight(&best));
            if new < old || (new == old && shape.imports > best.imports) {
                best = shape;
            }
        };
        let (reports, with_calls) = self.reports();
        let with = |reports: &BTreeMap<&'a PersonId, u32>, least: u32| {
            let enough = reports.iter().filter(|(_, count)| **count >= least);
            enough.map(|(manager, _)| *manager).collect::<BTreeSet<_>>()
        };
        let mut starts = vec![
            BTreeSet::new(),
            with(&reports, 2),
            with(&reports, 1),
            with(&with_calls, 1),
        ];
        starts.dedup();
        let saved_at_most = self.saved_at_most();
        starts.retain(|early| self.singles_more(early) <= saved_at_most);
        for early in &starts {
            for second in [false, true] {
                let way = Way {
                    import: true,
                    early: early.clone(),
                    second,
                };
                consider(&way);
            }
        }
        let needs = self.needs;
        if needs.creations.len() + needs.amendments.len() + needs.later.len() <= CLOSER_LOOK_MAX {
            for early in starts {
                for manager in with_calls.keys() {
                    for second in [false, true] {
                        let mut early = early.clone();
                        if !early.remove(manager) {
                            early.insert(manager);
                        }
                        let way = Way {
                            import: true,
                            early,
                            second,
                        };
                        consider(&way);
                    }
                }
            }
        }
        best
    }

    /// Calls for the new accounts of `early` that could have been bulk rows.
    fn singles_more(&self, early: &BTreeSet<&PersonId>) -> u64 {
        let fits = |id: &&&PersonId| {
            let creation = self.needs.creations.get(**id);
            creation.is_some_and(|creation| need::bulk_can_create(&creation.draft))
        };
        early.iter().filter(fits).count() as u64
    }

    /// Most weight that creating managers first can save: a second import for late managers, all joins, and all pages that
    /// read back new accounts.
    fn saved_at_most(&self) -> u64 {
        let people = self.needs.creations.len() + self.needs.amendments.len() + self.needs.later.len();
        let imports = calls(people.div_ceil(self.costs.rows_max));
        let second = self.costs.weight(imports * self.costs.import_calls(0), imports);
        let joins = self.needs.joinings.values();
        let joins: u32 = joins
            .map(|joining| self.costs.join_calls(joining.people.len()))
            .sum();
        let pages = calls(self.needs.creations.len().div_ceil(self.costs.page_rows)) + imports;
        second + u64::from(joins) + u64::from(pages)
    }

    /// The shape of a way. The last import is left out as long as that lowers the weight.
    fn filled(&self, way: &Way<'a>) -> Shape<'a> {
        let mut left_out: HashSet<&PersonId> = HashSet::default();
        let mut shape = self.shape(way, &left_out);
        while shape.chunks.len() > 1 {
            left_out.extend(shape.chunks.last().into_iter().flatten());
            let fewer = self.shape(way, &left_out);
            if self.weight(&fewer) >= self.weight(&shape) {
                break;
            }
            shape = fewer;
        }
        shape
    }

    /// For each new manager, the calls to set this manager later on the people who fit into rows. The second map also
    /// counts the people who need a call of their own, because a row that names their teams may depend on that call.
    fn reports(&self) -> (BTreeMap<&'a PersonId, u32>, BTreeMap<&'a PersonId, u32>) {
        let (mut in_rows, mut with_calls) = (BTreeMap::new(), BTreeMap::new());
        let creations = self.needs.creations.iter();
        let creations = creations.map(|(id, creation)| (id, need::bulk_can_create(&creation.draft)));
        let amendments = self.needs.amendments.iter().chain(&self.needs.later);
        for (person, fits) in creations.chain(amendments.map(|(id, amendment)| (id, amendment.bulk))) {
            if let Some(manager) = self.new_manager(person) {
                let calls = self.debt_calls(person);
                *with_calls.entry(manager).or_default() += calls;
                if fits {
                    *in_rows.entry(manager).or_default() += calls;
                }
            }
        }
        (in_rows, with_calls)
    }

    fn weight(&self, shape: &Shape<'_>) -> u64 {
        self.costs.weight(shape.calls, shape.imports)
    }
}
