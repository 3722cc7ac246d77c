//! Changes that need no request to Litmos: parking, linking, unlinking.

use provisioning::{Change, GroupId, GroupLink, Operation, OrgState, Parked, PersonLink, Revised, Subject};

use crate::executor::link_account;
use crate::links::{current_group, current_person};

/// Links that are written without a request to Litmos.
#[derive(Debug, Default)]
pub(crate) struct FreeLinks {
    pub(crate) people: Vec<Revised<PersonLink>>,
    pub(crate) groups: Vec<Revised<GroupLink>>,
}

impl FreeLinks {
    fn group(&mut self, state: &OrgState, group: &GroupId) -> &mut GroupLink {
        let known = self.groups.iter().position(|link| link.value.group == *group);
        let at = known.unwrap_or_else(|| {
            self.groups.push(current_group(state, group));
            self.groups.len() - 1
        });
        &mut self.groups[at].value
    }

    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let people = self
            .people
            .iter()
            .map(|link| Subject::Person(link.value.person.clone()));
        people
            .chain(
                self.groups
                    .iter()
                    .map(|link| Subject::Group(link.value.group.clone())),
            )
            .collect()
    }
}

pub(in crate::controller) fn parked_links(state: &OrgState, parks: Vec<(Subject, Parked)>) -> FreeLinks {
    let mut links = FreeLinks::default();
    for (subject, parked) in parks {
        match subject {
            Subject::Person(person) => {
                let mut link = current_person(state, &person);
                link.value.parked = Some(Box::new(parked));
                links.people.push(link);
            }
            Subject::Group(group) => {
                let mut link = current_group(state, &group);
                link.value.parked = Some(Box::new(parked));
                links.groups.push(link);
            }
        }
    }
    links
}

/// The changed links of these operations. Each group link is contained once, although several operations may concern it.
pub(in crate::controller) fn tied_links(state: &OrgState, operations: &[Operation]) -> FreeLinks {
    let mut links = FreeLinks::default();
    for operation in operations {
        match &operation.change {
            Change::Link {
                person,
                revision,
                account,
            } => {
                let mut link = current_person(state, person);
                link_account(&mut link.value, account);
                link.value.applied_revision = *revision;
                link.value.parked = None;
                links.people.push(link);
            }
            Change::LinkTeam {
                group,
                revision,
                team,
            } => {
                let link = links.group(state, group);
                link.team = Some(team.clone());
                link.applied_revision = *revision;
                link.parked = None;
            }
            Change::UnlinkTeam { group, revision, .. } => {
                let link = links.group(state, group);
                link.team = None;
                link.applied_revision = *revision;
                link.parked = None;
            }
            Change::EndOverwrite { group } => links.group(state, group).overwrite_due = false,
            Change::CutOff { .. }
            | Change::LeaveTeams { .. }
            | Change::Read { .. }
            | Change::Create { .. }
            | Change::Update { .. }
            | Change::Bulk { .. }
            | Change::SetCustomFields { .. }
            | Change::LeaveAllTeams { .. }
            | Change::CreateTeam { .. }
            | Change::AmendTeam { .. }
            | Change::DeleteTeam { .. }
            | Change::AddMembers { .. }
            | Change::RemoveMember { .. }
            | Change::SetRole { .. } => {}
        }
    }
    links
}
