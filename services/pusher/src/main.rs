//! The pusher as a process of its own.

use pusher::{Cuts, Parts, run};

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
