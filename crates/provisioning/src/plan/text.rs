//! Prints a plan as text that a person can approve.

use std::fmt::Write as _;

use super::{Plan, WaitReason};
use crate::Subject;
use crate::cost::okta_formula;

impl Plan {
    /// Prints the plan as text that a person can approve, with at most `lines_max` lines for each list.
    pub fn to_text(&self, lines_max: usize) -> String {
        let mut text = format!(
            "plan {} for {}: {} operations, {} calls",
            self.hash(),
            self.org,
            self.operations.len(),
            self.calls()
        );
        if self.people + self.groups > 0 {
            let _ = write!(
                text,
                " (Okta's formula: {})",
                okta_formula(self.people, self.groups)
            );
        }
        text.push('\n');
        for line in self.summary() {
            let _ = writeln!(
                text,
                "  {:<17} {:>6} × = {:>6} calls",
                line.kind, line.operations, line.calls
            );
        }
        for operation in self.operations.iter().take(lines_max) {
            let _ = writeln!(text, "- {} [{}]", operation.label, calls_text(operation.calls));
        }
        if self.operations.len() > lines_max {
            let _ = writeln!(text, "- and {} more", self.operations.len() - lines_max);
        }
        if let Some(hash) = self.held_hash() {
            for held in &self.held {
                let _ = writeln!(text, "HELD {}", held.describe());
                for item in held.items.iter().take(lines_max) {
                    let _ = writeln!(text, "  - {}", item.label);
                }
                if held.items.len() > lines_max {
                    let _ = writeln!(text, "  - and {} more", held.items.len() - lines_max);
                }
            }
            let _ = writeln!(text, "  look at each, then: rollcall approve {hash}");
        }
        for (subject, parked) in self.park.iter().take(lines_max) {
            let _ = writeln!(
                text,
                "! {}: {} {}: {}",
                subject_text(subject),
                parked.code,
                parked.message,
                parked.remedy
            );
        }
        let stated = |reason: &WaitReason| !matches!(reason, WaitReason::Held { .. });
        let waiting = self.waiting.iter().filter(|(_, reason)| stated(reason));
        for (subject, reason) in waiting.take(lines_max) {
            let _ = writeln!(text, "~ {}: {}", subject_text(subject), reason.describe());
        }
        text
    }
}

/// A time as text, from Unix milliseconds.
fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(
        || format!("{unix_ms} ms after 1970"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

impl WaitReason {
    /// The reason, as text for a person.
    pub fn describe(&self) -> String {
        match self {
            WaitReason::UnderWay => "a request about it is in flight".to_owned(),
            WaitReason::RetryAt { at_ms, error } => {
                let error = error.as_deref().unwrap_or("the last attempt failed");
                format!("{error}; next attempt at {}", time(*at_ms))
            }
            WaitReason::FirstImport => "no complete import has been seen yet".to_owned(),
            WaitReason::Parked(parked) => {
                format!("parked, {}: {}: {}", parked.code, parked.message, parked.remedy)
            }
            WaitReason::SwitchedOff { feature } => format!("{feature} is switched off"),
            WaitReason::Held { harm } => format!("held by the safeguard: {harm}"),
            WaitReason::ParentAwaited { parent } => format!("its parent {parent:?} has no team yet"),
            WaitReason::NameAwaited { person } => {
                format!("the account of person {person} has the user name and is to be renamed first")
            }
            WaitReason::ExtraMembers { at_ms } => format!(
                "members of its team whom no source named are removed at {}, unless a source names them",
                time(*at_ms)
            ),
            WaitReason::Paused => "group push is paused for it".to_owned(),
            WaitReason::Frozen => "frozen by an admin".to_owned(),
        }
    }
}

fn calls_text(calls: u32) -> String {
    match calls {
        0 => "no call".to_owned(),
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    }
}

fn subject_text(subject: &Subject) -> String {
    match subject {
        Subject::Person(id) => format!("person {id}"),
        Subject::Group(id) => format!("group {id}"),
    }
}
