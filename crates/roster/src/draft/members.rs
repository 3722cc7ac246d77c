//! Writes memberships. Each has its own key under its group.

use std::collections::BTreeSet;

use bus::{BATCH_MAX, Change as KeyChange, Expect, RosterKey, RosterValue, Write};
use provisioning::{Group, GroupId, Membership, OrgId, PersonId};

use super::{GroupDraft, new_group_id};
use crate::change::{Applied, Change, ChangeError, RosterError, RosterWrite};
use crate::{Directory, Origin, Roster};

/// The result of changing a group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChanged {
    pub group: Group,
    /// Number of memberships that did not fit into the batch and are still to be written.
    pub remaining: usize,
}

/// Number of memberships that fit into one atomic batch with a group, its new name and its old name.
const BESIDE_GROUP: usize = BATCH_MAX - 3;

impl Directory {
    /// True if nothing needs to be written: the value is the same, or the source has stated something newer.
    fn is_known(&self, origin: &Origin<'_>, group: &GroupId, person: &PersonId, present: bool) -> bool {
        let Some(known) = self.membership(group, person) else {
            return !present && !origin.leaves_a_mark();
        };
        let stated = &known.value;
        let by_this_source = self.is_stated_by(stated, origin.source);
        if by_this_source && origin.is_overtaken(stated.at_ms, stated.sequence) {
            return true;
        }
        let marked = by_this_source && stated.at_ms == origin.at_ms && stated.sequence == origin.sequence();
        stated.present == present && (!origin.leaves_a_mark() || marked)
    }

    fn membership_write(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        group: &GroupId,
        person: &PersonId,
        present: bool,
    ) -> RosterWrite {
        let membership = Membership {
            group: group.clone(),
            person: person.clone(),
            present,
            source: origin.source.clone(),
            changed_at_ms: origin.at_ms,
            sequence: origin.sequence(),
        };
        let known = self.membership(group, person);
        Write {
            key: RosterKey::Membership(org.clone(), group.clone(), person.clone()),
            expect: known.map_or(Expect::Absent, |known| Expect::Revision(known.revision)),
            change: KeyChange::Put(RosterValue::Membership(membership)),
        }
    }

    /// Returns the writes that make these the groups of a person. Groups are given by name; unknown ones are left out.
    pub(super) fn memberships_of(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        person: &PersonId,
        groups: &[String],
    ) -> Vec<RosterWrite> {
        let wanted: BTreeSet<GroupId> = groups
            .iter()
            .filter_map(|name| self.group_named(name))
            .map(|group| group.value.id.clone())
            .collect();
        let now: BTreeSet<GroupId> = self.groups_of(person).cloned().collect();
        let joins = wanted.difference(&now).map(|group| (group, true));
        let leaves = now.difference(&wanted).map(|group| (group, false));
        joins
            .chain(leaves)
            .filter(|(group, present)| !self.is_known(origin, group, person, *present))
            .map(|(group, present)| self.membership_write(org, origin, group, person, present))
            .collect()
    }

    /// Changes memberships of one group, each guarded only by its own revision. For many memberships at once, from sources that state
    /// nothing about the group as a whole.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn put_memberships(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        group: &GroupId,
        people: &[(PersonId, bool)],
    ) -> Result<Change<usize>, RosterError> {
        let there = self.group(group).filter(|group| !group.value.deleted);
        let there = there.ok_or_else(|| RosterError::NoSuchGroup { id: group.clone() })?;
        let writes: Vec<RosterWrite> = people
            .iter()
            .filter(|(person, present)| !self.is_known(origin, group, person, *present))
            .map(|(person, present)| self.membership_write(org, origin, group, person, *present))
            .collect();
        Ok(Change {
            value: writes.len(),
            revision: there.revision,
            writes,
        })
    }

    /// Changes a group and its members together: no other writer changes either in between. If the members do not fit into one batch, the
    /// first ones are written, and the value contains how many remain.
    ///
    /// # Errors
    /// See [`Directory::put_group_draft`].
    pub fn put_group_and_members(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        id: &GroupId,
        draft: Option<&GroupDraft>,
        people: &[(PersonId, bool)],
    ) -> Result<Change<GroupChanged>, RosterError> {
        let no_such = || RosterError::NoSuchGroup { id: id.clone() };
        let old = self
            .group(id)
            .filter(|old| !old.value.deleted)
            .ok_or_else(no_such)?;
        let (group, mut writes) = match draft {
            Some(draft) => {
                let change = self.put_group_draft(org, origin, Some(id), draft)?;
                (change.value, change.writes)
            }
            None => (old.value.clone(), Vec::new()),
        };
        let mut members: Vec<RosterWrite> = people
            .iter()
            .filter(|(person, present)| !self.is_known(origin, id, person, *present))
            .map(|(person, present)| self.membership_write(org, origin, id, person, *present))
            .collect();
        let remaining = members.len().saturating_sub(BESIDE_GROUP);
        members.truncate(BESIDE_GROUP);
        // One guard over the whole group is enough. Several in one batch would conflict with each other.
        if writes.is_empty()
            && let Some(first) = members.first_mut()
        {
            first.expect = self.group_guard(org, id);
        }
        writes.extend(members);
        Ok(Change {
            value: GroupChanged { group, remaining },
            revision: self.newest_of_group(id),
            writes,
        })
    }
}

