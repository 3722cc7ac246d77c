//! The pacer spreads grants over the window. It can only delay a grant: each one still needs a free token of the ring.

use std::time::Duration;

use crate::{Moment, Pacing};

/// Least time between two wake-ups of a paced budget. Above a hundred grants a second, several are made at once.
const TICK_US: u64 = 10_000;
/// Most lateness that later grants may catch up, so that late wake-ups do not reduce the average rate.
const CATCH_UP_US: u64 = 2 * TICK_US;
/// Increase of the spacing by one step of stretch, in thousandths. The first step takes 1.010 to 1.033, at which
/// targets that approximate a window by two counters stop refusing.
const STRETCH_STEP_PERMILLE: u32 = 23;

/// Even spacing of an unpaced budget after a first step of stretch, in thousandths, before the steps are added.
const LEAST_EVEN_PERMILLE: u32 = 1_010;

/// The spacing in force, in microseconds; zero without pacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spacing(u64);

impl Spacing {
    pub(crate) fn new(pacing: Pacing, window: Duration, working_limit: u32, stretch: u8) -> Spacing {
        let permille = match (pacing, stretch) {
            (Pacing::Unpaced, 0) => return Spacing(0),
            // A target that refuses requests sent in waves gets evenly spaced ones, even if the settings say unpaced.
            (Pacing::Unpaced, _) => LEAST_EVEN_PERMILLE,
            (Pacing::Even { permille }, _) => permille,
        };
        let permille = permille + u32::from(stretch) * STRETCH_STEP_PERMILLE;
        let us = window.as_micros() * u128::from(permille) / (1_000 * u128::from(working_limit.max(1)));
        Spacing(u64::try_from(us).unwrap_or(u64::MAX).max(1))
    }
}

#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct Pacer {
    /// Time at which the next grant is due, in microseconds on the scale of [`Moment`].
    due_us: u64,
    /// True while a request waits for the next grant and only the spacing delays it.
    awaited: bool,
    /// Latest moment until which a request was put off because the next grant is due then, in microseconds.
    was_awaited: Option<u64>,
}

impl Pacer {
    /// Number of grants that may be made now, if `ahead` of them may run ahead of the spacing.
    pub(crate) fn room(&self, now: Moment, spacing: Spacing, ahead: u32) -> u32 {
        if spacing.0 == 0 {
            return u32::MAX;
        }
        let horizon = us(now).saturating_add(u64::from(ahead).saturating_mul(spacing.0));
        match horizon.checked_sub(self.due(now, spacing)) {
            Some(span) => u32::try_from(span / spacing.0 + 1).unwrap_or(u32::MAX),
            None => 0,
        }
    }

    /// Time at which [`Pacer::room`] is above zero again, after it was zero.
    pub(crate) fn opens(&self, spacing: Spacing, ahead: u32) -> Moment {
        let pause = if spacing.0 < TICK_US { TICK_US } else { 0 };
        let at = self
            .due_us
            .saturating_sub(u64::from(ahead).saturating_mul(spacing.0))
            .saturating_add(pause);
        Moment::from_millis(at.div_ceil(1_000))
    }

    pub(crate) fn charge(&mut self, now: Moment, spacing: Spacing, grants: u32) {
        self.due_us = self
            .due(now, spacing)
            .saturating_add(u64::from(grants).saturating_mul(spacing.0));
    }

    /// Sets whether a request waits only for the spacing. If so, the governor itself causes a late grant, and the
    /// lateness is caught up: on a busy machine each wake-up is late, by a third of the spacing and more. At most one
    /// spacing is caught up, because several grants at once are a wave, which targets that approximate a window refuse.
    pub(crate) fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// Notes that a request was put off until this moment. If it comes back a little late, that is not a pause in
    /// demand.
    pub(crate) fn expect_at(&mut self, at: Moment) {
        self.was_awaited = self.was_awaited.max(Some(us(at)));
    }

    fn due(&self, now: Moment, spacing: Spacing) -> u64 {
        let expected = self
            .was_awaited
            .is_some_and(|body| body.saturating_add(TICK_US) >= self.due_us);
        let catch_up = if self.awaited || expected {
            CATCH_UP_US.max(spacing.0)
        } else {
            CATCH_UP_US
        };
        self.due_us.max(us(now).saturating_sub(catch_up))
    }
}

fn us(moment: Moment) -> u64 {
    moment.as_millis().saturating_mul(1_000)
}
