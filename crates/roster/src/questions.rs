//! Stores identity questions and their answers, and replaces exactly the revision of a person or group that an admin has seen.

use bus::{Change as KeyChange, Expect, RosterKey, RosterValue, Write};
use provisioning::{Group, IdentityQuestion, Person, QuestionId};

use crate::change::{Change, ChangeError, RosterError};
use crate::{Directory, Origin, Roster};

impl Directory {
    fn put_question_write(&self, roster: &Roster, question: &IdentityQuestion) -> Change<()> {
        let known = self.question(&question.id);
        let write = Write {
            key: RosterKey::Question(roster.org().clone(), question.id.clone()),
            expect: known.map_or(Expect::Absent, |known| Expect::Revision(known.revision)),
            change: KeyChange::Put(RosterValue::Question(Box::new(question.clone()))),
        };
        Change {
            value: (),
            revision: known.map_or(0, |known| known.revision),
            writes: vec![write],
        }
    }
}

impl Roster {
    /// Stores a question until an admin answers it. If it is stored already, it stays as it is.
    ///
    /// # Errors
    /// If it could not be stored.
    pub async fn ask(&self, question: &IdentityQuestion) -> Result<(), RosterError> {
        let asked = self.change(|directory| {
            Ok::<_, RosterError>(match directory.question(&question.id) {
                Some(known) => Change::none((), known.revision),
                None => directory.put_question_write(self, question),
            })
        });
        asked.await.map(drop).map_err(ChangeError::into_inner)
    }

    /// Answers a question: same person or not. Returns false if there is no such question.
    ///
    /// # Errors
    /// If the answer could not be stored.
    pub async fn answer(&self, id: &QuestionId, same: bool, at_ms: u64) -> Result<bool, RosterError> {
        let answered = self.change(|directory| {
            let Some(known) = directory.question(id) else {
                return Ok(Change::none(false, 0));
            };
            if known.value.same == Some(same) {
                return Ok(Change::none(true, known.revision));
            }
            let question = IdentityQuestion {
                same: Some(same),
                answered_at_ms: at_ms,
                ..known.value.clone()
            };
            Ok::<_, RosterError>(directory.put_question_write(self, &question).map(|()| true))
        });
        answered
            .await
            .map(|applied| applied.value)
            .map_err(ChangeError::into_inner)
    }

    /// Replaces exactly this revision of the person. Returns false if it is not the newest one, so that an admin's decision does not
    /// overwrite a change that the admin has not seen.
    ///
    /// # Errors
    /// If the user name belongs to another person, or the bus does not accept the write.
    pub async fn revise_person(
        &self,
        origin: &Origin<'_>,
        person: &Person,
        revision: u64,
    ) -> Result<bool, RosterError> {
        let revised = self.change(|directory| {
            let old = directory
                .person(&person.id)
                .filter(|old| old.revision == revision);
            let Some(old) = old else {
                return Ok(Change::none(false, revision));
            };
            let other = directory.person_named(&person.user_name);
            if let Some(other) = other.filter(|other| other.value.id != person.id) {
                let (user_name, owner) = (person.user_name.clone(), other.value.id.clone());
                return Err(RosterError::NameTaken { user_name, owner });
            }
            let mut person = person.clone();
            origin.mark(person.sources.mark(origin.source));
            person.changed_at_ms = origin.at_ms;
            let writes = directory.person_writes(self.org(), Some(old), &person, None, origin);
            Ok(Change {
                value: true,
                revision,
                writes,
            })
        });
        revised
            .await
            .map(|applied| applied.value)
            .map_err(ChangeError::into_inner)
    }

    /// Replaces exactly this revision of the group and its name. Returns false if it is not the newest one.
    ///
    /// # Errors
    /// If the name belongs to another group, or the bus does not accept the write.
    pub async fn revise_group(
        &self,
        origin: &Origin<'_>,
        group: &Group,
        revision: u64,
    ) -> Result<bool, RosterError> {
        let revised = self.change(|directory| {
            let old = directory.group(&group.id).filter(|old| old.revision == revision);
            let Some(old) = old else {
                return Ok(Change::none(false, revision));
            };
            let other = directory.group_named(&group.name);
            if let Some(other) = other.filter(|other| other.value.id != group.id) {
                let (name, owner) = (group.name.clone(), other.value.id.clone());
                return Err(RosterError::GroupNameTaken { name, owner });
            }
            let mut group = group.clone();
            origin.mark(group.sources.mark(origin.source));
            group.changed_at_ms = origin.at_ms;
            let writes = directory.group_writes(self.org(), Some(old), &group);
            Ok(Change {
                value: true,
                revision,
                writes,
            })
        });
        revised
            .await
            .map(|applied| applied.value)
            .map_err(ChangeError::into_inner)
    }
}
