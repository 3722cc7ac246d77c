//! The pacer spreads grants over the window. It may only delay: what it lets pass still needs a token of the ring.

use std::time::Duration;

use crate::{Moment, Pacing};

/// Wake-ups of a paced budget are at least this far apart; above a hundred grants a second several go at once.
const TICK_US: u64 = 10_000;
/// A grant made late may be caught up by this much, so that late wake-ups do not slow the average down.
const CATCH_UP_US: u64 = 2 * TICK_US;
/// What one step of stretch adds to the spacing, in thousandths: the first takes 1.010 to 1.033, where two-counter
/// approximations of a window stop refusing.
const STRETCH_STEP_PERMILLE: u32 = 23;

/// Where even spacing starts that was not asked for.
const LEAST_EVEN_PERMILLE: u32 = 1_010;

/// The spacing in force, in microseconds; zero without pacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spacing(u64);

impl Spacing {
    pub(crate) fn new(pacing: Pacing, window: Duration, working_limit: u32, stretch: u8) -> Spacing {
        let permille = match (pacing, stretch) {
            (Pacing::Unpaced, 0) => return Spacing(0),
            // A target that refuses who sends in waves gets no waves, whatever the settings hoped.
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
    /// When the next grant is due, in microseconds on the scale of [`Moment`].
    due_us: u64,
    /// True while an request waits for the next grant and nothing but the spacing stands in its way.
    awaited: bool,
    /// The latest moment to which an request was put off, because the next grant is due then.
    told_us: Option<u64>,
}

impl Pacer {
    /// How many grants may go now if `ahead` may run ahead of the spacing.
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

    /// When [`Pacer::room`] will next be above zero, after it was zero.
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

    /// Says whether somebody waits for the next grant alone. Then a grant that comes late was late through our fault, and is
    /// caught up: on a busy machine each wake-up is late, by a third of the spacing and more. By one spacing at most, since
    /// several grants at once are a wave, which targets that approximate a window refuse.
    pub(crate) fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// Notes that an request was put off until this moment. To come late then is no pause either.
    pub(crate) fn told_to_come(&mut self, at: Moment) {
        self.told_us = self.told_us.max(Some(us(at)));
    }

    fn due(&self, now: Moment, spacing: Spacing) -> u64 {
        let expected = self
            .told_us
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
