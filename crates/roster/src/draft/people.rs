//! Finds people by the identity rule, merges drafts into them, and writes them under their user names.

use std::collections::BTreeMap;

use bus::{Change as KeyChange, Expect, NameToken, RosterKey, RosterValue, Write};
use provisioning::{
    AccessLevel, Candidate, DesiredManager, Field, IdentityQuestion, NormalName, OrgId, Person, PersonId,
    Profile, Resolution, Sources, Traits, released_name, repaired, resolve,
};

use super::{external_ids, marked, new_id};
use crate::change::{Change, RosterError, RosterWrite};
use crate::{Directory, Entry, Origin};

/// A person as a source states it, to be merged into the known person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonDraft {
    pub user_name: String,
    pub external_id: Option<String>,
    /// `None`: leave it. A new person is active.
    pub active: Option<bool>,
    pub deleted: bool,
    /// The source removes the person; see [`provisioning::SourceMark::left`].
    pub leaves: bool,
    /// The source lists the person. A person that it had removed becomes active again.
    pub returns: bool,
    pub access_level: Option<AccessLevel>,
    /// Field values; empty: clear. Fields that are not named stay as they are.
    pub profile: Profile,
    /// Values of advanced custom fields by the name that Litmos shows. Empty and missing values work as in `profile`.
    pub custom: BTreeMap<String, String>,
    pub manager: DesiredManager,
    /// The new SCIM document. `None`: leave it.
    pub scim_document: Option<String>,
    /// All groups of the person, by name. `None`: leave the memberships.
    pub groups: Option<Vec<String>>,
}

impl PersonDraft {
    /// Creates a draft with this user name only; everything else stays as it is.
    pub fn named(user_name: impl Into<String>) -> PersonDraft {
        PersonDraft {
            user_name: user_name.into(),
            external_id: None,
            active: None,
            deleted: false,
            leaves: false,
            returns: false,
            access_level: None,
            profile: Profile::default(),
            custom: Default::default(),
            manager: DesiredManager::Leave,
            scim_document: None,
            groups: None,
        }
    }

    /// Creates a draft that removes the person's access; everything else stays as it is.
    pub fn inactive(user_name: impl Into<String>) -> PersonDraft {
        PersonDraft {
            active: Some(false),
            ..PersonDraft::named(user_name)
        }
    }

    /// Returns the identifying attributes that the draft states.
    fn traits(&self) -> Traits {
        let value = |field: Field| Some(self.profile.value(field).to_owned()).filter(|text| !text.is_empty());
        Traits {
            external_id: self.external_id.clone(),
            user_name: self.user_name.clone(),
            mail: value(Field::Email),
            employee_number: value(Field::ExternalEmployeeId),
            first_name: value(Field::FirstName),
            last_name: value(Field::LastName),
            active: self.active.unwrap_or(true),
            listed: self.returns,
        }
    }
}

/// The person that a draft is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonTarget<'a> {
    /// The person with this id.
    Id(&'a PersonId),
    /// The person that the identity rule finds; a new person if it finds none.
    Resolve,
    /// A new person, even if another person has the same external id; see [`Directory::resolve_person`].
    New {
        /// A person without access who gives up the user name.
        releasing: Option<&'a PersonId>,
    },
}

impl Directory {
    /// Finds the person that a draft of this source means, by the identity rule.
    pub fn resolve_person(&self, origin: &Origin<'_>, draft: &PersonDraft) -> Resolution {
        let stated = draft.traits();
        let candidate = |entry: &Entry<Person>| {
            let id = IdentityQuestion::id_of(origin.source, &stated, &entry.value.id);
            Candidate {
                person: entry.value.id.clone(),
                known: Traits::of(&entry.value, origin.source),
                answer: self.question(&id).and_then(|question| question.value.same),
            }
        };
        let by_external_id: Vec<Candidate> = draft
            .external_id
            .iter()
            .flat_map(|external| self.people_known_as(origin.source, external))
            .map(candidate)
            .collect();
        let by_user_name = self.person_named(&draft.user_name).map(candidate);
        resolve(&stated, &by_external_id, by_user_name.as_ref())
    }

