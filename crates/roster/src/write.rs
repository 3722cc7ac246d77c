//! Writing people, groups and memberships.

use std::collections::BTreeSet;
use std::time::Duration;

use bus::{BATCH_MAX, Change, Expect, Index, NameToken, RosterKey, RosterValue, Write, WriteError};
use provisioning::{
    AccessLevel, Group, GroupId, ManagerWish, Membership, NormalName, Person, PersonId, Profile, SourceId,
    SourceMark,
};

use crate::{Directory, Entry, Roster};

/// Tries before giving up on a key that others keep writing. Each waits for the watch to bring what they wrote.
const TRIES: u32 = 40;

/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(25);

type RosterWrite = Write<RosterKey, RosterValue>;

/// What was known, what is to be, and the writes that lead from one to the other.
type Wanted<T> = (Option<Entry<T>>, T, Vec<RosterWrite>);

/// Somebody as a source wants them, to be laid over what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonDraft {
    pub user_name: String,
    pub external_id: Option<String>,
    pub active: bool,
    pub deleted: bool,
    pub access_level: Option<AccessLevel>,
    /// Wishes about fields; those it does not name stay as they are.
    pub profile: Profile,
    pub manager: ManagerWish,
    /// Replaces the SCIM document; `None` leaves it.
    pub scim_document: Option<String>,
    /// All groups by name; `None` leaves memberships.
    pub groups: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDraft {
    pub name: String,
    pub external_id: Option<String>,
    pub deleted: bool,
    pub scim_document: Option<String>,
}

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
    #[error(transparent)]
    Bus(#[from] WriteError),
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

impl Roster {
    /// Lays a draft over the person of this id, external id or user name, or makes a new one.
    ///
    /// A word of the same source that is older than the last one changes nothing.
    ///
    /// # Errors
    /// See [`RosterError`].
    pub async fn put_person(
        &self,
        source: &SourceId,
        id: Option<&PersonId>,
        draft: &PersonDraft,
        at_ms: u64,
    ) -> Result<Applied<Person>, RosterError> {
        for _ in 0..TRIES {
            let (old, person, writes) =
                self.read(|directory| self.person_writes(directory, source, id, draft, at_ms))?;
            if writes.is_empty() {
                let revision = old.as_ref().map_or(0, |old| old.revision);
                return Ok(Applied {
                    value: person,
                    revision,
                    changed: false,
                });
            }
            match self.write_all(writes).await {
                Ok(revision) => {
                    return Ok(Applied {
                        value: person,
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

    fn person_writes(
        &self,
        directory: &Directory,
        source: &SourceId,
        id: Option<&PersonId>,
        draft: &PersonDraft,
        at_ms: u64,
    ) -> Result<Wanted<Person>, RosterError> {
        let by_external = draft
            .external_id
            .as_deref()
            .and_then(|external| directory.person_known_as(source, external));
        let old = match id {
            Some(id) => Some(
                directory
                    .person(id)
                    .ok_or_else(|| RosterError::NoSuchPerson { id: id.clone() })?,
            ),
            None => by_external.or_else(|| directory.person_named(&draft.user_name)),
        };
        if let Some(other) = directory.person_named(&draft.user_name)
            && old.is_none_or(|old| old.value.id != other.value.id)
        {
            let (user_name, owner) = (draft.user_name.clone(), other.value.id.clone());
            return Err(RosterError::NameTaken { user_name, owner });
        }
        let mark = old.and_then(|old| old.value.sources.get(source));
        if let Some(old) = old
            && mark.is_some_and(|mark| mark.changed_at_ms > at_ms)
        {
            return Ok((Some(old.clone()), old.value.clone(), Vec::new()));
        }
        let person = laid_over(old.map(|old| &old.value), source, draft, at_ms);
        let mut writes = Vec::new();
        if !old.is_some_and(|old| same_person(&old.value, &person)) {
            writes.extend(self.person_and_names(old, &person));
        }
        if let Some(groups) = &draft.groups {
            writes.extend(self.membership_writes(directory, source, &person.id, groups, at_ms));
        }
        Ok((old.cloned(), person, writes))
    }

    fn person_and_names(&self, old: Option<&Entry<Person>>, person: &Person) -> Vec<RosterWrite> {
        let org = self.org();
        let key = RosterKey::Person(org.clone(), person.id.clone());
        let expect = old.map_or(Expect::Absent, |old| Expect::Revision(old.revision));
        let mut writes = vec![Write {
            key,
            expect,
            change: Change::Put(RosterValue::Person(person.clone())),
        }];
        let index = || Change::Put(RosterValue::Index(Index(person.id.to_string())));
        let name = NormalName::of(&person.user_name);
        let old_name = old.map(|old| NormalName::of(&old.value.user_name));
        if old_name.as_ref() != Some(&name) {
            let key = RosterKey::UserName(org.clone(), NameToken::of_name(&name));
            writes.push(Write {
                key,
                expect: Expect::Absent,
                change: index(),
            });
            if let Some(old_name) = old_name {
                let key = RosterKey::UserName(org.clone(), NameToken::of_name(&old_name));
                writes.push(Write {
                    key,
                    expect: Expect::Any,
                    change: Change::Delete,
                });
            }
        }
        for (source, mark) in person.sources.iter() {
            let before = old
                .and_then(|old| old.value.sources.get(source))
                .and_then(|mark| mark.external_id.as_ref());
            if let Some(external) = mark
                .external_id
                .as_ref()
                .filter(|external| before != Some(*external))
            {
                let key = RosterKey::ExternalId(org.clone(), source.clone(), NameToken::of_text(external));
                writes.push(Write {
                    key,
                    expect: Expect::Any,
                    change: index(),
                });
            }
        }
        writes
    }

    /// Makes the groups of one person exactly these, as far as this source has a say.
    fn membership_writes(
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
        for _ in 0..TRIES {
            let (old, group, writes) =
                self.read(|directory| self.group_writes(directory, source, id, draft, at_ms))?;
            if writes.is_empty() {
                let revision = old.as_ref().map_or(0, |old| old.revision);
                return Ok(Applied {
                    value: group,
                    revision,
                    changed: false,
                });
            }
            match self.write_all(writes).await {
                Ok(revision) => {
                    return Ok(Applied {
                        value: group,
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

    fn group_writes(
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
        let mut sources = old.map(|old| old.value.sources.clone()).unwrap_or_default();
        let mark = sources.mark(source);
        if let Some(old) = old
            && mark.changed_at_ms > at_ms
        {
            return Ok((Some(old.clone()), old.value.clone(), Vec::new()));
        }
        *mark = SourceMark {
            external_id: draft.external_id.clone().or(mark.external_id.take()),
            changed_at_ms: at_ms,
        };
        let group = Group {
            id: old.map_or_else(
                || GroupId::parse(new_id()).expect("a UUID is an id"),
                |old| old.value.id.clone(),
            ),
            name: draft.name.trim().to_owned(),
            description: old.and_then(|old| old.value.description.clone()),
            parent: old.and_then(|old| old.value.parent.clone()),
            deleted: draft.deleted,
            sources,
            scim_document: draft
                .scim_document
                .clone()
                .or_else(|| old.and_then(|old| old.value.scim_document.clone())),
            created_at_ms: old.map_or(at_ms, |old| old.value.created_at_ms),
            changed_at_ms: at_ms,
        };
        let same = old.is_some_and(|old| {
            let old = &old.value;
            old.name == group.name
                && old.deleted == group.deleted
                && old.scim_document == group.scim_document
                && external_ids(&old.sources).eq(external_ids(&group.sources))
        });
        if same {
            return Ok((old.cloned(), group, Vec::new()));
        }
        let key = RosterKey::Group(self.org().clone(), group.id.clone());
        let expect = old.map_or(Expect::Absent, |old| Expect::Revision(old.revision));
        let mut writes = vec![Write {
            key,
            expect,
            change: Change::Put(RosterValue::Group(group.clone())),
        }];
        // The name's own key is what makes it unique: of two who make one group at once, one meets the other's key.
        let name_of = |group: &Group| (!group.deleted).then(|| NormalName::of(&group.name));
        let (before, after) = (old.and_then(|old| name_of(&old.value)), name_of(&group));
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
        Ok((old.cloned(), group, writes))
    }

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

fn external_ids(sources: &provisioning::Sources) -> impl Iterator<Item = (&SourceId, Option<&String>)> {
    sources
        .iter()
        .map(|(source, mark)| (source, mark.external_id.as_ref()))
}

fn laid_over(old: Option<&Person>, source: &SourceId, draft: &PersonDraft, at_ms: u64) -> Person {
    let mut sources = old.map(|old| old.sources.clone()).unwrap_or_default();
    let mark = sources.mark(source);
    *mark = SourceMark {
        external_id: draft.external_id.clone().or(mark.external_id.take()),
        changed_at_ms: at_ms,
    };
    let mut profile = old.map(|old| old.profile.clone()).unwrap_or_default();
    for (field, value) in draft.profile.iter() {
        profile.set(field, value);
    }
    Person {
        id: old.map_or_else(
            || PersonId::parse(new_id()).expect("a UUID is an id"),
            |old| old.id.clone(),
        ),
        user_name: draft.user_name.trim().to_owned(),
        active: draft.active,
        deleted: draft.deleted,
        access_level: draft
            .access_level
            .or_else(|| old.and_then(|old| old.access_level)),
        profile,
        custom: old.map(|old| old.custom.clone()).unwrap_or_default(),
        manager: match &draft.manager {
            ManagerWish::Leave => old.map(|old| old.manager.clone()).unwrap_or_default(),
            wish => wish.clone(),
        },
        sources,
        scim_document: draft
            .scim_document
            .clone()
            .or_else(|| old.and_then(|old| old.scim_document.clone())),
        created_at_ms: old.map_or(at_ms, |old| old.created_at_ms),
        changed_at_ms: at_ms,
    }
}

/// Whether nothing but the time of saying it differs.
fn same_person(old: &Person, new: &Person) -> bool {
    old.user_name == new.user_name
        && old.active == new.active
        && old.deleted == new.deleted
        && old.access_level == new.access_level
        && old.profile == new.profile
        && old.manager == new.manager
        && old.scim_document == new.scim_document
        && external_ids(&old.sources).eq(external_ids(&new.sources))
}
