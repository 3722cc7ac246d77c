//! Courses, and their assignment to teams and users.
//!
//! A course of a team is assigned to its members, also to members who join later. An assignment stays if the user leaves the
//! team, or the team loses the course: no public source says otherwise.

use jiff::Timestamp;

use super::account::Account;
use super::{AccessLevel, CourseKey, Fields, Given, Refusal, TeamKey, User, UserKey, rules, timestamp};
use crate::effect::Effect;
use crate::wire::{Format, Record, Value};

/// One course with its only module.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) id: String,
    pub(crate) key: CourseKey,
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) module: String,
}

/// One user's assignment to one course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) assigned: Timestamp,
    pub(crate) completed: Option<Timestamp>,
}

impl Course {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            name: "Course",
            fields: vec![
                ("Id", Value::text(&self.id)),
                ("Code", Value::text("")),
                ("Name", Value::text(&self.name)),
                ("Active", Value::Bool(true)),
                ("ForSale", Value::Bool(false)),
                ("OriginalId", Value::Int(i64::from(self.key.0))),
                ("Description", Value::text("")),
                ("EcommerceShortDescription", Value::text("")),
                ("EcommerceLongDescription", Value::text("")),
                ("CourseCodeForBulkImport", Value::text(&self.code)),
                ("Price", Value::Number(0.0)),
                ("AccessTillDate", Value::text("")),
                ("AccessTillDays", Value::Null),
                ("CourseTeamLibrary", Value::Bool(false)),
                ("CreatedBy", Value::text("")),
                ("Tags", Value::text("")),
            ],
        }
    }

    pub(crate) fn module_record(&self) -> Record<'_> {
        Record {
            name: "Module",
            fields: vec![
                ("Id", Value::text(&self.module)),
                ("Code", Value::text("")),
                ("Name", Value::text(&self.name)),
                ("Description", Value::text("")),
            ],
        }
    }

    /// Item of a user's list of courses.
    pub(crate) fn assigned_record(&self, assignment: Assignment) -> Record<'_> {
        Record {
            name: "Course",
            fields: vec![
                ("Id", Value::text(&self.id)),
                ("Code", Value::text("")),
                ("Name", Value::text(&self.name)),
                ("Active", Value::Bool(true)),
                ("Complete", Value::Bool(assignment.completed.is_some())),
                ("PercentageComplete", Value::Number(assignment.percentage())),
                ("AssignedDate", Value::text(moment(Some(assignment.assigned)))),
                ("StartDate", Value::text("")),
                ("CompletedDate", Value::text(moment(assignment.completed))),
                ("UpToDate", Value::Bool(assignment.completed.is_some())),
                ("Overdue", Value::Bool(false)),
                ("CompliantTill", Value::text("")),
                ("IsLearningPath", Value::Bool(false)),
                ("OriginalId", Value::Int(i64::from(self.key.0))),
                ("AccessTillDate", Value::text("")),
            ],
        }
    }

    /// Item of the list of results.
    pub(crate) fn result_record<'a>(&'a self, user: &'a User, assignment: Assignment) -> Record<'a> {
        Record {
            name: "User",
            fields: vec![
                ("Id", Value::text(&user.id.0)),
                ("UserOriginalId", Value::Int(i64::from(user.key.0))),
                ("UserName", Value::text(&user.user_name)),
                ("FirstName", Value::text(&user.first_name)),
                ("LastName", Value::text(&user.last_name)),
                ("Active", Value::Bool(user.active)),
                ("Email", Value::text(&user.email)),
                ("AccessLevel", Value::text(user.access_level.name())),
                ("CourseId", Value::text(&self.id)),
                ("CourseOriginalId", Value::Int(i64::from(self.key.0))),
                ("Code", Value::text("")),
                ("CourseName", Value::text(&self.name)),
                ("Complete", Value::Bool(assignment.completed.is_some())),
                ("PercentageComplete", Value::Number(assignment.percentage())),
                ("CompletedDate", Value::text(moment(assignment.completed))),
                ("UpToDate", Value::Bool(assignment.completed.is_some())),
                ("Overdue", Value::Bool(false)),
                ("CompliantTillDate", Value::text("")),
            ],
        }
    }
}

impl Assignment {
    fn percentage(self) -> f64 {
        if self.completed.is_some() { 100.0 } else { 0.0 }
    }

    /// Item of a course's list of learners.
    pub(crate) fn learner_record(self, user: &User) -> Record<'_> {
        Record {
            name: "User",
            fields: vec![
                ("Id", Value::text(&user.id.0)),
                ("UserName", Value::text(&user.user_name)),
                ("FirstName", Value::text(&user.first_name)),
                ("LastName", Value::text(&user.last_name)),
                ("Completed", Value::Bool(self.completed.is_some())),
                ("PercentageComplete", Value::Number(self.percentage())),
                ("CompliantTill", Value::text("")),
                ("DueDate", Value::text("")),
                ("AccessTillDate", Value::text("")),
            ],
        }
    }
}

fn moment(moment: Option<Timestamp>) -> String {
    moment.map(super::user::to_second).unwrap_or_default()
}

impl Account {
    /// Adds the configured courses, each with one module.
    pub(crate) fn make_courses(&mut self, names: &[String]) {
        for name in names {
            let (id, key) = self.ids.course();
            let module = self.ids.module();
            let course = Course {
                id,
                key,
                name: name.clone(),
                code: rules::code(key.0, name),
                module,
            };
            self.courses.insert(key, course);
        }
    }

    pub(crate) fn course(&self, id: &str) -> Result<&Course, Refusal> {
        self.courses
            .values()
            .find(|course| course.id == id)
            .ok_or(Refusal::NoSuchCourse)
    }

