//! Operations on the members of one team.

use std::collections::BTreeSet;

use litmos::{Failure, FailureKind};
use provisioning::{AccountId, Image, IntentKind, PersonId, TeamId, TeamRole};
use rate_tokens::{Class, Permit};

use super::roles::in_litmos;
use super::teams::GroupJob;
use super::{Done, Executor, Trouble};
use crate::effects::Effects;

/// Rows per page: the most that Litmos returns.
const PAGE: u32 = 1_000;

/// Most pages to read of one team: twice as many as the largest org needs if all its accounts are in one team.
const PAGES_MAX: usize = 400;

impl Executor {
    pub(crate) async fn add_members(
        &self,
        permit: Permit,
        mut job: GroupJob,
        team: TeamId,
        people: Vec<(PersonId, AccountId)>,
    ) -> Done {
        let ids: Vec<&str> = people.iter().map(|(_, account)| account.as_str()).collect();
        let result = async {
            let intent = self.intent(&permit, &job.operation, IntentKind::Members, job.revision);
            self.open_group(intent, &mut job).await?;
            match self.litmos.add_members(permit, team.as_str(), &ids).await {
                Err(failure) if failure.kind == FailureKind::Gone => {
                    self.look_at_team(&team).await?;
                    Err(Trouble::Litmos(failure))
                }
                other => Ok(other?),
            }
        }
        .await;
        if let Err(trouble) = result {
            return self.team_failed(job, trouble).await;
        }
        let (mut images, mut effects) = (Vec::with_capacity(people.len()), Effects::default());
        for (person, account) in people {
            images.push(Image::Joined {
                group: job.link.value.group.clone(),
                person,
            });
            effects.joined.push((team.clone(), account));
        }
        self.close_group(job, effects, images).await
    }

    /// Removes an account from a team. `person` is `None` if the account belongs to no person in the roster.
    pub(crate) async fn remove_member(
        &self,
        permit: Permit,
        mut job: GroupJob,
        team: TeamId,
        person: Option<PersonId>,
        account: AccountId,
    ) -> Done {
        let result = async {
            let intent = self.intent(&permit, &job.operation, IntentKind::Members, job.revision);
            self.open_group(intent, &mut job).await?;
            let sent = self.litmos.remove_member(permit, team.as_str(), account.as_str());
            match sent.await {
                Ok(()) => Ok(true),
                // If the team exists, the account is already not a member, as desired.
                Err(failure) if failure.kind == FailureKind::Gone => {
                    self.look_at_team(&team).await?;
                    Ok(false)
                }
                Err(failure) => Err(Trouble::Litmos(failure)),
            }
        }
        .await;
        match result {
            Ok(by_us) => {
                let image = person.filter(|_| by_us).map(|person| Image::Left {
                    group: job.link.value.group.clone(),
                    person,
                });
                let effects = Effects {
                    left: vec![(team, account)],
                    ..Effects::default()
                };
                self.close_group(job, effects, image.into_iter().collect()).await
            }
            Err(trouble) => self.team_failed(job, trouble).await,
        }
    }

    /// The active members of a team, or only those with a role. Reads until an empty page: a short page may not be the last one, and an
    /// account that is not in the list counts as absent.
    pub(crate) async fn listed(
        &self,
        team: &TeamId,
        role: Option<TeamRole>,
    ) -> Result<BTreeSet<AccountId>, Failure> {
        let (mut listed, mut start) = (BTreeSet::new(), 0);
        for _ in 0..PAGES_MAX {
            let permit = self.permit(Class::Normal).await;
            let page = match role {
                None => {
                    self.litmos
                        .team_members(permit, team.as_str(), start, PAGE)
                        .await?
                }
                Some(role) => {
                    let role = in_litmos(role);
                    self.litmos
                        .team_role_holders(permit, team.as_str(), role, start, PAGE)
                        .await?
                }
            };
            if page.is_empty() {
                return Ok(listed);
            }
            start += u32::try_from(page.len()).unwrap_or(PAGE).min(PAGE);
            let accounts = page.iter().filter_map(|member| AccountId::parse(&member.id).ok());
            listed.extend(accounts);
        }
        Err(Failure {
            kind: FailureKind::Broken,
            call: "team.members",
            status: None,
            message: format!("the list has not ended after {PAGES_MAX} pages"),
            foreign: false,
            permit_id: None,
        })
    }
}
