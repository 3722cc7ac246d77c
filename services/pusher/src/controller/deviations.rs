//! The deviations of an org, as all answers report them.
//!
//! A large org has hundreds of thousands of memberships to compare, and a waiting command sends two requests per second. So the summary is
//! computed again only after a change, and during work it takes only a small part of the time.

use provisioning::{DeviationKind, Deviations, deviations};
use tokio::time::{Duration, Instant};

use super::{Controller, PLAN_SHARE};

/// The last computed summary.
#[derive(Debug, Default)]
pub(super) struct KnownDeviations {
    last: Option<Made>,
    outdated: bool,
}

#[derive(Debug)]
struct Made {
    all: Deviations,
    at: Instant,
    cost: Duration,
}

impl KnownDeviations {
    /// Notes that something has changed since the last summary.
    pub(super) fn outdated(&mut self) {
        self.outdated = true;
    }
}

impl Controller {
    /// All deviations. Every answer reports this list.
    pub(super) fn deviations(&mut self) -> Deviations {
        let working = !self.plan.is_empty() || !self.state.under_way().is_empty();
        let known = self.deviations.last.as_ref().filter(|made| {
            let soon = made.at.elapsed() < made.cost * PLAN_SHARE;
            !self.deviations.outdated || (working && soon)
        });
        let mut all = match known {
            Some(made) => made.all.clone(),
            None => self.make_deviations(),
        };
        if let Some(why) = self.paused() {
            all.add(DeviationKind::OrgPaused, None, || why);
        }
        all
    }

    fn make_deviations(&mut self) -> Deviations {
        let at = Instant::now();
        let all = deviations(&self.state, &self.plan, &self.switched_off);
        self.deviations.outdated = false;
        self.deviations.last = Some(Made {
            all: all.clone(),
            at,
            cost: at.elapsed(),
        });
        all
    }
}
