//! One full import: users, teams, the members of each team with their roles, and then the removal of what no longer exists.

mod conclusion;
mod members;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use bus::{Bus, BusError, Change, Expect, ObservedKey, ObservedValue, Tokens, Write, WriteError};
use litmos::{Client, Failure, FailureKind, Scope, UserRecord};
use provisioning::{Account, ImportPhase, ImportReport, ImportRun, ImportTally, Team};
use rate_tokens::{Class, Permit, RETRY_AFTER_MAX};
use settings::Org;

use crate::state::{self, Before, put};
use service::records::{account, team};

/// Number of rows in one page: the most that Litmos returns.
const PAGE: u32 = 1_000;

/// Attempts at one page. Most failures are temporary. After a refusal for the limit, the governor waits.
const ATTEMPTS: u32 = 8;

/// Shortest pause requested by Litmos that is reported.
const PAUSE_TOLD: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("a page could not be read")]
    Litmos(#[source] Failure),
    #[error("the observed state could not be written")]
    Write(#[from] WriteError),
    #[error("the observed state could not be read")]
    Bus(#[from] BusError),
    /// All pages were read, but too many linked accounts were in none of them.
    #[error(
        "{lost} of {linked} linked accounts were not in what Litmos listed, which is more than {percent} %: nothing was \
         concluded from it. See in Litmos whether they are really gone; if so: rollcall import --accept-losses",
        percent = conclusion::LOSSES_PERCENT
    )]
    Losses { lost: usize, linked: usize },
}

/// An import run of one org.
pub(crate) struct Import<'a> {
    bus: &'a Bus,
    org: &'a Org,
    tokens: &'a Tokens,
    litmos: &'a Client,
    class: Class,
    /// Accept that everything missing from Litmos was really deleted.
    accept_losses: bool,
}

fn now_ms() -> u64 {
    chassis::clock::unix_ms()
}

