//! The pusher as a process of its own.

use pusher::{Cuts, Parts, run};

/// A start makes and drops millions of small things on several threads, and then most of memory stays as it is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::main("pusher", async |process| {
        let parts = Parts {
            bus: process.bus,
            settings: process.settings,
            health: process.health,
            cuts: Cuts::none(),
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
