//! A successor learns from the ledger everything that its predecessor knew, or assumes something safer.

use std::time::Duration;

use proptest::prelude::*;
use rate_tokens::{
    Aged, Budget, Class, Epoch, FlowId, GrantId, LedgerRecord, Moment, Outcome, ReplayError, Settled,
    Settlement, Stamp, WorkerId,
};

use crate::harness::{ANSWERED, Harness, START, ms, unpaced};

const COOLING: u64 = 60_000 + 30 + 50;
/// Guard that the successor adds because it compares time stamps.
const GUARD: u64 = 50;

const GRANT: GrantId = GrantId {
    epoch: Epoch::new(1),
    number: 7,
};

fn granted(tokens: u32) -> LedgerRecord {
    let (worker, flow) = (WorkerId::new("worker").unwrap(), FlowId::new("flow").unwrap());
    LedgerRecord::Granted {
        grant: GRANT,
        worker,
        flow,
        class: Class::Normal,
        tokens,
        ttl_ms: 10_000,
    }
}

fn reported(settlement: Settlement) -> LedgerRecord {
    LedgerRecord::Reported {
        grant: GRANT,
        class: Class::Normal,
        settled: vec![Settled { token: 0, settlement }],
    }
}

fn aged(age_ms: u64, record: LedgerRecord) -> Aged {
    Aged {
        record,
        age: ms(age_ms),
    }
}

fn successor(limit: u32, records: Vec<Aged>) -> Result<Harness, ReplayError> {
    Budget::replay(unpaced(limit), Epoch::new(2), records, START).map(Harness::of)
}

fn frees_after(harness: &mut Harness, time_ms: u64) {
    harness.pass(ms(time_ms - 1));
    assert_eq!(harness.free(), 0, "free a millisecond early");
    harness.pass(ms(1));
    assert_eq!(harness.free(), 1, "not free in time");
}

#[test]
fn a_reported_token_cools_for_the_rest_of_its_time() {
    let mut harness = successor(
        1,
        vec![aged(21_000, granted(1)), aged(20_000, reported(ANSWERED))],
    )
    .unwrap();
    frees_after(&mut harness, COOLING + GUARD - 20_000);
}

#[test]
fn the_successors_clock_may_have_started_just_now() {
    let records = vec![aged(21_000, granted(1)), aged(20_000, reported(ANSWERED))];
    let mut budget = Budget::replay(unpaced(1), Epoch::new(2), records, Moment::default()).unwrap();
    let free_at = Moment::from_millis(COOLING + GUARD - 20_000);
    budget.advance(free_at - ms(1));
    assert_eq!(budget.status(free_at - ms(1)).free, 0);
    budget.advance(free_at);
    assert_eq!(budget.status(free_at).free, 1);
}

#[test]
fn an_unreported_token_is_held_as_if_granted_just_now_and_a_late_report_settles_it() {
    let mut harness = successor(1, vec![aged(30_000, granted(1))]).unwrap();
    let mut body = Harness::of(harness.budget.clone());
    frees_after(&mut harness, 10_000 + 30_000 + COOLING);
    body.pass(ms(1_000));
    body.report(GRANT, ANSWERED);
    frees_after(&mut body, COOLING);
}

#[test]
fn a_token_reported_without_answer_cools_after_settling_too() {
    let unknown = reported(Settlement::Used(Outcome::Unknown));
    let mut harness = successor(1, vec![aged(21_000, granted(1)), aged(20_000, unknown)]).unwrap();
    frees_after(&mut harness, 30_000 + COOLING + GUARD - 20_000);
}

#[test]
fn an_expired_token_cools_from_its_expiry() {
    let expired = LedgerRecord::Expired {
        grant: GRANT,
        class: Class::Normal,
        tokens: vec![0],
    };
    let mut harness = successor(1, vec![aged(45_000, granted(1)), aged(5_000, expired)]).unwrap();
    frees_after(&mut harness, COOLING + GUARD - 5_000);
}

#[test]
fn a_report_of_a_grant_from_before_the_reading_still_counts() {
    let mut harness = successor(1, vec![aged(10_000, reported(ANSWERED))]).unwrap();
    frees_after(&mut harness, COOLING + GUARD - 10_000);
}

#[test]
fn where_the_servers_clock_stepped_back_records_count_as_young_as_those_before_them() {
    let mut harness = successor(1, vec![aged(3_000, granted(1)), aged(50_000, reported(ANSWERED))]).unwrap();
    frees_after(&mut harness, COOLING + GUARD - 3_000);
    assert_eq!(Aged::between(granted(1), 9_000, 8_000).age, Duration::ZERO);
}

#[test]
fn a_grant_that_was_recorded_twice_is_held_once() {
    let harness = successor(2, vec![aged(3_000, granted(1)), aged(2_000, granted(1))]).unwrap();
    assert_eq!(harness.free(), 1);
}

#[test]
fn what_refusals_taught_is_inherited() {
    let refused = reported(Settlement::Used(Outcome::Refused {
        retry_after_ms: Some(30_000),
    }));
    let adapted = LedgerRecord::Adapted {
        working_limit: 60,
        stretch: 1,
    };
    let harness = successor(
        100,
        vec![
            aged(11_000, granted(1)),
            aged(10_000, refused),
            aged(10_000, adapted),
        ],
    )
    .unwrap();
    let status = harness.budget.status(START);
    assert_eq!(
        (status.working_limit, status.stretch, status.closed_for_ms),
        (60, 1, Some(20_000))
    );
}

