//! The end of a run that has read everything. Items that were not seen since its start do not exist any more.
//!
//! A run that would remove too many linked accounts removes nothing. An API key that sees less than before, or half a list, has the same
//! effect, and the accounts would be created again beside the old ones.

use std::collections::BTreeSet;

use bus::ObservedKey;
use provisioning::{AccountId, ImportPhase, ImportRun, TeamId};

use super::{Import, ImportError};
use crate::state::{self, Before, delete};

/// Number of linked accounts that a run may always remove: a few are deleted in Litmos now and then.
const LOSSES_FREE: usize = 5;

/// Share of linked accounts, in percent. If a run would remove more, an admin must confirm that they are really deleted.
pub(super) const LOSSES_PERCENT: usize = 20;

impl Import<'_> {
    /// Ends a run that has read everything: removes items that were not seen since the run began. `read` contains the teams whose members
    /// this process read completely.
    pub(super) async fn conclude(
        &self,
        run: &mut ImportRun,
        read: &BTreeSet<TeamId>,
    ) -> Result<(), ImportError> {
        let now = state::before(self.bus, &self.org.id).await;
        let linked = state::linked(self.bus, &self.org.id).await;
        let since = run.started_at_ms;
        if !self.accept_losses {
            let accounts: BTreeSet<&AccountId> = linked.values().collect();
            let known = accounts.into_iter().filter_map(|id| now.accounts.get(id));
            let fates: Vec<bool> = known.map(|known| known.value.as_of_ms < since).collect();
            let lost = fates.iter().filter(|lost| **lost).count();
            if too_many(lost, fates.len()) {
                return Err(ImportError::Losses {
                    lost,
                    linked: fates.len(),
                });
            }
        }
        let org = &self.org.id;
        let mut writes = Vec::new();
        for known in now.accounts.values().filter(|known| known.value.as_of_ms < since) {
            writes.push(delete(
                ObservedKey::Account(org.clone(), known.value.id.clone()),
                known.revision,
            ));
            run.report.users.removed += 1;
        }
        if self.org.import_groups {
            for known in now.teams.values().filter(|known| known.value.as_of_ms < since) {
                writes.push(delete(
                    ObservedKey::Team(org.clone(), known.value.id.clone()),
                    known.revision,
                ));
                run.report.groups.removed += 1;
            }
            let whole = read_to_the_end(&now, read, since);
            for ((team, account), known) in &now.members {
                let there = now
                    .teams
                    .get(team)
                    .is_some_and(|team| team.value.as_of_ms >= since);
                // Litmos lists only active members, so the membership of an inactive account is unknown.
                let listed = now.accounts.get(account).is_none_or(|known| known.value.active);
                if known.value.as_of_ms < since && (!there || (listed && whole.contains(team))) {
                    writes.push(delete(
                        ObservedKey::TeamMember(org.clone(), team.clone(), account.clone()),
                        known.revision,
                    ));
                }
            }
        }
        state::write_page(&self.bus.observed(), writes).await?;
        let there = now
            .accounts
            .values()
            .filter(|known| known.value.as_of_ms >= since)
            .map(|known| &known.value);
        let (linked, to_be_matched, unmanaged) = state::piles(self.bus, org, &linked, there).await;
        (run.report.linked, run.report.to_be_matched, run.report.unmanaged) =
            (linked, to_be_matched, unmanaged);
        run.phase = ImportPhase::Complete;
        self.note(run).await
    }
}

fn too_many(lost: usize, linked: usize) -> bool {
    lost > LOSSES_FREE && lost * 100 > linked * LOSSES_PERCENT
}

/// Teams whose member list was read completely in this run. An interrupted run continues at a position in the order of teams, and this
/// order may have changed since. So a team before that position counts only if the run has stored a member of it.
fn read_to_the_end(now: &Before, read: &BTreeSet<TeamId>, since: u64) -> BTreeSet<TeamId> {
    let fresh = now
        .members
        .iter()
        .filter(|(_, known)| known.value.as_of_ms >= since);
    let traced = fresh.map(|((team, _), _)| team.clone());
    traced.chain(read.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_may_be_lost_and_five_in_any_case() {
        assert!(!too_many(5, 5));
        assert!(too_many(6, 6));
        assert!(!too_many(20, 100));
        assert!(too_many(21, 100));
        assert!(!too_many(0, 0));
    }
}
