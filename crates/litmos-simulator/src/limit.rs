//! The request limit: at most N requests per window.
//!
//! No public source says how Litmos counts its minute, so there are three kinds of window. A request counts when it
//! arrives, before any work on it begins. The mode decides whether refused requests count.
//!
//! - *rolling*: at most N requests in any half-open interval of the window's length;
//! - *fixed*: at most N requests between two ticks, counted from the simulator's start;
//! - *approximate*: the count of the last fixed window, weighted by the part of it that still overlaps, plus the count of
//!   the current one.

use std::collections::VecDeque;
use std::time::Duration;

/// Kind of the limit's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Any interval of the window's length.
    Rolling,
    /// Intervals between ticks.
    Fixed,
    /// Two weighted fixed counters, as in content delivery networks.
    Approximate,
}

/// Decision of the limiter about one arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit.
    Admitted,
    /// Over the limit.
    Refused {
        /// Time after which a request is admitted, if no other request arrives before.
        retry_in: Duration,
    },
}

/// Counts requests and decides whether they are within the limit.
#[derive(Clone, Debug)]
pub struct Limiter {
    limit: usize,
    length: Duration,
    counters: Counters,
}

#[derive(Clone, Debug)]
enum Counters {
    Rolling {
        counted: VecDeque<Duration>,
    },
    Fixed {
        index: u64,
        count: usize,
    },
    Approximate {
        index: u64,
        previous: usize,
        count: usize,
    },
}

impl Limiter {
    /// Creates a limiter of `limit` requests per `length`. A zero length means one microsecond.
    pub fn new(limit: usize, window: Window, length: Duration) -> Self {
        let counters = match window {
            Window::Rolling => Counters::Rolling {
                counted: VecDeque::new(),
            },
            Window::Fixed => Counters::Fixed { index: 0, count: 0 },
            Window::Approximate => Counters::Approximate {
                index: 0,
                previous: 0,
                count: 0,
            },
        };
        Self {
            limit,
            length: length.max(Duration::from_micros(1)),
            counters,
        }
    }

