//! Conversions from records of Litmos to accounts and teams.

use litmos::{TeamRecord, UserRecord};
use provisioning::{Account, RawAccount, Team, TeamId};

/// Converts a user record to an account. `None` if the record is not valid.
pub fn account(record: &UserRecord, as_of_ms: u64) -> Option<Account> {
    let raw = RawAccount {
        id: &record.id,
        user_name: &record.user_name,
        active: record.active,
        access_level: record.access_level.as_deref(),
        manager: record.manager_id.as_deref(),
        whole: record.whole,
        rest: &record.rest,
    };
    let fields = record
        .fields
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()));
    let unseen = record.lacking.iter().map(String::as_str);
    Account::read(raw, fields, unseen, as_of_ms).ok()
}

/// Converts a team record to a team. `None` if the record is not valid.
pub fn team(record: &TeamRecord, as_of_ms: u64) -> Option<Team> {
    Some(Team {
        id: TeamId::parse(&record.id).ok()?,
        name: record.name.clone(),
        description: record.description.clone(),
        parent: record.parent_id.as_deref().map(TeamId::parse).transpose().ok()?,
        bulk_code: record.bulk_code.clone(),
        as_of_ms,
    })
}