    /// Returns the question whether the draft means this person, as an error.
    pub fn question_about(
        &self,
        origin: &Origin<'_>,
        draft: &PersonDraft,
        candidate: &PersonId,
    ) -> RosterError {
        let stated = draft.traits();
        let known = self.person(candidate);
        RosterError::Unclear(Box::new(IdentityQuestion {
            id: IdentityQuestion::id_of(origin.source, &stated, candidate),
            source: origin.source.clone(),
            known: known.map_or_else(Traits::default, |known| Traits::of(&known.value, origin.source)),
            stated,
            person: candidate.clone(),
            asked_at_ms: origin.at_ms,
            same: None,
            answered_at_ms: 0,
        }))
    }

    /// Merges a draft into the person that it is about, or creates a new person.
    ///
    /// # Errors
    /// If the user name belongs to another person, the target does not exist, or it is unclear which person is meant.
    pub fn put_person_draft(
        &self,
        org: &OrgId,
        origin: &Origin<'_>,
        target: PersonTarget<'_>,
        draft: &PersonDraft,
    ) -> Result<Change<Person>, RosterError> {
        let (old, releasing) = match target {
            PersonTarget::Id(id) => {
                let no_such = || RosterError::NoSuchPerson { id: id.clone() };
                (
                    Some(self.person(id).ok_or_else(no_such)?),
                    self.holder_to_release(draft, id)?,
                )
            }
            PersonTarget::New { releasing } => (None, releasing.and_then(|id| self.person(id))),
            PersonTarget::Resolve => match self.resolve_person(origin, draft) {
                Resolution::Known(id) => (self.person(&id), self.holder_to_release(draft, &id)?),
                Resolution::New { releasing } => (None, releasing.and_then(|id| self.person(&id))),
                Resolution::NameTaken { by } => return Err(name_taken(draft, by)),
                Resolution::Unclear { candidate } => {
                    return Err(self.question_about(origin, draft, &candidate));
                }
            },
        };
        if let Some(old) = old
            && let Some(mark) = old.value.sources.get(origin.source)
            && origin.is_overtaken(mark.changed_at_ms, mark.sequence)
        {
            return Ok(Change::none(old.value.clone(), old.revision));
        }
        let mut person = laid_over(old.map(|old| &old.value), origin, draft);
        let mut writes = Vec::new();
        let mut revision = old.map_or(0, |old| old.revision);
        match old.filter(|old| same_person(&old.value, &person)) {
            None => writes = self.person_writes(org, old, &person, releasing, origin),
            Some(_) if !origin.leaves_a_mark() => {}
            Some(old) => {
                person.changed_at_ms = old.value.changed_at_ms;
                if person != old.value {
                    writes = self.person_writes(org, Some(old), &person, releasing, origin);
                }
            }
        }
        revision = if writes.is_empty() { revision } else { 0 };
        let leaves_all = person.deleted || old.is_some_and(|old| old.value.deleted);
        let groups = draft.groups.as_deref();
        match (person.deleted, groups) {
            (true, _) => writes.extend(self.memberships_of(org, origin, &person.id, &[])),
            (false, Some(groups)) => writes.extend(self.memberships_of(org, origin, &person.id, groups)),
            // A deleted person who returns is only in groups that the source names.
            (false, None) if leaves_all => writes.extend(self.memberships_of(org, origin, &person.id, &[])),
            (false, None) => {}
        }
        Ok(Change {
            value: person,
            revision,
            writes,
        })
    }

    /// The deleted person who still has the draft's user name and gives it up.
    fn holder_to_release(
        &self,
        draft: &PersonDraft,
        id: &PersonId,
    ) -> Result<Option<&Entry<Person>>, RosterError> {
        match self.person_named(&draft.user_name) {
            Some(holder) if holder.value.id != *id => match holder.value.deleted {
                false => Err(name_taken(draft, holder.value.id.clone())),
                true => Ok(Some(holder)),
            },
            Some(_) | None => Ok(None),
        }
    }

    /// Returns the writes that store a person under their user name, in place of `old`.
    pub(crate) fn person_writes(
        &self,
        org: &OrgId,
        old: Option<&Entry<Person>>,
        person: &Person,
        releasing: Option<&Entry<Person>>,
        origin: &Origin<'_>,
    ) -> Vec<RosterWrite> {
        let mut writes = self.moved(org, old, person);
        if let Some(holder) = releasing {
            let mut released = holder.value.clone();
            released.user_name = released_name(&released.user_name, &released.id);
            released.scim_document = None;
            released.changed_at_ms = released.changed_at_ms.max(origin.at_ms);
            writes.extend(self.moved(org, Some(holder), &released));
        }
        writes
    }

