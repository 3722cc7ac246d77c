//! Lets parallel bulk imports read their new accounts back once together.
//!
//! Litmos lists accounts created since a given time, with no upper bound. Five imports sent together would each read the new accounts of
//! all five. So an import that ends first waits a short time for the others, and one read is enough for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisioning::{Account, NormalName, PersonId};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longest wait of a finished import for the others, before it reads its accounts back alone.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Interval between checks whether the others have ended.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Imports {
    waited_for: AtomicUsize,
    /// User names of new accounts that finished imports still have to read back.
    wanted: std::sync::Mutex<BTreeSet<NormalName>>,
    /// People to cut off before their running import ends.
    leavers: std::sync::Mutex<BTreeSet<PersonId>>,
    /// Accounts of the last read-back.
    read: Mutex<BTreeMap<NormalName, Account>>,
}

/// Counts one running import until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Imports);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waited_for.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Imports {
    pub(crate) fn wait_begins(&self) -> Waiting<'_> {
        self.waited_for.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    /// Waits until no other import is running, but at most `WAIT_MAX`.
    pub(crate) async fn others_are_over(&self) {
        let deadline = Instant::now() + WAIT_MAX;
        while self.waited_for.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Adds user names to the next read-back, which may be done by another import.
    pub(crate) fn want(&self, names: &[NormalName]) {
        self.names().extend(names.iter().cloned());
    }

    /// All user names to read back now.
    pub(crate) fn wanted(&self) -> Vec<NormalName> {
        self.names().iter().cloned().collect()
    }

    pub(crate) fn done(&self, names: &[NormalName]) {
        let mut wanted = self.names();
        names.iter().for_each(|name| {
            wanted.remove(name);
        });
    }

    /// Marks a person in a running import to be cut off now. Returns true the first time.
    pub(crate) fn name_leaver(&self, person: &PersonId) -> bool {
        self.leavers().insert(person.clone())
    }

    pub(crate) fn forget_leaver(&self, person: &PersonId) {
        self.leavers().remove(person);
    }

    /// Forgets all leavers except these people: the others no longer have to be cut off.
    pub(crate) fn keep_leavers(&self, people: &[PersonId]) {
        self.leavers().retain(|person| people.contains(person));
    }

    pub(crate) fn is_leaver(&self, person: &PersonId) -> bool {
        self.leavers().contains(person)
    }

    pub(crate) fn has_leavers(&self) -> bool {
        !self.leavers().is_empty()
    }

    fn leavers(&self) -> std::sync::MutexGuard<'_, BTreeSet<PersonId>> {
        self.leavers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<NormalName>> {
        // After a panic elsewhere, the lock still holds a valid set of names.
        self.wanted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Accounts of the last read-back. The holder of the guard may read again and replace them.
    pub(crate) async fn read(&self) -> tokio::sync::MutexGuard<'_, BTreeMap<NormalName, Account>> {
        self.read.lock().await
    }
}

/// True if all wanted accounts were read at or after `since_ms`.
pub(crate) fn shows_all(read: &BTreeMap<NormalName, Account>, wanted: &[NormalName], since_ms: u64) -> bool {
    wanted
        .iter()
        .all(|name| read.get(name).is_some_and(|account| account.as_of_ms >= since_ms))
}