impl Roster {
    /// Changes many memberships of one group. Memberships that are already as stated cost nothing.
    ///
    /// They are written in batches, and each batch is on disk before the next one begins. If this stops in the middle, only some are
    /// written; calling it again writes the rest.
    ///
    /// # Errors
    /// See [`RosterError`]; [`RosterError::InPart`] if some were written.
    pub async fn put_members(
        &self,
        origin: &Origin<'_>,
        group: &GroupId,
        people: impl IntoIterator<Item = (PersonId, bool)>,
    ) -> Result<usize, RosterError> {
        let all: Vec<(PersonId, bool)> = people.into_iter().collect();
        let mut written = 0;
        for batch in all.chunks(BATCH_MAX) {
            let change = self
                .change(|directory| directory.put_memberships(self.org(), origin, group, batch))
                .await
                .map_err(ChangeError::into_inner);
            match change {
                Ok(applied) if applied.changed => written += applied.value,
                Ok(_) => {}
                Err(error) if written == 0 => return Err(error),
                Err(error) => {
                    let (of, source) = (all.len(), Box::new(error));
                    return Err(RosterError::InPart { written, of, source });
                }
            }
        }
        Ok(written)
    }

    /// Creates a group with its first members. Readers see the group only after all of them are written: members that do not fit into the
    /// group's own batch are written before it. `check` may refuse the group, based on the known roster.
    ///
    /// # Errors
    /// A refusal, or [`RosterError`]. Then the group does not exist. Calling this again with the same draft creates it completely.
    pub async fn make_group<E: From<RosterError>>(
        &self,
        origin: &Origin<'_>,
        draft: &GroupDraft,
        people: Vec<PersonId>,
        check: impl Fn(&Directory) -> Result<(), E>,
    ) -> Result<Applied<Group>, ChangeError<E>> {
        let id = draft.id.clone().unwrap_or_else(new_group_id);
        let draft = GroupDraft {
            id: Some(id.clone()),
            ..draft.clone()
        };
        let joining: Vec<(PersonId, bool)> = people.into_iter().map(|person| (person, true)).collect();
        let (before, beside) = joining.split_at(joining.len().saturating_sub(BESIDE_GROUP));
        for batch in before.chunks(BATCH_MAX) {
            self.change(|directory| {
                check(directory)?;
                Ok::<_, E>(directory.hidden_memberships(self.org(), origin, &id, batch))
            })
            .await?;
        }
        self.change(|directory| {
            check(directory)?;
            if let Some(other) = directory.group_named(&draft.name) {
                let (name, owner) = (draft.name.clone(), other.value.id.clone());
                return Err(RosterError::GroupNameTaken { name, owner }.into());
            }
            let group = super::groups::new_group(origin, &draft);
            let mut writes = directory.group_writes(self.org(), None, &group);
            writes.extend(
                directory
                    .hidden_memberships(self.org(), origin, &id, beside)
                    .writes,
            );
            Ok(Change {
                value: group,
                revision: 0,
                writes,
            })
        })
        .await
    }
}

impl Directory {
    /// Returns writes for memberships of a group that does not exist yet. Readers see them once it does.
    fn hidden_memberships(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        group: &GroupId,
        people: &[(PersonId, bool)],
    ) -> Change<()> {
        let writes = people
            .iter()
            .filter(|(person, present)| !self.is_known(origin, group, person, *present))
            .map(|(person, present)| self.membership_write(org, origin, group, person, *present))
            .collect();
        Change {
            value: (),
            revision: 0,
            writes,
        }
    }
}
