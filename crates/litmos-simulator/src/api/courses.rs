//! Courses, assignments and results, as far as public clients use them.

use super::users::ids;
use super::{Api, Call, Reply};
use crate::model::contract::{COURSE, MODULE_RESULT};
use crate::model::{Assignment, Course, Refusal, timestamp};
use crate::wire::{Body, Record};

impl Api<'_> {
    pub(super) fn list_courses(&self, call: &Call) -> Result<Reply, Refusal> {
        let search = call.query.get("search").unwrap_or_default().to_lowercase();
        let found = self.account.courses.values();
        let found = found.filter(|course| course.name.to_lowercase().contains(&search));
        let items = self.page(call, found).into_iter().map(Course::record).collect();
        Ok(self.list_reply(call, ("Courses", "Course"), items))
    }

    pub(super) fn show_course(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let record = self.account.course(id)?.record();
        Ok(Reply::with(200, call.shape(self.modes), &Body::One(record)))
    }

    pub(super) fn list_modules(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let modules = [self.account.course(id)?.module_record()];
        let items = self.page(call, modules.into_iter());
        Ok(self.list_reply(call, ("Modules", "Module"), items))
    }

    pub(super) fn list_learners(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let course = self.account.course(id)?.key;
        let learners = self.account.users.iter().filter_map(|user| {
            let assignment = user.courses.get(&course)?;
            Some(assignment.learner_record(user))
        });
        let items = self.page(call, learners);
        Ok(self.list_reply(call, ("Users", "User"), items))
    }

    pub(super) fn list_team_courses(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let team = self.account.team(id)?;
        let courses = team
            .courses
            .iter()
            .filter_map(|key| self.account.courses.get(key));
        let items = self.page(call, courses).into_iter().map(Course::record).collect();
        Ok(self.list_reply(call, ("Courses", "Course"), items))
    }

    pub(super) fn add_team_courses(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let team = self.account.team(id)?.key;
        let courses = ids(&call.objects(&COURSE)?)?;
        let sub_teams = call.query.flag("includesubteams");
        let effect = self
            .account
            .assign_to_team(team, &courses, sub_teams, self.now.wall)?;
        Ok(Reply::empty(201, effect))
    }

    pub(super) fn remove_team_courses(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let team = self.account.team(id)?.key;
        let courses = ids(&call.objects(&COURSE)?)?;
        Ok(Reply::empty(200, self.account.take_from_team(team, &courses)?))
    }

    pub(super) fn list_user_courses(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let user = self.account.users.by_id(id).ok_or(Refusal::NoSuchUser)?;
        let courses = user.courses.iter().filter_map(|(key, assignment)| {
            Some(self.account.courses.get(key)?.assigned_record(*assignment))
        });
        let items = self.page(call, courses);
        Ok(self.list_reply(call, ("Courses", "Course"), items))
    }

    pub(super) fn show_user_course(&self, call: &Call, id: &str, course: &str) -> Result<Reply, Refusal> {
        let user = self.account.users.by_id(id).ok_or(Refusal::NoSuchUser)?;
        let course = self.account.course(course)?;
        let assignment = user.courses.get(&course.key).ok_or(Refusal::NotAssigned)?;
        let record = course.assigned_record(*assignment);
        Ok(Reply::with(200, call.shape(self.modes), &Body::One(record)))
    }

    pub(super) fn add_user_courses(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let user = self.user_key(id)?;
        let courses = ids(&call.objects(&COURSE)?)?;
        let effect = self.account.assign_to_user(user, &courses, self.now.wall)?;
        Ok(Reply::empty(201, effect))
    }

    pub(super) fn remove_user_course(&mut self, id: &str, course: &str) -> Result<Reply, Refusal> {
        let user = self.user_key(id)?;
        Ok(Reply::empty(200, self.account.take_from_user(user, course)?))
    }

    pub(super) fn reset_user_course(&mut self, id: &str, course: &str) -> Result<Reply, Refusal> {
        let user = self.user_key(id)?;
        Ok(Reply::empty(200, self.account.reset_course(user, course)?))
    }

    /// Stores a result. A JSON date must have the format of .NET's serializer. Any other format is a server error, not a refusal.
    pub(super) fn put_result(&mut self, call: &Call, module: &str) -> Result<Reply, Refusal> {
        let fields = call.object(&MODULE_RESULT)?;
        let date = fields.text("UpdatedAt")?.value().filter(|date| !date.is_empty());
        let at = match date {
            None => None,
            Some(date) => Some(call.body_date(&date)?.ok_or(Refusal::Unhandled("UpdatedAt"))?),
        };
        let effect = self.account.record_result(module, &fields, at, self.now.wall)?;
        Ok(Reply::empty(200, effect))
    }

    /// Lists the results completed since a day.
    pub(super) fn list_results(&self, call: &Call) -> Result<Reply, Refusal> {
        let since = call.query.get("since").and_then(timestamp);
        let since = since.ok_or(Refusal::DateRange("since"))?;
        let recent = |assignment: &&Assignment| assignment.completed.is_some_and(|at| at >= since);
        let results = self.account.users.iter().flat_map(|user| {
            user.courses
                .iter()
                .filter(move |(_, assignment)| recent(assignment))
                .filter_map(move |(key, assignment)| {
                    Some(self.account.courses.get(key)?.result_record(user, *assignment))
                })
        });
        let items: Vec<Record<'_>> = self.page(call, results);
        Ok(self.list_reply(call, ("Users", "User"), items))
    }

    /// The account has no learning paths.
    pub(super) fn no_learning_paths(&self, call: &Call) -> Reply {
        self.list_reply(call, ("LearningPaths", "LearningPath"), Vec::new())
    }

    pub(super) fn list_reply(
        &self,
        call: &Call,
        (root, item): (&'static str, &'static str),
        items: Vec<Record<'_>>,
    ) -> Reply {
        Reply::with(200, call.shape(self.modes), &Body::List { root, item, items })
    }
}
