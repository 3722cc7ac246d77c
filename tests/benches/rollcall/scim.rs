use std::time::Instant;

use rollcall_tests::{Harness, user};

use crate::row;

/// SCIM over HTTP on one connection, every write durable before it is answered.
pub(crate) async fn scim() -> anyhow::Result<()> {
    let mut harness = Harness::new(litmos_simulator::Settings::default(), "apply = \"manual\"").await;
    harness.up(&[("ROLLCALL_TELEMETRY__LOG_FILTER", "error")]).await;
    harness.bus().await;
    harness.scim("GET", "/Users?count=1", None).await;
    let (mut creates, mut lookups) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for n in 0..500 {
        let asked = Instant::now();
        let (status, _) = harness
            .scim("POST", "/Users", Some(&user(&format!("bench{n}"))))
            .await;
        anyhow::ensure!(status == 201, "create answered {status}");
        creates.push(asked.elapsed());
    }
    row("SCIM create, one connection, fsynced", creates, started.elapsed());
    let started = Instant::now();
    for n in 0..500 {
        let asked = Instant::now();
        harness
            .scim(
                "GET",
                &format!("/Users?filter=userName%20eq%20%22bench{n}@corp.example%22"),
                None,
            )
            .await;
        lookups.push(asked.elapsed());
    }
    row(
        "SCIM lookup by user name, one connection",
        lookups,
        started.elapsed(),
    );
    Ok(())
}
