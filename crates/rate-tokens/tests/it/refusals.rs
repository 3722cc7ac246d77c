//! Refusals by the target: the pause, the probe, and what they show about other users of the limit and about our own
//! counting.

use rate_tokens::{
    Append, BudgetSettings, CLIMB_AFTER, CLIMB_EVERY, Class, FIRST_PAUSE, GrantId, Outcome, RELAX_AFTER,
    STRETCH_MAX, Settlement,
};

use crate::harness::{ANSWERED, Harness, REFUSED, ms, unpaced};

/// A harness with `used` tokens of 100 cooling and one request in flight.
fn out(used: usize) -> (Harness, GrantId) {
    let mut harness = Harness::new(unpaced(100));
    for _ in 0..used {
        let grant = harness.granted(Class::Normal).grant;
        harness.report(grant, ANSWERED);
    }
    harness.pass(ms(10));
    let grant = harness.granted(Class::Normal).grant;
    harness.pass(ms(10));
    (harness, grant)
}

fn blocked(harness: &mut Harness) -> bool {
    harness.drain(Class::Urgent).is_empty()
}

#[test]
fn a_refusal_stops_everything_then_one_probe_opens_it() {
    let (mut harness, grant) = out(10);
    harness.report(grant, REFUSED);
    assert!(blocked(&mut harness));
    assert_eq!(harness.budget.status(harness.now).closed_for_ms, Some(5_000));
    harness.pass(FIRST_PAUSE);
    let probe = harness.drain(Class::Normal);
    assert_eq!(probe.len(), 1);
    assert!(harness.budget.status(harness.now).probing);
    harness.report(probe[0].grant, ANSWERED);
    assert!(harness.drain(Class::Normal).len() > 1);
}

#[test]
fn retry_after_is_obeyed() {
    let (mut harness, grant) = out(10);
    harness.report(
        grant,
        Settlement::Used(Outcome::Refused {
            retry_after_ms: Some(42_000),
        }),
    );
    harness.pass(ms(41_999));
    assert!(blocked(&mut harness));
    harness.pass(ms(1));
    assert_eq!(harness.drain(Class::Normal).len(), 1);
}

#[test]
fn refused_probes_double_the_pause_up_to_a_window() {
    let (mut harness, grant) = out(10);
    harness.report(grant, REFUSED);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = harness.budget.status(harness.now).closed_for_ms.unwrap();
        pauses.push(pause);
        harness.pass(ms(pause));
        let probe = harness.drain(Class::Normal).remove(0).grant;
        harness.pass(ms(20));
        harness.report(probe, REFUSED);
    }
    assert_eq!(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
}

#[test]
fn a_probe_without_an_answer_is_sent_again() {
    let (mut harness, grant) = out(10);
    harness.report(grant, REFUSED);
    harness.pass(FIRST_PAUSE);
    for settlement in [Settlement::Unused, Settlement::Used(Outcome::Unknown)] {
        let probe = harness.drain(Class::Normal).remove(0).grant;
        assert!(blocked(&mut harness));
        harness.report(probe, settlement);
    }
    let lost = harness.drain(Class::Normal).remove(0).grant;
    harness.budget.disown(harness.now, lost, Append::Unknown);
    assert_eq!(harness.drain(Class::Normal).len(), 1);
    harness.pass(ms(40_000));
    assert_eq!(
        harness.drain(Class::Normal).len(),
        1,
        "the probe before was never reported"
    );
}

#[test]
fn a_refusal_far_below_the_limit_gives_way_to_others() {
    let (mut harness, grant) = out(69);
    harness.report(grant, REFUSED);
    let status = harness.budget.status(harness.now);
    assert_eq!((status.working_limit, status.stretch), (68, 0));
}

#[test]
fn a_refusal_at_the_limit_stretches_guard_and_spacing_instead() {
    let (mut harness, grant) = out(98);
    harness.report(grant, REFUSED);
    let status = harness.budget.status(harness.now);
    assert_eq!((status.working_limit, status.stretch), (100, 1));
    harness.pass(harness.budget.settings().cooling() - ms(1));
    assert_eq!(
        harness.free(),
        1,
        "only the token that was never used: the guard has doubled"
    );
    harness.pass(ms(251));
    assert_eq!(harness.free(), 100);
}

#[test]
fn one_wave_of_refusals_teaches_once_and_halves_the_limit_at_most() {
    let mut harness = Harness::new(unpaced(100));
    let wave = [(); 5].map(|()| harness.granted(Class::Normal).grant);
    harness.pass(ms(100));
    for grant in wave {
        harness.report(grant, REFUSED);
    }
    assert_eq!(harness.budget.status(harness.now).working_limit, 50);
    harness.pass(FIRST_PAUSE);
    let probe = harness.drain(Class::Normal).remove(0).grant;
    harness.report(probe, REFUSED);
    assert_eq!(harness.budget.status(harness.now).working_limit, 50);
}

#[test]
fn a_refusal_from_before_the_gate_closed_does_not_close_it_again() {
    let (mut harness, grant) = out(10);
    let straggler = harness.granted(Class::Normal).grant;
    harness.pass(ms(10));
    harness.report(grant, REFUSED);
    let taught = harness.budget.status(harness.now).working_limit;
    harness.pass(FIRST_PAUSE);
    let probe = harness.drain(Class::Normal).remove(0).grant;
    harness.report(probe, ANSWERED);
    harness.report(straggler, REFUSED);
    assert!(!blocked(&mut harness));
    assert_eq!(harness.budget.status(harness.now).working_limit, taught);
}

#[test]
fn the_working_limit_climbs_back_by_one_every_half_minute() {
    let (mut harness, grant) = out(69);
    harness.report(grant, REFUSED);
    assert!(harness.drain(Class::Normal).is_empty());
    harness.pass(harness.budget.settings().cooling());
    let probe = harness.drain(Class::Normal).remove(0).grant;
    assert_eq!(
        harness.budget.status(harness.now).working_limit,
        68,
        "it does not climb while the gate is closed"
    );
    harness.report(probe, ANSWERED);
    harness.advance();
    assert_eq!(harness.budget.status(harness.now).working_limit, 69);
    harness.pass(CLIMB_AFTER + CLIMB_EVERY - harness.budget.settings().cooling() - ms(1));
    harness.advance();
    assert_eq!(harness.budget.status(harness.now).working_limit, 69);
    harness.pass(ms(1));
    harness.advance();
    assert_eq!(harness.budget.status(harness.now).working_limit, 70);
    harness.pass(CLIMB_EVERY * 31);
    harness.advance();
    assert_eq!(harness.budget.status(harness.now).working_limit, 100);
}

#[test]
fn stretch_is_bounded_and_relaxes_after_a_quiet_hour() {
    let mut harness = Harness::new(BudgetSettings::per_minute(1).unwrap());
    for _ in 0..6 {
        harness.pass(ms(100_000));
        let grant = harness.drain(Class::Normal).remove(0).grant;
        harness.pass(ms(10));
        harness.report(grant, REFUSED);
    }
    assert_eq!(harness.budget.status(harness.now).stretch, STRETCH_MAX);
    harness.pass(ms(100_000));
    let probe = harness.drain(Class::Normal).remove(0).grant;
    harness.report(probe, ANSWERED);
    harness.pass(RELAX_AFTER);
    harness.advance();
    assert_eq!(harness.budget.status(harness.now).stretch, STRETCH_MAX - 1);
}
