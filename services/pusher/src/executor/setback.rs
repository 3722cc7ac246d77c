//! What a failure means for the item that it happened to, and what is written about it.

use std::fmt::Write as _;

use litmos::{Failure, FailureKind};
use provisioning::{Ended, GroupLink, ParkCode, Parked, PersonLink};

use super::unix_ms;

/// Longest pause between two attempts at the same item.
const BACKOFF_MAX_MS: u64 = 15 * 60_000;

/// First pause after a failure; doubles with every further one.
const BACKOFF_FIRST_MS: u64 = 5_000;

/// Attempts after which an item is parked instead of tried again: about an hour of pauses.
const ATTEMPTS_MAX: u32 = 10;

/// Characters of Litmos's words that are kept with an item.
const SAID_MAX: usize = 300;

/// What follows from a failure.
pub(crate) enum Sequel {
    /// Nothing took effect; it may be tried at once.
    Again,
    /// Nothing took effect; it is tried again after a pause.
    Later,
    /// It may have taken effect: quarantine, then read.
    Unknown,
    /// A person must read.
    Park(ParkCode),
}

pub(crate) fn sequel(failure: &Failure) -> Sequel {
    match &failure.kind {
        FailureKind::Void | FailureKind::RateLimited { .. } => Sequel::Again,
        // A 404 that a read at the account or team did not explain; and faults of the connection, which come here only
        // where the gate was opened again meanwhile.
        FailureKind::NotSent | FailureKind::Gone | FailureKind::Credentials | FailureKind::Redirected => {
            Sequel::Later
        }
        FailureKind::Unknown | FailureKind::Broken | FailureKind::Retry => Sequel::Unknown,
        FailureKind::Exists => Sequel::Park(ParkCode::UserNameTaken),
        FailureKind::Rejected { .. } | FailureKind::Forbidden => Sequel::Park(ParkCode::RejectedByLitmos),
    }
}

/// The failure as one that names the attribute at fault.
pub(crate) fn blaming(failure: Failure, attribute: &str) -> Failure {
    Failure {
        kind: FailureKind::Rejected {
            attribute: Some(attribute.to_owned()),
        },
        ..failure
    }
}

fn backoff_ms(attempts: u32) -> u64 {
    BACKOFF_FIRST_MS
        .saturating_mul(1 << attempts.saturating_sub(1).min(20))
        .min(BACKOFF_MAX_MS)
}

pub(crate) fn explain(failure: &Failure) -> String {
    let mut text = String::new();
    let _ = write!(text, "{failure}");
    bounded(&text)
}

pub(crate) fn bounded(words: &str) -> String {
    words.chars().take(SAID_MAX).collect()
}

/// What is written on an item's link after a failure, apart from its intent.
pub(crate) struct Setback<'a> {
    attempts: &'a mut u32,
    next_try_ms: &'a mut u64,
    last_error: &'a mut Option<String>,
    parked: &'a mut Option<Box<Parked>>,
}

pub(crate) fn person_setback(link: &mut PersonLink) -> Setback<'_> {
    Setback {
        attempts: &mut link.attempts,
        next_try_ms: &mut link.next_try_ms,
        last_error: &mut link.last_error,
        parked: &mut link.parked,
    }
}

pub(crate) fn group_setback(link: &mut GroupLink) -> Setback<'_> {
    Setback {
        attempts: &mut link.attempts,
        next_try_ms: &mut link.next_try_ms,
        last_error: &mut link.last_error,
        parked: &mut link.parked,
    }
}

impl Setback<'_> {
    /// Notes a failed attempt: a pause that doubles, and in the end a place among the parked.
    pub(crate) fn note(self, failure: &Failure, revision: u64) -> Ended {
        *self.attempts += 1;
        *self.last_error = Some(explain(failure));
        *self.next_try_ms = unix_ms() + backoff_ms(*self.attempts);
        if *self.attempts < ATTEMPTS_MAX {
            return Ended::Failed;
        }
        *self.parked = Some(Box::new(Parked {
            code: ParkCode::KeepsFailing,
            attribute: None,
            message: explain(failure),
            remedy: "See whether Litmos answers at all, then ask for a retry.".to_owned(),
            revision,
            at_ms: unix_ms(),
        }));
        Ended::Parked
    }

    pub(crate) fn park(self, code: ParkCode, failure: &Failure, revision: u64) -> Ended {
        let attribute = match &failure.kind {
            FailureKind::Rejected { attribute } => attribute.clone(),
            FailureKind::Exists if code == ParkCode::UserNameTaken => Some("UserName".to_owned()),
            FailureKind::Exists => Some("Name".to_owned()),
            FailureKind::Void
            | FailureKind::RateLimited { .. }
            | FailureKind::Gone
            | FailureKind::Credentials
            | FailureKind::Forbidden
            | FailureKind::Redirected
            | FailureKind::Retry
            | FailureKind::NotSent
            | FailureKind::Unknown
            | FailureKind::Broken => None,
        };
        let remedy = if failure.no_such_call() {
            "Do it in Litmos by hand and import again, or take it back at the source."
        } else if failure.kind == FailureKind::Forbidden {
            "See in Litmos whether the key's owner may change this; then: rollcall retry."
        } else {
            "Correct it at the source; the change is sent again by itself."
        };
        *self.last_error = Some(explain(failure));
        *self.parked = Some(Box::new(Parked {
            code,
            attribute,
            message: bounded(&failure.message),
            remedy: remedy.to_owned(),
            revision,
            at_ms: unix_ms(),
        }));
        Ended::Parked
    }

    /// The last attempt came to its end: the next failure is a first one. A place among the parked is not given up by
    /// that, for it may be another change that was refused.
    pub(crate) fn over(self) {
        (*self.attempts, *self.next_try_ms) = (0, 0);
        *self.last_error = None;
    }
}
