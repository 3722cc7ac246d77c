//! The SCIM gateway as a process of its own.

use scim_gateway::{Parts, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::main("scim-gateway", async |process| {
        let parts = Parts {
            bus: process.bus,
            settings: process.settings,
            health: process.health,
            clock: chassis::clock::unix_ms,
        };
        Ok(run(parts, process.stop).await?)
    })
    .await
}
