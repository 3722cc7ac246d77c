//! Counts the events that wait for a person or group that no source has reported yet.
//!
//! The events stay in the feed and are delivered again automatically. This module only counts them, for status requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time after which an event no longer counts if it was not delivered again: another intake has it, or the feed has dropped it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(180);

/// The waiting events of one org, by sequence in the feed: time of the last delivery, and the reason of the wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(Arc<Mutex<BTreeMap<u64, (Instant, String)>>>);

impl Waiting {
    pub(crate) fn comes_again(&self, sequence: u64, reason: String) {
        self.all().insert(sequence, (Instant::now(), reason));
    }

    pub(crate) fn is_over(&self, sequence: u64) {
        self.all().remove(&sequence);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Number of waiting events, and the reason why the oldest one waits.
    pub(crate) fn waiting(&self) -> (usize, Option<String>) {
        let mut all = self.all();
        all.retain(|_, (seen, _)| seen.elapsed() < FORGOTTEN_AFTER);
        let oldest = all.first_key_value().map(|(_, (_, reason))| reason.clone());
        (all.len(), oldest)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
