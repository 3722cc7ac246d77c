//! Operations on one person.

use std::collections::BTreeMap;

use litmos::{Failure, FailureKind, NewUser, UserRecord};
use provisioning::{
    Account, AccountId, Attribute, AttributeChange, Draft, Field, Intent, IntentKind, OperationId,
    PersonLink, RawAccount, Revised, Subject, TeamId,
};
use rate_tokens::{Class, Permit};

use super::{Done, Halt, Hands, Sequel, Trouble, person_setback, said, sequel, unix_ms};
use crate::effects::Effects;

/// The link of a person about to be acted on, and what for.
#[derive(Clone, Debug)]
pub(crate) struct PersonJob {
    pub(crate) operation: OperationId,
    pub(crate) link: Revised<PersonLink>,
    /// Roster revision that the operation makes true.
    pub(crate) revision: u64,
    pub(crate) class: Class,
}

/// Reads a user record as an account of ours.
pub(crate) fn account(record: &UserRecord, as_of_ms: u64) -> Option<Account> {
    let raw = RawAccount {
        id: &record.id,
        user_name: &record.user_name,
        active: record.active,
        access_level: record.access_level.as_deref(),
        manager: record.manager_id.as_deref(),
    };
    let fields = record
        .fields
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()));
    Account::read(raw, fields, as_of_ms).ok()
}

fn record(account: &Account) -> UserRecord {
    UserRecord {
        id: account.id.to_string(),
        user_name: account.user_name.clone(),
        active: account.active,
        access_level: account.access_level.map(|level| level.as_litmos().to_owned()),
        manager_id: account.manager.as_ref().map(ToString::to_string),
        fields: account
            .profile
            .iter()
            .map(|(field, value)| (field.wire().to_owned(), value.to_owned()))
            .collect(),
        ..UserRecord::default()
    }
}

fn new_user(draft: &Draft) -> NewUser {
    let mut fields: BTreeMap<String, String> = draft
        .profile
        .iter()
        .map(|(field, value)| (field.wire().to_owned(), value.to_owned()))
        .collect();
    fields
        .entry(Field::DisableMessages.wire().to_owned())
        .or_insert_with(|| "false".to_owned());
    let custom = !draft.user_name.contains('@');
    fields
        .entry(Field::IsCustomUsername.wire().to_owned())
        .or_insert_with(|| custom.to_string());
    NewUser {
        user_name: draft.user_name.clone(),
        active: true,
        access_level: draft.access_level.as_litmos().to_owned(),
        manager_id: draft.manager.as_ref().map(ToString::to_string),
        fields,
    }
}

