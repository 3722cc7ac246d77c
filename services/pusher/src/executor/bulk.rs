//! Bulk import: one request for up to 2,000 people. Litmos answers with a job, and the executor polls it until it ends.
//!
//! The record of the job in the links bucket names its people. After a crash, the next owner of the org continues to poll if the job id is
//! known. Otherwise it searches the recent jobs of Litmos for this one. In both cases the request is not sent again before the last one has
//! ended.

use std::collections::BTreeMap;
use std::time::Duration;

use litmos::{BulkJob as JobState, BulkRow as WireRow, Failure, JobCounts, JobWord};
use provisioning::{
    Account, AccountId, Attribute, BulkJob, BulkRow, Ended, Field, GroupId, Image, Intent, IntentKind,
    NormalName, OperationId, ParkCode, Parked, PersonId, PersonLink, Revised, Subject, TeamId,
    cost::READ_BACK_ROWS,
};
use rate_tokens::{Class, Permit};

use super::imports::shows_all;
use super::leavers::InImport;
use super::people::link_account;
use super::records::account;
use super::setback::{Sequel, bounded, explain, person_setback, sequel};
use super::{Done, Executor, Outcome, Trouble, images, set_aside, unix_ms};
use crate::effects::Effects;

/// Pauses between polls of a job. The last one repeats.
pub(crate) const POLL_PAUSES: [Duration; 5] = [
    Duration::from_millis(1_200),
    Duration::from_millis(2_000),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// Polls after which the executor stops waiting for a job: about an hour.
const POLLS_MAX: usize = 240;

/// Time before the date of the job from which new accounts are read, in case two clocks of Litmos differ.
pub(crate) const SINCE_MARGIN_MS: u64 = 120_000;

/// Most pages of new accounts that are read for one job. More pages mean that another import outside Rollcall is running.
const READ_BACK_PAGES_MAX: u32 = 50;

/// The data of a bulk import, taken from the state when the operation was chosen.
#[derive(Clone, Debug)]
pub(crate) struct BulkPlan {
    pub(crate) operation: OperationId,
    pub(crate) rows: Vec<BulkRow>,
    pub(crate) links: Vec<Revised<PersonLink>>,
    /// Observed accounts of the rows that change an existing account.
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    /// Teams of the groups in the rows, with their codes.
    pub(crate) teams: BTreeMap<GroupId, (TeamId, String)>,
}

fn wire(row: &BulkRow, teams: &BTreeMap<GroupId, (TeamId, String)>) -> WireRow {
    let fields = row
        .profile
        .iter()
        .filter_map(|(field, value)| field.bulk().map(|name| (name.to_owned(), value.to_owned())))
        .collect();
    WireRow {
        user_name: row.user_name.clone(),
        fields,
        access_level: row.access_level.map(|level| level.bulk_code().to_owned()),
        manager: row.manager.as_ref().map(ToString::to_string),
        teams: row
            .groups
            .iter()
            .filter_map(|group| teams.get(group))
            .map(|(_, code)| code.clone())
            .collect(),
    }
}

impl Executor {
    pub(crate) async fn bulk(&self, permit: Permit, mut plan: BulkPlan) -> Done {
        let rows: Vec<WireRow> = plan.rows.iter().map(|row| wire(row, &plan.teams)).collect();
        let sent = async {
            let mut job = self
                .open_bulk(
                    self.intent(&permit, &plan.operation, IntentKind::Bulk, 0),
                    &mut plan,
                )
                .await?;
            let made = self.litmos.bulk_import(permit, &rows).await?;
            job.job = Some(made.id.clone());
            self.links.put_job(&job).await?;
            Ok((made.id, job.sent_at_ms))
        }
        .await;
        match sent {
            Ok((job, sent_at_ms)) => self.see_through(plan, &job, sent_at_ms).await,
            Err(trouble) => self.bulk_failed(plan, trouble, false).await,
        }
    }

    async fn open_bulk(&self, intent: Intent, plan: &mut BulkPlan) -> Result<BulkJob, Trouble> {
        let job = BulkJob {
            operation: plan.operation.clone(),
            job: None,
            people: plan.rows.iter().map(|row| row.person.clone()).collect(),
            sent_at_ms: unix_ms(),
            settled_at_ms: intent.settled_at_ms,
        };
        self.links.put_job(&job).await?;
        for (link, row) in plan.links.iter_mut().zip(&plan.rows) {
            link.value.intent = Some(Box::new(Intent {
                revision: row.revision,
                name: Some(row.user_name.clone()),
                ..intent.clone()
            }));
            if let Some(account) = &row.account {
                link_account(&mut link.value, account);
            }
            link.value.changed_at_ms = unix_ms();
        }
        self.links.write_people(&mut plan.links).await?;
        self.still_owner()?;
        Ok(job)
    }

    /// Waits for the end of the job and writes its outcome.
    async fn see_through(&self, mut plan: BulkPlan, job: &str, sent_at_ms: u64) -> Done {
        let names: Vec<String> = plan.rows.iter().map(|row| row.user_name.clone()).collect();
        let rows = &plan.rows;
        let mut people = InImport::new(&mut plan.links, &names);
        let result = async {
            let waiting = self.imports.wait_begins();
            let over = self.wait_for(job, &mut people).await?;
            let over_at_ms = unix_ms();
            drop(waiting);
            let refused = self.refused_rows(&over).await?;
            let new = rows.iter().filter(|row| row.account.is_none());
            let new: Vec<NormalName> = new.map(|row| NormalName::of(&row.user_name)).collect();
            let since_ms = over.import_date_ms.unwrap_or(sent_at_ms);
            Ok((refused, self.read_together(since_ms, over_at_ms, &new).await?))
        }
        .await;
        let cut = people.cut;
        match result {
            Ok((refused, made)) => self.close_bulk(plan, &refused, &made, &cut).await,
            Err(trouble) => self.bulk_failed(plan, trouble, true).await,
        }
    }

    /// Polls until the job has ended, by its status word or by its counts. Cuts off leavers of the import meanwhile.
    pub(crate) async fn wait_for(&self, job: &str, people: &mut InImport<'_>) -> Result<JobState, Trouble> {
        let mut last = None;
        for poll in 0..POLLS_MAX {
            self.sleep_beside(POLL_PAUSES[poll.min(POLL_PAUSES.len() - 1)], people)
                .await?;
            let permit = self.permit(Class::Normal).await;
            match self.litmos.bulk_job(permit, job).await {
                Ok(state) => {
                    if state.word() == JobWord::Unknown && self.gate.unknown_word(&state.status) {
                        tracing::warn!(
                            word = state.status,
                            "Litmos used an unknown word for a bulk import; its counts decide when it is over"
                        );
                    }
                    let still = last.as_ref() == Some(&state);
                    let full = match state.counts() {
                        JobCounts::Full => true,
                        JobCounts::PerhapsFull => still,
                        JobCounts::Open => false,
                    };
                    if full || state.word() == JobWord::Over {
                        return Ok(state);
                    }
                    last = Some(state);
                }
                Err(failure) => match self.weigh(Trouble::Litmos(failure)).await {
                    Trouble::Litmos(failure) if matches!(sequel(&failure), Sequel::Park(_)) => {
                        return Err(Trouble::Litmos(failure));
                    }
                    // While the gate is closed, the loop waits for the next permit.
                    Trouble::Litmos(_) | Trouble::Connection(_) => {
                        tracing::debug!(job, "poll of a bulk job failed, going on");
                    }
                    other => return Err(other),
                },
            }
            self.still_owner()?;
        }
        Err(Trouble::Stale)
    }

    /// Error messages of the rows that Litmos refused, by user name.
    async fn refused_rows(&self, job: &JobState) -> Result<BTreeMap<NormalName, String>, Trouble> {
        let mut refused = BTreeMap::new();
        let mut start = 0;
        while start < job.failed {
            let permit = self.permit(Class::Normal).await;
            let page = self.litmos.bulk_errors(permit, &job.id, start).await?;
            if page.is_empty() {
                break;
            }
            start += u32::try_from(page.len()).unwrap_or(u32::MAX);
            refused.extend(
                page.into_iter()
                    .map(|error| (NormalName::of(&error.user_name), error.message)),
            );
        }
        Ok(refused)
    }

    /// Reads back the accounts of this import together with those of other finished imports, unless another import has read them already.
    async fn read_together(
        &self,
        since_ms: u64,
        over_at_ms: u64,
        wanted: &[NormalName],
    ) -> Result<BTreeMap<NormalName, Account>, Trouble> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.imports.want(wanted);
        self.imports.others_are_over().await;
        let mut read = self.imports.read().await;
        let result = if shows_all(&read, wanted, over_at_ms) {
            Ok(())
        } else {
            let all = self.imports.wanted();
            self.read_back(since_ms, &all).await.map(|found| *read = found)
        };
        self.imports.done(wanted);
        result?;
        let named = wanted
            .iter()
            .filter_map(|name| Some((name.clone(), read.get(name)?.clone())));
        Ok(named.collect())
    }

    /// Reads accounts created since the job, until all wanted ones are found or the list ends.
    pub(crate) async fn read_back(
        &self,
        since_ms: u64,
        wanted: &[NormalName],
    ) -> Result<BTreeMap<NormalName, Account>, Trouble> {
        let mut found = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let limit = u32::try_from(READ_BACK_ROWS).unwrap_or(1_000);
        for page in 0..READ_BACK_PAGES_MAX {
            let permit = self.permit(Class::Normal).await;
            let since = Some(since_ms.saturating_sub(SINCE_MARGIN_MS));
            let asked_at_ms = unix_ms();
            let records = self
                .litmos
                .list_users_details(permit, since, page * limit, limit)
                .await?;
            let count = records.len();
            for record in &records {
                if let Some(account) = account(record, asked_at_ms) {
                    found.insert(NormalName::of(&account.user_name), account);
                }
            }
            if count < READ_BACK_ROWS || wanted.iter().all(|name| found.contains_key(name)) {
                break;
            }
        }
        Ok(found)
    }

    async fn close_bulk(
        &self,
        mut plan: BulkPlan,
        refused: &BTreeMap<NormalName, String>,
        made: &BTreeMap<NormalName, Account>,
        cut: &BTreeMap<PersonId, Account>,
    ) -> Done {
        let now = unix_ms();
        let mut effects = Effects::default();
        let mut images = Vec::new();
        for (link, row) in plan.links.iter_mut().zip(&plan.rows) {
            let name = NormalName::of(&row.user_name);
            link.value.intent = None;
            link.value.changed_at_ms = now;
            self.imports.forget_leaver(&row.person);
            let cut = cut.get(&row.person);
            if let Some(cut) = cut {
                images.push(Image::CutOff {
                    person: row.person.clone(),
                    account: cut.id.clone(),
                });
            }
            if let Some(words) = refused.get(&name) {
                link.value.parked = Some(Box::new(refused_by_bulk(words, row.revision, now)));
                effects.accounts.extend(cut.cloned());
                continue;
            }
            let before = row.account.as_ref().and_then(|id| plan.accounts.get(id));
            let account = match &row.account {
                None => made
                    .get(&name)
                    .map(|made| made.clone().or_as_written(&row.profile)),
                Some(_) => before.map(|seen| after_row(seen, row, now, self.fresh_ms)),
            };
            // Litmos may have processed the row before or after the cut-off.
            let account = match (account, cut) {
                (Some(account), Some(cut)) if account.id == cut.id => Some(Account {
                    active: false,
                    whole: false,
                    ..account
                }),
                (account, cut) => account.or_else(|| cut.cloned()),
            };
            // Not found although the row was not refused. It is planned again, and a single create will show the reason.
            let Some(account) = account else { continue };
            link_account(&mut link.value, &account.id);
            link.value.applied_revision = row.revision;
            link.value.parked = None;
            person_setback(&mut link.value).over();
            images.extend(row_images(row, before, &account));
            let teams = row.groups.iter().filter_map(|group| plan.teams.get(group));
            effects
                .joined
                .extend(teams.map(|(team, _)| (team.clone(), account.id.clone())));
            effects.accounts.push(account);
        }
        let outcome = bulk_outcome(images, refused);
        self.finish_bulk(plan, effects, Some(outcome)).await
    }

    async fn finish_bulk(&self, mut plan: BulkPlan, mut effects: Effects, outcome: Option<Outcome>) -> Done {
        let subjects = subjects(&plan);
        let written = async {
            self.observed.write(&effects, unix_ms()).await?;
            self.links.write_people(&mut plan.links).await?;
            self.links.drop_job(&plan.operation).await?;
            Ok::<(), Trouble>(())
        }
        .await;
        if let Err(trouble) = written {
            return set_aside(subjects, &trouble).await;
        }
        effects.person_links = plan
            .links
            .into_iter()
            .map(|link| (link.value, link.revision))
            .collect();
        Done {
            subjects,
            effects,
            outcome,
            halt: None,
        }
    }

    /// Ends a bulk import that failed. `accepted` means that Litmos accepted the import, but its outcome could not be read.
    async fn bulk_failed(&self, mut plan: BulkPlan, trouble: Trouble, accepted: bool) -> Done {
        let trouble = self.weigh(trouble).await;
        let of_connection = matches!(trouble, Trouble::Connection(_));
        let failure: Failure = match trouble {
            Trouble::Litmos(failure) | Trouble::Gone(failure) | Trouble::Connection(failure) => failure,
            Trouble::Stale | Trouble::Bus(_) => return set_aside(subjects(&plan), &trouble).await,
        };
        let what = if of_connection {
            Sequel::Again
        } else {
            sequel(&failure)
        };
        // The import is not sent again before the last one has ended. Recovery continues with the job.
        if matches!(what, Sequel::Again) && (accepted || of_connection && failure.may_have_taken_effect()) {
            return Done {
                subjects: subjects(&plan),
                ..Done::default()
            };
        }
        if matches!(what, Sequel::Unknown) {
            return self.bulk_unknown(plan, &failure).await;
        }
        let mut ended = None;
        for (link, row) in plan.links.iter_mut().zip(&plan.rows) {
            link.value.intent = None;
            match what {
                Sequel::Again => {}
                Sequel::Later | Sequel::Unknown | Sequel::Park(_) => {
                    ended = Some(person_setback(&mut link.value).note(&failure, row.revision));
                }
            }
        }
        let outcome = ended.map(|ended| Outcome::not_done(ended, explain(&failure)));
        self.finish_bulk(plan, Effects::default(), outcome).await
    }

    /// Ends a bulk import whose outcome is unknown. The intents stay, because the job may be running. Recovery searches for the job after
    /// the intent has settled.
    async fn bulk_unknown(&self, mut plan: BulkPlan, failure: &Failure) -> Done {
        let subjects = subjects(&plan);
        for (link, row) in plan.links.iter_mut().zip(&plan.rows) {
            person_setback(&mut link.value).note(failure, row.revision);
        }
        let written = self.links.write_people(&mut plan.links).await;
        if let Err(error) = written {
            return set_aside(subjects, &error.into()).await;
        }
        let links = plan.links.into_iter().map(|link| (link.value, link.revision));
        Done {
            subjects,
            effects: Effects {
                person_links: links.collect(),
                ..Effects::default()
            },
            ..Done::default()
        }
    }
}

