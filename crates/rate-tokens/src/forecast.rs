//! Forecasts when queued work will have been granted, by the budget's own rules.
//!
//! There is no second formula that could differ from the rules: the forecast runs a real [`Budget`] from the given
//! state on simulated time. Once the pattern of grants repeats, it skips whole repetitions, so that 100,000 calls cost
//! hardly more than a few thousand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::ring::Restored;
use crate::{
    Budget, Class, Epoch, FlowId, GrantId, Moment, Outcome, PerClass, RequestId, Settled, Settlement, Status,
    TokenRequest, WorkerId,
};

/// Tokens after which the shares of the classes repeat well enough to be extrapolated: the strides of all classes
/// together repeat every 85 tokens.
const SAMPLE_TOKENS: u64 = 1_000;
/// Least rounds of the ring in a sample, so that a sample of unpaced waves ends between two waves.
const SAMPLE_ROUNDS: u32 = 2;

/// Work to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Calls of each class, in addition to those that already wait.
    pub calls: PerClass<u64>,
    /// Expected time from a grant to its report.
    pub latency: Duration,
}

/// Time from now until each class has been granted its last call; zero for classes without calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    pub granted_by: PerClass<Duration>,
}

impl Forecast {
    /// Time until the last call of any class has been granted.
    pub fn all(&self) -> Duration {
        Class::ALL
            .into_iter()
            .map(|class| *self.granted_by.get(class))
            .max()
            .unwrap_or_default()
    }
}

/// Forecasts from a status. It assumes that no one else requests tokens, that each class has one worker, and that
/// nothing is refused.
///
/// Cooling tokens are assumed to be spread evenly, as pacing leaves them. Held tokens are assumed to be reported after
/// the latency.
pub fn forecast(status: &Status, demand: &Demand) -> Forecast {
    let mut run = Run::new(status, demand);
    while run.left() > 0 {
        run.step();
        run.skip_ahead();
    }
    run.forecast
}

struct Run {
    budget: Budget,
    now: Moment,
    start: Moment,
    latency: Duration,
    left: PerClass<u64>,
    asking: PerClass<bool>,
    reports: BinaryHeap<Reverse<(Moment, GrantId, u32)>>,
    sample: Sample,
    skipped: Duration,
    forecast: Forecast,
}

/// Tokens granted since a moment at which the same classes had work as now.
struct Sample {
    since: Moment,
    granted: PerClass<u64>,
    working_limit: u32,
    warm: bool,
}

impl Run {
    fn new(status: &Status, demand: &Demand) -> Run {
        let start = Moment::default();
        let settings = status.settings.clone();
        let mut budget = match status.closed_for_ms {
            Some(ms) => Budget::silent(settings, FORECAST, start, start + Duration::from_millis(ms)),
            None => Budget::new(settings, FORECAST, start),
        };
        budget.refusals.restore(status.working_limit, status.stretch);
        let cooling = budget.spans().cooling;
        let past = |number: u32| GrantId {
            epoch: Epoch::default(),
            number: u64::from(number),
        };
        for number in 0..status.cooling {
            let until = start + cooling * (number + 1) / status.cooling;
            budget
                .ring
                .restore(past(number), Class::Normal, 0, start, Restored::Used { until });
        }
        for number in 0..status.held {
            let until = start + demand.latency + cooling;
            budget.ring.restore(
                past(status.cooling + number),
                Class::Normal,
                0,
                start,
                Restored::Used { until },
            );
        }
        let mut left = demand.calls;
        for class in Class::ALL {
            let left = left.get_mut(class);
            *left = left.saturating_add(u64::from(status.classes.get(class).waiting));
        }
        let sample = Sample {
            since: start,
            granted: PerClass::default(),
            working_limit: status.working_limit,
            warm: false,
        };
        Run {
            budget,
            now: start,
            start,
            latency: demand.latency,
            left,
            asking: PerClass::default(),
            reports: BinaryHeap::new(),
            sample,
            skipped: Duration::ZERO,
            forecast: Forecast::default(),
        }
    }

    fn left(&self) -> u64 {
        Class::ALL
            .into_iter()
            .map(|class| *self.left.get(class))
            .fold(0, u64::saturating_add)
    }

