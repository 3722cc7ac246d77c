//! The budget of one org: ring, pacer, flows and the reactions to refusals, behind four main methods.
//!
//! - [`Budget::request`] queues a token request.
//! - [`Budget::report`] settles tokens.
//! - [`Budget::advance`] decides what may be granted now and returns the time of the next call.
//! - [`Budget::disown`] undoes a grant whose record did not reach the ledger.
//!
//! The caller appends the [`Step::records`] to the ledger in order. It sends the [`Step::grants`] only after the ledger
//! has acknowledged them.
//!
//! `now` never goes backwards inside a budget: a moment earlier than the last one counts as the last one.

use std::time::Duration;

use crate::exchange::{
    Append, Grant, Reported, RequestRefused, Step, TokenRequest, UnknownGrant, WANT_MAX, Wait,
};
use crate::flows::{Full, Waiting};
use crate::pacer::{Pacer, Spacing};
use crate::refusals::{Passage, Refusal, Refusals};
use crate::ring::{Ring, Spans, Verdict};
use crate::{
    BudgetSettings, Class, ClassCounts, Epoch, GrantId, LedgerRecord, Moment, Outcome, PerClass, Settled,
    Settlement, Status,
};

/// Time whose yield of tokens one grant has at most. So a large limit costs few messages, and a worker does not hold
/// tokens that others could use.
const BATCH: Duration = Duration::from_millis(500);
/// Increase of the guard by the first step of stretch.
const STRETCH_GUARD: Duration = Duration::from_millis(250);
/// Number of reports that the moving average of the report delay covers.
const DELAY_MEMORY: u32 = 16;

/// The state of one org's budget.
#[derive(Clone, Debug, Hash)]
pub struct Budget {
    settings: BudgetSettings,
    epoch: Epoch,
    next_number: u64,
    /// Newest grant that predecessors are known to have made. Silence covers grants that they may have made after it.
    made_before: Option<GrantId>,
    now: Moment,
    silent_until: Option<Moment>,
    pub(crate) ring: Ring,
    pacer: Pacer,
    waiting: Waiting,
    pub(crate) refusals: Refusals,
    pub(crate) records: Vec<LedgerRecord>,
    pub(crate) counts: PerClass<ClassCounts>,
    report_delay: Duration,
    contradictions: u64,
}

/// Reason why no grant can be made now.
enum Obstacle {
    Until(Moment),
    /// Only a report, a use-by or a new request can change it.
    Event,
}

impl Budget {
    /// Creates a budget with all tokens free. Only for a new org: the budget must be unused for at least
    /// [`BudgetSettings::quiet`].
    pub fn new(settings: BudgetSettings, epoch: Epoch, now: Moment) -> Budget {
        Budget {
            refusals: Refusals::new(settings.tokens(), settings.tokens_at_most(), now),
            settings,
            epoch,
            next_number: 1,
            made_before: None,
            now,
            silent_until: None,
            ring: Ring::new(),
            pacer: Pacer::default(),
            waiting: Waiting::new(),
            records: Vec::new(),
            counts: PerClass::default(),
            report_delay: Duration::ZERO,
            contradictions: 0,
        }
    }

    /// Creates a budget whose ledger is lost or went back in time. It grants nothing until everything granted before
    /// has cooled.
    pub fn quiet(settings: BudgetSettings, epoch: Epoch, now: Moment) -> Budget {
        let until = now + settings.quiet();
        Budget::silent(settings, epoch, now, until)
    }

    /// Grants nothing until everything that was granted before `from` has cooled.
    pub(crate) fn stay_silent(&mut self, from: Moment) {
        self.silent_until = self.silent_until.max(Some(from + self.settings.quiet()));
        self.made(Some(self.all_before()));
    }

