//! How much of the limit is used at 100 ms there and back, by real requests to simulated Litmos accounts that count in their own
//! ways; and how long an urgent request waits in front of ten thousand others. Takes ten minutes: who sends in waves is measured
//! apart, so that a thousand requests in a second do not take the processor from those that are evenly spaced.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bus::Tokens;
use litmos_simulator::{Entry, Running, Settings, Simulator, Window, most_requests_in_any_window};
use provisioning::OrgId;
use rate_tokens::{BudgetSettings, Class, Moment, Pacing, Terms};
use tokio::task::JoinSet;

use crate::governor::Governor;
use crate::percentile;

const MINUTE: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(305);
const URGENT_EVERY: Duration = Duration::from_millis(2_300);

struct Case {
    name: String,
    org: OrgId,
    limit: u32,
    window: Window,
    pacing: Pacing,
    /// Requests that are wanted at a time.
    at_once: usize,
}

fn cases() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut add = |limit, window, pacing, at_once| -> anyhow::Result<()> {
        let how = match pacing {
            Pacing::Unpaced => "unpaced".to_owned(),
            Pacing::Even { permille } => format!("paced {:.3}", f64::from(permille) / 1e3),
        };
        cases.push(Case {
            name: format!("limit {limit}, {window:?}, {how}"),
            org: OrgId::parse(format!("org-{}", cases.len()))?,
            limit,
            window,
            pacing,
            at_once,
        });
        Ok(())
    };
    for limit in [100, 1_000] {
        for window in [Window::Rolling, Window::Fixed] {
            for pacing in [Pacing::Unpaced, Pacing::DEFAULT] {
                add(limit, window, pacing, 64)?;
            }
        }
        add(limit, Window::Approximate, Pacing::DEFAULT, 64)?;
        add(limit, Window::Approximate, Pacing::Even { permille: 1_000 }, 64)?;
        add(limit, Window::Rolling, Pacing::DEFAULT, 10_000)?;
    }
    Ok(cases)
}

pub(crate) async fn limit() -> anyhow::Result<()> {
    let (waves, paced) = cases()?
        .into_iter()
        .partition(|case| case.pacing == Pacing::Unpaced);
    together(paced).await?;
    together(waves).await
}

async fn together(cases: Vec<Case>) -> anyhow::Result<()> {
    let mut budgets = BTreeMap::new();
    for case in &cases {
        let mut terms = Terms::per_minute(case.limit);
        terms.pacing = case.pacing;
        if case.pacing == Pacing::Unpaced {
            terms.reserve = 0;
            terms.worker_max = case.limit;
        }
        budgets.insert(case.org.clone(), BudgetSettings::new(terms)?);
    }
    let governor = Governor::start(budgets).await?;
    let mut measuring = JoinSet::new();
    for case in cases {
        let tokens = governor.worker(&case.name.replace([' ', ',', '.'], "-")).await?;
        let settings = Settings {
            limit: case.limit as usize,
            window: case.window,
            window_length: MINUTE,
            ..Settings::default()
        };
        let litmos = Simulator::start(settings).await?;
        litmos.set_faults(&["delay_ms=50", "delay_reply_ms=50"])?;
        measuring.spawn(measure(case, tokens, litmos));
    }
    let mut lines = Vec::new();
    while let Some(line) = measuring.join_next().await {
        lines.push(line??);
    }
    lines.sort();
    println!("{}", lines.join("\n"));
    governor.stop().await;
    Ok(())
}

async fn measure(case: Case, tokens: Tokens, litmos: Running) -> anyhow::Result<String> {
    let client = litmos::Client::new(litmos::Connection {
        base_url: litmos.base_url(),
        company: "acme".to_owned(),
        api_key: litmos.api_key().into(),
        timeout: Duration::from_secs(10),
        clock: || Moment::from_millis(chassis::clock::now_ms()),
    })?;
    let client = std::sync::Arc::new(client);
    let end = Instant::now() + LENGTH;
    let mut working = JoinSet::new();
    for _ in 0..case.at_once {
        let (tokens, client, org) = (tokens.clone(), client.clone(), case.org.clone());
        working.spawn(async move {
            while Instant::now() < end {
                let permit = tokens.acquire(&org, Class::Normal, "bulk").await;
                let _ = client.find_teams(permit, "none").await;
            }
        });
    }
    let mut waits = Vec::new();
    if case.at_once > 1_000 {
        tokio::time::sleep(Duration::from_secs(61)).await;
        while Instant::now() < end {
            let asked = Instant::now();
            let permit = tokens.acquire(&case.org, Class::Urgent, "leaver").await;
            waits.push(asked.elapsed());
            let client = client.clone();
            working.spawn(async move { drop(client.find_teams(permit, "none").await) });
            tokio::time::sleep(URGENT_EVERY).await;
        }
    } else {
        tokio::time::sleep_until(end.into()).await;
    }
    working.shutdown().await;
    let log = litmos.log();
    let refused = log.iter().filter(|entry| entry.refused).count();
    let last_refusal = log
        .iter()
        .rev()
        .find(|entry| entry.refused)
        .map(|entry| entry.at_ms / 1e3);
    let most = most_requests_in_any_window(&log, MINUTE);
    let mut line = format!(
        "{:<40} {:>6.2} % used   most in any 60 s {most:>4}   refused {refused}",
        case.name,
        100.0 * used(&log, case.limit)
    );
    if let Some(at) = last_refusal {
        line.push_str(&format!(" (last after {at:.0} s)"));
    }
    if !waits.is_empty() {
        waits.sort();
        line.push_str(&format!(
            "   urgent before {}: {} waits, p50 {:.0} ms, p99 {:.0} ms (60/N s + 50 ms = {} ms)",
            case.at_once,
            waits.len(),
            percentile(&waits, 0.5).as_secs_f64() * 1e3,
            percentile(&waits, 0.99).as_secs_f64() * 1e3,
            60_000 / case.limit + 50,
        ));
    }
    Ok(line)
}

/// The window over the mean time in which so many requests as the limit allows went: waves or not, and free of what a fresh ring
/// gives at first.
fn used(log: &[Entry], limit: u32) -> f64 {
    let at: Vec<f64> = log
        .iter()
        .filter(|entry| !entry.refused)
        .map(|entry| entry.at_ms)
        .collect();
    let limit = limit as usize;
    let cycles: Vec<f64> = at
        .iter()
        .zip(at.iter().skip(limit))
        .map(|(first, next)| next - first)
        .collect();
    if cycles.is_empty() {
        return 0.0;
    }
    MINUTE.as_secs_f64() * 1e3 * cycles.len() as f64 / cycles.iter().sum::<f64>()
}
