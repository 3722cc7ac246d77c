//! Memberships, one key each.

use std::collections::BTreeSet;

use bus::{BATCH_MAX, Change, Expect, RosterKey, RosterValue, Write};
use provisioning::{Group, GroupId, Membership, PersonId, SourceId};

use super::{Applied, GroupDraft, PAUSE, RosterError, RosterWrite, TRIES, new_group_id};
use crate::{Directory, Roster};

/// Who says something of members, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberWord<'a> {
    pub source: &'a SourceId,
    pub at_ms: u64,
    /// As of a person's draft.
    pub in_order: bool,
}

impl<'a> MemberWord<'a> {
    /// A word that no older one follows.
    pub fn in_order(source: &'a SourceId, at_ms: u64) -> MemberWord<'a> {
        MemberWord {
            source,
            at_ms,
            in_order: true,
        }
    }

    /// Whether the roster need not be told: it knows as much, or something newer of this source.
    fn is_known(&self, directory: &Directory, group: &GroupId, (person, present): &(PersonId, bool)) -> bool {
        let Some(known) = directory.membership(group, person) else {
            return !present && self.in_order;
        };
        let newer =
            |at_ms: u64| directory.is_said_by(&known.value, self.source) && known.value.at_ms >= at_ms;
        match known.value.present == *present {
            true => self.in_order || newer(self.at_ms),
            false => newer(self.at_ms + 1),
        }
    }
}

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
        word: &MemberWord<'_>,
        group: &GroupId,
        people: impl IntoIterator<Item = (PersonId, bool)>,
    ) -> Result<usize, RosterError> {
        let all: Vec<(PersonId, bool)> = people.into_iter().collect();
        let wanted = self.unknown(word, group, &all);
        let mut written = 0;
        for batch in wanted.chunks(BATCH_MAX) {
            match self.put_batch(word, group, batch).await {
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
        let word = MemberWord::in_order(source, at_ms);
        self.put_members(&word, id, before.iter().cloned())
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
                .filter(|wanted| !word.is_known(directory, &group.id, wanted))
                .map(|(person, present)| {
                    self.membership_write(directory, &word, &group.id, person, *present)
                });
            writes.extend(joining);
            Ok((old, group, writes))
        })
        .await
    }

    /// At most [`BATCH_MAX`] of them, all or none.
    async fn put_batch(
        &self,
        word: &MemberWord<'_>,
        group: &GroupId,
        batch: &[(PersonId, bool)],
    ) -> Result<usize, RosterError> {
        for _ in 0..TRIES {
            let writes: Vec<RosterWrite> = self.read(|directory| {
                let wanted = batch
                    .iter()
                    .filter(|wanted| !word.is_known(directory, group, wanted));
                wanted
                    .map(|(person, present)| self.membership_write(directory, word, group, person, *present))
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

    fn unknown(
        &self,
        word: &MemberWord<'_>,
        group: &GroupId,
        people: &[(PersonId, bool)],
    ) -> Vec<(PersonId, bool)> {
        self.read(|directory| {
            let wanted = people
                .iter()
                .filter(|wanted| !word.is_known(directory, group, wanted));
            wanted.cloned().collect()
        })
    }

    /// Makes the groups of one person exactly these, as far as this source has a say.
    pub(super) fn membership_writes(
        &self,
        directory: &Directory,
        word: &MemberWord<'_>,
        person: &PersonId,
        groups: &[String],
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
            .filter(|(group, present)| !word.is_known(directory, group, &(person.clone(), *present)))
            .map(|(group, present)| self.membership_write(directory, word, group, person, present))
            .collect()
    }

    fn membership_write(
        &self,
        directory: &Directory,
        word: &MemberWord<'_>,
        group: &GroupId,
        person: &PersonId,
        present: bool,
    ) -> RosterWrite {
        let membership = Membership {
            group: group.clone(),
            person: person.clone(),
            present,
            source: word.source.clone(),
            changed_at_ms: word.at_ms,
        };
        let known = directory.membership(group, person);
        Write {
            key: RosterKey::Membership(self.org().clone(), group.clone(), person.clone()),
            expect: known.map_or(Expect::Absent, |known| Expect::Revision(known.revision)),
            change: Change::Put(RosterValue::Membership(membership)),
        }
    }
}
