//! Jobs: operations with all data that they need, taken from the state when the operation is chosen.

mod about;
mod free;
mod orphans;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{
    AccessLevel, Account, AccountId, AttributeChange, BulkRow, Change, Draft, GroupId, Operation, OrgState,
    PersonId, PersonLink, Revised, Team, TeamId, made_owners,
};
use rate_tokens::Permit;

use crate::executor::{BulkPlan, Done, Executor, GroupJob, PersonJob, RoleChange, TeamDraft};
use crate::links::{current_group, current_person};
use crate::schedule::class_of;
pub(super) use about::about;
pub(crate) use free::FreeLinks;
pub(super) use free::{parked_links, tied_links};
pub(super) use orphans::orphans;

/// An operation that uses permits, ready to be performed.
pub(super) enum Job {
    CutOff {
        job: PersonJob,
        seen: Account,
        fresh: bool,
    },
    LeaveTeams {
        job: PersonJob,
        account: AccountId,
        /// The teams of the account, each with the group that it belongs to.
        teams: Vec<(TeamId, Option<GroupId>)>,
    },
    Read {
        job: PersonJob,
        account: AccountId,
    },
    Create {
        job: PersonJob,
        draft: Draft,
    },
    Update {
        job: PersonJob,
        seen: Account,
        changes: Vec<AttributeChange>,
        fresh: bool,
    },
    Bulk(BulkPlan),
    SetCustomFields {
        job: PersonJob,
        account: AccountId,
        values: BTreeMap<String, String>,
    },
    CreateTeam {
        job: GroupJob,
        draft: TeamDraft,
    },
    AmendTeam {
        job: GroupJob,
        seen: Team,
        name: Option<String>,
        description: Option<String>,
    },
    DeleteTeam {
        job: GroupJob,
        team: TeamId,
        name: String,
        members: Vec<AccountId>,
    },
    AddMembers {
        job: GroupJob,
        team: TeamId,
        people: Vec<(PersonId, AccountId)>,
    },
    RemoveMember {
        job: GroupJob,
        team: TeamId,
        person: Option<PersonId>,
        account: AccountId,
    },
    SetRole {
        job: GroupJob,
        change: RoleChange,
    },
}

/// Takes the data for the operation from the state. Returns `None` if the state has changed and the operation must be planned again.
pub(super) fn prepare(state: &OrgState, operation: &Operation) -> Option<Job> {
    let person_job = |person: &PersonId, revision: u64| PersonJob {
        operation: operation.id.clone(),
        link: noted_person(state, operation, person),
        revision,
        class: class_of(&operation.change),
        beside: Vec::new(),
    };
    let group_job = |group: &GroupId| GroupJob {
        operation: operation.id.clone(),
        link: current_group(state, group),
        revision: state.group(group).map_or(0, |group| group.revision),
    };
    Some(match &operation.change {
        Change::Link { .. }
        | Change::LinkTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::EndOverwrite { .. } => return None,
        Change::CutOff {
            person,
            revision,
            account,
        } => {
            let seen = state.account(account)?.clone();
            Job::CutOff {
                job: person_job(person, *revision),
                fresh: operation.calls == 1,
                seen,
            }
        }
        Change::LeaveTeams {
            person,
            revision,
            account,
        } => Job::LeaveTeams {
            job: person_job(person, *revision),
            account: account.clone(),
            teams: teams_of(state, account),
        },
        Change::LeaveAllTeams {
            person,
            account,
            groups,
        } => {
            let revision = state.person(person).map_or(0, |person| person.revision);
            let teams = teams_of(state, account);
            // The call removes the account from all teams, also from a team that it joined after the planning.
            let named = |group: &Option<GroupId>| group.as_ref().is_some_and(|group| groups.contains(group));
            if !teams.iter().all(|(_, group)| named(group)) {
                return None;
            }
            Job::LeaveTeams {
                job: PersonJob {
                    beside: groups.clone(),
                    ..person_job(person, revision)
                },
                account: account.clone(),
                teams,
            }
        }
        Change::SetCustomFields {
            person,
            revision,
            account,
            values,
        } => Job::SetCustomFields {
            job: person_job(person, *revision),
            account: account
                .clone()
                .or_else(|| state.linked_account(person).cloned())?,
            values: values.clone(),
        },
        Change::Read {
            person,
            revision,
            account,
        } => Job::Read {
            job: person_job(person, *revision),
            account: account.clone(),
        },
        Change::Create {
            person,
            revision,
            draft,
        } => Job::Create {
            job: person_job(person, *revision),
            draft: draft.clone(),
        },
        Change::Update {
            person,
            revision,
            account,
            changes,
            fresh,
        } => Job::Update {
            job: person_job(person, *revision),
            seen: state.account(account)?.clone(),
            changes: changes.clone(),
            fresh: *fresh,
        },
        Change::Bulk { rows } => Job::Bulk(bulk(state, operation, rows)?),
        Change::CreateTeam {
            group,
            name,
            description,
            parent,
            ..
        } => {
            let job = group_job(group);
            let draft = TeamDraft {
                taken: orphans::taken(state, name, &job.link.value),
                name: name.clone(),
                description: description.clone(),
                parent: match parent {
                    Some(parent) => Some(team_of(state, parent)?),
                    None => None,
                },
            };
            Job::CreateTeam { job, draft }
        }
        Change::AmendTeam {
            group,
            team,
            name,
            description,
            ..
        } => Job::AmendTeam {
            job: group_job(group),
            seen: state.team(team)?.clone(),
            name: name.as_ref().map(|name| name.to.clone()),
            description: description.clone(),
        },
        Change::DeleteTeam {
            group, team, name, ..
        } => Job::DeleteTeam {
            job: group_job(group),
            team: team.clone(),
            name: state.team(team).map_or(name, |team| &team.name).clone(),
            members: state.team_members(team).cloned().collect(),
        },
        Change::AddMembers { group, people } => {
            let accounts = people
                .iter()
                .filter_map(|person| Some((person.clone(), state.account_for(person)?.clone())))
                .collect::<Vec<_>>();
            if accounts.is_empty() {
                return None;
            }
            let job = group_job(group);
            Job::AddMembers {
                team: job.link.value.team.clone()?,
                job,
                people: accounts,
            }
        }
        Change::RemoveMember {
            group,
            team,
            person,
            account,
        } => Job::RemoveMember {
            job: group_job(group),
            team: team.clone(),
            person: person.clone(),
            account: account.clone(),
        },
        Change::SetRole {
            group,
            team,
            person,
            account,
            role,
            holds,
        } => {
            let team = team.clone().or_else(|| team_of(state, group))?;
            let account = account
                .clone()
                .or_else(|| state.linked_account(person).cloned())?;
            Job::SetRole {
                job: group_job(group),
                change: RoleChange {
                    roles: state.roles(&team, &account),
                    team,
                    person: person.clone(),
                    account,
                    role: *role,
                    holds: *holds,
                },
            }
        }
    })
}