/// Journal entries for one row, compared with the account before it.
fn row_images(row: &BulkRow, before: Option<&Account>, after: &Account) -> Vec<Image> {
    let person = &row.person;
    let own = match before {
        None => Some(Image::Created {
            person: person.clone(),
            account: after.id.clone(),
        }),
        Some(before) => images::changed(person, before, after),
    };
    let joined = row.groups.iter().map(|group| Image::Joined {
        group: group.clone(),
        person: person.clone(),
    });
    own.into_iter().chain(joined).collect()
}

/// The outcome of a bulk import. It is done if at least one row had an effect. Refused rows are in the message, and each is parked on its
/// link.
fn bulk_outcome(images: Vec<Image>, refused: &BTreeMap<NormalName, String>) -> Outcome {
    let message = refused.values().next().map(|words| {
        bounded(&format!(
            "{} rows were refused, the first with: {words}",
            refused.len()
        ))
    });
    match message {
        Some(message) if images.is_empty() => Outcome::not_done(Ended::Parked, message),
        message => Outcome {
            message,
            ..Outcome::done(images)
        },
    }
}

fn subjects(plan: &BulkPlan) -> Vec<Subject> {
    let people = plan.rows.iter().map(|row| Subject::Person(row.person.clone()));
    people.collect()
}

