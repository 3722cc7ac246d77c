//! Operations on one person.
//!
//! Litmos answers a write with 404 if the account or its manager does not exist. So after a 404 the account is read, and the write is tried
//! once more with the current record, because the known manager may have been out of date. If the manager has not changed, a cut-off is
//! sent without a manager: a broken reference must not keep access open.

use litmos::{Failure, FailureKind};
use provisioning::{
    Account, AccountId, Attribute, AttributeChange, Draft, Ended, GroupId, Image, Intent, IntentKind,
    NormalName, OperationId, PersonLink, Revised, Subject, TeamId,
};
use rate_tokens::{Class, Permit};

use super::records::{account, new_user, record};
use super::setback::{Sequel, blaming, explain, person_setback, sequel};
use super::{Done, Executor, Outcome, Trouble, ended, halt_of, images, set_aside, unix_ms};
use crate::effects::Effects;

/// An operation on one person, with the person's link.
#[derive(Clone, Debug)]
pub(crate) struct PersonJob {
    pub(crate) operation: OperationId,
    pub(crate) link: Revised<PersonLink>,
    /// Roster revision that the operation applies.
    pub(crate) revision: u64,
    pub(crate) class: Class,
    /// Groups that are in flight with the person. Their links are not written.
    pub(crate) beside: Vec<GroupId>,
}

impl PersonJob {
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let groups = self.beside.iter().cloned().map(Subject::Group);
        groups
            .chain([Subject::Person(self.link.value.person.clone())])
            .collect()
    }

    /// The intent of this job for a request with this permit.
    fn intent(&self, executor: &Executor, permit: &Permit, kind: IntentKind) -> Intent {
        executor.intent(permit, &self.operation, kind, self.revision)
    }
}

