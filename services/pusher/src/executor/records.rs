//! Conversions between records of Litmos and Rollcall's types.

use std::collections::BTreeMap;

use litmos::{NewUser, TeamRecord, UserRecord};
use provisioning::{Account, Draft, Field, RawAccount, Team, TeamId};

/// Converts a user record to an account. `None` if the record is not valid.
pub(crate) fn account(record: &UserRecord, as_of_ms: u64) -> Option<Account> {
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

pub(crate) fn record(account: &Account) -> UserRecord {
    UserRecord {
        id: account.id.to_string(),
        user_name: account.user_name.clone(),
        active: account.active,
        access_level: account.access_level.map(|level| level.as_litmos().to_owned()),
        manager_id: account.manager.as_ref().map(ToString::to_string),
        fields: account
            .profile
            .iter()
            .map(|(field, value)| (field.wire().to_owned(), value.to_owned()))
            .collect(),
        lacking: account
            .unseen
            .iter()
            .map(|attribute| attribute.wire().to_owned())
            .collect(),
        rest: account.rest.as_str().to_owned(),
        whole: account.whole,
        created_ms: None,
    }
}

pub(crate) fn new_user(draft: &Draft) -> NewUser {
    let mut fields: BTreeMap<String, String> = draft
        .profile
        .iter()
        .map(|(field, value)| (field.wire().to_owned(), value.to_owned()))
        .collect();
    fields
        .entry(Field::DisableMessages.wire().to_owned())
        .or_insert_with(|| "false".to_owned());
    let custom = !draft.user_name.contains('@');
    fields
        .entry(Field::IsCustomUsername.wire().to_owned())
        .or_insert_with(|| custom.to_string());
    NewUser {
        user_name: draft.user_name.clone(),
        active: true,
        access_level: draft.access_level.as_litmos().to_owned(),
        manager_id: draft.manager.as_ref().map(ToString::to_string),
        fields,
    }
}

/// Converts a team record to a team. `None` if an id in the record is not valid.
pub(crate) fn team(record: &TeamRecord, as_of_ms: u64) -> Option<Team> {
    Some(Team {
        id: TeamId::parse(&record.id).ok()?,
        name: record.name.clone(),
        description: record.description.clone(),
        parent: record.parent_id.as_deref().map(TeamId::parse).transpose().ok()?,
        bulk_code: record.bulk_code.clone(),
        as_of_ms,
    })
}

pub(crate) fn team_record(team: &Team) -> TeamRecord {
    TeamRecord {
        id: team.id.to_string(),
        name: team.name.clone(),
        description: team.description.clone(),
        parent_id: team.parent.as_ref().map(ToString::to_string),
        bulk_code: team.bulk_code.clone(),
    }
}
