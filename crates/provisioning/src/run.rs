//! Runs: the forecast of a run, how the run ended, and the next forecast.
//!
//! A run lasts from the start of its first operation until no work is left. Each time edits change its plan, the forecast is made again.
//! Only the last forecast is compared with the result. The records of past forecasts set the band of the next one: the shares of the
//! expected time that past runs took, without the extremes.
//!
//! Nothing in this module reads a clock.

use serde::{Deserialize, Serialize};

use crate::PlanHash;

/// Largest error of a forecast that counts as right, in percent of the expected time.
pub const RIGHT_WITHIN_PERCENT: u64 = 10;

/// Error in milliseconds that always counts as right: two seconds of ten do not matter.
const RIGHT_WITHIN_MS: u64 = 3_000;

/// The band of a forecast without forecast records, as shares of the expected time in thousandths.
const BAND_AT_FIRST: (u64, u64) = (900, 1_150);

/// Fewest past runs from which a band is computed.
const BAND_FROM: usize = 5;

/// Number of runs that are kept.
pub const RUNS_KEPT: usize = 50;

/// The expected duration of the remaining work, from `made_at_ms` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    pub made_at_ms: u64,
    pub calls: u32,
    pub expected_ms: u64,
    pub low_ms: u64,
    pub high_ms: u64,
}

/// The work of an org between two moments of rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Hash of its first plan.
    pub id: PlanHash,
    pub started_at_ms: u64,
    pub ended_at_ms: Option<u64>,
    pub forecast: Forecast,
    /// How often edits were added and the forecast was made again.
    pub revisions: u32,
    /// Number of calls, and of operations, since the last forecast was made.
    pub calls: u32,
    pub operations: u32,
}

impl Run {
    /// Duration of the work since the last forecast was made; `None` while the run goes on.
    pub fn took_ms(&self) -> Option<u64> {
        Some(self.ended_at_ms?.saturating_sub(self.forecast.made_at_ms))
    }

    /// True if the last forecast was right; `None` while the run goes on.
    pub fn was_right(&self) -> Option<bool> {
        let took = self.took_ms()?;
        let off = took.abs_diff(self.forecast.expected_ms);
        let slack = (self.forecast.expected_ms * RIGHT_WITHIN_PERCENT / 100).max(RIGHT_WITHIN_MS);
        Some(off <= slack)
    }
}

/// Accuracy of past forecasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    pub runs: usize,
    pub right: usize,
    low_permille: u64,
    high_permille: u64,
}

impl Track {
    /// Evaluates past runs. Runs that have not ended are ignored.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Track {
        let mut shares = Vec::new();
        let mut right = 0;
        for run in runs {
            let (Some(took), Some(held)) = (run.took_ms(), run.was_right()) else {
                continue;
            };
            right += usize::from(held);
            // Very short runs say nothing about the speed of work.
            let share = if run.forecast.expected_ms < RIGHT_WITHIN_MS {
                1_000
            } else {
                took * 1_000 / run.forecast.expected_ms
            };
            shares.push(share);
        }
        shares.sort_unstable();
        let (low_permille, high_permille) = if shares.len() < BAND_FROM {
            BAND_AT_FIRST
        } else {
            let at = |percent: usize| shares[(shares.len() - 1) * percent / 100];
            (at(10).min(1_000), at(90).max(1_000))
        };
        Track {
            runs: shares.len(),
            right,
            low_permille,
            high_permille,
        }
    }

    /// Makes a forecast with the band from past runs.
    pub fn forecast(&self, made_at_ms: u64, calls: u32, expected_ms: u64) -> Forecast {
        Forecast {
            made_at_ms,
            calls,
            expected_ms,
            low_ms: expected_ms * self.low_permille / 1_000,
            high_ms: expected_ms * self.high_permille / 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(expected_ms: u64, took_ms: u64) -> Run {
        Run {
            id: PlanHash::parse("abc").unwrap(),
            started_at_ms: 0,
            ended_at_ms: Some(500 + took_ms),
            forecast: Track::of([]).forecast(500, 10, expected_ms),
            revisions: 0,
            calls: 10,
            operations: 10,
        }
    }

    #[test]
    fn a_forecast_is_right_within_a_tenth() {
        assert_eq!(run(100_000, 109_000).was_right(), Some(true));
        assert_eq!(run(100_000, 111_000).was_right(), Some(false));
        assert_eq!(
            run(1_000, 3_900).was_right(),
            Some(true),
            "three seconds are forgiven"
        );
    }

    #[test]
    fn the_band_follows_the_record() {
        let first = Track::of([]).forecast(0, 1, 100_000);
        assert_eq!((first.low_ms, first.high_ms), (90_000, 115_000));
        let runs: Vec<Run> = (0..10).map(|n| run(100_000, 100_000 + n * 5_000)).collect();
        let track = Track::of(&runs);
        assert_eq!((track.runs, track.right), (10, 3));
        let next = track.forecast(0, 1, 100_000);
        assert_eq!((next.low_ms, next.high_ms), (100_000, 140_000));
    }
}
