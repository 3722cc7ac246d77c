//! The need of one person.

use std::collections::BTreeMap;

use super::name::{self, NameClaim};
use super::{Standing, bulk, protection, values};
use crate::change::{self, Manager};
use crate::plan::{Draft, WaitReason};
use crate::{
    Account, AccountId, Attribute, AttributeChange, DesiredManager, OrgState, Parked, Person, PersonId,
    PersonLink, Policy, Revised,
};

#[derive(Debug)]
pub(crate) enum PersonNeed {
    Nothing,
    Wait(WaitReason),
    Park(Parked),
    Link(AccountId),
    Read(AccountId),
    Create {
        draft: Draft,
        /// The person whose account has the user name now; it is renamed first.
        name_from: Option<PersonId>,
    },
    Update(Updating),
    CutOff {
        account: AccountId,
        fresh: bool,
        /// The admin who ordered it for this person by name; `None` if a source wants it.
        by: Option<String>,
        requested_at_ms: u64,
    },
    LeaveTeams(AccountId),
}

/// An account and the changes that it needs.
#[derive(Debug)]
pub(crate) struct Updating {
    pub(crate) account: AccountId,
    pub(crate) changes: Vec<AttributeChange>,
    pub(crate) fresh: bool,
    pub(crate) bulk: bool,
    /// The person whose account has the desired user name now; it is renamed first.
    pub(crate) name_from: Option<PersonId>,
    /// Why a change was left out: the account is protected.
    pub(crate) spared: Option<Parked>,
}

/// Advanced custom fields that are to be set together.
#[derive(Debug)]
pub(crate) struct CustomNeed {
    pub(crate) values: BTreeMap<String, String>,
    /// Names of the fields that do not have the desired value yet.
    pub(crate) differ: Vec<String>,
    /// True if this replaces or clears a value that Rollcall applied before.
    pub(crate) overwrites: bool,
}

pub(crate) fn person_need(
    state: &OrgState,
    person: &Revised<Person>,
    policy: &Policy,
    now_ms: u64,
) -> PersonNeed {
    let revision = person.revision;
    let person = &person.value;
    let link = state.person_link(&person.id).map(|link| &link.value);
    if let Some(wait) = link.and_then(|link| standing(link, person, revision, now_ms)) {
        return PersonNeed::Wait(wait);
    }
    if !state.is_to_be_active(person) {
        return leaver(state, person, revision, policy, now_ms);
    }
    if let Some(refusal) = values::custom_too_long(person) {
        return PersonNeed::Park(values::refused(refusal, revision, now_ms));
    }
    let Some(linked) = state.linked_account(&person.id) else {
        return unlinked(state, person, revision, policy, now_ms);
    };
    match state.account(linked) {
        None => PersonNeed::Read(linked.clone()),
        Some(account) => stays(state, person, account, true, revision, policy, now_ms),
    }
}

/// Reason to wait before changing a person. A cut-off does not wait for the retry of an attempt that failed before the
/// source or an admin wanted it. A cut-off that an admin ordered also ignores an earlier parking.
fn standing(link: &PersonLink, person: &Person, revision: u64, now_ms: u64) -> Option<WaitReason> {
    let cut_requested_at_ms = match &link.frozen {
        Some(frozen) => Some(frozen.at_ms),
        None if !person.wanted_active() => Some(person.changed_at_ms),
        None => None,
    };
    let cut_since = |at_ms: u64| cut_requested_at_ms.is_some_and(|cut| at_ms <= cut && cut <= now_ms);
    Standing {
        intent: link.intent.as_deref(),
        parked: link
            .parked
            .as_deref()
            .filter(|parked| link.frozen.is_none() || !cut_since(parked.at_ms)),
        next_try_ms: if cut_since(link.changed_at_ms) {
            0
        } else {
            link.next_try_ms
        },
        last_error: link.last_error.as_ref(),
    }
    .wait(revision, now_ms)
}

