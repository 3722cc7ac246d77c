//! Asks, grants, reports, and what becomes of each token.

use rate_tokens::{
    ASKS_PER_WORKER_MAX, Append, Ask, AskId, AskRefused, Class, FlowId, GrantId, LedgerRecord, Reported,
    Settled, Settlement, WANT_MAX, WorkerId,
};

use crate::desk::{ANSWERED, Desk, START, UNKNOWN, ms, unpaced};

/// A desk with a limit of 1 whose only token is out.
fn held() -> (Desk, GrantId) {
    let mut desk = Desk::new(unpaced(1));
    let grant = desk.granted(Class::Normal).grant;
    assert_eq!(desk.free(), 0);
    (desk, grant)
}

fn frees_after(desk: &mut Desk, time_ms: u64) {
    desk.pass(ms(time_ms - 1));
    assert_eq!(desk.free(), 0, "free a millisecond early");
    desk.pass(ms(1));
    assert_eq!(desk.free(), 1, "not free in time");
}

/// 60 s, 500 ppm of it, and the guard.
const COOLING: u64 = 60_000 + 30 + 50;
const TTL: u64 = 10_000;
const SETTLE: u64 = 30_000;

#[test]
fn a_used_token_cools_from_its_report() {
    let (mut desk, grant) = held();
    desk.pass(ms(7_000));
    desk.report(grant, ANSWERED);
    frees_after(&mut desk, COOLING);
}

#[test]
fn an_unused_token_is_free_at_once() {
    let (mut desk, grant) = held();
    desk.report(grant, Settlement::Unused);
    assert_eq!(desk.free(), 1);
}

#[test]
fn a_token_without_answer_cools_from_when_its_request_can_have_no_effect_any_more() {
    let (mut desk, grant) = held();
    desk.pass(ms(2_000));
    desk.report(grant, UNKNOWN);
    frees_after(&mut desk, SETTLE + COOLING);
}

#[test]
fn a_token_that_nobody_reports_cools_from_its_use_by_and_settling() {
    let (mut desk, _) = held();
    frees_after(&mut desk, TTL + SETTLE + COOLING);
}

#[test]
fn a_late_report_delays_an_expired_token_and_a_late_return_frees_it() {
    let (mut desk, grant) = held();
    desk.pass(ms(TTL + SETTLE + 500));
    desk.advance();
    let mut returned = desk.budget.clone();
    desk.report(grant, ANSWERED);
    frees_after(&mut desk, COOLING);

    returned
        .report(
            START,
            grant,
            &[Settled {
                token: 0,
                settlement: Settlement::Unused,
            }],
        )
        .unwrap();
    assert_eq!(returned.status(START).free, 1);
}

#[test]
fn a_use_reported_after_its_place_was_given_away_is_counted_and_puts_grants_on_hold() {
    let (mut desk, grant) = held();
    desk.report(grant, Settlement::Unused);
    let next = desk.granted(Class::Normal).grant;
    let reported = desk
        .budget
        .report(
            desk.now,
            grant,
            &[Settled {
                token: 0,
                settlement: ANSWERED,
            }],
        )
        .unwrap();
    assert_eq!(
        reported,
        Reported {
            contradictions: 1,
            ..Reported::default()
        }
    );
    assert_eq!(desk.budget.status(desk.now).contradictions, 1);
    desk.report(next, Settlement::Unused);
    frees_after(&mut desk, COOLING);
}

#[test]
fn repeated_reports_change_nothing() {
    let (mut desk, grant) = held();
    desk.report(grant, ANSWERED);
    let records = desk.advance().records.len();
    desk.pass(ms(30_000));
    let reported = desk
        .budget
        .report(
            desk.now,
            grant,
            &[Settled {
                token: 0,
                settlement: ANSWERED,
            }],
        )
        .unwrap();
    assert_eq!(
        (records, reported),
        (
            1,
            Reported {
                repeated: 1,
                ..Reported::default()
            }
        )
    );
    assert_eq!(desk.advance().records, vec![]);
    frees_after(&mut desk, COOLING - 30_000);
    let reported = desk
        .budget
        .report(
            desk.now,
            grant,
            &[Settled {
                token: 0,
                settlement: ANSWERED,
            }],
        )
        .unwrap();
    assert_eq!(reported.repeated, 1);
}

#[test]
fn tokens_and_grants_that_do_not_exist_are_told_apart() {
    let (mut desk, grant) = held();
    let beyond = Settled {
        token: 1,
        settlement: ANSWERED,
    };
    assert_eq!(
        desk.budget
            .report(desk.now, grant, &[beyond])
            .unwrap()
            .no_such_token,
        1
    );
    let unknown = GrantId { number: 99, ..grant };
    let error = desk.budget.report(desk.now, unknown, &[beyond]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "grant 1-99 is not known to the budget's epoch 1; nothing is left to settle, stop reporting it"
    );
}

