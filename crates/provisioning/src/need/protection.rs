//! Accounts that no plan cuts off or demotes.

use super::parked;
use crate::{AccessLevel, Account, Attribute, AttributeChange, NormalName, ParkCode, Parked, Policy};

/// Whether the account is one of those that the operator listed, or an Account Owner's.
pub(crate) fn is_protected(account: &Account, policy: &Policy) -> bool {
    is_listed(account, policy)
        || (policy.protect_owners && account.access_level == Some(AccessLevel::AccountOwner))
}

fn is_listed(account: &Account, policy: &Policy) -> bool {
    !policy.protected.is_empty() && policy.protected.contains(&NormalName::of(&account.user_name))
}

/// Why somebody whose account is protected is not cut off.
pub(super) fn not_cut_off(account: &Account, revision: u64, now_ms: u64) -> Parked {
    let said = format!(
        "{:?} is a protected account and is not cut off by a plan",
        account.user_name
    );
    refusal("Active", said, revision, now_ms)
}

/// Takes out of the changes what a protected account is spared, and says so.
///
/// A listed account keeps its user name too: it is by that name that it is protected.
pub(super) fn spare(
    account: &Account,
    changes: &mut Vec<AttributeChange>,
    policy: &Policy,
    revision: u64,
    now_ms: u64,
) -> Option<Parked> {
    if !is_protected(account, policy) {
        return None;
    }
    let listed = is_listed(account, policy);
    let mut spared = None;
    changes.retain(|change| {
        let (harms, what) = match change.attribute {
            Attribute::AccessLevel => (demotes(account, change), "demoted"),
            Attribute::UserName => (listed, "renamed"),
            Attribute::Active | Attribute::Manager | Attribute::Profile(_) => (false, ""),
        };
        if harms {
            let said = format!(
                "{:?} is a protected account and is not {what} by a plan ({} to {})",
                account.user_name, change.from, change.to
            );
            spared = Some(refusal(change.attribute.wire(), said, revision, now_ms));
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

fn refusal(attribute: &str, said: String, revision: u64, now_ms: u64) -> Parked {
    let remedy = "Do it in Litmos by hand if it is meant, or take the account off the protected ones.";
    parked(
        ParkCode::ProtectedAccount,
        attribute,
        said,
        remedy.to_owned(),
        revision,
        now_ms,
    )
}
