//! `/teams`.

use super::users::{ids, same_id};
use super::{Api, Call, Reply};
use crate::effect::Effect;
use crate::mode::TeamWrites;
use crate::model::contract::{TEAM, USER};
use crate::model::{Refusal, Role, Team, TeamKey, User, UserKey};
use crate::wire::Body;

impl Api<'_> {
    pub(super) fn list_teams(&self, call: &Call) -> Result<Reply, Refusal> {
        Ok(self.teams_reply(call, self.account.teams.values()))
    }

    pub(super) fn list_sub_teams(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let root = self.account.team(id)?.key;
        Ok(self.teams_reply(call, self.account.descendants(root).into_iter()))
    }

    pub(super) fn teams_reply<'t>(&self, call: &Call, teams: impl Iterator<Item = &'t Team>) -> Reply {
        let search = call.query.get("search").unwrap_or_default().to_lowercase();
        let found = teams.filter(|team| search.is_empty() || team.name.to_lowercase().contains(&search));
        let page = self.page(call, found);
        let items = page
            .iter()
            .map(|team| team.item(self.account.parent_of(team)))
            .collect();
        Reply::with(
            200,
            call.shape(self.modes),
            &Body::List {
                root: "Teams",
                item: "Team",
                items,
            },
        )
    }

    pub(super) fn show_team(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let team = self.account.team(id)?;
        let record = team.record(self.account.parent_of(team));
        Ok(Reply::with(200, call.shape(self.modes), &Body::One(record)))
    }

    pub(super) fn create_team(&mut self, call: &Call, parent: Option<&str>) -> Result<Reply, Refusal> {
        let (parent, status) = match parent {
            Some(id) => (Some(self.account.team(id)?.key), self.create_status()),
            None => (None, 201),
        };
        let key = self
            .account
            .create_team(parent, &call.object(&TEAM)?, self.modes, self.now.wall)?;
        let team = &self.account.teams[&key];
        let record = team.record(self.account.parent_of(team));
        let effect = Effect::TeamCreated(team.id.clone());
        Ok(Reply::with(status, call.shape(self.modes), &Body::One(record)).and(effect))
    }

    /// Checks that the mode supports updates and deletions of teams.
    fn team_writes(&self) -> Result<(), Refusal> {
        match self.modes.team_writes {
            TeamWrites::Supported => Ok(()),
            TeamWrites::MethodNotAllowed => Err(Refusal::MethodNotAllowed),
            TeamWrites::NotFound => Err(Refusal::NoSuchEndpoint),
        }
    }

    pub(super) fn update_team(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        self.team_writes()?;
        let key = self.account.team(id)?.key;
        let fields = call.object(&TEAM)?;
        same_id(&fields, id)?;
        Ok(Reply::empty(
            200,
            self.account
                .update_team(key, &fields, self.modes, self.now.wall)?,
        ))
    }

    pub(super) fn delete_team(&mut self, id: &str) -> Result<Reply, Refusal> {
        self.team_writes()?;
        let key = self.account.team(id)?.key;
        Ok(Reply::empty(200, self.account.delete_team(key)?))
    }

    /// Lists active members, or only those with this role.
    pub(super) fn list_members(&self, call: &Call, id: &str, role: Option<Role>) -> Result<Reply, Refusal> {
        let team = self.account.team(id)?;
        let search = call.query.get("search").unwrap_or_default().to_lowercase();
        let members = team
            .members()
            .filter(|(_, membership)| role.is_none_or(|role| role.held_by(membership)))
            .filter_map(|(key, _)| self.account.users.get(key))
            .filter(|user| user.active && (search.is_empty() || user.matches(&search)));
        let items = self.page(call, members).into_iter().map(User::item).collect();
        Ok(Reply::with(
            200,
            call.shape(self.modes),
            &Body::List {
                root: "Users",
                item: "User",
                items,
            },
        ))
    }

    pub(super) fn add_members(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let key = self.account.team(id)?.key;
        let users = ids(&call.objects(&USER)?)?;
        Ok(Reply::empty(
            201,
            self.account.add_members(key, &users, self.now.wall)?,
        ))
    }

    pub(super) fn remove_member(&mut self, id: &str, user: &str) -> Result<Reply, Refusal> {
        let (team, user) = self.pair(id, user)?;
        Ok(Reply::empty(
            200,
            self.account
                .remove_member(team, user, self.modes, self.now.wall)?,
        ))
    }

    pub(super) fn set_role(
        &mut self,
        id: &str,
        user: &str,
        role: Role,
        holds: bool,
    ) -> Result<Reply, Refusal> {
        let (team, user) = self.pair(id, user)?;
        Ok(Reply::empty(
            200,
            self.account.set_role(team, user, role, holds, self.now.wall)?,
        ))
    }

    fn pair(&self, team: &str, user: &str) -> Result<(TeamKey, UserKey), Refusal> {
        let team = self.account.team(team)?.key;
        let user = self.account.users.by_id(user).ok_or(Refusal::NoSuchUser)?.key;
        Ok((team, user))
    }
}
