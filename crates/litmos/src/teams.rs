//! Calls about teams and their members.

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::json;

use crate::client::{Call, Client};
use crate::failure::{Failure, FailureKind};
use crate::read;
use crate::record::{Member, TeamRecord};

impl Client {
    /// All teams, including sub-teams, by offset.
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
        read::all(&answer, read::team_item)
            .ok_or_else(|| Client::broken("teams.list", "the answer is no list of records"))
    }

    /// Teams whose name contains this text. The caller must compare the names exactly.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn find_teams(&self, permit: Permit, text: &str) -> Result<Vec<TeamRecord>, Failure> {
        let mut call = Call::get("teams.find", "/teams", &[]).page(0, 1_000);
        call.query.push(("search", text.to_owned()));
        let answer = self.send(permit, call).await?;
        read::all(&answer, read::team_item)
            .ok_or_else(|| Client::broken("teams.find", "the answer is no list of records"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn team(&self, permit: Permit, id: &str) -> Result<TeamRecord, Failure> {
        let answer = self
            .send(permit, Call::get("team.get", "/teams/{}", &[id]))
            .await?;
        read::one(&answer)
            .and_then(read::team)
            .ok_or_else(|| Client::broken("team.get", "the answer is no team"))
    }

    /// Creates a team, at the top level or below another team.
    ///
    /// # Errors
    /// See [`Failure`]; [`FailureKind::Exists`] if the name is used, [`FailureKind::Gone`] if the parent does not exist.
    pub async fn create_team(
        &self,
        permit: Permit,
        name: &str,
        description: &str,
        parent: Option<&str>,
    ) -> Result<TeamRecord, Failure> {
        let body = json!({
            "Id": "", "Name": name, "Description": description, "ParentTeamId": parent.unwrap_or_default(),
        });
        let (call, path) = match parent {
            Some(_) => ("team.create_below", "/teams/{}/teams"),
            None => ("team.create", "/teams"),
        };
        let write = Call::write(call, Method::POST, path, parent.as_slice()).body(body);
        let answer = self.send(permit, write).await?;
        read::one(&answer)
            .and_then(read::team)
            .ok_or_else(|| Client::broken(call, "the answer is no team"))
    }

    /// Writes the whole record. Moving a team to another parent is not documented.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::no_such_call`] if Litmos cannot change teams.
    ///
    /// A record without its description is not written, because Litmos would clear the description. [`Client::team`] returns it.
    pub async fn put_team(&self, permit: Permit, team: &TeamRecord) -> Result<(), Failure> {
        let Some(description) = &team.description else {
            return Err(Failure {
                kind: FailureKind::Rejected {
                    attribute: Some("Description".to_owned()),
                },
                call: "team.update",
                status: None,
                message: "the team's description is not known and would be lost; nothing was sent".to_owned(),
                foreign: false,
                permit_id: Some(permit.id().to_owned()),
            });
        };
        let body = json!({
            "Id": team.id, "Name": team.name, "Description": description,
            "ParentTeamId": team.parent_id.as_deref().unwrap_or_default(),
        });
        let arguments = [team.id.as_str()];
        let call = Call::write("team.update", Method::PUT, "/teams/{}", &arguments).body(body);
        self.send(permit, call).await.map(drop)
    }

    /// Deletes a team. Its members stay users. What happens to its sub-teams is not documented.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::no_such_call`] if Litmos cannot delete teams.
    pub async fn delete_team(&self, permit: Permit, id: &str) -> Result<(), Failure> {
        let arguments = [id];
        let call = Call::write("team.delete", Method::DELETE, "/teams/{}", &arguments);
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

    /// Adds many users in one call. Litmos does not report unknown ids.
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
