use std::collections::BTreeSet;

use proptest::prelude::*;
use provisioning::{Limit, Plan, Policy, Safeguard, Subject, WaitReason};

use crate::company::{
    Event, assert_equal, assert_well_formed, company, happen, mentions, plain, single, stated,
};

fn labels(plan: &Plan) -> BTreeSet<String> {
    plan.operations
        .iter()
        .map(|operation| operation.label.clone())
        .collect()
}

fn without_settling(events: Vec<Event>) -> Vec<Event> {
    events
        .into_iter()
        .filter(|event| !matches!(event, Event::Settle))
        .collect()
}

/// Limits of one each.
fn tight() -> Safeguard {
    let one = Limit {
        percent: 0,
        most: 1,
        floor: 1,
    };
    let mut safeguard = Safeguard::boundless();
    safeguard.run.values_mut().for_each(|limit| *limit = one);
    safeguard.day.values_mut().for_each(|limit| *limit = one);
    safeguard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn performing_plans_until_none_is_left_makes_litmos_equal_the_roster(events in company(14, 60)) {
        let mut scene = stated(&events, plain());
        scene.run();
        assert_equal(&scene);
    }

    #[test]
    fn bulk_and_single_calls_end_in_the_same_litmos(events in company(14, 60)) {
        let mut bulk = stated(&events, plain());
        let mut single = stated(&events, single());
        bulk.run();
        single.run();
        prop_assert_eq!(bulk.litmos(), single.litmos());
    }

    #[test]
    fn the_chosen_encoding_is_never_dearer_than_single_calls(events in company(30, 60)) {
        let mut scene = stated(&events, plain());
        let bulk = scene.plan();
        scene.policy.bulk = false;
        let single = scene.plan();
        prop_assert!(bulk.calls() <= single.calls(), "{}\n{}", bulk.to_text(30), single.to_text(30));
    }

    #[test]
    fn looking_only_at_what_was_touched_plans_as_looking_at_everything(
        before in company(10, 60),
        after in company(10, 8),
    ) {
        let mut scene = stated(&before, single());
        scene.run();
        scene.touched.clear();
        for event in without_settling(after) {
            happen(&mut scene, &event);
        }
        prop_assert_eq!(labels(&scene.plan_for(&scene.touched)), labels(&scene.plan()));
    }

    #[test]
    fn every_step_of_the_way_is_planned_from_what_was_touched(before in company(8, 40), after in company(8, 30)) {
        let mut scene = stated(&before, single());
        scene.run();
        scene.touched.clear();
        let mut pending: BTreeSet<Subject> = BTreeSet::new();
        for event in without_settling(after) {
            happen(&mut scene, &event);
        }
        for _ in 0..200 {
            pending.extend(std::mem::take(&mut scene.touched));
            let plan = scene.plan_for(&pending);
            prop_assert_eq!(labels(&plan), labels(&scene.plan()));
            for (subject, parked) in &plan.park {
                scene.park(subject, parked);
            }
            pending = plan.operations.iter().flat_map(|operation| operation.change.subjects()).collect();
            let Some(operation) = plan.operations.first() else { break };
            scene.perform(&operation.clone());
        }
        prop_assert!(scene.plan().is_empty());
    }

    #[test]
    fn the_price_named_before_is_the_price_paid(
        before in company(20, 40),
        after in company(40, 80),
    ) {
        let mut scene = stated(&without_settling(before), plain());
        scene.run();
        scene.calls = 0;
        for event in without_settling(after) {
            happen(&mut scene, &event);
        }
        let named = scene.plan();
        scene.run();
        // The account of a leaver gives up its name once it is inactive, and until then nobody knows whether it will be.
        let awaits_a_name = |reason: &WaitReason| matches!(reason, WaitReason::NameAwaited { .. });
        if named.waiting.iter().any(|(_, reason)| awaits_a_name(reason)) {
            prop_assert!(scene.calls >= named.calls(), "{}", named.to_text(80));
        } else {
            prop_assert_eq!(scene.calls, named.calls(), "{}", named.to_text(80));
        }
    }

    #[test]
    fn every_plan_stands_in_an_order_that_can_be_performed(events in company(14, 60)) {
        let scene = stated(&events, plain());
        assert_well_formed(&scene.plan());
        prop_assert_eq!(labels(&scene.plan()), labels(&scene.plan()));
    }

    #[test]
    fn nothing_held_is_planned_and_nothing_planned_rests_on_it(events in company(14, 80)) {
        let mut scene = stated(&events, Policy { safeguard: tight(), ..plain() });
        let plan = scene.plan();
        assert_well_formed(&plan);
        let planned = labels(&plan);
        for item in plan.held.iter().flat_map(|held| &held.items) {
            prop_assert!(!planned.contains(&item.label), "{}", item.label);
        }
        scene.run();
    }

    #[test]
    fn people_without_a_wish_about_them_are_never_touched(events in company(14, 60)) {
        let mut scene = stated(&events, plain());
        let stranger = scene.account("stranger");
        let before = scene.state.account(&stranger).cloned();
        prop_assert!(!scene.plan().operations.iter().any(|operation| mentions(&operation.change, &stranger)));
        scene.run();
        prop_assert_eq!(scene.state.account(&stranger).cloned(), before);
    }
}
