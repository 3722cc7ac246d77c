//! Settings of one budget, checked once.
//!
//! [`Terms`] is the content of a file, with every default filled in by [`Terms::per_minute`]. [`BudgetSettings`] is the
//! same after all rules were checked. No later code checks again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Largest limit. The ring keeps a few dozen bytes per token. A grant at this rate still costs one message per 10 ms.
pub const LIMIT_MAX: u32 = 100_000;
/// Longest window: a day. A lost token cannot be used for longer than a window.
pub const WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest life of a permit. It also decides how much further back than a window a take-over must read the ledger.
pub const PERMIT_TTL_MAX: Duration = Duration::from_secs(60);
/// Longest value of `settle`: the time for a sent request to take effect.
pub const SETTLE_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest guard, which is added to the window.
pub const GUARD_MAX: Duration = Duration::from_secs(10);
/// Largest error of the clock rate that the ring can absorb: 1 %. Healthy clocks drift by less than 100 ppm.
pub const CLOCK_ERROR_PPM_MAX: u32 = 10_000;
/// Slowest pacing, in thousandths of window / limit. For slower pacing, set a lower limit.
pub const PACING_PERMILLE_MAX: u32 = 2_000;

/// Spread of grants over the window.
///
/// Without pacing, all tokens of a full ring are granted at once, and then none for a window. An urgent request after
/// such a wave waits for up to a window, and targets that only approximate a window refuse a quarter of the wave. With
/// even spacing, tokens become free all the time, so an urgent request waits for about window / limit even if ten
/// thousand others wait.
///
/// Spacing of exactly window / limit is safe with exact windows and token buckets. Two-counter approximations (fixed
/// windows with a weighted predecessor) refuse a few in ten thousand at 1.00 and 1.01, and none at 1.033. The default
/// is 1.01, which gives 99 requests a minute of 100. The spacing is stretched to 1.033 and further only when the target
/// refuses although our own count was within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// At least `permille` thousandths of window / limit between two grants.
    Even { permille: u32 },
    /// As fast as the ring allows. Only for targets that are known to count in exact windows.
    Unpaced,
}

impl Pacing {
    pub const DEFAULT: Pacing = Pacing::Even { permille: 1_010 };
}

/// Settings of one budget, as an operator writes them. Durations are written in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// Requests that the target allows per window.
    pub limit: u32,
    /// Highest limit to explore, if the target may allow more than `limit`. `None`: never explore. Exploring costs one
    /// refusal a day.
    #[serde(default)]
    pub explore_to: Option<u32>,
    /// Our part of the limit, in percent. The rest is left to others on the same limit.
    pub share_percent: u32,
    /// Length of the target's window, rolling or fixed.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// Addition to the window that absorbs coarse clocks.
    #[serde(rename = "guard_ms", with = "millis")]
    pub guard: Duration,
    /// Most by which the governor's clock may run too fast, in parts per million.
    pub clock_error_ppm: u32,
    /// Life of a permit, from the time at which its holder requested it.
    #[serde(rename = "permit_ttl_ms", with = "millis")]
    pub permit_ttl: Duration,
    /// Longest time after sending during which a request may still take effect. Every time-out of the HTTP client and
    /// of TCP must be shorter.
    #[serde(rename = "settle_ms", with = "millis")]
    pub settle: Duration,
    pub pacing: Pacing,
    /// Tokens that the urgent and interactive classes may get ahead of the pacing.
    pub burst: u32,
    /// Tokens that only the urgent class may take.
    pub reserve: u32,
    /// Tokens that one worker may hold unreported at a time.
    pub worker_max: u32,
    /// Share of grants, in percent, that the background class gets while it waits, whatever else waits. Urgent requests
    /// that cut off leavers still go first.
    pub background_floor_percent: u32,
}

