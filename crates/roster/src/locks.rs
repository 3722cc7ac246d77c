//! Changes of one thing go one after the other within a process, so that they need not meet in the bucket.
//!
//! This is for speed and fairness alone: what makes a change safe is its compare-and-set.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Expect, KeysUnder, RosterKey, RosterValue, Write};
use tokio::sync::OwnedMutexGuard;

/// What a change is ordered by: all keys of a name or a group.
pub(crate) type Scopes = BTreeSet<KeysUnder>;

/// The scopes of these writes.
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

/// Scopes that are held, until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    locks: Locks,
    scopes: Scopes,
    guards: Vec<OwnedMutexGuard<()>>,
    /// Nobody had to be waited for: what was decided before still stands.
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
            // The table's own reference is the last one: nobody holds it or waits for it.
            if table.get(scope).is_some_and(|lock| Arc::strong_count(lock) == 1) {
                table.remove(scope);
            }
        }
    }
}

impl Locks {
    /// Holds these scopes, in order: two who need the same ones cannot wait for each other.
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
