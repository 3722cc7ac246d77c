//! Runs: what was promised about a stretch of work, what came of it, and what to promise next.
//!
//! A run lasts from the first operation that starts until nothing is left to do. Each time its plan changes because
//! edits joined, the forecast is made anew; what counts in the end is the last one. The record of past forecasts
//! gives the next its band: the shares of the expected time that past runs took, leaving out the extremes.
//!
//! Nothing here reads a clock.

use serde::{Deserialize, Serialize};

use crate::PlanHash;

/// How far off a forecast may be and still count as right, in percent of the expected time.
pub const RIGHT_WITHIN_PERCENT: u64 = 10;

/// Milliseconds that are forgiven whatever was expected: nobody cares about two seconds of ten.
const RIGHT_WITHIN_MS: u64 = 3_000;

/// The band of a forecast without a record, as shares of the expected time in thousandths.
const BAND_AT_FIRST: (u64, u64) = (900, 1_150);

/// Runs from which a band is taken; below, they are too few to tell.
const BAND_FROM: usize = 5;

/// Runs that are kept.
pub const RUNS_KEPT: usize = 50;

/// What is expected of the work that is left, from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    pub made_at_ms: u64,
    pub calls: u32,
    pub expected_ms: u64,
    pub low_ms: u64,
    pub high_ms: u64,
}

/// One stretch of work of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Hash of its first plan.
    pub id: PlanHash,
    pub started_at_ms: u64,
    pub ended_at_ms: Option<u64>,
    pub forecast: Forecast,
    /// How often edits joined and the forecast was made anew.
    pub revisions: u32,
    /// Calls and operations since the last forecast was made.
    pub calls: u32,
    pub operations: u32,
}

impl Run {
    /// How long the work took from when the last forecast was made; `None` while it goes on.
    pub fn took_ms(&self) -> Option<u64> {
        Some(self.ended_at_ms?.saturating_sub(self.forecast.made_at_ms))
    }

    /// Whether the last forecast held; `None` while the run goes on.
    pub fn was_right(&self) -> Option<bool> {
        let took = self.took_ms()?;
        let off = took.abs_diff(self.forecast.expected_ms);
        let slack = (self.forecast.expected_ms * RIGHT_WITHIN_PERCENT / 100).max(RIGHT_WITHIN_MS);
        Some(off <= slack)
    }
}

/// What past forecasts were worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    pub runs: usize,
    pub right: usize,
    low_permille: u64,
    high_permille: u64,
}

impl Track {
    /// Reads the record. Runs that have not ended say nothing yet.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Track {
        let mut shares = Vec::new();
        let mut right = 0;
        for run in runs {
            let (Some(took), Some(held)) = (run.took_ms(), run.was_right()) else {
                continue;
            };
            right += usize::from(held);
            // What is done in a moment says nothing about a pace.
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

    /// A forecast with the band that the record gives it.
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
