//! A simulated cluster around a budget: workers, a network that delays and loses messages, a ledger, governors that
//! crash and are replaced, and a target that counts each request at any moment between its sending and its response.
//!
//! Times are real time in milliseconds. Every governor has its own clock with its own origin and rate. [`Fault`] plants
//! one mistake in the cluster, to show that the oracles detect it.

mod chance;
mod cluster;

use std::time::Duration;

use rate_tokens::{BudgetSettings, LedgerRecord, Pacing, RequestId, Terms};

pub(crate) use self::chance::Chance;
pub(crate) use self::cluster::Cluster;
use crate::targets::Counted;

/// A mistake of a governor, a worker or its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OneTokenTooMany,
    CoolsFromTheGrant,
    VoidPermitIsUsed,
    DeadWorkersTokensFreeAtOnce,
    ReplayOverstatesAges,
    ReplayForgetsUnreported,
    BurstPassesTheRing,
    UnknownCountsAsAnswered,
    ToldBeforeLogged,
    LostLedgerIsTakenForEmpty,
    SilenceIsNotWrittenDown,
    ClientRetriesByItself,
    ClockRunsFast,
    UnknownAppendIsTakenForNone,
}

impl Fault {
    pub(crate) const ALL: [Fault; 14] = [
        Fault::OneTokenTooMany,
        Fault::CoolsFromTheGrant,
        Fault::VoidPermitIsUsed,
        Fault::DeadWorkersTokensFreeAtOnce,
        Fault::ReplayOverstatesAges,
        Fault::ReplayForgetsUnreported,
        Fault::BurstPassesTheRing,
        Fault::UnknownCountsAsAnswered,
        Fault::ToldBeforeLogged,
        Fault::LostLedgerIsTakenForEmpty,
        Fault::SilenceIsNotWrittenDown,
        Fault::ClientRetriesByItself,
        Fault::ClockRunsFast,
        Fault::UnknownAppendIsTakenForNone,
    ];
}

/// Parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) limit: u32,
    pub(crate) paced: bool,
    pub(crate) workers: usize,
    /// Probabilities in thousandths, like `silence`, `loss` and `refusal`.
    pub(crate) death: u64,
    pub(crate) silence: u64,
    pub(crate) loss: u64,
    pub(crate) refusal: u64,
    /// Mean time between governor crashes in ms; 0 for none.
    pub(crate) crash_every: u64,
    pub(crate) ledger_loss: u64,
    pub(crate) append_trouble: u64,
    pub(crate) limit_changes: bool,
    pub(crate) span: u64,
    pub(crate) fault: Option<Fault>,
}

pub(crate) const WINDOW: u64 = 3_000;
const TTL: u64 = 600;
const SETTLE: u64 = 1_000;
const GUARD: u64 = 100;

impl Scenario {
    pub(crate) fn calm(seed: u64, limit: u32) -> Scenario {
        Scenario {
            seed,
            limit,
            paced: false,
            workers: 4,
            death: 0,
            silence: 0,
            loss: 0,
            refusal: 0,
            crash_every: 0,
            ledger_loss: 0,
            append_trouble: 0,
            limit_changes: false,
            span: 60_000,
            fault: None,
        }
    }

    pub(crate) fn stormy(seed: u64, limit: u32) -> Scenario {
        Scenario {
            paced: seed.is_multiple_of(3),
            workers: 2 + (seed % 6) as usize,
            death: 20,
            silence: 20,
            loss: 50,
            refusal: (seed % 4) / 3 * 5,
            crash_every: 9_000,
            ledger_loss: 150,
            append_trouble: 20,
            limit_changes: seed % 5 == 4,
            ..Scenario::calm(seed, limit)
        }
    }

    pub(crate) fn settings(&self, limit: u32) -> BudgetSettings {
        let limit = limit + u32::from(self.fault == Some(Fault::OneTokenTooMany));
        BudgetSettings::new(Terms {
            window: Duration::from_millis(WINDOW),
            guard: Duration::from_millis(GUARD),
            permit_ttl: Duration::from_millis(TTL),
            settle: Duration::from_millis(SETTLE),
            pacing: if self.paced {
                Pacing::DEFAULT
            } else {
                Pacing::Unpaced
            },
            worker_max: limit,
            ..Terms::per_minute(limit)
        })
        .unwrap()
    }
}

/// Results of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) counted: Vec<Counted>,
    pub(crate) ledger: Vec<(u64, LedgerRecord)>,
    /// Token requests that reached a live governor and got neither a grant nor a wait by their deadline.
    pub(crate) unanswered: Vec<RequestId>,
    pub(crate) contradictions: u64,
    pub(crate) takeovers: u64,
}
