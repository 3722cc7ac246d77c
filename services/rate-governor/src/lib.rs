//! The rate governor: one leader grants the right to send requests, for all orgs.
//!
//! The lease only decides who tries. Safety is the ledger's: every grant is appended to the org's log, guarded by the
//! log's last sequence, before anybody is told of it. A leader that was deposed, frozen or cut off finds its append
//! refused and has told nobody.
//!
//! This service never calls Litmos, and forgets everything but what the ledger says.

mod reign;

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{AcquireAnswer, Bus, BusError, GOVERNOR_LEASE, GovernorRequest, Lease};
use chassis::health::Health;
use provisioning::OrgId;
use rate_tokens::{BudgetSettings, Moment};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use reign::Request;

/// A leader that is gone is followed after this long at most, and a little for the asking.
const LEASE: Duration = Duration::from_secs(2);

/// Requests of one org that wait for its budget.
const QUEUE: usize = 4_096;

/// What the service is made of.
#[derive(Debug)]
pub struct Parts {
    pub bus: Bus,
    pub budgets: BTreeMap<OrgId, BudgetSettings>,
    pub health: Health,
}

/// The clock that tokens cool by: a wall clock that is set forward must free none of them early.
pub(crate) fn now() -> Moment {
    Moment::from_millis(chassis::clock::boot_ms())
}

/// Leads whenever the lease can be had, until stopped.
///
/// # Errors
/// When the bus takes no subscription.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), BusError> {
    let Parts { bus, budgets, health } = parts;
    health.ready("rate-governor");
    loop {
        let lease = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            lease = bus.lease(GOVERNOR_LEASE, LEASE) => lease,
        };
        tracing::info!(
            epoch = lease.epoch(),
            orgs = budgets.len(),
            "leading the rate governor"
        );
        lead(&bus, &budgets, &lease, &stop).await?;
        lease.release().await;
        if stop.is_cancelled() {
            return Ok(());
        }
        tracing::warn!("no longer leading the rate governor");
    }
}

async fn lead(
    bus: &Bus,
    budgets: &BTreeMap<OrgId, BudgetSettings>,
    lease: &Lease,
    stop: &CancellationToken,
) -> Result<(), BusError> {
    let end = stop.child_token();
    let mut requests = bus.governor_requests(end.clone()).await?;
    let mut reigns = JoinSet::new();
    let mut orgs = BTreeMap::new();
    for (org, settings) in budgets {
        let (sender, receiver) = mpsc::channel(QUEUE);
        orgs.insert(org.to_string(), sender);
        reigns.spawn(reign::reign(
            bus.clone(),
            org.clone(),
            settings.clone(),
            lease.epoch(),
            receiver,
            end.clone(),
        ));
    }
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = lease.lost() => break,
            Some(_) = reigns.join_next() => break,
            request = requests.recv() => match request {
                Some(request) => route(request, &orgs),
                None => break,
            },
        }
    }
    end.cancel();
    while reigns.join_next().await.is_some() {}
    Ok(())
}

/// Hands a request to its org's budget. One that is refused here never reaches a budget.
fn route(request: GovernorRequest, orgs: &BTreeMap<String, mpsc::Sender<Request>>) {
    match request {
        GovernorRequest::Acquire {
            org,
            worker,
            class,
            flow,
            want,
            wait,
            seen,
            answer,
        } => {
            let Some(budget) = orgs.get(&org) else {
                let said = format!("org {org:?} is not in the governor's settings; add it there");
                let _ = answer.send(AcquireAnswer::Refused { said });
                return;
            };
            let Some(class) = class else {
                let _ = answer.send(AcquireAnswer::Refused {
                    said: "the class of the ask is none of the four".to_owned(),
                });
                return;
            };
            let ask = Request::Acquire {
                worker,
                class,
                flow,
                want,
                wait,
                seen,
                answer,
            };
            if let Err(mpsc::error::TrySendError::Full(Request::Acquire { answer, .. })) =
                budget.try_send(ask)
            {
                let _ = answer.send(AcquireAnswer::Wait {
                    retry_after: Duration::from_secs(1),
                });
            }
        }
        GovernorRequest::Report {
            org,
            grant,
            settled,
            answer,
        } => match (orgs.get(&org), grant) {
            (Some(budget), Some(grant)) => {
                // A full queue drops the report unanswered: the worker repeats it.
                let _ = budget.try_send(Request::Report {
                    grant,
                    settled,
                    answer,
                });
            }
            _ => {
                let _ = answer.send(Some("nothing is known of this org or grant".to_owned()));
            }
        },
        GovernorRequest::Status { org, answer } => {
            let chosen: Vec<(String, mpsc::Sender<Request>)> = orgs
                .iter()
                .filter(|(id, _)| org.as_ref().is_none_or(|wanted| wanted == *id))
                .map(|(id, sender)| (id.clone(), sender.clone()))
                .collect();
            tokio::spawn(async move {
                let _ = answer.send(collect(chosen).await);
            });
        }
    }
}

async fn collect(orgs: Vec<(String, mpsc::Sender<Request>)>) -> Value {
    let mut all = serde_json::Map::new();
    for (org, budget) in orgs {
        let (answer, answered) = oneshot::channel();
        if budget.send(Request::Status { answer }).await.is_ok()
            && let Ok(status) = answered.await
        {
            all.insert(org, json!(status));
        }
    }
    Value::Object(all)
}
