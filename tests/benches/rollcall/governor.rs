//! How many grants a second, each in the fsynced ledger before it is told; and what the target sees of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus::{Bus, NatsServer, Tokens};
use chassis::health::Health;
use litmos_simulator::{Limiter, Verdict, Window};
use provisioning::OrgId;
use rate_tokens::{BudgetSettings, Class, Moment, Outcome, Pacing, Terms};
use serde_json::json;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{percentile, row};

/// A governor on a nats-server of its own, and the tokens of another process.
pub(crate) struct Governor {
    server: NatsServer,
    stop: CancellationToken,
    running: JoinHandle<Result<(), rate_governor::ApartError>>,
    /// The folder goes when the governor does.
    _folder: tempfile::TempDir,
}

impl Governor {
    pub(crate) async fn start(budgets: BTreeMap<OrgId, BudgetSettings>) -> anyhow::Result<Governor> {
        let folder = tempfile::tempdir()?;
        let server = NatsServer::start(folder.path()).await?;
        let bus = Bus::connect(server.connection(), "bench-governor").await?;
        bus.prepare(1).await?;
        let (stop, connection) = (CancellationToken::new(), server.connection().clone());
        let stopping = stop.clone();
        let running = tokio::spawn(async move {
            rate_governor::run_apart(connection, budgets, Health::new(), &stopping).await
        });
        Ok(Governor {
            server,
            stop,
            running,
            _folder: folder,
        })
    }

    pub(crate) async fn worker(&self, name: &str) -> anyhow::Result<Tokens> {
        let bus = Bus::connect(self.server.connection(), name).await?;
        Ok(bus.tokens(chassis::clock::now_ms))
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = self.running.await;
        self.server.stop().await;
    }
}

/// Grants that are given back at once, under a limit far above what is asked.
pub(crate) async fn speed() -> anyhow::Result<()> {
    let org = OrgId::parse("bench")?;
    let mut terms = Terms::per_minute(100_000);
    (terms.pacing, terms.window, terms.worker_max) = (Pacing::Unpaced, Duration::from_secs(1), 100_000);
    terms.reserve = 0;
    let governor = Governor::start(BTreeMap::from([(org.clone(), BudgetSettings::new(terms)?)])).await?;
    let tokens = governor.worker("bench-worker").await?;
    drop(tokens.acquire(&org, Class::Normal, "warm").await);
    for (in_flight, of_flow) in [(1, 1), (16, 1), (64, 1), (256, 1), (64, 20)] {
        if !crate::is_wanted(in_flight) || (crate::is_duel() && of_flow > 1) {
            continue;
        }
        let appends = async || -> anyhow::Result<u64> {
            let status = tokens.status(Some(&org)).await?;
            Ok(status["governor"]["appends"].as_u64().unwrap_or_default())
        };
        let before = appends().await?;
        let until = Instant::now() + Duration::from_secs(3);
        let started = Instant::now();
        let mut asking = JoinSet::new();
        for task in 0..in_flight * of_flow {
            let (tokens, org) = (tokens.clone(), org.clone());
            asking.spawn(async move {
                let flow = format!("flow-{}", task / of_flow);
                let mut times = Vec::new();
                while Instant::now() < until {
                    let asked = Instant::now();
                    drop(tokens.acquire(&org, Class::Normal, &flow).await);
                    times.push(asked.elapsed());
                }
                times
            });
        }
        let mut times = Vec::new();
        while let Some(done) = asking.join_next().await {
            times.extend(done?);
        }
        let whole = started.elapsed();
        let of_append = times.len() as f64 / (appends().await? - before).max(1) as f64;
        let name = match of_flow {
            1 => format!("governor grant, {in_flight} in flight, fsynced"),
            many => format!("tokens, {in_flight} grants of up to {many}, fsynced"),
        };
        if std::env::var_os("ROLLCALL_BENCH_JSON").is_some() {
            times.sort();
            let ms = |share| percentile(&times, share).as_secs_f64() * 1e3;
            let line = json!({"bench": "speed", "peer": if of_flow == 1 { "rollcall" } else { "rollcall, 20 a grant" },
                "durable": "fsync", "in_flight": in_flight, "per_second": times.len() as f64 / whole.as_secs_f64(),
                "p50_ms": ms(0.5), "p99_ms": ms(0.99), "grants_an_append": of_append});
            println!("{line}");
        } else {
            row(&name, times, whole);
        }
    }
    governor.stop().await;
    Ok(())
}

/// Twenty-four workers with endless demand, and delays between 20 and 320 ms before and after each arrival.
pub(crate) async fn target() -> anyhow::Result<()> {
    const LIMIT: u32 = 100;
    const WINDOW: Duration = Duration::from_secs(3);
    let org = OrgId::parse("bench")?;
    let mut terms = Terms::per_minute(LIMIT);
    (terms.pacing, terms.window, terms.reserve) = (Pacing::Unpaced, WINDOW, 0);
    (terms.permit_ttl, terms.settle) = (Duration::from_secs(2), Duration::from_secs(2));
    let governor = Governor::start(BTreeMap::from([(org.clone(), BudgetSettings::new(terms)?)])).await?;
    let arrivals: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let started = Instant::now();
    let mut working = JoinSet::new();
    for worker in 0..24_u64 {
        let tokens = governor.worker(&format!("worker-{worker}")).await?;
        let (org, arrivals) = (org.clone(), arrivals.clone());
        let mut seed = worker.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut delay = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            Duration::from_millis(20 + seed % 300)
        };
        working.spawn(async move {
            while started.elapsed() < Duration::from_secs(18) {
                let permit = tokens.acquire(&org, Class::Normal, "work").await;
                let Ok(spent) = permit.spend(Moment::from_millis(chassis::clock::now_ms())) else {
                    continue;
                };
                tokio::time::sleep(delay()).await;
                if let Ok(mut arrivals) = arrivals.lock() {
                    arrivals.push(started.elapsed());
                }
                tokio::time::sleep(delay()).await;
                spent.settle(Outcome::Answered);
            }
        });
    }
    while working.join_next().await.is_some() {}
    governor.stop().await;
    let mut arrivals = arrivals
        .lock()
        .map(|arrivals| arrivals.clone())
        .unwrap_or_default();
    arrivals.sort();
    let refused = |window, phase: Duration| {
        let mut limiter = Limiter::new(LIMIT as usize, window, WINDOW);
        let refused = arrivals
            .iter()
            .filter(|at| limiter.arrive(**at + phase, false) != Verdict::Admitted);
        refused.count()
    };
    let worst_fixed = (0..60)
        .map(|phase| refused(Window::Fixed, WINDOW * phase / 60))
        .max();
    let most = arrivals.iter().enumerate().map(|(first, at)| {
        arrivals
            .iter()
            .skip(first)
            .take_while(|later| **later < *at + WINDOW)
            .count()
    });
    let (most, rolling, fixed) = (
        most.max().unwrap_or_default(),
        refused(Window::Rolling, Duration::ZERO),
        worst_fixed.unwrap_or_default(),
    );
    if std::env::var_os("ROLLCALL_BENCH_JSON").is_some() {
        let line = json!({"bench": "target", "peer": "rollcall", "sent": arrivals.len(), "most": most,
            "limit": LIMIT, "refused_rolling": rolling, "refused_fixed": fixed});
        println!("{line}");
    } else {
        println!(
            "100 in 3 s, 24 workers, 18 s: {} sent, most in any 3 s {most}, refused {rolling} (rolling) and {fixed} (fixed)",
            arrivals.len()
        );
    }
    Ok(())
}
