//! Recovery of a bulk import.

use provisioning::{
    Account, BulkJob, Intent, IntentKind, NormalName, OperationId, PersonLink, Revised, Subject,
};
use rate_tokens::Class;

use super::{outcome, settle};
use crate::effects::Effects;
use crate::executor::bulk::SINCE_MARGIN_MS;
use crate::executor::leavers::InImport;
use crate::executor::people::link_account;
use crate::executor::setback::person_setback;
use crate::executor::{Done, Executor, Trouble, halt_of, unix_ms};

impl Executor {
    /// Finds out what became of a bulk import that an earlier owner or a failed operation left unfinished.
    pub(crate) async fn recover_bulk(
        &self,
        mut job: BulkJob,
        links: Vec<(Revised<PersonLink>, String)>,
    ) -> Done {
        let (mut links, names): (Vec<Revised<PersonLink>>, Vec<String>) = links.into_iter().unzip();
        let subjects: Vec<Subject> = links
            .iter()
            .map(|link| Subject::Person(link.value.person.clone()))
            .collect();
        let new = links
            .iter()
            .zip(&names)
            .filter(|(link, _)| link.value.account.is_none());
        let new: Vec<NormalName> = new.map(|(_, name)| NormalName::of(name)).collect();
        let mut people = InImport::new(&mut links, &names);
        let found = async {
            if job.job.is_none() {
                settle(job.settled_at_ms).await;
                job.job = self.find_job(&job).await?;
            }
            let since_ms = match &job.job {
                None => return Ok(Default::default()),
                Some(id) => {
                    let over = self.wait_for(id, &mut people).await?;
                    over.import_date_ms.unwrap_or(job.sent_at_ms)
                }
            };
            self.read_back(since_ms, &new).await
        }
        .await;
        let cut = people.cut;
        let found = match found {
            Ok(found) => found,
            Err(trouble) => return self.try_again_soon(subjects, trouble).await,
        };
        let mut effects = Effects::default();
        for (link, name) in links.iter_mut().zip(&names) {
            self.imports.forget_leaver(&link.value.person);
            link.value.intent = None;
            link.value.changed_at_ms = unix_ms();
            if job.job.is_some() {
                link.value.parked = None;
                person_setback(&mut link.value).over();
            }
            let found = found.get(&NormalName::of(name)).cloned();
            let found = match cut.get(&link.value.person) {
                Some(cut) => Some(Account {
                    active: false,
                    whole: false,
                    ..found.unwrap_or_else(|| cut.clone())
                }),
                None => found,
            };
            if let Some(account) = found {
                link_account(&mut link.value, &account.id);
                effects.accounts.push(account);
            }
        }
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

    /// Searches the recent jobs of Litmos for one with the same number of rows, created since the request was sent.
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

/// The operation of an intent, if it is a bulk import.
pub(crate) fn bulk_operation(intent: &Intent) -> Option<&OperationId> {
    matches!(intent.kind, IntentKind::Bulk).then_some(&intent.operation)
}
