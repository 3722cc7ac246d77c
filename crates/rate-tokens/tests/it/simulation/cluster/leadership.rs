//! Governors: they decide, append, send grants, crash and are replaced.

use super::*;

/// Records in flight to the ledger, and the grants that depend on them.
pub(super) struct Pending {
    pub(super) records: Vec<LedgerRecord>,
    pub(super) grants: Vec<Grant>,
    pub(super) decided: Decided,
}

/// Time at which a grant was decided, and the limit at that time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) at: u64,
    pub(super) limit: u32,
}

pub(super) struct Governor {
    pub(super) budget: Budget,
    pub(super) leadership: u64,
    pub(super) started: u64,
    pub(super) origin: u64,
    pub(super) ppm: u64,
    pub(super) appends: VecDeque<Pending>,
    pub(super) append_free: u64,
    pub(super) requests: BTreeMap<RequestId, Asking>,
    pub(super) deadlines: BTreeMap<RequestId, Moment>,
}

impl Governor {
    pub(super) fn now(&self, t: u64) -> Moment {
        Moment::from_millis(self.origin + (t - self.started) * (1_000_000 + self.ppm) / 1_000_000)
    }

    pub(super) fn real(&self, moment: Moment) -> u64 {
        self.started + (moment.as_millis() - self.origin) * 1_000_000 / (1_000_000 + self.ppm) + 1
    }
}

impl Cluster {
    pub(super) fn advance(&mut self) {
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
            .map(|grant| grant.request)
            .chain(waits.iter().map(|wait| wait.request))
        {
            governor.deadlines.remove(&id);
        }
        let late: Vec<RequestId> = governor
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
        let leadership = governor.leadership;
        if let Some(wake) = next_wake {
            assert!(
                wake > now,
                "a wake-up at {wake:?} is not after {now:?}: the budget would spin"
            );
            let at = governor.real(wake);
            self.at(at.max(t + 1), Event::Wake { leadership });
        }
        for wait in waits {
            let forged = self.scenario.fault == Some(Fault::BurstPassesTheRing) && self.chance.one_in(4);
            let Some(asking) = self
                .governor
                .as_mut()
                .and_then(|it| it.requests.remove(&wait.request))
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
                    request: wait.request,
                    grant,
                    class: Class::Urgent,
                    tokens: 1,
                    ttl: Duration::from_millis(TTL),
                };
                self.tell(asking, grant, decided);
            } else {
                let delay = self.delay();
                let retry_after = wait.retry_after.as_millis() as u64;
                let Asking { worker, number, .. } = asking;
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
            self.at(ends, Event::AppendEnds { leadership });
        }
    }

    pub(super) fn append_ends(&mut self) {
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

    pub(super) fn log(&mut self, records: Vec<LedgerRecord>) {
        let stamp = self.t + self.chance.below(GUARD / 2);
        self.ledger
            .extend(records.into_iter().map(|record| (stamp, record)));
    }

    pub(super) fn tell_all(&mut self, grants: &[Grant], decided: Decided) {
        for grant in grants {
            let known = self
                .governor
                .as_mut()
                .and_then(|governor| governor.requests.remove(&grant.request));
            if let Some(asking) = known {
                self.tell(asking, grant.clone(), decided);
            }
        }
    }

    pub(super) fn tell(&mut self, asking: Asking, grant: Grant, decided: Decided) {
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
                    asking,
                    grant,
                    decided,
                },
            );
        }
    }

    pub(super) fn hear(&mut self, grant: GrantId, settled: Settled) {
        let t = self.t;
        if let Some(governor) = &mut self.governor {
            let now = governor.now(t);
            // A grant that was forgotten long ago has nothing left to settle.
            let _ = governor.budget.report(now, grant, &[settled]);
        }
    }

    pub(super) fn crash(&mut self) {
        self.retire();
        let away = self.chance.below(2_000);
        self.after(away, Event::Takeover);
    }

    /// Removes the governor. A prefix of its appends in flight still reaches the ledger.
    pub(super) fn retire(&mut self) {
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

    pub(super) fn take_over(&mut self) {
        self.run.takeovers += 1;
        let settings = self.scenario.settings(self.limit);
        if self.chance.in_thousand(self.scenario.ledger_loss) {
            self.ledger.clear();
            let fresh = self.scenario.fault == Some(Fault::LostLedgerIsTakenForEmpty);
            if !fresh && self.scenario.fault != Some(Fault::SilenceIsNotWrittenDown) {
                self.ledger.push((self.t, LedgerRecord::Silent));
            }
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

    pub(super) fn enthrone(&mut self, budget: impl FnOnce(Epoch, Moment) -> Budget) {
        self.leadership += 1;
        let epoch = Epoch::new(self.leadership);
        let stamp = self.t;
        self.ledger.push((stamp, LedgerRecord::Epoch { epoch }));
        let origin = self.chance.below(2) * self.chance.below(1_000_000);
        let ppm = match self.scenario.fault {
            Some(Fault::ClockRunsFast) => 100_000,
            _ => self.chance.below(500),
        };
        self.governor = Some(Governor {
            budget: budget(epoch, Moment::from_millis(origin)),
            leadership: self.leadership,
            started: self.t,
            origin,
            ppm,
            appends: VecDeque::new(),
            append_free: self.t,
            requests: BTreeMap::new(),
            deadlines: BTreeMap::new(),
        });
    }

    pub(super) fn plan_crash(&mut self) {
        let every = self.scenario.crash_every;
        let pause = self.chance.between(every / 4, 2 * every);
        self.after(pause, Event::Crash);
    }
}
