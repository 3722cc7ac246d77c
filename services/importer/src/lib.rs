//! The importer: reads users, teams and memberships from Litmos into the observed state.
//!
//! It never writes to Litmos. A run stores its progress after every page, so a crash costs one page. Only a run that has read everything
//! concludes that something does not exist any more.

mod run;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::{Bus, OperatorError, OperatorRequest, Service};
use chassis::health::Health;
use provisioning::ImportRun;
use rate_tokens::Class;
use serde_json::{Value, json};
use service::{About, AccountProblem, Accounts};
use settings::{Org, Settings};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use run::{Import, ImportError};

/// Time after which another importer takes over an org from a crashed one.
const LEASE: Duration = Duration::from_secs(5);

/// Delay before a failed import is retried. It doubles with each failure.
const AGAIN_FIRST: Duration = Duration::from_secs(2);

/// Longest delay before a failed import is retried. A repaired connection is noticed after this time at the latest.
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// Delay before retrying an import that would have removed too many accounts, unless an import is requested earlier. The missing accounts
/// may be back by then, and a full import is expensive.
const AGAIN_AFTER_LOSSES: Duration = Duration::from_secs(3_600);

fn pause_after(failed: u32) -> Duration {
    AGAIN_FIRST.saturating_mul(1 << failed.min(10)).min(AGAIN_MAX)
}

/// The parts that the service needs.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    pub settings: Arc<Settings>,
    pub health: Health,
}

/// Imports each org that has never been imported completely, continues interrupted imports, and imports on request.
///
/// # Errors
/// If an org's settings are not usable.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), AccountProblem> {
    let Dependencies {
        bus,
        settings,
        health,
    } = dependencies;
    let accounts = Accounts::new(&bus, "importer");
    let mut orgs = JoinSet::new();
    for org in &settings.orgs {
        let litmos = accounts.client(org)?;
        let importer = OrgImporter {
            bus: bus.clone(),
            org: org.clone(),
            tokens: accounts.tokens().clone(),
            litmos,
        };
        orgs.spawn(importer.run(stop.clone()));
    }
    health.ready("importer");
    while orgs.join_next().await.is_some() {}
    accounts.close().await;
    Ok(())
}

/// One org's imports.
struct OrgImporter {
    bus: Bus,
    org: Org,
    tokens: bus::Tokens,
    litmos: litmos::Client,
}

impl OrgImporter {
    async fn run(self, stop: CancellationToken) {
        let name = format!("importer.{}", self.org.id);
        let work = |lease, over: CancellationToken| service::until_lost(lease, over.clone(), self.own(over));
        service::while_owner(&self.bus, &name, LEASE, &stop, work).await;
    }

    async fn own(&self, over: CancellationToken) {
        let (ask, mut asked) = mpsc::channel::<()>(1);
        let accepts = Arc::new(AtomicBool::new(false));
        let (bus, org, accepting) = (self.bus.clone(), self.org.id.clone(), accepts.clone());
        let answering = move |request: OperatorRequest| {
            let (ask, bus, org, accepting) = (ask.clone(), bus.clone(), org.clone(), accepting.clone());
            async move {
                match request {
                    OperatorRequest::Import { accept_losses } => {
                        accepting.fetch_or(accept_losses, Ordering::Relaxed);
                        // If a request is waiting already, it covers this one too.
                        let _ = ask.try_send(());
                    }
                    OperatorRequest::Status => {}
                    _ => {
                        return Err(OperatorError::UnknownRequest {
                            service: Service::Importer,
                        });
                    }
                }
                let run = state::last_run(&bus, &org)
                    .await
                    .map_err(|error| OperatorError::Refused(chassis::error_chain(&error)))?;
                Ok(run.map_or(Value::Null, |run| progress(&run)))
            }
        };
        if let Err(error) = self
            .bus
            .serve_operator(Service::Importer, &self.org.id, over, answering)
            .await
        {
            tracing::error!(org.id = %self.org.id, %error, "questions about this org cannot be answered");
        }
        let mut next = match state::last_run(&self.bus, &self.org.id).await {
            Ok(Some(run)) if run.is_complete() => None,
            _ => Some(Class::Background),
        };
        let mut failed = 0;
        loop {
            let Some(class) = next.take() else {
                if asked.recv().await.is_none() {
                    return;
                }
                next = Some(Class::Interactive);
                continue;
            };
            // Losses are accepted for one run only. The next run with as many losses needs a new request.
            let accept = accepts.swap(false, Ordering::Relaxed);
            let Err(error) = self.import(class, accept).await else {
                failed = 0;
                continue;
            };
            tracing::warn!(org.id = %self.org.id, %error, "an import did not come to its end");
            next = match error {
                ImportError::Losses { .. } => {
                    match tokio::time::timeout(AGAIN_AFTER_LOSSES, asked.recv()).await {
                        Ok(None) => return,
                        Ok(Some(())) => Some(Class::Interactive),
                        Err(_) => Some(Class::Background),
                    }
                }
                ImportError::Litmos(_) | ImportError::Write(_) | ImportError::Bus(_) => {
                    accepts.fetch_or(accept, Ordering::Relaxed);
                    let pause = pause_after(failed);
                    failed += 1;
                    match tokio::time::timeout(pause, asked.recv()).await {
                        Ok(None) => return,
                        Ok(Some(())) => Some(Class::Interactive),
                        Err(_) => Some(Class::Background),
                    }
                }
            };
        }
    }

    async fn import(&self, class: Class, accept_losses: bool) -> Result<ImportRun, ImportError> {
        let about = About {
            class: class.as_str(),
            kind: "import".to_owned(),
            ..About::default()
        };
        let import = Import::new(
            &self.bus,
            &self.org,
            &self.tokens,
            &self.litmos,
            class,
            accept_losses,
        );
        service::about(about, import.run()).await
    }
}

/// A run as a control response: its progress and its counters.
fn progress(run: &ImportRun) -> Value {
    json!({
        "id": run.id,
        "complete": run.is_complete(),
        "running": run.is_running(),
        "phase": run.phase,
        "calls": run.calls,
        "started_at_ms": run.started_at_ms,
        "changed_at_ms": run.changed_at_ms,
        "paused": run.paused,
        "users": run.report.users,
        "groups": run.report.groups,
        "linked": run.report.linked,
        "to_be_matched": run.report.to_be_matched,
        "unmanaged": run.report.unmanaged,
    })
}
