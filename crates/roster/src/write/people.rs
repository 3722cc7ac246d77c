//! People: laid over what is known, written with their names.

use std::collections::BTreeMap;

use bus::{Change, Expect, Index, NameToken, RosterKey, RosterValue, Write};
use provisioning::{AccessLevel, ManagerWish, NormalName, Person, PersonId, Profile, SourceId};

use super::{Applied, MemberWord, RosterError, RosterWrite, Wanted, external_ids, marked, new_id};
use crate::{Directory, Entry, Roster};

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
    /// Wishes about advanced custom fields by the name that Litmos shows, empty for clear; likewise.
    pub custom: BTreeMap<String, String>,
    pub manager: ManagerWish,
    /// Replaces the SCIM document; `None` leaves it.
    pub scim_document: Option<String>,
    /// All groups by name; `None` leaves memberships.
    pub groups: Option<Vec<String>>,
    /// No older word of the source is on its way. Else the time of a word that changes nothing is written down too, so
    /// that an older one which comes later is known to be older.
    pub in_order: bool,
}

impl PersonDraft {
    /// Somebody who is to have access; everything else stays as it is.
    pub fn active(user_name: impl Into<String>) -> PersonDraft {
        PersonDraft {
            user_name: user_name.into(),
            external_id: None,
            active: true,
            deleted: false,
            access_level: None,
            profile: Profile::default(),
            custom: BTreeMap::new(),
            manager: ManagerWish::Leave,
            scim_document: None,
            groups: None,
            in_order: true,
        }
    }

    /// Somebody who is to lose access; everything else stays as it is.
    pub fn inactive(user_name: impl Into<String>) -> PersonDraft {
        PersonDraft {
            active: false,
            ..PersonDraft::active(user_name)
        }
    }
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
        self.settle(|directory| self.person_writes(directory, source, id, draft, at_ms))
            .await
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
        let mut person = laid_over(old.map(|old| &old.value), source, draft, at_ms);
        let mut writes = Vec::new();
        match old.filter(|old| same_person(&old.value, &person)) {
            None => writes.extend(self.person_and_names(old, &person)),
            Some(_) if draft.in_order || mark.is_some_and(|mark| mark.changed_at_ms == at_ms) => {}
            Some(old) => {
                person.changed_at_ms = old.value.changed_at_ms;
                writes.extend(self.person_and_names(Some(old), &person));
            }
        }
        if let Some(groups) = &draft.groups {
            let word = MemberWord {
                source,
                at_ms,
                in_order: draft.in_order,
            };
            writes.extend(self.membership_writes(directory, &word, &person.id, groups));
        }
        Ok((old.cloned(), person, writes))
    }

    pub(super) fn person_and_names(&self, old: Option<&Entry<Person>>, person: &Person) -> Vec<RosterWrite> {
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
}

fn laid_over(old: Option<&Person>, source: &SourceId, draft: &PersonDraft, at_ms: u64) -> Person {
    let mut profile = old.map(|old| old.profile.clone()).unwrap_or_default();
    for (field, value) in draft.profile.iter() {
        profile.set(field, value);
    }
    let mut custom = old.map(|old| old.custom.clone()).unwrap_or_default();
    for (name, value) in &draft.custom {
        // Another spelling of a name is a correction of it, and no second field.
        let field = NormalName::of(name);
        custom.retain(|known, _| NormalName::of(known) != field);
        custom.insert(name.clone(), value.clone());
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
        custom,
        manager: match &draft.manager {
            ManagerWish::Leave => old.map(|old| old.manager.clone()).unwrap_or_default(),
            wish => wish.clone(),
        },
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
fn same_person(old: &Person, new: &Person) -> bool {
    old.user_name == new.user_name
        && old.active == new.active
        && old.deleted == new.deleted
        && old.access_level == new.access_level
        && old.profile == new.profile
        && old.custom == new.custom
        && old.manager == new.manager
        && old.scim_document == new.scim_document
        && external_ids(&old.sources).eq(external_ids(&new.sources))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(old: Option<&Person>, custom: &[(&str, &str)]) -> Person {
        let custom = custom
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let draft = PersonDraft {
            custom,
            ..PersonDraft::active("mira@corp.example")
        };
        laid_over(old, &SourceId::parse("hr").unwrap(), &draft, 7)
    }

    #[test]
    fn custom_fields_are_laid_over_the_old_ones_one_by_one() {
        let first = put(None, &[("Region", "North"), ("Badge", "7")]);
        assert!(same_person(&first, &put(Some(&first), &[])));
        assert!(same_person(&first, &put(Some(&first), &[("Badge", "7")])));
        let second = put(Some(&first), &[("Region", "")]);
        assert!(!same_person(&first, &second));
        let expected =
            [("Badge", "7"), ("Region", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(second.custom, BTreeMap::from(expected));
    }

    #[test]
    fn another_spelling_of_a_custom_field_corrects_it() {
        let first = put(None, &[("region", "North")]);
        let second = put(Some(&first), &[("Region", "North")]);
        assert_eq!(second.custom.keys().collect::<Vec<_>>(), ["Region"]);
        assert!(!same_person(&first, &second));
    }
}
