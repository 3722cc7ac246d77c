//! Decides what follows from a failure for its item, and notes the failure on the link.

use std::fmt::Write as _;

use litmos::{Failure, FailureKind};
use provisioning::{Ended, GroupLink, ParkCode, Parked, PersonLink};

use super::unix_ms;

/// Longest pause between two attempts at the same item.
const BACKOFF_MAX_MS: u64 = 15 * 60_000;

/// First pause after a failure. It doubles with every further failure.
const BACKOFF_FIRST_MS: u64 = 5_000;

/// Failed attempts after which an item is parked instead of tried again: about an hour of pauses.
const ATTEMPTS_MAX: u32 = 10;

/// Most characters of an error message that are kept on a link.
const SAID_MAX: usize = 300;

/// The next step after a failure.
pub(crate) enum Sequel {
    /// The request had no effect. It may be tried again at once.
    Again,
    /// The request had no effect. It is tried again after a pause.
    Later,
    /// The request may have taken effect: the intent stays, and recovery reads the outcome.
    Unknown,
    /// The item is parked: a person must act.
    Park(ParkCode),
}

pub(crate) fn sequel(failure: &Failure) -> Sequel {
    match &failure.kind {
        FailureKind::Void | FailureKind::RateLimited { .. } => Sequel::Again,
        // A 404 that a read of the account or team did not explain. Failures of the connection arrive here only if the gate was opened
        // again meanwhile.
        FailureKind::NotSent | FailureKind::Gone | FailureKind::Credentials | FailureKind::Redirected => {
            Sequel::Later
        }
        FailureKind::Unknown | FailureKind::Broken | FailureKind::Retry => Sequel::Unknown,
        FailureKind::Exists => Sequel::Park(ParkCode::UserNameTaken),
        FailureKind::Rejected { .. } | FailureKind::NoSuchCall | FailureKind::Forbidden => {
            Sequel::Park(ParkCode::RejectedByLitmos)
        }
    }
}

/// Turns the failure into a rejection that names the attribute at fault.
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

/// The fields of a link that record failures, except the intent.
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
    /// Notes a failed attempt. The pause doubles each time, and the last attempt parks the item.
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
            | FailureKind::NoSuchCall
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

    /// Clears the failed attempts after a success. A parked item stays parked: the refusal may concern another change.
    pub(crate) fn over(self) {
        (*self.attempts, *self.next_try_ms) = (0, 0);
        *self.last_error = None;
    }
}
