//! The wallet: the worker's side of grants and reports.

use rate_tokens::{Epoch, GrantId, GrantReport, HeldToken, REPORT_AGAIN, Settled, Settlement, Wallet};

use crate::harness::{ANSWERED, START, ms};

const FIRST: GrantId = GrantId {
    epoch: Epoch::new(1),
    number: 5,
};

#[test]
fn a_slips_use_by_counts_from_the_asking() {
    let mut wallet = Wallet::new();
    let slips = wallet.accept(START, FIRST, 2, ms(10_000));
    let use_by = START + ms(10_000);
    assert_eq!(
        slips,
        [0, 1].map(|token| HeldToken {
            grant: FIRST,
            token,
            use_by
        })
    );
}

#[test]
fn reports_are_repeated_until_they_are_acknowledged() {
    let mut wallet = Wallet::new();
    wallet.settle(FIRST, 0, ANSWERED);
    let report = GrantReport {
        grant: FIRST,
        settled: vec![Settled {
            token: 0,
            settlement: ANSWERED,
        }],
    };
    assert_eq!(wallet.due(START), vec![report.clone()]);
    assert_eq!(wallet.due(START), vec![]);
    assert_eq!(wallet.next_due(), Some(START + REPORT_AGAIN));
    assert_eq!(wallet.due(START + REPORT_AGAIN), vec![report.clone()]);
    wallet.acknowledged(&report);
    assert_eq!(
        (wallet.next_due(), wallet.due(START + ms(60_000))),
        (None, vec![])
    );
}

#[test]
fn a_token_settled_after_the_report_left_goes_out_on_its_own() {
    let mut wallet = Wallet::new();
    wallet.settle(FIRST, 0, ANSWERED);
    let sent = wallet.due(START).remove(0);
    wallet.settle(FIRST, 1, Settlement::Unused);
    wallet.acknowledged(&sent);
    let rest = GrantReport {
        grant: FIRST,
        settled: vec![Settled {
            token: 1,
            settlement: Settlement::Unused,
        }],
    };
    assert_eq!(wallet.due(START), vec![rest]);
}

#[test]
fn the_highest_grant_seen_is_remembered() {
    let mut wallet = Wallet::new();
    assert_eq!(wallet.seen(), None);
    let later = GrantId {
        epoch: Epoch::new(2),
        number: 1,
    };
    wallet.accept(START, later, 1, ms(1));
    wallet.accept(START, FIRST, 1, ms(1));
    assert_eq!(wallet.seen(), Some(later));
    assert_eq!(later.to_string().parse(), Ok(later));
}