    fn moved(&self, org: &OrgId, old: Option<&Entry<Person>>, person: &Person) -> Vec<RosterWrite> {
        let guard = |name: &NameToken| {
            Expect::NewestUnder(RosterKey::under_name(org, name), self.newest_of_name(name))
        };
        let name = |person: &Person| NameToken::of_name(&NormalName::of(&person.user_name));
        let new_name = name(person);
        let mut writes = vec![Write {
            key: RosterKey::of_person(org, person),
            expect: guard(&new_name),
            change: KeyChange::Put(RosterValue::Person(Box::new(person.clone()))),
        }];
        // The new key is written first, so that readers in between see the person twice rather than not at all.
        if let Some(old) = old
            && name(&old.value) != new_name
        {
            writes.push(Write {
                key: RosterKey::of_person(org, &old.value),
                expect: guard(&name(&old.value)),
                change: KeyChange::Delete,
            });
        }
        writes
    }
}

fn name_taken(draft: &PersonDraft, owner: PersonId) -> RosterError {
    RosterError::NameTaken {
        user_name: draft.user_name.clone(),
        owner,
    }
}

/// Returns whether the person is active and whether they are deleted after the draft. Updates the marks of the sources that removed the
/// person.
fn access(
    old: Option<&Person>,
    origin: &Origin<'_>,
    draft: &PersonDraft,
    sources: &mut Sources,
) -> (bool, bool) {
    let (was_active, was_deleted) = old.map_or((true, false), |old| (old.active, old.deleted));
    let let_go_by_us = sources.get(origin.source).is_some_and(|mark| mark.left);
    // The source that deleted the person creates them again, or the source that removed the person lists them again.
    let back = let_go_by_us && !draft.leaves && (was_deleted || draft.returns);
    let active = match draft.active {
        Some(active) => active,
        None => was_active || back,
    };
    let deleted = draft.deleted || (was_deleted && !(back || draft.active == Some(true)));
    let had_access = was_active && !was_deleted;
    if active && !deleted || (draft.active.is_some() && !draft.leaves) {
        clear_left(sources);
    }
    if draft.leaves && (had_access || draft.deleted) {
        clear_left(sources);
        sources.mark(origin.source).left = true;
    }
    (active, deleted)
}

fn clear_left(sources: &mut Sources) {
    let left: Vec<_> = sources
        .iter()
        .filter(|(_, mark)| mark.left)
        .map(|(source, _)| source.clone())
        .collect();
    for source in left {
        sources.mark(&source).left = false;
    }
}

fn laid_over(old: Option<&Person>, origin: &Origin<'_>, draft: &PersonDraft) -> Person {
    let mut profile = old.map(|old| old.profile.clone()).unwrap_or_default();
    for (field, value) in draft.profile.iter() {
        profile.set(field, value);
    }
    let mut custom = old.map(|old| old.custom.clone()).unwrap_or_default();
    for (name, value) in &draft.custom {
        // A name in another spelling replaces the old spelling. It does not add a second field.
        let field = NormalName::of(name);
        custom.retain(|known, _| NormalName::of(known) != field);
        custom.insert(name.clone(), value.clone());
    }
    let mut sources = marked(old.map(|old| &old.sources), origin, draft.external_id.as_ref());
    let (active, deleted) = access(old, origin, draft, &mut sources);
    Person {
        id: old.map_or_else(
            || PersonId::parse(new_id()).expect("a UUID is an id"),
            |old| old.id.clone(),
        ),
        // Without invisible characters, so that names that look the same are the same.
        user_name: repaired(&draft.user_name).into_owned(),
        active,
        deleted,
        access_level: draft
            .access_level
            .or_else(|| old.and_then(|old| old.access_level)),
        profile,
        custom,
        manager: match &draft.manager {
            DesiredManager::Leave => old.map(|old| old.manager.clone()).unwrap_or_default(),
            change => change.clone(),
        },
        sources,
        scim_document: draft
            .scim_document
            .clone()
            .or_else(|| old.and_then(|old| old.scim_document.clone())),
        created_at_ms: old.map_or(origin.at_ms, |old| old.created_at_ms),
        changed_at_ms: old.map_or(origin.at_ms, |old| old.changed_at_ms.max(origin.at_ms)),
    }
}

