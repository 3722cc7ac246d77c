//! Data about an operation for the journal entries of its requests.

use provisioning::{Change, Operation, Subject};
use service::About;

use crate::schedule::class_of;

/// Most subjects of one operation in the journal. A bulk import has thousands.
const SUBJECTS_MAX: usize = 20;

/// Data for the journal entries of the operation's requests. `edits` is the number of edits in the sources that the operation covers.
pub(in crate::controller) fn about(operation: &Operation, edits: u32) -> About {
    let name = |subject: Subject| match subject {
        Subject::Person(id) => format!("person/{id}"),
        Subject::Group(id) => format!("group/{id}"),
    };
    About {
        class: class_of(&operation.change).as_str(),
        kind: operation.kind().to_owned(),
        operation: operation.id.to_string(),
        subjects: operation
            .change
            .subjects()
            .into_iter()
            .take(SUBJECTS_MAX)
            .map(name)
            .collect(),
        covers: covers(&operation.change),
        edits,
    }
}

/// Number of changes in an operation that would cost one request each if sent alone.
fn covers(change: &Change) -> u32 {
    let many = |changes: usize| u32::try_from(changes).unwrap_or(u32::MAX);
    match change {
        Change::Bulk { rows } => many(rows.len()),
        Change::AddMembers { people, .. } => many(people.len()),
        Change::LeaveAllTeams { groups, .. } => many(groups.len()),
        Change::Read { .. }
        | Change::Link { .. }
        | Change::LinkTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::EndOverwrite { .. } => 0,
        Change::CutOff { .. }
        | Change::LeaveTeams { .. }
        | Change::Create { .. }
        | Change::Update { .. }
        | Change::CreateTeam { .. }
        | Change::SetCustomFields { .. }
        | Change::AmendTeam { .. }
        | Change::DeleteTeam { .. }
        | Change::RemoveMember { .. }
        | Change::SetRole { .. } => 1,
    }
}
