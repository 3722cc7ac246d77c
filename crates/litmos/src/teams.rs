//! Calls about teams and their members.

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::json;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::read;
use crate::record::{Member, TeamRecord};

impl Client {
    /// All teams, sub-teams included, by offset.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn list_teams(
        &self,
        permit: Permit,
        start: u32,
        limit: u32,
    ) -> Result<Vec<TeamRecord>, Failure> {
        let answer = self
            .send(permit, Call::get("teams.list", "/teams", &[]).page(start, limit))
            .await?;
        read::all(&answer, read::team)
            .ok_or_else(|| Client::broken("teams.list", "the answer is no list of records"))
    }

    /// Teams whose name holds this text: compare exactly afterwards.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn find_teams(&self, permit: Permit, text: &str) -> Result<Vec<TeamRecord>, Failure> {
        let mut call = Call::get("teams.find", "/teams", &[]).page(0, 1_000);
        call.query.push(("search", text.to_owned()));
        let answer = self.send(permit, call).await?;
        read::all(&answer, read::team)
            .ok_or_else(|| Client::broken("teams.find", "the answer is no list of records"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn team(&self, permit: Permit, id: &str) -> Result<TeamRecord, Failure> {
        let answer = self
            .send(permit, Call::get("team.get", "/teams/{}", &[id]))
            .await?;
        read::team(&answer).ok_or_else(|| Client::broken("team.get", "the answer is no team"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn create_team(
        &self,
        permit: Permit,
        name: &str,
        description: &str,
    ) -> Result<TeamRecord, Failure> {
        let body = json!({"Id": "", "Name": name, "Description": description, "ParentTeamId": ""});
        let call = Call::write("team.create", Method::POST, "/teams", &[]).body(body);
        let answer = self.send(permit, call).await?;
        read::team(&answer).ok_or_else(|| Client::broken("team.create", "the answer is no team"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn put_team(&self, permit: Permit, team: &TeamRecord) -> Result<(), Failure> {
        let body = json!({
            "Id": team.id, "Name": team.name, "Description": team.description,
            "ParentTeamId": team.parent_id.as_deref().unwrap_or_default(),
        });
        let arguments = [team.id.as_str()];
        let call = Call::write("team.update", Method::PUT, "/teams/{}", &arguments).body(body);
        self.send(permit, call).await.map(drop)
    }

    /// Active members of a team, by offset.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn team_members(
        &self,
        permit: Permit,
        team: &str,
        start: u32,
        limit: u32,
    ) -> Result<Vec<Member>, Failure> {
        let arguments = [team];
        let call = Call::get("team.members", "/teams/{}/users", &arguments).page(start, limit);
        let answer = self.send(permit, call).await?;
        read::all(&answer, read::member)
            .ok_or_else(|| Client::broken("team.members", "the answer is no list of records"))
    }

    /// Adds many in one call. Litmos says nothing about ids it did not know.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn add_members(&self, permit: Permit, team: &str, users: &[&str]) -> Result<(), Failure> {
        let body = users.iter().map(|id| json!({"Id": id})).collect();
        let arguments = [team];
        let call = Call::write("team.add_members", Method::POST, "/teams/{}/users", &arguments).body(body);
        self.send(permit, call).await.map(drop)
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn remove_member(&self, permit: Permit, team: &str, user: &str) -> Result<(), Failure> {
        let arguments = [team, user];
        let call = Call::write(
            "team.remove_member",
            Method::DELETE,
            "/teams/{}/users/{}",
            &arguments,
        );
        self.send(permit, call).await.map(drop)
    }
}