fn leaver(state: &OrgState, person: &Person, revision: u64, policy: &Policy, now_ms: u64) -> PersonNeed {
    let link = state.person_link(&person.id).map(|link| &link.value);
    let order = link.and_then(|link| link.frozen.as_ref());
    let at_rest = || match order {
        Some(_) => PersonNeed::Wait(WaitReason::Frozen),
        None => PersonNeed::Nothing,
    };
    let linked = state.linked_account(&person.id).is_some();
    let Some(id) = state.account_for(&person.id) else {
        return at_rest();
    };
    let Some(account) = state.account(id) else {
        return PersonNeed::Read(id.clone());
    };
    if account.active {
        // The access level decides whether the account is protected.
        if !account.knows(Attribute::AccessLevel) {
            return PersonNeed::Read(id.clone());
        }
        if let Some(why) = protection::protection_of(state, account, policy) {
            return PersonNeed::Park(protection::not_cut_off(account, why, revision, now_ms));
        }
        if order.is_none() && !policy.deactivate_users {
            return PersonNeed::Wait(WaitReason::SwitchedOff {
                feature: "deactivate_users",
            });
        }
        return PersonNeed::CutOff {
            account: id.clone(),
            fresh: is_fresh(account, policy, now_ms),
            by: order.map(|order| order.by.clone()),
            requested_at_ms: order.map_or(person.changed_at_ms, |order| order.at_ms),
        };
    }
    if link.is_some_and(|link| link.leave_teams_due) {
        return PersonNeed::LeaveTeams(id.clone());
    }
    if linked && let Some((to, name_from)) = name::name_to_give_way(state, person, account, policy) {
        return PersonNeed::Update(Updating {
            account: id.clone(),
            changes: vec![AttributeChange {
                attribute: Attribute::UserName,
                from: account.user_name.clone(),
                to,
            }],
            fresh: is_fresh(account, policy, now_ms),
            bulk: false,
            name_from,
            spared: None,
        });
    }
    if linked {
        at_rest()
    } else {
        PersonNeed::Link(id.clone())
    }
}

fn unlinked(state: &OrgState, person: &Person, revision: u64, policy: &Policy, now_ms: u64) -> PersonNeed {
    if let Some(wait) = name::awaited_name(state, person) {
        return PersonNeed::Wait(wait);
    }
    match name::name_claim(state, person, policy) {
        NameClaim::Unowned(account) => stays(state, person, account, false, revision, policy, now_ms),
        NameClaim::Free => newcomer(state, person, None, revision, policy, now_ms),
        NameClaim::From(owner) => newcomer(state, person, Some(owner.clone()), revision, policy, now_ms),
        NameClaim::Taken(taken) => PersonNeed::Park(name::name_taken(taken, revision, now_ms)),
    }
}

fn newcomer(
    state: &OrgState,
    person: &Person,
    name_from: Option<PersonId>,
    revision: u64,
    policy: &Policy,
    now_ms: u64,
) -> PersonNeed {
    if !state.import_complete() {
        return PersonNeed::Wait(WaitReason::FirstImport);
    }
    if !policy.create_users {
        return PersonNeed::Wait(WaitReason::SwitchedOff {
            feature: "create_users",
        });
    }
    match values::draft(state, person) {
        Ok(draft) => PersonNeed::Create { draft, name_from },
        Err(refusal) => PersonNeed::Park(values::refused(refusal, revision, now_ms)),
    }
}