    /// Reports what is due, makes a request for every class with work, and moves on to the next moment at which
    /// anything can change.
    fn step(&mut self) {
        while let Some(&Reverse((at, grant, tokens))) =
            self.reports.peek().filter(|Reverse((at, ..))| *at <= self.now)
        {
            self.reports.pop();
            let settlement = Settlement::Used(Outcome::Answered);
            let settled: Vec<Settled> = (0..tokens).map(|token| Settled { token, settlement }).collect();
            self.budget
                .report(at, grant, &settled)
                .expect("a grant that was not reported is remembered");
        }
        for class in Class::ALL {
            let left = *self.left.get(class);
            if left > 0 && !std::mem::replace(self.asking.get_mut(class), true) {
                self.budget
                    .request(self.now, request_of(class, left, self.now))
                    .expect("one request per class always fits");
            }
        }
        let step = self.budget.advance(self.now);
        for wait in &step.waits {
            *self.asking.get_mut(Class::ALL[place_of(wait.request)]) = false;
        }
        for grant in &step.grants {
            *self.asking.get_mut(grant.class) = false;
            self.reports
                .push(Reverse((self.now + self.latency, grant.grant, grant.tokens)));
            let left = self.left.get_mut(grant.class);
            *left = left.saturating_sub(u64::from(grant.tokens));
            *self.sample.granted.get_mut(grant.class) += u64::from(grant.tokens);
            if *left == 0 {
                *self.forecast.granted_by.get_mut(grant.class) = self.now.since(self.start) + self.skipped;
                self.sample.warm = false;
                self.resample();
            }
        }
        let answered = !step.grants.is_empty() || !step.waits.is_empty();
        if !answered {
            let report = self.reports.peek().map(|&Reverse((at, ..))| at);
            let next = step.next_wake.into_iter().chain(report).min();
            self.now = next.expect("requests that wait have a deadline").max(self.now);
        }
    }

    fn skip_ahead(&mut self) {
        if self.budget.refusals.working_limit() != self.sample.working_limit {
            self.sample.warm = false;
            self.resample();
        }
        let round = self.budget.spans().cooling + self.latency;
        let sampled = self.now.since(self.sample.since);
        if !self.sample.warm {
            if sampled >= round {
                self.resample();
                self.sample.warm = true;
            }
            return;
        }
        let tokens: u64 = Class::ALL
            .into_iter()
            .map(|class| *self.sample.granted.get(class))
            .sum();
        if tokens < SAMPLE_TOKENS || sampled < round * SAMPLE_ROUNDS {
            return;
        }
        let repetitions = Class::ALL
            .into_iter()
            .filter(|&class| *self.left.get(class) > 0)
            .map(|class| self.left.get(class) / (*self.sample.granted.get(class)).max(1))
            .min()
            .unwrap_or(0)
            .saturating_sub(1);
        for class in Class::ALL {
            *self.left.get_mut(class) -= repetitions * self.sample.granted.get(class);
        }
        self.skipped += sampled * u32::try_from(repetitions).unwrap_or(u32::MAX);
        self.resample();
    }

    fn resample(&mut self) {
        self.sample.since = self.now;
        self.sample.granted = PerClass::default();
        self.sample.working_limit = self.budget.refusals.working_limit();
    }
}

/// Epoch of the simulated budget. Grants made before belong to epoch 0.
const FORECAST: Epoch = Epoch::new(1);

fn place_of(request: RequestId) -> usize {
    usize::try_from(request.get()).unwrap_or(0)
}

fn request_of(class: Class, left: u64, now: Moment) -> TokenRequest {
    let worker = WorkerId::new(class.as_str()).expect("class names are short");
    let flow = FlowId::new("forecast").expect("the name is short");
    let want = u32::try_from(left).unwrap_or(u32::MAX).min(crate::WANT_MAX);
    TokenRequest {
        id: RequestId::new(class as u64),
        worker,
        flow,
        class,
        want,
        deadline: now + FAR,
    }
}

/// Longer than every permit's life. The budget shortens it.
const FAR: Duration = Duration::from_secs(3_600);
