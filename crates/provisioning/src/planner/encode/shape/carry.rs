//! Chooses the groups that bulk rows carry, and for which people.

use crate::hash::HashSet;

use super::{EncodingInputs, Shape};
use crate::planner::Joining;
use crate::{GroupId, PersonId, need};

impl<'a> EncodingInputs<'a> {
    /// Puts groups into rows, the smallest group first, and adds rows that only name teams. People who cannot be in a row
    /// join by calls. Rows carry a group only if that lowers the number of calls.
    pub(super) fn carry(&self, left_out: &HashSet<&PersonId>, shape: &mut Shape<'a>) {
        let mut smallest_first: Vec<(&GroupId, &Joining)> = self.needs.joinings.iter().collect();
        smallest_first.sort_by_key(|(id, joining)| (joining.people.len(), *id));
        for (id, joining) in smallest_first {
            if !joining.bulk {
                continue;
            }
            let mut extra = 0;
            let mut carried: Vec<&PersonId> = Vec::with_capacity(joining.people.len());
            for person in joining.people.keys() {
                match shape.rows.get(person) {
                    Some(groups) if groups.len() < self.costs.teams_max => carried.push(person),
                    Some(_) => {}
                    // Checks the room first: it is cheap, and for a large group it is nearly always false.
                    None if self.has_room(extra + 1, shape)
                        && !left_out.contains(person)
                        && self.can_be_repeated(person, shape) =>
                    {
                        extra += 1;
                        carried.push(person);
                    }
                    None => {}
                }
            }
            let all = joining.people.len();
            if self.costs.join_calls(all - carried.len()) < self.costs.join_calls(all) {
                shape.carried.insert(id, carried.len());
                for person in carried {
                    shape.rows.entry(person).or_default().push(id);
                }
            }
        }
    }

    /// True if `extra` more rows fit without another import.
    fn has_room(&self, extra: usize, shape: &Shape<'_>) -> bool {
        let now = shape.rows.len().div_ceil(self.costs.rows_max).max(1);
        (shape.rows.len() + extra).div_ceil(self.costs.rows_max) <= now
    }

    /// True if a row that repeats the values that the account has at that time leaves it unchanged.
    pub(super) fn can_be_repeated(&self, person: &PersonId, shape: &Shape<'_>) -> bool {
        if let Some(creation) = self.needs.creations.get(person) {
            return shape.first.contains(person) && need::leaves_alone_when_made(&creation.draft);
        }
        let amendment = self.needs.amendments.get(person);
        let account = match amendment {
            Some(amendment) => self.state.account(&amendment.account),
            None => self
                .state
                .account_for(person)
                .and_then(|id| self.state.account(id)),
        };
        let Some(account) = account else { return false };
        match amendment {
            Some(amendment) if self.is_before_imports(person, shape) => {
                need::bulk_leaves_alone(&account.changed(&amendment.changes))
            }
            Some(_) | None => need::bulk_leaves_alone(account),
        }
    }

    /// True if an update by a call of its own does not wait for an account that an import creates.
    pub(in crate::planner::encode) fn is_before_imports(&self, person: &PersonId, shape: &Shape<'_>) -> bool {
        self.givers.contains(person)
            || self
                .new_manager(person)
                .is_none_or(|manager| shape.first.contains(manager))
    }
}
