//! Schema discovery as a process of its own.

use schema_discovery::{Parts, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::main("schema-discovery", async |process| {
        let parts = Parts {
            bus: process.bus,
            settings: process.settings,
            health: process.health,
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
