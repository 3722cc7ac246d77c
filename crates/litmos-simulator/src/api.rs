//! The REST API of Litmos, as far as provisioning needs it: a pure function from account and call to response.
//!
//! A call arrives here after it was counted, passed the limit, and was read completely. First the rights are checked, then the
//! path is matched, then the model decides. Lists of learning paths are empty; sessions are missing.

mod call;
mod courses;
mod imports;
mod media;
mod paging;
mod ranges;
mod reply;
mod teams;
mod users;

pub(crate) use call::{Call, Method, Query, Twist};
pub(crate) use reply::{Reply, html_page, maintenance_page, redirect};

use crate::clock::Now;
use crate::mode::{ApiAccess, BadKey, ContentType, Modes};
use crate::model::{AccessLevel, Account, Refusal, Role};

/// Fixed segments of all paths. No id equals one of them, so they match in any letter case.
pub(crate) const WORDS: &[&str] = &[
    "users",
    "paginated",
    "details",
    "teams",
    "usercustomfields",
    "courses",
    "reset",
    "leaders",
    "admins",
    "modules",
    "results",
    "learningpaths",
    "bulkimports",
    "usererrors",
    "org",
    "logins",
];

/// Context of all endpoints.
struct Api<'a> {
    account: &'a mut Account,
    modes: &'a Modes,
    now: Now,
}

/// Performs one call and returns the response.
pub(crate) fn respond(account: &mut Account, call: &Call, modes: &Modes, now: Now) -> Reply {
    account.expire(now.wall, modes);
    account.run_imports(now, modes);
    let mut api = Api { account, modes, now };
    api.permitted(call)
        .and_then(|()| api.route(call))
        .unwrap_or_else(|refusal| refused(&refusal, modes))
}

/// Response for a refusal, according to the modes.
pub(crate) fn refused(refusal: &Refusal, modes: &Modes) -> Reply {
    let mut reply = Reply::refused(refusal);
    if matches!(refusal, Refusal::Key | Refusal::SourceMissing) && modes.bad_key == BadKey::Forbidden {
        reply.status = 403;
    }
    reply
}

