//! Creates the rows of bulk imports.

use super::Emitter;
use crate::plan::BulkRow;
use crate::planner::{Amendment, Creation};
use crate::{AccessLevel, Account, AccountId, Attribute, GroupId, PersonId, Profile, need};

/// Most bytes of a field's name, quotes and commas in a bulk row.
const FIELD_OVERHEAD: usize = 32;

impl<'a> Emitter<'a, '_> {
    pub(super) fn manager_row(&self, person: &PersonId) -> Option<BulkRow> {
        if let Some(creation) = self.inputs.needs.creations.get(person) {
            return Some(manager_row(person, creation.revision, &creation.draft.user_name));
        }
        let amendment = self.inputs.amendment(person)?;
        let account = self.inputs.state.account(&amendment.account)?;
        Some(BulkRow {
            account: Some(account.id.clone()),
            ..manager_row(person, amendment.revision, &account.user_name)
        })
    }

    /// The row of this person. If the account is created before the import, the row repeats its values.
    pub(super) fn row(&self, person: &PersonId) -> Option<BulkRow> {
        let groups = self.shape.rows.get(person);
        let groups: Vec<GroupId> = groups
            .into_iter()
            .flatten()
            .map(|group| (*group).clone())
            .collect();
        if let Some(creation) = self.inputs.needs.creations.get(person) {
            return Some(new_row(person, creation, groups));
        }
        let state = self.inputs.state;
        match self.inputs.amendment(person) {
            Some(amendment) => {
                let account = state.account(&amendment.account)?;
                Some(changed_row(person, amendment, account, groups))
            }
            None => {
                let account = state.account_for(person).and_then(|id| state.account(id))?;
                Some(BulkRow {
                    person: person.clone(),
                    revision: state.person(person)?.revision,
                    account: Some(account.id.clone()),
                    user_name: account.user_name.clone(),
                    access_level: None,
                    profile: need::bulk_update_profile(account, &[]),
                    manager: None,
                    groups,
                })
            }
        }
    }
}

/// A row that will set a manager. The manager's id is known only when both accounts exist.
pub(super) fn manager_row(person: &PersonId, revision: u64, user_name: &str) -> BulkRow {
    BulkRow {
        person: person.clone(),
        revision,
        account: None,
        user_name: user_name.to_owned(),
        access_level: None,
        profile: Profile::new(),
        manager: None,
        groups: Vec::new(),
    }
}

fn new_row(person: &PersonId, creation: &Creation, groups: Vec<GroupId>) -> BulkRow {
    BulkRow {
        person: person.clone(),
        revision: creation.revision,
        account: None,
        user_name: creation.draft.user_name.clone(),
        access_level: Some(creation.draft.access_level),
        profile: creation.draft.profile.clone(),
        manager: creation.draft.manager.clone(),
        groups,
    }
}

/// A row for a person with an account. Changes that a row cannot make are made by a call before it.
fn changed_row(person: &PersonId, amendment: &Amendment, account: &Account, groups: Vec<GroupId>) -> BulkRow {
    let message: &[_] = if amendment.bulk { &amendment.changes } else { &[] };
    let change = |attribute| message.iter().find(|change| change.attribute == attribute);
    BulkRow {
        person: person.clone(),
        revision: amendment.revision,
        account: Some(account.id.clone()),
        user_name: account.user_name.clone(),
        access_level: change(Attribute::AccessLevel).and_then(|change| AccessLevel::parse(&change.to).ok()),
        profile: need::bulk_update_profile(account, message),
        manager: change(Attribute::Manager).and_then(|change| AccountId::parse(&change.to).ok()),
        groups,
    }
}

/// Upper bound of a row's size as JSON, in bytes, without its teams.
pub(in crate::planner::encode) fn row_bytes(user_name: &str, profile: &Profile) -> usize {
    let text = |value: &str| {
        let escaped: usize = value
            .bytes()
            .map(|byte| {
                if byte < 0x20 {
                    6
                } else {
                    1 + usize::from(matches!(byte, b'"' | b'\\'))
                }
            })
            .sum();
        escaped + FIELD_OVERHEAD
    };
    let fields: usize = profile.iter().map(|(_, value)| text(value)).sum();
    text(user_name) + fields + 3 * FIELD_OVERHEAD + 64
}
