//! What became of a bulk import.

use provisioning::{BulkJob, Intent, IntentKind, NormalName, OperationId, PersonLink, Revised, Subject};
use rate_tokens::Class;

use super::{outcome, settle};
use crate::effects::Effects;
use crate::hands::bulk::SINCE_MARGIN_MS;
use crate::hands::people::tie;
use crate::hands::setback::person_setback;
use crate::hands::{Done, Hands, Trouble, halt_of, unix_ms};

impl Hands {
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
            Err(trouble) => return self.try_again_soon(subjects, trouble).await,
        };
        let mut effects = Effects::default();
        for (link, name) in &mut links {
            link.value.intent = None;
            link.value.changed_at_ms = unix_ms();
            if job.job.is_some() {
                link.value.parked = None;
                person_setback(&mut link.value).over();
            }
            if let Some(account) = found.get(&NormalName::of(name)) {
                tie(&mut link.value, &account.id);
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
                    outcome: Some(outcome(job.job.is_some())),
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
        let since_ms = job.sent_at_ms.saturating_sub(SINCE_MARGIN_MS);
        let ours = recent.into_iter().filter(|recent| recent.total_records == size);
        Ok(ours
            .filter(|recent| recent.import_date_ms.is_none_or(|date| date >= since_ms))
            .map(|recent| recent.id)
            .next())
    }
}

/// The operation whose intent a link carries, if it is a bulk import.
pub(crate) fn bulk_operation(intent: &Intent) -> Option<&OperationId> {
    matches!(intent.kind, IntentKind::Bulk).then_some(&intent.operation)
}
