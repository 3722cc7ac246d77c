//! The leadership of one governor over the budgets of all orgs: take over, decide, append to the ledger, respond.
//!
//! The ledger is the lock. Every append is conditional on the sequence of the entry before it. If two governors both
//! believe that they lead, the append of one of them is refused. A grant is sent only after its append is acknowledged,
//! so no grant of a refused append is ever sent.
//!
//! Laws:
//! - One append carries everything that was decided since the last one: a thousand grants cost one write. The next
//!   append may be sent before the last one is acknowledged, on the condition that it directly follows that one. Its
//!   grants are sent only after both are acknowledged.
//! - A governor sends a grant only after the ledger has acknowledged it. After that, no other entry can take its place.
//! - An append without an answer is unconfirmed. It is not a failure: nothing is decided until the governor knows
//!   whether it is stored. Repeating the same append settles the question, because only one of the two can follow the
//!   same entry.
//! - If a governor cannot know what its predecessors granted (the ledger is gone, is damaged, or is older than a grant
//!   that a worker has seen), it grants nothing until everything that they may have granted has cooled.
//! - A sequence identifies an entry only until the log server restarts: a restarted server may have lost entries, and
//!   then it assigns their sequences again. So after every reconnect a governor first checks that its newest entry is
//!   still there.
//! - Older entries are deleted only after a snapshot of their content that is still needed was written.
//!
//! The caller performs each [`Command`] in the order of the commands, and passes the results to [`Leadership::handle`]
//! in the same order.

mod appends;
mod messages;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use self::messages::{
    Anomalies, Command, Distrust, End, Entry, Input, Line, ReportError, RequestError, ResponseBody,
    TokenResponse,
};
use self::messages::{claim, wait};
use crate::record::Aged;
use crate::{
    Append, Budget, BudgetSettings, Epoch, Grant, GrantId, LedgerRecord, Moment, OrgName, Reported, Settled,
    Settlement, Status, TokenRequest,
};

/// Most lines in one append: a few hundred kilobytes, well below the largest message that a log server accepts.
pub const LINES_MAX: usize = 2_000;

/// Most appends in flight at a time. While one is synced to disk, the next has already arrived, and the answer to the
/// one before is on its way back.
pub const APPENDS_MAX: usize = 3;

/// Interval between snapshots. After a snapshot, older entries can be deleted.
pub const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// Interval between remembered sequences. They show later how old an entry is.
const MARK_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Hash)]
struct OrgBudget {
    budget: Budget,
    wake: Option<Moment>,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    /// Reads the ledger and finds its newest entry.
    Looking {
        reading: bool,
    },
    /// Appends its epoch as the newest entry, and the orgs that must be silent.
    Claiming {
        epoch: Epoch,
        silent: Distrust,
        appending: bool,
    },
    /// Has appended its claim. Reads it back to learn when the server stored it: all ages are counted from that time.
    Dating {
        epoch: Epoch,
        sequence: u64,
        reading: bool,
    },
    Leading,
    Over(End),
}

/// An append that is not acknowledged yet.
#[derive(Clone, Debug, Hash)]
struct Pending {
    lines: Arc<Vec<Line>>,
    answers: Vec<TokenResponse>,
    /// Grants to undo if the append fails.
    grants: Vec<(OrgName, GrantId, u32)>,
}

