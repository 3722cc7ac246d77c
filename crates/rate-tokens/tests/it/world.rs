//! A simulated world around a budget: workers, a network that delays and loses, a ledger, governors that crash and are
//! replaced, and a target that counts each request at any moment between its sending and its response.
//!
//! Time is real time in milliseconds; every governor has its own clock with its own origin and rate. [`Fault`] plants one
//! mistake in the world, to show that the oracles see it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rate_tokens::{
    Aged, Append, Ask, AskId, Budget, BudgetSettings, Class, Epoch, FlowId, Grant, GrantId, LedgerRecord,
    Moment, Outcome, Pacing, Settled, Settlement, Step, Terms, WorkerId,
};

use crate::targets::Counted;

/// A mistake of a governor, a worker or its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OneTokenTooMany,
    CoolsFromTheGrant,
    VoidPermitIsUsed,
    DeadWorkersTokensFreeAtOnce,
    ReplayOverstatesAges,
    ReplayForgetsUnreported,
    BurstPassesTheRing,
    UnknownCountsAsAnswered,
    ToldBeforeLogged,
    LostLedgerIsTakenForEmpty,
    ClientRetriesByItself,
    ClockRunsFast,
    UnknownAppendIsTakenForNone,
}

impl Fault {
    pub(crate) const ALL: [Fault; 13] = [
        Fault::OneTokenTooMany,
        Fault::CoolsFromTheGrant,
        Fault::VoidPermitIsUsed,
        Fault::DeadWorkersTokensFreeAtOnce,
        Fault::ReplayOverstatesAges,
        Fault::ReplayForgetsUnreported,
        Fault::BurstPassesTheRing,
        Fault::UnknownCountsAsAnswered,
        Fault::ToldBeforeLogged,
        Fault::LostLedgerIsTakenForEmpty,
        Fault::ClientRetriesByItself,
        Fault::ClockRunsFast,
        Fault::UnknownAppendIsTakenForNone,
    ];
}

/// What happens in a run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) limit: u32,
    pub(crate) paced: bool,
    pub(crate) workers: usize,
    /// Chances in a thousand.
    pub(crate) death: u64,
    pub(crate) silence: u64,
    pub(crate) loss: u64,
    pub(crate) refusal: u64,
    /// Mean time between governor crashes in ms; 0 for none.
    pub(crate) crash_every: u64,
    pub(crate) ledger_loss: u64,
    pub(crate) append_trouble: u64,
    pub(crate) limit_changes: bool,
    pub(crate) span: u64,
    pub(crate) fault: Option<Fault>,
}

pub(crate) const WINDOW: u64 = 3_000;
const TTL: u64 = 600;
const SETTLE: u64 = 1_000;
const GUARD: u64 = 100;

impl Scenario {
    pub(crate) fn calm(seed: u64, limit: u32) -> Scenario {
        Scenario {
            seed,
            limit,
            paced: false,
            workers: 4,
            death: 0,
            silence: 0,
            loss: 0,
            refusal: 0,
            crash_every: 0,
            ledger_loss: 0,
            append_trouble: 0,
            limit_changes: false,
            span: 60_000,
            fault: None,
        }
    }

    pub(crate) fn stormy(seed: u64, limit: u32) -> Scenario {
        Scenario {
            paced: seed % 3 == 0,
            workers: 2 + (seed % 6) as usize,
            death: 20,
            silence: 20,
            loss: 50,
            refusal: (seed % 4) / 3 * 5,
            crash_every: 9_000,
            ledger_loss: 150,
            append_trouble: 20,
            limit_changes: seed % 5 == 4,
            ..Scenario::calm(seed, limit)
        }
    }

    pub(crate) fn settings(&self, limit: u32) -> BudgetSettings {
        let limit = limit + u32::from(self.fault == Some(Fault::OneTokenTooMany));
        BudgetSettings::new(Terms {
            window: Duration::from_millis(WINDOW),
            guard: Duration::from_millis(GUARD),
            permit_ttl: Duration::from_millis(TTL),
            settle: Duration::from_millis(SETTLE),
            pacing: if self.paced {
                Pacing::DEFAULT
            } else {
                Pacing::Unpaced
            },
            worker_max: limit,
            ..Terms::per_minute(limit)
        })
        .unwrap()
    }
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) counted: Vec<Counted>,
    pub(crate) ledger: Vec<(u64, LedgerRecord)>,
    /// Asks that a living governor heard and neither granted nor put off by their deadline.
    pub(crate) unanswered: Vec<AskId>,
    pub(crate) contradictions: u64,
    pub(crate) takeovers: u64,
}

