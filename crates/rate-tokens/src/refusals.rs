//! Reactions to refusals by the target: when to stop, when to try again, and how much of the limit is ours.
//!
//! Laws:
//! - After a refusal nothing is granted for the time in Retry-After, or for [`FIRST_PAUSE`]; then one probe is granted.
//!   If the probe is refused, the pause doubles, up to a window. If it is answered, the gate opens. If it is returned
//!   unused or has no answer, another probe is granted.
//! - If our own use was clearly below the working limit when the target refused, others use the rest, and the working
//!   limit is lowered to our use. If it was not, our own counting is wrong, and guard and spacing are stretched.
//! - One wave of refusals counts once: a refusal of a request that was granted before the gate closed only keeps the
//!   gate closed.
//! - If the settings allow it and the whole limit is used, the working limit climbs above the settings' limit. A
//!   refusal there only shows where the target's own limit is; the next attempt follows after [`EXPLORE_AGAIN`].
//! - After [`CLIMB_AFTER`] without refusals, the working limit climbs by one token every [`CLIMB_EVERY`], up to the
//!   settings' limit.

use std::time::Duration;

use crate::{GrantId, Moment};

/// Pause after a refusal without Retry-After.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause that a Retry-After can cause: a faulty target must not stop an org for days.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Time without refusals before the working limit climbs.
pub const CLIMB_AFTER: Duration = Duration::from_secs(60);
/// Interval at which the working limit then climbs by one token.
pub const CLIMB_EVERY: Duration = Duration::from_secs(30);
/// Least working limit (or the settings' limit, if that is lower): a few requests must still be sent to see what the
/// target accepts.
pub const WORKING_LIMIT_MIN: u32 = 5;
/// Most steps of stretch: a guard wider by 1.75 s, and a spacing 7 % wider than configured.
pub const STRETCH_MAX: u8 = 3;
/// Initial time without refusals before one step of stretch is taken back.
pub const RELAX_AFTER: Duration = Duration::from_secs(60 * 60);
/// Longest time without refusals before one step of stretch is taken back. The time doubles with every step that had to
/// be repeated, so that a target that approximates its window is not tested every hour for ever.
pub const RELAX_AFTER_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Time for which a refusal above the settings' limit is believed.
pub const EXPLORE_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens by which our own use must be below the working limit before others are suspected.
const CERTAINTY: u32 = 2;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Refusals {
    ceiling: u32,
    /// Highest limit to explore; equal to the ceiling if exploring is not allowed.
    summit: u32,
    /// Set by a refusal that showed that the target's limit is not higher than the working limit. Believed until this
    /// moment.
    explored_until: Option<Moment>,
    /// True if a request waited only because of the limit or its spacing since the last climb.
    pressed: bool,
    working: u32,
    stretch: u8,
    gate: Gate,
    /// Time at which the gate last closed: refusals of earlier grants belong to the same wave.
    closed_at: Option<Moment>,
    quiet_since: Moment,
    climbed_at: Moment,
    relaxed_at: Moment,
    /// Steps of stretch that were taken back and had to be repeated.
    relapses: u32,
    relaxed_once: bool,
    /// Working limit below which the current wave cannot push.
    wave_floor: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    Open,
    Closed {
        until: Moment,
        pause: Duration,
    },
    /// A probe is in flight.
    Probing {
        probe: GrantId,
        pause: Duration,
    },
}

/// State of the gate, as the budget needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Free,
    Probe,
    ClosedUntil(Moment),
    AwaitingProbe,
}

/// A refusal, as received by the budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) grant: GrantId,
    pub(crate) granted_at: Moment,
    pub(crate) retry_after: Option<Duration>,
    /// Tokens in use when the refusal arrived: an upper bound of our own use in the last window.
    pub(crate) own_use: u32,
    /// Length of the window: the longest pause between probes, if it is above [`FIRST_PAUSE`].
    pub(crate) window: Duration,
}

impl Refusals {
    pub(crate) fn new(ceiling: u32, summit: u32, now: Moment) -> Refusals {
        Refusals {
            ceiling,
            summit: summit.max(ceiling),
            explored_until: None,
            pressed: false,
            working: ceiling,
            stretch: 0,
            gate: Gate::Open,
            closed_at: None,
            quiet_since: now,
            climbed_at: now,
            relaxed_at: now,
            relapses: 0,
            relaxed_once: false,
            wave_floor: 0,
        }
    }

    pub(crate) fn working_limit(&self) -> u32 {
        self.working
    }

    pub(crate) fn stretch(&self) -> u8 {
        self.stretch
    }

    pub(crate) fn passage(&self, now: Moment) -> Passage {
        match self.gate {
            Gate::Open => Passage::Free,
            Gate::Closed { until, .. } if until > now => Passage::ClosedUntil(until),
            Gate::Closed { .. } => Passage::Probe,
            Gate::Probing { .. } => Passage::AwaitingProbe,
        }
    }

    /// Applies a changed limit of the settings.
    pub(crate) fn retune(&mut self, ceiling: u32, summit: u32) {
        self.working = if self.working >= self.ceiling {
            ceiling
        } else {
            self.working.min(ceiling)
        };
        self.ceiling = ceiling;
        self.summit = summit.max(ceiling);
    }

    /// Restores the values that an earlier governor had learned.
    pub(crate) fn restore(&mut self, working: u32, stretch: u8) {
        self.working = working.clamp(1, self.summit);
        self.stretch = stretch.min(STRETCH_MAX);
    }