/// The need of a person who has an account and is to be active.
fn stays(
    state: &OrgState,
    person: &Person,
    account: &Account,
    linked: bool,
    revision: u64,
    policy: &Policy,
    now_ms: u64,
) -> PersonNeed {
    let applied = state
        .person_link(&person.id)
        .map_or(0, |link| link.value.applied_revision);
    if (applied != revision || !linked) && change::desires_unseen(state, person, account) {
        return PersonNeed::Read(account.id.clone());
    }
    let mut changes = change::changes(state, person, account, policy);
    let spared = protection::spare(state, account, &mut changes, policy, revision, now_ms);
    if changes.is_empty() {
        return match spared {
            _ if !linked => PersonNeed::Link(account.id.clone()),
            Some(parked) => PersonNeed::Park(parked),
            None => PersonNeed::Nothing,
        };
    }
    if let Some(refusal) = values::unacceptable(&changes) {
        return PersonNeed::Park(values::refused(refusal, revision, now_ms));
    }
    let reactivates = changes.iter().any(|change| change.attribute == Attribute::Active);
    if reactivates && !policy.reactivate_users {
        return PersonNeed::Wait(WaitReason::SwitchedOff {
            feature: "reactivate_users",
        });
    }
    if !reactivates && !policy.update_attributes {
        return if linked {
            PersonNeed::Wait(WaitReason::SwitchedOff {
                feature: "update_attributes",
            })
        } else {
            PersonNeed::Link(account.id.clone())
        };
    }
    let mut name_from = None;
    if changes
        .iter()
        .any(|change| change.attribute == Attribute::UserName)
    {
        if let Some(wait) = name::awaited_name(state, person) {
            return PersonNeed::Wait(wait);
        }
        match name::name_claim(state, person, policy) {
            NameClaim::Free | NameClaim::Unowned(_) => {}
            NameClaim::From(owner) => name_from = Some(owner.clone()),
            NameClaim::Taken(taken) => {
                return PersonNeed::Park(name::name_taken(taken, revision, now_ms));
            }
        }
    }
    PersonNeed::Update(Updating {
        account: account.id.clone(),
        bulk: bulk::bulk_can_say(account, &changes),
        changes,
        fresh: is_fresh(account, policy, now_ms),
        name_from,
        spared,
    })
}

/// Advanced custom fields that do not have the desired values, for a person who is to be active.
///
/// All fields are sent together, because Litmos refuses a call that lacks a mandatory field. A field that was never
/// applied is always set, because no list of Litmos shows its value.
pub(crate) fn custom_need(state: &OrgState, person: &Person) -> Option<CustomNeed> {
    let applied = state.person_link(&person.id).map(|link| &link.value.custom);
    let known = |name: &String| applied.and_then(|applied| applied.get(name));
    let mut differ = Vec::new();
    let mut overwrites = false;
    for (name, value) in &person.custom {
        let there = known(name);
        if there != Some(value) {
            differ.push(name.clone());
            overwrites |= there.is_some_and(|there| !there.is_empty());
        }
    }
    (!differ.is_empty()).then(|| CustomNeed {
        values: person.custom.clone().into(),
        differ,
        overwrites,
    })
}

/// True if the observed record may be written back without reading it again.
pub(crate) fn is_fresh(account: &Account, policy: &Policy, now_ms: u64) -> bool {
    account.whole && now_ms.saturating_sub(account.as_of_ms) <= policy.fresh_ms
}

/// This person's manager, if the manager has no account yet and will get one.
pub(crate) fn awaited_manager(state: &OrgState, person: &Person) -> Option<PersonId> {
    match (change::manager_of(state, person), &person.manager) {
        (Manager::Pending, DesiredManager::Reference(reference)) => state.referenced(reference).cloned(),
        _ => None,
    }
}

/// The active account of a person who is to be active: with it the person can be in a team now.
pub(crate) fn can_join<'a>(state: &'a OrgState, person: &Person) -> Option<&'a AccountId> {
    if !state.is_to_be_active(person) {
        return None;
    }
    let id = state.account_for(&person.id)?;
    let account = state.account(id)?;
    account.active.then_some(id)
}

/// True if the account is about to leave all teams, because it was cut off or is to be cut off.
pub(crate) fn leaves_all_teams(
    state: &OrgState,
    person: &PersonId,
    account: &AccountId,
    policy: &Policy,
) -> bool {
    let link = state.person_link(person).map(|link| &link.value);
    if link.is_some_and(|link| link.leave_teams_due) {
        return true;
    }
    let ordered = link.is_some_and(|link| link.frozen.is_some());
    let account = state.account(account);
    let person = state.person(person);
    person.is_some_and(|person| !state.is_to_be_active(&person.value))
        && (ordered || policy.deactivate_users)
        && account.is_some_and(|account| account.active && !protection::is_protected(state, account, policy))
}
