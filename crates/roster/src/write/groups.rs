//! Groups: laid over what is known, written with their names.

use bus::{Change, Expect, Index, NameToken, RosterKey, RosterValue, Write};
use provisioning::{Group, GroupId, NormalName, SourceId};

use super::{Applied, RosterError, RosterWrite, Wanted, external_ids, marked, new_group_id};
use crate::{Directory, Entry, Roster};

/// A group as a source wants it, to be laid over what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDraft {
    /// The id that a group gets which is made of this; `None` for any new one.
    pub id: Option<GroupId>,
    pub name: String,
    pub external_id: Option<String>,
    /// Empty clears, `None` leaves.
    pub description: Option<String>,
    /// The group it stands under: its id, external id or name. Empty: under none; `None` leaves.
    pub parent: Option<String>,
    pub deleted: bool,
    /// As of a person's draft.
    pub in_order: bool,
    /// Replaces the SCIM document; `None` leaves it.
    pub scim_document: Option<String>,
}

impl GroupDraft {
    /// A group of this name; everything else stays as it is.
    pub fn named(name: impl Into<String>) -> GroupDraft {
        GroupDraft {
            id: None,
            name: name.into(),
            external_id: None,
            description: None,
            parent: None,
            deleted: false,
            in_order: true,
            scim_document: None,
        }
    }

    /// A group that is to be no more.
    pub fn deleted(name: impl Into<String>) -> GroupDraft {
        GroupDraft {
            deleted: true,
            ..GroupDraft::named(name)
        }
    }
}

impl Roster {
    /// Lays a draft over the group of this id, external id or name, or makes a new one.
    ///
    /// # Errors
    /// See [`RosterError`].
    pub async fn put_group(
        &self,
        source: &SourceId,
        id: Option<&GroupId>,
        draft: &GroupDraft,
        at_ms: u64,
    ) -> Result<Applied<Group>, RosterError> {
        self.settle(|directory| self.group_writes(directory, source, id, draft, at_ms))
            .await
    }

    pub(super) fn group_writes(
        &self,
        directory: &Directory,
        source: &SourceId,
        id: Option<&GroupId>,
        draft: &GroupDraft,
        at_ms: u64,
    ) -> Result<Wanted<Group>, RosterError> {
        let by_external = draft
            .external_id
            .as_deref()
            .and_then(|external| directory.group_known_as(source, external));
        let old = match id {
            Some(id) => Some(
                directory
                    .group(id)
                    .ok_or_else(|| RosterError::NoSuchGroup { id: id.clone() })?,
            ),
            None => by_external.or_else(|| directory.group_named(&draft.name)),
        };
        if let Some(other) = directory.group_named(&draft.name).filter(|_| !draft.deleted)
            && old.is_some_and(|old| old.value.id != other.value.id)
        {
            return Err(RosterError::GroupNameTaken {
                name: draft.name.clone(),
                owner: other.value.id.clone(),
            });
        }
        let mark = old.and_then(|old| old.value.sources.get(source));
        if let Some(old) = old
            && mark.is_some_and(|mark| mark.changed_at_ms > at_ms)
        {
            return Ok((Some(old.clone()), old.value.clone(), Vec::new()));
        }
        let mut group = laid_over(old.map(|old| &old.value), source, draft, at_ms);
        if let Some(old) = old.filter(|old| same_group(&old.value, &group)) {
            if draft.in_order || mark.is_some_and(|mark| mark.changed_at_ms == at_ms) {
                return Ok((Some(old.clone()), group, Vec::new()));
            }
            group.changed_at_ms = old.value.changed_at_ms;
        }
        let writes = self.group_and_name(old, &group);
        Ok((old.cloned(), group, writes))
    }

