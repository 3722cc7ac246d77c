//! Writing what somebody decided after looking: in place of exactly what they looked at, or not at all.
//!
//! A draft of a source is laid over whatever is there, as often as it takes; a decision is not. If anybody has said
//! anything about the thing since, it may no longer be meant.

use provisioning::{Group, Person, SourceId};

use super::{RosterError, RosterWrite};
use crate::Roster;

impl Roster {
    /// Writes this person, with their names, in place of the one of this revision. False if that is no longer the
    /// newest: then nothing is written.
    ///
    /// # Errors
    /// When the user name belongs to somebody else, or the bus does not take the write.
    pub async fn revise_person(
        &self,
        source: &SourceId,
        mut person: Person,
        revision: u64,
        at_ms: u64,
    ) -> Result<bool, RosterError> {
        let writes = self.read(|directory| {
            let old = directory
                .person(&person.id)
                .filter(|old| old.revision == revision)?;
            let other = directory.person_named(&person.user_name);
            if let Some(other) = other.filter(|other| other.value.id != person.id) {
                let (user_name, owner) = (person.user_name.clone(), other.value.id.clone());
                return Some(Err(RosterError::NameTaken { user_name, owner }));
            }
            person.sources.mark(source).changed_at_ms = at_ms;
            person.changed_at_ms = at_ms;
            Some(Ok(self.person_and_names(Some(old), &person)))
        });
        match writes {
            Some(writes) => self.write_unless_changed(writes?).await,
            None => Ok(false),
        }
    }

    /// The same of a group and its name.
    ///
    /// # Errors
    /// When the name belongs to another group, or the bus does not take the write.
    pub async fn revise_group(
        &self,
        source: &SourceId,
        mut group: Group,
        revision: u64,
        at_ms: u64,
    ) -> Result<bool, RosterError> {
        let writes = self.read(|directory| {
            let old = directory
                .group(&group.id)
                .filter(|old| old.revision == revision)?;
            let other = directory.group_named(&group.name);
            if let Some(other) = other.filter(|other| other.value.id != group.id) {
                let (name, owner) = (group.name.clone(), other.value.id.clone());
                return Some(Err(RosterError::GroupNameTaken { name, owner }));
            }
            group.sources.mark(source).changed_at_ms = at_ms;
            group.changed_at_ms = at_ms;
            Some(Ok(self.group_and_name(Some(old), &group)))
        });
        match writes {
            Some(writes) => self.write_unless_changed(writes?).await,
            None => Ok(false),
        }
    }

    async fn write_unless_changed(&self, writes: Vec<RosterWrite>) -> Result<bool, RosterError> {
        match self.write_all(writes).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
