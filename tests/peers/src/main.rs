//! What people would use instead of the rate governor, measured as `cargo xtask bench governor` measures ours:
//! decisions a second for one token each, and what a target sees when the callers' delays vary.
//!
//! Prints one JSON line for each result. `cargo xtask bench peers` runs both sides in one go and makes a table.

mod limiters;
mod redis_server;
mod target;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use tokio::task::JoinSet;

use limiters::{Gcra, InProcess, Limiter, SlidingLog};
use redis_server::RedisServer;

const LENGTH: Duration = Duration::from_secs(3);

fn main() -> anyhow::Result<()> {
    if redis_server::binary().is_none() {
        eprintln!(
            "redis-server is missing; install it (Debian: apt-get install redis-server) or set ROLLCALL_REDIS_SERVER"
        );
        std::process::exit(3);
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        for durable in [false, true] {
            if is_duel() && !durable {
                continue;
            }
            let redis = RedisServer::start(durable).await?;
            speed(
                redis.name(),
                SlidingLog::new(&redis, 1_000_000, Duration::from_secs(1)).await?,
            )
            .await?;
            speed(
                redis.name(),
                Gcra::new(&redis, 1_000_000, 1_000_000, Duration::from_secs(1)).await?,
            )
            .await?;
            node(&redis, "speed").await?;
        }
        if is_duel() {
            return Ok(());
        }
        in_process_speed()?;
        let redis = RedisServer::start(false).await?;
        let (limit, window) = (target::LIMIT, target::WINDOW);
        target::run(SlidingLog::new(&redis, limit, window).await?).await?;
        target::run(Gcra::new(&redis, limit, limit, window).await?).await?;
        target::run(Gcra::new(&redis, limit, 1, window).await?).await?;
        target::run(InProcess::new(limit, window)?).await?;
        node(&redis, "target").await
    })
}

/// Whether only the durable ones are measured, and only some points, so that both sides can take turns.
fn is_duel() -> bool {
    std::env::var_os("ROLLCALL_BENCH_IN_FLIGHT").is_some()
}

fn is_wanted(in_flight: usize) -> bool {
    let wanted = std::env::var("ROLLCALL_BENCH_IN_FLIGHT");
    wanted.is_ok_and(|wanted| wanted.split(',').any(|one| one.parse() == Ok(in_flight))) || !is_duel()
}

async fn speed<L: Limiter + Sync>(durable: &str, limiter: L) -> anyhow::Result<()> {
    for in_flight in [1_usize, 16, 64, 256] {
        if !is_wanted(in_flight) {
            continue;
        }
        let started = Instant::now();
        let mut asking = JoinSet::new();
        for _ in 0..in_flight {
            let limiter = limiter.clone();
            asking.spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < LENGTH {
                    let asked = Instant::now();
                    limiter.wait_for().await?;
                    times.push(asked.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = asking.join_next().await {
            times.extend(done??);
        }
        say_speed(limiter.name(), durable, in_flight, times, started.elapsed());
    }
    Ok(())
}

/// No peer of a limiter that several processes share; it shows the floor.
fn in_process_speed() -> anyhow::Result<()> {
    let limiter = InProcess::new(100_000_000, Duration::from_secs(60))?;
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < LENGTH {
        let asked = Instant::now();
        limiter.decide()?;
        times.push(asked.elapsed());
    }
    say_speed(limiter.name(), "process", 1, times, started.elapsed());
    Ok(())
}

fn say_speed(peer: &str, durable: &str, in_flight: usize, mut times: Vec<Duration>, whole: Duration) {
    times.sort();
    let at = |share: f64| {
        let place = (times.len().saturating_sub(1) as f64 * share) as usize;
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let line = json!({"bench": "speed", "peer": peer, "durable": durable, "in_flight": in_flight,
        "per_second": times.len() as f64 / whole.as_secs_f64(), "p50_ms": at(0.5), "p99_ms": at(0.99)});
    println!("{line}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The limiters of npm, in a process of their own. Left out, and said so, where there is no Node.
async fn node(redis: &RedisServer, part: &str) -> anyhow::Result<()> {
    let folder = root().join(".tools/peers-node");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json", "bench.mjs"] {
        std::fs::copy(source.join(file), folder.join(file))
            .with_context(|| format!("{file} cannot be copied"))?;
    }
    if !folder.join("node_modules").is_dir() {
        let installed = tokio::process::Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .stdout(std::process::Stdio::null())
            .status()
            .await;
        if !installed.is_ok_and(|status| status.success()) {
            eprintln!("npm is missing or cannot install: the limiters of npm are left out");
            return Ok(());
        }
    }
    let port = redis.port().to_string();
    let status = tokio::process::Command::new("node")
        .args(["bench.mjs", part, &port, redis.name()])
        .current_dir(&folder)
        .status()
        .await
        .context("node cannot be started")?;
    anyhow::ensure!(status.success(), "bench.mjs ended with {status}");
    Ok(())
}
