//! No window ever contains more requests than the limit, and every mistake that would break this is detected.

use proptest::prelude::*;

use crate::simulation::{Cluster, Fault, Run, Scenario, WINDOW};
use crate::targets::{Fixed, Rolling, most, overfull};

/// Returns the first objection of an oracle.
fn objection(run: &Run, scenario: &Scenario) -> Option<String> {
    if let Some(objection) = overfull(&run.counted, WINDOW) {
        return Some(objection);
    }
    if scenario.limit_changes {
        return None;
    }
    let mut at: Vec<u64> = run.counted.iter().map(|request| request.at).collect();
    at.sort_unstable();
    let mut rolling = Rolling::new(scenario.limit, WINDOW);
    let mut fixed = Fixed::new(scenario.limit, WINDOW, scenario.seed % WINDOW);
    at.into_iter().find_map(|at| {
        if !rolling.accepts(at) {
            return Some(format!("a rolling window refused at {at} ms"));
        }
        (!fixed.accepts(at)).then(|| format!("a fixed window refused at {at} ms"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_more_than_the_limit_through_losses_deaths_crashes_and_changes(seed: u64, limit in 1u32..40) {
        let scenario = Scenario::stormy(seed, limit);
        let run = Cluster::run(scenario.clone());
        prop_assert_eq!(objection(&run, &scenario), None);
        prop_assert!(run.takeovers > 0);
    }

    #[test]
    fn an_undisturbed_ring_is_used_to_the_last_token(seed: u64, limit in 4u32..40) {
        let scenario = Scenario { workers: 8, ..Scenario::calm(seed, limit) };
        let run = Cluster::run(scenario.clone());
        prop_assert_eq!(objection(&run, &scenario), None);
        prop_assert_eq!(run.contradictions, 0);
        // At least four fifths of the limit in the long run, although each response takes a tenth of this window to be
        // reported.
        let windows = scenario.span / WINDOW;
        prop_assert!(run.counted.len() as u64 > windows * u64::from(limit) * 8 / 10, "only {} requests", run.counted.len());
    }

    #[test]
    fn every_ask_that_a_governor_hears_is_answered_by_its_deadline(seed: u64, limit in 1u32..40) {
        let run = Cluster::run(Scenario::stormy(seed, limit));
        prop_assert_eq!(run.unanswered, vec![]);
    }
}

#[test]
fn stormy_worlds_exercise_the_limit() {
    let full = (0..30).filter(|&seed| {
        let run = Cluster::run(Scenario {
            limit_changes: false,
            ..Scenario::stormy(seed, 12)
        });
        most(&run.counted, WINDOW) >= 11
    });
    assert!(
        full.count() >= 15,
        "the property above would hold for a governor that grants too little"
    );
}

#[test]
fn every_planted_fault_is_caught() {
    for fault in Fault::ALL {
        // Some mistakes show only when two rare events coincide.
        let caught = (0..2_000).any(|seed| {
            let mut stormy = Scenario::stormy(seed, 10);
            if fault == Fault::SilenceIsNotWrittenDown {
                // It shows only if the next governor starts soon and finds a ledger again.
                (stormy.ledger_loss, stormy.crash_every) = (300, 2_000);
            }
            let scenario = Scenario {
                fault: Some(fault),
                silence: 120,
                limit_changes: false,
                ..stormy
            };
            objection(&Cluster::run(scenario.clone()), &scenario).is_some()
        });
        assert!(caught, "no oracle objected to {fault:?}");
    }
}

#[test]
#[ignore = "a soak: cargo xtask soak"]
fn soak_of_schedules() {
    const SCHEDULES: u64 = 40_000;
    let mut requests = 0;
    for seed in 0..SCHEDULES {
        let scenario = Scenario::stormy(seed, 1 + (seed % 39) as u32);
        let run = Cluster::run(scenario.clone());
        assert_eq!(objection(&run, &scenario), None, "seed {seed}");
        assert_eq!(run.unanswered, vec![], "seed {seed}");
        requests += run.counted.len();
    }
    println!("{SCHEDULES} schedules, {requests} requests, no objection");
}
