//! Advises which limit to request from Litmos Support.
//!
//! Okta's guide says to request *total users + 2 x total groups* requests a minute: what its integration sends in a burst.
//! Rollcall needs the calls of a load, divided by the time that the load may take.

use std::collections::BTreeMap;

use serde::Serialize;

/// Default limit of Litmos, in requests a minute.
const LITMOS_DEFAULT: u64 = 100;

/// Least calls of a full load: per import of 2,000 people, its requests and polls; per 1,000 people, one page to read back; per
/// group, its team and one call that adds the members.
const PEOPLE_PER_IMPORT: u64 = 2_000;
const CALLS_PER_IMPORT: u64 = 4;
const CALLS_PER_GROUP: u64 = 2;
const PEOPLE_PER_PAGE: u64 = 1_000;

/// Input of the advice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Rollcall's share of the limit now, in requests a minute.
    pub(crate) limit: u32,
    /// Calls of the pending plan.
    pub(crate) waiting: u64,
    pub(crate) people: u64,
    pub(crate) groups: u64,
    /// Most requests in any hour of the last day.
    pub(crate) busiest_hour: u64,
    pub(crate) within_minutes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Advice {
    limit: u64,
    waiting_calls: u64,
    waiting_minutes: u64,
    /// Calls to load all people from nothing.
    full_load_calls: u64,
    full_load_minutes: u64,
    busiest_hour_requests: u64,
    okta_formula: u64,
    within_minutes: u32,
    /// Lowest limit that is enough.
    enough: u64,
    /// Limit to request. The present limit if it is enough.
    ask_for: u64,
}

/// Most requests in any hour of the last day. Hours are counted back from now.
pub(crate) fn busiest_hour(started_at_ms: impl Iterator<Item = u64>, now_ms: u64) -> u64 {
    let mut hours: BTreeMap<u64, u64> = BTreeMap::new();
    for at in started_at_ms {
        let hour = now_ms.saturating_sub(at) / 3_600_000;
        if hour < 24 {
            *hours.entry(hour).or_default() += 1;
        }
    }
    hours.into_values().max().unwrap_or_default()
}

impl Advice {
    pub(crate) fn new(facts: &Facts) -> Advice {
        let limit = u64::from(facts.limit).max(1);
        let imports = facts.people.div_ceil(PEOPLE_PER_IMPORT);
        let full_load_calls = imports * CALLS_PER_IMPORT
            + facts.people.div_ceil(PEOPLE_PER_PAGE)
            + facts.groups * CALLS_PER_GROUP;
        let calls = full_load_calls.max(facts.waiting);
        let within = u64::from(facts.within_minutes.max(1));
        // At most half of the limit should be used in the busiest hour, so a load still finds room.
        let enough = (calls.div_ceil(within))
            .max((facts.busiest_hour * 2).div_ceil(60))
            .max(1);
        // Litmos grants round limits, and never less than its default.
        let ask_for = if enough <= limit {
            limit
        } else {
            enough.div_ceil(50).saturating_mul(50).max(LITMOS_DEFAULT)
        };
        Advice {
            limit,
            waiting_calls: facts.waiting,
            waiting_minutes: facts.waiting.div_ceil(limit),
            full_load_calls,
            full_load_minutes: full_load_calls.div_ceil(limit),
            busiest_hour_requests: facts.busiest_hour,
            okta_formula: facts.people + 2 * facts.groups,
            within_minutes: facts.within_minutes,
            enough,
            ask_for,
        }
    }

    pub(crate) fn to_text(&self, org: &str) -> String {
        let advice = if self.ask_for <= self.limit {
            format!(
                "The limit of {} a minute is enough: nothing to ask for.",
                self.limit
            )
        } else {
            format!(
                "Ask Litmos Support for {} requests a minute; {} would do.",
                self.ask_for, self.enough
            )
        };
        format!(
            "{org} may send {} requests a minute.\n\
             The plan that waits: {} calls, {} minutes. Everybody from nothing: about {} calls, {} minutes.\n\
             Busiest hour of the last day: {} requests.\n\
             Okta's guide (users + 2 x groups) would ask for {} a minute.\n\
             {advice} (A load should be done within {} minutes: --within-minutes.)",
            self.limit,
            self.waiting_calls,
            self.waiting_minutes,
            self.full_load_calls,
            self.full_load_minutes,
            self.busiest_hour_requests,
            self.okta_formula,
            self.within_minutes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(people: u64, groups: u64) -> Facts {
        Facts {
            limit: 100,
            waiting: 0,
            people,
            groups,
            busiest_hour: 0,
            within_minutes: 60,
        }
    }

    #[test]
    fn ten_thousand_people_need_no_higher_limit_though_the_guide_asks_for_one() {
        let advice = Advice::new(&facts(10_000, 100));
        assert_eq!(advice.okta_formula, 10_200);
        assert_eq!(advice.ask_for, 100);
        assert!(advice.to_text("acme").contains("nothing to ask for"));
    }

    #[test]
    fn a_plan_that_cannot_be_done_in_time_needs_a_round_higher_limit() {
        let advice = Advice::new(&Facts {
            waiting: 20_000,
            ..facts(20_000, 10)
        });
        assert_eq!((advice.enough, advice.ask_for), (334, 350));
        assert!(advice.to_text("acme").contains("for 350 requests a minute"));
    }

    #[test]
    fn a_busy_day_counts_too_and_older_days_do_not() {
        let now = 100 * 3_600_000;
        let busy = (0..5_000).map(|n| now - 3_600_000 - n);
        let old = (0..50_000).map(|n| now - 30 * 3_600_000 - n % 1_000);
        let hour = busiest_hour(busy.chain(old), now);
        assert_eq!(hour, 5_000);
        let advice = Advice::new(&Facts {
            busiest_hour: hour,
            ..facts(10, 1)
        });
        assert_eq!(advice.ask_for, 200);
    }
}
