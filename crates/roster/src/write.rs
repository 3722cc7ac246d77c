//! Writing people, groups and memberships.
//!
//! A draft says what one source wants; what it leaves out stays as it is. Each write is decided from memory, guarded by
//! the revisions that memory believes, and decided anew when somebody else was faster.

mod groups;
mod members;
mod people;
mod revise;

use std::time::Duration;

use bus::{Change, RosterKey, RosterValue, Write, WriteError};
use provisioning::{GroupId, PersonId, SourceId, SourceMark, Sources};

use crate::{Directory, Entry, Roster};

pub use groups::GroupDraft;
pub use members::MemberWord;
pub use people::PersonDraft;

/// Tries before giving up on a key that others keep writing. Each waits for the watch to bring what they wrote.
const TRIES: u32 = 40;

/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(25);

type RosterWrite = Write<RosterKey, RosterValue>;

/// What was known, what is to be, and the writes that lead from one to the other.
type Wanted<T> = (Option<Entry<T>>, T, Vec<RosterWrite>);

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<T> {
    pub value: T,
    pub revision: u64,
    /// False if the roster said so already, or something newer.
    pub changed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    #[error("the user name {user_name:?} belongs to person {owner}; give one of the two another user name")]
    NameTaken { user_name: String, owner: PersonId },
    #[error("the name {name:?} belongs to group {owner}; give one of the two another name")]
    GroupNameTaken { name: String, owner: GroupId },
    #[error("nobody in the roster has the id {id}")]
    NoSuchPerson { id: PersonId },
    #[error("no group in the roster has the id {id}")]
    NoSuchGroup { id: GroupId },
    #[error("the roster was written by others all the time and this change did not get through; try again")]
    Contended,
    #[error("{written} of {of} memberships were written, the rest was not")]
    InPart {
        written: usize,
        of: usize,
        source: Box<RosterError>,
    },
    #[error(transparent)]
    Bus(#[from] WriteError),
}

impl RosterError {
    /// Why it was written in part only, or the error itself.
    fn cause(self) -> RosterError {
        match self {
            RosterError::InPart { source, .. } => *source,
            RosterError::NameTaken { .. }
            | RosterError::GroupNameTaken { .. }
            | RosterError::NoSuchPerson { .. }
            | RosterError::NoSuchGroup { .. }
            | RosterError::Contended
            | RosterError::Bus(_) => self,
        }
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn new_group_id() -> GroupId {
    GroupId::parse(new_id()).expect("a UUID is an id")
}

impl Roster {
    /// Decides and writes until nobody else wrote in between.
    async fn settle<T>(
        &self,
        decide: impl Fn(&Directory) -> Result<Wanted<T>, RosterError>,
    ) -> Result<Applied<T>, RosterError> {
        for _ in 0..TRIES {
            let (old, value, writes) = self.read(&decide)?;
            if writes.is_empty() {
                return Ok(Applied {
                    value,
                    revision: old.map_or(0, |old| old.revision),
                    changed: false,
                });
            }
            match self.write_all(writes).await {
                Ok(revision) => {
                    return Ok(Applied {
                        value,
                        revision,
                        changed: true,
                    });
                }
                Err(error) if error.is_conflict() => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RosterError::Contended)
    }

    /// Writes, and takes what was written into memory at once. Says the revision of the first.
    async fn write_all(&self, writes: Vec<RosterWrite>) -> Result<u64, WriteError> {
        let values: Vec<Option<RosterValue>> = writes
            .iter()
            .map(|write| match &write.change {
                Change::Put(value) => Some(value.clone()),
                Change::Delete => None,
            })
            .collect();
        let revisions = self.bucket.write_all(writes).await?;
        self.change(|directory| {
            for (value, revision) in values.into_iter().zip(&revisions) {
                match value {
                    Some(RosterValue::Person(person)) => directory.put_person(person, *revision),
                    Some(RosterValue::Group(group)) => directory.put_group(group, *revision),
                    Some(RosterValue::Membership(membership)) => {
                        directory.put_membership(membership, *revision)
                    }
                    Some(RosterValue::Index(_)) | None => {}
                }
            }
        });
        Ok(revisions.first().copied().unwrap_or_default())
    }
}

fn external_ids(sources: &Sources) -> impl Iterator<Item = (&SourceId, Option<&String>)> {
    sources
        .iter()
        .map(|(source, mark)| (source, mark.external_id.as_ref()))
}

/// The marks after a word of this source at this time: the source keeps the id it once gave.
fn marked(old: Option<&Sources>, source: &SourceId, external_id: Option<&String>, at_ms: u64) -> Sources {
    let mut sources = old.cloned().unwrap_or_default();
    let mark = sources.mark(source);
    *mark = SourceMark {
        external_id: external_id.cloned().or(mark.external_id.take()),
        changed_at_ms: at_ms,
    };
    sources
}
