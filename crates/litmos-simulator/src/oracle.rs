//! Checks for tests, based on arrival times and log lines.
//!
//! These functions do not use the limiter. So they can check both the limiter and all clients.

use std::collections::VecDeque;
use std::time::Duration;

use crate::log::Entry;

/// Most events in any half-open interval of length `window`, in the unit of `at`. The order does not matter.
///
/// # Panics
/// Never. NaN values sort last, and each counts like any other value.
pub fn most_in_any_window(at: &[f64], window: f64) -> usize {
    let mut sorted = at.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut first = 0;
    let mut most = 0;
    for (last, time) in sorted.iter().enumerate() {
        while first < last && time - sorted[first] >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// Most requests that reached the account in any window, including refused ones, without those with a wrong key.
pub fn most_requests_in_any_window(lines: &[Entry], window: Duration) -> usize {
    let arrivals: Vec<f64> = lines
        .iter()
        .filter(|line| line.known_key)
        .map(|line| line.at_ms)
        .collect();
    most_in_any_window(&arrivals, window.as_secs_f64() * 1000.0)
}

/// Parses a request log written by `--log`. An error contains the line number.
///
/// # Errors
/// If a line is not a complete log entry.
pub fn read_log(text: &str) -> Result<Vec<Entry>, LogError> {
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| LogError {
                line: index + 1,
                source,
            })
        })
        .collect()
}

/// A log line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the request log is not a log entry; was the file written by another program?")]
pub struct LogError {
    line: usize,
    #[source]
    source: serde_json::Error,
}

/// Incremental form of [`most_in_any_window`], for arrivals in order. Keeps only one window in memory.
#[derive(Clone, Debug)]
pub(crate) struct Busiest {
    window: Duration,
    recent: VecDeque<Duration>,
    most: usize,
}

impl Busiest {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            window,
            recent: VecDeque::new(),
            most: 0,
        }
    }

    pub(crate) fn arrive(&mut self, at: Duration) {
        while self
            .recent
            .front()
            .is_some_and(|first| at.saturating_sub(*first) >= self.window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
        self.most = self.most.max(self.recent.len());
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks all intervals that begin at an event. No other interval can have more events.
    fn brute_force(at: &[f64], window: f64) -> usize {
        at.iter()
            .map(|from| {
                at.iter()
                    .filter(|time| **time >= *from && **time - *from < window)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_sweep_the_running_count_and_brute_force_agree(
            mut at in proptest::collection::vec(0_u32..5000, 0..120), window in 1_u32..2000,
        ) {
            let times: Vec<f64> = at.iter().map(|time| f64::from(*time)).collect();
            let expected = brute_force(&times, f64::from(window));
            prop_assert_eq!(most_in_any_window(&times, f64::from(window)), expected);

            at.sort_unstable();
            let mut busiest = Busiest::new(Duration::from_millis(u64::from(window)));
            at.iter().for_each(|time| busiest.arrive(Duration::from_millis(u64::from(*time))));
            prop_assert_eq!(busiest.most(), expected);
        }
    }

    #[test]
    fn a_planted_burst_across_two_calendar_minutes_is_seen() {
        let mut arrivals: Vec<f64> = (0..100).map(|step| f64::from(step) * 600.0).collect();
        assert_eq!(most_in_any_window(&arrivals, 60_000.0), 100);
        arrivals.push(59_999.0);
        assert_eq!(most_in_any_window(&arrivals, 60_000.0), 101);
    }

    #[test]
    fn an_event_exactly_one_window_later_is_in_the_next_one() {
        assert_eq!(most_in_any_window(&[0.0, 60_000.0], 60_000.0), 1);
        assert_eq!(most_in_any_window(&[0.0, 59_999.999], 60_000.0), 2);
        assert_eq!(most_in_any_window(&[], 60_000.0), 0);
    }

    #[test]
    fn a_log_line_without_the_fields_about_mail_is_read() {
        let line = r#"{"n":1,"at_ms":0.5,"at":"2024-03-05T09:10:11Z","method":"GET","path":"/v1.svc/users",
            "source":"x","status":200,"key":"00000000","known_key":true,"refused":false,"fault":null,
            "effect":null,"duration_ms":1.0}"#;
        let lines = read_log(&line.replace('\n', "")).unwrap();
        assert_eq!((lines[0].sendmessage, lines[0].skipfirstlogin), (None, None));
    }

    #[test]
    fn a_log_line_cut_in_half_is_reported_with_its_number() {
        let error = read_log("{\"n\":1").unwrap_err();
        assert!(error.to_string().starts_with("line 1 "), "{error}");
    }
}