    pub(super) fn group_and_name(&self, old: Option<&Entry<Group>>, group: &Group) -> Vec<RosterWrite> {
        let key = RosterKey::Group(self.org().clone(), group.id.clone());
        let expect = old.map_or(Expect::Absent, |old| Expect::Revision(old.revision));
        let mut writes = vec![Write {
            key,
            expect,
            change: Change::Put(RosterValue::Group(group.clone())),
        }];
        // The name's own key is what makes it unique: of two who make one group at once, one meets the other's key.
        let name_of = |group: &Group| (!group.deleted).then(|| NormalName::of(&group.name));
        let (before, after) = (old.and_then(|old| name_of(&old.value)), name_of(group));
        if before != after {
            let key = |name: &NormalName| RosterKey::GroupName(self.org().clone(), NameToken::of_name(name));
            if let Some(name) = &after {
                let change = Change::Put(RosterValue::Index(Index(group.id.to_string())));
                writes.push(Write {
                    key: key(name),
                    expect: Expect::Absent,
                    change,
                });
            }
            if let Some(name) = &before {
                writes.push(Write {
                    key: key(name),
                    expect: Expect::Any,
                    change: Change::Delete,
                });
            }
        }
        writes
    }
}

fn laid_over(old: Option<&Group>, source: &SourceId, draft: &GroupDraft, at_ms: u64) -> Group {
    let description = draft.description.as_ref().map(|text| text.trim().to_owned());
    Group {
        id: old.map_or_else(
            || draft.id.clone().unwrap_or_else(new_group_id),
            |old| old.id.clone(),
        ),
        name: draft.name.trim().to_owned(),
        description: description.or_else(|| old.and_then(|old| old.description.clone())),
        parent: match draft.parent.as_deref().map(str::trim) {
            None => old.and_then(|old| old.parent.clone()),
            Some(reference) => Some(reference.to_owned()).filter(|reference| !reference.is_empty()),
        },
        deleted: draft.deleted,
        sources: marked(
            old.map(|old| &old.sources),
            source,
            draft.external_id.as_ref(),
            at_ms,
        ),
        scim_document: draft
            .scim_document
            .clone()
            .or_else(|| old.and_then(|old| old.scim_document.clone())),
        created_at_ms: old.map_or(at_ms, |old| old.created_at_ms),
        changed_at_ms: at_ms,
    }
}

/// Whether nothing but the time of saying it differs.
fn same_group(old: &Group, new: &Group) -> bool {
    old.name == new.name
        && old.description == new.description
        && old.parent == new.parent
        && old.deleted == new.deleted
        && old.scim_document == new.scim_document
        && external_ids(&old.sources).eq(external_ids(&new.sources))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(old: Option<&Group>, draft: &GroupDraft) -> Group {
        laid_over(old, &SourceId::parse("hr").unwrap(), draft, 7)
    }

    #[test]
    fn what_a_draft_leaves_out_stays_and_what_is_empty_is_cleared() {
        let described = GroupDraft {
            description: Some("Sells ".to_owned()),
            parent: Some("EMEA".to_owned()),
            ..GroupDraft::named("Sales")
        };
        let first = put(None, &described);
        let silent = put(Some(&first), &GroupDraft::named("Sales"));
        assert!(same_group(&first, &silent));
        assert_eq!(
            (silent.description.as_deref(), silent.parent.as_deref()),
            (Some("Sells"), Some("EMEA"))
        );
        let cleared = GroupDraft {
            description: Some(String::new()),
            parent: Some(String::new()),
            ..GroupDraft::named("Sales")
        };
        let cleared = put(Some(&first), &cleared);
        assert_eq!((cleared.description.as_deref(), cleared.parent), (Some(""), None));
    }

    #[test]
    fn another_description_or_parent_makes_it_another_group() {
        let first = put(None, &GroupDraft::named("Sales"));
        let description = GroupDraft {
            description: Some("Sells".to_owned()),
            ..GroupDraft::named("Sales")
        };
        let parent = GroupDraft {
            parent: Some("EMEA".to_owned()),
            ..GroupDraft::named("Sales")
        };
        for draft in [description, parent, GroupDraft::deleted("Sales")] {
            assert!(!same_group(&first, &put(Some(&first), &draft)), "{draft:?}");
        }
    }
}
