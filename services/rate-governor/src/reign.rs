//! One org's budget under one leader: take over, then decide, append, tell.
//!
//! Everything that is due is decided at once and appended in one entry, so a thousand grants cost one write.

use std::collections::HashMap;
use std::time::Duration;

use bus::{AcquireAnswer, Bus, LedgerEntry, LedgerError};
use provisioning::OrgId;
use rate_tokens::{
    Aged, Append, Ask, AskId, Budget, BudgetSettings, Class, Epoch, FlowId, Grant, GrantId, LedgerRecord,
    Settled, Settlement, Status, Step, WorkerId,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::now;

/// Requests that are taken in before the budget is looked at again.
const TAKEN_AT_ONCE: usize = 512;

/// Pause before the bus is asked again while it is away or full.
const PAUSE: Duration = Duration::from_millis(250);

/// What one org's budget is asked.
#[derive(Debug)]
pub(crate) enum Request {
    Acquire {
        worker: String,
        class: Class,
        flow: String,
        want: u32,
        wait: Duration,
        seen: Option<GrantId>,
        answer: oneshot::Sender<AcquireAnswer>,
    },
    Report {
        grant: GrantId,
        settled: Vec<Settled>,
        answer: oneshot::Sender<Option<String>>,
    },
    Status {
        answer: oneshot::Sender<Status>,
    },
}

/// Why a reign ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Fenced,
}

struct Reign {
    bus: Bus,
    org: OrgId,
    settings: BudgetSettings,
    budget: Budget,
    /// Sequence of the newest entry of the org's ledger.
    last: u64,
    asks: HashMap<AskId, oneshot::Sender<AcquireAnswer>>,
    next_ask: u64,
}

pub(crate) async fn reign(
    bus: Bus,
    org: OrgId,
    settings: BudgetSettings,
    lease_epoch: u64,
    mut requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
) {
    let taken = tokio::select! {
        () = stop.cancelled() => return,
        taken = take_over(&bus, &org, &settings, lease_epoch) => taken,
    };
    let (budget, last) = taken;
    let mut reign = Reign {
        bus,
        org,
        settings,
        budget,
        last,
        asks: HashMap::new(),
        next_ask: 0,
    };
    match reign.run(&mut requests, &stop).await {
        End::Stopped => {}
        End::Fenced => tracing::warn!(org.id = %reign.org, "another governor has taken this org over"),
    }
}

fn records(entries: &[LedgerEntry], until_ms: u64) -> Vec<Aged> {
    let read = |entry: &LedgerEntry| -> Vec<Aged> {
        let records = entry.records.iter().filter_map(|text| match serde_json::from_str::<LedgerRecord>(text) {
            Ok(record) => Some(Aged::between(record, entry.written_ms, until_ms)),
            Err(error) => {
                tracing::error!(sequence = entry.sequence, %error, "an entry of the ledger cannot be read");
                None
            }
        });
        records.collect()
    };
    entries.iter().flat_map(read).collect()
}

