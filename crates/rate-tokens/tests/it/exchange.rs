//! Token requests, grants, reports, and the state of each token.

use rate_tokens::{
    Append, Class, FlowId, GrantId, LedgerRecord, REQUESTS_PER_WORKER_MAX, Reported, RequestId,
    RequestRefused, Settled, Settlement, TokenRequest, WANT_MAX, WorkerId,
};

use crate::harness::{ANSWERED, Harness, START, UNKNOWN, ms, unpaced};

/// A harness with a limit of 1 whose only token is held.
fn held() -> (Harness, GrantId) {
    let mut harness = Harness::new(unpaced(1));
    let grant = harness.granted(Class::Normal).grant;
    assert_eq!(harness.free(), 0);
    (harness, grant)
}

fn frees_after(harness: &mut Harness, time_ms: u64) {
    harness.pass(ms(time_ms - 1));
    assert_eq!(harness.free(), 0, "free a millisecond early");
    harness.pass(ms(1));
    assert_eq!(harness.free(), 1, "not free in time");
}

/// The window of 60 s, 500 ppm of it, and the guard.
const COOLING: u64 = 60_000 + 30 + 50;
const TTL: u64 = 10_000;
const SETTLE: u64 = 30_000;

#[test]
fn a_used_token_cools_from_its_report() {
    let (mut harness, grant) = held();
    harness.pass(ms(7_000));
    harness.report(grant, ANSWERED);
    frees_after(&mut harness, COOLING);
}

#[test]
fn an_unused_token_is_free_at_once() {
    let (mut harness, grant) = held();
    harness.report(grant, Settlement::Unused);
    assert_eq!(harness.free(), 1);
}

#[test]
fn a_token_without_answer_cools_from_when_its_request_can_have_no_effect_any_more() {
    let (mut harness, grant) = held();
    harness.pass(ms(2_000));
    harness.report(grant, UNKNOWN);
    frees_after(&mut harness, SETTLE + COOLING);
}

#[test]
fn a_token_that_nobody_reports_cools_from_its_use_by_and_settling() {
    let (mut harness, _) = held();
    frees_after(&mut harness, TTL + SETTLE + COOLING);
}

