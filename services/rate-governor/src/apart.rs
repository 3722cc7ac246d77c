//! Runs the governor on its own thread, within a process that also does other work.
//!
//! A grant is a chain of short steps: a message is read, decided on, appended, acknowledged and answered. On one
//! thread, the next step needs no wake-up. Spread over several threads, the steps must wake each other, which costs
//! more than all their work. Next to tasks that plan for a second, every worker would wait that long for a token.

use std::collections::BTreeMap;

use bus::{Bus, BusError, ConnectError, NatsConnection};
use chassis::health::Health;
use provisioning::OrgId;
use rate_tokens::BudgetSettings;
use tokio_util::sync::CancellationToken;

use crate::{Dependencies, run};

/// Reason why a governor on its own thread ended.
#[derive(Debug, thiserror::Error)]
pub enum ApartError {
    #[error("the governor's thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the governor's thread broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// Leads whenever it gets the lease, on its own thread and connection, until stopped or until the returned future is
/// dropped.
///
/// # Errors
/// If the thread cannot be started, the server cannot be reached, or the bus accepts no subscription.
pub async fn run_apart(
    connection: NatsConnection,
    budgets: BTreeMap<OrgId, BudgetSettings>,
    health: Health,
    stop: &CancellationToken,
) -> Result<(), ApartError> {
    let stop = stop.child_token();
    let _ends_with_this = stop.clone().drop_guard();
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ApartError::Thread)?;
        runtime.block_on(async {
            let bus = Bus::connect(&connection, "rate-governor").await?;
            Ok(run(Dependencies { bus, budgets, health }, stop).await?)
        })
    });
    thread.await?
}