#[derive(Clone, Debug)]
enum Event {
    WorkerAsks {
        worker: usize,
    },
    AskArrives {
        worker: usize,
        number: u64,
        asked_at: u64,
    },
    Wake {
        reign: u64,
    },
    AppendEnds {
        reign: u64,
    },
    GrantArrives {
        worker: usize,
        number: u64,
        asked_at: u64,
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

/// Records on their way to the ledger, and the grants that depend on them.
struct Pending {
    records: Vec<LedgerRecord>,
    grants: Vec<Grant>,
    decided: Decided,
}

/// When a grant was decided, and under which limit.
#[derive(Clone, Copy, Debug)]
struct Decided {
    at: u64,
    limit: u32,
}

struct Governor {
    budget: Budget,
    reign: u64,
    started: u64,
    origin: u64,
    ppm: u64,
    appends: VecDeque<Pending>,
    append_free: u64,
    asks: BTreeMap<AskId, (usize, u64, u64)>,
    deadlines: BTreeMap<AskId, Moment>,
}

impl Governor {
    fn now(&self, t: u64) -> Moment {
        Moment::from_millis(self.origin + (t - self.started) * (1_000_000 + self.ppm) / 1_000_000)
    }

    fn real(&self, moment: Moment) -> u64 {
        self.started + (moment.as_millis() - self.origin) * 1_000_000 / (1_000_000 + self.ppm) + 1
    }
}

pub(crate) struct World {
    scenario: Scenario,
    chance: Chance,
    t: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    governor: Option<Governor>,
    reign: u64,
    limit: u32,
    ledger: Vec<(u64, LedgerRecord)>,
    asking: Vec<u64>,
    next_ask: u64,
    next_forged: u64,
    run: Run,
}

impl World {
    pub(crate) fn run(scenario: Scenario) -> Run {
        let mut world = World {
            chance: Chance(scenario.seed),
            t: 1_000,
            sequence: 0,
            events: BTreeMap::new(),
            governor: None,
            reign: 0,
            limit: scenario.limit,
            ledger: Vec::new(),
            asking: vec![0; scenario.workers],
            next_ask: 1,
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
        world.begin();
        let end = world.scenario.span;
        while let Some(((t, _), event)) = world.events.pop_first() {
            if t > end {
                break;
            }
            world.t = t;
            world.happen(event);
        }
        world.retire();
        world.run.ledger = world.ledger;
        world.run
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
            Event::AskArrives {
                worker,
                number,
                asked_at,
            } => self.ask_arrives(worker, number, asked_at),
            Event::Wake { reign } => {
                if self
                    .governor
                    .as_ref()
                    .is_some_and(|governor| governor.reign == reign)
                {
                    self.advance();
                }
            }
            Event::AppendEnds { reign } => {
                if self
                    .governor
                    .as_ref()
                    .is_some_and(|governor| governor.reign == reign)
                {
                    self.append_ends();
                }
            }
            Event::GrantArrives {
                worker,
                number,
                asked_at,
                grant,
                decided,
            } => {
                self.answered(worker, number);
                self.use_grant(asked_at, &grant, decided);
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

    fn worker_asks(&mut self, worker: usize) {
        if self.asking[worker] != 0 {
            return;
        }
        let number = self.next_ask;
        self.next_ask += 1;
        self.asking[worker] = number;
        let delay = self.delay();
        let asked_at = self.t;
        self.after(
            delay,
            Event::AskArrives {
                worker,
                number,
                asked_at,
            },
        );
    }

    /// An ask that is lost, or whose answer is, is given up and made again.
    fn ask_arrives(&mut self, worker: usize, number: u64, asked_at: u64) {
        self.after(
            TTL + 400,
            Event::PutOff {
                worker,
                number,
                retry_after: 0,
            },
        );
        let class = Class::ALL[self.chance.below(4) as usize];
        let want = 1 + self.chance.below(3) as u32;
        let t = self.t;
        let Some(governor) = &mut self.governor else {
            return;
        };
        let now = governor.now(t);
        let id = AskId::new(number);
        let deadline = now + Duration::from_millis(100 + number % 400);
        let ask = Ask {
            id,
            worker: WorkerId::new(&format!("worker-{worker}")).unwrap(),
            flow: FlowId::new(&format!("flow-{}", number % 3)).unwrap(),
            class,
            want,
            deadline,
        };
        governor.budget.ask(now, ask).unwrap();
        governor.asks.insert(id, (worker, number, asked_at));
        governor
            .deadlines
            .insert(id, deadline.min(now + governor.budget.settings().wait_max()));
        self.advance();
    }

    fn advance(&mut self) {
        let t = self.t;
        let Some(governor) = &mut self.governor else {
            return;
        };
        let now = governor.now(t);
        let Step {
            grants,
            waits,
            records,
            next_wake,
        } = governor.budget.advance(now);
        for id in grants
            .iter()
            .map(|grant| grant.ask)
            .chain(waits.iter().map(|wait| wait.ask))
        {
            governor.deadlines.remove(&id);
        }
        let late: Vec<AskId> = governor
            .deadlines
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| *id)
            .collect();
        self.run.unanswered.extend(late);
        let decided = Decided {
            at: t,
            limit: self.limit,
        };
        let reign = governor.reign;
        if let Some(wake) = next_wake {
            assert!(
                wake > now,
                "a wake-up at {wake:?} is not after {now:?}: the budget would spin"
            );
            let at = governor.real(wake);
            self.at(at.max(t + 1), Event::Wake { reign });
        }
        for wait in waits {
            let forged = self.scenario.fault == Some(Fault::BurstPassesTheRing) && self.chance.one_in(4);
            let Some((worker, number, asked_at)) =
                self.governor.as_mut().and_then(|it| it.asks.remove(&wait.ask))
            else {
                continue;
            };
            if forged {
                let grant = GrantId {
                    epoch: Epoch::new(1_000_000),
                    number: self.next_forged,
                };
                self.next_forged += 1;
                let grant = Grant {
                    ask: wait.ask,
                    grant,
                    class: Class::Urgent,
                    tokens: 1,
                    ttl: Duration::from_millis(TTL),
                };
                self.tell(worker, number, asked_at, grant, decided);
            } else {
                let delay = self.delay();
                let retry_after = wait.retry_after.as_millis() as u64;
                self.after(
                    delay,
                    Event::PutOff {
                        worker,
                        number,
                        retry_after: retry_after.min(500),
                    },
                );
            }
        }
        if !records.is_empty() {
            if self.scenario.fault == Some(Fault::ToldBeforeLogged) {
                self.tell_all(&grants, decided);
            }
            let pause = self.chance.below(30);
            let Some(governor) = &mut self.governor else {
                return;
            };
            let ends = (t + pause).max(governor.append_free);
            governor.append_free = ends;
            governor.appends.push_back(Pending {
                records,
                grants,
                decided,
            });
            self.at(ends, Event::AppendEnds { reign });
        }
    }

    fn append_ends(&mut self) {
        let trouble = self.chance.below(1_000) < self.scenario.append_trouble;
        let rejected = self.chance.one_in(2);
        let t = self.t;
        let Some(governor) = &mut self.governor else {
            return;
        };
        let Some(Pending {
            records,
            grants,
            decided,
        }) = governor.appends.pop_front()
        else {
            return;
        };
        if !trouble {
            self.log(records);
            if self.scenario.fault != Some(Fault::ToldBeforeLogged) {
                self.tell_all(&grants, decided);
            }
            return;
        }
        let now = governor.now(t);
        for grant in &grants {
            let append = if rejected {
                Append::Rejected
            } else {
                Append::Unknown
            };
            governor.budget.disown(now, grant.grant, append);
        }
        if !rejected {
            self.log(records);
            if self.scenario.fault == Some(Fault::UnknownAppendIsTakenForNone) {
                for grant in &grants {
                    let Some(governor) = &mut self.governor else {
                        return;
                    };
                    governor.budget.disown(now, grant.grant, Append::Rejected);
                }
                self.tell_all(&grants, decided);
            }
        }
        self.advance();
    }

    fn log(&mut self, records: Vec<LedgerRecord>) {
        let stamp = self.t + self.chance.below(GUARD / 2);
        self.ledger
            .extend(records.into_iter().map(|record| (stamp, record)));
    }

    fn tell_all(&mut self, grants: &[Grant], decided: Decided) {
        for grant in grants {
            let known = self
                .governor
                .as_mut()
                .and_then(|governor| governor.asks.remove(&grant.ask));
            if let Some((worker, number, asked_at)) = known {
                self.tell(worker, number, asked_at, grant.clone(), decided);
            }
        }
    }

    fn tell(&mut self, worker: usize, number: u64, asked_at: u64, grant: Grant, decided: Decided) {
        if self.scenario.fault == Some(Fault::CoolsFromTheGrant) {
            for token in 0..grant.tokens {
                self.hear(
                    grant.grant,
                    Settled {
                        token,
                        settlement: Settlement::Used(Outcome::Answered),
                    },
                );
            }
        }
        if !self.chance.in_thousand(self.scenario.loss) {
            let delay = self.delay();
            self.after(
                delay,
                Event::GrantArrives {
                    worker,
                    number,
                    asked_at,
                    grant,
                    decided,
                },
            );
        }
    }

    fn answered(&mut self, worker: usize, number: u64) {
        if self.asking[worker] == number {
            self.asking[worker] = 0;
            self.after(1, Event::WorkerAsks { worker });
        }
    }

    /// The worker's part: each token is used after some work, perhaps too late, perhaps never.
    fn use_grant(&mut self, asked_at: u64, grant: &Grant, decided: Decided) {
        let use_by = asked_at + grant.ttl.as_millis() as u64;
        let dies = self.chance.in_thousand(self.scenario.death);
        for token in 0..grant.tokens {
            let mut pause = self.chance.below(60);
            if self.chance.in_thousand(self.scenario.silence) {
                pause += self.chance.below(3 * WINDOW);
            }
            let event = Event::Sends {
                grant: grant.grant,
                token,
                use_by,
                decided,
                dies,
            };
            self.after(pause, event);
        }
    }

    fn send(&mut self, grant: GrantId, token: u32, use_by: u64, decided: Decided, dies: bool) {
        let void = self.t >= use_by && self.scenario.fault != Some(Fault::VoidPermitIsUsed);
        if void || self.chance.one_in(40) {
            if !dies {
                self.report(
                    self.t,
                    grant,
                    Settled {
                        token,
                        settlement: Settlement::Unused,
                    },
                );
            }
            return;
        }
        let attempts = if self.scenario.fault == Some(Fault::ClientRetriesByItself) && self.chance.one_in(20)
        {
            2
        } else {
            1
        };
        if dies || self.chance.in_thousand(self.scenario.silence) {
            let at = self.t + self.chance.below(SETTLE);
            self.run.counted.push(Counted {
                at,
                granted_at: decided.at,
                limit: decided.limit,
            });
            if !dies {
                let gives_up = self.t + self.chance.below(SETTLE);
                let outcome = match self.scenario.fault {
                    Some(Fault::UnknownCountsAsAnswered) => Outcome::Answered,
                    _ => Outcome::Unknown,
                };
                self.report(
                    gives_up,
                    grant,
                    Settled {
                        token,
                        settlement: Settlement::Used(outcome),
                    },
                );
            } else if self.scenario.fault == Some(Fault::DeadWorkersTokensFreeAtOnce) {
                self.report(
                    self.t,
                    grant,
                    Settled {
                        token,
                        settlement: Settlement::Unused,
                    },
                );
            }
            return;
        }
        let response = self.t + 1 + self.chance.below(300);
        for _ in 0..attempts {
            let at = self.chance.between(self.t, response);
            self.run.counted.push(Counted {
                at,
                granted_at: decided.at,
                limit: decided.limit,
            });
        }
        let outcome = if self.chance.in_thousand(self.scenario.refusal) {
            Outcome::Refused {
                retry_after_ms: self.chance.one_in(2).then_some(400),
            }
        } else {
            Outcome::Answered
        };
        self.report(
            response,
            grant,
            Settled {
                token,
                settlement: Settlement::Used(outcome),
            },
        );
    }

    fn report(&mut self, at: u64, grant: GrantId, settled: Settled) {
        let delay = self.delay();
        self.at(at + delay, Event::ReportArrives { grant, settled });
        if self.chance.in_thousand(self.scenario.loss) {
            let again = self.chance.below(4 * WINDOW);
            self.at(at + delay + again, Event::ReportArrives { grant, settled });
        }
    }

    fn report_arrives(&mut self, grant: GrantId, settled: Settled) {
        if self.governor.is_none() || self.chance.in_thousand(self.scenario.loss) {
            let again = 250 + self.chance.below(2 * WINDOW);
            self.after(again, Event::ReportArrives { grant, settled });
            return;
        }
        if self.scenario.fault != Some(Fault::CoolsFromTheGrant) {
            self.hear(grant, settled);
        }
        self.advance();
    }

    fn hear(&mut self, grant: GrantId, settled: Settled) {
        let t = self.t;
        if let Some(governor) = &mut self.governor {
            let now = governor.now(t);
            // A grant that is long forgotten has nothing left to settle.
            let _ = governor.budget.report(now, grant, &[settled]);
        }
    }

    fn crash(&mut self) {
        self.retire();
        let away = self.chance.below(2_000);
        self.after(away, Event::Takeover);
    }

    /// The governor is gone; of its appends under way a prefix still reaches the ledger.
    fn retire(&mut self) {
        let Some(governor) = self.governor.take() else {
            return;
        };
        let now = governor.now(self.t);
        self.run.contradictions += governor.budget.status(now).contradictions;
        for Pending { records, .. } in governor.appends {
            if self.chance.one_in(2) {
                break;
            }
            self.log(records);
        }
    }

    fn take_over(&mut self) {
        self.run.takeovers += 1;
        let settings = self.scenario.settings(self.limit);
        if self.chance.in_thousand(self.scenario.ledger_loss) {
            self.ledger.clear();
            let fresh = self.scenario.fault == Some(Fault::LostLedgerIsTakenForEmpty);
            self.enthrone(|epoch, now| match fresh {
                true => Budget::new(settings, epoch, now),
                false => Budget::quiet(settings, epoch, now),
            });
        } else {
            let stamp = self.t;
            let horizon = settings.horizon().as_millis() as u64;
            let fault = self.scenario.fault;
            let mut records: Vec<Aged> = self
                .ledger
                .iter()
                .map(|(written, record)| Aged::between(record.clone(), *written, stamp))
                .filter(|aged| aged.age.as_millis() as u64 <= horizon)
                .collect();
            if fault == Some(Fault::ReplayOverstatesAges) {
                records.iter_mut().for_each(|aged| aged.age *= 3);
            }
            if fault == Some(Fault::ReplayForgetsUnreported) {
                records.retain(|aged| !matches!(aged.record, LedgerRecord::Granted { .. }));
            }
            self.enthrone(|epoch, now| Budget::replay(settings, epoch, records, now).unwrap());
        }
        self.plan_crash();
        self.advance();
    }

    fn enthrone(&mut self, budget: impl FnOnce(Epoch, Moment) -> Budget) {
        self.reign += 1;
        let epoch = Epoch::new(self.reign);
        let stamp = self.t;
        self.ledger.push((stamp, LedgerRecord::Epoch { epoch }));
        let origin = self.chance.below(2) * self.chance.below(1_000_000);
        let ppm = match self.scenario.fault {
            Some(Fault::ClockRunsFast) => 100_000,
            _ => self.chance.below(500),
        };
        self.governor = Some(Governor {
            budget: budget(epoch, Moment::from_millis(origin)),
            reign: self.reign,
            started: self.t,
            origin,
            ppm,
            appends: VecDeque::new(),
            append_free: self.t,
            asks: BTreeMap::new(),
            deadlines: BTreeMap::new(),
        });
    }

    fn plan_crash(&mut self) {
        let every = self.scenario.crash_every;
        let pause = self.chance.between(every / 4, 2 * every);
        self.after(pause, Event::Crash);
    }

    /// Mostly short, now and then long enough to overtake.
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

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn in_thousand(&mut self, n: u64) -> bool {
        self.below(1_000) < n
    }
}