#[test]
fn a_grant_that_the_ledger_rejected_is_free_and_one_in_doubt_is_held() {
    let (mut desk, grant) = held();
    desk.budget.disown(desk.now, grant, Append::Unknown);
    assert_eq!(desk.free(), 0);
    desk.budget.disown(desk.now, grant, Append::Rejected);
    assert_eq!(desk.free(), 1);
}

#[test]
fn a_lower_limit_is_reached_as_tokens_cool_and_a_higher_one_at_once() {
    let mut desk = Desk::new(unpaced(4));
    let grants = desk.drain(Class::Normal);
    desk.budget.retune(desk.now, unpaced(2));
    desk.report(grants[0].grant, Settlement::Unused);
    desk.report(grants[1].grant, Settlement::Unused);
    assert_eq!(desk.free(), 0);
    desk.report(grants[2].grant, Settlement::Unused);
    assert_eq!(desk.free(), 1);
    desk.budget.retune(desk.now, unpaced(10));
    assert_eq!(desk.free(), 9);
}

#[test]
fn a_longer_window_holds_for_what_had_cooled_before() {
    let (mut desk, grant) = held();
    desk.report(grant, ANSWERED);
    desk.pass(ms(COOLING));
    desk.advance();
    assert_eq!(desk.free(), 1);
    let terms = rate_tokens::Terms {
        window: ms(90_000),
        ..unpaced(1).terms().clone()
    };
    desk.budget
        .retune(desk.now, rate_tokens::BudgetSettings::new(terms).unwrap());
    desk.ask(Class::Urgent, "flow", 1);
    assert_eq!(desk.advance().grants, vec![]);
    // Half a millisecond of clock error for each second more.
    desk.pass(ms(30_014));
    assert_eq!(desk.advance().grants, vec![]);
    desk.pass(ms(1));
    desk.ask(Class::Urgent, "flow", 1);
    assert_eq!(desk.advance().grants.len(), 1);
}

#[test]
fn a_longer_window_makes_cooling_tokens_cool_longer() {
    let (mut desk, grant) = held();
    desk.report(grant, ANSWERED);
    let terms = rate_tokens::Terms {
        window: ms(90_000),
        ..unpaced(1).terms().clone()
    };
    desk.budget
        .retune(desk.now, rate_tokens::BudgetSettings::new(terms).unwrap());
    frees_after(&mut desk, 90_000 + 45 + 50);
}

#[test]
fn asks_without_sense_or_room_are_refused_with_the_reason() {
    let mut desk = Desk::new(unpaced(10));
    let ask = |number: u64, want: u32| Ask {
        id: AskId::new(number),
        worker: WorkerId::new("w").unwrap(),
        flow: FlowId::new("f").unwrap(),
        class: Class::Normal,
        want,
        deadline: START + ms(1_000),
    };
    assert_eq!(desk.budget.ask(START, ask(1, 0)), Err(AskRefused::WantsNothing));
    assert_eq!(
        desk.budget.ask(START, ask(1, 1_000_000)),
        Err(AskRefused::WantsTooMuch { want: 1_000_000 })
    );
    assert_eq!(desk.budget.ask(START, ask(1, WANT_MAX)), Ok(()));
    assert_eq!(
        desk.budget.ask(START, ask(1, 1)),
        Err(AskRefused::Duplicate { ask: AskId::new(1) })
    );
    for number in 2..=ASKS_PER_WORKER_MAX as u64 {
        desk.budget.ask(START, ask(number, 1)).unwrap();
    }
    let full = desk.budget.ask(START, ask(1_000, 1));
    assert_eq!(
        full,
        Err(AskRefused::WorkerFull {
            worker: WorkerId::new("w").unwrap(),
            class: Class::Normal
        })
    );
}

#[test]
fn an_ask_with_its_deadline_now_is_answered_now() {
    let (mut desk, _) = held();
    let ask = Ask {
        id: AskId::new(50),
        worker: WorkerId::new("w").unwrap(),
        flow: FlowId::new("f").unwrap(),
        class: Class::Urgent,
        want: 1,
        deadline: START,
    };
    desk.budget.ask(START, ask).unwrap();
    assert_eq!(desk.advance().waits.len(), 1);
}

#[test]
fn a_clock_that_steps_back_frees_nothing_early() {
    let (mut desk, grant) = held();
    desk.pass(ms(5_000));
    desk.advance();
    desk.now = START - ms(500_000);
    desk.report(grant, ANSWERED);
    assert_eq!(desk.free(), 0);
    desk.now = START + ms(5_000);
    frees_after(&mut desk, COOLING);
}

#[test]
fn every_grant_is_recorded_in_the_step_that_makes_it() {
    let mut desk = Desk::new(unpaced(600));
    desk.ask(Class::Interactive, "console", 3);
    let step = desk.advance();
    let [
        LedgerRecord::Granted {
            grant,
            class: Class::Interactive,
            tokens: 3,
            ttl_ms: TTL,
            ..
        },
    ] = step.records.as_slice()
    else {
        panic!("unexpected records {:?}", step.records);
    };
    assert_eq!(*grant, step.grants[0].grant);
}
