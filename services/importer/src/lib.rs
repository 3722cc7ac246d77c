//! The importer: reads users, teams and memberships from Litmos into the observed state.
//!
//! It never writes to Litmos. A run notes after every page how far it has come, so a kill costs one page. Only a run
//! that has read everything it set out to read concludes that something is not there any more.

mod run;
mod state;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use chassis::health::Health;
use provisioning::ImportRun;
use rate_tokens::Class;
use serde_json::{Value, json};
use service::{About, AccountProblem, Accounts};
use settings::{Org, Settings};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use run::Import;

/// An org whose importer died is taken over after this long.
const LEASE: Duration = Duration::from_secs(5);

/// Pause before a run that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// What the service is made of.
#[derive(Debug)]
pub struct Parts {
    pub bus: Bus,
    pub settings: Arc<Settings>,
    pub health: Health,
}

/// Imports each org that has never been imported whole, goes on with runs that were cut short, and imports when asked.
///
/// # Errors
/// When an org's settings cannot be worked with.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), AccountProblem> {
    let Parts {
        bus,
        settings,
        health,
    } = parts;
    let accounts = Accounts::new(&bus, "importer");
    let mut orgs = JoinSet::new();
    for org in &settings.orgs {
        let litmos = accounts.client(org)?;
        let desk = Desk {
            bus: bus.clone(),
            org: org.clone(),
            tokens: accounts.tokens().clone(),
            litmos,
        };
        orgs.spawn(desk.run(stop.clone()));
    }
    health.ready("importer");
    while orgs.join_next().await.is_some() {}
    accounts.close().await;
    Ok(())
}

/// One org's imports.
struct Desk {
    bus: Bus,
    org: Org,
    tokens: bus::Tokens,
    litmos: litmos::Client,
}

impl Desk {
    async fn run(self, stop: CancellationToken) {
        let name = format!("importer.{}", self.org.id);
        while !stop.is_cancelled() {
            let lease = tokio::select! {
                () = stop.cancelled() => return,
                lease = self.bus.lease(&name, LEASE) => lease,
            };
            let over = stop.child_token();
            tokio::select! {
                () = lease.lost() => {}
                () = self.own(over.clone()) => {}
                () = stop.cancelled() => {}
            }
            over.cancel();
            lease.release().await;
        }
    }

    async fn own(&self, over: CancellationToken) {
        let (ask, mut asked) = mpsc::channel::<()>(1);
        let (bus, org) = (self.bus.clone(), self.org.id.clone());
        let answering = move |method: String, _body: Value| {
            let (ask, bus, org) = (ask.clone(), bus.clone(), org.clone());
            async move {
                match method.as_str() {
                    // One that waits already is the one that was asked for.
                    "import" => drop(ask.try_send(())),
                    "status" => {}
                    other => {
                        return Err(format!(
                            "the importer has no answer to {other:?}; ask for import or status"
                        ));
                    }
                }
                let run = state::last_run(&bus, &org)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(run.map_or(Value::Null, |run| say(&run)))
            }
        };
        if let Err(error) = self
            .bus
            .serve_control("importer", &self.org.id, over, answering)
            .await
        {
            tracing::error!(org.id = %self.org.id, %error, "questions about this org cannot be answered");
        }
        let mut class = match state::last_run(&self.bus, &self.org.id).await {
            Ok(Some(run)) if run.is_complete() => None,
            _ => Some(Class::Background),
        };
        loop {
            if let Some(class) = class.take() {
                let about = About {
                    class: class.as_str(),
                    kind: "import".to_owned(),
                    ..About::default()
                };
                let import = Import::new(&self.bus, &self.org, &self.tokens, &self.litmos, class);
                if let Err(error) = service::about(about, import.run()).await {
                    tracing::warn!(org.id = %self.org.id, %error, "an import did not come to its end");
                    tokio::time::sleep(AGAIN.min(self.org.budget().window())).await;
                }
            }
            let unfinished =
                !matches!(state::last_run(&self.bus, &self.org.id).await, Ok(Some(run)) if run.is_complete());
            if unfinished {
                class = Some(Class::Background);
                continue;
            }
            if asked.recv().await.is_none() {
                return;
            }
            class = Some(Class::Interactive);
        }
    }
}

/// A run for those who ask: where it stands, and the ten counters.
fn say(run: &ImportRun) -> Value {
    json!({
        "id": run.id,
        "complete": run.is_complete(),
        "running": run.is_running(),
        "phase": run.phase,
        "calls": run.calls,
        "started_at_ms": run.started_at_ms,
        "changed_at_ms": run.changed_at_ms,
        "users": run.report.users,
        "groups": run.report.groups,
        "linked": run.report.linked,
        "to_be_matched": run.report.to_be_matched,
        "unmanaged": run.report.unmanaged,
    })
}
