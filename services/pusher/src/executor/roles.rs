//! Operations on roles in one team.
//!
//! A 404 may be about the team, the account or the membership. The team is read first, then the account; if both exist, the membership is
//! missing. The response of Litmos to a role that is already set is not documented, so a refusal is checked against the list of role
//! holders.

use litmos::{Failure, FailureKind};
use provisioning::{AccountId, Image, IntentKind, PersonId, Roles, TeamId, TeamRole};
use rate_tokens::{Class, Permit};

use super::teams::GroupJob;
use super::{Done, Executor, Trouble};
use crate::effects::Effects;

/// A role in a team to give to a person or to take away.
#[derive(Clone, Debug)]
pub(crate) struct RoleChange {
    pub(crate) team: TeamId,
    pub(crate) person: PersonId,
    pub(crate) account: AccountId,
    pub(crate) role: TeamRole,
    pub(crate) holds: bool,
    /// Known roles of the account in the team.
    pub(crate) roles: Roles,
}

/// Result of a request about a role.
enum Met {
    Set,
    SetAlready,
    NoMember(Failure),
    NoAccount(Failure),
}

pub(crate) fn in_litmos(role: TeamRole) -> litmos::TeamRole {
    match role {
        TeamRole::Leader => litmos::TeamRole::Leader,
        TeamRole::Admin => litmos::TeamRole::Admin,
    }
}

impl Executor {
    pub(crate) async fn set_role(&self, permit: Permit, mut job: GroupJob, change: RoleChange) -> Done {
        let met = match self.send_role(permit, &mut job, &change).await {
            Ok(met) => met,
            Err(trouble) => return self.team_failed(job, trouble).await,
        };
        let place = (change.team.clone(), change.account.clone());
        let mut effects = Effects::default();
        let (failure, images) = match met {
            Met::Set => (
                None,
                vec![Image::RoleSet {
                    group: job.link.value.group.clone(),
                    person: change.person,
                    role: change.role,
                    holds: change.holds,
                }],
            ),
            Met::SetAlready => (None, Vec::new()),
            Met::NoMember(failure) => {
                effects.left.push(place.clone());
                (Some(failure), Vec::new())
            }
            Met::NoAccount(failure) => {
                effects.left.push(place.clone());
                effects.gone_accounts.push(change.account);
                (Some(failure), Vec::new())
            }
        };
        match failure {
            None => {
                let roles = change.roles.with(change.role, change.holds);
                effects.roles.push((place.0, place.1, roles));
            }
            // An account that is not in the team has no role in it, as desired.
            Some(_) if !change.holds => {}
            Some(failure) => {
                return self
                    .team_failed_with(job, Trouble::Litmos(failure), effects)
                    .await;
            }
        }
        self.close_group(job, effects, images).await
    }

    async fn send_role(
        &self,
        permit: Permit,
        job: &mut GroupJob,
        change: &RoleChange,
    ) -> Result<Met, Trouble> {
        let intent = self.intent(&permit, &job.operation, IntentKind::Roles, job.revision);
        self.open_group(intent, job).await?;
        let (team, user, role) = (
            change.team.as_str(),
            change.account.as_str(),
            in_litmos(change.role),
        );
        let sent = if change.holds {
            self.litmos.promote(permit, team, user, role).await
        } else {
            self.litmos.demote(permit, team, user, role).await
        };
        match sent {
            Ok(()) => Ok(Met::Set),
            Err(failure) if failure.kind == FailureKind::Gone => {
                self.look_at_team(&change.team).await?;
                let read = self.permit(Class::Normal).await;
                match self.look_at_account(read, &change.account).await {
                    Ok(_) => Ok(Met::NoMember(failure)),
                    Err(Trouble::Gone(failure)) => Ok(Met::NoAccount(failure)),
                    Err(trouble) => Err(trouble),
                }
            }
            Err(failure)
                if matches!(
                    failure.kind,
                    FailureKind::Rejected { .. } | FailureKind::NoSuchCall | FailureKind::Exists
                ) =>
            {
                let holders = self.listed(&change.team, Some(change.role)).await?;
                if holders.contains(&change.account) == change.holds {
                    Ok(Met::SetAlready)
                } else {
                    Err(failure.into())
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