/// True if the two differ at most in the time of the statement.
fn same_person(old: &Person, new: &Person) -> bool {
    let left = |person: &Person| -> Vec<_> {
        let marks = person.sources.iter().filter(|(_, mark)| mark.left);
        marks.map(|(source, _)| source.clone()).collect()
    };
    old.user_name == new.user_name
        && old.active == new.active
        && old.deleted == new.deleted
        && old.access_level == new.access_level
        && old.profile == new.profile
        && old.custom == new.custom
        && old.manager == new.manager
        && old.scim_document == new.scim_document
        && external_ids(&old.sources).eq(external_ids(&new.sources))
        && left(old) == left(new)
}

#[cfg(test)]
mod tests {
    use provisioning::SourceId;

    use super::*;

    fn source(name: &str) -> SourceId {
        SourceId::parse(name).unwrap()
    }

    fn put(old: Option<&Person>, name: &str, draft: &PersonDraft) -> Person {
        laid_over(old, &Origin::now(&source(name), 7), draft)
    }

    fn custom(old: Option<&Person>, custom: &[(&str, &str)]) -> Person {
        let custom = custom
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let draft = PersonDraft {
            custom,
            ..PersonDraft::named("mira@corp.example")
        };
        put(old, "hr", &draft)
    }

    #[test]
    fn custom_fields_are_laid_over_the_old_ones_one_by_one() {
        let first = custom(None, &[("Region", "North"), ("Badge", "7")]);
        assert!(same_person(&first, &custom(Some(&first), &[])));
        assert!(same_person(&first, &custom(Some(&first), &[("Badge", "7")])));
        let second = custom(Some(&first), &[("Region", "")]);
        assert!(!same_person(&first, &second));
        let expected =
            [("Badge", "7"), ("Region", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(second.custom, BTreeMap::from(expected));
    }

    #[test]
    fn another_spelling_of_a_custom_field_corrects_it() {
        let first = custom(None, &[("region", "North")]);
        let second = custom(Some(&first), &[("Region", "North")]);
        assert_eq!(second.custom.keys().collect::<Vec<_>>(), ["Region"]);
        assert!(!same_person(&first, &second));
    }

    /// Applies statements in order and returns whether the person has access after each.
    fn access_after(statements: &[(&str, &str)]) -> Vec<bool> {
        let mut person: Option<Person> = None;
        statements
            .iter()
            .map(|(name, statement)| {
                let silent = PersonDraft::named("mira@corp.example");
                let draft = match *statement {
                    "silent" => silent,
                    "listed" => PersonDraft {
                        returns: true,
                        ..silent
                    },
                    "active" => PersonDraft {
                        active: Some(true),
                        ..silent
                    },
                    "inactive" => PersonDraft::inactive("mira@corp.example"),
                    "left" => PersonDraft {
                        leaves: true,
                        ..PersonDraft::inactive("mira@corp.example")
                    },
                    "deleted" => PersonDraft {
                        leaves: true,
                        deleted: true,
                        ..PersonDraft::inactive("mira@corp.example")
                    },
                    other => panic!("{other}"),
                };
                let next = put(person.as_ref(), name, &draft);
                person.insert(next).wanted_active()
            })
            .collect()
    }

    #[test]
    fn silence_leaves_access_as_it_is() {
        assert_eq!(access_after(&[("hr", "silent")]), [true]);
        assert_eq!(
            access_after(&[
                ("hr", "silent"),
                ("scim", "inactive"),
                ("hr", "silent"),
                ("hr", "listed")
            ]),
            [true, false, false, false]
        );
        assert_eq!(
            access_after(&[
                ("scim", "deleted"),
                ("hr", "silent"),
                ("hr", "listed"),
                ("hr", "active")
            ]),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_source_takes_back_only_its_own_letting_go() {
        assert_eq!(
            access_after(&[
                ("hr", "silent"),
                ("hr", "left"),
                ("hr", "silent"),
                ("hr", "listed")
            ]),
            [true, false, false, true]
        );
        // Another source has removed the access in between.
        assert_eq!(
            access_after(&[
                ("hr", "silent"),
                ("hr", "left"),
                ("scim", "inactive"),
                ("hr", "listed")
            ]),
            [true, false, false, false]
        );
        assert_eq!(
            access_after(&[
                ("hr", "silent"),
                ("scim", "inactive"),
                ("hr", "left"),
                ("hr", "listed")
            ]),
            [true, false, false, false]
        );
        assert_eq!(
            access_after(&[("hr", "deleted"), ("hr", "silent")]),
            [false, true]
        );
    }
}
