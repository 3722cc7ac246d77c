//! Counts the harms of one operation for the safeguard.

use std::collections::BTreeMap;

use crate::{AccessLevel, Account, Attribute, AttributeChange, BulkRow, Change, Harm, OrgState, PersonId};

/// Number of changes of each harm that the operation makes.
pub fn harms(state: &OrgState, change: &Change) -> BTreeMap<Harm, u32> {
    match change {
        Change::CutOff { .. } => BTreeMap::from([(Harm::Deactivate, 1)]),
        Change::RemoveMember { .. } => BTreeMap::from([(Harm::TeamLoss, 1)]),
        Change::LeaveAllTeams { groups, .. } => {
            BTreeMap::from([(Harm::TeamLoss, u32::try_from(groups.len()).unwrap_or(u32::MAX))])
        }
        Change::DeleteTeam { .. } => BTreeMap::from([(Harm::DeleteTeam, 1)]),
        Change::Create { draft, .. } => counted(promotion(None, draft.access_level)),
        Change::Update { changes, .. } => counted(harms_of(changes)),
        Change::Bulk { rows } => counted(rows.iter().flat_map(|row| harms_of_row(state, row))),
        // `LeaveTeams` follows a cut-off, which is counted already.
        Change::LeaveTeams { .. }
        | Change::Link { .. }
        | Change::Read { .. }
        | Change::SetCustomFields { .. }
        | Change::LinkTeam { .. }
        | Change::CreateTeam { .. }
        | Change::AmendTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::AddMembers { .. }
        | Change::SetRole { .. }
        | Change::EndOverwrite { .. } => BTreeMap::new(),
    }
}

fn counted(harms: impl IntoIterator<Item = Harm>) -> BTreeMap<Harm, u32> {
    let mut counts = BTreeMap::new();
    for harm in harms {
        *counts.entry(harm).or_default() += 1;
    }
    counts
}

/// The people who become Account Owners by this operation.
pub fn made_owners(change: &Change) -> Vec<&PersonId> {
    let owner = AccessLevel::AccountOwner;
    match change {
        Change::Create { person, draft, .. } if draft.access_level == owner => vec![person],
        Change::Update { person, changes, .. } => {
            let mut promotions = changes.iter().filter_map(promotion_by);
            promotions
                .any(|harm| harm == Harm::PromoteOwner)
                .then_some(person)
                .into_iter()
                .collect()
        }
        Change::Bulk { rows } => {
            let promoted = rows.iter().filter(|row| row.access_level == Some(owner));
            promoted.map(|row| &row.person).collect()
        }
        Change::Create { .. }
        | Change::CutOff { .. }
        | Change::LeaveTeams { .. }
        | Change::Link { .. }
        | Change::Read { .. }
        | Change::SetCustomFields { .. }
        | Change::LeaveAllTeams { .. }
        | Change::LinkTeam { .. }
        | Change::CreateTeam { .. }
        | Change::AmendTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::DeleteTeam { .. }
        | Change::AddMembers { .. }
        | Change::RemoveMember { .. }
        | Change::SetRole { .. }
        | Change::EndOverwrite { .. } => Vec::new(),
    }
}

/// The harms of an update of one account: a promotion, a reactivation, and at most one of `Rename` and `Overwrite`.
pub(crate) fn harms_of(changes: &[AttributeChange]) -> Vec<Harm> {
    let mut harms = Vec::new();
    let mut value = None;
    for change in changes {
        match change.attribute {
            Attribute::UserName => value = Some(Harm::Rename),
            Attribute::Active => harms.extend((change.to == "true").then_some(Harm::Reactivate)),
            Attribute::AccessLevel if promotion_by(change).is_some() => harms.extend(promotion_by(change)),
            Attribute::AccessLevel | Attribute::Manager | Attribute::Profile(_) => {
                let overwrites = (!change.from.is_empty()).then_some(Harm::Overwrite);
                value = value.or(overwrites);
            }
        }
    }
    harms.extend(value);
    harms
}

/// The harm of one attribute change, if it is a promotion.
pub(crate) fn promotion_by(change: &AttributeChange) -> Option<Harm> {
    if change.attribute != Attribute::AccessLevel {
        return None;
    }
    let to = AccessLevel::parse(&change.to).ok()?;
    promotion(AccessLevel::parse(&change.from).ok(), to)
}

/// The harm of a change of access level, if it gives rights over the whole org. An unknown level counts as no level.
pub(crate) fn promotion(from: Option<AccessLevel>, to: AccessLevel) -> Option<Harm> {
    // Levels are ordered from the highest down.
    if from.is_some_and(|from| from <= to) {
        return None;
    }
    match to {
        AccessLevel::AccountOwner => Some(Harm::PromoteOwner),
        AccessLevel::Administrator => Some(Harm::PromoteAdministrator),
        AccessLevel::TeamAdmin | AccessLevel::TeamLeader | AccessLevel::Learner => None,
    }
}

fn harms_of_row(state: &OrgState, row: &BulkRow) -> Vec<Harm> {
    let account = row.account.as_ref().and_then(|id| state.account(id));
    let from = account.and_then(|account| account.access_level);
    let promotion = row.access_level.and_then(|to| promotion(from, to));
    let overwrites = account.is_some_and(|account| row_overwrites(account, row, promotion.is_some()));
    promotion
        .into_iter()
        .chain(overwrites.then_some(Harm::Overwrite))
        .collect()
}

fn row_overwrites(account: &Account, row: &BulkRow, promotes: bool) -> bool {
    let differs = |there: &str, wanted: &str| !there.is_empty() && there != wanted;
    let level = account.access_level.zip(row.access_level).filter(|_| !promotes);
    let manager = account.manager.as_ref().zip(row.manager.as_ref());
    row.profile
        .iter()
        .any(|(field, value)| differs(account.profile.value(field), value))
        || level.is_some_and(|(there, wanted)| there != wanted)
        || manager.is_some_and(|(there, wanted)| there != wanted)
}
