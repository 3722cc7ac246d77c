//! Sends every event of a load and waits for its receipt.

use std::io::IsTerminal as _;
use std::time::Duration;

use bus::{EventBody, Outcome, Receipt};
use intake::file;
use provisioning::SourceId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::session::CliSession;

/// Longest time without a new receipt, before missing receipts are reported. It is longer than the minute that the feed needs to
/// redeliver the events of a dead intake.
const SILENCE: Duration = Duration::from_secs(90);

/// Longest time without a new receipt, if all remaining events wait for others. Their first pauses are 2, 4 and 8 seconds.
const WAITING: Duration = Duration::from_secs(10);

/// Time between two progress lines.
const SHOWN_EVERY: Duration = Duration::from_millis(500);

/// One event of a load.
pub(super) struct Part {
    /// Line of the file. `None` for a person who is not in the file.
    pub(super) line: Option<u64>,
    pub(super) body: EventBody,
}

/// State of one event.
enum State {
    Sent,
    Applied,
    SetAside(String),
    Waits(String),
}

/// Results of all events of a load.
pub(super) struct Followed {
    parts: Vec<(Option<u64>, Box<str>, State)>,
    /// Number of events without a receipt, then of waiting events, then of applied events.
    sent: usize,
    waits: usize,
    taken: usize,
}

/// One event that was not applied.
pub(super) struct Left<'a> {
    pub(super) line: Option<u64>,
    pub(super) name: &'a str,
    pub(super) reason: &'a str,
}

impl Left<'_> {
    pub(super) fn json(&self) -> Value {
        json!({"line": self.line, "name": self.name, "reason": self.reason})
    }

    pub(super) fn text(&self) -> String {
        let line = self.line.map_or(String::new(), |line| format!("line {line}: "));
        let reason = match self.reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        format!("  {line}{}{reason}", self.name)
    }
}

impl Followed {
    /// Sends everything. Returns when each event has ended, or when no receipt came for too long.
    pub(super) async fn send(
        session: &CliSession,
        source: &SourceId,
        parts: Vec<Part>,
        json: bool,
    ) -> anyhow::Result<Followed> {
        let load_id = uuid::Uuid::now_v7().to_string();
        let at_ms = chassis::clock::unix_ms();
        let known = parts
            .iter()
            .map(|part| (part.line, named(&part.body).into_boxed_str(), State::Sent));
        let mut followed = Followed {
            sent: parts.len(),
            waits: 0,
            taken: 0,
            parts: known.collect(),
        };
        let (inbox, mut receipts) = session.bus.receipts().await?;
        let events = parts.into_iter().enumerate();
        let events = events.map(|(index, part)| file::event(part.body, &load_id, index, at_ms));
        let publishing = session
            .bus
            .publish_events(&session.org, source, events, Some(&inbox));
        tokio::pin!(publishing);
        let (began, mut moved, mut published) = (Instant::now(), Instant::now(), false);
        let progress = std::io::stderr().is_terminal() && !json;
        let mut show = tokio::time::interval(SHOWN_EVERY);
        loop {
            if published && followed.sent + followed.waits == 0 {
                break;
            }
            tokio::select! {
                stored = &mut publishing, if !published => {
                    stored?;
                    (published, moved) = (true, Instant::now());
                }
                receipt = receipts.next() => match receipt {
                    Some(receipt) => if followed.record(&load_id, receipt) {
                        moved = Instant::now();
                    },
                    None => anyhow::bail!("the connection to the bus was closed before all receipts had come; load the file again"),
                },
                _ = show.tick() => if progress {
                    followed.show(began.elapsed());
                },
            }
            let patience = if followed.sent == 0 { WAITING } else { SILENCE };
            if published && moved.elapsed() > patience {
                break;
            }
        }
        if progress {
            eprint!("\r\x1b[2K");
        }
        Ok(followed)
    }

    /// Records a receipt. Returns whether it changed something.
    fn record(&mut self, load_id: &str, receipt: Receipt) -> bool {
        let index = receipt
            .event_id
            .strip_prefix(load_id)
            .and_then(|rest| rest.strip_prefix('-')?.parse::<usize>().ok());
        let Some((_, _, state)) = index.and_then(|index| self.parts.get_mut(index)) else {
            return false;
        };
        // An applied event stays applied, whatever the receipt of a redelivery says.
        match state {
            State::Applied => return false,
            State::Sent => self.sent -= 1,
            State::Waits(_) => self.waits -= 1,
            State::SetAside(_) => {}
        }
        let waited = matches!(state, State::Waits(_));
        *state = match receipt.outcome {
            Outcome::Applied => {
                self.taken += 1;
                State::Applied
            }
            Outcome::SetAside(reason) => State::SetAside(reason),
            Outcome::Waits(reason) => {
                self.waits += 1;
                State::Waits(reason)
            }
        };
        !(waited && matches!(state, State::Waits(_)))
    }

    fn show(&self, elapsed: Duration) {
        let rate = self.taken as f64 / elapsed.as_secs_f64().max(0.001);
        eprint!(
            "\r\x1b[2K{} of {} taken, {rate:.0} a second",
            self.taken,
            self.parts.len()
        );
    }

    /// Number of applied events at these positions.
    pub(super) fn applied(&self, places: std::ops::Range<usize>) -> usize {
        let parts = self.parts[places].iter();
        parts
            .filter(|(_, _, state)| matches!(state, State::Applied))
            .count()
    }

    /// Events set aside as dead letters.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = Left<'_>> {
        self.left(|state| match state {
            State::SetAside(reason) => Some(reason),
            State::Sent | State::Applied | State::Waits(_) => None,
        })
    }

    /// Events that still wait for people or groups not yet reported by any source.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Left<'_>> {
        self.left(|state| match state {
            State::Waits(reason) => Some(reason),
            State::Sent | State::Applied | State::SetAside(_) => None,
        })
    }

    /// Events without a receipt.
    pub(super) fn unknown(&self) -> impl Iterator<Item = Left<'_>> {
        self.left(|state| matches!(state, State::Sent).then_some(""))
    }

    fn left<'a>(&'a self, reason: impl Fn(&'a State) -> Option<&'a str>) -> impl Iterator<Item = Left<'a>> {
        self.parts.iter().filter_map(move |(line, name, state)| {
            Some(Left {
                line: *line,
                name,
                reason: reason(state)?,
            })
        })
    }
}

fn named(body: &EventBody) -> String {
    match body {
        EventBody::PersonUpserted { user_name, .. } => user_name.clone(),
        EventBody::PersonDeleted { person }
        | EventBody::PersonLeft { person }
        | EventBody::MembershipChanged { person, .. } => person.clone(),
        EventBody::GroupUpserted { name, .. } => format!("group {name}"),
        EventBody::GroupDeleted { group } => format!("group {group}"),
    }
}