#[test]
fn ledgers_that_cannot_be_an_earlier_governors_are_refused() {
    let same = Budget::replay(unpaced(1), Epoch::new(1), vec![aged(0, granted(1))], START).unwrap_err();
    assert_eq!(
        same,
        ReplayError::EpochNotNew {
            epoch: Epoch::new(1),
            seen: Epoch::new(1)
        }
    );
    let later = aged(0, LedgerRecord::Epoch { epoch: Epoch::new(9) });
    assert_eq!(
        Budget::replay(unpaced(1), Epoch::new(2), vec![later], START).unwrap_err(),
        ReplayError::EpochNotNew {
            epoch: Epoch::new(2),
            seen: Epoch::new(9)
        }
    );
    let damaged = successor(1, vec![aged(0, granted(u32::MAX))])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        damaged,
        ReplayError::TokensOutOfRange {
            grant: GRANT,
            tokens: u32::MAX
        }
    );
}

#[test]
fn without_a_ledger_nothing_is_granted_until_all_that_may_be_out_has_cooled() {
    let mut harness = Harness::of(Budget::quiet(unpaced(5), Epoch::new(3), START));
    let quiet = unpaced(5).quiet();
    assert_eq!(quiet, ms(COOLING + GUARD + 10_000 + 30_000));
    harness.pass(quiet - ms(1));
    harness.request(Class::Urgent, "flow", 1);
    let step = harness.advance();
    assert_eq!((step.grants.len(), step.next_wake), (0, Some(START + quiet)));
    harness.pass(ms(1));
    assert_eq!(harness.advance().grants.len(), 1);
}

proptest! {
    /// Grants and reports within the part of the ledger that is read. Any part of the reports may be lost.
    #[test]
    fn a_lost_report_never_frees_a_token_earlier(
        uses in prop::collection::vec((0u64..30_000, 0u64..10_000, 0u8..3, any::<bool>()), 1..40),
        later in 0u64..150_000,
    ) {
        let mut records = Vec::new();
        for (number, &(age, delay, settlement, lost)) in (1u64..).zip(&uses) {
            let grant = GrantId { epoch: Epoch::new(1), number };
            let (worker, flow) = (WorkerId::new("worker").unwrap(), FlowId::new("flow").unwrap());
            let settlement =
                [Settlement::Unused, ANSWERED, Settlement::Used(Outcome::Unknown)][usize::from(settlement)];
            let settled = vec![Settled { token: 0, settlement }];
            let class = Class::Normal;
            records.push((age, false, LedgerRecord::Granted { grant, worker, flow, class, tokens: 1, ttl_ms: 10_000 }));
            records.push((age.saturating_sub(delay), lost, LedgerRecord::Reported { grant, class, settled }));
        }
        records.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
        let all = records.iter().map(|(age, _, record)| aged(*age, record.clone())).collect();
        let some = records.iter().filter(|(_, lost, _)| !lost).map(|(age, _, record)| aged(*age, record.clone())).collect();
        let (mut all, mut some) = (successor(50, all).unwrap(), successor(50, some).unwrap());
        all.pass(ms(later));
        some.pass(ms(later));
        prop_assert!(some.free() <= all.free());
    }
}

#[test]
fn an_age_is_the_least_that_any_clock_says() {
    let at = |server_ms, wall_ms, boot| Stamp {
        server_ms,
        wall_ms,
        boot,
    };
    let written = at(100_000, 200_000, Some((7, 50_000)));
    let age = |later: Stamp| written.age_at(&later).as_millis();
    assert_eq!(age(at(103_000, 203_001, Some((7, 53_002)))), 3_000);
    // The server's clock, or the wall clock of the machine, was set forward by a minute.
    assert_eq!(age(at(163_000, 203_000, None)), 3_000);
    assert_eq!(age(at(163_000, 263_000, Some((7, 53_000)))), 3_000);
    assert_eq!(age(at(103_000, 263_000, None)), 3_000);
    // Another machine's boot clock is ignored, a clock set back makes ages smaller, and a missing stamp is ignored.
    assert_eq!(age(at(103_000, 203_000, Some((8, 1)))), 3_000);
    assert_eq!(age(at(90_000, 203_000, None)), 0);
    assert_eq!(age(at(103_000, 0, None)), 3_000);
}

#[test]
fn a_token_whose_time_was_over_while_nobody_ruled_is_on_the_books_as_expired_once() {
    let long_ago = || vec![aged(3_600_000, granted(2)), aged(3_599_000, reported(ANSWERED))];
    let mut first = Budget::replay(unpaced(5), Epoch::new(2), long_ago(), START).unwrap();
    let step = first.advance(START);
    let counts = |budget: &Budget| *budget.status(START).classes.get(Class::Normal);
    assert_eq!(
        (
            counts(&first).granted,
            counts(&first).answered,
            counts(&first).expired
        ),
        (2, 1, 1)
    );
    assert_eq!(first.status(START).free, 5, "it holds nobody up");
    let expired = LedgerRecord::Expired {
        grant: GRANT,
        class: Class::Normal,
        tokens: vec![1],
    };
    assert_eq!(step.records, std::slice::from_ref(&expired));

    let mut records = long_ago();
    records.push(aged(1_000, expired));
    let second = Budget::replay(unpaced(5), Epoch::new(3), records, START).unwrap();
    assert_eq!(
        counts(&second).expired,
        1,
        "the next successor does not count it again"
    );
}