/// Appends that may or may not be stored, oldest first. Their grants were not sent and never will be.
#[derive(Clone, Debug, Default, Hash)]
struct UnconfirmedAppends {
    appends: VecDeque<Pending>,
    state: UnconfirmedState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum UnconfirmedState {
    /// The ledger must be read.
    #[default]
    Unread,
    Reading,
    /// The oldest is not in the ledger and must be appended again.
    Missing,
    AppendingAgain,
}

/// A snapshot in progress: the orgs that are still to be written, and the sequence below which entries may then be
/// deleted.
#[derive(Clone, Debug, Hash)]
struct Snapshot {
    left: VecDeque<OrgName>,
    before: Option<u64>,
}

/// A worker has seen a grant that this governor cannot explain: either the governor was replaced, or the ledger went
/// back in time.
#[derive(Clone, Copy, Debug, Hash)]
struct Suspicion {
    seen: Epoch,
    reading: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Verify {
    reading: bool,
}

/// The leadership of one governor over all budgets.
#[derive(Clone, Debug, Hash)]
pub struct Leadership {
    settings: BTreeMap<OrgName, BudgetSettings>,
    least_epoch: Epoch,
    known: u64,
    distrust: Distrust,
    phase: Phase,
    entries: Vec<Entry>,
    /// Sequence of the newest entry.
    last: u64,
    org_budgets: BTreeMap<OrgName, OrgBudget>,
    wakes: BTreeSet<(Moment, OrgName)>,
    touched: BTreeSet<OrgName>,
    /// Appends in flight, oldest first. Each is conditional on the one before.
    under_way: VecDeque<Pending>,
    unconfirmed: UnconfirmedAppends,
    /// Lines to write again because their append was rejected: use reports and snapshots.
    left_over: Vec<Line>,
    answers: Vec<TokenResponse>,
    marks: VecDeque<(Moment, u64)>,
    snapshot_due: Option<Moment>,
    snapshot: Option<Snapshot>,
    trim: Option<u64>,
    trimming: bool,
    suspicion: Option<Suspicion>,
    /// Content of the newest entry.
    newest: Arc<Vec<Line>>,
    /// Set after a reconnect: the newest entry must be checked.
    verify: Option<Verify>,
    anomalies: Anomalies,
}

impl Leadership {
    /// Creates a governor that is about to take over.
    ///
    /// `least_epoch` must be above every epoch that the caller knows. `known` is the newest sequence that the caller
    /// knows to be stored (0: none): a ledger that ends before it has lost entries.
    pub fn new(settings: BTreeMap<OrgName, BudgetSettings>, least_epoch: Epoch, known: u64) -> Leadership {
        Leadership {
            settings,
            least_epoch,
            known,
            distrust: Distrust::Nobody,
            phase: Phase::Looking { reading: false },
            entries: Vec::new(),
            last: 0,
            org_budgets: BTreeMap::new(),
            wakes: BTreeSet::new(),
            touched: BTreeSet::new(),
            under_way: VecDeque::new(),
            unconfirmed: UnconfirmedAppends::default(),
            left_over: Vec::new(),
            answers: Vec::new(),
            marks: VecDeque::new(),
            snapshot_due: None,
            snapshot: None,
            trim: None,
            trimming: false,
            suspicion: None,
            newest: Arc::default(),
            verify: None,
            anomalies: Anomalies::default(),
        }
    }

    /// Makes all budgets start silent, for a ledger that is known to have lost entries.
    pub fn distrusting(self) -> Leadership {
        Leadership {
            distrust: Distrust::Everybody,
            ..self
        }
    }

    pub fn is_leading(&self) -> bool {
        matches!(self.phase, Phase::Leading)
    }

    pub fn end(&self) -> Option<End> {
        match self.phase {
            Phase::Over(end) => Some(end),
            Phase::Looking { .. } | Phase::Claiming { .. } | Phase::Dating { .. } | Phase::Leading => None,
        }
    }

    pub fn epoch(&self) -> Option<Epoch> {
        self.org_budgets
            .values()
            .next()
            .map(|org_budget| org_budget.budget.epoch())
    }

    /// Sequence of the newest entry that is known to be stored.
    pub fn last(&self) -> u64 {
        self.last
    }

    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// Status of each budget. Empty until this governor leads.
    pub fn statuses(&self, now: Moment) -> impl Iterator<Item = (&OrgName, Status)> {
        self.org_budgets
            .iter()
            .map(move |(org, org_budget)| (org, org_budget.budget.status(now)))
    }

    pub fn status(&self, now: Moment, org: &OrgName) -> Option<Status> {
        self.org_budgets
            .get(org)
            .map(|org_budget| org_budget.budget.status(now))
    }

    /// Takes the responses that may be sent now. Each token request is answered once.
    pub fn take_responses(&mut self) -> Vec<TokenResponse> {
        std::mem::take(&mut self.answers)
    }

    /// Time of the next call to [`Leadership::next`] if nothing happens before.
    pub fn wake(&self) -> Option<Moment> {
        if !self.is_leading() {
            return None;
        }
        let budgets = self.wakes.first().map(|&(at, _)| at);
        budgets.into_iter().chain(self.snapshot_due).min()
    }

