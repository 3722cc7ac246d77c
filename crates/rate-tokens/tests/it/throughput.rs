//! The limit is used: one cycle of a token takes the cooling time plus the report's delay. No rule that knows only
//! grants and reports can do better.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rate_tokens::{BudgetSettings, Class, Pacing, Terms};

use crate::harness::{ANSWERED, Harness, ms, unpaced};

/// Number of tokens granted in `span` of endless demand, each reported `latency` after its grant.
fn granted(settings: BudgetSettings, class: Class, latency: Duration, span: Duration) -> u64 {
    let mut harness = Harness::new(settings);
    let end = harness.now + span;
    let mut reports = BinaryHeap::new();
    let mut granted = 0;
    harness.request(class, "flow", 1);
    while harness.now < end {
        while let Some(&Reverse((at, grant))) = reports.peek().filter(|Reverse((at, _))| *at <= harness.now) {
            reports.pop();
            assert_eq!(at, harness.now);
            harness.report(grant, ANSWERED);
        }
        let step = harness.advance();
        for grant in &step.grants {
            granted += u64::from(grant.tokens);
            reports.push(Reverse((harness.now + latency, grant.grant)));
        }
        if step.grants.is_empty() && step.waits.is_empty() {
            let report = reports.peek().map(|&Reverse((at, _))| at);
            harness.now = step.next_wake.into_iter().chain(report).min().unwrap();
        } else {
            harness.request(class, "flow", 1);
        }
    }
    granted
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn unpaced_utilisation_is_the_window_over_the_cycle() {
    for (limit, latency) in [(10, 200), (100, 200), (100, 2_500), (300, 1_000)] {
        let settings = unpaced(limit);
        let cycle = settings.cooling() + ms(latency);
        let expected = u64::from(limit) * HOUR.as_millis() as u64 / cycle.as_millis() as u64;
        let granted = granted(settings, Class::Normal, ms(latency), HOUR);
        let share = granted as f64 / expected as f64;
        assert!(
            (0.99..1.02).contains(&share),
            "limit {limit}, latency {latency} ms: {granted}, expected {expected}"
        );
    }
}

#[test]
fn the_default_pacing_yields_ninety_eight_of_a_hundred() {
    let all = BudgetSettings::per_minute(100).unwrap();
    let urgent = granted(all.clone(), Class::Urgent, ms(200), HOUR);
    assert!((98 * 60..=100 * 60).contains(&urgent), "{urgent} in an hour");
    let bulk = granted(all, Class::Background, ms(200), HOUR);
    assert!((96 * 60..=99 * 60).contains(&bulk), "{bulk} in an hour");
}

#[test]
fn one_worker_alone_uses_the_limit_at_a_latency_of_seconds() {
    let granted = granted(
        BudgetSettings::per_minute(100).unwrap(),
        Class::Normal,
        ms(8_000),
        HOUR,
    );
    let cycle = 60.08 + 8.0;
    assert!(
        granted as f64 > 98.0 * 3_600.0 / cycle * 0.98,
        "{granted} in an hour"
    );
}

#[test]
fn a_large_limit_is_granted_in_batches_without_losing_throughput() {
    let terms = Terms {
        pacing: Pacing::DEFAULT,
        ..Terms::per_minute(12_000)
    };
    let granted = granted(
        BudgetSettings::new(terms).unwrap(),
        Class::Normal,
        ms(100),
        Duration::from_secs(300),
    );
    assert!(
        (5 * 11_600..=5 * 12_000 + 200).contains(&granted),
        "{granted} in five minutes"
    );
}

#[test]
fn paced_grants_are_evenly_spaced() {
    let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
    let mut at = Vec::new();
    for _ in 0..20 {
        harness.request(Class::Normal, "flow", 1);
    }
    while at.len() < 5 {
        let step = harness.advance();
        at.extend(step.grants.iter().map(|_| harness.now.as_millis()));
        harness.now = step.next_wake.unwrap().max(harness.now);
    }
    let gaps: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (580..=612).contains(gap)), "{gaps:?}");
}

/// On a busy machine the governor always wakes up late, by up to nearly a whole spacing.
#[test]
fn a_governor_that_is_woken_late_each_time_grants_as_much_as_one_in_time() {
    for late_ms in [0, 50, 300, 590] {
        let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
        let (start, mut at) = (harness.now, Vec::new());
        harness.request(Class::Normal, "flow", 1);
        while harness.now.since(start) < Duration::from_secs(59) {
            let step = harness.advance();
            for grant in &step.grants {
                at.push(harness.now.as_millis());
                harness.report(grant.grant, ANSWERED);
            }
            if step.grants.is_empty() && step.waits.is_empty() {
                harness.now = step.next_wake.unwrap().max(harness.now) + ms(late_ms);
            } else {
                harness.request(Class::Normal, "flow", 1);
            }
        }
        assert!(
            (96..=99).contains(&at.len()),
            "{late_ms} ms late: {} grants",
            at.len()
        );
        let near = |from: &u64| at.iter().filter(|at| (*from..from + 1_200).contains(*at)).count();
        assert!(
            at.iter().map(near).max() <= Some(3),
            "{late_ms} ms late: a wave in {at:?}"
        );
    }
}

#[test]
fn a_pause_of_those_who_ask_is_not_caught_up() {
    let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
    harness.request(Class::Normal, "flow", 1);
    assert_eq!(harness.advance().grants.len(), 1);
    harness.pass(Duration::from_secs(30));
    for _ in 0..5 {
        harness.request(Class::Normal, "flow", 1);
    }
    assert_eq!(harness.advance().grants.len(), 1);
}

/// Workers that are to request again when the next grant is due come late as well.
#[test]
fn those_who_come_late_to_the_grant_they_were_told_of_lose_nothing() {
    let mut harness = Harness::new(BudgetSettings::per_minute(100).unwrap());
    let (start, mut granted) = (harness.now, 0);
    while harness.now.since(start) < Duration::from_secs(59) {
        harness.request(Class::Normal, "flow", 1);
        let (mut answered, late) = (false, ms(200));
        while !answered {
            let step = harness.advance();
            for grant in &step.grants {
                granted += 1;
                harness.report(grant.grant, ANSWERED);
                answered = true;
            }
            if let Some(wait) = step.waits.first() {
                harness.pass(wait.retry_after + late);
                answered = true;
            } else if !answered {
                harness.now = step.next_wake.unwrap().max(harness.now);
            }
        }
    }
    assert!((96..=99).contains(&granted), "{granted} grants");
}
