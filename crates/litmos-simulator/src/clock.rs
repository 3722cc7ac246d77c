//! The clock of the simulator.
//!
//! Everything below the HTTP layer takes `Now` as a parameter. Both times come from one monotonic clock, so a step of
//! the machine's clock can neither reorder the request log nor end the limit's window early.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One moment, read once per request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Monotonic time since the simulator started.
    pub(crate) since_start: Duration,
    /// The same moment as a date and time, UTC.
    pub(crate) wall: Timestamp,
}

/// Reads `Now`. Reads the wall clock only once, at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_wall: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            started_wall: Timestamp::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let since_start = self.started.elapsed();
        Now {
            since_start,
            wall: self.started_wall + since_start,
        }
    }
}

/// Milliseconds with microsecond precision, the unit of the request log.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