/// The account after a row of a completed job: with the values of the row, and with notification mail switched on. The job shows no other
/// attributes, so a record that was too old before stays unfit to be written back.
fn after_row(seen: &Account, row: &BulkRow, now_ms: u64, fresh_ms: u64) -> Account {
    let mut account = seen.clone();
    let row_values = row.profile.iter().filter(|(_, value)| !value.is_empty());
    for (field, value) in [(Field::DisableMessages, "false")].into_iter().chain(row_values) {
        account.profile.set(field, value);
        account.unseen.remove(Attribute::Profile(field));
    }
    if row.access_level.is_some() {
        account.unseen.remove(Attribute::AccessLevel);
    }
    if row.manager.is_some() {
        account.unseen.remove(Attribute::Manager);
    }
    account.access_level = row.access_level.or(account.access_level);
    account.manager = row.manager.clone().or(account.manager);
    account.whole &= now_ms.saturating_sub(seen.as_of_ms) <= fresh_ms;
    account.as_of_ms = now_ms;
    account
}

fn refused_by_bulk(words: &str, revision: u64, at_ms: u64) -> Parked {
    Parked {
        code: ParkCode::RejectedByLitmos,
        attribute: None,
        message: bounded(words),
        remedy: "Correct it at the source; the change is sent again by itself.".to_owned(),
        revision,
        at_ms,
    }
}
