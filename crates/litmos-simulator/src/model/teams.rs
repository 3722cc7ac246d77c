//! Changes of teams and memberships in the account.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::account::Account;
use super::{Fields, Given, Membership, Refusal, Team, TeamKey, UserKey, rules};
use crate::effect::Effect;
use crate::mode::{AbsentMember, Lengths, Modes, TeamCode, TeamName};

/// Longest team name, and longest description, in characters.
const NAME_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 1000;
/// Most teams in one `POST /users/{id}/teams`.
const TEAMS_PER_USER_CALL: usize = 25;

/// A role of a member in one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Admin,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn held_by(self, membership: &Membership) -> bool {
        match self {
            Self::Leader => membership.leader,
            Self::Admin => membership.admin,
        }
    }
}

impl Account {
    pub(crate) fn team(&self, id: &str) -> Result<&Team, Refusal> {
        let key = self
            .team_by_id
            .get(&super::TeamId(id.to_owned()))
            .ok_or(Refusal::NoSuchTeam)?;
        Ok(&self.teams[key])
    }

    pub(crate) fn parent_of(&self, team: &Team) -> Option<&Team> {
        team.parent.and_then(|key| self.teams.get(&key))
    }

    /// Sub-teams at all levels, as one client has seen them.
    pub(crate) fn descendants(&self, root: TeamKey) -> Vec<&Team> {
        self.teams
            .values()
            .filter(|team| self.is_below(team.key, root))
            .collect()
    }

    fn is_below(&self, team: TeamKey, root: TeamKey) -> bool {
        let mut above = self.teams.get(&team).and_then(|team| team.parent);
        while let Some(key) = above {
            if key == root {
                return true;
            }
            above = self.teams.get(&key).and_then(|team| team.parent);
        }
        false
    }