    /// Queues a token request.
    ///
    /// # Errors
    /// [`RequestError`]; then no response follows.
    pub fn request(&mut self, now: Moment, org: &OrgName, request: TokenRequest) -> Result<(), RequestError> {
        if !self.settings.contains_key(org) {
            self.anomalies.unknown_orgs += 1;
            return Err(RequestError::UnknownOrg { org: org.clone() });
        }
        let Some(org_budget) = self
            .org_budgets
            .get_mut(org)
            .filter(|_| matches!(self.phase, Phase::Leading))
        else {
            return Err(RequestError::NotLeading);
        };
        self.touched.insert(org.clone());
        org_budget.budget.request(now, request).map_err(|refused| {
            self.anomalies.refused_requests += 1;
            RequestError::Refused(refused)
        })
    }

    /// Settles tokens.
    ///
    /// # Errors
    /// [`ReportError`]. Reporting again helps only if [`ReportError::is_for_now`].
    pub fn report(
        &mut self,
        now: Moment,
        org: &OrgName,
        grant: GrantId,
        settled: &[Settled],
    ) -> Result<Reported, ReportError> {
        if !self.settings.contains_key(org) {
            self.anomalies.unknown_orgs += 1;
            return Err(ReportError::UnknownOrg { org: org.clone() });
        }
        let Some(org_budget) = self
            .org_budgets
            .get_mut(org)
            .filter(|_| matches!(self.phase, Phase::Leading))
        else {
            return Err(ReportError::NotLeading);
        };
        self.touched.insert(org.clone());
        let reported = org_budget.budget.report(now, grant, settled).inspect_err(|_| {
            self.anomalies.unknown_grants += 1;
        })?;
        self.anomalies.contradictions += u64::from(reported.contradictions + reported.no_such_token);
        Ok(reported)
    }

    /// Compares the newest grant of an org that a worker has seen with the budget. If no governor known here can have
    /// made it, this governor was replaced or the ledger went back in time. [`Leadership::next`] then reads the ledger
    /// to find out which.
    pub fn seen(&mut self, org: &OrgName, grant: GrantId) {
        let Some(org_budget) = self.org_budgets.get(org) else {
            return;
        };
        if self.suspicion.is_none() && !org_budget.budget.can_have_made(grant) {
            self.suspicion = Some(Suspicion {
                seen: grant.epoch,
                reading: false,
            });
        }
    }

    /// Handles a new connection to the log server. No command may be in flight at this time: first pass a command that
    /// was in flight to [`Leadership::handle`] as unknown or failed.
    pub fn reconnected(&mut self) {
        match self.phase {
            Phase::Looking { .. } | Phase::Claiming { .. } | Phase::Dating { .. } => {
                self.known = self.known.max(self.last);
                self.last = 0;
                self.entries.clear();
                self.phase = Phase::Looking { reading: false };
            }
            Phase::Leading => self.verify = Some(Verify { reading: false }),
            Phase::Over(_) => {}
        }
    }

    /// Next command for the ledger. `None` while the leadership must wait for an earlier command or nothing is due.
    pub fn next(&mut self, now: Moment) -> Option<Command> {
        match &mut self.phase {
            Phase::Looking { reading } if !*reading => {
                *reading = true;
                Some(Command::Read { from: self.last + 1 })
            }
            Phase::Claiming {
                epoch,
                silent,
                appending,
            } if !*appending => {
                *appending = true;
                Some(Command::Append {
                    after: self.last,
                    lines: Arc::new(claim(*epoch, silent)),
                })
            }
            Phase::Dating {
                sequence, reading, ..
            } if !*reading => {
                *reading = true;
                Some(Command::Read { from: *sequence })
            }
            Phase::Leading => self.lead(now),
            Phase::Looking { .. } | Phase::Claiming { .. } | Phase::Dating { .. } | Phase::Over(_) => None,
        }
    }

