//! The ring: the state of each token (held, cooling or free), and until when it cools.
//!
//! Laws:
//! - A used token cools for [`BudgetSettings::cooling`](crate::BudgetSettings::cooling) from the moment its report
//!   *arrived*. The target counted the request before it answered, and it answered before the report arrived. So when
//!   the token becomes free, its last use was counted at least one window ago.
//! - Take the requests that the target counts within one window: all of their tokens were in use when the last of them
//!   was granted. If a grant is made only while fewer tokens are in use than the limit, no window contains more
//!   requests than the limit. Nothing else must be proved. So the ring only counts tokens in use, and a changing limit
//!   needs no further bookkeeping.
//! - A token whose use is uncertain becomes free later than one whose use is known, never earlier.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::{Class, GrantId, Moment, Outcome, Settlement, WorkerId};

/// Most grants without a token in use that are remembered, to distinguish repeated reports from unknown ones.
const CLOSED_GRANTS_MAX: usize = 4_096;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Ring {
    grants: BTreeMap<GrantId, Entry>,
    /// Grants with a held token, by use-by.
    open: BTreeSet<(Moment, GrantId)>,
    /// Cooling tokens, by the moment they become free.
    cooling: BTreeSet<(Moment, GrantId, u32)>,
    /// Grants without a token in use, oldest first.
    closed: VecDeque<GrantId>,
    outstanding: BTreeMap<WorkerId, u32>,
    held: u32,
}

#[derive(Clone, Debug, Hash)]
struct Entry {
    worker: Option<WorkerId>,
    class: Class,
    granted_at: Moment,
    use_by: Moment,
    tokens: Vec<Token>,
    held: u32,
    in_use: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Held,
    Cooling { until: Moment, end: End },
    Free { end: End },
}

/// How a token's use ended, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Unused,
    Used,
    /// No report arrived in time.
    Silent,
}

/// Data about a grant that the budget needs to settle it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) class: Class,
    pub(crate) granted_at: Moment,
}

/// Effect of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Settled,
    /// Settled after it had been given up as silent.
    SettledLate,
    /// The same settlement was reported before.
    Repeated,
    /// The report contradicts the state of the token, which may have been granted again since.
    Contradiction,
    NoSuchToken,
}

/// Tokens of one grant that were not reported in time.
#[derive(Clone, Debug)]
pub(crate) struct Lapsed {
    pub(crate) grant: GrantId,
    pub(crate) class: Class,
    pub(crate) tokens: Vec<u32>,
}

/// The two intervals that decide when a token becomes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) cooling: Duration,
    pub(crate) settle: Duration,
}

impl Ring {
    pub(crate) fn new() -> Ring {
        Ring {
            grants: BTreeMap::new(),
            open: BTreeSet::new(),
            cooling: BTreeSet::new(),
            closed: VecDeque::new(),
            outstanding: BTreeMap::new(),
            held: 0,
        }
    }

