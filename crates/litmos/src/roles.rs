//! Calls about leaders and admins of a team.
//!
//! A role belongs to a team member: the user must be in the team first, and stays in it when the role is removed. Litmos answers
//! 404 for an unknown team, an unknown user and a user who is not in the team, and the messages are not documented. So after
//! [`Gone`](crate::FailureKind::Gone), read the team to find out which case it is. The response to giving a role twice, or
//! removing a missing role, is not documented either; the lists show the result.

use rate_tokens::Permit;
use reqwest::Method;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::read;
use crate::record::Member;

/// Role of a member in one team. The access level of the user gives no role in any team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TeamRole {
    Leader,
    Admin,
}

impl TeamRole {
    pub const ALL: [TeamRole; 2] = [TeamRole::Leader, TeamRole::Admin];

    fn list(self) -> Call<'static> {
        match self {
            TeamRole::Leader => Call::get("team.leaders", "/teams/{}/leaders", &[]),
            TeamRole::Admin => Call::get("team.admins", "/teams/{}/admins", &[]),
        }
    }

    fn path(self) -> &'static str {
        match self {
            TeamRole::Leader => "/teams/{}/leaders/{}",
            TeamRole::Admin => "/teams/{}/admins/{}",
        }
    }
}

impl Client {
    /// Active members of a team who hold this role, by offset.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn team_role_holders(
        &self,
        permit: Permit,
        team: &str,
        role: TeamRole,
        start: u32,
        limit: u32,
    ) -> Result<Vec<Member>, Failure> {
        let arguments = [team];
        let call = Call {
            arguments: &arguments,
            ..role.list()
        };
        let name = call.name;
        let answer = self.send(permit, call.page(start, limit)).await?;
        read::all(&answer, read::member)
            .ok_or_else(|| Client::broken(name, "the answer is no list of records"))
    }

    /// Gives a member a role in a team.
    ///
    /// # Errors
    /// See [`Failure`], and the module documentation about [`Gone`](crate::FailureKind::Gone).
    pub async fn promote(
        &self,
        permit: Permit,
        team: &str,
        user: &str,
        role: TeamRole,
    ) -> Result<(), Failure> {
        let arguments = [team, user];
        let call = Call::write("team.promote", Method::PUT, role.path(), &arguments);
        self.send(permit, call).await.map(drop)
    }

    /// Removes a role from a member, who stays in the team.
    ///
    /// # Errors
    /// See [`Failure`], and the module documentation about [`Gone`](crate::FailureKind::Gone).
    pub async fn demote(
        &self,
        permit: Permit,
        team: &str,
        user: &str,
        role: TeamRole,
    ) -> Result<(), Failure> {
        let arguments = [team, user];
        let call = Call::write("team.demote", Method::DELETE, role.path(), &arguments);
        self.send(permit, call).await.map(drop)
    }
}
