//! The gate of one org: closed while no request to Litmos can succeed.
//!
//! A failure of the whole connection is not caused by the item of the request. It closes the gate: no operation gets a permit, no item
//! counts a failed attempt, and probes (read requests) are sent with growing pauses. The first successful probe opens the gate again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use litmos::{Failure, FailureKind, Scope};
use rate_tokens::{Class, RETRY_AFTER_MAX};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Executor, Trouble, unix_ms};

/// Pause before the first probe of a closed gate. It doubles with every failed probe.
const PROBE_FIRST: Duration = Duration::from_secs(2);

/// Longest pause between two probes: the longest time until a repaired connection is noticed.
const PROBE_MAX: Duration = Duration::from_secs(300);

/// Most probes for one doubtful failure, if the rate limit refuses them.
const PROBE_TRIES: usize = 3;

/// Most unknown status words of bulk imports that are remembered.
const WORDS_MAX: usize = 20;

/// Why the gate is closed.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    /// The reason, with the remedy.
    pub(crate) message: String,
    pub(crate) since_ms: u64,
    pub(crate) probes: u32,
    probe_at: Instant,
    probing: bool,
}

impl Closed {
    /// Time until the next probe.
    pub(crate) fn probes_in(&self) -> Duration {
        self.probe_at.saturating_duration_since(Instant::now())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: watch::Sender<Option<Closed>>,
    /// Send time of the last successful probe.
    proven: tokio::sync::Mutex<Option<Instant>>,
    /// End of the pause that Litmos requested, in Unix milliseconds.
    pause_until_ms: AtomicU64,
    /// Unknown status words of bulk imports.
    words: Mutex<BTreeSet<String>>,
}

fn pause_after(probes: u32) -> Duration {
    PROBE_FIRST.saturating_mul(1 << probes.min(10)).min(PROBE_MAX)
}

/// True if this failure of a probe does not show if Litmos is usable.
fn says_nothing(probe: &Failure) -> bool {
    matches!(probe.kind, FailureKind::Void | FailureKind::RateLimited { .. })
}

impl Gate {
    pub(crate) fn state(&self) -> Option<Closed> {
        self.closed.borrow().clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    fn close(&self, failure: &Failure) {
        self.closed.send_if_modified(|closed| {
            if closed.is_some() {
                return false;
            }
            tracing::error!(error = %failure, "this org is paused until Litmos can be reached again");
            *closed = Some(Closed {
                message: failure.connection_words(),
                since_ms: unix_ms(),
                probes: 0,
                probe_at: Instant::now() + pause_after(0),
                probing: false,
            });
            true
        });
    }

    /// True if a probe is due now. If true, the caller must send it.
    pub(crate) fn begins_probe(&self) -> bool {
        self.closed.send_if_modified(|closed| match closed {
            Some(closed) if !closed.probing && closed.probe_at <= Instant::now() => {
                closed.probing = true;
                true
            }
            Some(_) | None => false,
        })
    }

    fn probed(&self, result: &Result<(), Failure>) {
        self.closed.send_if_modified(|state| {
            let Some(closed) = state else { return false };
            match result {
                Ok(()) => {
                    tracing::info!(probes = closed.probes + 1, "Litmos answers again");
                    *state = None;
                    return true;
                }
                Err(failure) if says_nothing(failure) => {}
                Err(failure) => {
                    closed.message = failure.connection_words();
                    closed.probes += 1;
                }
            }
            closed.probing = false;
            closed.probe_at = Instant::now() + pause_after(closed.probes);
            true
        });
    }

    async fn opened(&self) {
        let mut closed = self.closed.subscribe();
        // The wait cannot fail: the sender is this gate itself.
        let _ = closed.wait_for(Option::is_none).await;
    }

    fn note_refusal(&self, failure: &Failure) {
        if let FailureKind::RateLimited {
            retry_after: Some(after),
        } = failure.kind
        {
            let ms = u64::try_from(after.min(RETRY_AFTER_MAX).as_millis()).unwrap_or(u64::MAX);
            self.pause_until_ms
                .fetch_max(unix_ms().saturating_add(ms), Ordering::Relaxed);
        }
    }

    /// End of the pause that Litmos requested, in Unix milliseconds; `None` after it.
    pub(crate) fn pause_until_ms(&self) -> Option<u64> {
        Some(self.pause_until_ms.load(Ordering::Relaxed)).filter(|until| *until > unix_ms())
    }

    /// Remembers an unknown status word of a bulk import. Returns true the first time.
    pub(crate) fn unknown_word(&self, word: &str) -> bool {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.len() < WORDS_MAX && words.insert(word.chars().take(80).collect())
    }

    pub(crate) fn unknown_words(&self) -> Vec<String> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().cloned().collect()
    }
}

impl Executor {
    /// Waits until the gate is open, and for a permit.
    pub(super) async fn permit_through(&self, class: Class) -> rate_tokens::Permit {
        loop {
            self.gate.opened().await;
            self.crash_points.place().await;
            let permit = self.tokens.acquire(&self.org, class, "pusher").await;
            // A permit that arrives while the gate is closed is returned unused.
            if !self.gate.is_closed() {
                return permit;
            }
        }
    }

