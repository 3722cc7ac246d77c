//! Two clocks: one for intervals, which a suspended machine does not stop, and the wall clock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

struct Origin {
    boot_ms: u64,
    unix_ms: u64,
}

static ORIGIN: OnceLock<Origin> = OnceLock::new();
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Milliseconds since the Unix epoch by the wall clock.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000 + nanos / 1_000_000
}

/// Milliseconds since this process first asked.
///
/// The larger of what the boot clock and the wall clock have advanced: it goes on while the machine is suspended, and
/// a wall clock set back does not slow it. It errs on the late side, which is the safe one for "is this still valid".
/// It never goes backwards.
pub fn now_ms() -> u64 {
    let origin = ORIGIN.get_or_init(|| Origin {
        boot_ms: boot_ms(),
        unix_ms: unix_ms(),
    });
    let by_boot = boot_ms().saturating_sub(origin.boot_ms);
    let by_wall = unix_ms().saturating_sub(origin.unix_ms);
    let now = by_boot.max(by_wall);
    LATEST.fetch_max(now, Ordering::Relaxed).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_clock_never_goes_back() {
        let readings: Vec<u64> = (0..1_000).map(|_| now_ms()).collect();
        assert!(readings.is_sorted());
    }
}
