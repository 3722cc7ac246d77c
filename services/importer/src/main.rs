//! The importer as a process of its own.

use importer::{Parts, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::main("importer", async |process| {
        let parts = Parts {
            bus: process.bus,
            settings: process.settings,
            health: process.health,
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
