//! Helpers for tests that drive one budget by hand.

use std::time::Duration;

use rate_tokens::{
    Budget, BudgetSettings, Class, Epoch, FlowId, Grant, GrantId, Moment, Outcome, Pacing, RequestId,
    Settled, Settlement, Step, Terms, TokenRequest, WorkerId,
};

pub(crate) const START: Moment = Moment::from_millis(1_000_000);
pub(crate) const ANSWERED: Settlement = Settlement::Used(Outcome::Answered);
pub(crate) const UNKNOWN: Settlement = Settlement::Used(Outcome::Unknown);
pub(crate) const REFUSED: Settlement = Settlement::Used(Outcome::Refused { retry_after_ms: None });

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn unpaced(limit: u32) -> BudgetSettings {
    let terms = Terms::per_minute(limit);
    BudgetSettings::new(Terms {
        pacing: Pacing::Unpaced,
        reserve: 0,
        worker_max: limit,
        ..terms
    })
    .unwrap()
}

/// A budget, and the number of the next request.
pub(crate) struct Harness {
    pub(crate) budget: Budget,
    pub(crate) now: Moment,
    requests: u64,
}

impl Harness {
    pub(crate) fn new(settings: BudgetSettings) -> Harness {
        Harness::of(Budget::new(settings, Epoch::new(1), START))
    }

    pub(crate) fn of(budget: Budget) -> Harness {
        Harness {
            budget,
            now: START,
            requests: 0,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn request(&mut self, class: Class, flow: &str, want: u32) -> RequestId {
        self.ask_as("worker", class, flow, want)
    }

    pub(crate) fn ask_as(&mut self, worker: &str, class: Class, flow: &str, want: u32) -> RequestId {
        self.ask_until(self.now + ms(3_600_000), worker, class, flow, want)
    }

    fn ask_until(
        &mut self,
        deadline: Moment,
        worker: &str,
        class: Class,
        flow: &str,
        want: u32,
    ) -> RequestId {
        self.requests += 1;
        let id = RequestId::new(self.requests);
        let (worker, flow) = (WorkerId::new(worker).unwrap(), FlowId::new(flow).unwrap());
        self.budget
            .request(
                self.now,
                TokenRequest {
                    id,
                    worker,
                    flow,
                    class,
                    want,
                    deadline,
                },
            )
            .unwrap();
        id
    }

    pub(crate) fn advance(&mut self) -> Step {
        self.budget.advance(self.now)
    }

    /// Requests one token and expects it at once.
    pub(crate) fn granted(&mut self, class: Class) -> Grant {
        let id = self.request(class, "flow", 1);
        let step = self.advance();
        step.grants
            .into_iter()
            .find(|grant| grant.request == id)
            .expect("a token is free")
    }

    /// Requests single tokens until none is granted.
    pub(crate) fn drain(&mut self, class: Class) -> Vec<Grant> {
        let mut grants = Vec::new();
        loop {
            self.ask_until(self.now, "worker", class, "flow", 1);
            let step = self.advance();
            if step.grants.is_empty() {
                return grants;
            }
            grants.extend(step.grants);
        }
    }

    pub(crate) fn report(&mut self, grant: GrantId, settlement: Settlement) {
        self.budget
            .report(self.now, grant, &[Settled { token: 0, settlement }])
            .unwrap();
    }

    pub(crate) fn free(&self) -> u32 {
        let mut budget = self.budget.clone();
        budget.advance(self.now);
        budget.status(self.now).free
    }
}