    pub(crate) fn create_team(
        &mut self,
        parent: Option<TeamKey>,
        fields: &Fields,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<TeamKey, Refusal> {
        let parent = match (
            parent,
            fields.text("ParentTeamId")?.value().filter(|id| !id.is_empty()),
        ) {
            (Some(parent), _) => Some(parent),
            (None, Some(id)) => Some(self.team(&id)?.key),
            (None, None) => None,
        };
        let name = team_text(fields, "Name", NAME_MAX, modes.lengths)?
            .value()
            .unwrap_or_default();
        self.check_team_name(&name, None, modes)?;
        let description = team_text(fields, "Description", DESCRIPTION_MAX, modes.lengths)?
            .value()
            .unwrap_or_default();
        let (id, key) = self.ids.team();
        let code = rules::code(key.0, &name);
        self.team_by_id.insert(id.clone(), key);
        let team = Team {
            id,
            key,
            name,
            description,
            parent,
            code,
            created: now,
            updated: now,
            memberships: BTreeMap::new(),
            courses: BTreeSet::new(),
        };
        self.teams.insert(key, team);
        Ok(key)
    }

    pub(crate) fn update_team(
        &mut self,
        key: TeamKey,
        fields: &Fields,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let name = team_text(fields, "Name", NAME_MAX, modes.lengths)?;
        if let Given::Value(name) = &name {
            self.check_team_name(name, Some(key), modes)?;
        }
        let description = team_text(fields, "Description", DESCRIPTION_MAX, modes.lengths)?;
        let team = self.teams.get_mut(&key).ok_or(Refusal::NoSuchTeam)?;
        if let Given::Value(name) = name {
            if modes.team_code == TeamCode::FollowsName {
                team.code = rules::code(key.0, &name);
            }
            team.name = name;
        }
        if let Given::Value(description) = description {
            team.description = description;
        }
        team.updated = now;
        Ok(Effect::TeamUpdated(team.id.clone()))
    }

    fn check_team_name(&self, name: &str, except: Option<TeamKey>, modes: &Modes) -> Result<(), Refusal> {
        if name.trim().is_empty() {
            return Err(Refusal::Required("Name"));
        }
        let lower = name.to_lowercase();
        let taken = || {
            self.teams
                .values()
                .any(|team| Some(team.key) != except && team.name.to_lowercase() == lower)
        };
        if modes.team_name == TeamName::Unique && taken() {
            Err(Refusal::TeamNameTaken)
        } else {
            Ok(())
        }
    }

    /// Deletes a team. Its sub-teams lose their parent.
    pub(crate) fn delete_team(&mut self, key: TeamKey) -> Result<Effect, Refusal> {
        let team = self.teams.remove(&key).ok_or(Refusal::NoSuchTeam)?;
        self.team_by_id.remove(&team.id);
        for child in self.teams.values_mut().filter(|child| child.parent == Some(key)) {
            child.parent = None;
        }
        for user in team.memberships.keys() {
            if let Some(user) = self.users.get_mut(*user) {
                user.teams.remove(&key);
            }
        }
        Ok(Effect::TeamDeleted(team.id))
    }

    /// Adds users. Unknown ids and existing members are silently ignored.
    pub(crate) fn add_members(
        &mut self,
        key: TeamKey,
        ids: &[String],
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        if ids.is_empty() {
            return Err(Refusal::EmptyUserList);
        }
        let users: Vec<UserKey> = ids
            .iter()
            .filter_map(|id| self.users.by_id(id).map(|user| user.key))
            .collect();
        let added = users
            .into_iter()
            .filter(|user| self.join(key, *user, now))
            .count();
        let team = self.teams.get(&key).ok_or(Refusal::NoSuchTeam)?.id.clone();
        Ok(Effect::MembersAdded { team, added })
    }

    /// Adds one user to one team. Returns false if nothing changed.
    pub(crate) fn join(&mut self, team: TeamKey, user: UserKey, now: Timestamp) -> bool {
        let (Some(team), Some(user)) = (self.teams.get_mut(&team), self.users.get_mut(user)) else {
            return false;
        };
        let fresh = Membership {
            active: true,
            leader: false,
            admin: false,
            created: now,
            updated: now,
        };
        let changed = user.teams.insert(team.key);
        if changed {
            let membership = team.memberships.entry(user.key).or_insert(fresh);
            (membership.active, membership.updated) = (true, now);
            let (user, courses) = (user.key, team.courses.clone());
            for course in courses {
                self.assign(user, course, now);
            }
        }
        changed
    }

    fn part(&mut self, team: TeamKey, user: UserKey, now: Timestamp) {
        if let Some(user) = self.users.get_mut(user) {
            user.teams.remove(&team);
        }
        if let Some(membership) = self
            .teams
            .get_mut(&team)
            .and_then(|team| team.memberships.get_mut(&user))
        {
            *membership = Membership {
                active: false,
                leader: false,
                admin: false,
                updated: now,
                ..*membership
            };
        }
    }

    pub(crate) fn remove_member(
        &mut self,
        team: TeamKey,
        user: UserKey,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let (id, present) = {
            let team = self.teams.get(&team).ok_or(Refusal::NoSuchTeam)?;
            (team.id.clone(), team.membership(user).is_some())
        };
        let user_id = self.users.get(user).ok_or(Refusal::NoSuchUser)?.id.clone();
        match (present, modes.absent_member) {
            (false, AbsentMember::NotFound) => Err(Refusal::NotAMember),
            (false, AbsentMember::Ok) => Ok(Effect::Nothing),
            (true, _) => {
                self.part(team, user, now);
                Ok(Effect::MemberRemoved {
                    team: id,
                    user: user_id,
                })
            }
        }
    }

    pub(crate) fn leave_all_teams(&mut self, user: UserKey, now: Timestamp) -> usize {
        let teams = self
            .users
            .get(user)
            .map(|user| user.teams.clone())
            .unwrap_or_default();
        teams.iter().for_each(|team| self.part(*team, user, now));
        teams.len()
    }

    /// Adds one user to all of these teams, or to none.
    pub(crate) fn add_to_teams(
        &mut self,
        user: UserKey,
        ids: &[String],
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        if ids.len() > TEAMS_PER_USER_CALL {
            return Err(Refusal::TooManyTeams);
        }
        let teams = ids
            .iter()
            .map(|id| Ok(self.team(id)?.key))
            .collect::<Result<Vec<_>, Refusal>>()?;
        let known = self.users.get(user).ok_or(Refusal::NoSuchUser)?;
        if teams.iter().any(|team| known.teams.contains(team)) {
            return Err(Refusal::AlreadyInTeam);
        }
        let id = known.id.clone();
        let added = teams
            .into_iter()
            .filter(|team| self.join(*team, user, now))
            .count();
        Ok(Effect::UserTeamsAdded { user: id, added })
    }

    pub(crate) fn set_role(
        &mut self,
        team: TeamKey,
        user: UserKey,
        role: Role,
        holds: bool,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let user_id = self.users.get(user).ok_or(Refusal::NoSuchUser)?.id.clone();
        let team = self.teams.get_mut(&team).ok_or(Refusal::NoSuchTeam)?;
        let membership = team
            .memberships
            .get_mut(&user)
            .filter(|membership| membership.active)
            .ok_or(Refusal::NotAMember)?;
        if role.held_by(membership) == holds {
            return Ok(Effect::Nothing);
        }
        match role {
            Role::Leader => membership.leader = holds,
            Role::Admin => membership.admin = holds,
        }
        membership.updated = now;
        let (team, role) = (team.id.clone(), role.name());
        Ok(if holds {
            Effect::Promoted {
                team,
                user: user_id,
                role,
            }
        } else {
            Effect::Demoted {
                team,
                user: user_id,
                role,
            }
        })
    }
}

fn team_text(
    fields: &Fields,
    name: &'static str,
    max: usize,
    lengths: Lengths,
) -> Result<Given<String>, Refusal> {
    Ok(match fields.text(name)? {
        Given::Value(value) => Given::Value(rules::fit(name, value, max, lengths)?),
        Given::Null => Given::Value(String::new()),
        Given::Absent => Given::Absent,
    })
}