    /// Counts one arrival and decides about it. Arrivals must be in order of `at`.
    pub fn arrive(&mut self, at: Duration, refused_count: bool) -> Verdict {
        let (limit, length) = (self.limit, self.length);
        let tick = (at.as_micros() / length.as_micros()) as u64;
        let into_tick = Duration::from_micros((at.as_micros() % length.as_micros()) as u64);
        match &mut self.counters {
            Counters::Rolling { counted } => {
                while counted.front().is_some_and(|first| *first + length <= at) {
                    counted.pop_front();
                }
                let admitted = counted.len() < limit;
                if admitted || refused_count {
                    counted.push_back(at);
                }
                if admitted {
                    return Verdict::Admitted;
                }
                // A request is admitted if fewer than `limit` are counted, so the limit-th request from the end must leave the window.
                let leaves = counted
                    .len()
                    .checked_sub(limit)
                    .and_then(|place| counted.get(place));
                Verdict::Refused {
                    retry_in: leaves.map_or(length, |leaver| (*leaver + length).saturating_sub(at)),
                }
            }
            Counters::Fixed { index, count } => {
                if *index != tick {
                    (*index, *count) = (tick, 0);
                }
                let admitted = *count < limit;
                if admitted || refused_count {
                    *count += 1;
                }
                if admitted {
                    Verdict::Admitted
                } else {
                    Verdict::Refused {
                        retry_in: length - into_tick,
                    }
                }
            }
            Counters::Approximate {
                index,
                previous,
                count,
            } => {
                if *index != tick {
                    *previous = if *index + 1 == tick { *count } else { 0 };
                    (*index, *count) = (tick, 0);
                }
                let still_overlapping = 1.0 - into_tick.as_secs_f64() / length.as_secs_f64();
                let estimate = *previous as f64 * still_overlapping + *count as f64;
                let admitted = estimate + 1.0 <= limit as f64;
                if admitted || refused_count {
                    *count += 1;
                }
                if admitted {
                    Verdict::Admitted
                } else {
                    Verdict::Refused {
                        retry_in: length - into_tick,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle::most_in_any_window;

    fn admitted(window: Window, limit: usize, arrivals: &[u64], refused_count: bool) -> Vec<f64> {
        let mut limiter = Limiter::new(limit, window, Duration::from_millis(1000));
        arrivals
            .iter()
            .filter(|at| limiter.arrive(Duration::from_millis(**at), refused_count) == Verdict::Admitted)
            .map(|at| *at as f64)
            .collect()
    }

    fn arrivals() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0_u64..400, 1..200).prop_map(|gaps| {
            gaps.into_iter()
                .scan(0, |at, gap| {
                    *at += gap;
                    Some(*at)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_rolling_window_never_admits_more_than_its_limit(
            arrivals in arrivals(), limit in 1_usize..12, counted: bool,
        ) {
            let admitted = admitted(Window::Rolling, limit, &arrivals, counted);
            prop_assert!(most_in_any_window(&admitted, 1000.0) <= limit);
        }

        #[test]
        fn a_rolling_window_refuses_only_when_it_is_full(arrivals in arrivals(), limit in 1_usize..12) {
            let mut limiter = Limiter::new(limit, Window::Rolling, Duration::from_millis(1000));
            let mut kept: Vec<u64> = Vec::new();
            for at in arrivals {
                let inside = kept.iter().filter(|earlier| **earlier + 1000 > at).count();
                let verdict = limiter.arrive(Duration::from_millis(at), false);
                prop_assert_eq!(verdict == Verdict::Admitted, inside < limit);
                if verdict == Verdict::Admitted {
                    kept.push(at);
                }
            }
        }

        #[test]
        fn a_fixed_window_admits_at_most_its_limit_between_ticks(
            arrivals in arrivals(), limit in 1_usize..12, counted: bool,
        ) {
            let admitted = admitted(Window::Fixed, limit, &arrivals, counted);
            for tick in 0..100 {
                let inside = admitted.iter().filter(|at| (**at / 1000.0) as u64 == tick).count();
                prop_assert!(inside <= limit);
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_admitted_by_an_exact_window(
            arrivals in arrivals(), limit in 1_usize..12, counted: bool, rolling: bool,
        ) {
            let window = if rolling { Window::Rolling } else { Window::Fixed };
            let mut limiter = Limiter::new(limit, window, Duration::from_millis(1000));
            for at in arrivals {
                let at = Duration::from_millis(at);
                if let Verdict::Refused { retry_in } = limiter.arrive(at, counted) {
                    prop_assert_eq!(limiter.clone().arrive(at + retry_in, counted), Verdict::Admitted);
                }
            }
        }
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_through_around_a_tick_and_the_oracle_sees_it() {
        let admitted = admitted(
            Window::Fixed,
            3,
            &[990, 991, 992, 993, 1001, 1002, 1003, 1004],
            true,
        );
        assert_eq!(admitted.len(), 6);
        assert_eq!(most_in_any_window(&admitted, 1000.0), 6);
    }

    #[test]
    fn refused_requests_prolong_the_wait_only_when_they_count() {
        let probing: Vec<u64> = (0..40).map(|step| step * 100).collect();
        assert_eq!(admitted(Window::Rolling, 2, &probing, true), vec![0.0, 100.0]);
        assert!(admitted(Window::Rolling, 2, &probing, false).len() >= 7);
    }

    #[test]
    fn an_approximate_window_remembers_the_last_one_in_part() {
        let mut arrivals: Vec<u64> = (0..10).map(|step| 900 + step).collect();
        arrivals.push(1250);
        let kept = admitted(Window::Approximate, 10, &arrivals, false);
        assert_eq!(
            kept.len(),
            11,
            "a quarter into the next window a quarter of the last is forgotten"
        );
        arrivals.extend([1251, 1252]);
        assert_eq!(admitted(Window::Approximate, 10, &arrivals, false).len(), 12);
    }
}
