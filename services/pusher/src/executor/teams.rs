//! Operations on one team: create, change and delete.

use litmos::{Failure, FailureKind};
use provisioning::{
    AccountId, Ended, GroupLink, Image, Intent, IntentKind, NormalName, OperationId, ParkCode, Revised,
    Subject, Team, TeamId, ValueChange,
};
use rate_tokens::{Class, Permit};

use super::records::{team, team_record};
use super::setback::{Sequel, explain, group_setback, sequel};
use super::{Done, Executor, Outcome, Trouble, ended, halt_of, set_aside, unix_ms};
use crate::effects::Effects;

/// An operation on one group, with the group's link.
#[derive(Clone, Debug)]
pub(crate) struct GroupJob {
    pub(crate) operation: OperationId,
    pub(crate) link: Revised<GroupLink>,
    pub(crate) revision: u64,
}

/// A team to create.
#[derive(Clone, Debug)]
pub(crate) struct TeamDraft {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parent: Option<TeamId>,
    /// Teams of this name that belong to other groups.
    pub(crate) taken: Vec<TeamId>,
}

impl Executor {
    pub(crate) async fn create_team(&self, permit: Permit, mut job: GroupJob, draft: TeamDraft) -> Done {
        let TeamDraft {
            name,
            description,
            parent,
            taken,
        } = draft;
        let result = async {
            // A team that the link still names no longer exists.
            job.link.value.team = None;
            let intent = Intent {
                name: Some(name.clone()),
                ..self.intent(&permit, &job.operation, IntentKind::Create, job.revision)
            };
            self.open_group(intent, &mut job).await?;
            let parent = parent.as_ref().map(TeamId::as_str);
            let sent = self.litmos.create_team(permit, &name, &description, parent);
            Ok(sent.await?)
        }
        .await;
        match result {
            Ok(made) => {
                let made = team(&made, unix_ms()).map(|made| Team {
                    description: made.description.or(Some(description)),
                    parent: made.parent.or(parent),
                    ..made
                });
                let image = made.as_ref().map(|made| Image::TeamMade {
                    group: job.link.value.group.clone(),
                    team: made.id.clone(),
                });
                self.team_applied(job, made, image.into_iter().collect()).await
            }
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Exists => {
                self.adopt_team(job, &name, &taken, failure).await
            }
            Err(Trouble::Litmos(failure)) if failure.kind == FailureKind::Gone => {
                self.not_made_below(job, parent, failure).await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    /// Handles a team name that already exists in Litmos: the team may belong to this group, created by hand or by a request whose response
    /// was lost.
    async fn adopt_team(&self, job: GroupJob, name: &str, taken: &[TeamId], refusal: Failure) -> Done {
        let permit = self.permit(Class::Normal).await;
        let wanted = NormalName::of(name);
        match self.litmos.find_teams(permit, name).await {
            Ok(found) => {
                let same = found
                    .iter()
                    .filter(|record| NormalName::of(&record.name) == wanted);
                let free: Vec<Team> = same
                    .filter_map(|record| team(record, unix_ms()))
                    .filter(|team| !taken.contains(&team.id))
                    .collect();
                match free.as_slice() {
                    [only] => self.team_applied(job, Some(only.clone()), Vec::new()).await,
                    _ => self.team_failed(job, Trouble::Litmos(refusal)).await,
                }
            }
            Err(failure) => self.team_failed(job, Trouble::Litmos(failure)).await,
        }
    }

    /// Handles a 404 to a create: the parent team may be missing. If it is, the observed state is updated, and the parent's own group
    /// creates it again.
    async fn not_made_below(&self, job: GroupJob, parent: Option<TeamId>, failure: Failure) -> Done {
        let mut effects = Effects::default();
        if let Some(parent) = parent {
            match self.look_at_team(&parent).await {
                Ok(there) => effects.teams.push(there),
                Err(Trouble::Gone(_)) => effects.gone_teams.push(parent),
                Err(trouble) => return self.team_failed(job, trouble).await,
            }
        }
        self.team_failed_with(job, Trouble::Litmos(failure), effects)
            .await
    }

    /// Changes the name or description of a team. Litmos writes the whole record, so an unknown description is read first, with the permit
    /// of this operation.
    pub(crate) async fn amend_team(
        &self,
        permit: Permit,
        mut job: GroupJob,
        seen: Team,
        name: Option<String>,
        description: Option<String>,
    ) -> Done {
        let id = seen.id.clone();
        let described = description.is_some();
        let mut learnt = Effects::default();
        let result = async {
            let (permit, before) = if seen.description.is_some() {
                (permit, seen)
            } else {
                let there = self.look_at_team_with(permit, &id).await?;
                // Recovery compares with this record.
                learnt.teams.push(there.clone());
                self.observed.write(&learnt, unix_ms()).await?;
                (self.permit(Class::Normal).await, there)
            };
            let wanted = Team {
                name: name.unwrap_or_else(|| before.name.clone()),
                description: description.or_else(|| before.description.clone()),
                ..before.clone()
            };
            if wanted == before {
                return Ok((before, wanted));
            }
            let intent = self.intent(&permit, &job.operation, IntentKind::Update, job.revision);
            self.open_group(intent, &mut job).await?;
            match self.litmos.put_team(permit, &team_record(&wanted)).await {
                Ok(()) => {
                    let after = Team {
                        as_of_ms: unix_ms(),
                        ..wanted
                    };
                    Ok((before, after))
                }
                Err(failure) if failure.kind == FailureKind::Gone => {
                    self.look_at_team(&id).await?;
                    Err(Trouble::Litmos(failure))
                }
                Err(failure) => Err(failure.into()),
            }
        }
        .await;
        match result {
            Ok((before, mut after)) => {
                let group = job.link.value.group.clone();
                let mut images = Vec::new();
                if let (true, Some(to)) = (described, after.description.clone()) {
                    let from = before.description;
                    images.push(Image::TeamDescribed {
                        group: group.clone(),
                        change: ValueChange { from, to },
                    });
                }
                if before.name != after.name {
                    // The team code for bulk imports may have changed with the name, so the old one is cleared.
                    after.bulk_code.clear();
                    images.push(Image::TeamNamed {
                        group,
                        from: before.name,
                        to: after.name.clone(),
                    });
                }
                self.team_applied(job, Some(after), images).await
            }
            Err(trouble) => self.team_failed_with(job, trouble, learnt).await,
        }
    }

    pub(crate) async fn delete_team(
        &self,
        permit: Permit,
        mut job: GroupJob,
        team: TeamId,
        name: String,
        members: Vec<AccountId>,
    ) -> Done {
        let result = async {
            let intent = self.intent(&permit, &job.operation, IntentKind::DeleteTeam, job.revision);
            self.open_group(intent, &mut job).await?;
            match self.litmos.delete_team(permit, team.as_str()).await {
                Ok(()) => Ok(true),
                // The request names only the team, so the 404 means that the team is already gone.
                Err(failure) if failure.kind == FailureKind::Gone => {
                    self.item_gone(failure).await.map(|_| false)
                }
                Err(failure) => Err(Trouble::Litmos(failure)),
            }
        }
        .await;
        match result {
            Ok(by_us) => {
                let image = by_us.then(|| Image::TeamDeleted {
                    group: job.link.value.group.clone(),
                    name,
                });
                let link = &mut job.link.value;
                link.team = None;
                link.applied_revision = job.revision;
                link.parked = None;
                let left = members.into_iter().map(|account| (team.clone(), account));
                let effects = Effects {
                    left: left.collect(),
                    gone_teams: vec![team.clone()],
                    ..Effects::default()
                };
                self.close_group(job, effects, image.into_iter().collect()).await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    pub(crate) async fn open_group(&self, intent: Intent, job: &mut GroupJob) -> Result<(), Trouble> {
        job.link.value.intent = Some(Box::new(intent));
        job.link.value.changed_at_ms = unix_ms();
        self.links.write_group(&mut job.link).await?;
        self.still_owner()
    }

    /// Ends an operation that succeeded, with the current team.
    pub(crate) async fn team_applied(
        &self,
        mut job: GroupJob,
        team: Option<Team>,
        images: Vec<Image>,
    ) -> Done {
        let link = &mut job.link.value;
        link.applied_revision = job.revision;
        link.parked = None;
        if let Some(team) = &team {
            link.team = Some(team.id.clone());
        }
        let effects = Effects {
            teams: team.into_iter().collect(),
            ..Effects::default()
        };
        self.close_group(job, effects, images).await
    }

    /// Ends an operation on a group that succeeded.
    pub(crate) async fn close_group(&self, mut job: GroupJob, effects: Effects, images: Vec<Image>) -> Done {
        group_setback(&mut job.link.value).over();
        self.put_away(job, effects, Outcome::done(images)).await
    }

    /// Writes the observed state, then the link without its intent.
    pub(crate) async fn put_away(&self, mut job: GroupJob, mut effects: Effects, outcome: Outcome) -> Done {
        job.link.value.intent = None;
        let subjects = vec![Subject::Group(job.link.value.group.clone())];
        let written = self.finish_group(&mut job, &mut effects).await;
        ended(subjects, effects, outcome, written).await
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

    pub(crate) async fn team_failed(&self, job: GroupJob, trouble: Trouble) -> Done {
        self.team_failed_with(job, trouble, Effects::default()).await
    }

    /// Ends an operation on a group that failed, with the effects that are known.
    pub(crate) async fn team_failed_with(
        &self,
        mut job: GroupJob,
        trouble: Trouble,
        mut effects: Effects,
    ) -> Done {
        let subjects = vec![Subject::Group(job.link.value.group.clone())];
        let (failure, gone) = match self.weigh(trouble).await {
            Trouble::Litmos(failure) => (failure, false),
            Trouble::Gone(failure) => (failure, true),
            Trouble::Connection(failure) => {
                // The failure is not caused by this item, so it does not count as a failed attempt.
                if !failure.may_have_taken_effect() {
                    job.link.value.intent = None;
                }
                let written = self.finish_group(&mut job, &mut effects).await;
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
            effects.teams.retain(|team| link.team.as_ref() != Some(&team.id));
            effects.gone_teams.extend(link.team.take());
            Some(Ended::Failed)
        } else {
            match sequel(&failure) {
                Sequel::Again => {
                    link.intent = None;
                    None
                }
                Sequel::Later => {
                    link.intent = None;
                    Some(group_setback(link).note(&failure, revision))
                }
                Sequel::Unknown => {
                    group_setback(link).note(&failure, revision);
                    None
                }
                Sequel::Park(code) => {
                    link.intent = None;
                    let code = if code == ParkCode::UserNameTaken {
                        ParkCode::TeamNameAmbiguous
                    } else {
                        code
                    };
                    Some(group_setback(link).park(code, &failure, revision))
                }
            }
        };
        let written = self.finish_group(&mut job, &mut effects).await;
        let outcome = ended.filter(|_| written.is_ok());
        Done {
            subjects,
            effects,
            outcome: outcome.map(|ended| Outcome::not_done(ended, explain(&failure))),
            halt: written.err().and_then(|trouble| halt_of(&trouble)),
        }
    }
}
