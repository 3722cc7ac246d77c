//! Operations on one team.

use litmos::{Failure, FailureKind, TeamRecord};
use provisioning::{
    AccountId, GroupLink, Intent, IntentKind, NormalName, OperationId, ParkCode, Revised, Subject, Team,
    TeamId,
};
use rate_tokens::{Class, Permit};

use super::people::halt_of;
use super::{Done, Halt, Hands, STALE_PAUSE, Sequel, Setback, Trouble, said, sequel, unix_ms};
use crate::effects::Effects;

/// The link of a group about to be acted on, and what for.
#[derive(Clone, Debug)]
pub(crate) struct GroupJob {
    pub(crate) operation: OperationId,
    pub(crate) link: Revised<GroupLink>,
    pub(crate) revision: u64,
}

fn group_setback(link: &mut GroupLink) -> Setback<'_> {
    Setback {
        attempts: &mut link.attempts,
        next_try_ms: &mut link.next_try_ms,
        last_error: &mut link.last_error,
        parked: &mut link.parked,
    }
}

/// Reads a team record as a team of ours.
pub(crate) fn team(record: &TeamRecord, as_of_ms: u64) -> Option<Team> {
    Some(Team {
        id: TeamId::parse(&record.id).ok()?,
        name: record.name.clone(),
        description: record.description.clone(),
        parent: record.parent_id.as_deref().map(TeamId::parse).transpose().ok()?,
        bulk_code: record.bulk_code.clone(),
        as_of_ms,
    })
}

