//! Snapshots of the ledger, so that older entries can be deleted.

use super::*;

impl Leadership {
    /// Adds a snapshot to `lines` when it is due. Entries older than any window may be deleted once all of the snapshot
    /// is stored.
    pub(super) fn snapshot(&mut self, now: Moment, lines: &mut Vec<Line>) {
        if self.snapshot_due.is_some_and(|due| due <= now) {
            self.snapshot_due = Some(now + SNAPSHOT_EVERY);
            let epoch = self.epoch().map(|epoch| Line {
                org: None,
                record: LedgerRecord::Epoch { epoch },
            });
            lines.extend(epoch);
            self.snapshot = Some(Snapshot {
                left: self.org_budgets.keys().cloned().collect(),
                before: self.older_than_any_window(now),
            });
        }
        let Some(snapshot) = &mut self.snapshot else {
            return;
        };
        while lines.len() < LINES_MAX {
            let Some(org) = snapshot.left.pop_front() else {
                self.trim = snapshot.before;
                self.snapshot = None;
                return;
            };
            if let Some(org_budget) = self.org_budgets.get(&org)
                && !org_budget.budget.is_untouched()
            {
                lines.push(Line {
                    org: Some(org),
                    record: org_budget.budget.carried(),
                });
            }
        }
    }

    fn older_than_any_window(&mut self, now: Moment) -> Option<u64> {
        let old = now - self.horizon();
        let mut before = None;
        while let Some(&(at, sequence)) = self.marks.front() {
            if at >= old {
                break;
            }
            before = Some(sequence);
            self.marks.pop_front();
        }
        before
    }

    /// Remembers how old an entry is. A mark means that entries below its sequence are older than its moment.
    pub(super) fn mark(&mut self, at: Moment, sequence: u64) {
        if self.marks.back().is_none_or(|&(last, _)| at >= last + MARK_EVERY) {
            self.marks.push_back((at, sequence));
        }
    }

    pub(super) fn horizon(&self) -> Duration {
        let horizons = self.settings.values().map(BudgetSettings::horizon);
        horizons.max().unwrap_or_default()
    }
}
