//! What one operation takes away, for the safeguard's books.

use std::collections::BTreeMap;

use crate::{Account, Attribute, AttributeChange, BulkRow, Change, Harm, World};

/// How many things of each sort the operation would take away or overwrite.
pub fn harms(world: &World, change: &Change) -> BTreeMap<Harm, u32> {
    match change {
        Change::CutOff { .. } => BTreeMap::from([(Harm::Deactivate, 1)]),
        Change::RemoveMember { .. } => BTreeMap::from([(Harm::TeamLoss, 1)]),
        Change::LeaveAllTeams { groups, .. } => {
            BTreeMap::from([(Harm::TeamLoss, u32::try_from(groups.len()).unwrap_or(u32::MAX))])
        }
        Change::DeleteTeam { .. } => BTreeMap::from([(Harm::DeleteTeam, 1)]),
        Change::Update { changes, .. } => harm_of(changes).map(|harm| (harm, 1)).into_iter().collect(),
        Change::Bulk { rows } => {
            let overwrites = rows.iter().filter(|row| {
                let account = row.account.as_ref().and_then(|id| world.account(id));
                account.is_some_and(|account| row_overwrites(account, row))
            });
            match u32::try_from(overwrites.count()).unwrap_or(u32::MAX) {
                0 => BTreeMap::new(),
                count => BTreeMap::from([(Harm::Overwrite, count)]),
            }
        }
        // Teams of somebody who was cut off went with the access.
        Change::LeaveTeams { .. }
        | Change::Link { .. }
        | Change::Read { .. }
        | Change::Create { .. }
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

/// What an update takes away; `None` if it only gives.
pub(crate) fn harm_of(changes: &[AttributeChange]) -> Option<Harm> {
    let mut overwrites = false;
    for change in changes {
        match change.attribute {
            Attribute::UserName => return Some(Harm::Rename),
            Attribute::AccessLevel | Attribute::Manager | Attribute::Profile(_) => {
                overwrites |= !change.from.is_empty();
            }
            Attribute::Active => {}
        }
    }
    overwrites.then_some(Harm::Overwrite)
}

fn row_overwrites(account: &Account, row: &BulkRow) -> bool {
    let differs = |there: &str, wanted: &str| !there.is_empty() && there != wanted;
    let level = account.access_level.zip(row.access_level);
    let manager = account.manager.as_ref().zip(row.manager.as_ref());
    row.profile
        .iter()
        .any(|(field, value)| differs(account.profile.value(field), value))
        || level.is_some_and(|(there, wanted)| there != wanted)
        || manager.is_some_and(|(there, wanted)| there != wanted)
}
