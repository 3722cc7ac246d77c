//! Forecasts when a plan will be done, by a simulation of the plan.
//!
//! The formula "calls × pace" is right for a thousand single calls, but wrong for five bulk imports: tokens stay unused while the import
//! jobs run in Litmos. So the forecast simulates the controller. Tokens arrive at the governor's pace, and the first ready operation takes
//! one. An operation in flight requests its next token after its pause, and an operation waits for those that it depends on.
//!
//! Nothing here reads a clock. The same plan and pace give the same answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use provisioning::cost::CostModel;
use provisioning::{Change, Operation, OperationId, Plan};
use rate_tokens::{Budget, BudgetSettings, Epoch, Moment, Pacing};

use crate::executor::POLL_PAUSES;
use crate::schedule::class_of;

/// Pace of requests, and duration of their handling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Time between two tokens while work waits.
    pub(crate) token: Duration,
    /// Number of tokens that may arrive at once after an idle time.
    pub(crate) burst: u32,
    /// Time from a token to the outcome of its request.
    pub(crate) latency: Duration,
    /// Time to write the outcome of one row of a bulk import.
    pub(crate) row: Duration,
}

/// Assumed average latency of a request until one is measured.
pub(crate) const LATENCY_AT_FIRST: Duration = Duration::from_millis(120);

/// Time to write the outcome of one row of a bulk import: account, link and memberships, each synced to disk.
pub(crate) const ROW: Duration = Duration::from_micros(600);

impl Pace {
    /// The pace that the budget of an org allows, if no other service uses it and Litmos refuses nothing.
    pub(crate) fn of(budget: &BudgetSettings, working_limit: Option<u32>) -> Pace {
        let status = Budget::new(budget.clone(), Epoch::new(1), Moment::default()).status(Moment::default());
        let tokens = working_limit.unwrap_or(status.working_limit).max(1);
        let (permille, burst) = match budget.terms().pacing {
            Pacing::Even { permille } => (u64::from(permille), 1),
            Pacing::Unpaced => (1_000, tokens),
        };
        let window_us = u64::try_from(budget.window().as_micros()).unwrap_or(u64::MAX);
        Pace {
            token: Duration::from_micros(window_us.saturating_mul(permille) / 1_000 / u64::from(tokens)),
            burst,
            latency: LATENCY_AT_FIRST,
            row: ROW,
        }
    }
}

/// Expected time from now until the whole plan, each class and each operation are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) all: Duration,
    /// For the classes urgent and normal: when the last operation is done, and the number of calls.
    pub(crate) by_class: BTreeMap<&'static str, (Duration, u32)>,
    pub(crate) by_operation: HashMap<OperationId, Duration>,
}

/// The data of one operation that a forecast needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: OperationId,
    /// Number of calls that remain.
    pub(crate) calls: u32,
    /// Number of calls already made.
    made: u32,
    after: BTreeSet<OperationId>,
    class: &'static str,
    /// Number of rows whose outcome is written one by one.
    rows: u32,
    /// True if it waits for an import job of Litmos between its calls.
    polls: bool,
}

impl Step {
    pub(crate) fn of(operation: &Operation) -> Step {
        let (rows, polls) = match &operation.change {
            // If there are as many calls as rows, the rows are sent as single calls.
            Change::Bulk { rows } => {
                let new = rows.iter().filter(|row| row.account.is_none()).count();
                let polls = operation.calls <= CostModel::default().import_calls(new)
                    && usize::try_from(operation.calls).unwrap_or(0) < rows.len();
                (rows.len(), polls)
            }
            _ => (0, false),
        };
        Step {
            id: operation.id.clone(),
            calls: operation.calls,
            made: 0,
            after: operation.after.iter().cloned().collect(),
            class: class_of(&operation.change).as_str(),
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            polls,
        }
    }

    /// This step after `made` of its calls. It no longer waits for other operations.
    pub(crate) fn resumed(mut self, made: u32) -> Step {
        self.made = made;
        self.calls = self.calls.saturating_sub(made);
        self.after.clear();
        self
    }

    /// Pause before the token request for its next call.
    fn pause(&self) -> Duration {
        if !self.polls || self.made == 0 {
            return Duration::ZERO;
        }
        let poll = usize::try_from(self.made - 1).unwrap_or(0);
        if poll < usize::try_from(provisioning::cost::BULK_POLLS_EXPECTED).unwrap_or(0) {
            POLL_PAUSES[poll.min(POLL_PAUSES.len() - 1)]
        } else {
            Duration::ZERO
        }
    }
}

/// The steps of a plan that has not started.
pub(crate) fn steps(plan: &Plan) -> Vec<Step> {
    plan.operations.iter().map(Step::of).collect()
}

/// Simulates the steps. Earlier steps go first.
pub(crate) fn expect(steps: &[Step], pace: &Pace) -> Expectation {
    let mut play = Simulation::new(steps, pace);
    play.run();
    play.expectation
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Asks(usize),
    Done(usize),
}

struct Simulation<'a> {
    /// The steps at the current simulated time.
    steps: Vec<Step>,
    pace: &'a Pace,
    /// Number of operations that each step still waits for. `waiters` holds the steps that wait for each operation.
    waits_for: Vec<usize>,
    waiters: HashMap<OperationId, Vec<usize>>,
    ready: BTreeSet<usize>,
    asking: VecDeque<usize>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    now: Duration,
    tokens: u32,
    next_token: Duration,
    expectation: Expectation,
}