    /// Courses with these ids. Unknown ids are silently ignored.
    fn known_courses(&self, ids: &[String]) -> Vec<CourseKey> {
        ids.iter()
            .filter_map(|id| self.course(id).ok().map(|course| course.key))
            .collect()
    }

    /// Assigns a course to a user. Returns false if nothing changed.
    pub(crate) fn assign(&mut self, user: UserKey, course: CourseKey, now: Timestamp) -> bool {
        let Some(user) = self.users.get_mut(user) else {
            return false;
        };
        let missing = !user.courses.contains_key(&course);
        user.courses.entry(course).or_insert(Assignment {
            assigned: now,
            completed: None,
        });
        missing
    }

    pub(crate) fn assign_to_user(
        &mut self,
        user: UserKey,
        ids: &[String],
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let id = self.users.get(user).ok_or(Refusal::NoSuchUser)?.id.clone();
        let courses = self.known_courses(ids);
        let added = courses
            .into_iter()
            .filter(|course| self.assign(user, *course, now))
            .count();
        Ok(Effect::UserCoursesAdded { user: id, added })
    }

    /// Adds courses to a team and, with `sub_teams`, to its sub-teams. Existing courses stay as they are.
    pub(crate) fn assign_to_team(
        &mut self,
        team: TeamKey,
        ids: &[String],
        sub_teams: bool,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let id = self.teams.get(&team).ok_or(Refusal::NoSuchTeam)?.id.clone();
        let courses = self.known_courses(ids);
        let mut teams = vec![team];
        if sub_teams {
            teams.extend(self.descendants(team).iter().map(|team| team.key));
        }
        let mut added = 0;
        for key in teams {
            let Some(team) = self.teams.get_mut(&key) else {
                continue;
            };
            added += courses
                .iter()
                .filter(|course| team.courses.insert(**course))
                .count();
            let members: Vec<UserKey> = team.members().map(|(user, _)| user).collect();
            for user in members {
                for course in &courses {
                    self.assign(user, *course, now);
                }
            }
        }
        Ok(Effect::TeamCoursesAdded { team: id, added })
    }

    pub(crate) fn take_from_team(&mut self, team: TeamKey, ids: &[String]) -> Result<Effect, Refusal> {
        let courses = self.known_courses(ids);
        let team = self.teams.get_mut(&team).ok_or(Refusal::NoSuchTeam)?;
        let removed = courses
            .iter()
            .filter(|course| team.courses.remove(course))
            .count();
        Ok(Effect::TeamCoursesRemoved {
            team: team.id.clone(),
            removed,
        })
    }

    pub(crate) fn take_from_user(&mut self, user: UserKey, course: &str) -> Result<Effect, Refusal> {
        let course = self.course(course)?.key;
        let user = self.users.get_mut(user).ok_or(Refusal::NoSuchUser)?;
        user.courses.remove(&course).ok_or(Refusal::NotAssigned)?;
        Ok(Effect::UserCourseRemoved(user.id.clone()))
    }

    pub(crate) fn reset_course(&mut self, user: UserKey, course: &str) -> Result<Effect, Refusal> {
        let course = self.course(course)?.key;
        let user = self.users.get_mut(user).ok_or(Refusal::NoSuchUser)?;
        user.courses
            .get_mut(&course)
            .ok_or(Refusal::NotAssigned)?
            .completed = None;
        Ok(Effect::UserCourseReset(user.id.clone()))
    }

    /// Stores the result of a module. The caller has already parsed the date.
    pub(crate) fn record_result(
        &mut self,
        module: &str,
        fields: &Fields,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let course = self.courses.values().find(|course| course.module == module);
        let course = course.ok_or(Refusal::NoSuchModule)?;
        if fields.text("CourseId")?.value().as_deref() != Some(course.id.as_str()) {
            return Err(Refusal::NoSuchCourse);
        }
        let key = course.key;
        let user = fields.text("UserId")?.value().unwrap_or_default();
        let user = self.users.by_id(&user).ok_or(Refusal::NoSuchUser)?.key;
        let completed = fields.flag("Completed")? == Given::Value(true);
        let user = self.users.get_mut(user).ok_or(Refusal::NoSuchUser)?;
        let assignment = user.courses.get_mut(&key).ok_or(Refusal::NotAssigned)?;
        assignment.completed = completed.then(|| at.unwrap_or(now));
        Ok(Effect::ResultRecorded(user.id.clone()))
    }

    /// True if every row names at least one team, and the user is leader or admin of all of them.
    pub(crate) fn leads_all_teams_of(&self, user: UserKey, rows: &[Fields]) -> bool {
        let leads = |team: &TeamKey| {
            self.teams
                .get(team)
                .and_then(|team| team.membership(user))
                .is_some_and(|membership| membership.leader || membership.admin)
        };
        rows.iter().all(|row| {
            self.row_teams(row)
                .is_ok_and(|teams| !teams.is_empty() && teams.iter().all(leads))
        })
    }
}

/// Parses a date of a body: ISO in XML, `/Date(ms)/` in JSON.
pub(crate) fn course_date(text: &str, format: Format) -> Option<Timestamp> {
    match format {
        Format::Xml => timestamp(text),
        Format::Json => {
            let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
            // A time zone after the milliseconds does not change the time.
            let zone = inside.rfind(['+', '-']).filter(|place| *place > 0);
            let milliseconds = &inside[..zone.unwrap_or(inside.len())];
            Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()
        }
    }
}

impl AccessLevel {
    /// True for the levels that may only manage their own teams.
    pub(crate) fn leads_only(self) -> bool {
        matches!(self, Self::TeamLeader | Self::TeamAdmin)
    }
}
