//! Accounts that no plan and no order cuts off or demotes.
//!
//! An account is protected because the settings name it, because it owns the API key, or because it was an Account Owner
//! without Rollcall. An owner whom Rollcall promoted is not: what Rollcall gives, it can take back. A link without the
//! note of a promotion counts as "not promoted by Rollcall", so lost links protect too much and never too little.

use super::parked;
use crate::{
    AccessLevel, Account, Attribute, AttributeChange, NormalName, OrgState, ParkCode, Parked, Policy,
};

/// Why an account is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// `protect` names it.
    Listed,
    /// `api_key_owner` names it.
    ApiKeyOwner,
    /// It is an Account Owner, and Rollcall did not make it one.
    OwnerBefore,
}

impl Protection {
    /// Why the account is protected, for a person to read.
    pub fn describe(self) -> &'static str {
        match self {
            Protection::Listed => "the setting protect names it",
            Protection::ApiKeyOwner => "it owns the API key that Rollcall uses",
            Protection::OwnerBefore => "it is an Account Owner, and Rollcall did not make it one",
        }
    }

    /// What a person does who means it all the same.
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

/// Why this account is protected; `None` if it is not.
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

/// Whether the account is protected by its name, and so keeps that name.
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

/// Why somebody whose account is protected is not cut off.
pub(super) fn not_cut_off(account: &Account, why: Protection, revision: u64, now_ms: u64) -> Parked {
    let message = format!(
        "{:?} is a protected account and is not cut off: {}",
        account.user_name,
        why.describe()
    );
    refusal("Active", message, why, revision, now_ms)
}

/// Takes out of the changes what a protected account is spared, and says so.
///
/// An account that is protected by its name keeps that name too.
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

/// Levels are ordered from the highest down; of one that is not known nothing can be said.
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
