//! Changes: decided from memory, stored by compare-and-set, and decided again if another writer was first.
//!
//! Invariant: changes are linearizable. All results agree with one order of all changes, and that order agrees with real time. A stored
//! change is guarded by every revision that it was decided from. A refusal, or a change without writes, stores nothing that could conflict.
//! So it is decided again after memory contains everything that was stored before the call.

use bus::{BusError, Change as KeyChange, Expect, KeysUnder, RosterKey, RosterValue, Write, WriteError};
use provisioning::{GroupId, IdentityQuestion, PersonId};

use crate::locks::{Held, scopes};
use crate::{Directory, Roster};

/// Number of times that a change is decided again before it fails. Each follows a conflicting write to the same name or group.
const TRIES: u32 = 60;

pub(crate) type RosterWrite = Write<RosterKey, RosterValue>;

/// A decided change: the value after it, and the writes that store it.
#[derive(Clone, Debug)]
pub struct Change<T> {
    pub(crate) value: T,
    /// Revision of the value if nothing needs to be written.
    pub(crate) revision: u64,
    pub(crate) writes: Vec<RosterWrite>,
}

impl<T> Change<T> {
    /// A change without writes: the roster is already as wanted.
    pub fn none(value: T, revision: u64) -> Change<T> {
        Change {
            value,
            revision,
            writes: Vec::new(),
        }
    }

    /// Returns the same change with another value.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Change<U> {
        Change {
            value: map(self.value),
            revision: self.revision,
            writes: self.writes,
        }
    }
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<T> {
    pub value: T,
    /// Revision of the value.
    pub revision: u64,
    /// Newest revision of all writes of the change; the value's revision if nothing was written.
    pub newest: u64,
    /// False if nothing needed to change, or the source had stated something newer.
    pub changed: bool,
}

/// A change was refused by its caller's decision, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    #[error(transparent)]
    Refused(E),
    #[error(transparent)]
    Roster(RosterError),
}

