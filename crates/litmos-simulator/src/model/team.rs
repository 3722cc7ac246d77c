//! One team and its memberships.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::user::range_date;
use super::{CourseKey, TeamId, TeamKey, User, UserKey};
use crate::mode::RangeDates;
use crate::wire::{Record, Value};

#[derive(Clone, Debug)]
pub(crate) struct Team {
    pub(crate) id: TeamId,
    pub(crate) key: TeamKey,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parent: Option<TeamKey>,
    pub(crate) code: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// Current and ended memberships, because the date-range list shows both.
    pub(crate) memberships: BTreeMap<UserKey, Membership>,
    pub(crate) courses: BTreeSet<CourseKey>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) active: bool,
    pub(crate) leader: bool,
    pub(crate) admin: bool,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Team {
    pub(crate) fn membership(&self, user: UserKey) -> Option<&Membership> {
        self.memberships.get(&user).filter(|membership| membership.active)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (UserKey, &Membership)> {
        self.memberships
            .iter()
            .filter(|(_, membership)| membership.active)
            .map(|(key, member)| (*key, member))
    }

    /// Item of team lists.
    pub(crate) fn item<'a>(&'a self, parent: Option<&'a Team>) -> Record<'a> {
        Record {
            name: "Team",
            fields: vec![
                ("Id", Value::text(&self.id.0)),
                ("Name", Value::text(&self.name)),
                ("TeamCodeForBulkImport", Value::text(&self.code)),
                ("ParentTeamId", parent_id(parent)),
            ],
        }
    }

    /// Record of a single team.
    pub(crate) fn record<'a>(&'a self, parent: Option<&'a Team>) -> Record<'a> {
        Record {
            name: "Team",
            fields: vec![
                ("Id", Value::text(&self.id.0)),
                ("Name", Value::text(&self.name)),
                ("Description", Value::text(&self.description)),
                ("ParentTeamId", parent_id(parent)),
                ("TeamCodeForBulkImport", Value::text(&self.code)),
            ],
        }
    }

    /// Record of the date-range list.
    pub(crate) fn range_record<'a>(
        &'a self,
        parent: Option<&'a Team>,
        changed_by: UserKey,
        dates: RangeDates,
    ) -> Record<'a> {
        Record {
            name: "Team",
            fields: vec![
                ("Id", Value::text(&self.id.0)),
                ("Name", Value::text(&self.name)),
                ("OriginalTeamId", Value::Int(i64::from(self.key.0))),
                ("Active", Value::Bool(true)),
                ("CreatedDate", Value::text(range_date(self.created, dates))),
                ("UpdatedDate", Value::text(range_date(self.updated, dates))),
                ("CreatedBy", Value::Int(i64::from(changed_by.0))),
                ("UpdatedBy", Value::Int(i64::from(changed_by.0))),
                ("ParentTeamId", parent_id(parent)),
                ("TeamCodeForBulkImport", Value::text(&self.code)),
            ],
        }
    }

    /// Record of one membership in the date-range list.
    pub(crate) fn membership_record<'a>(
        &'a self,
        user: &'a User,
        membership: &Membership,
        changed_by: UserKey,
        dates: RangeDates,
    ) -> Record<'a> {
        Record {
            name: "TeamUser",
            fields: vec![
                ("TeamId", Value::text(&self.id.0)),
                ("Id", Value::text(&user.id.0)),
                ("OriginalTeamId", Value::Int(i64::from(self.key.0))),
                ("OriginalUserId", Value::Int(i64::from(user.key.0))),
                ("Active", Value::Bool(membership.active)),
                ("IsTeamLeader", Value::Bool(membership.leader)),
                ("IsTeamAdmin", Value::Bool(membership.admin)),
                ("CreatedDate", Value::text(range_date(membership.created, dates))),
                ("UpdatedDate", Value::text(range_date(membership.updated, dates))),
                ("CreatedBy", Value::Int(i64::from(changed_by.0))),
                ("UpdatedBy", Value::Int(i64::from(changed_by.0))),
            ],
        }
    }
}

fn parent_id<'a>(parent: Option<&'a Team>) -> Value<'a> {
    Value::text(parent.map_or("", |parent| parent.id.0.as_str()))
}
