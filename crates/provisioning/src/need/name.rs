//! Decides which person may have a user name. A user name is unique in Litmos; inactive accounts count too.
//!
//! The user name of an account belongs to that account's person until the plan renames the account. Another person who
//! wants the name waits for the rename, or is parked if there will be none. If several people want a name that is free
//! or becomes free, the person who was first in the roster gets it. So a new person never silently gets the account of a
//! leaver.
//!
//! If a leaver has another user name in the roster than on the inactive account, the account is renamed as soon as
//! another person wants its name.

use super::{HAND_OVER, NAME_REMEDY, STRANGER_REMEDY, parked, protection};
use crate::plan::WaitReason;
use crate::{Account, NormalName, OrgState, ParkCode, Parked, Person, PersonId, Policy, user_name_problem};

/// The answer to a request for a user name.
pub(super) enum NameClaim<'a> {
    /// No account has it.
    Free,
    /// An account without a person has it, and this person is to be linked to that account.
    Unowned(&'a Account),
    /// The account of the given person has it and is renamed first.
    From(&'a PersonId),
    Taken(NameTaken),
}

/// Why a person cannot have a user name, and the remedy.
pub(super) struct NameTaken {
    message: String,
    remedy: String,
}

/// Waits if an operation in flight gives this user name to another person's account.
///
/// Until that operation ends, the account with that name would look like an account without a person.
pub(super) fn awaited_name(state: &OrgState, person: &Person) -> Option<WaitReason> {
    let name = NormalName::of(&person.user_name);
    let other = state.being_named(&name, &person.id)?;
    Some(WaitReason::NameAwaited {
        person: other.clone(),
    })
}

/// Decides if `person` can have the desired user name, which their linked account does not have.
pub(super) fn name_claim<'a>(state: &'a OrgState, person: &Person, policy: &Policy) -> NameClaim<'a> {
    let name = NormalName::of(&person.user_name);
    let account = state.account_named(&name);
    let owner = account.and_then(|account| state.owner_of(&account.id));
    if let Some(owner) = owner.filter(|owner| !gives_up_its_name(state, owner, policy)) {
        return NameClaim::Taken(belongs_to(state, person, owner));
    }
    if let Some(account) = account.filter(|_| owner.is_none()) {
        return match state.account_for(&person.id) {
            Some(own) if own == &account.id => NameClaim::Unowned(account),
            _ => NameClaim::Taken(match state.adopter(&name) {
                Some(adopter) => NameTaken {
                    message: format!("{:?} is the user name of person {adopter} too", person.user_name),
                    remedy: NAME_REMEDY.to_owned(),
                },
                None => NameTaken {
                    message: format!(
                        "{:?} is the user name of account {}, which is nobody's in the roster",
                        person.user_name, account.id
                    ),
                    remedy: STRANGER_REMEDY.to_owned(),
                },
            }),
        };
    }
    if let Some(first) = first_to_want(state, &name, owner, policy)
        && first != &person.id
    {
        return NameClaim::Taken(NameTaken {
            message: format!(
                "{:?} is the user name of person {first} too, who was there first",
                person.user_name
            ),
            remedy: NAME_REMEDY.to_owned(),
        });
    }
    match owner {
        None => NameClaim::Free,
        Some(owner) => NameClaim::From(owner),
    }
}

/// The person who gets the name: the first in the roster of those who want it. `but` is the person who gives it up.
fn first_to_want<'a>(
    state: &'a OrgState,
    name: &NormalName,
    but: Option<&PersonId>,
    policy: &Policy,
) -> Option<&'a PersonId> {
    let mut first: Option<&Person> = None;
    for id in state.people_named_ids(name) {
        let Some(person) = state.person(id).map(|person| &person.value) else {
            continue;
        };
        let wants = state.is_to_be_active(person)
            && (policy.update_user_names || state.linked_account(id).is_none())
            && Some(id) != but;
        let before = |other: &Person| (person.created_at_ms, &person.id) < (other.created_at_ms, &other.id);
        if wants && first.is_none_or(before) {
            first = Some(person);
        }
    }
    first.map(|person| &person.id)
}

fn belongs_to(state: &OrgState, person: &Person, owner: &PersonId) -> NameTaken {
    let left = state
        .person(owner)
        .is_none_or(|owner| !owner.value.wanted_active());
    NameTaken {
        message: format!(
            "{:?} is the user name of an account that belongs to person {owner}{}",
            person.user_name,
            if left { ", who left" } else { "" }
        ),
        remedy: match left {
            true => {
                format!("{HAND_OVER}{owner}. If not, give one of the two another user name at the source.")
            }
            false => NAME_REMEDY.to_owned(),
        },
    }
}

/// New user name for the inactive account of a leaver, because another person wants its current name.
///
/// It is the leaver's name in the roster, or `rollcall-` and the account id if that name is not available. The second
/// part is the person whose account has the new name now and is renamed first. `None` if no rename is needed or possible.
pub(super) fn name_to_give_way(
    state: &OrgState,
    person: &Person,
    account: &Account,
    policy: &Policy,
) -> Option<(String, Option<PersonId>)> {
    if !gives_up_its_name(state, &person.id, policy) {
        return None;
    }
    first_to_want(
        state,
        &NormalName::of(&account.user_name),
        Some(&person.id),
        policy,
    )?;
    let own = person.user_name.trim();
    let claim = (user_name_problem(own).is_none() && awaited_name(state, person).is_none())
        .then(|| name_claim(state, person, policy));
    match claim {
        Some(NameClaim::Free) => Some((own.to_owned(), None)),
        Some(NameClaim::From(owner)) => Some((own.to_owned(), Some(owner.clone()))),
        Some(NameClaim::Unowned(_) | NameClaim::Taken(_)) | None => {
            let aside = format!("rollcall-{}", account.id);
            let free = state.account_named(&NormalName::of(&aside)).is_none();
            free.then_some((aside, None))
        }
    }
}

/// True if this person's account is to be renamed: now, or for a leaver as soon as the account is inactive.
fn gives_up_its_name(state: &OrgState, owner: &PersonId, policy: &Policy) -> bool {
    let person = state.person(owner).map(|person| &person.value);
    let account = state.linked_account(owner).and_then(|id| state.account(id));
    let (Some(person), Some(account)) = (person, account) else {
        return false;
    };
    let goes = || {
        let link = state.person_link(owner).map(|link| &link.value);
        let ordered = link.is_some_and(|link| link.frozen.is_some());
        !account.active || ordered || policy.deactivate_users
    };
    policy.update_user_names
        && NormalName::of(&person.user_name) != NormalName::of(&account.user_name)
        && (state.is_to_be_active(person) || (!protection::keeps_its_name(account, policy) && goes()))
}

pub(super) fn name_taken(taken: NameTaken, revision: u64, now_ms: u64) -> Parked {
    let NameTaken { message, remedy } = taken;
    parked(
        ParkCode::UserNameTaken,
        "UserName",
        message,
        remedy,
        revision,
        now_ms,
    )
}
