//! One full import: users, teams, members of each team, and then what is not there any more.

use bus::{Bus, BusError, Change, Expect, ObservedKey, ObservedValue, TeamMember, Tokens, Write, WriteError};
use litmos::{Client, Failure, FailureKind, TeamRecord, UserRecord};
use provisioning::{
    Account, AccountId, ImportPhase, ImportReport, ImportRun, ImportTally, RawAccount, Roles, Team, TeamId,
};
use rate_tokens::{Class, Permit};
use settings::Org;

use crate::state::{self, Before, delete, put};

/// Rows of one page: the most that Litmos gives.
const PAGE: u32 = 1_000;

/// Attempts at one page. Faults pass; a refusal for the limit is waited out by the governor.
const ATTEMPTS: u32 = 8;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("a page could not be read")]
    Litmos(#[source] Failure),
    #[error("the observed state could not be written")]
    Write(#[from] WriteError),
    #[error("the observed state could not be read")]
    Bus(#[from] BusError),
}

/// A run over one org.
pub(crate) struct Import<'a> {
    bus: &'a Bus,
    org: &'a Org,
    tokens: &'a Tokens,
    litmos: &'a Client,
    class: Class,
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
    ) -> Import<'a> {
        Import {
            bus,
            org,
            tokens,
            litmos,
            class,
        }
    }

    /// Reads everything, from where a run that was cut short had come to.
    pub(crate) async fn run(&self) -> Result<ImportRun, ImportError> {
        let earlier = state::last_run(self.bus, &self.org.id)
            .await?
            .filter(ImportRun::is_running);
        let mut run = earlier.unwrap_or_else(|| ImportRun {
            id: uuid::Uuid::now_v7().to_string(),
            phase: ImportPhase::Users { start: 0 },
            calls: 0,
            started_at_ms: now_ms(),
            changed_at_ms: now_ms(),
            report: ImportReport::default(),
        });
        tracing::info!(org.id = %self.org.id, import.id = run.id, "importing");
        self.note(&mut run).await?;
        let before = state::before(self.bus, &self.org.id).await;
        let result = self.go_on(&mut run, &before).await;
        if let Err(ImportError::Litmos(failure)) = &result
            && matches!(
                failure.kind,
                FailureKind::Credentials | FailureKind::Gone | FailureKind::Rejected { .. }
            )
        {
            run.phase = ImportPhase::Failed {
                reason: failure.to_string(),
            };
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
        if let ImportPhase::Members { team, start } = run.phase {
            self.members(run, team, start).await?;
        }
        self.conclude(run).await
    }

    async fn permit(&self) -> Permit {
        self.tokens.acquire(&self.org.id, self.class, "importer").await
    }

    /// Writes down how far the run has come.
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
        let mut start = start;
        loop {
            let asked_at_ms = now_ms();
            let mut page = Err(None);
            for _ in 0..ATTEMPTS {
                run.calls += 1;
                let permit = self.permit().await;
                match self.litmos.list_users_details(permit, None, start, PAGE).await {
                    Ok(records) => {
                        page = Ok(records);
                        break;
                    }
                    Err(failure) if passes(&failure) => page = Err(Some(failure)),
                    Err(failure) => return Err(ImportError::Litmos(failure)),
                }
            }
            let records = page.map_err(last_failure)?;
            // A page may be short without being the last; only an empty one is the end.
            if records.is_empty() {
                break;
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
                tracing::warn!(org.id = %self.org.id, "an account has an id that cannot be one and was left out");
                continue;
            };
            let known = before.accounts.get(&account.id);
            tally(
                &mut run.report.users,
                known.map(|known| same_account(&known.value, &account)),
            );
            if known.is_none_or(|known| known.value.as_of_ms <= asked_at_ms) {
                let key = ObservedKey::Account(self.org.id.clone(), account.id.clone());
                writes.push(put(
                    key,
                    known.map(|known| known.revision),
                    ObservedValue::Account(account),
                ));
            }
        }
        Ok(state::write_page(&self.bus.observed(), writes).await?)
    }

    async fn teams(&self, run: &mut ImportRun, before: &Before, start: u32) -> Result<(), ImportError> {
        let mut start = start;
        loop {
            let asked_at_ms = now_ms();
            let mut page = Err(None);
            for _ in 0..ATTEMPTS {
                run.calls += 1;
                let permit = self.permit().await;
                match self.litmos.list_teams(permit, start, PAGE).await {
                    Ok(records) => {
                        page = Ok(records);
                        break;
                    }
                    Err(failure) if passes(&failure) => page = Err(Some(failure)),
                    Err(failure) => return Err(ImportError::Litmos(failure)),
                }
            }
            let records = page.map_err(last_failure)?;
            if records.is_empty() {
                break;
            }
            start += u32::try_from(records.len()).unwrap_or(PAGE).min(PAGE);
            let mut writes = Vec::with_capacity(records.len());
            for mut team in records.iter().filter_map(|record| team(record, asked_at_ms)) {
                let known = before.teams.get(&team.id);
                // Lists do not show descriptions: what was read of one stays known.
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

    async fn members(&self, run: &mut ImportRun, first: u32, start: u32) -> Result<(), ImportError> {
        let now = state::before(self.bus, &self.org.id).await;
        let teams: Vec<&TeamId> = now.teams.keys().collect();
        let mut start = start;
        for (at, id) in teams.iter().enumerate().skip(first as usize) {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            loop {
                let asked_at_ms = now_ms();
                let mut page = Err(None);
                for _ in 0..ATTEMPTS {
                    run.calls += 1;
                    let permit = self.permit().await;
                    match self.litmos.team_members(permit, id.as_str(), start, PAGE).await {
                        Ok(members) => {
                            page = Ok(members);
                            break;
                        }
                        // The team went away since the list was read; the next run sees that it is gone.
                        Err(failure) if failure.kind == FailureKind::Gone => {
                            page = Ok(Vec::new());
                            break;
                        }
                        Err(failure) if passes(&failure) => page = Err(Some(failure)),
                        Err(failure) => return Err(ImportError::Litmos(failure)),
                    }
                }
                let members = page.map_err(last_failure)?;
                let count = u32::try_from(members.len()).unwrap_or(PAGE);
                let mut writes = Vec::with_capacity(members.len());
                for account in members
                    .iter()
                    .filter_map(|member| AccountId::parse(&member.id).ok())
                {
                    let known = now.members.get(&((*id).clone(), account.clone()));
                    if known.is_none_or(|known| known.value <= asked_at_ms) {
                        let key =
                            ObservedKey::TeamMember(self.org.id.clone(), (*id).clone(), account.clone());
                        let member = TeamMember {
                            team: (*id).clone(),
                            account,
                            roles: Roles::NONE,
                            as_of_ms: asked_at_ms,
                        };
                        writes.push(put(
                            key,
                            known.map(|known| known.revision),
                            ObservedValue::TeamMember(member),
                        ));
                    }
                }
                state::write_page(&self.bus.observed(), writes).await?;
                start += count;
                if count < PAGE {
                    break;
                }
                run.phase = ImportPhase::Members { team: at, start };
                self.note(run).await?;
            }
            start = 0;
            run.phase = ImportPhase::Members {
                team: at + 1,
                start: 0,
            };
            self.note(run).await?;
        }
        Ok(())
    }

    /// Everything was read: what was not seen since the run began is not there any more.
    async fn conclude(&self, run: &mut ImportRun) -> Result<(), ImportError> {
        let now = state::before(self.bus, &self.org.id).await;
        let since = run.started_at_ms;
        let org = &self.org.id;
        let mut writes = Vec::new();
        for known in now.accounts.values().filter(|known| known.value.as_of_ms < since) {
            writes.push(delete(
                ObservedKey::Account(org.clone(), known.value.id.clone()),
                known.revision,
            ));
            run.report.users.removed += 1;
        }
        if self.org.import_groups {
            for known in now.teams.values().filter(|known| known.value.as_of_ms < since) {
                writes.push(delete(
                    ObservedKey::Team(org.clone(), known.value.id.clone()),
                    known.revision,
                ));
                run.report.groups.removed += 1;
            }
            for ((team, account), known) in now.members.iter().filter(|(_, known)| known.value < since) {
                // Litmos lists active members only: of an inactive one nothing is known.
                if now.accounts.get(account).is_none_or(|known| known.value.active) {
                    writes.push(delete(
                        ObservedKey::TeamMember(org.clone(), team.clone(), account.clone()),
                        known.revision,
                    ));
                }
            }
        }
        state::write_page(&self.bus.observed(), writes).await?;
        let there = now
            .accounts
            .values()
            .filter(|known| known.value.as_of_ms >= since)
            .map(|known| &known.value);
        let (linked, to_be_matched, unmanaged) = state::piles(self.bus, org, there).await;
        (run.report.linked, run.report.to_be_matched, run.report.unmanaged) =
            (linked, to_be_matched, unmanaged);
        run.phase = ImportPhase::Complete;
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
    }
}

fn last_failure(failure: Option<Failure>) -> ImportError {
    ImportError::Litmos(failure.unwrap_or(Failure {
        kind: FailureKind::Unknown,
        call: "import",
        status: None,
        said: "no attempt was made".to_owned(),
        permit_id: None,
    }))
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

fn account(record: &UserRecord, as_of_ms: u64) -> Option<Account> {
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
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Account::read(raw, fields, as_of_ms).ok()
}

fn team(record: &TeamRecord, as_of_ms: u64) -> Option<Team> {
    Some(Team {
        id: TeamId::parse(&record.id).ok()?,
        name: record.name.clone(),
        description: record.description.clone(),
        parent: record.parent_id.as_deref().map(TeamId::parse).transpose().ok()?,
        bulk_code: record.bulk_code.clone(),
        as_of_ms,
    })
}