    /// Restores a refusal that an earlier governor received `age` ago. The first grant after it is a probe in any case.
    pub(crate) fn restore_refusal(&mut self, now: Moment, age: Duration, retry_after: Option<Duration>) {
        let pause = retry_after.map_or(FIRST_PAUSE, |after| after.min(RETRY_AFTER_MAX));
        let until = now + pause.saturating_sub(age);
        let until = match self.gate {
            Gate::Closed { until: earlier, .. } => until.max(earlier),
            Gate::Open | Gate::Probing { .. } => until,
        };
        self.wave_floor = self.working / 2;
        self.close(now, until, FIRST_PAUSE);
    }

    /// Notes that a request waits only because of the limit or its spacing.
    pub(crate) fn press(&mut self) {
        self.pressed = true;
    }

    pub(crate) fn probe_sent(&mut self, grant: GrantId) {
        if let Gate::Closed { pause, .. } = self.gate {
            self.gate = Gate::Probing { probe: grant, pause };
        }
    }

    pub(crate) fn answered(&mut self, grant: GrantId) {
        if self.is_probe(grant) {
            self.gate = Gate::Open;
        }
    }

    /// Notes that a grant ended without an answer. If it was the probe, another probe is granted.
    pub(crate) fn unanswered(&mut self, grant: GrantId, now: Moment) {
        if let Gate::Probing { probe, pause } = self.gate
            && probe == grant
        {
            self.gate = Gate::Closed { until: now, pause };
        }
    }

    /// Applies a refusal. Returns whether the working limit or the stretch changed.
    pub(crate) fn refused(&mut self, now: Moment, refusal: Refusal) -> bool {
        self.quiet_since = now;
        let asked = refusal.retry_after.map(|after| now + after.min(RETRY_AFTER_MAX));
        match self.gate {
            Gate::Probing { probe, pause } if probe == refusal.grant => {
                let pause = (pause * 2).min(refusal.window.max(FIRST_PAUSE));
                self.close(now, asked.unwrap_or(now + pause), pause);
                self.learn(now, refusal.own_use)
            }
            Gate::Open if self.closed_at.is_none_or(|closed| refusal.granted_at > closed) => {
                self.wave_floor = self.working / 2;
                self.close(now, asked.unwrap_or(now + FIRST_PAUSE), FIRST_PAUSE);
                self.learn(now, refusal.own_use)
            }
            Gate::Closed { until, pause } => {
                self.gate = Gate::Closed {
                    until: asked.map_or(until, |asked| asked.max(until)),
                    pause,
                };
                false
            }
            Gate::Open | Gate::Probing { .. } => {
                if let Some(asked) = asked {
                    self.close(now, asked, FIRST_PAUSE);
                }
                false
            }
        }
    }

    /// Climbs and relaxes as time passes. Returns whether anything changed.
    pub(crate) fn pass_time(&mut self, now: Moment) -> bool {
        let before = (self.working, self.stretch);
        while let Some(at) = self.next_climb().filter(|&at| at <= now) {
            self.working += 1;
            self.climbed_at = at;
            self.pressed = false;
        }
        while let Some(at) = self.next_relax().filter(|&at| at <= now) {
            self.stretch -= 1;
            self.relaxed_at = at;
            self.relaxed_once = true;
        }
        before != (self.working, self.stretch)
    }

    pub(crate) fn next_change(&self) -> Option<Moment> {
        self.next_climb().into_iter().chain(self.next_relax()).min()
    }

    fn next_climb(&self) -> Option<Moment> {
        let exploring = self.pressed && self.working < self.summit;
        let may = self.working < self.ceiling || exploring;
        let believed = self.explored_until.filter(|_| self.working >= self.ceiling);
        (self.gate == Gate::Open && may).then(|| {
            let quiet = (self.quiet_since + CLIMB_AFTER).max(self.climbed_at + CLIMB_EVERY);
            believed.map_or(quiet, |until| quiet.max(until))
        })
    }

    fn next_relax(&self) -> Option<Moment> {
        (self.gate == Gate::Open && self.stretch > 0)
            .then(|| self.quiet_since.max(self.relaxed_at) + self.relax_after())
    }

    fn relax_after(&self) -> Duration {
        let doubled = RELAX_AFTER.saturating_mul(1_u32.checked_shl(self.relapses).unwrap_or(u32::MAX));
        doubled.min(RELAX_AFTER_MAX)
    }

    fn is_probe(&self, grant: GrantId) -> bool {
        matches!(self.gate, Gate::Probing { probe, .. } if probe == grant)
    }

    fn close(&mut self, now: Moment, until: Moment, pause: Duration) {
        self.gate = Gate::Closed { until, pause };
        self.closed_at = Some(now);
    }

    /// Adapts the working limit or the stretch. One wave can at most halve the working limit: a target that refuses
    /// although we send very little is down, not shared, and must not cost an hour of climbing.
    fn learn(&mut self, now: Moment, own_use: u32) -> bool {
        let before = (self.working, self.stretch);
        self.pressed = false;
        if self.working > self.ceiling {
            self.working = own_use
                .saturating_sub(CERTAINTY)
                .clamp(self.ceiling, self.working - 1);
            self.explored_until = Some(now + EXPLORE_AGAIN);
        } else if own_use + CERTAINTY < self.working {
            let room = own_use.saturating_sub(CERTAINTY);
            let least = WORKING_LIMIT_MIN.max(self.wave_floor).min(self.working);
            self.working = room.max(least);
        } else if self.stretch < STRETCH_MAX {
            self.stretch += 1;
            self.relaxed_at = now;
            if self.relaxed_once {
                self.relapses = (self.relapses + 1).min(16);
            }
        }
        self.climbed_at = now;
        before != (self.working, self.stretch)
    }
}
