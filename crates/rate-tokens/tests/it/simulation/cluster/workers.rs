//! Workers: they request, send, die, and report over a network that delays, repeats and loses messages.

use super::*;

impl Cluster {
    pub(super) fn worker_asks(&mut self, worker: usize) {
        if self.asking[worker] != 0 {
            return;
        }
        let number = self.next_request;
        self.next_request += 1;
        self.asking[worker] = number;
        let delay = self.delay();
        let at = self.t;
        self.after(delay, Event::AskArrives(Asking { worker, number, at }));
    }

    /// Handles the arrival of a request. If the request or its response is lost, the worker gives up and requests
    /// again.
    pub(super) fn ask_arrives(&mut self, asking: Asking) {
        let Asking { worker, number, .. } = asking;
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
        let id = RequestId::new(number);
        let deadline = now + Duration::from_millis(100 + number % 400);
        let request = TokenRequest {
            id,
            worker: WorkerId::new(&format!("worker-{worker}")).unwrap(),
            flow: FlowId::new(&format!("flow-{}", number % 3)).unwrap(),
            class,
            want,
            deadline,
        };
        governor.budget.request(now, request).unwrap();
        governor.requests.insert(id, asking);
        governor
            .deadlines
            .insert(id, deadline.min(now + governor.budget.settings().wait_max()));
        self.advance();
    }

    pub(super) fn answered(&mut self, Asking { worker, number, .. }: Asking) {
        if self.asking[worker] == number {
            self.asking[worker] = 0;
            self.after(1, Event::WorkerAsks { worker });
        }
    }

    /// Uses each token of a grant after some work, perhaps too late, perhaps never.
    pub(super) fn use_grant(&mut self, requested_at: u64, grant: &Grant, decided: Decided) {
        let use_by = requested_at + grant.ttl.as_millis() as u64;
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

    pub(super) fn send(&mut self, grant: GrantId, token: u32, use_by: u64, decided: Decided, dies: bool) {
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

    pub(super) fn report(&mut self, at: u64, grant: GrantId, settled: Settled) {
        let delay = self.delay();
        self.at(at + delay, Event::ReportArrives { grant, settled });
        if self.chance.in_thousand(self.scenario.loss) {
            let again = self.chance.below(4 * WINDOW);
            self.at(at + delay + again, Event::ReportArrives { grant, settled });
        }
    }

    pub(super) fn report_arrives(&mut self, grant: GrantId, settled: Settled) {
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
}
