//! Reads one account or team. Only such a read can show that it no longer exists.

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
        message: format!("the response is not a {what}"),
        foreign: true,
        permit_id: None,
    })
}

impl Executor {
    /// Explains a failed read. A 404 shows that the item does not exist only if Litmos answers other reads.
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

    /// Explains a 404 to a request about an account, by a read of the account. The trouble is `Gone` if the account does not exist.
    /// Otherwise the failure stays as it is.
    async fn unexplained(&self, class: Class, id: &AccountId, failure: Failure) -> Trouble {
        let permit = self.permit(class).await;
        match self.look_at_account(permit, id).await {
            Ok(_) => Trouble::Litmos(failure),
            Err(trouble) => trouble,
        }
    }

    /// Reads the teams of an account.
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

    /// Reads the advanced custom fields of an account. If Litmos answers 404 although the account exists, the failure counts as a
    /// rejection, because these fields cannot be set.
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