impl<'a> Import<'a> {
    pub(crate) fn new(
        bus: &'a Bus,
        org: &'a Org,
        tokens: &'a Tokens,
        litmos: &'a Client,
        class: Class,
        accept_losses: bool,
    ) -> Import<'a> {
        Import {
            bus,
            org,
            tokens,
            litmos,
            class,
            accept_losses,
        }
    }

    /// Runs the import, or continues an interrupted one at the page that it had reached.
    pub(crate) async fn run(&self) -> Result<ImportRun, ImportError> {
        let earlier = state::last_run(self.bus, &self.org.id).await?;
        // The reason of the last pause stays until a read succeeds.
        let paused = earlier.as_ref().and_then(|run| run.paused.clone());
        let mut run = earlier
            .filter(ImportRun::is_running)
            .unwrap_or_else(|| ImportRun {
                id: uuid::Uuid::now_v7().to_string(),
                phase: ImportPhase::Users { start: 0 },
                calls: 0,
                started_at_ms: now_ms(),
                changed_at_ms: now_ms(),
                paused,
                report: ImportReport::default(),
            });
        tracing::info!(org.id = %self.org.id, import.id = run.id, "importing");
        self.note(&mut run).await?;
        let before = state::before(self.bus, &self.org.id).await;
        let result = self.go_on(&mut run, &before).await;
        if let Err(error) = &result {
            let paused = match error {
                ImportError::Litmos(failure) => Some(self.why_paused(&mut run, failure).await),
                ImportError::Losses { .. } | ImportError::Write(_) | ImportError::Bus(_) => None,
            };
            let of_connection = matches!(paused, Some((_, true)));
            if !of_connection && let Some(reason) = ends_the_run(error) {
                run.phase = ImportPhase::Failed { reason };
            }
            run.paused = paused.map(|(message, _)| message);
            self.note(&mut run).await?;
        }
        result?;
        tracing::info!(org.id = %self.org.id, import.id = run.id, calls = run.calls, "imported");
        Ok(run)
    }

    async fn go_on(&self, run: &mut ImportRun, before: &Before) -> Result<(), ImportError> {
        if let ImportPhase::Users { start } = run.phase {
            self.users(run, before, start).await?;
        }
        if let ImportPhase::Teams { start } = run.phase {
            self.teams(run, before, start).await?;
        }
        let mut read = BTreeSet::new();
        if let ImportPhase::Members { team, start } = run.phase {
            read = self.members(run, team, start).await?;
        }
        self.conclude(run, &read).await
    }

    async fn permit(&self) -> Permit {
        self.tokens.acquire(&self.org.id, self.class, "importer").await
    }

    /// Sends the request until it succeeds or fails permanently.
    async fn answer<T, F>(&self, run: &mut ImportRun, ask: impl Fn(Permit) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            run.calls += 1;
            match ask(self.permit().await).await {
                Err(failure)
                    if passes(&failure)
                        && self.litmos.scope(&failure) == Scope::Item
                        && attempt < ATTEMPTS =>
                {
                    self.note_refusal(run, &failure).await;
                }
                Ok(answer) => {
                    run.paused = None;
                    return Ok(answer);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Stores a pause that Litmos requested, if it is long enough to be noticed.
    async fn note_refusal(&self, run: &mut ImportRun, failure: &Failure) {
        if let FailureKind::RateLimited {
            retry_after: Some(after),
        } = failure.kind
            && after >= PAUSE_TOLD
        {
            let minutes = after.min(RETRY_AFTER_MAX).as_secs().div_ceil(60);
            run.paused = Some(format!(
                "Litmos asked for a pause of {minutes} min (Retry-After); the import goes on by itself"
            ));
            // This is only for display, so a failure does not matter.
            let _ = self.note(run).await;
        }
    }

    /// Returns why a run is paused, and whether the fault affects the whole connection.
    async fn why_paused(&self, run: &mut ImportRun, failure: &Failure) -> (String, bool) {
        match self.litmos.scope(failure) {
            Scope::Connection => (failure.connection_words(), true),
            Scope::Item => (
                format!("the import waits: {failure}; it is tried again by itself"),
                false,
            ),
            Scope::Doubtful => {
                run.calls += 1;
                match self.litmos.probe(self.permit().await).await {
                    Ok(()) if failure.kind == FailureKind::Forbidden => {
                        let message = "the API key may not read everything that an import needs (403); use the key of an \
                                    Account Owner";
                        (message.to_owned(), false)
                    }
                    Ok(()) => (
                        format!("the import waits: {failure}; it is tried again by itself"),
                        false,
                    ),
                    Err(probe) => (probe.connection_words(), true),
                }
            }
        }
    }

    /// Stores the progress of the run.
    async fn note(&self, run: &mut ImportRun) -> Result<(), ImportError> {
        run.changed_at_ms = now_ms();
        let key = ObservedKey::Import(self.org.id.clone());
        let change = Change::Put(ObservedValue::Import(run.clone()));
        self.bus
            .observed()
            .write(Write {
                key,
                expect: Expect::Any,
                change,
            })
            .await?;
        Ok(())
    }

    async fn users(&self, run: &mut ImportRun, before: &Before, start: u32) -> Result<(), ImportError> {
        let (mut start, mut first) = (start, true);
        loop {
            let asked_at_ms = now_ms();
            let mut records = self
                .answer(run, |permit| {
                    self.litmos.list_users_details(permit, None, start, PAGE)
                })
                .await
                .map_err(ImportError::Litmos)?;
            // A page may be short without being the last one. Only an empty page is the end.
            if records.is_empty() {
                break;
            }
            if std::mem::take(&mut first) {
                self.learn_shape(run, &mut records).await?;
            }
            start += u32::try_from(records.len()).unwrap_or(PAGE).min(PAGE);
            self.take_users(run, before, &records, asked_at_ms).await?;
            run.phase = ImportPhase::Users { start };
            self.note(run).await?;
        }
        run.phase = if self.org.import_groups {
            ImportPhase::Teams { start: 0 }
        } else {
            ImportPhase::Complete
        };
        if self.org.import_groups {
            self.note(run).await
        } else {
            Ok(())
        }
    }

    /// Reads one of the listed accounts by itself, to learn which fields a whole record has. Lists may show fewer.
    async fn learn_shape(&self, run: &mut ImportRun, records: &mut [UserRecord]) -> Result<(), ImportError> {
        let Some(id) = records.first().map(|record| record.id.clone()) else {
            return Ok(());
        };
        match self.answer(run, |permit| self.litmos.user(permit, &id)).await {
            Ok(_) => {}
            Err(failure) if self.litmos.scope(&failure) == Scope::Connection => {
                return Err(ImportError::Litmos(failure));
            }
            // The account may have been deleted in the meantime. Then the import uses what is known about records.
            Err(failure) => tracing::debug!(%failure, "an account could not be read alone"),
        }
        for record in records {
            record.whole &= self.litmos.is_whole(record);
        }
        Ok(())
    }

    async fn take_users(
        &self,
        run: &mut ImportRun,
        before: &Before,
        records: &[UserRecord],
        asked_at_ms: u64,
    ) -> Result<(), ImportError> {
        let mut writes = Vec::with_capacity(records.len());
        for record in records {
            let Some(account) = account(record, asked_at_ms) else {
                tracing::warn!(org.id = %self.org.id, "an account with an invalid id was skipped");
                continue;
            };
            let known = before.accounts.get(&account.id);
            // Attributes that the list does not show keep their earlier values.
            let account = match known {
                Some(known) => account.or_as_known(&known.value),
                None => account,
            };
            tally(
                &mut run.report.users,
                known.map(|known| same_account(&known.value, &account)),
            );
            if known.is_none_or(|known| known.value.as_of_ms <= asked_at_ms) {
                let key = ObservedKey::Account(self.org.id.clone(), account.id.clone());
                writes.push(put(
                    key,
                    known.map(|known| known.revision),
                    ObservedValue::Account(Box::new(account)),
                ));
            }
        }
        Ok(state::write_page(&self.bus.observed(), writes).await?)
    }

    async fn teams(&self, run: &mut ImportRun, before: &Before, start: u32) -> Result<(), ImportError> {
        let mut start = start;
        loop {
            let asked_at_ms = now_ms();
            let records = self
                .answer(run, |permit| self.litmos.list_teams(permit, start, PAGE))
                .await
                .map_err(ImportError::Litmos)?;
            if records.is_empty() {
                break;
            }
            start += u32::try_from(records.len()).unwrap_or(PAGE).min(PAGE);
            let mut writes = Vec::with_capacity(records.len());
            for mut team in records.iter().filter_map(|record| team(record, asked_at_ms)) {
                let known = before.teams.get(&team.id);
                // Lists do not show descriptions, so the description that was read before stays.
                team.description = team
                    .description
                    .or_else(|| known.and_then(|known| known.value.description.clone()));
                tally(
                    &mut run.report.groups,
                    known.map(|known| same_team(&known.value, &team)),
                );
                if known.is_none_or(|known| known.value.as_of_ms <= asked_at_ms) {
                    let key = ObservedKey::Team(self.org.id.clone(), team.id.clone());
                    writes.push(put(
                        key,
                        known.map(|known| known.revision),
                        ObservedValue::Team(team),
                    ));
                }
            }
            state::write_page(&self.bus.observed(), writes).await?;
            run.phase = ImportPhase::Teams { start };
            self.note(run).await?;
        }
        run.phase = ImportPhase::Members { team: 0, start: 0 };
        self.note(run).await
    }
}

fn passes(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Void
        | FailureKind::RateLimited { .. }
        | FailureKind::Retry
        | FailureKind::NotSent
        | FailureKind::Unknown
        | FailureKind::Broken => true,
        FailureKind::Exists | FailureKind::Rejected { .. } | FailureKind::Gone | FailureKind::Credentials => {
            false
        }
        FailureKind::NoSuchCall | FailureKind::Forbidden | FailureKind::Redirected => false,
    }
}

/// The reason why this error ends the run; `None` if the run can continue from the page that it had reached.
fn ends_the_run(error: &ImportError) -> Option<String> {
    match error {
        ImportError::Losses { .. } => Some(error.to_string()),
        ImportError::Litmos(failure) => match failure.kind {
            FailureKind::Credentials
            | FailureKind::Forbidden
            | FailureKind::Redirected
            | FailureKind::Gone
            | FailureKind::NoSuchCall
            | FailureKind::Rejected { .. } => Some(failure.to_string()),
            FailureKind::Void
            | FailureKind::RateLimited { .. }
            | FailureKind::Exists
            | FailureKind::Retry
            | FailureKind::NotSent
            | FailureKind::Unknown
            | FailureKind::Broken => None,
        },
        ImportError::Write(_) | ImportError::Bus(_) => None,
    }
}

fn tally(tally: &mut ImportTally, same: Option<bool>) {
    tally.scanned += 1;
    match same {
        None => tally.new += 1,
        Some(true) => tally.unchanged += 1,
        Some(false) => tally.updated += 1,
    }
}

fn same_account(a: &Account, b: &Account) -> bool {
    Account {
        as_of_ms: 0,
        ..a.clone()
    } == Account {
        as_of_ms: 0,
        ..b.clone()
    }
}

fn same_team(a: &Team, b: &Team) -> bool {
    Team {
        as_of_ms: 0,
        ..a.clone()
    } == Team {
        as_of_ms: 0,
        ..b.clone()
    }
}
