//! What refusals teach: when to stop, when to try again, and how much of the limit is ours.
//!
//! Laws:
//! - After a refusal nothing is granted until Retry-After, or [`FIRST_PAUSE`]; then one probe goes out. A refused probe doubles
//!   the pause up to a window, an answered one opens the gate, one that comes back unused or without answer is sent again.
//! - If our own use was clearly below the working limit when the target refused, others use the rest: the working limit
//!   follows. If it was not, our picture of the window is wrong: guard and spacing stretch.
//! - One wave of refusals teaches once: refusals of requests that were granted before the gate closed only keep it closed.
//! - Where the settings allow it and all that is allowed is used, the working limit goes on climbing above the settings' limit.
//!   A refusal up there says where the target's own limit lies, and nothing else; it is tried again after [`EXPLORE_AGAIN`].
//! - Without refusals for [`CLIMB_AFTER`] the working limit climbs by one token every [`CLIMB_EVERY`], up to the settings.

use std::time::Duration;

use crate::{GrantId, Moment};

/// Pause after a refusal that did not say how long to wait.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause that a Retry-After can impose: a target gone mad must not silence an org for days.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// How long no refusal must have come before the working limit climbs.
pub const CLIMB_AFTER: Duration = Duration::from_secs(60);
/// How often the working limit then climbs by one token.
pub const CLIMB_EVERY: Duration = Duration::from_secs(30);
/// The working limit never falls below this (or the settings' limit, if that is lower): a trickle keeps learning.
pub const WORKING_LIMIT_MIN: u32 = 5;
/// Stretch ends here: a guard wider by 1.75 s, and a spacing 7 % wider than configured.
pub const STRETCH_MAX: u8 = 3;
/// How long no refusal must have come before one step of stretch is taken back, at first.
pub const RELAX_AFTER: Duration = Duration::from_secs(60 * 60);
/// Every step that had to be taken anew doubles that time, up to this: a target that approximates its window is not
/// tried again every hour for ever.
pub const RELAX_AFTER_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long what a target refused above the settings' limit is believed.
pub const EXPLORE_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Our own use must lie this far below the working limit before others are suspected.
const CERTAINTY: u32 = 2;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Refusals {
    ceiling: u32,
    /// Where exploring ends; the ceiling, where it is not allowed.
    summit: u32,
    /// A refusal showed that the target's limit is not higher than the working limit; believed until then.
    explored_until: Option<Moment>,
    /// Asks waited although nothing but the limit stood in their way, since the last climb.
    pressed: bool,
    working: u32,
    stretch: u8,
    gate: Gate,
    /// When the gate last closed: refusals of grants from before belong to the same wave.
    closed_at: Option<Moment>,
    quiet_since: Moment,
    climbed_at: Moment,
    relaxed_at: Moment,
    /// Steps of stretch that were taken back and had to be taken anew.
    relapses: u32,
    relaxed_once: bool,
    /// The working limit below which the current wave may not push.
    wave_floor: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    Open,
    Closed {
        until: Moment,
        pause: Duration,
    },
    /// A probe is out.
    Probing {
        probe: GrantId,
        pause: Duration,
    },
}

/// How much the gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Free,
    Probe,
    ClosedUntil(Moment),
    AwaitingProbe,
}

/// A refusal as the budget input it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) grant: GrantId,
    pub(crate) granted_at: Moment,
    pub(crate) retry_after: Option<Duration>,
    /// Tokens in use when the refusal was input: an upper bound of our own use in the last window.
    pub(crate) own_use: u32,
    /// The window, which bounds the pause.
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

    /// Follows a changed limit of the settings.
    pub(crate) fn retune(&mut self, ceiling: u32, summit: u32) {
        self.working = if self.working >= self.ceiling {
            ceiling
        } else {
            self.working.min(ceiling)
        };
        self.ceiling = ceiling;
        self.summit = summit.max(ceiling);
    }

    /// Takes over what an earlier governor had learnt.
    pub(crate) fn restore(&mut self, working: u32, stretch: u8) {
        self.working = working.clamp(1, self.summit);
        self.stretch = stretch.min(STRETCH_MAX);
    }

    /// Takes over that an earlier governor was refused `age` ago. The first grant from here is a probe in any case.
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

    /// An request waits for nothing but the limit.
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

    /// The grant ended without an answer. A probe goes out again.
    pub(crate) fn unanswered(&mut self, grant: GrantId, now: Moment) {
        if let Gate::Probing { probe, pause } = self.gate
            && probe == grant
        {
            self.gate = Gate::Closed { until: now, pause };
        }
    }

    /// Whether the working limit or the stretch changed.
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

    /// Climbs and relaxes as time passes; whether anything changed.
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

    /// A wave may halve the working limit at most: a target that refuses although we hardly send is down rather than shared,
    /// and must not cost an hour of climbing.
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