impl Terms {
    /// Returns the defaults for a limit per minute.
    ///
    /// The guard is many times larger than the error of clocks that count in milliseconds, and costs less than a
    /// thousandth of the limit. The reserve of 1 and the burst of 5 are meant for limits around 100, and shrink with
    /// the limit. A worker may hold the tokens of ten seconds, so that one worker alone can use the whole limit at a
    /// latency of up to ten seconds.
    pub fn per_minute(limit: u32) -> Terms {
        Terms {
            limit,
            explore_to: None,
            share_percent: 100,
            window: Duration::from_secs(60),
            guard: Duration::from_millis(50),
            clock_error_ppm: 500,
            permit_ttl: Duration::from_secs(10),
            settle: Duration::from_secs(30),
            pacing: Pacing::DEFAULT,
            burst: (limit / 20).min(5),
            reserve: (limit / 20).min(1),
            worker_max: limit.div_ceil(6).max(4),
            background_floor_percent: 5,
        }
    }
}

/// Checked settings of one budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Terms", into = "Terms")]
pub struct BudgetSettings(Terms);

impl BudgetSettings {
    /// Checks the terms.
    ///
    /// # Errors
    /// The first rule of [`SettingsError`] that the terms break.
    pub fn new(terms: Terms) -> Result<BudgetSettings, SettingsError> {
        let Terms {
            limit,
            explore_to,
            share_percent,
            window,
            guard,
            clock_error_ppm,
            permit_ttl,
            settle,
            pacing,
            burst,
            reserve,
            ..
        } = terms;
        if limit == 0 {
            return Err(SettingsError::LimitZero);
        }
        if limit > LIMIT_MAX {
            return Err(SettingsError::LimitTooLarge { limit });
        }
        if let Some(explore_to) = explore_to
            && !(limit..=LIMIT_MAX).contains(&explore_to)
        {
            return Err(SettingsError::ExploreTo { explore_to, limit });
        }
        if !(1..=100).contains(&share_percent) {
            return Err(SettingsError::Share {
                percent: share_percent,
            });
        }
        if window < Duration::from_secs(1) || window > WINDOW_MAX {
            return Err(SettingsError::Window {
                ms: window.as_millis(),
            });
        }
        if guard > GUARD_MAX {
            return Err(SettingsError::Guard {
                ms: guard.as_millis(),
            });
        }
        if clock_error_ppm > CLOCK_ERROR_PPM_MAX {
            return Err(SettingsError::ClockError { ppm: clock_error_ppm });
        }
        if permit_ttl < Duration::from_millis(100) || permit_ttl > PERMIT_TTL_MAX {
            return Err(SettingsError::PermitTtl {
                ms: permit_ttl.as_millis(),
            });
        }
        if settle > SETTLE_MAX {
            return Err(SettingsError::Settle {
                ms: settle.as_millis(),
            });
        }
        match pacing {
            Pacing::Even { permille } if !(1_000..=PACING_PERMILLE_MAX).contains(&permille) => {
                return Err(SettingsError::Pacing { permille });
            }
            Pacing::Even { .. } | Pacing::Unpaced => {}
        }
        if burst > limit {
            return Err(SettingsError::Burst { burst, limit });
        }
        let tokens = share_of(limit, share_percent);
        if reserve >= tokens {
            return Err(SettingsError::Reserve { reserve, tokens });
        }
        if terms.worker_max == 0 {
            return Err(SettingsError::WorkerMaxZero);
        }
        if terms.background_floor_percent > 50 {
            return Err(SettingsError::BackgroundFloor {
                percent: terms.background_floor_percent,
            });
        }
        Ok(BudgetSettings(terms))
    }

    /// Returns the checked defaults for a limit per minute.
    ///
    /// # Errors
    /// [`SettingsError`] if the limit is 0 or above [`LIMIT_MAX`].
    pub fn per_minute(limit: u32) -> Result<BudgetSettings, SettingsError> {
        BudgetSettings::new(Terms::per_minute(limit))
    }

    pub fn terms(&self) -> &Terms {
        &self.0
    }

    /// Size of the ring: our share of the limit, at least 1.
    pub fn tokens(&self) -> u32 {
        share_of(self.0.limit, self.0.share_percent)
    }

    /// Largest size of the ring while exploring whether the target allows more.
    pub fn tokens_at_most(&self) -> u32 {
        self.0
            .explore_to
            .map_or_else(|| self.tokens(), |limit| share_of(limit, self.0.share_percent))
    }