impl Api<'_> {
    /// Checks the rights of the key's owner: everything for an Account Owner, less for an Administrator, bulk imports for
    /// leaders and admins of teams, and nothing for Learners.
    fn permitted(&self, call: &Call) -> Result<(), Refusal> {
        if call.query.get("source").is_none_or(str::is_empty) {
            return Err(Refusal::SourceMissing);
        }
        let is_write = matches!(call.method, Method::Post | Method::Put | Method::Delete);
        if is_write
            && self.modes.content_type == ContentType::Wanted
            && media::named(&call.content_type).is_none()
        {
            return Err(Refusal::ContentType);
        }
        let path = call.path();
        let owners_only = self.modes.api_access == ApiAccess::Owners
            || matches!(
                (call.method, path.as_slice()),
                (Method::Get, ["users", "details"] | ["org", ..])
                    | (Method::Post | Method::Delete, ["teams", _, "courses"])
            );
        let imports = matches!(
            (call.method, path.as_slice()),
            (Method::Post, ["bulkimports"]) | (Method::Get, ["bulkimports", ..])
        );
        match self.account.key_rights(call.caller) {
            None => Err(Refusal::Key),
            Some(AccessLevel::AccountOwner) => Ok(()),
            Some(AccessLevel::Administrator) if !owners_only => Ok(()),
            Some(AccessLevel::TeamAdmin | AccessLevel::TeamLeader) if imports && !owners_only => Ok(()),
            Some(
                AccessLevel::Administrator
                | AccessLevel::TeamAdmin
                | AccessLevel::TeamLeader
                | AccessLevel::Learner,
            ) => Err(Refusal::NotPermitted),
        }
    }

    fn route(&mut self, call: &Call) -> Result<Reply, Refusal> {
        use Method::{Delete, Get, Post, Put};
        match (call.method, call.path().as_slice()) {
            (Get, ["users"]) => self.list_users(call),
            (Post, ["users"]) => self.create_user(call),
            (Get, ["users", "paginated"]) => self.paginate_users(call),
            (Get, ["users", "details"]) => self.list_user_details(call),
            (Get, ["users", who]) => self.show_user(call, who),
            (Put, ["users", id]) => self.update_user(call, id),
            (Delete, ["users", id]) => self.delete_user(id),
            (Get, ["users", id, "teams"]) => self.list_user_teams(call, id),
            (Post, ["users", id, "teams"]) => self.add_user_to_teams(call, id),
            (Delete, ["users", id, "teams"]) => self.leave_teams(id),
            (Get, ["users", id, "usercustomfields"]) => self.show_custom_fields(call, id),
            (Post, ["users", id, "usercustomfields"]) => self.set_custom_fields(call, id),

            (Get, ["users", id, "courses"]) => self.list_user_courses(call, id),
            (Post, ["users", id, "courses"]) => self.add_user_courses(call, id),
            (Get, ["users", id, "courses", course]) => self.show_user_course(call, id, course),
            (Delete, ["users", id, "courses", course]) => self.remove_user_course(id, course),
            (Put, ["users", id, "courses", course] | ["users", id, "courses", course, "reset"]) => {
                self.reset_user_course(id, course)
            }

            (Get, ["teams"]) => self.list_teams(call),
            (Post, ["teams"]) => self.create_team(call, None),
            (Get, ["teams", id]) => self.show_team(call, id),
            (Put, ["teams", id]) => self.update_team(call, id),
            (Delete, ["teams", id]) => self.delete_team(id),
            (Get, ["teams", id, "teams"]) => self.list_sub_teams(call, id),
            (Post, ["teams", id, "teams"]) => self.create_team(call, Some(id)),
            (Get, ["teams", id, "users"]) => self.list_members(call, id, None),
            (Post, ["teams", id, "users"]) => self.add_members(call, id),
            (Delete, ["teams", id, "users", user]) => self.remove_member(id, user),
            (Get, ["teams", id, "leaders"]) => self.list_members(call, id, Some(Role::Leader)),
            (Get, ["teams", id, "admins"]) => self.list_members(call, id, Some(Role::Admin)),
            (Put, ["teams", id, "leaders", user]) => self.set_role(id, user, Role::Leader, true),
            (Put, ["teams", id, "admins", user]) => self.set_role(id, user, Role::Admin, true),
            (Delete, ["teams", id, "leaders", user]) => self.set_role(id, user, Role::Leader, false),
            (Delete, ["teams", id, "admins", user]) => self.set_role(id, user, Role::Admin, false),

            (Get, ["teams", id, "courses"]) => self.list_team_courses(call, id),
            (Post, ["teams", id, "courses"]) => self.add_team_courses(call, id),
            (Delete, ["teams", id, "courses"]) => self.remove_team_courses(call, id),

            (Get, ["courses"]) => self.list_courses(call),
            (Get, ["courses", id]) => self.show_course(call, id),
            (Get, ["courses", id, "users"]) => self.list_learners(call, id),
            (Get, ["courses", id, "modules"]) => self.list_modules(call, id),
            (Get, ["learningpaths"]) => Ok(self.no_learning_paths(call)),
            (Get, ["users", id, "learningpaths"]) => self.user_key(id).map(|_| self.no_learning_paths(call)),
            (Get, ["teams", id, "learningpaths"]) => {
                self.account.team(id).map(|_| self.no_learning_paths(call))
            }
            (Get, ["results", "details"]) => self.list_results(call),
            (Put, ["results", "modules", module]) => self.put_result(call, module),

            (Post, ["bulkimports"]) => self.import(call),
            (Get, ["bulkimports"]) => self.list_imports(call),
            (Get, ["bulkimports", id]) => self.show_import(call, id),
            (Get, ["bulkimports", id, "usererrors"]) => self.list_import_errors(call, id),

            (Get, ["org", "users", "details"]) => self.range_of_users(call),
            (Get, ["org", "users", "logins"]) => self.range_of_logins(call),
            (Get, ["org", "teams"]) => self.range_of_teams(call),
            (Get, ["org", "teams", "users"]) => self.range_of_memberships(call),

            (_, ["users" | "teams" | "bulkimports" | "courses", ..]) => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NoSuchEndpoint),
        }
    }
}
