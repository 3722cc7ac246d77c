//! Recovery of a request about one person.

use std::collections::{BTreeMap, BTreeSet};

use litmos::FailureKind;
use provisioning::{Account, AccountId, Intent, IntentKind, PersonLink, Revised, TeamId};
use rate_tokens::Class;

use super::{outcome, settle};
use crate::effects::Effects;
use crate::executor::custom_fields::{first_other, managed};
use crate::executor::people::{PersonJob, link_account};
use crate::executor::records::account;
use crate::executor::setback::person_setback;
use crate::executor::{Done, Executor, Trouble, images, unix_ms};

/// The known state of a person before the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownPerson {
    pub(crate) user_name: String,
    pub(crate) account: Option<Account>,
    /// Teams of the account.
    pub(crate) teams: BTreeSet<TeamId>,
    /// Desired values of the advanced custom fields.
    pub(crate) custom: BTreeMap<String, String>,
}

impl Executor {
    /// Finds out what became of a request about one person.
    pub(crate) async fn recover_person(
        &self,
        link: Revised<PersonLink>,
        intent: Intent,
        known: KnownPerson,
    ) -> Done {
        settle(intent.settled_at_ms).await;
        let job = PersonJob {
            operation: intent.operation,
            link,
            revision: intent.revision,
            class: Class::Normal,
            beside: Vec::new(),
        };
        match (intent.kind, job.link.value.account.clone()) {
            (IntentKind::LeaveTeams, Some(id)) => self.recover_leaving(job, &id, &known).await,
            (IntentKind::CustomFields, Some(id)) => self.recover_custom_fields(job, &id, &known).await,
            (
                IntentKind::Create
                | IntentKind::Update
                | IntentKind::LeaveTeams
                | IntentKind::Bulk
                | IntentKind::Members
                | IntentKind::CustomFields
                | IntentKind::Roles
                | IntentKind::DeleteTeam,
                id,
            ) => self.recover_account(job, id, &known).await,
        }
    }

    async fn recover_account(&self, job: PersonJob, id: Option<AccountId>, known: &KnownPerson) -> Done {
        let permit = self.permit(Class::Normal).await;
        let read = match &id {
            Some(id) => self.look_at_account(permit, id).await.map(Some),
            None => match self.litmos.user_by_name(permit, &known.user_name).await {
                Ok(found) => Ok(account(&found, unix_ms())),
                Err(failure) if failure.kind == FailureKind::Gone => {
                    self.item_gone(failure).await.map(|_| None)
                }
                Err(failure) => Err(failure.into()),
            },
        };
        match read {
            Ok(found) => {
                let differs =
                    |(before, after)| images::changed(&job.link.value.person, before, after).is_some();
                let known = known
                    .account
                    .as_ref()
                    .filter(|account| Some(&account.id) == id.as_ref());
                let effect = found.is_some() && known.zip(found.as_ref()).is_none_or(differs);
                self.recovered(job, found, Effects::default(), effect).await
            }
            Err(trouble) => self.unrecovered(job, trouble).await,
        }
    }

    async fn recover_leaving(&self, mut job: PersonJob, id: &AccountId, known: &KnownPerson) -> Done {
        match self.teams_now(Class::Normal, id).await {
            Ok(listed) => {
                let listed: BTreeSet<TeamId> = listed.into_iter().collect();
                let place = |team: &TeamId| (team.clone(), id.clone());
                let effects = Effects {
                    joined: listed.difference(&known.teams).map(place).collect(),
                    left: known.teams.difference(&listed).map(place).collect(),
                    ..Effects::default()
                };
                job.link.value.leave_teams_due &= !listed.is_empty();
                self.recovered(job, None, effects, listed.is_empty()).await
            }
            Err(trouble) => self.unrecovered(job, trouble).await,
        }
    }

    async fn recover_custom_fields(&self, mut job: PersonJob, id: &AccountId, known: &KnownPerson) -> Done {
        match self.custom_fields_now(Class::Normal, id).await {
            Ok(there) => {
                job.link.value.custom = managed(&known.custom, &there).into();
                let effect = first_other(&known.custom, &there).is_none();
                self.recovered(job, None, Effects::default(), effect).await
            }
            Err(trouble) => self.unrecovered(job, trouble).await,
        }
    }

    /// Ends a recovery. The observed state decides what is planned next, so no revision counts as applied.
    async fn recovered(
        &self,
        mut job: PersonJob,
        account: Option<Account>,
        mut effects: Effects,
        effect: bool,
    ) -> Done {
        let link = &mut job.link.value;
        if effect {
            link.parked = None;
            person_setback(link).over();
        }
        if let Some(account) = account {
            link_account(link, &account.id);
            effects.accounts.push(account);
        }
        self.close(job, effects, outcome(effect)).await
    }

    async fn unrecovered(&self, job: PersonJob, trouble: Trouble) -> Done {
        match trouble {
            Trouble::Gone(_) => self.failed(job, trouble).await,
            trouble @ (Trouble::Stale | Trouble::Bus(_) | Trouble::Litmos(_) | Trouble::Connection(_)) => {
                self.try_again_soon(job.subjects(), trouble).await
            }
        }
    }
}
