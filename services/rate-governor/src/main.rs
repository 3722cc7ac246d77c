//! The rate governor as a process of its own.

use rate_governor::{Parts, run};

/// A decision is many small things that are made and dropped within a millisecond.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// On one thread: see `apart`.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    service::main("rate-governor", async |process| {
        let budgets = process
            .settings
            .orgs
            .iter()
            .map(|org| (org.id.clone(), org.budget().clone()))
            .collect();
        let parts = Parts {
            bus: process.bus,
            budgets,
            health: process.health,
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
