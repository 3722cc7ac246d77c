//! Memberships, one key each.

use std::collections::BTreeSet;

use bus::{BATCH_MAX, Change, Expect, RosterKey, RosterValue, Write};
use provisioning::{Group, GroupId, Membership, PersonId, SourceId};

use super::{Applied, GroupDraft, PAUSE, RosterError, RosterWrite, TRIES, new_group_id};
use crate::{Directory, Roster};

/// Members that fit into one atomic batch beside a group, its new name and its old one.
const BESIDE_GROUP: usize = BATCH_MAX - 3;

impl Roster {
    /// Says of many people whether they belong to a group. Those who are as wanted already cost nothing.
    ///
    /// They are written in batches, one after the other, and each is on disk before the next begins: whoever stops in the
    /// middle has said a part of it, and says the rest when the same comes again.
    ///
    /// # Errors
    /// See [`RosterError`]; [`RosterError::InPart`] if some were written.
    pub async fn put_members(
        &self,
        source: &SourceId,
        group: &GroupId,
        people: impl IntoIterator<Item = (PersonId, bool)>,
        at_ms: u64,
    ) -> Result<usize, RosterError> {
        let all: Vec<(PersonId, bool)> = people.into_iter().collect();
        let wanted = self.not_so_yet(group, &all);
        let mut written = 0;
        for batch in wanted.chunks(BATCH_MAX) {
            match self.put_batch(source, group, batch, at_ms).await {
                Ok(count) => written += count,
                Err(error) if written == 0 => return Err(error),
                Err(error) => {
                    let (of, source) = (wanted.len(), Box::new(error));
                    return Err(RosterError::InPart { written, of, source });
                }
            }
        }
        Ok(written)
    }

    /// Makes a group with its first members. Nobody sees the group before all of them are written: what does not fit
    /// into the group's own batch goes before it.
    ///
    /// # Errors
    /// See [`RosterError`]. Then there is no group, and the same once more makes it whole.
    pub async fn make_group(
        &self,
        source: &SourceId,
        draft: &GroupDraft,
        people: Vec<PersonId>,
        at_ms: u64,
    ) -> Result<Applied<Group>, RosterError> {
        let known = self.read(|directory| {
            let known = directory.group_known_as(source, draft.external_id.as_deref()?);
            known.map(|group| group.value.id.clone())
        });
        let draft = GroupDraft {
            id: Some(known.unwrap_or_else(new_group_id)),
            ..draft.clone()
        };
        let id = draft.id.as_ref().expect("it was just given one");
        let joining: Vec<(PersonId, bool)> = people.into_iter().map(|person| (person, true)).collect();
        let (before, beside) = joining.split_at(joining.len().saturating_sub(BESIDE_GROUP));
        self.put_members(source, id, before.iter().cloned(), at_ms)
            .await
            // Of a group that is not there nothing was written that anybody sees.
            .map_err(RosterError::cause)?;
        self.settle(|directory| {
            let (old, group, mut writes) = self.group_writes(directory, source, None, &draft, at_ms)?;
            // Somebody else made one of this name meanwhile, without those who were written before.
            if group.id != *id {
                let (name, owner) = (group.name, group.id);
                return Err(RosterError::GroupNameTaken { name, owner });
            }
            let joining = beside
                .iter()
                .filter(|wanted| !is_so(directory, &group.id, wanted))
                .map(|(person, present)| {
                    self.membership_write(directory, source, &group.id, person, *present, at_ms)
                });
            writes.extend(joining);
            Ok((old, group, writes))
        })
        .await
    }

    /// At most [`BATCH_MAX`] of them, all or none.
    async fn put_batch(
        &self,
        source: &SourceId,
        group: &GroupId,
        batch: &[(PersonId, bool)],
        at_ms: u64,
    ) -> Result<usize, RosterError> {
        for _ in 0..TRIES {
            let writes: Vec<RosterWrite> = self.read(|directory| {
                let wanted = batch.iter().filter(|wanted| !is_so(directory, group, wanted));
                wanted
                    .map(|(person, present)| {
                        self.membership_write(directory, source, group, person, *present, at_ms)
                    })
                    .collect()
            });
            let count = writes.len();
            if count == 0 {
                return Ok(0);
            }
            match self.write_all(writes).await {
                Ok(_) => return Ok(count),
                Err(error) if error.is_conflict() => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RosterError::Contended)
    }

    fn not_so_yet(&self, group: &GroupId, people: &[(PersonId, bool)]) -> Vec<(PersonId, bool)> {
        self.read(|directory| {
            let wanted = people.iter().filter(|wanted| !is_so(directory, group, wanted));
            wanted.cloned().collect()
        })
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

fn is_so(directory: &Directory, group: &GroupId, (person, present): &(PersonId, bool)) -> bool {
    let known = directory.membership(group, person);
    known.is_some_and(|known| known.value) == *present
}
