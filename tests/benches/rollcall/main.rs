//! What can only be measured: `cargo xtask bench [planner | governor | failover | scim | arrival | leavers | scale | load | limit |
//! peers | scim-peers]`.
//!
//! Absolute figures are this machine's; nothing is asserted but the goals of `scale`.

mod arrival;
mod failover;
mod governor;
mod limit;
mod load;
mod planner;
mod scale;
mod scim;
mod scim_peers;

use std::time::Duration;

pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len().saturating_sub(1)) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn row(name: &str, mut times: Vec<Duration>, whole: Duration) {
    times.sort();
    println!(
        "{name:<44} {:>9.0} /s   p50 {:>8.2} ms   p99 {:>8.2} ms",
        times.len() as f64 / whole.as_secs_f64(),
        percentile(&times, 0.5).as_secs_f64() * 1e3,
        percentile(&times, 0.99).as_secs_f64() * 1e3,
    );
}

/// Whether only some of what peers are compared by is measured, so that both sides can take turns: see `cargo xtask bench peers`.
pub(crate) fn is_duel() -> bool {
    std::env::var_os("ROLLCALL_BENCH_IN_FLIGHT").is_some()
}

/// Whether so many in flight are to be measured.
pub(crate) fn is_wanted(in_flight: usize) -> bool {
    let wanted = std::env::var("ROLLCALL_BENCH_IN_FLIGHT");
    wanted.is_ok_and(|wanted| wanted.split(',').any(|one| one.parse() == Ok(in_flight))) || !is_duel()
}

fn main() -> anyhow::Result<()> {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|part| !part.starts_with("--"))
        .collect();
    // These take minutes, so they are measured when they are asked for.
    let long = ["arrival", "leavers", "limit", "load", "scale", "scim-peers"];
    let wanted =
        |part: &str| chosen.iter().any(|name| name == part) || (chosen.is_empty() && !long.contains(&part));
    if wanted("planner") {
        planner::planner()?;
    }
    if wanted("governor") {
        // Whoever asks for a token is on one thread, as Redis' clients are: the governor has one of its own.
        let caller = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        caller.block_on(governor::speed())?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        if wanted("governor") && !is_duel() {
            governor::target().await?;
        }
        if wanted("failover") {
            failover::failover().await?;
        }
        if wanted("scim") {
            scim::scim().await?;
        }
        if wanted("arrival") {
            arrival::arrival().await?;
        }
        if wanted("leavers") {
            arrival::leavers().await?;
        }
        if wanted("scale") {
            scale::scale().await?;
        }
        if wanted("load") {
            load::load().await?;
        }
        if wanted("scim-peers") {
            scim_peers::scim_peers().await?;
        }
        if wanted("limit") {
            limit::limit().await?;
        }
        Ok(())
    })
}
