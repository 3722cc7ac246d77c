//! How long nothing is granted after the leading governor was killed or frozen, at the default lease.

use std::time::{Duration, Instant};

use bus::Bus;
use rate_tokens::Class;
use rollcall_tests::{Harness, Nats};

use crate::percentile;

const ROUNDS: usize = 10;

pub(crate) async fn failover() -> anyhow::Result<()> {
    let mut harness = Harness::new(
        litmos_simulator::Settings::default(),
        "requests_per_minute = 6000\n",
    )
    .await;
    let nats = Nats::start().await;
    let environment = nats.environment();
    let mut leader = harness.service("rate-governor", &environment);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut standby = harness.service("rate-governor", &environment);
    let bus = Bus::connect(&nats.connection(), "bench-worker").await?;
    let tokens = bus.tokens(chassis::clock::now_ms);
    for freeze in [false, true] {
        let mut gaps = Vec::new();
        for _ in 0..ROUNDS {
            drop(tokens.acquire(&harness.org, Class::Normal, "bench").await);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let gone = Instant::now();
            if freeze {
                harness.freeze(leader, true).await;
            } else {
                harness
                    .kill_and_restart(leader, "rate-governor", &environment)
                    .await;
            }
            drop(tokens.acquire(&harness.org, Class::Normal, "bench").await);
            gaps.push(gone.elapsed());
            if freeze {
                harness.freeze(leader, false).await;
            }
            std::mem::swap(&mut leader, &mut standby);
        }
        gaps.sort();
        println!(
            "the leading governor {}: the next grant after {:.1} s (median of {ROUNDS}), {:.1} s at most",
            if freeze { "frozen" } else { "killed" },
            percentile(&gaps, 0.5).as_secs_f64(),
            percentile(&gaps, 1.0).as_secs_f64(),
        );
    }
    harness.kill().await;
    Ok(())
}