#[test]
fn a_late_report_delays_an_expired_token_and_a_late_return_frees_it() {
    let (mut harness, grant) = held();
    harness.pass(ms(TTL + SETTLE + 500));
    harness.advance();
    let mut returned = harness.budget.clone();
    harness.report(grant, ANSWERED);
    frees_after(&mut harness, COOLING);

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
    let (mut harness, grant) = held();
    harness.report(grant, Settlement::Unused);
    let next = harness.granted(Class::Normal).grant;
    let reported = harness
        .budget
        .report(
            harness.now,
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
    assert_eq!(harness.budget.status(harness.now).contradictions, 1);
    harness.report(next, Settlement::Unused);
    frees_after(&mut harness, COOLING);
}

#[test]
fn repeated_reports_change_nothing() {
    let (mut harness, grant) = held();
    harness.report(grant, ANSWERED);
    let records = harness.advance().records.len();
    harness.pass(ms(30_000));
    let reported = harness
        .budget
        .report(
            harness.now,
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
    assert_eq!(harness.advance().records, vec![]);
    frees_after(&mut harness, COOLING - 30_000);
    let reported = harness
        .budget
        .report(
            harness.now,
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
    let (mut harness, grant) = held();
    let beyond = Settled {
        token: 1,
        settlement: ANSWERED,
    };
    assert_eq!(
        harness
            .budget
            .report(harness.now, grant, &[beyond])
            .unwrap()
            .no_such_token,
        1
    );
    let unknown = GrantId { number: 99, ..grant };
    let error = harness
        .budget
        .report(harness.now, unknown, &[beyond])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "grant 1-99 is not known to the budget's epoch 1; nothing is left to settle, stop reporting it"
    );
}

#[test]
fn a_grant_that_the_ledger_rejected_is_free_and_one_in_doubt_is_held() {
    let (mut harness, grant) = held();
    harness.budget.disown(harness.now, grant, Append::Unknown);
    assert_eq!(harness.free(), 0);
    harness.budget.disown(harness.now, grant, Append::Rejected);
    assert_eq!(harness.free(), 1);
}

#[test]
fn a_lower_limit_is_reached_as_tokens_cool_and_a_higher_one_at_once() {
    let mut harness = Harness::new(unpaced(4));
    let grants = harness.drain(Class::Normal);
    harness.budget.retune(harness.now, unpaced(2));
    harness.report(grants[0].grant, Settlement::Unused);
    harness.report(grants[1].grant, Settlement::Unused);
    assert_eq!(harness.free(), 0);
    harness.report(grants[2].grant, Settlement::Unused);
    assert_eq!(harness.free(), 1);
    harness.budget.retune(harness.now, unpaced(10));
    assert_eq!(harness.free(), 9);
}

#[test]
fn a_longer_window_holds_for_what_had_cooled_before() {
    let (mut harness, grant) = held();
    harness.report(grant, ANSWERED);
    harness.pass(ms(COOLING));
    harness.advance();
    assert_eq!(harness.free(), 1);
    let terms = rate_tokens::Terms {
        window: ms(90_000),
        ..unpaced(1).terms().clone()
    };
    harness
        .budget
        .retune(harness.now, rate_tokens::BudgetSettings::new(terms).unwrap());
    harness.request(Class::Urgent, "flow", 1);
    assert_eq!(harness.advance().grants, vec![]);
    // Each additional second adds half a millisecond of clock error.
    harness.pass(ms(30_014));
    assert_eq!(harness.advance().grants, vec![]);
    harness.pass(ms(1));
    harness.request(Class::Urgent, "flow", 1);
    assert_eq!(harness.advance().grants.len(), 1);
}

#[test]
fn a_longer_window_makes_cooling_tokens_cool_longer() {
    let (mut harness, grant) = held();
    harness.report(grant, ANSWERED);
    let terms = rate_tokens::Terms {
        window: ms(90_000),
        ..unpaced(1).terms().clone()
    };
    harness
        .budget
        .retune(harness.now, rate_tokens::BudgetSettings::new(terms).unwrap());
    frees_after(&mut harness, 90_000 + 45 + 50);
}

#[test]
fn asks_without_sense_or_room_are_refused_with_the_reason() {
    let mut harness = Harness::new(unpaced(10));
    let request = |number: u64, want: u32| TokenRequest {
        id: RequestId::new(number),
        worker: WorkerId::new("w").unwrap(),
        flow: FlowId::new("f").unwrap(),
        class: Class::Normal,
        want,
        deadline: START + ms(1_000),
    };
    assert_eq!(
        harness.budget.request(START, request(1, 0)),
        Err(RequestRefused::WantsNothing)
    );
    assert_eq!(
        harness.budget.request(START, request(1, 1_000_000)),
        Err(RequestRefused::WantsTooMuch { want: 1_000_000 })
    );
    assert_eq!(harness.budget.request(START, request(1, WANT_MAX)), Ok(()));
    assert_eq!(
        harness.budget.request(START, request(1, 1)),
        Err(RequestRefused::Duplicate {
            request: RequestId::new(1)
        })
    );
    for number in 2..=REQUESTS_PER_WORKER_MAX as u64 {
        harness.budget.request(START, request(number, 1)).unwrap();
    }
    let full = harness.budget.request(START, request(1_000, 1));
    assert_eq!(
        full,
        Err(RequestRefused::WorkerFull {
            worker: WorkerId::new("w").unwrap(),
            class: Class::Normal
        })
    );
}

#[test]
fn an_ask_with_its_deadline_now_is_answered_now() {
    let (mut harness, _) = held();
    let request = TokenRequest {
        id: RequestId::new(50),
        worker: WorkerId::new("w").unwrap(),
        flow: FlowId::new("f").unwrap(),
        class: Class::Urgent,
        want: 1,
        deadline: START,
    };
    harness.budget.request(START, request).unwrap();
    assert_eq!(harness.advance().waits.len(), 1);
}

#[test]
fn a_clock_that_steps_back_frees_nothing_early() {
    let (mut harness, grant) = held();
    harness.pass(ms(5_000));
    harness.advance();
    harness.now = START - ms(500_000);
    harness.report(grant, ANSWERED);
    assert_eq!(harness.free(), 0);
    harness.now = START + ms(5_000);
    frees_after(&mut harness, COOLING);
}

#[test]
fn every_grant_is_recorded_in_the_step_that_makes_it() {
    let mut harness = Harness::new(unpaced(600));
    harness.request(Class::Interactive, "console", 3);
    let step = harness.advance();
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
