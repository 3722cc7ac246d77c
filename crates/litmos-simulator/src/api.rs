//! The REST API of Litmos, as far as provisioning needs it: a pure function from account and call to reply.
//!
//! A call comes here once it has been counted, let through by the limit and read. Rights are checked first, then the
//! path is matched, then the model decides. Courses, learning paths, assignments and results are missing.

mod call;
mod imports;
mod paging;
mod ranges;
mod reply;
mod teams;
mod users;

pub(crate) use call::{Call, Method, Query, Twist};
pub(crate) use reply::{Reply, html_page};

use crate::clock::Now;
use crate::mode::Modes;
use crate::model::{AccessLevel, Account, Refusal, Role};

/// What every endpoint works with.
struct Desk<'a> {
    account: &'a mut Account,
    modes: &'a Modes,
    now: Now,
}

/// Answers one call.
pub(crate) fn respond(account: &mut Account, call: &Call, modes: &Modes, now: Now) -> Reply {
    account.expire(now.wall, modes);
    account.run_imports(now, modes);
    let mut desk = Desk { account, modes, now };
    desk.permitted(call)
        .and_then(|()| desk.route(call))
        .unwrap_or_else(|refusal| Reply::refused(&refusal))
}

impl Desk<'_> {
    /// The key acts with its owner's rights: nothing at all below Administrator, and not everything for one.
    fn permitted(&self, call: &Call) -> Result<(), Refusal> {
        if call.query.get("source").is_none_or(str::is_empty) {
            return Err(Refusal::SourceMissing);
        }
        let owners_only = matches!(
            (call.method, call.path().as_slice()),
            (Method::Get, ["users", "details"] | ["org", ..])
        );
        match self.account.key_rights() {
            None => Err(Refusal::Key),
            Some(AccessLevel::AccountOwner) => Ok(()),
            Some(AccessLevel::Administrator) if !owners_only => Ok(()),
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

            (Post, ["bulkimports"]) => self.import(call),
            (Get, ["bulkimports"]) => self.list_imports(call),
            (Get, ["bulkimports", id]) => self.show_import(call, id),
            (Get, ["bulkimports", id, "usererrors"]) => self.list_import_errors(call, id),

            (Get, ["org", "users", "details"]) => self.range_of_users(call),
            (Get, ["org", "teams"]) => self.range_of_teams(call),
            (Get, ["org", "teams", "users"]) => self.range_of_memberships(call),

            (_, ["users" | "teams" | "bulkimports", ..]) => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NoSuchEndpoint),
        }
    }
}
