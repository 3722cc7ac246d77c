//! Who may have a user name. Litmos keeps each only once, that of an inactive account too.
//!
//! A name that an account has belongs to that account's person until the plan renames it: somebody else who wants it
//! waits for that, or is parked where nothing will. Of several people who want a name that is free, or being freed,
//! the one who was first in the roster has it. So a newcomer never silently gets the account of somebody who left.
//!
//! Somebody who left and has another user name in the roster gives up the name of the inactive account as soon as
//! somebody else wants it.

use super::{HAND_OVER, NAME_REMEDY, STRANGER_REMEDY, parked, protection};
use crate::plan::WaitReason;
use crate::{Account, NormalName, OrgState, ParkCode, Parked, Person, PersonId, Policy, user_name_problem};

/// Whether somebody can have the user name that they want.
pub(super) enum NameClaim<'a> {
    /// No account has it.
    Free,
    /// An account that is nobody's has it, and this person is the one to adopt it.
    Unowned(&'a Account),
    /// This person's account is to be renamed first.
    From(&'a PersonId),
    Taken(NameTaken),
}

/// Why somebody cannot have a user name, and what a person can do about it.
pub(super) struct NameTaken {
    message: String,
    remedy: String,
}

/// Somebody else's account is being given the name right now: whether that came about is known in a moment, and a look at
/// accounts before then would take theirs for one that is nobody's.
pub(super) fn awaited_name(state: &OrgState, person: &Person) -> Option<WaitReason> {
    let name = NormalName::of(&person.user_name);
    let other = state.being_named(&name, &person.id)?;
    Some(WaitReason::NameAwaited {
        person: other.clone(),
    })
}

/// Whether `person`, whose own account does not have it, can have the user name they want.
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

/// The one of those who want the name that gets it, leaving out the person who gives it up.
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

/// The name that the inactive account of somebody who left gets, because somebody else wants the one it has.
///
/// It is the person's own name in the roster, or where that cannot be had a name that frees the wanted one all the same.
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

/// Whether this person's account is to have another user name than it has: at once, or for somebody who left as soon as
/// the account is inactive.
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
