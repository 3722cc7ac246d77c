//! Which changes a row of a bulk import can make.

use crate::plan::Draft;
use crate::{Account, Attribute, AttributeChange, Field, Profile};

/// Fields that every row must carry.
const REQUIRED: [Field; 3] = [Field::FirstName, Field::LastName, Field::Email];

/// True if a bulk row can make exactly these changes to this account.
///
/// A row cannot rename, cannot clear a value, and has no column for some fields. It also turns notification mail on for
/// every account that it names.
pub(super) fn bulk_can_say(account: &Account, changes: &[AttributeChange]) -> bool {
    bulk_leaves_alone(account)
        && changes.iter().all(|change| match change.attribute {
            Attribute::UserName | Attribute::Active => false,
            Attribute::AccessLevel | Attribute::Manager => !change.to.is_empty(),
            Attribute::Profile(field) => field.bulk().is_some() && !change.to.is_empty(),
        })
}

/// True if a bulk row that repeats the values of the account leaves the account unchanged.
pub(crate) fn bulk_leaves_alone(account: &Account) -> bool {
    account.active
        && account.knows(Attribute::Profile(Field::DisableMessages))
        && account.profile.value(Field::DisableMessages) != "true"
        && REQUIRED
            .iter()
            .all(|field| !account.profile.value(*field).is_empty())
}

/// True if a bulk row that repeats the values of this new account leaves it unchanged.
pub(crate) fn leaves_alone_when_made(draft: &Draft) -> bool {
    draft.profile.value(Field::DisableMessages) != "true"
}

/// True if one bulk row can carry all values of a new account.
pub(crate) fn bulk_can_create(draft: &Draft) -> bool {
    draft
        .profile
        .iter()
        .all(|(field, value)| field.bulk().is_some() || (field == Field::DisableMessages && value == "false"))
}

/// Profile of a bulk row for these changes: the required fields and the changed fields.
pub(crate) fn bulk_update_profile(account: &Account, changes: &[AttributeChange]) -> Profile {
    let mut profile: Profile = REQUIRED
        .into_iter()
        .map(|field| (field, account.profile.value(field)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    for change in changes {
        if let Attribute::Profile(field) = change.attribute {
            profile.set(field, change.to.as_str());
        }
    }
    profile
}
