//! The order in which requests get tokens.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rate_tokens::{BudgetSettings, Class, PerClass, RequestId, Settlement, Terms};

use crate::harness::{ANSWERED, Harness, ms, unpaced};

/// Number of tokens that each class gets while every class in `classes` waits. One token is free at a time and is
/// returned at once.
fn shares(classes: &[Class], tokens: u32, floor: u32) -> PerClass<u32> {
    let terms = Terms {
        background_floor_percent: floor,
        ..unpaced(1).terms().clone()
    };
    let mut harness = Harness::new(BudgetSettings::new(terms).unwrap());
    let mut shares = PerClass::default();
    for &class in classes {
        harness.request(class, class.as_str(), 1);
        harness.request(class, class.as_str(), 1);
    }
    for _ in 0..tokens {
        let grant = harness.advance().grants.remove(0);
        *shares.get_mut(grant.class) += 1;
        harness.report(grant.grant, Settlement::Unused);
        harness.request(grant.class, grant.class.as_str(), 1);
    }
    shares
}

#[test]
fn classes_that_wait_share_by_weight() {
    let shares = shares(&Class::ALL, 8_500, 0);
    let expected = PerClass {
        urgent: 6_400u32,
        interactive: 1_600,
        normal: 400,
        background: 100,
    };
    for class in Class::ALL {
        let (got, want) = (*shares.get(class), *expected.get(class));
        assert!(
            got.abs_diff(want) <= want / 50 + 20,
            "{class} got {got}, its weight is {want}"
        );
    }
}

#[test]
fn background_keeps_its_floor_while_others_wait() {
    let shares = shares(&Class::ALL, 2_000, 5);
    assert!(
        shares.background >= 95,
        "background got {} of 2000",
        shares.background
    );
}

#[test]
fn a_class_that_wakes_up_late_has_no_claim_on_the_past() {
    let terms = Terms {
        background_floor_percent: 0,
        ..unpaced(1).terms().clone()
    };
    let mut harness = Harness::new(BudgetSettings::new(terms).unwrap());
    let mut late = 0;
    harness.request(Class::Background, "import", 1);
    harness.request(Class::Background, "import", 1);
    for round in 0..300 {
        if round == 200 {
            harness.request(Class::Normal, "bulk", 1);
            harness.request(Class::Normal, "bulk", 1);
        }
        let grant = harness.advance().grants.remove(0);
        late += u32::from(round >= 200 && grant.class == Class::Background);
        harness.report(grant.grant, Settlement::Unused);
        harness.request(grant.class, grant.class.as_str(), 1);
    }
    assert!(
        (18..=22).contains(&late),
        "background got {late} of the last 100, its weight is a fifth"
    );
}

#[test]
fn background_gets_what_its_weight_promises_after_a_time_of_floor() {
    let mut harness = Harness::new(unpaced(1));
    for class in Class::ALL {
        harness.request(class, class.as_str(), 1);
        harness.request(class, class.as_str(), 1);
    }
    let mut got: PerClass<u32> = PerClass::default();
    for round in 0..3_000 {
        let grant = harness.advance().grants.remove(0);
        harness.report(grant.grant, Settlement::Unused);
        let urgent_is_over = round >= 1_000 && grant.class < Class::Normal;
        if !urgent_is_over {
            harness.request(grant.class, grant.class.as_str(), 1);
        }
        if round >= 2_000 {
            *got.get_mut(grant.class) += 1;
        }
    }
    assert_eq!((got.urgent, got.interactive), (0, 0));
    assert!(
        (190..=230).contains(&got.background),
        "background got {} of 1000",
        got.background
    );
}

#[test]
fn an_urgent_ask_that_always_comes_back_leaves_the_others_their_turns() {
    let mut harness = Harness::new(unpaced(1));
    let mut got: PerClass<u32> = PerClass::default();
    for class in [Class::Normal, Class::Background] {
        harness.request(class, class.as_str(), 1);
        harness.request(class, class.as_str(), 1);
    }
    harness.request(Class::Urgent, "leaver", 1);
    for _ in 0..2_000 {
        let grant = harness.advance().grants.remove(0);
        *got.get_mut(grant.class) += 1;
        harness.report(grant.grant, Settlement::Unused);
        harness.request(grant.class, grant.class.as_str(), 1);
    }
    assert!(got.normal >= 100 && got.background >= 75, "{got:?}");
}

#[test]
fn a_few_urgent_asks_go_before_any_backlog_and_before_the_floor() {
    let mut harness = Harness::new(unpaced(1));
    for class in [Class::Interactive, Class::Normal, Class::Background] {
        for _ in 0..200 {
            harness.request(class, class.as_str(), 1);
        }
    }
    for _ in 0..100 {
        let grant = harness.advance().grants.remove(0);
        harness.report(grant.grant, Settlement::Unused);
    }
    let urgent: Vec<RequestId> = (0..15)
        .map(|_| harness.request(Class::Urgent, "leavers", 1))
        .collect();
    for request in urgent {
        let grant = harness.advance().grants.remove(0);
        assert_eq!(grant.request, request);
        harness.report(grant.grant, Settlement::Unused);
    }
}