/// Fences the predecessor off with a record of the new epoch, and rebuilds the budget from what the ledger says.
async fn take_over(bus: &Bus, org: &OrgId, settings: &BudgetSettings, lease_epoch: u64) -> (Budget, u64) {
    loop {
        match try_take_over(bus, org, settings, lease_epoch).await {
            Ok(Some(taken)) => return taken,
            Ok(None) => {}
            Err(said) => tracing::warn!(org.id = %org, said, "the ledger cannot be taken over yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_take_over(
    bus: &Bus,
    org: &OrgId,
    settings: &BudgetSettings,
    lease_epoch: u64,
) -> Result<Option<(Budget, u64)>, String> {
    let before = bus.ledger_read(org).await.map_err(|error| error.to_string())?;
    let seen = records(&before, u64::MAX)
        .into_iter()
        .filter_map(|aged| match aged.record {
            LedgerRecord::Epoch { epoch } => Some(epoch.get()),
            _ => None,
        });
    let epoch = Epoch::new(seen.max().map_or(lease_epoch, |seen| lease_epoch.max(seen + 1)));
    let last = before.last().map_or(0, |entry| entry.sequence);
    match append(bus, org, last, &[LedgerRecord::Epoch { epoch }]).await {
        Ok(_) => {}
        Err(LedgerError::Fenced { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let entries = bus.ledger_read(org).await.map_err(|error| error.to_string())?;
    let Some(newest) = entries.last() else {
        return Ok(None);
    };
    let known = records(&entries, newest.written_ms);
    let lost = before.is_empty() && was_used(bus, org).await;
    let budget = if lost {
        tracing::warn!(org.id = %org, "the ledger of this org is gone: no requests until what was sent has cooled");
        Budget::quiet(settings.clone(), epoch, now())
    } else {
        // The epoch record itself is the newest, and not an earlier governor's.
        Budget::replay(settings.clone(), epoch, known, now()).unwrap_or_else(|error| {
            tracing::error!(org.id = %org, %error, "the ledger cannot be replayed: no requests for one window");
            Budget::quiet(settings.clone(), epoch, now())
        })
    };
    Ok(Some((budget, newest.sequence)))
}

/// Whether the journal knows of calls, which an org without a ledger cannot have made.
async fn was_used(bus: &Bus, org: &OrgId) -> bool {
    bus.journal_calls(org).await.is_ok_and(|calls| !calls.is_empty())
}

async fn append(bus: &Bus, org: &OrgId, last: u64, records: &[LedgerRecord]) -> Result<u64, LedgerError> {
    let texts = records
        .iter()
        .filter_map(|record| serde_json::to_string(record).ok())
        .collect();
    bus.ledger_append(org, last, texts).await
}

impl Reign {
    async fn run(&mut self, requests: &mut mpsc::Receiver<Request>, stop: &CancellationToken) -> End {
        let mut wake = Some(now());
        loop {
            let sleep = wake.map_or(Duration::from_secs(1), |wake| wake.since(now()));
            tokio::select! {
                () = stop.cancelled() => return End::Stopped,
                request = requests.recv() => match request {
                    Some(request) => self.take(request),
                    None => return End::Stopped,
                },
                () = tokio::time::sleep(sleep) => {}
            }
            for _ in 0..TAKEN_AT_ONCE {
                let Ok(request) = requests.try_recv() else { break };
                self.take(request);
            }
            let step = self.budget.advance(now());
            wake = step.next_wake;
            if let Err(end) = self.perform(step).await {
                return end;
            }
            self.measure();
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Acquire {
                worker,
                class,
                flow,
                want,
                wait,
                seen,
                answer,
            } => {
                self.notice(seen);
                self.next_ask += 1;
                let id = AskId::new(self.next_ask);
                let names = WorkerId::new(&worker).and_then(|worker| Ok((worker, FlowId::new(&flow)?)));
                let asked = match names {
                    Ok((worker, flow)) => {
                        let ask = Ask {
                            id,
                            worker,
                            flow,
                            class,
                            want,
                            deadline: now() + wait,
                        };
                        self.budget.ask(now(), ask).map_err(|refused| refused.to_string())
                    }
                    Err(refused) => Err(refused.to_string()),
                };
                match asked {
                    Ok(()) => drop(self.asks.insert(id, answer)),
                    Err(said) => drop(answer.send(AcquireAnswer::Refused { said })),
                }
            }
            Request::Report {
                grant,
                settled,
                answer,
            } => {
                let refused = match self.budget.report(now(), grant, &settled) {
                    Ok(reported) if reported.contradictions + reported.no_such_token > 0 => {
                        tracing::error!(org.id = %self.org, ?reported, %grant, "a report contradicts the ledger");
                        Some("it contradicts what was reported before".to_owned())
                    }
                    Ok(_) => None,
                    Err(unknown) => Some(unknown.to_string()),
                };
                let _ = answer.send(refused);
            }
            Request::Status { answer } => drop(answer.send(self.budget.status(now()))),
        }
    }

    /// A worker that knows a newer grant than the ledger does has seen a ledger that is gone.
    fn notice(&mut self, seen: Option<GrantId>) {
        if seen.is_some_and(|seen| seen.epoch > self.budget.epoch()) {
            tracing::error!(org.id = %self.org, "a worker holds newer grants than the ledger: it went back in time");
            let epoch = Epoch::new(seen.map_or(0, |seen| seen.epoch.get()) + 1);
            self.budget = Budget::quiet(self.settings.clone(), epoch, now());
        }
    }

    async fn perform(&mut self, step: Step) -> Result<(), End> {
        if !step.records.is_empty() {
            match append(&self.bus, &self.org, self.last, &step.records).await {
                Ok(sequence) => self.last = sequence,
                Err(LedgerError::Fenced { .. }) => return Err(End::Fenced),
                Err(LedgerError::Refused { said, .. }) => {
                    tracing::error!(org.id = %self.org, said, "nothing can be granted: the ledger takes no append");
                    self.disown(&step.grants, Append::Rejected);
                    self.put_off(&step);
                    tokio::time::sleep(PAUSE).await;
                    return Ok(());
                }
                Err(LedgerError::Unknown { .. }) => {
                    self.disown(&step.grants, Append::Unknown);
                    self.put_off(&step);
                    return self.find_out(&step).await;
                }
            }
        }
        for grant in step.grants {
            metrics::counter!("rollcall_tokens_granted_total", "org" => self.org.to_string(), "class" => grant.class.as_str())
                .increment(u64::from(grant.tokens));
            let answer = AcquireAnswer::Grant {
                id: grant.grant,
                tokens: grant.tokens,
                ttl: grant.ttl,
            };
            let told = self
                .asks
                .remove(&grant.ask)
                .is_some_and(|asker| asker.send(answer).is_ok());
            if !told {
                self.take_back(&grant);
            }
        }
        for wait in step.waits {
            if let Some(asker) = self.asks.remove(&wait.ask) {
                let _ = asker.send(AcquireAnswer::Wait {
                    retry_after: wait.retry_after,
                });
            }
        }
        Ok(())
    }

    fn take_back(&mut self, grant: &Grant) {
        let unused: Vec<Settled> = (0..grant.tokens)
            .map(|token| Settled {
                token,
                settlement: Settlement::Unused,
            })
            .collect();
        // Known a moment ago, so it is still.
        let _ = self.budget.report(now(), grant.grant, &unused);
    }

    fn disown(&mut self, grants: &[Grant], append: Append) {
        for grant in grants {
            self.budget.disown(now(), grant.grant, append);
        }
    }

    fn put_off(&mut self, step: &Step) {
        let asks = step
            .grants
            .iter()
            .map(|grant| grant.ask)
            .chain(step.waits.iter().map(|wait| wait.ask));
        for ask in asks {
            if let Some(asker) = self.asks.remove(&ask) {
                let _ = asker.send(AcquireAnswer::Wait { retry_after: PAUSE });
            }
        }
    }

    /// After an append without an answer: reads the ledger until it is known whether the entry is there.
    async fn find_out(&mut self, step: &Step) -> Result<(), End> {
        loop {
            tokio::time::sleep(PAUSE).await;
            let Ok(entries) = self.bus.ledger_read(&self.org).await else {
                continue;
            };
            let newest = entries.last().map_or(0, |entry| entry.sequence);
            if newest == self.last {
                // It may still be on its way; an entry of our own settles that, because both cannot be stored.
                match append(&self.bus, &self.org, self.last, &step.records).await {
                    Ok(sequence) => self.last = sequence,
                    Err(
                        LedgerError::Fenced { .. }
                        | LedgerError::Unknown { .. }
                        | LedgerError::Refused { .. },
                    ) => continue,
                }
            } else {
                let ours: Vec<String> = step
                    .records
                    .iter()
                    .filter_map(|record| serde_json::to_string(record).ok())
                    .collect();
                if entries.last().is_none_or(|entry| entry.records != ours) {
                    return Err(End::Fenced);
                }
                self.last = newest;
            }
            for grant in &step.grants {
                self.take_back(grant);
            }
            return Ok(());
        }
    }

    fn measure(&self) {
        let status = self.budget.status(now());
        let org = self.org.to_string();
        for (state, tokens) in [
            ("free", status.free),
            ("held", status.held),
            ("cooling", status.cooling),
        ] {
            metrics::gauge!("rollcall_tokens", "org" => org.clone(), "state" => state).set(f64::from(tokens));
        }
        metrics::gauge!("rollcall_working_limit", "org" => org.clone()).set(f64::from(status.working_limit));
        for class in Class::ALL {
            let counts = status.classes.get(class);
            metrics::gauge!("rollcall_asks_waiting", "org" => org.clone(), "class" => class.as_str())
                .set(f64::from(counts.waiting));
            metrics::counter!("rollcall_refusals_total", "org" => org.clone(), "class" => class.as_str())
                .absolute(counts.refused);
        }
    }
}
