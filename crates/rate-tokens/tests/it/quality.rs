//! Measures use of the limit, refusals and waits of urgent requests: hours of demand against targets with different
//! ways to count, with 30 to 70 ms to the target and as much back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rate_tokens::{BudgetSettings, Class, GrantId, Pacing, Terms};

use crate::harness::{ANSWERED, Harness, REFUSED, ms};
use crate::simulation::Chance;
use crate::targets::{Approximate, Fixed, Rolling};

const WINDOW: u64 = 60_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// Time of a message to the target or back.
fn way(chance: &mut Chance) -> Duration {
    ms(chance.between(30, 70))
}

/// Result of a run.
#[derive(Debug, Default)]
struct Outcome {
    /// Requests that the target accepted.
    accepted: u64,
    refused: u64,
    /// Time that each urgent request waited for its token.
    waits: Vec<Duration>,
}

impl Outcome {
    /// Share of the limit that was used in the long run. The first tokens of a fresh ring are not counted.
    fn used(&self, limit: u32, span: Duration) -> f64 {
        let windows = span.as_secs_f64() / 60.0;
        (self.accepted.saturating_sub(u64::from(limit))) as f64 / (windows * f64::from(limit))
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(GrantId),
    Reported(GrantId, bool),
    Urgent,
}

/// Runs endless normal demand for `span`, with an urgent request now and then, against a target.
fn run(
    settings: BudgetSettings,
    span: Duration,
    urgent_every: Option<Duration>,
    mut accepts: impl FnMut(u64) -> bool,
) -> Outcome {
    let mut harness = Harness::new(settings);
    let (start, end) = (harness.now, harness.now + span);
    let mut events = BinaryHeap::new();
    let mut outcome = Outcome::default();
    let mut chance = Chance(7);
    let mut urgent_since = Vec::new();
    if let Some(every) = urgent_every {
        let mut at = start + ms(61_000);
        while at < end {
            events.push(Reverse((at, Event::Urgent)));
            at = at + every;
        }
    }
    let backlog = 64;
    for _ in 0..backlog {
        harness.request(Class::Normal, "bulk", 1);
    }
    while harness.now < end {
        while let Some(Reverse((at, _))) = events.peek()
            && *at <= harness.now
            && let Some(Reverse((_, event))) = events.pop()
        {
            match event {
                Event::Arrives(grant) => {
                    let accepted = accepts(harness.now.since(start).as_millis() as u64);
                    outcome.accepted += u64::from(accepted);
                    events.push(Reverse((
                        harness.now + way(&mut chance),
                        Event::Reported(grant, accepted),
                    )));
                }
                Event::Reported(grant, true) => harness.report(grant, ANSWERED),
                Event::Reported(grant, false) => {
                    outcome.refused += 1;
                    harness.report(grant, REFUSED);
                }
                Event::Urgent => {
                    let request = harness.request(Class::Urgent, "leaver", 1);
                    urgent_since.push((request, harness.now));
                }
            }
        }
        let step = harness.advance();
        for grant in &step.grants {
            assert_eq!(grant.tokens, 1);
            events.push(Reverse((
                harness.now + way(&mut chance),
                Event::Arrives(grant.grant),
            )));
            match urgent_since.iter().find(|(request, _)| *request == grant.request) {
                Some((_, since)) => outcome.waits.push(harness.now.since(*since)),
                None => drop(harness.request(Class::Normal, "bulk", 1)),
            }
        }
        for wait in &step.waits {
            if urgent_since.iter().any(|(request, _)| *request == wait.request) {
                panic!("an urgent request was put off");
            }
            harness.request(Class::Normal, "bulk", 1);
        }
        if step.grants.is_empty() && step.waits.is_empty() {
            let event = events.peek().map(|Reverse((at, _))| *at);
            // A process that sleeps until then wakes up a little late.
            let late = ms(chance.between(0, 3));
            harness.now = match (step.next_wake, event) {
                (Some(wake), Some(event)) => (wake + late).min(event),
                (wake, event) => wake.or(event).unwrap(),
            };
        }
    }
    outcome
}

fn with(limit: u32, pacing: Pacing) -> BudgetSettings {
    let mut terms = Terms::per_minute(limit);
    terms.pacing = pacing;
    if pacing == Pacing::Unpaced {
        // No token is kept for urgent requests, so that the whole limit can be used.
        terms.reserve = 0;
    }
    // The deadline of these requests is at most half a permit's life away.
    terms.permit_ttl = Duration::from_secs(60);
    BudgetSettings::new(terms).unwrap()
}

#[test]
fn nearly_the_whole_limit_is_used_without_a_refusal_at_exact_windows() {
    for limit in [100_u32, 1_000] {
        for (pacing, share) in [(Pacing::Unpaced, 0.994), (Pacing::DEFAULT, 0.98)] {
            let mut rolling = Rolling::new(limit, WINDOW);
            let at_rolling = run(with(limit, pacing), 12 * HOUR, None, |at| rolling.accepts(at));
            let mut fixed = Fixed::new(limit, WINDOW, 17_123);
            let at_fixed = run(with(limit, pacing), 12 * HOUR, None, |at| fixed.accepts(at));
            for (target, outcome) in [("rolling", at_rolling), ("fixed", at_fixed)] {
                let used = outcome.used(limit, 12 * HOUR);
                println!("limit {limit}, {pacing:?}, {target}: {:.2} %", used * 100.0);
                assert_eq!(outcome.refused, 0, "limit {limit}, {pacing:?}, {target}");
                assert!(used >= share, "limit {limit}, {pacing:?}, {target}: {used}");
            }
        }
    }
}

#[test]
fn a_target_that_approximates_its_window_is_learnt_whatever_the_settings_hoped() {
    for limit in [100_u32, 1_000] {
        for (pacing, refusals) in [
            // Two waves of a second each, until the budget has learned to send no waves.
            (Pacing::Unpaced, u64::from(limit)),
            // One refusal, and one at each test whether the target has changed: after 1, 2, 4, 8 ... hours.
            (Pacing::Even { permille: 1_000 }, 6),
            (Pacing::DEFAULT, 0),
        ] {
            let mut target = Approximate::new(limit, WINDOW);
            let mut late = 0;
            let outcome = run(with(limit, pacing), 24 * HOUR, None, |at| {
                let accepts = target.accepts(at);
                late += u64::from(!accepts && at > 12 * HOUR.as_millis() as u64);
                accepts
            });
            let used = outcome.used(limit, 24 * HOUR);
            println!(
                "limit {limit}, {pacing:?}, approximate: {:.2} %, {} refused, {late} of them in the second half day",
                used * 100.0,
                outcome.refused
            );
            assert!(used >= 0.965, "limit {limit}, {pacing:?}: {used}");
            assert!(
                outcome.refused <= refusals,
                "limit {limit}, {pacing:?}: {}",
                outcome.refused
            );
        }
    }
}

#[test]
fn a_raised_limit_is_found_where_trying_is_allowed_and_not_where_it_is_not() {
    let terms = with(100, Pacing::DEFAULT).terms().clone();
    let mut target = Rolling::new(150, WINDOW);
    let explore = BudgetSettings::new(Terms {
        explore_to: Some(300),
        ..terms
    })
    .unwrap();
    let outcome = run(explore, 12 * HOUR, None, |at| target.accepts(at));
    let per_minute = outcome.accepted as f64 / 720.0;
    println!(
        "limit 100, raised to 150: {per_minute:.1} a minute, {} refused",
        outcome.refused
    );
    assert!(per_minute > 140.0, "{per_minute}");
    assert!(outcome.refused <= 3, "{}", outcome.refused);

    let mut target = Rolling::new(150, WINDOW);
    let outcome = run(with(100, Pacing::DEFAULT), HOUR, None, |at| target.accepts(at));
    assert!(outcome.accepted <= 60 * 100 + 100, "{}", outcome.accepted);
}

#[test]
fn what_others_use_of_the_limit_is_inferred_and_left_to_them() {
    // Another user of the limit sends 40 a minute, evenly.
    let mut target = Rolling::new(100, WINDOW);
    let (mut foreign, mut foreign_refused) = (0, 0);
    let outcome = run(with(100, Pacing::DEFAULT), 6 * HOUR, None, |at| {
        while foreign <= at {
            foreign_refused += u64::from(!target.accepts(foreign));
            foreign += 1_500;
        }
        target.accepts(at)
    });
    let per_minute = outcome.accepted as f64 / 360.0;
    println!(
        "beside 40 a minute: {per_minute:.1} a minute, {} refused, {foreign_refused} of the others'",
        outcome.refused
    );
    assert!((45.0..=61.0).contains(&per_minute), "{per_minute}");
    assert!(outcome.refused <= 150, "{}", outcome.refused);
    assert!(
        foreign_refused <= 150,
        "{foreign_refused} of the others' were refused"
    );
}

#[test]
fn an_urgent_ask_goes_before_any_backlog_within_one_spacing() {
    for limit in [20_u32, 100, 1_000] {
        let settings = with(limit, Pacing::DEFAULT);
        let mut target = Rolling::new(limit, WINDOW);
        let mut outcome = run(settings, 12 * HOUR, Some(ms(61_777)), |at| target.accepts(at));
        outcome.waits.sort_unstable();
        let p99 = outcome.waits[outcome.waits.len() * 99 / 100];
        println!("limit {limit}: {} urgent, p99 {p99:?}", outcome.waits.len());
        assert!(outcome.waits.len() > 600);
        assert!(
            p99 <= Duration::from_millis(60_000 / u64::from(limit) + 50),
            "limit {limit}: {p99:?}"
        );
        assert_eq!(outcome.refused, 0);
    }
}
