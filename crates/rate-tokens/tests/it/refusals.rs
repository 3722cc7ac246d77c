//! Refusals: the pause, the probe, and what they say about others and about our own counting.

use rate_tokens::{
    Append, BudgetSettings, CLIMB_AFTER, CLIMB_EVERY, Class, FIRST_PAUSE, GrantId, Outcome, RELAX_AFTER,
    STRETCH_MAX, Settlement,
};

use crate::desk::{ANSWERED, Desk, REFUSED, ms, unpaced};

/// A desk with `used` tokens of 100 cooling and one request out.
fn out(used: usize) -> (Desk, GrantId) {
    let mut desk = Desk::new(unpaced(100));
    for _ in 0..used {
        let grant = desk.granted(Class::Normal).grant;
        desk.report(grant, ANSWERED);
    }
    desk.pass(ms(10));
    let grant = desk.granted(Class::Normal).grant;
    desk.pass(ms(10));
    (desk, grant)
}

fn blocked(desk: &mut Desk) -> bool {
    desk.drain(Class::Urgent).is_empty()
}

#[test]
fn a_refusal_stops_everything_then_one_probe_opens_it() {
    let (mut desk, grant) = out(10);
    desk.report(grant, REFUSED);
    assert!(blocked(&mut desk));
    assert_eq!(desk.budget.status(desk.now).closed_for_ms, Some(5_000));
    desk.pass(FIRST_PAUSE);
    let probe = desk.drain(Class::Normal);
    assert_eq!(probe.len(), 1);
    assert!(desk.budget.status(desk.now).probing);
    desk.report(probe[0].grant, ANSWERED);
    assert!(desk.drain(Class::Normal).len() > 1);
}

#[test]
fn retry_after_is_obeyed() {
    let (mut desk, grant) = out(10);
    desk.report(
        grant,
        Settlement::Used(Outcome::Refused {
            retry_after_ms: Some(42_000),
        }),
    );
    desk.pass(ms(41_999));
    assert!(blocked(&mut desk));
    desk.pass(ms(1));
    assert_eq!(desk.drain(Class::Normal).len(), 1);
}

#[test]
fn refused_probes_double_the_pause_up_to_a_window() {
    let (mut desk, grant) = out(10);
    desk.report(grant, REFUSED);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = desk.budget.status(desk.now).closed_for_ms.unwrap();
        pauses.push(pause);
        desk.pass(ms(pause));
        let probe = desk.drain(Class::Normal).remove(0).grant;
        desk.pass(ms(20));
        desk.report(probe, REFUSED);
    }
    assert_eq!(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
}

#[test]
fn a_probe_without_an_answer_is_sent_again() {
    let (mut desk, grant) = out(10);
    desk.report(grant, REFUSED);
    desk.pass(FIRST_PAUSE);
    for settlement in [Settlement::Unused, Settlement::Used(Outcome::Unknown)] {
        let probe = desk.drain(Class::Normal).remove(0).grant;
        assert!(blocked(&mut desk));
        desk.report(probe, settlement);
    }
    let lost = desk.drain(Class::Normal).remove(0).grant;
    desk.budget.disown(desk.now, lost, Append::Unknown);
    assert_eq!(desk.drain(Class::Normal).len(), 1);
    desk.pass(ms(40_000));
    assert_eq!(
        desk.drain(Class::Normal).len(),
        1,
        "the probe before was never reported"
    );
}

#[test]
fn a_refusal_far_below_the_limit_gives_way_to_others() {
    let (mut desk, grant) = out(69);
    desk.report(grant, REFUSED);
    let status = desk.budget.status(desk.now);
    assert_eq!((status.working_limit, status.stretch), (68, 0));
}

#[test]
fn a_refusal_at_the_limit_stretches_guard_and_spacing_instead() {
    let (mut desk, grant) = out(98);
    desk.report(grant, REFUSED);
    let status = desk.budget.status(desk.now);
    assert_eq!((status.working_limit, status.stretch), (100, 1));
    desk.pass(desk.budget.settings().cooling() - ms(1));
    assert_eq!(
        desk.free(),
        1,
        "only the token that was never used: the guard has doubled"
    );
    desk.pass(ms(251));
    assert_eq!(desk.free(), 100);
}

#[test]
fn one_wave_of_refusals_teaches_once_and_halves_the_limit_at_most() {
    let mut desk = Desk::new(unpaced(100));
    let wave = [(); 5].map(|()| desk.granted(Class::Normal).grant);
    desk.pass(ms(100));
    for grant in wave {
        desk.report(grant, REFUSED);
    }
    assert_eq!(desk.budget.status(desk.now).working_limit, 50);
    desk.pass(FIRST_PAUSE);
    let probe = desk.drain(Class::Normal).remove(0).grant;
    desk.report(probe, REFUSED);
    assert_eq!(desk.budget.status(desk.now).working_limit, 50);
}

#[test]
fn a_refusal_from_before_the_gate_closed_does_not_close_it_again() {
    let (mut desk, grant) = out(10);
    let straggler = desk.granted(Class::Normal).grant;
    desk.pass(ms(10));
    desk.report(grant, REFUSED);
    let taught = desk.budget.status(desk.now).working_limit;
    desk.pass(FIRST_PAUSE);
    let probe = desk.drain(Class::Normal).remove(0).grant;
    desk.report(probe, ANSWERED);
    desk.report(straggler, REFUSED);
    assert!(!blocked(&mut desk));
    assert_eq!(desk.budget.status(desk.now).working_limit, taught);
}

#[test]
fn the_working_limit_climbs_back_by_one_every_half_minute() {
    let (mut desk, grant) = out(69);
    desk.report(grant, REFUSED);
    assert!(desk.drain(Class::Normal).is_empty());
    desk.pass(desk.budget.settings().cooling());
    let probe = desk.drain(Class::Normal).remove(0).grant;
    assert_eq!(
        desk.budget.status(desk.now).working_limit,
        68,
        "it does not climb while the gate is closed"
    );
    desk.report(probe, ANSWERED);
    desk.advance();
    assert_eq!(desk.budget.status(desk.now).working_limit, 69);
    desk.pass(CLIMB_AFTER + CLIMB_EVERY - desk.budget.settings().cooling() - ms(1));
    desk.advance();
    assert_eq!(desk.budget.status(desk.now).working_limit, 69);
    desk.pass(ms(1));
    desk.advance();
    assert_eq!(desk.budget.status(desk.now).working_limit, 70);
    desk.pass(CLIMB_EVERY * 31);
    desk.advance();
    assert_eq!(desk.budget.status(desk.now).working_limit, 100);
}

#[test]
fn stretch_is_bounded_and_relaxes_after_a_quiet_hour() {
    let mut desk = Desk::new(BudgetSettings::per_minute(1).unwrap());
    for _ in 0..6 {
        desk.pass(ms(100_000));
        let grant = desk.drain(Class::Normal).remove(0).grant;
        desk.pass(ms(10));
        desk.report(grant, REFUSED);
    }
    assert_eq!(desk.budget.status(desk.now).stretch, STRETCH_MAX);
    desk.pass(ms(100_000));
    let probe = desk.drain(Class::Normal).remove(0).grant;
    desk.report(probe, ANSWERED);
    desk.pass(RELAX_AFTER);
    desk.advance();
    assert_eq!(desk.budget.status(desk.now).stretch, STRETCH_MAX - 1);
}
