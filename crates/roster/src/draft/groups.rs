//! Merges group drafts into known groups, and writes groups together with their names.

use bus::{Change as KeyChange, Expect, Index, NameToken, RosterKey, RosterValue, Write};
use provisioning::{Group, GroupId, NormalName, OrgId, repaired};

use super::{external_ids, marked, new_group_id};
use crate::change::{Change, RosterError, RosterWrite};
use crate::{Directory, Entry, Origin};

/// A group as a source states it, to be merged into the known group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDraft {
    /// Id of the group, if this draft creates one; `None`: a new id.
    pub id: Option<GroupId>,
    pub name: String,
    pub external_id: Option<String>,
    /// Empty: clear it. `None`: leave it.
    pub description: Option<String>,
    /// Id, external id or name of the parent group. Empty: no parent. `None`: leave it.
    pub parent: Option<String>,
    pub deleted: bool,
    /// The new SCIM document. `None`: leave it.
    pub scim_document: Option<String>,
}

impl GroupDraft {
    /// Creates a draft with this name only; everything else stays as it is.
    pub fn named(name: impl Into<String>) -> GroupDraft {
        GroupDraft {
            id: None,
            name: name.into(),
            external_id: None,
            description: None,
            parent: None,
            deleted: false,
            scim_document: None,
        }
    }

    /// Creates a draft that deletes the group.
    pub fn deleted(name: impl Into<String>) -> GroupDraft {
        GroupDraft {
            deleted: true,
            ..GroupDraft::named(name)
        }
    }
}

impl Directory {
    /// Merges a draft into the group with this id, external id or name, or creates a new group.
    ///
    /// # Errors
    /// If the name belongs to another group, or there is no group with this id.
    pub fn put_group_draft(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        id: Option<&GroupId>,
        draft: &GroupDraft,
    ) -> Result<Change<Group>, RosterError> {
        let by_external = draft
            .external_id
            .as_deref()
            .and_then(|external| self.group_known_as(origin.source, external));
        let old = match id {
            Some(id) => Some(
                self.group(id)
                    .ok_or_else(|| RosterError::NoSuchGroup { id: id.clone() })?,
            ),
            None => by_external.or_else(|| self.group_named(&draft.name)),
        };
        if let Some(other) = self.group_named(&draft.name).filter(|_| !draft.deleted)
            && old.is_some_and(|old| old.value.id != other.value.id)
        {
            return Err(RosterError::GroupNameTaken {
                name: draft.name.clone(),
                owner: other.value.id.clone(),
            });
        }
        if let Some(old) = old
            && let Some(mark) = old.value.sources.get(origin.source)
            && origin.is_overtaken(mark.changed_at_ms, mark.sequence)
        {
            return Ok(Change::none(old.value.clone(), old.revision));
        }
        let mut group = laid_over(old.map(|old| &old.value), origin, draft);
        if let Some(old) = old.filter(|old| same_group(&old.value, &group)) {
            group.changed_at_ms = old.value.changed_at_ms;
            if !origin.leaves_a_mark() || group == old.value {
                return Ok(Change::none(old.value.clone(), old.revision));
            }
        }
        let writes = self.group_writes(org, old, &group);
        Ok(Change {
            value: group,
            revision: 0,
            writes,
        })
    }

    /// Returns the writes that replace `old` by `group`, together with its name.
    pub(crate) fn group_writes(
        &self,
        org: &OrgId,
        old: Option<&Entry<Group>>,
        group: &Group,
    ) -> Vec<RosterWrite> {
        let mut writes = Vec::new();
        // A key for each name makes names unique: of two concurrent writers who create the same group, one gets a conflict.
        let name_of = |group: &Group| (!group.deleted).then(|| NormalName::of(&group.name));
        let (before, after) = (old.and_then(|old| name_of(&old.value)), name_of(group));
        if before != after {
            let key = |name: &NormalName| RosterKey::GroupName(org.clone(), NameToken::of_name(name));
            if let Some(name) = &after {
                writes.push(Write {
                    key: key(name),
                    expect: Expect::Absent,
                    change: KeyChange::Put(RosterValue::Index(Index(group.id.to_string()))),
                });
            }
            if let Some(name) = &before {
                writes.push(Write {
                    key: key(name),
                    expect: Expect::Any,
                    change: KeyChange::Delete,
                });
            }
        }
        writes.push(Write {
            key: RosterKey::Group(org.clone(), group.id.clone()),
            expect: self.group_guard(org, &group.id),
            change: KeyChange::Put(RosterValue::Group(Box::new(group.clone()))),
        });
        writes
    }

    /// Returns the guard over a group and all its members.
    pub(crate) fn group_guard(&self, org: &OrgId, group: &GroupId) -> Expect {
        Expect::NewestUnder(RosterKey::under_group(org, group), self.newest_of_group(group))
    }
}

/// Creates a group from a draft.
pub(super) fn new_group(origin: &Origin<'_>, draft: &GroupDraft) -> Group {
    laid_over(None, origin, draft)
}

fn laid_over(old: Option<&Group>, origin: &Origin<'_>, draft: &GroupDraft) -> Group {
    let description = draft.description.as_ref().map(|text| text.trim().to_owned());
    Group {
        id: old.map_or_else(
            || draft.id.clone().unwrap_or_else(new_group_id),
            |old| old.id.clone(),
        ),
        name: repaired(&draft.name).into_owned(),
        description: description.or_else(|| old.and_then(|old| old.description.clone())),
        parent: match draft.parent.as_deref().map(str::trim) {
            None => old.and_then(|old| old.parent.clone()),
            Some(reference) => Some(reference.to_owned()).filter(|reference| !reference.is_empty()),
        },
        deleted: draft.deleted,
        sources: marked(old.map(|old| &old.sources), origin, draft.external_id.as_ref()),
        scim_document: draft
            .scim_document
            .clone()
            .or_else(|| old.and_then(|old| old.scim_document.clone())),
        created_at_ms: old.map_or(origin.at_ms, |old| old.created_at_ms),
        changed_at_ms: old.map_or(origin.at_ms, |old| old.changed_at_ms.max(origin.at_ms)),
    }
}

/// True if the two differ at most in the time of the statement.
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
    use provisioning::SourceId;

    use super::*;

    fn put(old: Option<&Group>, draft: &GroupDraft) -> Group {
        laid_over(old, &Origin::now(&SourceId::parse("hr").unwrap(), 7), draft)
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
