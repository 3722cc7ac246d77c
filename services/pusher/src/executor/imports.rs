//! Imports that are waited for side by side read their new accounts back once, not once each.
//!
//! Litmos lists new accounts since a moment, with no upper end: each of five imports sent together would read what all of
//! five made. So whoever is over first waits a little for the others, and one reading serves them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisioning::{Account, NormalName, PersonId};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an import that is over waits for others before it reads back alone.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// How often it looks whether they are over.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Imports {
    waited_for: AtomicUsize,
    /// New accounts of imports that are over and have not been read back.
    wanted: std::sync::Mutex<BTreeSet<NormalName>>,
    /// People in imports under way who are to be cut off before their import is over.
    leavers: std::sync::Mutex<BTreeSet<PersonId>>,
    /// What the last reading back showed.
    read: Mutex<BTreeMap<NormalName, Account>>,
}

/// An import whose end is waited for.
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

    /// Waits until no other import is waited for, but not for long.
    pub(crate) async fn others_are_over(&self) {
        let deadline = Instant::now() + WAIT_MAX;
        while self.waited_for.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Names what is to be read back, so that whoever reads reads it too.
    pub(crate) fn want(&self, names: &[NormalName]) {
        self.names().extend(names.iter().cloned());
    }

    /// Everything that is to be read back now.
    pub(crate) fn wanted(&self) -> Vec<NormalName> {
        self.names().iter().cloned().collect()
    }

    pub(crate) fn done(&self, names: &[NormalName]) {
        let mut wanted = self.names();
        names.iter().for_each(|name| {
            wanted.remove(name);
        });
    }

    /// Says that somebody in an import under way is to be cut off now; true the first time.
    pub(crate) fn name_leaver(&self, person: &PersonId) -> bool {
        self.leavers().insert(person.clone())
    }

    pub(crate) fn forget_leaver(&self, person: &PersonId) {
        self.leavers().remove(person);
    }

    /// Forgets all others: their sources took it back.
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
        // A panic elsewhere leaves a set of names, which is right whatever it holds.
        self.wanted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What was read last; whoever holds it may read anew.
    pub(crate) async fn read(&self) -> tokio::sync::MutexGuard<'_, BTreeMap<NormalName, Account>> {
        self.read.lock().await
    }
}

/// Whether all of these were seen at or after that moment.
pub(crate) fn shows_all(read: &BTreeMap<NormalName, Account>, wanted: &[NormalName], since_ms: u64) -> bool {
    wanted
        .iter()
        .all(|name| read.get(name).is_some_and(|account| account.as_of_ms >= since_ms))
}
