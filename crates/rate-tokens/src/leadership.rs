//! One governor's rule over the budgets of all orgs, by way of one ledger: take over, decide, append, tell.
//!
//! The ledger is the lock. Every append is conditional on the sequence of the entry before it, so of two governors that both
//! believe they rule, one is refused; and since nobody is told of a grant before its append is acknowledged, the
//! refused one has told nobody.
//!
//! Laws:
//! - An append carries everything that was decided since the last: a thousand grants cost one write. The next may follow
//!   before the last is acknowledged, on the condition that it follows exactly that; nobody is told of it before both are.
//! - A governor tells of a grant only after the ledger acknowledged it, and after the acknowledgement nothing else can
//!   stand in its place.
//! - An append without an answer is a unconfirmed, not a failure: nothing is decided until it is known whether it is stored. Repeating
//!   the same append settles it, because only one of the two can follow the same entry.
//! - A governor that cannot know what its predecessors granted (the ledger is gone, damaged, or older than what a worker has
//!   seen) is silent until whatever they granted has cooled.
//! - A sequence names an entry only as long as the log server lives: one that comes back may have lost entries and give
//!   their sequences again. So after every reconnect a governor first looks whether its newest entry is still there.
//! - Older entries are cut off only after what they said that is still of use was written anew.
//!
//! The shell performs each [`Command`] as it comes, in order, and says what came of each in the same order with
//! [`Leadership::handle`].

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

/// Lines of one append: a few hundred kilobytes, well below what a log server takes in one message.
pub const LINES_MAX: usize = 2_000;

/// Appends that may be under way at a time: while one is synced to disk the next is there already, and the answer to the one
/// before is on its way back.
pub const APPENDS_MAX: usize = 3;

/// How often what must be kept is written anew, so that older entries can be cut off.
pub const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// Sequences are remembered this far apart, to know later how old an entry is.
const MARK_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Hash)]
struct OrgBudget {
    budget: Budget,
    wake: Option<Moment>,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    /// Wants to know what the ledger holds, and which entry is its newest.
    Looking {
        reading: bool,
    },
    /// Wants its epoch to be the newest entry, and whose silence it found necessary.
    Claiming {
        epoch: Epoch,
        silent: Distrust,
        appending: bool,
    },
    /// Has the ledger; wants to know when the server stored its claim, which is the zero of all ages.
    Dating {
        epoch: Epoch,
        sequence: u64,
        reading: bool,
    },
    Leading,
    Over(End),
}

/// One append that is not acknowledged yet.
#[derive(Clone, Debug, Hash)]
struct Pending {
    lines: Arc<Vec<Line>>,
    answers: Vec<TokenResponse>,
    /// Grants, to be undone if the append fails.
    grants: Vec<(OrgName, GrantId, u32)>,
}

/// Appends of which it is not known whether they are stored, oldest first. Nobody was told of their grants, and nobody will be.
#[derive(Clone, Debug, Default, Hash)]
struct UnconfirmedAppends {
    appends: VecDeque<Pending>,
    state: UnconfirmedState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum UnconfirmedState {
    /// The ledger is to be read.
    #[default]
    Unread,
    Reading,
    /// The oldest is not there: it is to be appended again.
    Missing,
    AppendingAgain,
}

/// Orgs whose sums are still to be written anew, and what may be cut off then.
#[derive(Clone, Debug, Hash)]
struct Snapshot {
    left: VecDeque<OrgName>,
    before: Option<u64>,
}

/// A worker has seen what this governor cannot explain: either it is deposed, or the ledger went back in time.
#[derive(Clone, Copy, Debug, Hash)]
struct Suspicion {
    seen: Epoch,
    reading: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Verify {
    reading: bool,
}

/// One governor's rule over all budgets.
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
    /// Oldest first. Each is conditional on the one before.
    under_way: VecDeque<Pending>,
    unconfirmed: UnconfirmedAppends,
    /// Lines whose append was rejected and that still are to be written: reports and snapshots.
    left_over: Vec<Line>,
    answers: Vec<TokenResponse>,
    marks: VecDeque<(Moment, u64)>,
    snapshot_due: Option<Moment>,
    snapshot: Option<Snapshot>,
    trim: Option<u64>,
    trimming: bool,
    suspicion: Option<Suspicion>,
    /// What the newest entry says.
    newest: Arc<Vec<Line>>,
    /// The log server was away: the newest entry must be looked at.
    verify: Option<Verify>,
    anomalies: Anomalies,
}

impl Leadership {
    /// A governor that is about to take over.
    ///
    /// `least_epoch` must be above every epoch that the caller knows of, and `known` is the newest sequence that it knows
    /// to have been stored (0: none): a ledger that ends before it has lost entries.
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

    /// The same, for a ledger that is known to have lost entries: all budgets begin silent.
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

    /// The budgets, once this governor rules.
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

    /// ExchangeResponse that may be told now. Each request is answered once.
    pub fn take_responses(&mut self) -> Vec<TokenResponse> {
        std::mem::take(&mut self.answers)
    }

    /// When to call [`Leadership::next`] again if nothing happens before.
    pub fn wake(&self) -> Option<Moment> {
        if !self.is_leading() {
            return None;
        }
        let budgets = self.wakes.first().map(|&(at, _)| at);
        budgets.into_iter().chain(self.snapshot_due).min()
    }

    /// Queues an request.
    ///
    /// # Errors
    /// [`RequestError`]; then there will be no other answer.
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
    /// [`ReportError`]; unless it [is for now](ReportError::is_for_now), reporting again is of no use.
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

    /// A worker says which grant of an org is the newest that it has seen. One that nobody can have made yet means that this
    /// governor is deposed, or that the ledger went back in time; the ledger tells which.
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

    /// The connection to the log server was made anew. No command may be under way across it: one that was must be
    /// [input](Leadership::handle) of as unknown or failed before this is called.
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

    /// What to do with the ledger now; `None` while a command is under way or nothing is due.
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
            Phase::Leading => self.rule(now),
            Phase::Looking { .. } | Phase::Claiming { .. } | Phase::Dating { .. } | Phase::Over(_) => None,
        }
    }

    /// What came of the command that is under way.
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
            // Whoever came in between, or our own claim without its answer: both are in the ledger.
            (Phase::Claiming { .. }, _) => self.phase = Phase::Looking { reading: false },
            (Phase::Dating { epoch, sequence, .. }, Input::Read { entries, .. }) => {
                self.ascend(now, epoch, sequence, entries);
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

    /// Rebuilds every budget from what was read.
    fn ascend(&mut self, now: Moment, epoch: Epoch, sequence: u64, claim: Vec<Entry>) {
        let Some(claim) = claim.into_iter().find(|entry| entry.sequence == sequence) else {
            // A successor may have cut it off already. It is the newest that this one wrote, so all is over.
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

    /// Whether an entry cannot be read that may still matter. Its age is not known before the claim is dated, so all matter.
    fn is_damaged(&self) -> bool {
        self.entries.iter().any(|entry| entry.lines.is_none())
    }

    fn rule(&mut self, now: Moment) -> Option<Command> {
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

    /// Everything that is due, of as many orgs as one append carries.
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
