//! Recovery of a request about one group.

use std::collections::BTreeMap;

use litmos::{Failure, FailureKind};
use provisioning::{
    AccountId, GroupLink, Intent, IntentKind, NormalName, Revised, Roles, Subject, Team, TeamId, TeamRole,
};
use rate_tokens::Class;

use super::{outcome, settle};
use crate::effects::Effects;
use crate::executor::records::team;
use crate::executor::setback::group_setback;
use crate::executor::teams::GroupJob;
use crate::executor::{Done, Executor, Trouble, unix_ms};

/// A member of a team as known before the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownMember {
    pub(crate) roles: Roles,
    /// True if Litmos lists the account: it lists active accounts only.
    pub(crate) listed: bool,
}

/// The known state of a group before the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownGroup {
    pub(crate) name: String,
    /// Teams of this name that belong to other groups.
    pub(crate) taken: Vec<TeamId>,
    pub(crate) team: Option<Team>,
    pub(crate) members: BTreeMap<AccountId, KnownMember>,
}

/// Result of a recovery read, and whether it shows the effect of the request.
struct Reading {
    effects: Effects,
    effect: bool,
    team_gone: bool,
    /// The team that the request created. It belongs to the group, even if the group has another name by now.
    made: Option<TeamId>,
}

impl Reading {
    fn new(effects: Effects, effect: bool) -> Reading {
        Reading {
            effects,
            effect,
            team_gone: false,
            made: None,
        }
    }
}

impl Executor {
    /// Finds out what became of a request about one group.
    pub(crate) async fn recover_group(
        &self,
        link: Revised<GroupLink>,
        intent: Intent,
        known: KnownGroup,
    ) -> Done {
        settle(intent.settled_at_ms).await;
        let mut job = GroupJob {
            operation: intent.operation,
            link,
            revision: intent.revision,
        };
        let read = match (intent.kind, job.link.value.team.clone()) {
            (IntentKind::Members, Some(id)) => self.read_members(&id, &known).await,
            (IntentKind::Roles, Some(id)) => self.read_roles(&id, &known).await,
            (IntentKind::DeleteTeam, Some(id)) => self.read_deleted(&id, &known).await,
            (IntentKind::Create, _) | (_, None) => self.read_made(&known).await,
            (
                IntentKind::Update | IntentKind::LeaveTeams | IntentKind::Bulk | IntentKind::CustomFields,
                Some(id),
            ) => self.read_team(&id, &known).await,
        };
        match read {
            Ok(reading) => {
                let link = &mut job.link.value;
                if reading.effect {
                    link.parked = None;
                    group_setback(link).over();
                }
                if reading.team_gone {
                    link.team = None;
                }
                if reading.made.is_some() {
                    link.team = reading.made;
                }
                self.put_away(job, reading.effects, outcome(reading.effect)).await
            }
            Err(trouble @ Trouble::Gone(_)) => self.team_failed(job, trouble).await,
            Err(trouble) => {
                let subjects = vec![Subject::Group(job.link.value.group)];
                self.try_again_soon(subjects, trouble).await
            }
        }
    }

    async fn read_team(&self, id: &TeamId, known: &KnownGroup) -> Result<Reading, Trouble> {
        let there = self.look_at_team(id).await?;
        let same = |known: &Team| {
            known.name == there.name
                && (known.description.is_none() || known.description == there.description)
        };
        let effect = !known.team.as_ref().is_some_and(same);
        let effects = Effects {
            teams: vec![there],
            ..Effects::default()
        };
        Ok(Reading::new(effects, effect))
    }

    /// Searches for a created team by the name of the group, because its id is not known yet.
    async fn read_made(&self, known: &KnownGroup) -> Result<Reading, Trouble> {
        let permit = self.permit(Class::Normal).await;
        let records = self.litmos.find_teams(permit, &known.name).await?;
        let wanted = NormalName::of(&known.name);
        let same = records
            .iter()
            .filter(|record| NormalName::of(&record.name) == wanted);
        let teams: Vec<Team> = same
            .filter_map(|record| team(record, unix_ms()))
            .filter(|team| !known.taken.contains(&team.id))
            .collect();
        let effect = !teams.is_empty();
        let made = match teams.as_slice() {
            [only] => Some(only.id.clone()),
            _ => None,
        };
        let effects = Effects {
            teams,
            ..Effects::default()
        };
        Ok(Reading {
            made,
            ..Reading::new(effects, effect)
        })
    }

    async fn read_deleted(&self, id: &TeamId, known: &KnownGroup) -> Result<Reading, Trouble> {
        match self.look_at_team(id).await {
            Ok(there) => {
                let effects = Effects {
                    teams: vec![there],
                    ..Effects::default()
                };
                Ok(Reading::new(effects, false))
            }
            Err(Trouble::Gone(_)) => {
                let members = known.members.keys().cloned();
                let effects = Effects {
                    gone_teams: vec![id.clone()],
                    left: members.map(|account| (id.clone(), account)).collect(),
                    ..Effects::default()
                };
                Ok(Reading {
                    effects,
                    effect: true,
                    team_gone: true,
                    made: None,
                })
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn read_members(&self, id: &TeamId, known: &KnownGroup) -> Result<Reading, Trouble> {
        let listed = match self.listed(id, None).await {
            Ok(listed) => listed,
            Err(failure) => return Err(self.about_team(id, failure).await),
        };
        let joined = listed
            .iter()
            .filter(|account| !known.members.contains_key(*account));
        let left = known
            .members
            .iter()
            .filter(|(account, member)| member.listed && !listed.contains(*account));
        let effects = Effects {
            joined: joined.map(|account| (id.clone(), account.clone())).collect(),
            left: left.map(|(account, _)| (id.clone(), account.clone())).collect(),
            ..Effects::default()
        };
        let effect = !effects.joined.is_empty() || !effects.left.is_empty();
        Ok(Reading::new(effects, effect))
    }

    async fn read_roles(&self, id: &TeamId, known: &KnownGroup) -> Result<Reading, Trouble> {
        let mut now: BTreeMap<AccountId, Roles> = BTreeMap::new();
        for role in TeamRole::ALL {
            let holders = match self.listed(id, Some(role)).await {
                Ok(holders) => holders,
                Err(failure) => return Err(self.about_team(id, failure).await),
            };
            for account in holders {
                let roles = now.entry(account).or_default();
                *roles = roles.with(role, true);
            }
        }
        for (account, _) in known.members.iter().filter(|(_, member)| member.listed) {
            now.entry(account.clone()).or_default();
        }
        let other = |account: &AccountId, roles: Roles| {
            known
                .members
                .get(account)
                .is_none_or(|member| member.roles != roles)
        };
        let changed = now.into_iter().filter(|(account, roles)| other(account, *roles));
        let effects = Effects {
            roles: changed
                .map(|(account, roles)| (id.clone(), account, roles))
                .collect(),
            ..Effects::default()
        };
        let effect = !effects.roles.is_empty();
        Ok(Reading::new(effects, effect))
    }

    /// Explains a failed list of members. After a 404, reads the team: the trouble is `Gone` if the team does not exist. Otherwise the
    /// failure stays as it is.
    async fn about_team(&self, id: &TeamId, failure: Failure) -> Trouble {
        if failure.kind != FailureKind::Gone {
            return Trouble::Litmos(failure);
        }
        match self.look_at_team(id).await {
            Ok(_) => Trouble::Litmos(failure),
            Err(trouble) => trouble,
        }
    }
}