/// The linked team of a group, if it exists.
fn team_of(state: &OrgState, group: &GroupId) -> Option<TeamId> {
    let team = state.group_link(group)?.value.team.as_ref()?;
    state.team(team).map(|team| team.id.clone())
}

/// The teams of an account, each with the group that it belongs to.
fn teams_of(state: &OrgState, account: &AccountId) -> Vec<(TeamId, Option<GroupId>)> {
    let teams = state.teams_of(account);
    teams
        .map(|team| (team.clone(), state.owner_of_team(team).cloned()))
        .collect()
}

/// The link of a person, with `made_owner` set if Rollcall makes or made the account an Account Owner. It is written with the intent,
/// before the request is sent, so a crash never loses it. It is cleared when the account is no longer an Account Owner.
fn noted_person(state: &OrgState, operation: &Operation, person: &PersonId) -> Revised<PersonLink> {
    let mut link = current_person(state, person);
    let account = link.value.account.as_ref().and_then(|id| state.account(id));
    let is_owner = account.is_some_and(|account| account.access_level == Some(AccessLevel::AccountOwner));
    let promoted = made_owners(&operation.change).contains(&person);
    link.value.made_owner = promoted || (link.value.made_owner && is_owner);
    link
}

fn bulk(state: &OrgState, operation: &Operation, rows: &[BulkRow]) -> Option<BulkPlan> {
    let mut teams = BTreeMap::new();
    for group in rows.iter().flat_map(|row| &row.groups).collect::<BTreeSet<_>>() {
        let team = state.group_link(group)?.value.team.clone()?;
        let code = state.team(&team)?.bulk_code.clone();
        teams.insert(group.clone(), (team, code));
    }
    let accounts = rows
        .iter()
        .filter_map(|row| row.account.as_ref())
        .filter_map(|id| state.account(id));
    Some(BulkPlan {
        operation: operation.id.clone(),
        rows: rows.to_vec(),
        links: rows
            .iter()
            .map(|row| noted_person(state, operation, &row.person))
            .collect(),
        accounts: accounts
            .map(|account| (account.id.clone(), account.clone()))
            .collect(),
        teams,
    })
}

impl Job {
    pub(super) async fn perform(self, executor: &Executor, permit: Permit) -> Done {
        match self {
            Job::CutOff { job, seen, fresh } => executor.cut_off(permit, job, seen, fresh).await,
            Job::LeaveTeams { job, account, teams } => {
                executor.leave_teams(permit, job, account, teams).await
            }
            Job::Read { job, account } => executor.read(permit, job, &account).await,
            Job::Create { job, draft } => executor.create(permit, job, &draft).await,
            Job::Update {
                job,
                seen,
                changes,
                fresh,
            } => executor.update(permit, job, seen, &changes, fresh).await,
            Job::Bulk(plan) => executor.bulk(permit, plan).await,
            Job::SetCustomFields { job, account, values } => {
                executor.set_custom_fields(permit, job, account, values).await
            }
            Job::CreateTeam { job, draft } => executor.create_team(permit, job, draft).await,
            Job::AmendTeam {
                job,
                seen,
                name,
                description,
            } => executor.amend_team(permit, job, seen, name, description).await,
            Job::DeleteTeam {
                job,
                team,
                name,
                members,
            } => executor.delete_team(permit, job, team, name, members).await,
            Job::AddMembers { job, team, people } => executor.add_members(permit, job, team, people).await,
            Job::RemoveMember {
                job,
                team,
                person,
                account,
            } => executor.remove_member(permit, job, team, person, account).await,
            Job::SetRole { job, change } => executor.set_role(permit, job, change).await,
        }
    }
}