impl<'a> Simulation<'a> {
    fn new(steps: &[Step], pace: &'a Pace) -> Simulation<'a> {
        let known: BTreeSet<&OperationId> = steps.iter().map(|step| &step.id).collect();
        let mut waiters: HashMap<OperationId, Vec<usize>> = HashMap::new();
        let mut waits_for = vec![0; steps.len()];
        for (at, step) in steps.iter().enumerate() {
            for before in step.after.iter().filter(|before| known.contains(before)) {
                waiters.entry(before.clone()).or_default().push(at);
                waits_for[at] += 1;
            }
        }
        let mut expectation = Expectation::default();
        for step in steps {
            let (_, calls) = expectation.by_class.entry(step.class).or_default();
            *calls += step.calls;
        }
        Simulation {
            steps: steps.to_vec(),
            pace,
            ready: (0..steps.len()).filter(|at| waits_for[*at] == 0).collect(),
            waits_for,
            waiters,
            asking: VecDeque::new(),
            events: BinaryHeap::new(),
            now: Duration::ZERO,
            tokens: pace.burst.max(1),
            next_token: pace.token,
            expectation,
        }
    }

    fn run(&mut self) {
        loop {
            self.handle_event();
            self.start_what_is_free();
            self.refill();
            let next_event = self.events.peek().map(|Reverse((at, _))| *at);
            let wanted = !self.asking.is_empty() || !self.ready.is_empty();
            if wanted && self.tokens > 0 {
                self.tokens -= 1;
                self.grant();
                continue;
            }
            let next_token = wanted.then_some(self.next_token);
            match next_event.into_iter().chain(next_token).min() {
                Some(next) => self.now = self.now.max(next),
                None => return,
            }
        }
    }

    fn refill(&mut self) {
        while self.next_token <= self.now {
            if self.tokens >= self.pace.burst.max(1) {
                self.next_token = self.now + self.pace.token;
                return;
            }
            self.tokens += 1;
            self.next_token += self.pace.token.max(Duration::from_micros(1));
        }
    }

    fn handle_event(&mut self) {
        while let Some(Reverse((at, event))) = self.events.peek().copied() {
            if at > self.now {
                return;
            }
            self.events.pop();
            match event {
                Event::Asks(operation) => self.asking.push_back(operation),
                Event::Done(operation) => self.done(operation),
            }
        }
    }

    fn start_what_is_free(&mut self) {
        let free: Vec<usize> = self
            .ready
            .iter()
            .copied()
            .filter(|at| self.steps[*at].calls == 0)
            .collect();
        for at in free {
            self.ready.remove(&at);
            self.done(at);
        }
    }

    fn grant(&mut self) {
        let Some(at) = self.asking.pop_front().or_else(|| self.ready.pop_first()) else {
            return;
        };
        let answered = self.now + self.pace.latency;
        let step = &mut self.steps[at];
        (step.calls, step.made) = (step.calls - 1, step.made + 1);
        let event = if step.calls == 0 {
            (answered + self.pace.row * step.rows, Event::Done(at))
        } else {
            (answered + step.pause(), Event::Asks(at))
        };
        self.events.push(Reverse(event));
    }

    fn done(&mut self, at: usize) {
        let step = &self.steps[at];
        self.expectation.all = self.expectation.all.max(self.now);
        self.expectation.by_operation.insert(step.id.clone(), self.now);
        let (by, _) = self.expectation.by_class.entry(step.class).or_default();
        *by = (*by).max(self.now);
        for waiter in self.waiters.get(&step.id).into_iter().flatten() {
            self.waits_for[*waiter] -= 1;
            if self.waits_for[*waiter] == 0 {
                self.ready.insert(*waiter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rate_tokens::Terms;

    use super::*;
    use crate::schedule::tests::{plan_of, state_of_newcomers};

    fn pace() -> Pace {
        Pace {
            token: Duration::from_millis(600),
            burst: 1,
            latency: Duration::from_millis(100),
            row: Duration::ZERO,
        }
    }

    #[test]
    fn single_calls_come_at_the_pace_of_tokens() {
        let plan = plan_of(&state_of_newcomers(10), false);
        assert_eq!(plan.calls(), 10);
        let expected = expect(&steps(&plan), &pace());
        // The first call is sent at once, the other nine wait for one token each, and the last one has its latency.
        assert_eq!(expected.all, Duration::from_millis(9 * 600 + 100));
        assert_eq!(expected.by_class["normal"], (expected.all, 10));
        assert_eq!(expected.by_operation.len(), 10);
    }

    #[test]
    fn an_import_waits_for_its_polls_while_tokens_lie_idle() {
        let plan = plan_of(&state_of_newcomers(500), true);
        assert_eq!(plan.calls(), 4);
        let expected = expect(&steps(&plan), &pace());
        let least: Duration = POLL_PAUSES[0] + POLL_PAUSES[1] + 4 * pace().latency;
        assert!(
            expected.all >= least && expected.all < least + 3 * pace().token,
            "{expected:?}"
        );
    }

    #[test]
    fn unpaced_calls_go_at_once_as_far_as_the_limit_reaches() {
        let plan = plan_of(&state_of_newcomers(10), false);
        let unpaced = Pace { burst: 100, ..pace() };
        assert_eq!(expect(&steps(&plan), &unpaced).all, Duration::from_millis(100));
    }

    #[test]
    fn an_empty_plan_is_done_now() {
        let plan = plan_of(&state_of_newcomers(0), true);
        assert_eq!(expect(&steps(&plan), &pace()), Expectation::default());
    }

    #[test]
    fn the_default_pace_is_a_little_slower_than_the_limit() {
        let budget = BudgetSettings::new(Terms::per_minute(100)).unwrap();
        let pace = Pace::of(&budget, None);
        assert!(
            pace.token > Duration::from_millis(600) && pace.token < Duration::from_millis(625),
            "{pace:?}"
        );
        assert_eq!(Pace::of(&budget, Some(50)).token, pace.token * 2);
    }
}
