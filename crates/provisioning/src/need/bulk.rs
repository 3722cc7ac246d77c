//! What a row of a bulk import can say.

use crate::plan::Draft;
use crate::{Account, Attribute, AttributeChange, Field, Profile};

/// Fields that every row must carry.
const REQUIRED: [Field; 3] = [Field::FirstName, Field::LastName, Field::Email];

/// Whether bulk import can say these changes of this account without saying more.
///
/// It cannot rename, clear or reach every field, and it turns notification mail on for whom it touches.
pub(super) fn bulk_can_say(account: &Account, changes: &[AttributeChange]) -> bool {
    bulk_leaves_alone(account)
        && changes.iter().all(|change| match change.attribute {
            Attribute::UserName | Attribute::Active => false,
            Attribute::AccessLevel | Attribute::Manager => !change.to.is_empty(),
            Attribute::Profile(field) => field.bulk().is_some() && !change.to.is_empty(),
        })
}

/// Whether a bulk row that repeats what the account has changes nothing about it.
pub(crate) fn bulk_leaves_alone(account: &Account) -> bool {
    account.active
        && account.knows(Attribute::Profile(Field::DisableMessages))
        && account.profile.value(Field::DisableMessages) != "true"
        && REQUIRED
            .iter()
            .all(|field| !account.profile.value(*field).is_empty())
}

/// The same of an account that is still to be made.
pub(crate) fn leaves_alone_when_made(draft: &Draft) -> bool {
    draft.profile.value(Field::DisableMessages) != "true"
}

/// Whether one bulk row says the whole of a new account.
pub(crate) fn bulk_can_create(draft: &Draft) -> bool {
    draft
        .profile
        .iter()
        .all(|(field, value)| field.bulk().is_some() || (field == Field::DisableMessages && value == "false"))
}

/// The profile that a bulk row for these changes carries: the required fields and what changes.
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
