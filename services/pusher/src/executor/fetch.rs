//! Looks at one account or team: the only way to conclude that it is not there any more.

use std::collections::BTreeMap;

use litmos::{Failure, FailureKind};
use provisioning::{Account, AccountId, Team, TeamId};
use rate_tokens::{Class, Permit};

use super::records::{account, team};
use super::setback::blaming;
use super::{Executor, Trouble, unix_ms};

fn unreadable(call: &'static str, what: &str) -> Trouble {
    Trouble::Litmos(Failure {
        kind: FailureKind::Broken,
        call,
        status: None,
        message: format!("the answer is no {what} of ours"),
        foreign: true,
        permit_id: None,
    })
}

impl Executor {
    /// A read came to nothing. It says that the thing is not there only while Litmos answers other reads.
    async fn absent(&self, failure: Failure) -> Trouble {
        if failure.kind != FailureKind::Gone {
            return Trouble::Litmos(failure);
        }
        match self.item_gone(failure).await {
            Ok(failure) => Trouble::Gone(failure),
            Err(trouble) => trouble,
        }
    }

    pub(crate) async fn look_at_account(&self, permit: Permit, id: &AccountId) -> Result<Account, Trouble> {
        let found = match self.litmos.user(permit, id.as_str()).await {
            Ok(found) => found,
            Err(failure) => return Err(self.absent(failure).await),
        };
        account(&found, unix_ms()).ok_or_else(|| unreadable("user.get", "account"))
    }

    pub(crate) async fn look_at_team(&self, id: &TeamId) -> Result<Team, Trouble> {
        let permit = self.permit(Class::Normal).await;
        self.look_at_team_with(permit, id).await
    }

    pub(crate) async fn look_at_team_with(&self, permit: Permit, id: &TeamId) -> Result<Team, Trouble> {
        let found = match self.litmos.team(permit, id.as_str()).await {
            Ok(found) => found,
            Err(failure) => return Err(self.absent(failure).await),
        };
        team(&found, unix_ms()).ok_or_else(|| unreadable("team.get", "team"))
    }

    /// A request about an account was answered with 404: an error if it is not there, else the failure is still unexplained.
    async fn unexplained(&self, class: Class, id: &AccountId, failure: Failure) -> Trouble {
        let permit = self.permit(class).await;
        match self.look_at_account(permit, id).await {
            Ok(_) => Trouble::Litmos(failure),
            Err(trouble) => trouble,
        }
    }

    /// The teams that an account is in.
    pub(crate) async fn teams_now(&self, class: Class, id: &AccountId) -> Result<Vec<TeamId>, Trouble> {
        let permit = self.permit(class).await;
        match self.litmos.user_teams(permit, id.as_str()).await {
            Ok(teams) => Ok(teams
                .iter()
                .filter_map(|team| TeamId::parse(&team.id).ok())
                .collect()),
            Err(failure) if failure.kind == FailureKind::Gone => {
                Err(self.unexplained(class, id, failure).await)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The advanced custom fields of an account. An account that is there and has none to show cannot have any set.
    pub(crate) async fn custom_fields_now(
        &self,
        class: Class,
        id: &AccountId,
    ) -> Result<BTreeMap<String, String>, Trouble> {
        let permit = self.permit(class).await;
        match self.litmos.custom_field_values(permit, id.as_str()).await {
            Ok(values) => Ok(values),
            Err(failure) if failure.kind == FailureKind::Gone => {
                let refused = blaming(failure, "UserCustomFields");
                Err(self.unexplained(class, id, refused).await)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
