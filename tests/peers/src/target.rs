//! What a target sees: twenty-four workers with endless demand, whose requests arrive 20 to 320 ms after the decision.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::limiters::Limiter;

pub const LIMIT: u64 = 100;
pub const WINDOW: Duration = Duration::from_secs(3);
const LENGTH: Duration = Duration::from_secs(18);

pub async fn run<L: Limiter + Sync>(limiter: L) -> anyhow::Result<()> {
    let arrivals: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let started = Instant::now();
    let mut working = JoinSet::new();
    for worker in 0..24_u64 {
        let (limiter, arrivals) = (limiter.clone(), arrivals.clone());
        let mut seed = worker.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut delay = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            Duration::from_millis(20 + seed % 300)
        };
        working.spawn(async move {
            while started.elapsed() < LENGTH {
                limiter.wait_for().await?;
                tokio::time::sleep(delay()).await;
                if let Ok(mut arrivals) = arrivals.lock() {
                    arrivals.push(started.elapsed());
                }
                tokio::time::sleep(delay()).await;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    let mut arrivals = arrivals
        .lock()
        .map(|arrivals| arrivals.clone())
        .unwrap_or_default();
    arrivals.sort();
    let line = json!({"bench": "target", "peer": limiter.name(), "sent": arrivals.len(), "limit": LIMIT,
        "most": most(&arrivals), "refused_rolling": refused_rolling(&arrivals), "refused_fixed": refused_fixed(&arrivals)});
    println!("{line}");
    Ok(())
}

fn most(arrivals: &[Duration]) -> usize {
    let within = |(first, at): (usize, &Duration)| {
        arrivals
            .iter()
            .skip(first)
            .take_while(|later| **later < *at + WINDOW)
            .count()
    };
    arrivals.iter().enumerate().map(within).max().unwrap_or(0)
}

fn refused_rolling(arrivals: &[Duration]) -> usize {
    let mut accepted: Vec<Duration> = Vec::new();
    let mut refused = 0;
    for at in arrivals {
        let inside = accepted
            .iter()
            .rev()
            .take_while(|earlier| **earlier + WINDOW > *at)
            .count();
        if inside < LIMIT as usize {
            accepted.push(*at)
        } else {
            refused += 1
        }
    }
    refused
}

/// At the worst of sixty phases.
fn refused_fixed(arrivals: &[Duration]) -> usize {
    let at_phase = |phase: u32| {
        let (mut window, mut count, mut refused) = (0, 0, 0);
        for at in arrivals {
            let index = (*at + WINDOW * phase / 60).as_micros() / WINDOW.as_micros();
            if index != window {
                (window, count) = (index, 0);
            }
            if count < LIMIT { count += 1 } else { refused += 1 }
        }
        refused
    };
    (0..60).map(at_phase).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        ms.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_hundred_and_one_in_a_window_is_one_too_many_and_a_window_apart_is_not() {
        let close = at((0..101).map(|n| n * 10));
        assert_eq!((most(&close), refused_rolling(&close)), (101, 1));
        let apart = at((0..100).chain([3_000]));
        assert_eq!((most(&apart), refused_rolling(&apart)), (100, 0));
    }

    #[test]
    fn two_bursts_around_a_boundary_are_refused_in_some_phase_only_if_they_fall_together() {
        assert_eq!(refused_fixed(&at((0..100).chain(3_000..3_100))), 0);
        assert_eq!(refused_fixed(&at((0..100).chain(1_000..1_100))), 100);
    }
}
