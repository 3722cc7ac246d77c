//! Memberships, one key each.

use std::collections::BTreeSet;

use bus::{BATCH_MAX, Change, Expect, RosterKey, RosterValue, Write};
use provisioning::{GroupId, Membership, PersonId, SourceId};

use super::{PAUSE, RosterError, RosterWrite, TRIES};
use crate::{Directory, Roster};

impl Roster {
    /// Says of many people whether they belong to a group. Those who are as wanted already cost nothing.
    ///
    /// # Errors
    /// See [`RosterError`].
    pub async fn put_members(
        &self,
        source: &SourceId,
        group: &GroupId,
        people: impl IntoIterator<Item = (PersonId, bool)>,
        at_ms: u64,
    ) -> Result<usize, RosterError> {
        let mut wanted: Vec<(PersonId, bool)> = people.into_iter().collect();
        let mut changed = 0;
        for _ in 0..TRIES {
            wanted.retain(|(person, present)| {
                self.read(|directory| {
                    directory
                        .membership(group, person)
                        .is_some_and(|known| known.value)
                        != *present
                })
            });
            let Some(chunk) = wanted.chunks(BATCH_MAX).next() else {
                return Ok(changed);
            };
            let writes: Vec<RosterWrite> = self.read(|directory| {
                let write = |(person, present): &(PersonId, bool)| {
                    self.membership_write(directory, source, group, person, *present, at_ms)
                };
                chunk.iter().map(write).collect()
            });
            let count = writes.len();
            match self.write_all(writes).await {
                Ok(_) => changed += count,
                Err(error) if error.is_conflict() => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
        if wanted.is_empty() {
            Ok(changed)
        } else {
            Err(RosterError::Contended)
        }
    }

    /// Makes the groups of one person exactly these, as far as this source has a say.
    pub(super) fn membership_writes(
        &self,
        directory: &Directory,
        source: &SourceId,
        person: &PersonId,
        groups: &[String],
        at_ms: u64,
    ) -> Vec<RosterWrite> {
        let wanted: BTreeSet<GroupId> = groups
            .iter()
            .filter_map(|name| directory.group_named(name))
            .map(|group| group.value.id.clone())
            .collect();
        let now: BTreeSet<GroupId> = directory.groups_of(person).cloned().collect();
        let joins = wanted.difference(&now).map(|group| (group, true));
        let leaves = now.difference(&wanted).map(|group| (group, false));
        joins
            .chain(leaves)
            .map(|(group, present)| self.membership_write(directory, source, group, person, present, at_ms))
            .collect()
    }

    fn membership_write(
        &self,
        directory: &Directory,
        source: &SourceId,
        group: &GroupId,
        person: &PersonId,
        present: bool,
        at_ms: u64,
    ) -> RosterWrite {
        let membership = Membership {
            group: group.clone(),
            person: person.clone(),
            present,
            source: source.clone(),
            changed_at_ms: at_ms,
        };
        let known = directory.membership(group, person);
        Write {
            key: RosterKey::Membership(self.org().clone(), group.clone(), person.clone()),
            expect: known.map_or(Expect::Absent, |known| Expect::Revision(known.revision)),
            change: Change::Put(RosterValue::Membership(membership)),
        }
    }
}
