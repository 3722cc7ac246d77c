//! One row of a bulk import.

use jiff::Timestamp;

use crate::mode::{BulkRequired, Modes};
use crate::model::{AccessLevel, Account, CourseKey, Fields, Refusal, TeamKey, Text, User, rules};

/// Result of a good row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Imported {
    Created,
    Updated,
}

/// Error of a row, in the words of `usererrors`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("Failed: {0} is required")]
    Missing(&'static str),
    #[error("Failed: {0} must hold a value when it is present")]
    Empty(&'static str),
    #[error("Failed: team code {0} does not exist")]
    UnknownTeam(String),
    #[error("Failed: course code {0} does not exist")]
    UnknownCourse(String),
    #[error("Failed: manager does not exist")]
    UnknownManager,
    #[error("Failed: {0}")]
    Refused(#[from] Refusal),
}

/// Number of `TeamN` columns in a row.
const TEAM_COLUMNS: usize = 5;
/// Number of `CourseN` columns in a row.
const COURSE_COLUMNS: usize = 3;

/// Username of a row, for reports. Empty if the row has none.
pub(super) fn user_name(fields: &Fields) -> String {
    filled(fields, "Username").ok().flatten().unwrap_or_default()
}

/// Value that is neither missing nor blank. `Username` may also be spelled `UserName`.
fn filled(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    let given = fields.text(name)?.value().filter(|text| !text.trim().is_empty());
    if given.is_none() && name == "Username" {
        return Ok(fields
            .text("UserName")?
            .value()
            .filter(|text| !text.trim().is_empty()));
    }
    Ok(given)
}

impl Account {
    pub(super) fn import_row(
        &mut self,
        fields: &Fields,
        skip_first_login: bool,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Imported, RowError> {
        let needed = |name: &'static str| filled(fields, name)?.ok_or(RowError::Missing(name));
        let user_name = match modes.bulk_required {
            BulkRequired::Username => needed("Username")?,
            BulkRequired::Email => {
                let email = needed("Email")?;
                filled(fields, "Username")?.unwrap_or(email)
            }
        };
        let (first_name, last_name) = (needed("FirstName")?, needed("LastName")?);
        let old = self.users.by_name(&user_name).cloned();
        let outcome = if old.is_some() {
            Imported::Updated
        } else {
            Imported::Created
        };
        let mut user = old.unwrap_or_else(|| User {
            user_name,
            is_custom_username: true,
            skip_first_login,
            ..User::blank(now)
        });
        user.first_name = rules::fit("FirstName", first_name, 50, modes.lengths)?;
        user.last_name = rules::fit("LastName", last_name, 50, modes.lengths)?;
        if let Some(email) = filled(fields, "Email")? {
            user.email = rules::fit("Email", email, 255, modes.lengths)?;
        }
        rules::password(&filled(fields, "Password")?.unwrap_or_default())?;
        if let Some(active) = fields.flag("Active")?.value() {
            user.active = active;
        }
        user.disable_messages = false;
        if let Some(code) = present(fields, "AccessLevel")? {
            user.access_level = AccessLevel::from_bulk(&code).ok_or(Refusal::AccessLevelInvalid)?;
        }
        present(fields, Text::ExpirationDate.bulk_name())?;
        for text in Text::ALL.iter().filter(|text| !text.bulk_name().is_empty()) {
            if let Some(value) = filled(fields, text.bulk_name())? {
                user.texts.insert(
                    *text,
                    rules::fit(text.name(), value, text.longest(), modes.lengths)?,
                );
            }
        }
        for (number, name) in (1..).zip(&self.house.custom_fields) {
            if let Some(value) = filled(fields, &format!("UserCustomField{number}"))? {
                user.custom_fields.insert(name.clone(), value);
            }
        }
        if let Some(manager) = filled(fields, "Manager")? {
            let known = self
                .users
                .by_name(&manager)
                .or_else(|| self.users.by_id(&manager));
            user.manager = Some(known.ok_or(RowError::UnknownManager)?.key);
        }
        let teams = self.row_teams(fields)?;
        let courses = self.row_courses(fields)?;
        let user = user.checked()?;
        self.check_house_lists(&user, modes)?;

        let key = match outcome {
            Imported::Created => self.admit(user),
            Imported::Updated => {
                let key = user.key;
                self.store_changed(user, now, modes);
                key
            }
        };
        for team in teams {
            self.join(team, key, now);
        }
        for course in courses {
            self.assign(key, course, now);
        }
        Ok(outcome)
    }

    fn row_courses(&self, fields: &Fields) -> Result<Vec<CourseKey>, RowError> {
        let mut courses = Vec::new();
        for column in 1..=COURSE_COLUMNS {
            if let Some(code) = filled(fields, &format!("Course{column}"))? {
                let course = self.courses.values().find(|course| course.code == code);
                courses.push(course.ok_or(RowError::UnknownCourse(code))?.key);
            }
        }
        Ok(courses)
    }

    pub(crate) fn row_teams(&self, fields: &Fields) -> Result<Vec<TeamKey>, RowError> {
        let mut teams = Vec::new();
        for column in 1..=TEAM_COLUMNS {
            if let Some(code) = filled(fields, &format!("Team{column}"))? {
                let key = code
                    .split_once('-')
                    .and_then(|(number, _)| number.parse().ok())
                    .map(TeamKey);
                let team = key
                    .and_then(|key| self.teams.get(&key))
                    .filter(|team| team.code == code);
                teams.push(team.ok_or(RowError::UnknownTeam(code))?.key);
            }
        }
        Ok(teams)
    }
}

/// Value of a field that must not be blank if it is present.
fn present(fields: &Fields, name: &'static str) -> Result<Option<String>, RowError> {
    use crate::model::Given;
    match fields.text(name)? {
        Given::Absent => Ok(None),
        Given::Null => Err(RowError::Empty(name)),
        Given::Value(text) if text.trim().is_empty() => Err(RowError::Empty(name)),
        Given::Value(text) => Ok(Some(text)),
    }
}
