//! Handles the result of an append: acknowledged, refused, or unconfirmed until the ledger is read.

use super::*;

impl Leadership {
    pub(super) fn handle_while_leading(&mut self, now: Moment, input: Input) {
        if self.trimming {
            self.trimming = false;
            self.trim = None;
            return;
        }
        if let Some(verify) = &mut self.verify
            && verify.reading
        {
            verify.reading = false;
            if let Input::Read { entries, .. } = input {
                self.verified(&entries);
            }
            return;
        }
        if let Some(suspicion) = &mut self.suspicion
            && suspicion.reading
        {
            let end = match input {
                Input::Read { entries, .. } if entries.is_empty() => End::WentBack { seen: suspicion.seen },
                Input::Read { .. } => End::Fenced,
                Input::Appended { .. } | Input::Fenced | Input::Rejected | Input::Unknown | Input::Failed => {
                    suspicion.reading = false;
                    return;
                }
            };
            self.phase = Phase::Over(end);
            return;
        }
        if let Some(pending) = self.under_way.pop_front() {
            self.handle_append(now, pending, input);
        } else {
            self.handle_unconfirmed(now, input);
        }
    }

    fn handle_append(&mut self, now: Moment, mut pending: Pending, input: Input) {
        if !self.unconfirmed.appends.is_empty() {
            // It followed an unconfirmed append, so it is settled together with that one, whatever its result.
            self.unconfirmed_count(now, pending);
            return;
        }
        match input {
            Input::Appended { sequence } => {
                self.appended(now, sequence, pending.lines);
                self.answers.append(&mut pending.answers);
            }
            Input::Fenced => self.phase = Phase::Over(End::Fenced),
            // The appends after it are in flight already, and their results are unknown.
            Input::Rejected | Input::Failed | Input::Read { .. } if !self.under_way.is_empty() => {
                self.unconfirmed_count(now, pending);
            }
            Input::Rejected | Input::Failed | Input::Read { .. } => {
                self.undo(now, &pending, Append::Rejected);
                self.put_off(&pending);
                // It may have contained the snapshot: delete nothing before the next one.
                (self.trim, self.snapshot) = (None, None);
                let kept = Arc::unwrap_or_clone(pending.lines)
                    .into_iter()
                    .filter(|line| !matches!(line.record, LedgerRecord::Granted { .. }));
                self.left_over.extend(kept);
            }
            Input::Unknown => self.unconfirmed_count(now, pending),
        }
    }

    fn unconfirmed_count(&mut self, now: Moment, mut pending: Pending) {
        self.undo(now, &pending, Append::Unknown);
        self.put_off(&pending);
        pending.answers.clear();
        self.unconfirmed.appends.push_back(pending);
    }

    fn handle_unconfirmed(&mut self, now: Moment, input: Input) {
        let state = std::mem::take(&mut self.unconfirmed.state);
        match (state, input) {
            (UnconfirmedState::Reading, Input::Read { entries, .. }) => {
                for entry in entries {
                    let oldest = self.unconfirmed.appends.pop_front();
                    match oldest.filter(|oldest| entry.lines.as_ref() == Some(&*oldest.lines)) {
                        Some(oldest) => self.settle_unconfirmed(now, entry.sequence, &oldest),
                        None => {
                            self.phase = Phase::Over(End::Fenced);
                            return;
                        }
                    }
                }
                self.unconfirmed.state = UnconfirmedState::Missing;
            }
            (UnconfirmedState::AppendingAgain, Input::Appended { sequence }) => {
                if let Some(oldest) = self.unconfirmed.appends.pop_front() {
                    self.settle_unconfirmed(now, sequence, &oldest);
                }
                self.unconfirmed.state = UnconfirmedState::Missing;
            }
            // Any other result leaves it unconfirmed. The ledger must be read again.
            (
                UnconfirmedState::Unread
                | UnconfirmedState::Reading
                | UnconfirmedState::Missing
                | UnconfirmedState::AppendingAgain,
                Input::Read { .. }
                | Input::Appended { .. }
                | Input::Fenced
                | Input::Rejected
                | Input::Unknown
                | Input::Failed,
            ) => {}
        }
        if self.unconfirmed.appends.is_empty() {
            self.unconfirmed.state = UnconfirmedState::Unread;
        }
    }

    fn appended(&mut self, now: Moment, sequence: u64, lines: Arc<Vec<Line>>) {
        self.last = sequence;
        self.newest = lines;
        self.mark(now, sequence);
    }

    /// Checks after a reconnect that our newest entry is still stored, and that only our own entries follow it.
    fn verified(&mut self, entries: &[Entry]) {
        let there = entries
            .first()
            .is_some_and(|entry| entry.sequence == self.last && entry.lines.as_ref() == Some(&*self.newest));
        let own = self
            .unconfirmed
            .appends
            .iter()
            .map(|pending| Some(&*pending.lines));
        let after = entries.iter().skip(1).map(|entry| entry.lines.as_ref());
        let foreign = !after.clone().eq(own.take(after.count()));
        self.verify = None;
        if !there {
            let seen = self.epoch().unwrap_or_default();
            self.phase = Phase::Over(End::WentBack { seen });
        } else if foreign {
            self.phase = Phase::Over(End::Fenced);
        }
    }

    /// Settles an unconfirmed append that is stored. Its grants were not sent, so their tokens are returned.
    fn settle_unconfirmed(&mut self, now: Moment, sequence: u64, pending: &Pending) {
        self.appended(now, sequence, pending.lines.clone());
        for (org, grant, tokens) in &pending.grants {
            let unused: Vec<Settled> = (0..*tokens)
                .map(|token| Settled {
                    token,
                    settlement: Settlement::Unused,
                })
                .collect();
            if let Some(org_budget) = self.org_budgets.get_mut(org) {
                // The grant is still known unless it holds no token any more.
                let _ = org_budget.budget.report(now, *grant, &unused);
                self.touched.insert(org.clone());
            }
        }
    }

    fn undo(&mut self, now: Moment, pending: &Pending, append: Append) {
        for (org, grant, _) in &pending.grants {
            if let Some(org_budget) = self.org_budgets.get_mut(org) {
                org_budget.budget.disown(now, *grant, append);
                self.touched.insert(org.clone());
            }
        }
    }

    fn put_off(&mut self, pending: &Pending) {
        let again = ResponseBody::Wait {
            retry_after: Duration::ZERO,
        };
        self.answers
            .extend(pending.answers.iter().map(|answer| TokenResponse {
                request: answer.request,
                body: match &answer.body {
                    ResponseBody::Grant { .. } => again.clone(),
                    wait @ ResponseBody::Wait { .. } => wait.clone(),
                },
            }));
    }

    pub(super) fn put_off_overdue(&mut self, now: Moment) {
        let due = self.wakes.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<OrgName> = due.map(|(_, org)| org.clone()).collect();
        for org in due {
            if let Some(org_budget) = self.org_budgets.get_mut(&org) {
                let waits = org_budget.budget.put_off_overdue(now);
                self.answers.extend(waits.iter().map(wait));
            }
        }
    }
}