    pub(crate) fn in_use(&self) -> u32 {
        self.held + self.cooling()
    }

    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    pub(crate) fn cooling(&self) -> u32 {
        u32::try_from(self.cooling.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn outstanding(&self, worker: &WorkerId) -> u32 {
        self.outstanding.get(worker).copied().unwrap_or(0)
    }

    pub(crate) fn origin(&self, grant: GrantId) -> Option<Origin> {
        self.grants.get(&grant).map(|entry| Origin {
            class: entry.class,
            granted_at: entry.granted_at,
        })
    }

    pub(crate) fn take(
        &mut self,
        grant: GrantId,
        worker: WorkerId,
        class: Class,
        tokens: u32,
        granted_at: Moment,
        use_by: Moment,
    ) {
        *self.outstanding.entry(worker.clone()).or_insert(0) += tokens;
        self.held += tokens;
        self.open.insert((use_by, grant));
        let states = (0..tokens).map(|_| Token::Held).collect();
        let entry = Entry {
            worker: Some(worker),
            class,
            granted_at,
            use_by,
            tokens: states,
            held: tokens,
            in_use: tokens,
        };
        self.grants.insert(grant, entry);
    }

    /// Settles one token with a report that arrived at `now`.
    pub(crate) fn settle(
        &mut self,
        now: Moment,
        grant: GrantId,
        token: u32,
        settlement: Settlement,
        spans: Spans,
    ) -> Verdict {
        let Some((state, use_by)) = self.state(grant, token) else {
            return Verdict::NoSuchToken;
        };
        let input = now + spans.cooling;
        // Without a response, the request may still take effect for a while. It was sent before now and before its
        // use-by.
        let silent = now.min(use_by) + spans.settle + spans.cooling;
        let until = match settlement {
            Settlement::Unused => None,
            Settlement::Used(Outcome::Answered | Outcome::Refused { .. }) => Some(input),
            Settlement::Used(Outcome::Unknown) => Some(silent),
        };
        match (state, until) {
            (Token::Held, None) => {
                self.set(grant, token, Token::Free { end: End::Unused });
                Verdict::Settled
            }
            (Token::Cooling { end: End::Silent, .. } | Token::Free { end: End::Silent }, None) => {
                self.set(grant, token, Token::Free { end: End::Unused });
                Verdict::SettledLate
            }
            (Token::Held, Some(until)) => {
                self.set(
                    grant,
                    token,
                    Token::Cooling {
                        until,
                        end: End::Used,
                    },
                );
                Verdict::Settled
            }
            (
                Token::Cooling {
                    until: earlier,
                    end: End::Silent,
                },
                Some(until),
            ) => {
                self.set(
                    grant,
                    token,
                    Token::Cooling {
                        until: until.max(earlier),
                        end: End::Used,
                    },
                );
                Verdict::SettledLate
            }
            (Token::Free { end: End::Silent }, Some(until)) if until <= now => {
                self.set(grant, token, Token::Free { end: End::Used });
                Verdict::SettledLate
            }
            // Its place may have been granted again. Cooling again puts the ring over its limit, which stops further
            // grants.
            (
                Token::Free {
                    end: End::Silent | End::Unused,
                },
                Some(until),
            ) => {
                self.set(
                    grant,
                    token,
                    Token::Cooling {
                        until,
                        end: End::Used,
                    },
                );
                Verdict::Contradiction
            }
            (
                Token::Cooling {
                    end: End::Used | End::Unused,
                    ..
                }
                | Token::Free { end: End::Used },
                None,
            ) => Verdict::Contradiction,
            (Token::Free { end: End::Unused }, None)
            | (
                Token::Cooling {
                    end: End::Used | End::Unused,
                    ..
                }
                | Token::Free { end: End::Used },
                Some(_),
            ) => Verdict::Repeated,
        }
    }

    /// Starts to cool held tokens whose requests can have no effect any more.
    pub(crate) fn lapse(&mut self, now: Moment, spans: Spans) -> Vec<Lapsed> {
        let mut lapsed = Vec::new();
        while let Some(&(use_by, grant)) = self.open.first() {
            let from = use_by + spans.settle;
            if from > now {
                break;
            }
            let Some(entry) = self.grants.get(&grant) else {
                unreachable!("an open grant is remembered")
            };
            let class = entry.class;
            let tokens: Vec<u32> = (0u32..)
                .zip(&entry.tokens)
                .filter(|(_, state)| **state == Token::Held)
                .map(|(token, _)| token)
                .collect();
            for &token in &tokens {
                self.set(
                    grant,
                    token,
                    Token::Cooling {
                        until: from + spans.cooling,
                        end: End::Silent,
                    },
                );
            }
            lapsed.push(Lapsed { grant, class, tokens });
        }
        lapsed
    }

    /// Frees all tokens that have cooled.
    pub(crate) fn thaw(&mut self, now: Moment) {
        while let Some(&(until, grant, token)) = self.cooling.first() {
            if until > now {
                break;
            }
            let end = match self.state(grant, token) {
                Some((Token::Cooling { end, .. }, _)) => end,
                Some((Token::Held | Token::Free { .. }, _)) | None => {
                    unreachable!("what cools is remembered as cooling")
                }
            };
            self.set(grant, token, Token::Free { end });
        }
        while self.closed.len() > CLOSED_GRANTS_MAX {
            if let Some(grant) = self.closed.pop_front() {
                self.forget_closed(grant);
            }
        }
    }

    /// Undoes a grant that was not sent.
    pub(crate) fn withdraw(&mut self, grant: GrantId) -> Option<Origin> {
        let origin = self.origin(grant)?;
        let tokens = self.grants.get(&grant).map_or(0, |entry| entry.tokens.len());
        for token in (0u32..).take(tokens) {
            if matches!(
                self.state(grant, token),
                Some((Token::Held | Token::Cooling { end: End::Silent, .. }, _))
            ) {
                self.set(grant, token, Token::Free { end: End::Unused });
            }
        }
        Some(origin)
    }

    /// True if this token was not reported in time.
    pub(crate) fn is_silent(&self, grant: GrantId, token: u32) -> bool {
        matches!(
            self.state(grant, token),
            Some((
                Token::Cooling { end: End::Silent, .. } | Token::Free { end: End::Silent },
                _
            ))
        )
    }

    /// Restores the state of a token of an earlier governor's grant. The grant itself need not be known.
    pub(crate) fn restore(
        &mut self,
        grant: GrantId,
        class: Class,
        token: u32,
        now: Moment,
        cooled: Restored,
    ) {
        let until = match cooled {
            Restored::Unused => None,
            Restored::Used { until } | Restored::Silent { until } => Some(until),
        };
        if !self.grants.contains_key(&grant) && until.is_none_or(|until| until <= now) {
            return;
        }
        let entry = self.grants.entry(grant).or_insert_with(|| Entry {
            worker: None,
            class,
            granted_at: now,
            use_by: now,
            tokens: Vec::new(),
            held: 0,
            in_use: 0,
        });
        let place = usize::try_from(token).unwrap_or(usize::MAX);
        if entry.tokens.len() <= place {
            entry.tokens.resize(place + 1, Token::Free { end: End::Silent });
        }
        let state = match cooled {
            Restored::Unused => Token::Free { end: End::Unused },
            Restored::Used { until } => Token::Cooling {
                until,
                end: End::Used,
            },
            Restored::Silent { until } => Token::Cooling {
                until,
                end: End::Silent,
            },
        };
        self.set(grant, token, state);
    }

    /// Moves the end of all cooling after the cooling interval changed.
    pub(crate) fn retime(&mut self, old: Duration, new: Duration) {
        let cooling = std::mem::take(&mut self.cooling);
        for (until, grant, token) in cooling {
            let until = (until + new) - old;
            self.cooling.insert((until, grant, token));
            if let Some(Token::Cooling { until: kept, .. }) = self.slot(grant, token) {
                *kept = until;
            }
        }
    }

    pub(crate) fn next_thaw(&self) -> Option<Moment> {
        self.cooling.first().map(|&(until, ..)| until)
    }

    pub(crate) fn next_lapse(&self, spans: Spans) -> Option<Moment> {
        self.open.first().map(|&(use_by, _)| use_by + spans.settle)
    }

    fn state(&self, grant: GrantId, token: u32) -> Option<(Token, Moment)> {
        let entry = self.grants.get(&grant)?;
        let state = entry.tokens.get(usize::try_from(token).ok()?)?;
        Some((*state, entry.use_by))
    }

    fn slot(&mut self, grant: GrantId, token: u32) -> Option<&mut Token> {
        self.grants
            .get_mut(&grant)?
            .tokens
            .get_mut(usize::try_from(token).ok()?)
    }

    /// Changes the state of one token, and all counts with it. Only [`Ring::take`] makes a token held.
    fn set(&mut self, grant: GrantId, token: u32, to: Token) {
        let Some(entry) = self.grants.get_mut(&grant) else {
            return;
        };
        let Some(slot) = usize::try_from(token)
            .ok()
            .and_then(|place| entry.tokens.get_mut(place))
        else {
            return;
        };
        let from = std::mem::replace(slot, to);
        match from {
            Token::Held => {
                self.held -= 1;
                entry.held -= 1;
                entry.in_use -= 1;
                if entry.held == 0 {
                    self.open.remove(&(entry.use_by, grant));
                }
                if let Some(worker) = &entry.worker
                    && let Some(count) = self.outstanding.get_mut(worker)
                {
                    *count -= 1;
                    if *count == 0 {
                        self.outstanding.remove(worker);
                    }
                }
            }
            Token::Cooling { until, .. } => {
                self.cooling.remove(&(until, grant, token));
                entry.in_use -= 1;
            }
            Token::Free { .. } => {}
        }
        match to {
            Token::Held => unreachable!("tokens become held by `take` only"),
            Token::Cooling { until, .. } => {
                self.cooling.insert((until, grant, token));
                entry.in_use += 1;
            }
            Token::Free { .. } => {
                if entry.in_use == 0 && !matches!(from, Token::Free { .. }) {
                    self.closed.push_back(grant);
                }
            }
        }
    }

    fn forget_closed(&mut self, grant: GrantId) {
        if self.grants.get(&grant).is_some_and(|entry| entry.in_use == 0) {
            self.grants.remove(&grant);
        }
    }
}

/// State of an earlier governor's token, as read from the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Restored {
    Unused,
    Used { until: Moment },
    Silent { until: Moment },
}