    /// Sends a probe of the closed gate.
    pub(crate) async fn probe(&self) {
        self.crash_points.place().await;
        let permit = self.tokens.acquire(&self.org, Class::Interactive, "pusher").await;
        let result = self.litmos.probe(permit).await;
        self.gate.probed(&result);
    }

    /// Decides whether a failure concerns one item or the whole connection. A failure of the connection closes the gate.
    pub(crate) async fn weigh(&self, trouble: Trouble) -> Trouble {
        let Trouble::Litmos(failure) = trouble else {
            return trouble;
        };
        let of_connection = match self.litmos.scope(&failure) {
            Scope::Item => {
                self.gate.note_refusal(&failure);
                false
            }
            Scope::Connection => {
                self.gate.close(&failure);
                true
            }
            Scope::Doubtful => !self.litmos_answers(&failure).await,
        };
        if of_connection {
            Trouble::Connection(failure)
        } else {
            Trouble::Litmos(failure)
        }
    }

    /// Returns the 404 if it concerns the item, or an error if Litmos answers every request so.
    pub(crate) async fn item_gone(&self, failure: Failure) -> Result<Failure, Trouble> {
        match self.weigh(Trouble::Litmos(failure)).await {
            Trouble::Litmos(failure) => Ok(failure),
            other => Err(other),
        }
    }

    /// True if Litmos answers a probe that is sent after a failure. One probe decides for all failures before it.
    async fn litmos_answers(&self, failure: &Failure) -> bool {
        let doubted = Instant::now();
        let mut proven = self.gate.proven.lock().await;
        if self.gate.is_closed() {
            return false;
        }
        if proven.is_some_and(|at| at >= doubted) {
            return true;
        }
        for _ in 0..PROBE_TRIES {
            let permit = self.permit(Class::Interactive).await;
            let asked = Instant::now();
            match self.litmos.probe(permit).await {
                Ok(()) => {
                    *proven = Some(asked);
                    return true;
                }
                Err(probe) if says_nothing(&probe) => self.gate.note_refusal(&probe),
                Err(probe) => {
                    self.gate.close(&probe);
                    return false;
                }
            }
        }
        self.gate.close(failure);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            call: "user.get",
            status: Some(401),
            message: "no".to_owned(),
            foreign: false,
            permit_id: None,
        }
    }

    #[test]
    fn pauses_between_probes_grow_and_end_growing() {
        let pauses: Vec<u64> = (0..12).map(|probes| pause_after(probes).as_secs()).collect();
        assert_eq!(pauses[..4], [2, 4, 8, 16]);
        assert!(pauses[8..].iter().all(|pause| *pause == PROBE_MAX.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_is_probed_once_at_a_time_and_opens_when_litmos_answers() {
        let gate = Gate::default();
        assert!(!gate.begins_probe());
        gate.close(&failure(FailureKind::Credentials));
        gate.close(&failure(FailureKind::Redirected));
        assert_eq!(
            gate.state().unwrap().message,
            "Litmos rejected the API key (401); check api_key"
        );
        assert!(!gate.begins_probe());
        tokio::time::advance(PROBE_FIRST).await;
        assert!(gate.begins_probe() && !gate.begins_probe());
        gate.probed(&Err(failure(FailureKind::Credentials)));
        assert_eq!(gate.state().unwrap().probes_in(), PROBE_FIRST * 2);
        tokio::time::advance(PROBE_FIRST * 2).await;
        assert!(gate.begins_probe());
        gate.probed(&Err(failure(FailureKind::RateLimited { retry_after: None })));
        assert_eq!(
            gate.state().unwrap().probes,
            1,
            "a refusal for the limit tells nothing"
        );
        gate.probed(&Ok(()));
        assert!(!gate.is_closed());
        gate.opened().await;
    }

    #[test]
    fn a_pause_of_any_length_is_kept_up_to_its_cap() {
        let gate = Gate::default();
        assert_eq!(gate.pause_until_ms(), None);
        let asked = |seconds| FailureKind::RateLimited {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        gate.note_refusal(&failure(asked(90)));
        let until = gate.pause_until_ms().unwrap();
        assert!((89_000..=90_000).contains(&(until - unix_ms())));
        gate.note_refusal(&failure(asked(u64::from(u32::MAX))));
        let until = gate.pause_until_ms().unwrap() - unix_ms();
        assert!(until <= u64::try_from(RETRY_AFTER_MAX.as_millis()).unwrap() && until > 3_590_000);
    }
}
