//! After a crash, a time-out or a lost reply: wait until nothing can take effect any more, then read what is there.
//!
//! Recovery writes nothing to Litmos. It ends with the intent gone and the observed state true; what is still missing
//! is planned again like everything else.

use provisioning::{
    BulkJob, GroupLink, Intent, IntentKind, NormalName, OperationId, PersonLink, Revised, Subject,
};
use rate_tokens::Class;

use super::people::{PersonJob, account, halt_of};
use super::teams::{GroupJob, team};
use super::{Done, Hands, Sequel, Trouble, sequel, unix_ms};
use crate::effects::Effects;

/// Rows of one page of members.
const MEMBERS_PAGE: u32 = 1_000;

/// Most pages of members that are read of one team.
const MEMBER_PAGES_MAX: u32 = 200;

async fn settle(until_ms: u64) {
    let wait = until_ms.saturating_sub(unix_ms());
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
}

impl Hands {
    /// Finds out what became of a request about one person.
    pub(crate) async fn recover_person(
        &self,
        link: Revised<PersonLink>,
        intent: Intent,
        user_name: String,
    ) -> Done {
        settle(intent.settled_at_ms).await;
        let job = PersonJob {
            operation: intent.operation,
            link,
            revision: intent.revision,
            class: Class::Normal,
        };
        let permit = self.permit(Class::Normal).await;
        let read = match &job.link.value.account {
            Some(id) => self.litmos.user(permit, id.as_str()).await,
            None => self.litmos.user_by_name(permit, &user_name).await,
        };
        match read {
            Ok(found) => {
                // What the account is now decides what is planned next; the revision counts as applied only then.
                let applied = job.link.value.applied_revision;
                self.applied(
                    PersonJob {
                        revision: applied,
                        ..job
                    },
                    account(&found, unix_ms()),
                )
                .await
            }
            Err(failure) if matches!(sequel(&failure), Sequel::Gone) => {
                self.failed(job, Trouble::Litmos(failure)).await
            }
            Err(failure) => {
                self.try_again_soon(vec![Subject::Person(job.link.value.person)], &failure)
                    .await
            }
        }
    }

    /// Finds out what became of a request about one group.
    pub(crate) async fn recover_group(
        &self,
        link: Revised<GroupLink>,
        intent: Intent,
        name: String,
        taken: Vec<String>,
    ) -> Done {
        settle(intent.settled_at_ms).await;
        let subjects = vec![Subject::Group(link.value.group.clone())];
        let job = GroupJob {
            operation: intent.operation.clone(),
            link,
            revision: intent.revision,
        };
        let result = match (intent.kind, job.link.value.team.clone()) {
            (IntentKind::Members, Some(id)) => self.members_now(&id).await,
            (_, Some(id)) => {
                let permit = self.permit(Class::Normal).await;
                self.litmos.team(permit, id.as_str()).await.map(|record| Effects {
                    teams: team(&record, unix_ms()).into_iter().collect(),
                    ..Effects::default()
                })
            }
            (_, None) => {
                let permit = self.permit(Class::Normal).await;
                self.litmos.find_teams(permit, &name).await.map(|records| {
                    let wanted = NormalName::of(&name);
                    let ours = records.iter().filter(|record| {
                        NormalName::of(&record.name) == wanted && !taken.contains(&record.id)
                    });
                    Effects {
                        teams: ours.filter_map(|record| team(record, unix_ms())).collect(),
                        ..Effects::default()
                    }
                })
            }
        };
        match result {
            Ok(effects) => self.close_group(job, effects).await,
            Err(failure) if matches!(sequel(&failure), Sequel::Gone) => {
                self.team_failed(job, Trouble::Litmos(failure)).await
            }
            Err(failure) => self.try_again_soon(subjects, &failure).await,
        }
    }

