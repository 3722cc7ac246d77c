//! `/users`.

use super::paging::{page_limit, page_start};
use super::{Api, Call, Reply};
use crate::effect::Effect;
use crate::mode::{CreateStatus, CustomFieldsShape};
use crate::model::contract::{TEAM, USER};
use crate::model::{Fields, Refusal, User, UserKey, timestamp};
use crate::wire::{Body, Record, Value};

impl Api<'_> {
    pub(super) fn list_users(&self, call: &Call) -> Result<Reply, Refusal> {
        let page = self.selected_page(call, |_| true).0;
        Ok(self.users_reply(call, page.into_iter().map(User::item).collect()))
    }

    pub(super) fn list_user_details(&self, call: &Call) -> Result<Reply, Refusal> {
        let since = match call.query.get("since") {
            None => None,
            Some(text) => Some(timestamp(text).ok_or(Refusal::DateRange("since"))?),
        };
        let page = self
            .selected_page(call, |user| since.is_none_or(|since| user.created >= since))
            .0;
        let items = page
            .into_iter()
            .map(|user| user.details_record(self.account.manager_of(user), self.modes.details))
            .collect();
        Ok(self.users_reply(call, items))
    }

    pub(super) fn paginate_users(&self, call: &Call) -> Result<Reply, Refusal> {
        let (page, total) = self.selected_page(call, |_| true);
        let pagination = Record {
            name: "Pagination",
            fields: vec![
                ("BatchParam", Value::text("Limit")),
                ("BatchSize", Value::Int(page_limit(call) as i64)),
                ("Start", Value::Int(page_start(call) as i64)),
                ("TotalCount", Value::Int(total as i64)),
            ],
        };
        let items = page.into_iter().map(User::item).collect();
        let collection = Record {
            name: "UserCollection",
            fields: vec![
                ("Pagination", Value::Record(pagination)),
                ("Items", Value::List(items)),
            ],
        };
        Ok(Reply::with(200, call.shape(self.modes), &Body::One(collection)))
    }

    /// Page of the users selected by the query, and the number of all selected users.
    fn selected_page(&self, call: &Call, also: impl Fn(&User) -> bool) -> (Vec<&User>, usize) {
        let search = call.query.get("search").unwrap_or_default().to_lowercase();
        let active_only = call
            .query
            .get("showInactive")
            .is_some_and(|show| show.eq_ignore_ascii_case("false"));
        let wanted = |user: &&User| {
            (!active_only || user.active) && (search.is_empty() || user.matches(&search)) && also(user)
        };
        let everyone = search.is_empty() && !active_only && call.query.get("since").is_none();
        let users = &self.account.users;
        let sort = call.query.get("sort").and_then(sort_key);
        if everyone && sort.is_none() {
            let page = self.page(call, users.keys());
            return (
                page.into_iter().filter_map(|key| users.get(key)).collect(),
                users.len(),
            );
        }
        let mut selected: Vec<&User> = users.iter().filter(wanted).collect();
        if let Some(key) = sort {
            selected.sort_by_cached_key(|user| key(user));
            if call
                .query
                .get("dir")
                .is_some_and(|dir| dir.eq_ignore_ascii_case("desc"))
            {
                selected.reverse();
            }
        }
        let total = selected.len();
        (self.page(call, selected.into_iter()), total)
    }

    fn users_reply(&self, call: &Call, items: Vec<Record<'_>>) -> Reply {
        Reply::with(
            200,
            call.shape(self.modes),
            &Body::List {
                root: "Users",
                item: "User",
                items,
            },
        )
    }

    pub(super) fn show_user(&self, call: &Call, who: &str) -> Result<Reply, Refusal> {
        let users = &self.account.users;
        let user = users
            .by_id(who)
            .or_else(|| users.by_name(who))
            .ok_or(Refusal::NoSuchUser)?;
        let record = user.record(self.account.manager_of(user));
        Ok(Reply::with(200, call.shape(self.modes), &Body::One(record)))
    }

    /// Finds a user for a write. Only the real id is accepted, not the username.
    pub(super) fn user_key(&self, id: &str) -> Result<UserKey, Refusal> {
        self.account
            .users
            .by_id(id)
            .map(|user| user.key)
            .ok_or(Refusal::NoSuchUser)
    }

    pub(super) fn create_user(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let skip_first_login = call.query.flag("skipfirstlogin");
        let key =
            self.account
                .create_user(&call.object(&USER)?, skip_first_login, self.modes, self.now.wall)?;
        let user = self.account.users.get(key).ok_or(Refusal::NoSuchUser)?;
        let record = user.record(self.account.manager_of(user));
        let effect = Effect::UserCreated(user.id.clone());
        Ok(Reply::with(self.create_status(), call.shape(self.modes), &Body::One(record)).and(effect))
    }

    pub(super) fn create_status(&self) -> u16 {
        match self.modes.create_status {
            CreateStatus::Created => 201,
            CreateStatus::Ok => 200,
        }
    }

    pub(super) fn update_user(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let key = self.user_key(id)?;
        let fields = call.object(&USER)?;
        same_id(&fields, id)?;
        let effect = self
            .account
            .update_user(key, &fields, self.modes, self.now.wall)?;
        Ok(Reply::empty(200, effect))
    }

    pub(super) fn delete_user(&mut self, id: &str) -> Result<Reply, Refusal> {
        let key = self.user_key(id)?;
        Ok(Reply::empty(200, self.account.delete_user(key)?))
    }

    pub(super) fn list_user_teams(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let user = &self.account.users.by_id(id).ok_or(Refusal::NoSuchUser)?;
        let teams = user.teams.iter().filter_map(|key| self.account.teams.get(key));
        Ok(self.teams_reply(call, teams))
    }

    pub(super) fn add_user_to_teams(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let key = self.user_key(id)?;
        let teams = ids(&call.objects(&TEAM)?)?;
        Ok(Reply::empty(
            200,
            self.account.add_to_teams(key, &teams, self.now.wall)?,
        ))
    }

    pub(super) fn leave_teams(&mut self, id: &str) -> Result<Reply, Refusal> {
        let key = self.user_key(id)?;
        let user = self.account.users.get(key).ok_or(Refusal::NoSuchUser)?.id.clone();
        let left = self.account.leave_all_teams(key, self.now.wall);
        Ok(Reply::empty(200, Effect::UserTeamsLeft { user, left }))
    }

    pub(super) fn show_custom_fields(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let user = self.account.users.by_id(id).ok_or(Refusal::NoSuchUser)?;
        let pairs = self
            .account
            .house
            .custom_fields
            .iter()
            .map(|name| (name.as_str(), user.custom_fields.get(name).map(String::as_str)))
            .collect();
        Ok(Reply::with(
            200,
            call.shape(self.modes),
            &Body::CustomFields(pairs),
        ))
    }

    /// Sets custom fields from XML or JSON. The mode decides whether JSON is one object of names and values, or a list of pairs.
    pub(super) fn set_custom_fields(&mut self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let key = self.user_key(id)?;
        let fields = call.custom_fields(self.modes.custom_fields == CustomFieldsShape::Pairs)?;
        Ok(Reply::empty(
            200,
            self.account
                .set_custom_fields(key, &fields, self.modes, self.now.wall)?,
        ))
    }
}

/// Ids in a list of `{"Id":..}`. An item without an id counts as unknown, and is ignored later.
pub(super) fn ids(items: &[Fields]) -> Result<Vec<String>, Refusal> {
    items
        .iter()
        .map(|item| Ok(item.text("Id")?.value().unwrap_or_default()))
        .collect()
}

/// Checks that the body has the same id as the URL.
pub(super) fn same_id(fields: &Fields, id: &str) -> Result<(), Refusal> {
    if fields.text("Id")?.value().as_deref() == Some(id) {
        Ok(())
    } else {
        Err(Refusal::IdMismatch)
    }
}

fn sort_key(name: &str) -> Option<fn(&User) -> String> {
    match name.to_ascii_lowercase().as_str() {
        "username" => Some(|user| user.user_name.to_lowercase()),
        "firstname" => Some(|user| user.first_name.to_lowercase()),
        "lastname" => Some(|user| user.last_name.to_lowercase()),
        "email" => Some(|user| user.email.to_lowercase()),
        "createddate" => Some(|user| user.created.to_string()),
        _ => None,
    }
}