impl Hands {
    pub(crate) async fn create(&self, permit: Permit, mut job: PersonJob, draft: &Draft) -> Done {
        let result = async {
            self.open_person(
                self.intent(&permit, &job.operation, IntentKind::Create, job.revision),
                &mut job,
                None,
            )
            .await?;
            Ok(self.litmos.create_user(permit, &new_user(draft)).await?)
        }
        .await;
        match result {
            Ok(made) => self.applied(job, account(&made, unix_ms())).await,
            Err(Trouble::Litmos(failure)) if matches!(failure.kind, FailureKind::Exists) => {
                self.adopt(job, &draft.user_name, failure).await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Litmos says that the user name is taken: it may be this person's account, made by hand or by a lost request.
    async fn adopt(&self, job: PersonJob, user_name: &str, refusal: Failure) -> Done {
        let permit = self.permit(job.class).await;
        match self.litmos.user_by_name(permit, user_name).await {
            Ok(found) => self.applied(job, account(&found, unix_ms())).await,
            Err(failure) if matches!(failure.kind, FailureKind::Gone) => {
                self.failed(job, Trouble::Litmos(refusal)).await
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
        let id = seen.id.clone();
        let result = async {
            let (permit, current) = self.current(permit, &job, seen, fresh).await?;
            let wanted = current.changed(changes);
            self.open_person(
                self.intent(&permit, &job.operation, IntentKind::Update, job.revision),
                &mut job,
                Some(&id),
            )
            .await?;
            self.litmos.put_user(permit, &record(&wanted)).await?;
            Ok(Account {
                as_of_ms: unix_ms(),
                ..wanted
            })
        }
        .await;
        match result {
            Ok(wanted) => self.applied(job, Some(wanted)).await,
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    pub(crate) async fn cut_off(
        &self,
        permit: Permit,
        mut job: PersonJob,
        seen: Account,
        fresh: bool,
    ) -> Done {
        let id = seen.id.clone();
        let change = [AttributeChange {
            attribute: Attribute::Active,
            from: "true".to_owned(),
            to: "false".to_owned(),
        }];
        let result = async {
            let (permit, current) = self.current(permit, &job, seen, fresh).await?;
            let wanted = current.changed(&change);
            self.open_person(
                self.intent(&permit, &job.operation, IntentKind::Update, job.revision),
                &mut job,
                Some(&id),
            )
            .await?;
            self.litmos.put_user(permit, &record(&wanted)).await?;
            Ok(Account {
                as_of_ms: unix_ms(),
                ..wanted
            })
        }
        .await;
        match result {
            Ok(wanted) => {
                job.link.value.leave_teams_due = true;
                self.applied(job, Some(wanted)).await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    pub(crate) async fn leave_teams(
        &self,
        permit: Permit,
        mut job: PersonJob,
        id: AccountId,
        teams: Vec<TeamId>,
    ) -> Done {
        let result = async {
            self.open_person(
                self.intent(&permit, &job.operation, IntentKind::LeaveTeams, job.revision),
                &mut job,
                Some(&id),
            )
            .await?;
            Ok(self.litmos.leave_all_teams(permit, id.as_str()).await?)
        }
        .await;
        match result {
            Ok(()) => {
                job.link.value.leave_teams_due = false;
                let left = teams.into_iter().map(|team| (team, id.clone())).collect();
                self.close(
                    job,
                    Effects {
                        left,
                        ..Effects::default()
                    },
                )
                .await
            }
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Reads a linked account that has not been seen since.
    pub(crate) async fn read(&self, permit: Permit, job: PersonJob, id: &AccountId) -> Done {
        match self.litmos.user(permit, id.as_str()).await {
            Ok(found) => {
                self.applied(
                    PersonJob {
                        revision: job.link.value.applied_revision,
                        ..job
                    },
                    account(&found, unix_ms()),
                )
                .await
            }
            Err(failure) => self.failed(job, Trouble::Litmos(failure)).await,
        }
    }

    /// The record to write back: as seen if that is fresh, else as it is now, with one more permit for the write.
    async fn current(
        &self,
        permit: Permit,
        job: &PersonJob,
        seen: Account,
        fresh: bool,
    ) -> Result<(Permit, Account), Trouble> {
        if fresh {
            return Ok((permit, seen));
        }
        let found = self.litmos.user(permit, seen.id.as_str()).await?;
        let current = account(&found, unix_ms()).unwrap_or(seen);
        Ok((self.permit(job.class).await, current))
    }

    async fn open_person(
        &self,
        intent: Intent,
        job: &mut PersonJob,
        account: Option<&AccountId>,
    ) -> Result<(), Trouble> {
        job.link.value.intent = Some(intent);
        if let Some(account) = account {
            job.link.value.account = Some(account.clone());
        }
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_person(&mut job.link).await?;
        self.still_owner()
    }

    /// Litmos did it, and this is the account now.
    pub(crate) async fn applied(&self, mut job: PersonJob, account: Option<Account>) -> Done {
        let link = &mut job.link.value;
        link.applied_revision = job.revision;
        (link.attempts, link.next_try_ms) = (0, 0);
        (link.last_error, link.parked) = (None, None);
        if let Some(account) = &account {
            link.account = Some(account.id.clone());
        }
        self.close(
            job,
            Effects {
                accounts: account.into_iter().collect(),
                ..Effects::default()
            },
        )
        .await
    }

    /// Writes what was seen, then the link without its intent: in this order a crash between them costs a read, not a repeat.
    async fn close(&self, mut job: PersonJob, mut effects: Effects) -> Done {
        job.link.value.intent = None;
        let subjects = vec![Subject::Person(job.link.value.person.clone())];
        let written = async {
            self.observed.write(&effects, unix_ms()).await?;
            self.close_person(&mut job.link, &mut effects).await
        }
        .await;
        Done {
            subjects,
            effects,
            outcome: None,
            halt: written.err().and_then(|trouble| halt_of(&trouble)),
        }
    }

    pub(crate) async fn failed(&self, mut job: PersonJob, trouble: Trouble) -> Done {
        let subjects = vec![Subject::Person(job.link.value.person.clone())];
        let failure = match trouble {
            Trouble::Litmos(failure) => failure,
            Trouble::Stale => {
                // The watch will bring what somebody else wrote; planning before it has would fail the same way.
                tokio::time::sleep(super::STALE_PAUSE).await;
                return Done {
                    subjects,
                    ..Done::default()
                };
            }
            Trouble::Bus(_) => {
                return Done {
                    subjects,
                    halt: halt_of(&trouble),
                    ..Done::default()
                };
            }
        };
        let revision = job.revision;
        let mut effects = Effects::default();
        let mut halt = None;
        let link = &mut job.link.value;
        match sequel(&failure) {
            Sequel::Again => link.intent = None,
            Sequel::Later => {
                link.intent = None;
                person_setback(link).note(&failure, revision);
            }

            Sequel::Unknown => person_setback(link).note(&failure, revision),
            Sequel::Park(code) => {
                link.intent = None;
                person_setback(link).park(code, &failure, revision);
            }
            Sequel::Gone => {
                link.intent = None;
                link.leave_teams_due = false;
                effects.gone_accounts.extend(link.account.take());
            }
            Sequel::Halt => {
                link.intent = None;
                halt = Some(Halt::Credentials { said: said(&failure) });
            }
        }
        let written = async {
            self.observed.write(&effects, unix_ms()).await?;
            self.close_person(&mut job.link, &mut effects).await
        }
        .await;
        let halt = halt.or_else(|| written.err().and_then(|trouble| halt_of(&trouble)));
        Done {
            subjects,
            effects,
            outcome: None,
            halt,
        }
    }
}

pub(crate) fn halt_of(trouble: &Trouble) -> Option<Halt> {
    match trouble {
        Trouble::Bus(error) => Some(Halt::Bus {
            said: error.to_string(),
        }),
        Trouble::Stale | Trouble::Litmos(_) => None,
    }
}
