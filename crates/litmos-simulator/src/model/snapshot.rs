//! The whole account as plain data, for tests and reports that compare it with a desired state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::{AccessLevel, CourseKey, Role, TeamId, Text, UserId, UserKey};

/// All users and teams of the account, in order of creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// All users, including those with API keys.
    pub users: Vec<UserState>,
    /// All teams.
    pub teams: Vec<TeamState>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserState {
    /// `Id`.
    pub id: UserId,
    /// `OriginalId`.
    pub original_id: u32,
    /// `UserName`.
    pub user_name: String,
    /// `FirstName`.
    pub first_name: String,
    /// `LastName`.
    pub last_name: String,
    /// `Email`.
    pub email: String,
    /// `AccessLevel`.
    pub access_level: AccessLevel,
    /// `Active`.
    pub active: bool,
    /// `DisableMessages`.
    pub disable_messages: bool,
    /// The manager's `Id`.
    pub manager_id: Option<UserId>,
    /// All other attributes that were ever set, by Litmos's names. Cleared ones are empty.
    pub attributes: BTreeMap<String, String>,
    /// `SkipFirstLogin`.
    #[serde(default)]
    pub skip_first_login: bool,
    /// `EnableTextNotification`.
    #[serde(default)]
    pub enable_text_notification: bool,
    /// Names of the courses assigned to the user.
    #[serde(default)]
    pub courses: Vec<String>,
    /// Advanced custom fields.
    pub custom_fields: BTreeMap<String, String>,
    /// Teams of the user, even if the user is inactive.
    pub teams: Vec<TeamId>,
    /// True if the user has an API key.
    pub key_owner: bool,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeamState {
    /// `Id`.
    pub id: TeamId,
    /// `Name`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// The parent's `Id`.
    pub parent_id: Option<TeamId>,
    /// `TeamCodeForBulkImport`.
    pub code: String,
    /// Members, including inactive users, in order of their creation.
    pub members: Vec<UserId>,
    /// Leaders of the team.
    pub leaders: Vec<UserId>,
    /// Admins of the team.
    pub admins: Vec<UserId>,
    /// Names of the team's courses.
    #[serde(default)]
    pub courses: Vec<String>,
}

impl Account {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let users = self
            .users
            .iter()
            .map(|user| UserState {
                id: user.id.clone(),
                original_id: user.key.0,
                user_name: user.user_name.clone(),
                first_name: user.first_name.clone(),
                last_name: user.last_name.clone(),
                email: user.email.clone(),
                access_level: user.access_level,
                active: user.active,
                disable_messages: user.disable_messages,
                manager_id: self.manager_of(user).map(|manager| manager.id.clone()),
                attributes: user
                    .texts
                    .iter()
                    .map(|(text, value)| (Text::name(*text).to_owned(), value.clone()))
                    .collect(),
                custom_fields: user.custom_fields.clone(),
                teams: user
                    .teams
                    .iter()
                    .filter_map(|key| self.teams.get(key))
                    .map(|team| team.id.clone())
                    .collect(),
                skip_first_login: user.skip_first_login,
                enable_text_notification: user.enable_text_notification,
                courses: self.course_names(user.courses.keys()),
                key_owner: self.has_key(user.key),
            })
            .collect();
        let id = |key: UserKey| self.users.get(key).map(|user| user.id.clone());
        let teams = self
            .teams
            .values()
            .map(|team| {
                let holders = |role: Role| {
                    team.members()
                        .filter(|(_, member)| role.held_by(member))
                        .filter_map(|(key, _)| id(key))
                        .collect()
                };
                TeamState {
                    id: team.id.clone(),
                    name: team.name.clone(),
                    description: team.description.clone(),
                    parent_id: self.parent_of(team).map(|parent| parent.id.clone()),
                    code: team.code.clone(),
                    members: team.members().filter_map(|(key, _)| id(key)).collect(),
                    leaders: holders(Role::Leader),
                    admins: holders(Role::Admin),
                    courses: self.course_names(team.courses.iter()),
                }
            })
            .collect();
        Snapshot { users, teams }
    }

    fn course_names<'k>(&self, keys: impl Iterator<Item = &'k CourseKey>) -> Vec<String> {
        keys.filter_map(|key| self.courses.get(key))
            .map(|course| course.name.clone())
            .collect()
    }
}
