//! Conversions between records of Litmos and Rollcall's types.

use std::collections::BTreeMap;

use litmos::{NewUser, TeamRecord, UserRecord};
use provisioning::{Account, Draft, Field, Team};
pub(crate) use service::records::{account, team};

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

pub(crate) fn team_record(team: &Team) -> TeamRecord {
    TeamRecord {
        id: team.id.to_string(),
        name: team.name.clone(),
        description: team.description.clone(),
        parent_id: team.parent.as_ref().map(ToString::to_string),
        bulk_code: team.bulk_code.clone(),
    }
}