    /// Handles the result of the oldest command in flight.
    pub fn handle(&mut self, now: Moment, input: Input) {
        match (std::mem::replace(&mut self.phase, Phase::Leading), input) {
            (Phase::Looking { .. }, Input::Read { entries, distrust }) => self.look(entries, distrust),
            (Phase::Looking { .. }, _) => self.phase = Phase::Looking { reading: false },
            (Phase::Claiming { epoch, .. }, Input::Appended { sequence }) => {
                self.last = sequence;
                self.phase = Phase::Dating {
                    epoch,
                    sequence,
                    reading: false,
                };
            }
            // Another governor has appended, or our own claim was stored without an answer. Either is in the ledger.
            (Phase::Claiming { .. }, _) => self.phase = Phase::Looking { reading: false },
            (Phase::Dating { epoch, sequence, .. }, Input::Read { entries, .. }) => {
                self.become_leader(now, epoch, sequence, entries);
            }
            (Phase::Dating { epoch, sequence, .. }, _) => {
                self.phase = Phase::Dating {
                    epoch,
                    sequence,
                    reading: false,
                };
            }
            (Phase::Leading, input) => self.handle_while_leading(now, input),
            (Phase::Over(end), _) => self.phase = Phase::Over(end),
        }
    }

    fn look(&mut self, entries: Vec<Entry>, distrust: Distrust) {
        if let Some(newest) = entries.last() {
            self.last = newest.sequence;
        }
        self.distrust = match (std::mem::take(&mut self.distrust), distrust) {
            (Distrust::Everybody, _) | (_, Distrust::Everybody) => Distrust::Everybody,
            (Distrust::Nobody, other) | (other, Distrust::Nobody) => other,
            (Distrust::Some(mut some), Distrust::Some(more)) => {
                some.extend(more);
                Distrust::Some(some)
            }
        };
        if self.last < self.known {
            self.distrust = Distrust::Everybody;
        }
        self.entries.extend(entries);
        if self.is_damaged() {
            self.distrust = Distrust::Everybody;
        }
        let lines = self.entries.iter().flat_map(|entry| entry.lines.iter().flatten());
        let newest = lines.filter_map(|line| match &line.record {
            LedgerRecord::Epoch { epoch } => Some(epoch.get()),
            LedgerRecord::Granted { grant, .. }
            | LedgerRecord::Carried {
                newest: Some(grant), ..
            } => Some(grant.epoch.get()),
            LedgerRecord::Reported { .. }
            | LedgerRecord::Expired { .. }
            | LedgerRecord::Adapted { .. }
            | LedgerRecord::Silent
            | LedgerRecord::Carried { newest: None, .. } => None,
        });
        let above = newest.max().map_or(0, |newest| newest.saturating_add(1));
        self.phase = Phase::Claiming {
            epoch: Epoch::new(self.least_epoch.get().max(above)),
            silent: self.distrust.clone(),
            appending: false,
        };
    }

    /// Rebuilds every budget from the entries that were read.
    fn become_leader(&mut self, now: Moment, epoch: Epoch, sequence: u64, claim: Vec<Entry>) {
        let Some(claim) = claim.into_iter().find(|entry| entry.sequence == sequence) else {
            // A successor may have deleted it already. It was the newest entry of this governor, so this leadership is
            // over.
            self.phase = Phase::Over(End::Fenced);
            return;
        };
        let mut entries = std::mem::take(&mut self.entries);
        let claimed = claim.written;
        self.newest = Arc::new(claim.lines.clone().unwrap_or_default());
        entries.push(claim);
        let mut marks = Vec::new();
        let mut of_org: BTreeMap<&OrgName, Vec<Aged>> =
            self.settings.keys().map(|org| (org, Vec::new())).collect();
        for entry in &entries {
            self.anomalies.damaged_entries += u64::from(entry.lines.is_none());
            for line in entry.lines.iter().flatten() {
                let aged = Aged {
                    record: line.record.clone(),
                    age: entry.written.age_at(&claimed),
                };
                match &line.org {
                    Some(org) => {
                        if let Some(records) = of_org.get_mut(org) {
                            records.push(aged);
                        }
                    }
                    None => of_org.values_mut().for_each(|records| records.push(aged.clone())),
                }
            }
            marks.push((now - entry.written.age_at(&claimed), entry.sequence));
        }
        for (org, records) in of_org {
            let Some(settings) = self.settings.get(org).cloned() else {
                continue;
            };
            let budget = Budget::replay(settings.clone(), epoch, records, now).unwrap_or_else(|_| {
                self.anomalies.damaged_entries += 1;
                Budget::quiet(settings, epoch, now)
            });
            self.touched.insert(org.clone());
            self.org_budgets
                .insert(org.clone(), OrgBudget { budget, wake: None });
        }
        for (at, sequence) in marks {
            self.mark(at, sequence);
        }
        self.snapshot_due = Some(now + SNAPSHOT_EVERY);
        self.phase = Phase::Leading;
    }

