//! Clocks for intervals, and the wall clock.
//!
//! Two purposes need two clocks. To check whether something is still valid, use [`now_ms`]: it also counts every forward step of the
//! wall clock, so it is never too small. To check whether something has cooled for long enough, use [`boot_ms`]: it counts only the
//! boot clock, which steps of the wall clock do not change, so it is never too large.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static ORIGIN: OnceLock<u64> = OnceLock::new();

/// The latest readings of both clocks, and the sum of the forward steps of the wall clock.
static WALL: AtomicU64 = AtomicU64::new(0);
static BOOT: AtomicU64 = AtomicU64::new(0);
static GAINED: AtomicU64 = AtomicU64::new(0);

/// Milliseconds since the Unix epoch by the wall clock.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn since_boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000 + nanos / 1_000_000
}

/// Milliseconds since the first call in this process, by the boot clock. It runs on while the machine is suspended, and steps of
/// the wall clock do not change it.
pub fn boot_ms() -> u64 {
    let origin = *ORIGIN.get_or_init(since_boot_ms);
    since_boot_ms().saturating_sub(origin)
}

/// A number for this machine and its boot, and the boot clock in milliseconds. Readings of two processes with the same number can
/// be compared. `None` if the system has no boot id.
pub fn boot() -> Option<(u64, u64)> {
    static START: OnceLock<Option<u64>> = OnceLock::new();
    let start = START.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).ok().filter(|number| *number > 0)
    });
    start.map(|start| (start, since_boot_ms()))
}

/// [`boot_ms`] plus all forward steps of the wall clock. Backward steps change nothing.
pub fn now_ms() -> u64 {
    let (boot, wall) = (boot_ms(), unix_ms());
    let (boot_before, wall_before) = (
        BOOT.swap(boot, Ordering::Relaxed),
        WALL.swap(wall, Ordering::Relaxed),
    );
    let gained = gain(boot_before, boot, wall_before, wall);
    boot + GAINED.fetch_add(gained, Ordering::Relaxed) + gained
}

/// Milliseconds that the wall clock has gained on the boot clock between two readings; 0 at the first reading.
fn gain(boot_before: u64, boot: u64, wall_before: u64, wall: u64) -> u64 {
    /// Two clocks are never read at the same instant, so differences up to this are not steps.
    const NOISE_MS: u64 = 50;
    if wall_before == 0 {
        return 0;
    }
    let gained = wall
        .saturating_sub(wall_before)
        .saturating_sub(boot.saturating_sub(boot_before));
    if gained > NOISE_MS { gained } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_clocks_never_go_back() {
        let readings: Vec<(u64, u64)> = (0..1_000).map(|_| (boot_ms(), now_ms())).collect();
        assert!(readings.iter().map(|reading| reading.0).is_sorted());
        assert!(readings.iter().map(|reading| reading.1).is_sorted());
    }

    #[test]
    fn only_steps_forward_count() {
        assert_eq!(gain(100, 200, 5_000, 5_100), 0, "both went on alike");
        assert_eq!(
            gain(100, 200, 5_000, 65_100),
            60_000,
            "a step of a minute forward"
        );
        assert_eq!(gain(100, 200, 5_000, 1_000), 0, "a step back takes nothing away");
        assert_eq!(
            gain(0, 200, 0, 5_000),
            0,
            "the first reading has nothing to compare with"
        );
    }
}
