//! What is not as a source asked for, as every answer tells it.
//!
//! A large org has hundreds of thousands of memberships to look at, and a command that waits asks twice a second. So the
//! summary is made anew only when something has changed, and while work goes on it takes a small part of the time.

use provisioning::{DeviationKind, Deviations, deviations};
use tokio::time::{Duration, Instant};

use super::{Controller, PLAN_SHARE};

/// The summary as it was last made.
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
    /// Something has changed since.
    pub(super) fn outdated(&mut self) {
        self.outdated = true;
    }
}

impl Controller {
    /// Everything that is not as a source asked for. Each answer takes its words from this.
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
