//! Runs a simulation, one event after the other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rate_tokens::{
    Aged, Append, Budget, Class, Epoch, FlowId, Grant, GrantId, LedgerRecord, Moment, Outcome, RequestId,
    Settled, Settlement, Step, TokenRequest, WorkerId,
};

mod leadership;
mod workers;

use self::leadership::{Decided, Governor};
use super::chance::Chance;
use super::{Fault, GUARD, Run, SETTLE, Scenario, TTL, WINDOW};
use crate::targets::Counted;

/// One request of one worker, and the time at which it was made.
#[derive(Clone, Copy, Debug)]
struct Asking {
    worker: usize,
    number: u64,
    at: u64,
}

#[derive(Clone, Debug)]
enum Event {
    WorkerAsks {
        worker: usize,
    },
    AskArrives(Asking),
    Wake {
        leadership: u64,
    },
    AppendEnds {
        leadership: u64,
    },
    GrantArrives {
        asking: Asking,
        grant: Grant,
        decided: Decided,
    },
    PutOff {
        worker: usize,
        number: u64,
        retry_after: u64,
    },
    Sends {
        grant: GrantId,
        token: u32,
        use_by: u64,
        decided: Decided,
        dies: bool,
    },
    ReportArrives {
        grant: GrantId,
        settled: Settled,
    },
    Crash,
    Takeover,
    LimitChanges,
}

pub(crate) struct Cluster {
    scenario: Scenario,
    chance: Chance,
    t: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    governor: Option<Governor>,
    leadership: u64,
    limit: u32,
    ledger: Vec<(u64, LedgerRecord)>,
    asking: Vec<u64>,
    next_request: u64,
    next_forged: u64,
    run: Run,
}

impl Cluster {
    pub(crate) fn run(scenario: Scenario) -> Run {
        let mut cluster = Cluster {
            chance: Chance(scenario.seed),
            t: 1_000,
            sequence: 0,
            events: BTreeMap::new(),
            governor: None,
            leadership: 0,
            limit: scenario.limit,
            ledger: Vec::new(),
            asking: vec![0; scenario.workers],
            next_request: 1,
            next_forged: 1,
            run: Run {
                counted: Vec::new(),
                ledger: Vec::new(),
                unanswered: Vec::new(),
                contradictions: 0,
                takeovers: 0,
            },
            scenario,
        };
        cluster.begin();
        let end = cluster.scenario.span;
        while let Some(((t, _), event)) = cluster.events.pop_first() {
            if t > end {
                break;
            }
            cluster.t = t;
            cluster.happen(event);
        }
        cluster.retire();
        cluster.run.ledger = cluster.ledger;
        cluster.run
    }

    fn begin(&mut self) {
        let settings = self.scenario.settings(self.limit);
        self.enthrone(|epoch, now| Budget::new(settings, epoch, now));
        for worker in 0..self.scenario.workers {
            self.after(worker as u64, Event::WorkerAsks { worker });
        }
        if self.scenario.crash_every > 0 {
            self.plan_crash();
        }
        if self.scenario.limit_changes {
            self.after(7_000, Event::LimitChanges);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::WorkerAsks { worker } => self.worker_asks(worker),
            Event::AskArrives(asking) => self.ask_arrives(asking),
            Event::Wake { leadership } => {
                if self
                    .governor
                    .as_ref()
                    .is_some_and(|governor| governor.leadership == leadership)
                {
                    self.advance();
                }
            }
            Event::AppendEnds { leadership } => {
                if self
                    .governor
                    .as_ref()
                    .is_some_and(|governor| governor.leadership == leadership)
                {
                    self.append_ends();
                }
            }
            Event::GrantArrives {
                asking,
                grant,
                decided,
            } => {
                self.answered(asking);
                self.use_grant(asking.at, &grant, decided);
            }
            Event::PutOff {
                worker,
                number,
                retry_after,
            } => {
                if self.asking[worker] == number {
                    self.asking[worker] = 0;
                    self.after(1 + retry_after, Event::WorkerAsks { worker });
                }
            }
            Event::Sends {
                grant,
                token,
                use_by,
                decided,
                dies,
            } => {
                self.send(grant, token, use_by, decided, dies);
            }
            Event::ReportArrives { grant, settled } => self.report_arrives(grant, settled),
            Event::Crash => self.crash(),
            Event::Takeover => self.take_over(),
            Event::LimitChanges => {
                let (low, high) = (self.scenario.limit / 2 + 1, self.scenario.limit + 5);
                self.limit = self.chance.between(u64::from(low), u64::from(high)) as u32;
                let settings = self.scenario.settings(self.limit);
                if let Some(governor) = &mut self.governor {
                    let now = governor.now(self.t);
                    governor.budget.retune(now, settings);
                    self.advance();
                }
                self.after(5_000, Event::LimitChanges);
            }
        }
    }

    /// Mostly a short delay, sometimes one that is long enough for later messages to overtake.
    fn delay(&mut self) -> u64 {
        if self.chance.one_in(50) {
            self.chance.below(900)
        } else {
            self.chance.between(1, 60)
        }
    }

    fn after(&mut self, pause: u64, event: Event) {
        self.at(self.t + pause, event);
    }

    fn at(&mut self, t: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((t, self.sequence), event);
    }
}