    pub(crate) fn silent(settings: BudgetSettings, epoch: Epoch, now: Moment, until: Moment) -> Budget {
        let mut budget = Budget::new(settings, epoch, now);
        budget.silent_until = Some(until);
        budget.made_before = Some(budget.all_before());
        budget
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub fn settings(&self) -> &BudgetSettings {
        &self.settings
    }

    /// Queues a token request; [`Budget::advance`] answers it.
    ///
    /// # Errors
    /// [`RequestRefused`] if the request is invalid or its queue is full.
    pub fn request(&mut self, now: Moment, mut request: TokenRequest) -> Result<(), RequestRefused> {
        let now = self.observe(now);
        if request.want == 0 {
            return Err(RequestRefused::WantsNothing);
        }
        if request.want > WANT_MAX {
            return Err(RequestRefused::WantsTooMuch { want: request.want });
        }
        if self.waiting.contains(request.id) {
            return Err(RequestRefused::Duplicate { request: request.id });
        }
        request.deadline = request.deadline.clamp(now, now + self.settings.wait_max());
        let (worker, class) = (request.worker.clone(), request.class);
        self.waiting.push(request).map_err(|full| match full {
            Full::Class => RequestRefused::ClassFull { class },
            Full::Worker => RequestRefused::WorkerFull { worker, class },
        })
    }

    /// Settles tokens. Repeating a report changes nothing, so reports may be repeated until they are acknowledged.
    ///
    /// # Errors
    /// [`UnknownGrant`] if the grant is not remembered.
    pub fn report(
        &mut self,
        now: Moment,
        grant: GrantId,
        settled: &[Settled],
    ) -> Result<Reported, UnknownGrant> {
        let now = self.observe(now);
        let Some(origin) = self.ring.origin(grant) else {
            return Err(UnknownGrant {
                grant,
                epoch: self.epoch,
            });
        };
        let mut reported = Reported::default();
        let mut news = Vec::new();
        for &Settled { token, settlement } in settled {
            let verdict = self.ring.settle(now, grant, token, settlement, self.spans());
            match verdict {
                Verdict::Settled | Verdict::SettledLate => reported.settled += 1,
                Verdict::Repeated => reported.repeated += 1,
                Verdict::Contradiction => reported.contradictions += 1,
                Verdict::NoSuchToken => reported.no_such_token += 1,
            }
            let changed = matches!(verdict, Verdict::Settled | Verdict::SettledLate)
                || (verdict == Verdict::Contradiction && settlement != Settlement::Unused);
            if verdict == Verdict::SettledLate {
                let counts = self.counts.get_mut(origin.class);
                counts.expired = counts.expired.saturating_sub(1);
            }
            if changed {
                news.push(Settled { token, settlement });
                self.learn(now, grant, origin.granted_at, origin.class, settlement);
            }
        }
        self.contradictions += u64::from(reported.contradictions);
        if !news.is_empty() {
            self.records.push(LedgerRecord::Reported {
                grant,
                class: origin.class,
                settled: news,
            });
        }
        Ok(reported)
    }

    /// Undoes a grant that was not sent because the ledger did not acknowledge its record.
    pub fn disown(&mut self, now: Moment, grant: GrantId, append: Append) {
        let now = self.observe(now);
        let origin = match append {
            Append::Rejected => self.ring.withdraw(grant),
            Append::Unknown => self.ring.origin(grant),
        };
        if origin.is_some() {
            self.refusals.unanswered(grant, now);
        }
    }

    /// Applies new settings. Tokens in flight stay in flight. A lower limit is reached as they cool. A longer window
    /// makes them cool longer; a silence of the difference makes up for tokens that have cooled already.
    pub fn retune(&mut self, now: Moment, settings: BudgetSettings) {
        let now = self.observe(now);
        let before = self.spans().cooling;
        let longer_window = settings.window() > self.settings.window();
        self.settings = settings;
        let after = self.spans().cooling;
        self.ring.retime(before, after);
        self.refusals
            .retune(self.settings.tokens(), self.settings.tokens_at_most());
        if longer_window {
            let silent_until = self.silent_until.unwrap_or(now);
            self.silent_until = Some(silent_until + after.saturating_sub(before));
        }
    }

    /// Answers requests whose deadline has come, and decides nothing else. Used while an append is unconfirmed or in
    /// flight.
    pub fn put_off_overdue(&mut self, now: Moment) -> Vec<Wait> {
        let now = self.observe(now);
        let mut waits = Vec::new();
        while let Some(request) = self.waiting.overdue(now, true) {
            waits.push(self.put_off(now, &request, None));
        }
        waits
    }

    /// Snapshot of this budget, as a record to append before the ledger's older entries are deleted.
    pub fn carried(&self) -> LedgerRecord {
        LedgerRecord::Carried {
            working_limit: self.refusals.working_limit(),
            stretch: self.refusals.stretch(),
            counts: Box::new(self.counts),
            newest: self.newest(),
        }
    }

    /// True if this budget was never used, according to its ledger.
    pub fn is_untouched(&self) -> bool {
        self.counts == PerClass::default() && self.refusals.working_limit() == self.settings.tokens()
    }

    /// True if this governor or a predecessor can have made `grant`.
    pub fn can_have_made(&self, grant: GrantId) -> bool {
        self.newest().is_some_and(|newest| grant <= newest)
    }

    fn newest(&self) -> Option<GrantId> {
        let own = (self.next_number > 1).then(|| GrantId {
            epoch: self.epoch,
            number: self.next_number - 1,
        });
        own.or(self.made_before)
    }

    fn all_before(&self) -> GrantId {
        GrantId {
            epoch: self.epoch,
            number: 0,
        }
    }

    pub(crate) fn made(&mut self, grant: Option<GrantId>) {
        self.made_before = self.made_before.max(grant);
    }

    /// Decides everything that is due at `now`.
    pub fn advance(&mut self, now: Moment) -> Step {
        let now = self.observe(now);
        let mut step = Step::default();
        self.pass_time(now);
        while let Some(request) = self.waiting.overdue(now, false) {
            step.waits.push(self.put_off(now, &request, None));
        }
        let obstacle = loop {
            match self.grant_next(now) {
                Ok(grant) => step.grants.push(grant),
                Err(obstacle) => break obstacle,
            }
        };
        let opening = match obstacle {
            Obstacle::Until(moment) => Some(moment),
            Obstacle::Event => None,
        };
        while let Some(request) = self.waiting.overdue(now, true) {
            if let Some(opening) = opening {
                self.pacer.expect_at(opening);
            }
            step.waits.push(self.put_off(now, &request, opening));
        }
        step.records = std::mem::take(&mut self.records);
        step.next_wake = opening
            .filter(|_| !self.waiting.is_empty())
            .into_iter()
            .chain(self.waiting.next_deadline())
            .chain(self.ring.next_lapse(self.spans()))
            .chain(self.refusals.next_change())
            .min();
        step
    }

    pub fn status(&self, now: Moment) -> Status {
        let now = now.max(self.now);
        let working_limit = self.refusals.working_limit();
        let passage = self.refusals.passage(now);
        let closed_until = match passage {
            Passage::ClosedUntil(until) => Some(until),
            Passage::Free | Passage::Probe | Passage::AwaitingProbe => None,
        };
        let closed_until = closed_until.max(self.silent_until.filter(|&until| until > now));
        let mut classes = self.counts;
        for class in Class::ALL {
            classes.get_mut(class).waiting = u32::try_from(self.waiting.len(class)).unwrap_or(u32::MAX);
        }
        Status {
            epoch: self.epoch,
            settings: self.settings.clone(),
            limit: self.settings.tokens(),
            working_limit,
            others: self.settings.tokens().saturating_sub(working_limit),
            stretch: self.refusals.stretch(),
            free: working_limit.saturating_sub(self.ring.in_use()),
            held: self.ring.held(),
            cooling: self.ring.cooling(),
            used_last_window: self.ring.cooling(),
            closed_for_ms: closed_until.map(|until| until.as_millis() - now.as_millis()),
            probing: matches!(passage, Passage::Probe | Passage::AwaitingProbe),
            report_delay_ms: u64::try_from(self.report_delay.as_millis()).unwrap_or(u64::MAX),
            contradictions: self.contradictions,
            classes,
        }
    }

    pub(crate) fn observe(&mut self, now: Moment) -> Moment {
        self.now = self.now.max(now);
        self.now
    }

    /// Intervals in force: every step of stretch more than doubles the addition to the window.
    pub(crate) fn spans(&self) -> Spans {
        let extra = STRETCH_GUARD * ((1 << self.refusals.stretch()) - 1);
        Spans {
            cooling: self.settings.cooling() + extra,
            settle: self.settings.settle(),
        }
    }

    fn spacing(&self) -> Spacing {
        Spacing::new(
            self.settings.terms().pacing,
            self.settings.window(),
            self.refusals.working_limit(),
            self.refusals.stretch(),
        )
    }

    fn pass_time(&mut self, now: Moment) {
        let before = self.spans();
        if self.refusals.pass_time(now) {
            self.adapted(before);
        }
        for lapsed in self.ring.lapse(now, self.spans()) {
            self.counts.get_mut(lapsed.class).expired += lapsed.tokens.len() as u64;
            self.refusals.unanswered(lapsed.grant, now);
            self.records.push(LedgerRecord::Expired {
                grant: lapsed.grant,
                class: lapsed.class,
                tokens: lapsed.tokens,
            });
        }
        self.ring.thaw(now);
        self.silent_until = self.silent_until.filter(|&until| until > now);
    }

    fn grant_next(&mut self, now: Moment) -> Result<Grant, Obstacle> {
        if self.waiting.is_empty() {
            return Err(Obstacle::Event);
        }
        if let Some(until) = self.silent_until {
            return Err(Obstacle::Until(until));
        }
        let probe = match self.refusals.passage(now) {
            Passage::Free => false,
            Passage::Probe => true,
            Passage::ClosedUntil(until) => return Err(Obstacle::Until(until)),
            Passage::AwaitingProbe => return Err(Obstacle::Event),
        };
        let terms = self.settings.terms();
        let worker_max = terms.worker_max;
        let floor = terms.background_floor_percent;
        let choice = self.waiting.choose(floor, |request| {
            request.class == Class::Urgent || self.ring.outstanding(&request.worker) < worker_max
        });
        let Some((place, request)) = choice else {
            self.pacer.set_awaited(false);
            return Err(Obstacle::Event);
        };

        let working = self.refusals.working_limit();
        let (reserve, ahead) = match place.class {
            Class::Urgent => (0, terms.burst),
            Class::Interactive => (terms.reserve.min(working / 10), terms.burst),
            Class::Normal | Class::Background => (terms.reserve.min(working / 10), 0),
        };
        let free = working.saturating_sub(self.ring.in_use()).saturating_sub(reserve);
        if free == 0 {
            self.pacer.set_awaited(false);
            self.refusals.press();
            return Err(self.ring.next_thaw().map_or(Obstacle::Event, Obstacle::Until));
        }
        let spacing = self.spacing();
        let paced = self.pacer.room(now, spacing, ahead);
        if paced == 0 {
            self.pacer.set_awaited(true);
            self.refusals.press();
            return Err(Obstacle::Until(self.pacer.opens(spacing, ahead)));
        }
        let of_worker = match place.class {
            Class::Urgent => u32::MAX,
            Class::Interactive | Class::Normal | Class::Background => {
                worker_max - self.ring.outstanding(&request.worker)
            }
        };
        let batch = if probe {
            1
        } else {
            batch_of(working, self.settings.window())
        };
        let tokens = request.want.min(free).min(paced).min(of_worker).min(batch);

        let grant = GrantId {
            epoch: self.epoch,
            number: self.next_number,
        };
        self.next_number += 1;
        let Some(request) = self.waiting.serve(&place, tokens) else {
            unreachable!("a chosen request waits")
        };
        self.pacer.charge(now, spacing, tokens);
        if probe {
            self.refusals.probe_sent(grant);
        }
        let ttl = self.settings.permit_ttl();
        self.ring.take(
            grant,
            request.worker.clone(),
            request.class,
            tokens,
            now,
            now + ttl,
        );
        self.counts.get_mut(request.class).granted += u64::from(tokens);
        self.records.push(LedgerRecord::Granted {
            grant,
            worker: request.worker,
            flow: request.flow,
            class: request.class,
            tokens,
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(Grant {
            request: request.id,
            grant,
            class: request.class,
            tokens,
            ttl,
        })
    }

    fn put_off(&mut self, now: Moment, request: &TokenRequest, opening: Option<Moment>) -> Wait {
        self.counts.get_mut(request.class).put_off += 1;
        let retry_after = opening.map_or(Duration::ZERO, |opening| opening.since(now));
        Wait {
            request: request.id,
            retry_after,
        }
    }

    fn learn(
        &mut self,
        now: Moment,
        grant: GrantId,
        granted_at: Moment,
        class: Class,
        settlement: Settlement,
    ) {
        let counts = self.counts.get_mut(class);
        match settlement {
            Settlement::Unused => {
                counts.unused += 1;
                self.refusals.unanswered(grant, now);
            }
            Settlement::Used(Outcome::Unknown) => {
                counts.unknown += 1;
                self.refusals.unanswered(grant, now);
            }
            Settlement::Used(Outcome::Answered) => {
                counts.answered += 1;
                self.refusals.answered(grant);
                self.time_report(now.since(granted_at));
            }
            Settlement::Used(Outcome::Refused { retry_after_ms }) => {
                counts.refused += 1;
                let before = self.spans();
                let refusal = Refusal {
                    grant,
                    granted_at,
                    retry_after: retry_after_ms.map(Duration::from_millis),
                    own_use: self.ring.in_use(),
                    window: self.settings.window(),
                };
                if self.refusals.refused(now, refusal) {
                    self.adapted(before);
                }
            }
        }
    }

    fn adapted(&mut self, before: Spans) {
        self.ring.retime(before.cooling, self.spans().cooling);
        self.records.push(LedgerRecord::Adapted {
            working_limit: self.refusals.working_limit(),
            stretch: self.refusals.stretch(),
        });
    }

    fn time_report(&mut self, delay: Duration) {
        self.report_delay = if self.report_delay.is_zero() {
            delay
        } else {
            (self.report_delay * (DELAY_MEMORY - 1) + delay) / DELAY_MEMORY
        };
    }
}

fn batch_of(working: u32, window: Duration) -> u32 {
    let tokens = u128::from(working) * BATCH.as_millis() / window.as_millis().max(1);
    u32::try_from(tokens).unwrap_or(u32::MAX).max(1)
}