impl ChangeError<RosterError> {
    pub fn into_inner(self) -> RosterError {
        match self {
            ChangeError::Refused(error) | ChangeError::Roster(error) => error,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    #[error("the user name {user_name:?} belongs to person {owner}; give one of the two another user name")]
    NameTaken { user_name: String, owner: PersonId },
    #[error("the name {name:?} belongs to group {owner}; give one of the two another name")]
    GroupNameTaken { name: String, owner: GroupId },
    #[error(
        "it is not clear whether {stated:?} is person {known}, who is known as {user_name:?}; compare the two with `rollcall identity show {question}` and answer with `rollcall identity same {question}` or `different {question}`",
        stated = .0.stated.user_name, known = .0.person, user_name = .0.known.user_name, question = .0.id
    )]
    Unclear(Box<IdentityQuestion>),
    #[error("nobody in the roster has the id {id}")]
    NoSuchPerson { id: PersonId },
    #[error("no group in the roster has the id {id}")]
    NoSuchGroup { id: GroupId },
    #[error(
        "the same thing was changed by others all the time and this change did not get through; try again"
    )]
    Contended,
    #[error("{written} of {of} memberships were written, the rest was not")]
    InPart {
        written: usize,
        of: usize,
        source: Box<RosterError>,
    },
    #[error("the newest state of the roster cannot be read")]
    Behind(#[from] BusError),
    #[error(transparent)]
    Bus(#[from] WriteError),
}

impl Directory {
    pub(crate) fn put(&mut self, value: RosterValue, revision: u64) {
        match value {
            RosterValue::Person(person) => self.put_person(*person, revision),
            RosterValue::Group(group) => self.put_group(*group, revision),
            RosterValue::Membership(membership) => self.put_membership(membership, revision),
            RosterValue::Question(question) => self.put_question(*question, revision),
            // The groups themselves contain their names.
            RosterValue::Index(_) => {}
        }
    }

    /// Records the revision of a key; see [`Directory::note_name`].
    pub(crate) fn note(&mut self, key: &RosterKey, revision: u64) {
        match key {
            RosterKey::Person(_, name, _) => self.note_name(name, revision),
            RosterKey::Group(_, group) | RosterKey::Membership(_, group, _) => {
                self.note_group(group, revision)
            }
            RosterKey::GroupName(..) | RosterKey::Question(..) => {}
        }
    }
}

/// The keys whose newest revision guards this key: all keys of its user name or its group.
fn scope_of(key: &RosterKey) -> Option<KeysUnder> {
    match key {
        RosterKey::Person(org, name, _) => Some(RosterKey::under_name(org, name)),
        RosterKey::Group(org, group) | RosterKey::Membership(org, group, _) => {
            Some(RosterKey::under_group(org, group))
        }
        RosterKey::GroupName(..) | RosterKey::Question(..) => None,
    }
}

impl Roster {
    /// Decides a change and stores it. Repeats this after each conflict with another writer.
    ///
    /// `decide` may be called several times, while memory is locked. It must be fast and free of side effects.
    ///
    /// # Errors
    /// The refusal of `decide`, or the reason why the change could not be stored.
    pub async fn change<T, E>(
        &self,
        decide: impl Fn(&Directory) -> Result<Change<T>, E>,
    ) -> Result<Applied<T>, ChangeError<E>> {
        let (mut caught_up, mut tries) = (false, 0);
        let mut held: Option<Held> = None;
        loop {
            let decided = self.read(&decide);
            let change = match decided {
                Ok(change) if !change.writes.is_empty() => change,
                // There is nothing to store. This is final once memory is as new as the call.
                Err(_) | Ok(_) if !caught_up => {
                    self.catch_up().await.map_err(behind)?;
                    caught_up = true;
                    continue;
                }
                Err(refusal) => return Err(ChangeError::Refused(refusal)),
                Ok(Change { value, revision, .. }) => {
                    return Ok(Applied {
                        value,
                        revision,
                        newest: revision,
                        changed: false,
                    });
                }
            };
            let needed = scopes(&change.writes);
            if held.as_ref().is_none_or(|held| !held.covers(&needed)) {
                drop(held.take());
                let now = self.locks.hold(needed).await;
                let decide_again = !now.at_once;
                held = Some(now);
                if decide_again {
                    continue;
                }
            }
            match self.store(&change.writes).await {
                Ok((revision, newest)) => {
                    return Ok(Applied {
                        value: change.value,
                        revision,
                        newest,
                        changed: true,
                    });
                }
                Err(error) if !error.is_conflict() => {
                    return Err(ChangeError::Roster(RosterError::Bus(error)));
                }
                Err(_) if tries == TRIES => return Err(ChangeError::Roster(RosterError::Contended)),
                Err(_) => {}
            }
            tries += 1;
            // The order matters: a recorded revision must not be newer than what memory contains.
            let newest = self.newest_of(&change.writes).await;
            self.catch_up().await.map_err(behind)?;
            caught_up = true;
            self.learn(|directory| {
                for (key, revision) in newest {
                    directory.note(&key, revision);
                }
            });
        }
    }

    /// Stores the writes and applies them to memory at once. Returns the revision of the first write that is not an index entry, and the
    /// newest revision.
    async fn store(&self, writes: &[RosterWrite]) -> Result<(u64, u64), WriteError> {
        let revisions = self.committer.commit(writes.to_vec()).await?;
        let guarded = scopes(writes);
        self.learn(|directory| {
            for (write, revision) in writes.iter().zip(&revisions) {
                // Only such a guard proves that memory contains everything older.
                if scope_of(&write.key).is_some_and(|scope| guarded.contains(&scope)) {
                    directory.note(&write.key, *revision);
                }
                match (&write.change, &write.key) {
                    (KeyChange::Put(value), _) => directory.put(value.clone(), *revision),
                    (KeyChange::Delete, RosterKey::Person(_, name, id)) => directory.drop_person(name, id),
                    (KeyChange::Delete, RosterKey::Question(_, id)) => directory.drop_question(id),
                    (
                        KeyChange::Delete,
                        RosterKey::Group(..) | RosterKey::Membership(..) | RosterKey::GroupName(..),
                    ) => {}
                }
            }
        });
        let value = writes
            .iter()
            .zip(&revisions)
            .find(|(write, _)| !matches!(write.key, RosterKey::GroupName(..)));
        let newest = revisions.iter().max().copied().unwrap_or_default();
        Ok((value.map_or(newest, |(_, revision)| *revision), newest))
    }

    /// Reads the newest revision under each guard. A removed key has one too, and no watch delivers it.
    async fn newest_of(&self, writes: &[RosterWrite]) -> Vec<(RosterKey, u64)> {
        let mut newest = Vec::new();
        for write in writes {
            // Without a response, the next attempt gets the same conflict.
            if let Expect::NewestUnder(keys, _) = &write.expect
                && let Ok(revision) = self.bucket.newest_under(keys).await
            {
                newest.push((write.key.clone(), revision));
            }
        }
        newest
    }
}

fn behind<E>(error: BusError) -> ChangeError<E> {
    ChangeError::Roster(RosterError::Behind(error))
}