#[test]
fn urgent_asks_pass_the_pacing_and_find_a_reserve() {
    let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
    let bulk: Vec<_> = (0..60)
        .map(|_| {
            harness.pass(ms(606));
            harness.granted(Class::Urgent)
        })
        .collect();
    assert_eq!(bulk.len(), 60);
    harness.request(Class::Normal, "bulk", 1);
    let urgent = [(); 5].map(|()| harness.request(Class::Urgent, "leaver", 1));
    let granted: Vec<RequestId> = harness
        .advance()
        .grants
        .iter()
        .map(|grant| grant.request)
        .collect();
    assert_eq!(granted, urgent);
}

#[test]
fn the_reserve_is_for_urgent_asks_only() {
    let terms = Terms {
        reserve: 2,
        ..unpaced(100).terms().clone()
    };
    let mut harness = Harness::new(BudgetSettings::new(terms).unwrap());
    assert_eq!(harness.drain(Class::Normal).len(), 98);
    assert_eq!(harness.drain(Class::Interactive).len(), 0);
    assert_eq!(harness.drain(Class::Urgent).len(), 2);
}

#[test]
fn a_reserve_and_a_burst_starve_nobody_under_endless_urgent_demand() {
    let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
    let mut got: PerClass<u32> = PerClass::default();
    for class in [Class::Urgent, Class::Normal] {
        for _ in 0..3 {
            harness.request(class, class.as_str(), 1);
        }
    }
    let end = harness.now + ms(20 * 60_000);
    while harness.now < end {
        let step = harness.advance();
        for grant in &step.grants {
            *got.get_mut(grant.class) += 1;
            harness.report(grant.grant, ANSWERED);
            harness.request(grant.class, grant.class.as_str(), 1);
        }
        for wait in &step.waits {
            let class = if wait.request.get() % 2 == 0 {
                Class::Urgent
            } else {
                Class::Normal
            };
            harness.request(class, class.as_str(), 1);
        }
        if step.grants.is_empty() && step.waits.is_empty() {
            harness.now = step.next_wake.unwrap();
        }
    }
    assert!(
        got.normal >= 60,
        "normal work got {} of {}",
        got.normal,
        got.normal + got.urgent
    );
}

#[test]
fn a_worker_at_its_bound_waits_while_others_and_urgent_asks_go_on() {
    let terms = Terms {
        worker_max: 2,
        ..unpaced(50).terms().clone()
    };
    let mut harness = Harness::new(BudgetSettings::new(terms).unwrap());
    for _ in 0..5 {
        harness.ask_as("greedy", Class::Normal, "flow", 1);
    }
    let other = harness.ask_as("other", Class::Normal, "flow", 1);
    let urgent = harness.ask_as("greedy", Class::Urgent, "leaver", 1);
    let granted: Vec<RequestId> = harness
        .advance()
        .grants
        .iter()
        .map(|grant| grant.request)
        .collect();
    assert_eq!(granted.len(), 3, "the urgent token counts for the worker too");
    assert!(granted.contains(&other) && granted.contains(&urgent));
}

proptest! {
    /// Flows of one class. `eagerness` is the number of requests that each flow keeps in the queue.
    #[test]
    fn flows_get_equal_shares_however_eagerly_they_ask(eagerness in prop::collection::vec(1usize..12, 2..6)) {
        let mut harness = Harness::new(unpaced(1));
        let mut flow_of = BTreeMap::new();
        let mut got = vec![0u32; eagerness.len()];
        for (flow, &requests) in eagerness.iter().enumerate() {
            for _ in 0..requests {
                flow_of.insert(harness.request(Class::Normal, &flow.to_string(), 1), flow);
            }
        }
        for _ in 0..20 * eagerness.len() {
            let grant = harness.advance().grants.remove(0);
            let flow = flow_of[&grant.request];
            got[flow] += 1;
            harness.report(grant.grant, Settlement::Unused);
            flow_of.insert(harness.request(Class::Normal, &flow.to_string(), 1), flow);
        }
        prop_assert!(got.iter().all(|tokens| (19..=21).contains(tokens)), "{:?}", got);
    }

    #[test]
    fn older_asks_of_a_flow_go_first(requests in 2usize..30) {
        let mut harness = Harness::new(unpaced(1));
        let ids: Vec<RequestId> = (0..requests).map(|_| harness.request(Class::Interactive, "flow", 1)).collect();
        let served: Vec<RequestId> = ids.iter().map(|_| {
            let grant = harness.advance().grants.remove(0);
            harness.report(grant.grant, Settlement::Unused);
            grant.request
        }).collect();
        prop_assert_eq!(served, ids);
    }
}
