//! Locks that make changes of one name or group wait for each other within a process, so that they do not conflict in the bucket.
//!
//! The locks are only for speed and fairness. Compare-and-set makes changes safe.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Expect, KeysUnder, RosterKey, RosterValue, Write};
use tokio::sync::OwnedMutexGuard;

/// The sets of keys that a change locks: all keys of a name or a group.
pub(crate) type Scopes = BTreeSet<KeysUnder>;

/// Returns the scopes of these writes.
pub(crate) fn scopes(writes: &[Write<RosterKey, RosterValue>]) -> Scopes {
    writes
        .iter()
        .filter_map(|write| match &write.expect {
            Expect::NewestUnder(keys, _) => Some(keys.clone()),
            Expect::Absent | Expect::Revision(_) | Expect::Any => None,
        })
        .collect()
}

type Table = HashMap<KeysUnder, Arc<tokio::sync::Mutex<()>>>;

/// The locks of one org.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks(Arc<Mutex<Table>>);

/// Scopes that are locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    locks: Locks,
    scopes: Scopes,
    guards: Vec<OwnedMutexGuard<()>>,
    /// All locks were free at once, so an earlier decision is still valid.
    pub(crate) at_once: bool,
}

impl Held {
    pub(crate) fn covers(&self, scopes: &Scopes) -> bool {
        scopes.is_subset(&self.scopes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.guards.clear();
        let mut table = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        for scope in &self.scopes {
            // Only the table has a reference: no change holds the lock or waits for it.
            if table.get(scope).is_some_and(|lock| Arc::strong_count(lock) == 1) {
                table.remove(scope);
            }
        }
    }
}

impl Locks {
    /// Locks these scopes in sorted order, so that two changes cannot deadlock.
    pub(crate) async fn hold(&self, scopes: Scopes) -> Held {
        let mut held = Held {
            locks: self.clone(),
            guards: Vec::with_capacity(scopes.len()),
            scopes: Scopes::new(),
            at_once: true,
        };
        for scope in scopes {
            let lock = {
                let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                table.entry(scope.clone()).or_default().clone()
            };
            held.scopes.insert(scope);
            let guard = match lock.clone().try_lock_owned() {
                Ok(guard) => guard,
                Err(_) => {
                    held.at_once = false;
                    lock.lock_owned().await
                }
            };
            held.guards.push(guard);
        }
        held
    }
}
