//! Finds values that Litmos would refuse, before anything is sent.

use super::parked;
use crate::change::{self, Manager};
use crate::plan::Draft;
use crate::{
    AccessLevel, Attribute, AttributeChange, Field, OrgState, ParkCode, Parked, Person, Profile,
    user_name_problem,
};

/// Most characters of an advanced custom field of text (vendor page "user custom fields").
const CUSTOM_MAX: usize = 255;

/// Code, attribute, message and remedy.
pub(super) type Refusal = (ParkCode, String, String, String);

pub(super) fn refused(refusal: Refusal, revision: u64, now_ms: u64) -> Parked {
    let (code, attribute, message, remedy) = refusal;
    parked(code, &attribute, message, remedy, revision, now_ms)
}

/// The new account for this person; `Err` if Litmos would refuse it.
pub(super) fn draft(state: &OrgState, person: &Person) -> Result<Draft, Refusal> {
    let user_name = person.user_name.trim().to_owned();
    if let Some(refusal) = forbidden_name(&user_name) {
        return Err(refusal);
    }
    let mut profile: Profile = person
        .profile
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    if profile.get(Field::Email).is_none() && user_name.contains('@') {
        profile.set(Field::Email, user_name.as_str());
    }
    for field in [Field::FirstName, Field::LastName, Field::Email] {
        if profile.value(field).trim().is_empty() {
            let message = "is empty, and Litmos makes no account without it".to_owned();
            return Err(missing(field, message));
        }
    }
    for (field, value) in profile.iter() {
        too_long(field.wire(), value, field.max_chars())?;
    }
    let manager = match change::manager_of(state, person) {
        Manager::Account(id) => Some(id),
        Manager::Leave | Manager::Clear | Manager::Pending => None,
    };
    Ok(Draft {
        user_name,
        access_level: person.access_level.unwrap_or(AccessLevel::Learner),
        profile,
        manager,
    })
}

/// The refusal of the first change that Litmos would refuse.
pub(super) fn unacceptable(changes: &[AttributeChange]) -> Option<Refusal> {
    changes.iter().find_map(|change| match change.attribute {
        Attribute::UserName => forbidden_name(&change.to),
        Attribute::Profile(field @ (Field::LastName | Field::FirstName)) if change.to.trim().is_empty() => {
            let message = "is to be emptied, and Litmos keeps no account without it".to_owned();
            Some(missing(field, message))
        }
        Attribute::Profile(field) => too_long(field.wire(), &change.to, field.max_chars()).err(),
        Attribute::Active | Attribute::AccessLevel | Attribute::Manager => None,
    })
}

pub(super) fn custom_too_long(person: &Person) -> Option<Refusal> {
    let mut fields = person.custom.iter();
    fields.find_map(|(name, value)| too_long(name, value, CUSTOM_MAX).err())
}

fn forbidden_name(user_name: &str) -> Option<Refusal> {
    let problem = user_name_problem(user_name)?;
    let remedy = "Map the user name to an attribute that Litmos accepts, or change it at the source.";
    Some((
        ParkCode::UserNameForbidden,
        Attribute::UserName.wire().to_owned(),
        problem.to_string(),
        remedy.to_owned(),
    ))
}

fn missing(field: Field, message: String) -> Refusal {
    let remedy = format!("Give {} at the source.", field.wire());
    (ParkCode::ValueMissing, field.wire().to_owned(), message, remedy)
}

fn too_long(name: &str, value: &str, max_chars: usize) -> Result<(), Refusal> {
    let chars = value.chars().count();
    if max_chars == 0 || chars <= max_chars {
        return Ok(());
    }
    Err((
        ParkCode::ValueTooLong,
        name.to_owned(),
        format!("has {chars} characters; Litmos takes {max_chars}"),
        format!("Shorten {name} at the source."),
    ))
}