    /// True if any entry cannot be read. Ages are unknown until the claim is dated, so every entry may still matter.
    fn is_damaged(&self) -> bool {
        self.entries.iter().any(|entry| entry.lines.is_none())
    }

    fn lead(&mut self, now: Moment) -> Option<Command> {
        if self.trimming {
            return None;
        }
        let in_doubt = !self.unconfirmed.appends.is_empty();
        let wants_quiet =
            self.verify.is_some() || in_doubt || self.suspicion.is_some() || self.trim.is_some();
        if self.under_way.len() >= APPENDS_MAX || (wants_quiet && !self.under_way.is_empty()) {
            self.put_off_overdue(now);
            return None;
        }
        if let Some(verify) = &mut self.verify {
            let read = Command::Read { from: self.last };
            return (!std::mem::replace(&mut verify.reading, true)).then_some(read);
        }
        if let Some(oldest) = self.unconfirmed.appends.front() {
            let (state, command) = match self.unconfirmed.state {
                UnconfirmedState::Unread => {
                    (UnconfirmedState::Reading, Command::Read { from: self.last + 1 })
                }
                UnconfirmedState::Missing => (
                    UnconfirmedState::AppendingAgain,
                    Command::Append {
                        after: self.last,
                        lines: oldest.lines.clone(),
                    },
                ),
                UnconfirmedState::Reading | UnconfirmedState::AppendingAgain => {
                    self.put_off_overdue(now);
                    return None;
                }
            };
            self.unconfirmed.state = state;
            return Some(command);
        }
        if let Some(suspicion) = &mut self.suspicion {
            let read = Command::Read { from: self.last + 1 };
            return (!std::mem::replace(&mut suspicion.reading, true)).then_some(read);
        }
        if let Some(before) = self.trim {
            self.trimming = true;
            return Some(Command::Trim { before });
        }
        let decided = self.decide(now);
        if decided.lines.is_empty() {
            self.answers.extend(decided.answers);
            return None;
        }
        let after = self.last + self.under_way.len() as u64;
        let lines = decided.lines.clone();
        self.under_way.push_back(decided);
        Some(Command::Append { after, lines })
    }

    /// Collects everything that is due, for as many orgs as fit in one append.
    fn decide(&mut self, now: Moment) -> Pending {
        while let Some((at, org)) = self.wakes.pop_first() {
            if at > now {
                self.wakes.insert((at, org));
                break;
            }
            self.touched.insert(org);
        }
        let mut lines = std::mem::take(&mut self.left_over);
        let (mut answers, mut grants) = (Vec::new(), Vec::new());
        while lines.len() < LINES_MAX {
            let Some(org) = self.touched.pop_first() else {
                break;
            };
            let Some(org_budget) = self.org_budgets.get_mut(&org) else {
                continue;
            };
            let step = org_budget.budget.advance(now);
            if let Some(wake) = org_budget.wake.take() {
                self.wakes.remove(&(wake, org.clone()));
            }
            org_budget.wake = step.next_wake;
            if let Some(wake) = step.next_wake {
                self.wakes.insert((wake, org.clone()));
            }
            for Grant {
                request,
                grant,
                class,
                tokens,
                ttl,
            } in step.grants
            {
                grants.push((org.clone(), grant, tokens));
                answers.push(TokenResponse {
                    request,
                    body: ResponseBody::Grant {
                        grant,
                        class,
                        tokens,
                        ttl,
                    },
                });
            }
            answers.extend(step.waits.iter().map(wait));
            let line = |record| Line {
                org: Some(org.clone()),
                record,
            };
            lines.extend(step.records.into_iter().map(line));
        }
        self.snapshot(now, &mut lines);
        Pending {
            lines: Arc::new(lines),
            answers,
            grants,
        }
    }
}
