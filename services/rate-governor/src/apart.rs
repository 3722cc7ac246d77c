//! The governor on a thread of its own, within a process that does other things too.
//!
//! A grant is a chain of short steps: a message is read, decided on, appended, acknowledged, told. On one thread each step
//! finds the next one awake. Spread over several they wake each other, which costs more than all that they do; and among
//! tasks that plan for a second, everybody would wait for a token that long.

use std::collections::BTreeMap;

use bus::{Bus, BusError, ConnectError, NatsConnection};
use chassis::health::Health;
use provisioning::OrgId;
use rate_tokens::BudgetSettings;
use tokio_util::sync::CancellationToken;

use crate::{Dependencies, run};

/// Why a governor on a thread of its own ended.
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

/// Leads whenever the lease can be had, on a thread and a connection of its own, until stopped or no longer awaited.
///
/// # Errors
/// When there is no thread or no server, or the bus takes no subscription.
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