impl Hands {
    pub(crate) async fn create_team(&self, permit: Permit, mut job: GroupJob, name: &str) -> Done {
        let result = async {
            self.open_group(
                self.intent(&permit, &job.operation, IntentKind::Create, job.revision),
                &mut job,
            )
            .await?;
            Ok(self.litmos.create_team(permit, name, "", None).await?)
        }
        .await;
        match result {
            Ok(made) => self.team_applied(job, team(&made, unix_ms())).await,
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Exists => {
                self.adopt_team(job, name, failure).await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    /// Litmos says that the name is taken: it may be this group's team, made by hand or by a lost request.
    async fn adopt_team(&self, job: GroupJob, name: &str, refusal: Failure) -> Done {
        let permit = self.permit(Class::Normal).await;
        let wanted = NormalName::of(name);
        match self.litmos.find_teams(permit, name).await {
            Ok(found) => {
                let same: Vec<&TeamRecord> = found
                    .iter()
                    .filter(|record| NormalName::of(&record.name) == wanted)
                    .collect();
                match same.as_slice() {
                    [only] => self.team_applied(job, team(only, unix_ms())).await,
                    _ => self.team_failed(job, Trouble::Litmos(refusal)).await,
                }
            }
            Err(failure) => self.team_failed(job, Trouble::Litmos(failure)).await,
        }
    }

    pub(crate) async fn rename_team(
        &self,
        permit: Permit,
        mut job: GroupJob,
        seen: Team,
        name: &str,
    ) -> Done {
        let record = TeamRecord {
            id: seen.id.to_string(),
            name: name.to_owned(),
            description: seen.description.clone(),
            parent_id: seen.parent.as_ref().map(ToString::to_string),
            bulk_code: seen.bulk_code.clone(),
        };
        let result = async {
            self.open_group(
                self.intent(&permit, &job.operation, IntentKind::Update, job.revision),
                &mut job,
            )
            .await?;
            Ok(self.litmos.put_team(permit, &record).await?)
        }
        .await;
        match result {
            // The code for bulk imports may have changed with the name, so the old one is forgotten.
            Ok(()) => {
                let renamed = Team {
                    name: name.to_owned(),
                    bulk_code: String::new(),
                    as_of_ms: unix_ms(),
                    ..seen
                };
                self.team_applied(job, Some(renamed)).await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    pub(crate) async fn add_members(
        &self,
        permit: Permit,
        mut job: GroupJob,
        team: TeamId,
        accounts: Vec<AccountId>,
    ) -> Done {
        let ids: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let result = async {
            self.open_group(
                self.intent(&permit, &job.operation, IntentKind::Members, job.revision),
                &mut job,
            )
            .await?;
            Ok(self.litmos.add_members(permit, team.as_str(), &ids).await?)
        }
        .await;
        match result {
            Ok(()) => {
                let joined = accounts
                    .into_iter()
                    .map(|account| (team.clone(), account))
                    .collect();
                self.close_group(
                    job,
                    Effects {
                        joined,
                        ..Effects::default()
                    },
                )
                .await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    pub(crate) async fn remove_member(
        &self,
        permit: Permit,
        mut job: GroupJob,
        team: TeamId,
        account: AccountId,
    ) -> Done {
        let result = async {
            self.open_group(
                self.intent(&permit, &job.operation, IntentKind::Members, job.revision),
                &mut job,
            )
            .await?;
            match self
                .litmos
                .remove_member(permit, team.as_str(), account.as_str())
                .await
            {
                // Not a member any more is what was wanted.
                Err(failure) if matches!(sequel(&failure), Sequel::Gone) => Ok(()),
                other => Ok(other?),
            }
        }
        .await;
        match result {
            Ok(()) => {
                self.close_group(
                    job,
                    Effects {
                        left: vec![(team, account)],
                        ..Effects::default()
                    },
                )
                .await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    async fn open_group(&self, intent: Intent, job: &mut GroupJob) -> Result<(), Trouble> {
        job.link.value.intent = Some(intent);
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_group(&mut job.link).await?;
        self.still_owner()
    }

    pub(crate) async fn team_applied(&self, mut job: GroupJob, team: Option<Team>) -> Done {
        let link = &mut job.link.value;
        link.applied_revision = job.revision;
        if let Some(team) = &team {
            link.team = Some(team.id.clone());
        }
        self.close_group(
            job,
            Effects {
                teams: team.into_iter().collect(),
                ..Effects::default()
            },
        )
        .await
    }

    pub(crate) async fn close_group(&self, mut job: GroupJob, mut effects: Effects) -> Done {
        let link = &mut job.link.value;
        link.intent = None;
        (link.attempts, link.next_try_ms) = (0, 0);
        (link.last_error, link.parked) = (None, None);
        let subjects = vec![Subject::Group(link.group.clone())];
        let written = self.finish_group(&mut job, &mut effects).await;
        Done {
            subjects,
            effects,
            outcome: None,
            halt: written.err().and_then(|trouble| halt_of(&trouble)),
        }
    }

    async fn finish_group(&self, job: &mut GroupJob, effects: &mut Effects) -> Result<(), Trouble> {
        self.observed.write(effects, unix_ms()).await?;
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_group(&mut job.link).await?;
        effects
            .group_links
            .push((job.link.value.clone(), job.link.revision));
        Ok(())
    }

    pub(crate) async fn team_failed(&self, mut job: GroupJob, trouble: Trouble) -> Done {
        let subjects = vec![Subject::Group(job.link.value.group.clone())];
        let failure: Failure = match trouble {
            Trouble::Litmos(failure) => failure,
            Trouble::Stale => {
                tokio::time::sleep(STALE_PAUSE).await;
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
                group_setback(link).note(&failure, revision);
            }
            Sequel::Unknown => group_setback(link).note(&failure, revision),
            Sequel::Park(code) => {
                link.intent = None;
                let code = if code == ParkCode::UserNameTaken {
                    ParkCode::TeamNameAmbiguous
                } else {
                    code
                };
                group_setback(link).park(code, &failure, revision);
            }
            Sequel::Gone => {
                link.intent = None;
                effects.gone_teams.extend(link.team.take());
            }
            Sequel::Halt => {
                link.intent = None;
                halt = Some(Halt::Credentials { said: said(&failure) });
            }
        }
        let written = self.finish_group(&mut job, &mut effects).await;
        let halt = halt.or_else(|| written.err().and_then(|trouble| halt_of(&trouble)));
        Done {
            subjects,
            effects,
            outcome: None,
            halt,
        }
    }
}
