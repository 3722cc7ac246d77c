//! Protected accounts: no plan and no order cuts them off or demotes them.
//!
//! An account is protected if the settings name it, if it owns the API key, or if it is an Account Owner that Rollcall
//! did not promote. Rollcall can demote an owner that it promoted itself. The link records the promotion. A link without
//! that record counts as "not promoted by Rollcall", so a lost link protects too much and never too little.

use super::parked;
use crate::{
    AccessLevel, Account, Attribute, AttributeChange, NormalName, OrgState, ParkCode, Parked, Policy,
};

/// Why an account is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// The setting `protect` names it.
    Listed,
    /// The setting `api_key_owner` names it.
    ApiKeyOwner,
    /// It is an Account Owner, and Rollcall did not make it one.
    OwnerBefore,
}

impl Protection {
    /// Reason of the protection, as text for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Protection::Listed => "the setting protect names it",
            Protection::ApiKeyOwner => "it owns the API key that Rollcall uses",
            Protection::OwnerBefore => "it is an Account Owner, and Rollcall did not make it one",
        }
    }

    /// What a person can do to make the change anyway.
    pub fn remedy(self) -> &'static str {
        match self {
            Protection::Listed => {
                "If it is meant: change the account in Litmos by hand, or remove its name from protect."
            }
            Protection::ApiKeyOwner => {
                "If it is meant: give Rollcall the API key of another Account Owner, and change api_key_owner."
            }
            Protection::OwnerBefore => {
                "If it is meant: change the account in Litmos by hand, or set protect_owners = false."
            }
        }
    }
}

/// Reason why this account is protected; `None` if it is not.
pub fn protection_of(state: &OrgState, account: &Account, policy: &Policy) -> Option<Protection> {
    let named = named_protection(account, policy);
    if named.is_some() {
        return named;
    }
    if !policy.protect_owners || account.access_level != Some(AccessLevel::AccountOwner) {
        return None;
    }
    let link = state
        .owner_of(&account.id)
        .and_then(|owner| state.person_link(owner));
    let promoted = link.is_some_and(|link| link.value.made_owner);
    (!promoted).then_some(Protection::OwnerBefore)
}

/// True if a setting protects the account by its user name. Such an account is never renamed.
pub(super) fn keeps_its_name(account: &Account, policy: &Policy) -> bool {
    named_protection(account, policy).is_some()
}

fn named_protection(account: &Account, policy: &Policy) -> Option<Protection> {
    if policy.api_key_owner.is_none() && policy.protected.is_empty() {
        return None;
    }
    let name = NormalName::of(&account.user_name);
    if policy.api_key_owner.as_ref() == Some(&name) {
        return Some(Protection::ApiKeyOwner);
    }
    policy.protected.contains(&name).then_some(Protection::Listed)
}

pub(crate) fn is_protected(state: &OrgState, account: &Account, policy: &Policy) -> bool {
    protection_of(state, account, policy).is_some()
}

/// Parks a leaver whose account is protected.
pub(super) fn not_cut_off(account: &Account, why: Protection, revision: u64, now_ms: u64) -> Parked {
    let message = format!(
        "{:?} is a protected account and is not cut off: {}",
        account.user_name,
        why.describe()
    );
    refusal("Active", message, why, revision, now_ms)
}

/// Removes the changes that a protected account must not get; returns why, if it removed any.
///
/// Removes a demotion; removes a rename too, if a setting protects the account by its user name.
pub(super) fn spare(
    state: &OrgState,
    account: &Account,
    changes: &mut Vec<AttributeChange>,
    policy: &Policy,
    revision: u64,
    now_ms: u64,
) -> Option<Parked> {
    let why = protection_of(state, account, policy)?;
    let named = keeps_its_name(account, policy);
    let mut spared = None;
    changes.retain(|change| {
        let (harms, what) = match change.attribute {
            Attribute::AccessLevel => (demotes(account, change), "demoted"),
            Attribute::UserName => (named, "renamed"),
            Attribute::Active | Attribute::Manager | Attribute::Profile(_) => (false, ""),
        };
        if harms {
            let message = format!(
                "{:?} is a protected account and is not {what} ({} to {}): {}",
                account.user_name,
                change.from,
                change.to,
                why.describe()
            );
            spared = Some(refusal(change.attribute.wire(), message, why, revision, now_ms));
        }
        !harms
    });
    spared
}

/// True if the change lowers the access level. Levels are ordered from the highest down. An unknown level counts as demoted.
fn demotes(account: &Account, change: &AttributeChange) -> bool {
    match (account.access_level, AccessLevel::parse(&change.to)) {
        (Some(from), Ok(to)) => to > from,
        (None, _) | (_, Err(_)) => true,
    }
}

fn refusal(attribute: &str, message: String, why: Protection, revision: u64, now_ms: u64) -> Parked {
    parked(
        ParkCode::ProtectedAccount,
        attribute,
        message,
        why.remedy().to_owned(),
        revision,
        now_ms,
    )
}
