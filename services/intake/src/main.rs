//! The intake as a process of its own.

use intake::{Parts, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::main("intake", async |process| {
        let parts = Parts {
            bus: process.bus,
            settings: process.settings,
            health: process.health,
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