    /// The members of a team as Litmos lists them, which is the active ones.
    async fn members_now(&self, id: &provisioning::TeamId) -> Result<Effects, litmos::Failure> {
        let mut effects = Effects::default();
        for page in 0..MEMBER_PAGES_MAX {
            let permit = self.permit(Class::Normal).await;
            let members = self
                .litmos
                .team_members(permit, id.as_str(), page * MEMBERS_PAGE, MEMBERS_PAGE)
                .await?;
            let count = members.len();
            let accounts = members
                .iter()
                .filter_map(|member| provisioning::AccountId::parse(&member.id).ok());
            effects
                .joined
                .extend(accounts.map(|account| (id.clone(), account)));
            if count < MEMBERS_PAGE as usize {
                break;
            }
        }
        Ok(effects)
    }

    /// Finds out what became of a bulk import whose sender is gone.
    pub(crate) async fn recover_bulk(
        &self,
        mut job: BulkJob,
        mut links: Vec<(Revised<PersonLink>, String)>,
    ) -> Done {
        let subjects: Vec<Subject> = links
            .iter()
            .map(|(link, _)| Subject::Person(link.value.person.clone()))
            .collect();
        let found = async {
            if job.job.is_none() {
                settle(job.settled_at_ms).await;
                job.job = self.find_job(&job).await?;
            }
            let since_ms = match &job.job {
                None => return Ok(Default::default()),
                Some(id) => self.wait_for(id).await?.import_date_ms.unwrap_or(job.sent_at_ms),
            };
            let new = links.iter().filter(|(link, _)| link.value.account.is_none());
            let names: Vec<NormalName> = new.map(|(_, name)| NormalName::of(name)).collect();
            self.read_back(since_ms, &names).await
        }
        .await;
        let found = match found {
            Ok(found) => found,
            Err(Trouble::Litmos(failure)) => return self.try_again_soon(subjects, &failure).await,
            Err(trouble) => {
                return Done {
                    subjects,
                    halt: halt_of(&trouble),
                    ..Done::default()
                };
            }
        };
        let mut effects = Effects::default();
        for (link, name) in &mut links {
            link.value.intent = None;
            link.value.changed_at_ms = unix_ms();
            if let Some(account) = found.get(&NormalName::of(name)) {
                link.value.account = Some(account.id.clone());
                effects.accounts.push(account.clone());
            }
        }
        let mut links: Vec<Revised<PersonLink>> = links.into_iter().map(|(link, _)| link).collect();
        let written = async {
            self.observed.write(&effects, unix_ms()).await?;
            self.links.write_people(&mut links).await?;
            self.links.drop_job(&job.operation).await?;
            Ok::<(), Trouble>(())
        }
        .await;
        match written {
            Ok(()) => {
                effects.person_links = links
                    .into_iter()
                    .map(|link| (link.value, link.revision))
                    .collect();
                Done {
                    subjects,
                    effects,
                    outcome: None,
                    halt: None,
                }
            }
            Err(trouble) => Done {
                subjects,
                halt: halt_of(&trouble),
                ..Done::default()
            },
        }
    }

    /// Looks among the recent jobs for one of this size, made since ours was sent.
    async fn find_job(&self, job: &BulkJob) -> Result<Option<String>, Trouble> {
        let permit = self.permit(Class::Normal).await;
        let recent = self.litmos.bulk_jobs(permit).await?;
        let size = u32::try_from(job.people.len()).unwrap_or(u32::MAX);
        let since_ms = job.sent_at_ms.saturating_sub(super::bulk::SINCE_MARGIN_MS);
        let ours = recent.into_iter().filter(|recent| recent.total_records == size);
        Ok(ours
            .filter(|recent| recent.import_date_ms.is_none_or(|date| date >= since_ms))
            .map(|recent| recent.id)
            .next())
    }

    /// Reading failed: the intent stays, and recovery is tried again after a pause.
    async fn try_again_soon(&self, subjects: Vec<Subject>, failure: &litmos::Failure) -> Done {
        tracing::warn!(error = %failure, "could not read what became of a request, trying again");
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        Done {
            subjects,
            ..Done::default()
        }
    }
}

/// The operation whose intent a link carries, if it is a bulk import.
pub(crate) fn bulk_operation(intent: &Intent) -> Option<&OperationId> {
    matches!(intent.kind, IntentKind::Bulk).then_some(&intent.operation)
}
