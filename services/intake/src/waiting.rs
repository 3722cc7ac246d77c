//! Events that wait for a word that no source has said yet: a member whom nobody has told of, a group that is to come.
//!
//! They lie in the feed and come again by themselves; here is only how many they are, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After so long without coming again an event is not waiting here: another intake has it, or the feed has let it go.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(180);

/// The events of one org that wait, by their place in the feed: when each came last, and why it could not be taken in.
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

    /// How many there are, and why the oldest waits.
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
