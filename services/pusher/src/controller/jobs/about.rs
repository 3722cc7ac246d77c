//! What the journal says of an operation's requests.

use provisioning::{Change, Operation, Subject};
use service::About;

use crate::schedule::class_of;

/// Subjects of one operation that the journal names; a bulk import has thousands.
const SUBJECTS_MAX: usize = 20;

/// What the journal says of the operation's requests. `edits` is how many edits in the sources it answers.
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

/// How many changes that would cost a request each an operation makes.
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