    pub fn window(&self) -> Duration {
        self.0.window
    }

    pub fn permit_ttl(&self) -> Duration {
        self.0.permit_ttl
    }

    pub fn settle(&self) -> Duration {
        self.0.settle
    }

    /// Time for which a used token cools: the window, the time by which a fast clock could shorten it, and the guard.
    pub fn cooling(&self) -> Duration {
        let window_ms = self.0.window.as_millis();
        let drift_ms = (window_ms * u128::from(self.0.clock_error_ppm)).div_ceil(1_000_000);
        self.0.window + millis::from(drift_ms) + self.0.guard
    }

    /// Time for which a governor must grant nothing if it does not know what its predecessors granted.
    pub fn quiet(&self) -> Duration {
        self.cooling() + self.0.guard + self.0.permit_ttl + self.0.settle
    }

    /// Time that a take-over must read back in the ledger: older entries hold no token any more. It uses
    /// [`PERMIT_TTL_MAX`] because the predecessor may have had another `permit_ttl`.
    pub fn horizon(&self) -> Duration {
        self.cooling() + self.0.guard + PERMIT_TTL_MAX + self.0.settle
    }

    /// Longest time that a request may wait for its response: half the permit's life. The life starts with the request,
    /// so this leaves time to use a granted permit.
    pub fn wait_max(&self) -> Duration {
        self.0.permit_ttl / 2
    }
}

impl TryFrom<Terms> for BudgetSettings {
    type Error = SettingsError;

    fn try_from(terms: Terms) -> Result<BudgetSettings, SettingsError> {
        BudgetSettings::new(terms)
    }
}

impl From<BudgetSettings> for Terms {
    fn from(settings: BudgetSettings) -> Terms {
        settings.0
    }
}

fn share_of(limit: u32, percent: u32) -> u32 {
    u32::try_from(u64::from(limit) * u64::from(percent) / 100)
        .unwrap_or(u32::MAX)
        .max(1)
}

/// Reason why terms are invalid. Every variant names the setting and its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "limit is 0: nothing could ever be sent; give the number of requests that the target allows per window"
    )]
    LimitZero,
    #[error("limit {limit} is above {LIMIT_MAX}; lower it")]
    LimitTooLarge { limit: u32 },
    #[error("explore_to {explore_to} is not within the limit {limit} and {LIMIT_MAX}")]
    ExploreTo { explore_to: u32, limit: u32 },
    #[error("share_percent {percent} is not within 1 to 100")]
    Share { percent: u32 },
    #[error("window of {ms} ms is not within a second and a day")]
    Window { ms: u128 },
    #[error("guard of {ms} ms is above {} ms", GUARD_MAX.as_millis())]
    Guard { ms: u128 },
    #[error("clock_error_ppm {ppm} is above {CLOCK_ERROR_PPM_MAX}; repair the clock instead")]
    ClockError { ppm: u32 },
    #[error("permit_ttl of {ms} ms is not within 100 ms and {} ms", PERMIT_TTL_MAX.as_millis())]
    PermitTtl { ms: u128 },
    #[error("settle of {ms} ms is above {} ms; lower the client's time-outs instead", SETTLE_MAX.as_millis())]
    Settle { ms: u128 },
    #[error(
        "pacing of {permille} thousandths is not within 1000 and {PACING_PERMILLE_MAX}; lower the limit instead"
    )]
    Pacing { permille: u32 },
    #[error("burst {burst} is above the limit {limit}")]
    Burst { burst: u32, limit: u32 },
    #[error("reserve {reserve} leaves nothing of {tokens} tokens to other work; lower it below {tokens}")]
    Reserve { reserve: u32, tokens: u32 },
    #[error("worker_max is 0: no worker could ever hold a token; give at least 1")]
    WorkerMaxZero,
    #[error("background_floor_percent {percent} is above 50; background work would come before all other")]
    BackgroundFloor { percent: u32 },
}

/// Serializes durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn from(ms: u128) -> Duration {
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