impl Executor {
    pub(crate) async fn create(&self, permit: Permit, mut job: PersonJob, draft: &Draft) -> Done {
        let result = async {
            let intent = Intent {
                name: Some(draft.user_name.clone()),
                ..job.intent(self, &permit, IntentKind::Create)
            };
            self.open_person(intent, &mut job, None).await?;
            Ok(self.litmos.create_user(permit, &new_user(draft)).await?)
        }
        .await;
        match result {
            Ok(made) => {
                let made = account(&made, unix_ms()).map(|made| made.or_as_written(&draft.profile));
                let image = made.as_ref().map(|made| Image::Created {
                    person: job.link.value.person.clone(),
                    account: made.id.clone(),
                });
                self.applied(job, made, image.into_iter().collect()).await
            }
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Exists => {
                self.adopt(job, &draft.user_name, failure).await
            }
            // The manager is the only reference of a new user.
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Gone => {
                let refused = blaming(failure, Attribute::Manager.wire());
                self.failed(job, Trouble::Litmos(refused)).await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Handles a user name that already exists in Litmos. The account with this name goes into the observed state and is not linked here.
    /// The planner knows all links: it decides whether the account belongs to this person (created by hand, or by a request whose response
    /// was lost) or to another one.
    async fn adopt(&self, job: PersonJob, user_name: &str, refusal: Failure) -> Done {
        let permit = self.permit(job.class).await;
        match self.litmos.user_by_name(permit, user_name).await {
            Ok(found) if NormalName::of(&found.user_name) == NormalName::of(user_name) => {
                let effects = Effects {
                    accounts: account(&found, unix_ms()).into_iter().collect(),
                    ..Effects::default()
                };
                Done {
                    outcome: None,
                    ..self.close(job, effects, Outcome::done(Vec::new())).await
                }
            }
            // Litmos treats two user names as equal that Rollcall treats as different.
            Ok(_) => self.failed(job, Trouble::Litmos(refusal)).await,
            Err(failure) if failure.kind == FailureKind::Gone => {
                let trouble = match self.item_gone(failure).await {
                    Ok(_) => Trouble::Litmos(refusal),
                    Err(trouble) => trouble,
                };
                self.failed(job, trouble).await
            }
            Err(failure) => self.failed(job, Trouble::Litmos(failure)).await,
        }
    }

    pub(crate) async fn update(
        &self,
        permit: Permit,
        mut job: PersonJob,
        seen: Account,
        changes: &[AttributeChange],
        fresh: bool,
    ) -> Done {
        let mut learnt = Effects::default();
        let written = self.write_record(permit, &mut job, seen, changes, fresh, &mut learnt);
        match written.await {
            Ok((before, after)) => {
                let image = images::changed(&job.link.value.person, &before, &after);
                self.applied(job, Some(after), image.into_iter().collect()).await
            }
            Err(trouble) => self.failed_with(job, trouble, learnt).await,
        }
    }

    pub(crate) async fn cut_off(
        &self,
        permit: Permit,
        mut job: PersonJob,
        seen: Account,
        fresh: bool,
    ) -> Done {
        let change = [AttributeChange {
            attribute: Attribute::Active,
            from: "true".to_owned(),
            to: "false".to_owned(),
        }];
        // Set before the outcome of the cut-off is known: if recovery finds that it took effect, leaving the teams is next.
        job.link.value.leave_teams_due = true;
        let mut learnt = Effects::default();
        let written = self.write_record(permit, &mut job, seen, &change, fresh, &mut learnt);
        match written.await {
            Ok((before, after)) => {
                let image = before.active.then(|| Image::CutOff {
                    person: job.link.value.person.clone(),
                    account: after.id.clone(),
                });
                self.applied(job, Some(after), image.into_iter().collect()).await
            }
            Err(trouble) => self.failed_with(job, trouble, learnt).await,
        }
    }

    /// Removes an account from all its teams.
    pub(crate) async fn leave_teams(
        &self,
        permit: Permit,
        mut job: PersonJob,
        id: AccountId,
        teams: Vec<(TeamId, Option<GroupId>)>,
    ) -> Done {
        let class = job.class;
        let result = async {
            let intent = job.intent(self, &permit, IntentKind::LeaveTeams);
            self.open_person(intent, &mut job, Some(&id)).await?;
            match self.litmos.leave_all_teams(permit, id.as_str()).await {
                Ok(()) => Ok(true),
                Err(failure) if failure.kind == FailureKind::Gone => {
                    let none_left = self.teams_now(class, &id).await?.is_empty();
                    none_left.then_some(false).ok_or(Trouble::Litmos(failure))
                }
                Err(failure) => Err(failure.into()),
            }
        }
        .await;
        match result {
            Ok(by_us) => {
                let images = by_us.then(|| images::left(&job.link.value.person, &teams));
                job.link.value.leave_teams_due = false;
                person_setback(&mut job.link.value).over();
                let effects = Effects {
                    left: teams.into_iter().map(|(team, _)| (team, id.clone())).collect(),
                    ..Effects::default()
                };
                self.close(job, effects, Outcome::done(images.unwrap_or_default()))
                    .await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Reads a linked account that is missing in the observed state.
    pub(crate) async fn read(&self, permit: Permit, job: PersonJob, id: &AccountId) -> Done {
        match self.look_at_account(permit, id).await {
            Ok(found) => {
                let applied = job.link.value.applied_revision;
                let job = PersonJob {
                    revision: applied,
                    ..job
                };
                self.applied(job, Some(found), Vec::new()).await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Writes the record with these changes. Returns the record before and after the write. A record that was read again is written to the
    /// observed state first: recovery compares with it, and the next attempt need not read it again.
    async fn write_record(
        &self,
        permit: Permit,
        job: &mut PersonJob,
        seen: Account,
        changes: &[AttributeChange],
        fresh: bool,
        learnt: &mut Effects,
    ) -> Result<(Account, Account), Trouble> {
        // Single reads may have shown meanwhile that a record has more attributes than the list contains.
        let (permit, before) = if fresh && self.litmos.is_whole(&record(&seen)) {
            (permit, seen)
        } else {
            let there = self.look_at_account(permit, &seen.id).await?;
            self.learn(&there, learnt).await?;
            (self.permit(job.class).await, there)
        };
        let wanted = before.changed(changes);
        let failure = match self.put_record(permit, job, &wanted).await {
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Gone => failure,
            other => return other.map(|after| (before, after)),
        };
        let read = self.permit(job.class).await;
        let there = self.look_at_account(read, &wanted.id).await?;
        self.learn(&there, learnt).await?;
        let mut again = there.changed(changes);
        if again.manager == wanted.manager {
            if again.active {
                return Err(Trouble::Litmos(blaming(failure, Attribute::Manager.wire())));
            }
            again.manager = None;
        }
        let permit = self.permit(job.class).await;
        match self.put_record(permit, job, &again).await {
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Gone => {
                Err(Trouble::Litmos(blaming(failure, Attribute::Manager.wire())))
            }
            other => other.map(|after| (there, after)),
        }
    }

    async fn put_record(
        &self,
        permit: Permit,
        job: &mut PersonJob,
        wanted: &Account,
    ) -> Result<Account, Trouble> {
        let intent = Intent {
            name: Some(wanted.user_name.clone()),
            ..job.intent(self, &permit, IntentKind::Update)
        };
        self.open_person(intent, job, Some(&wanted.id)).await?;
        self.litmos.put_user(permit, &record(wanted)).await?;
        Ok(Account {
            as_of_ms: unix_ms(),
            ..wanted.clone()
        })
    }

    async fn learn(&self, there: &Account, learnt: &mut Effects) -> Result<(), Trouble> {
        learnt.accounts = vec![there.clone()];
        Ok(self.observed.write(learnt, unix_ms()).await?)
    }

    pub(crate) async fn open_person(
        &self,
        intent: Intent,
        job: &mut PersonJob,
        account: Option<&AccountId>,
    ) -> Result<(), Trouble> {
        job.link.value.intent = Some(Box::new(intent));
        if let Some(account) = account {
            link_account(&mut job.link.value, account);
        }
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_person(&mut job.link).await?;
        self.still_owner()
    }

    /// Ends an operation that succeeded, with the current account.
    pub(crate) async fn applied(
        &self,
        mut job: PersonJob,
        account: Option<Account>,
        images: Vec<Image>,
    ) -> Done {
        let link = &mut job.link.value;
        link.applied_revision = job.revision;
        link.parked = None;
        person_setback(link).over();
        if let Some(account) = &account {
            link_account(link, &account.id);
        }
        let effects = Effects {
            accounts: account.into_iter().collect(),
            ..Effects::default()
        };
        self.close(job, effects, Outcome::done(images)).await
    }

    /// Writes the observed state, then the link without its intent. In this order, a crash between the two writes costs one read and
    /// repeats no request.
    pub(crate) async fn close(&self, mut job: PersonJob, mut effects: Effects, outcome: Outcome) -> Done {
        job.link.value.intent = None;
        let subjects = job.subjects();
        let written = self.finish_person(&mut job, &mut effects).await;
        ended(subjects, effects, outcome, written).await
    }

    /// Writes the outcome of an operation on a person. A conflict means that the org has a new owner, which reads before it writes.
    async fn finish_person(&self, job: &mut PersonJob, effects: &mut Effects) -> Result<(), Trouble> {
        self.observed.write(effects, unix_ms()).await?;
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_person(&mut job.link).await?;
        effects
            .person_links
            .push((job.link.value.clone(), job.link.revision));
        Ok(())
    }

    pub(crate) async fn failed(&self, job: PersonJob, trouble: Trouble) -> Done {
        self.failed_with(job, trouble, Effects::default()).await
    }

    /// Ends an operation that failed, with the effects that are known.
    async fn failed_with(&self, mut job: PersonJob, trouble: Trouble, mut effects: Effects) -> Done {
        let subjects = job.subjects();
        let (failure, gone) = match self.weigh(trouble).await {
            Trouble::Litmos(failure) => (failure, false),
            Trouble::Gone(failure) => (failure, true),
            Trouble::Connection(failure) => {
                // The failure is not caused by this item, so it does not count as a failed attempt.
                if !failure.may_have_taken_effect() {
                    job.link.value.intent = None;
                }
                let written = self.finish_person(&mut job, &mut effects).await;
                return Done {
                    subjects,
                    effects,
                    outcome: None,
                    halt: written.err().and_then(|trouble| halt_of(&trouble)),
                };
            }
            trouble @ (Trouble::Stale | Trouble::Bus(_)) => return set_aside(subjects, &trouble).await,
        };
        let revision = job.revision;
        let link = &mut job.link.value;
        let ended = if gone {
            link.intent = None;
            link.leave_teams_due = false;
            link.custom.clear();
            effects.accounts.clear();
            effects.gone_accounts.extend(link.account.take());
            Some(Ended::Failed)
        } else {
            match sequel(&failure) {
                Sequel::Again => {
                    link.intent = None;
                    None
                }
                Sequel::Later => {
                    link.intent = None;
                    Some(person_setback(link).note(&failure, revision))
                }
                Sequel::Unknown => {
                    person_setback(link).note(&failure, revision);
                    None
                }
                Sequel::Park(code) => {
                    link.intent = None;
                    Some(person_setback(link).park(code, &failure, revision))
                }
            }
        };
        let written = self.finish_person(&mut job, &mut effects).await;
        let outcome = ended.filter(|_| written.is_ok());
        Done {
            subjects,
            effects,
            outcome: outcome.map(|ended| Outcome::not_done(ended, explain(&failure))),
            halt: written.err().and_then(|trouble| halt_of(&trouble)),
        }
    }
}

/// Links a person to an account. If the account is another one, the known custom fields are cleared.
pub(crate) fn link_account(link: &mut PersonLink, account: &AccountId) {
    if link.account.as_ref() != Some(account) {
        link.custom.clear();
        link.account = Some(account.clone());
    }
}
