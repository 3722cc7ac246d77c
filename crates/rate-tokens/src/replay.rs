//! Takes over a budget of a governor that is gone, from its ledger alone.
//!
//! Law: whatever prefix of the ledger is read, and however many reports are missing in it, a token never becomes free
//! earlier than it would have with the predecessor.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Aged, LedgerRecord};
use crate::ring::Restored;
use crate::settings::{LIMIT_MAX, PERMIT_TTL_MAX, millis};
use crate::{Budget, BudgetSettings, Class, Epoch, GrantId, Moment, Outcome, Settled, Settlement};

/// Reason why a ledger cannot be taken over. Start with [`Budget::quiet`] instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error(
        "the ledger already holds epoch {seen}, so epoch {epoch} is not new; take over with a higher one"
    )]
    EpochNotNew { epoch: Epoch, seen: Epoch },
    #[error("the ledger names {tokens} tokens of grant {grant}, more than any limit; the record is damaged")]
    TokensOutOfRange { grant: GrantId, tokens: u32 },
}

impl Budget {
    /// Rebuilds a budget from the ledger's records, oldest first, at least as far back as [`BudgetSettings::horizon`].
    ///
    /// Reported tokens cool for the rest of their time, computed from the age of the report, and for one guard more.
    /// Tokens without a report are treated as granted just now, since a worker may still hold them; late reports settle
    /// them as usual. Tokens whose time ended while no governor led are recorded as expired with the first append.
    ///
    /// # Errors
    /// [`ReplayError`] if the records cannot be an earlier governor's.
    pub fn replay(
        settings: BudgetSettings,
        epoch: Epoch,
        records: impl IntoIterator<Item = Aged>,
        now: Moment,
    ) -> Result<Budget, ReplayError> {
        let mut budget = Budget::new(settings, epoch, now);
        let mut youngest = None;
        let mut overdue: BTreeMap<GrantId, (Class, BTreeSet<u32>)> = BTreeMap::new();
        for Aged { record, age } in records {
            // If the server's clock went back between two records, both count as young as the younger one.
            let age = youngest.map_or(age, |youngest| age.min(youngest));
            youngest = Some(age);
            match record {
                LedgerRecord::Epoch { epoch: seen } if seen > epoch => {
                    return Err(ReplayError::EpochNotNew { epoch, seen });
                }
                LedgerRecord::Epoch { .. } => {}
                LedgerRecord::Granted {
                    grant,
                    worker,
                    class,
                    tokens,
                    ttl_ms,
                    ..
                } => {
                    budget.check(grant, tokens)?;
                    budget.counts.get_mut(class).granted += u64::from(tokens);
                    budget.made(Some(grant));
                    let ttl = millis::from(u128::from(ttl_ms)).min(PERMIT_TTL_MAX);
                    let spans = budget.spans();
                    let out_at_most = spans.cooling + budget.settings().terms().guard + ttl + spans.settle;
                    if age < out_at_most && budget.ring.origin(grant).is_none() {
                        budget.ring.take(grant, worker, class, tokens, now, now + ttl);
                    } else if age >= out_at_most {
                        overdue.insert(grant, (class, (0..tokens).collect()));
                    }
                }
                LedgerRecord::Reported {
                    grant,
                    class,
                    settled,
                } => {
                    for Settled { token, settlement } in settled {
                        budget.check(grant, token.saturating_add(1))?;
                        if let Some((_, tokens)) = overdue.get_mut(&grant) {
                            tokens.remove(&token);
                        }
                        budget.recount(grant, class, token, settlement);
                        let until = budget.cooled(now, age);
                        let restored = match settlement {
                            Settlement::Unused => Restored::Unused,
                            Settlement::Used(Outcome::Answered | Outcome::Refused { .. }) => {
                                Restored::Used { until }
                            }
                            Settlement::Used(Outcome::Unknown) => Restored::Used {
                                until: until + budget.spans().settle,
                            },
                        };
                        budget.ring.restore(grant, class, token, now, restored);
                        if let Settlement::Used(Outcome::Refused { retry_after_ms }) = settlement {
                            budget.refusals.restore_refusal(
                                now,
                                age,
                                retry_after_ms.map(|ms| millis::from(u128::from(ms))),
                            );
                        }
                    }
                }
                LedgerRecord::Expired { grant, class, tokens } => {
                    budget.counts.get_mut(class).expired += tokens.len() as u64;
                    for token in tokens {
                        budget.check(grant, token.saturating_add(1))?;
                        if let Some((_, tokens)) = overdue.get_mut(&grant) {
                            tokens.remove(&token);
                        }
                        let until = budget.cooled(now, age);
                        budget
                            .ring
                            .restore(grant, class, token, now, Restored::Silent { until });
                    }
                }
                LedgerRecord::Adapted {
                    working_limit,
                    stretch,
                } => budget.readapt(working_limit, stretch),
                LedgerRecord::Silent => budget.stay_silent(now - age),
                LedgerRecord::Carried {
                    working_limit,
                    stretch,
                    counts,
                    newest,
                } => {
                    budget.readapt(working_limit, stretch);
                    budget.made(newest);
                    budget.counts = *counts;
                }
            }
        }
        for (grant, (class, tokens)) in overdue {
            if !tokens.is_empty() {
                budget.lapse_at_once(grant, class, tokens.into_iter().collect());
            }
        }
        Ok(budget)
    }

    /// Frees tokens whose time ended while no governor led, and records them as expired.
    fn lapse_at_once(&mut self, grant: GrantId, class: Class, tokens: Vec<u32>) {
        self.counts.get_mut(class).expired += tokens.len() as u64;
        self.records.push(LedgerRecord::Expired { grant, class, tokens });
    }

    fn readapt(&mut self, working_limit: u32, stretch: u8) {
        let before = self.spans();
        self.refusals.restore(working_limit, stretch);
        let after = self.spans();
        self.ring.retime(before.cooling, after.cooling);
    }

    fn recount(&mut self, grant: GrantId, class: Class, token: u32, settlement: Settlement) {
        let late = self.ring.is_silent(grant, token);
        let counts = self.counts.get_mut(class);
        if late {
            counts.expired = counts.expired.saturating_sub(1);
        }
        match settlement {
            Settlement::Unused => counts.unused += 1,
            Settlement::Used(Outcome::Answered) => counts.answered += 1,
            Settlement::Used(Outcome::Refused { .. }) => counts.refused += 1,
            Settlement::Used(Outcome::Unknown) => counts.unknown += 1,
        }
    }

    fn cooled(&self, now: Moment, age: std::time::Duration) -> Moment {
        (now + self.spans().cooling + self.settings().terms().guard) - age
    }

    fn check(&self, grant: GrantId, tokens: u32) -> Result<(), ReplayError> {
        if grant.epoch >= self.epoch() {
            return Err(ReplayError::EpochNotNew {
                epoch: self.epoch(),
                seen: grant.epoch,
            });
        }
        if tokens > LIMIT_MAX {
            return Err(ReplayError::TokensOutOfRange { grant, tokens });
        }
        Ok(())
    }
}
