//! Operations as jobs: each with everything it needs, taken from the world when it was chosen.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{
    Account, AccountId, AttributeChange, BulkJob, BulkRow, Change, Draft, GroupId, GroupLink, Intent,
    NormalName, Operation, OperationId, Parked, PersonId, PersonLink, Revised, Subject, Team, TeamId, World,
};
use rate_tokens::Permit;
use service::About;

use crate::hands::{BulkPlan, Done, GroupJob, Hands, PersonJob, bulk_operation};
use crate::links::{current_group, current_person};
use crate::schedule::class_of;

/// An operation that spends permits, ready to be performed.
pub(super) enum Job {
    CutOff {
        job: PersonJob,
        seen: Account,
        fresh: bool,
    },
    LeaveTeams {
        job: PersonJob,
        account: AccountId,
        teams: Vec<TeamId>,
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
    CreateTeam {
        job: GroupJob,
        name: String,
    },
    RenameTeam {
        job: GroupJob,
        seen: Team,
        name: String,
    },
    AddMembers {
        job: GroupJob,
        team: TeamId,
        accounts: Vec<AccountId>,
    },
    RemoveMember {
        job: GroupJob,
        team: TeamId,
        account: AccountId,
    },
}

/// Subjects of one operation that the journal names; a bulk import has thousands.
const SUBJECTS_MAX: usize = 20;

/// What the journal says of the operation's requests. `edits` is how many edits in the sources it answers.
pub(super) fn about(operation: &Operation, edits: u32) -> About {
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

/// Takes what the operation needs from the world; `None` if the world has moved on and it must be planned again.
pub(super) fn prepare(world: &World, operation: &Operation) -> Option<Job> {
    let person_job = |person: &PersonId, revision: u64| PersonJob {
        operation: operation.id.clone(),
        link: current_person(world, person),
        revision,
        class: class_of(&operation.change),
    };
    let group_job = |group: &GroupId| GroupJob {
        operation: operation.id.clone(),
        link: current_group(world, group),
        revision: world.group(group).map_or(0, |group| group.revision),
    };
    Some(match &operation.change {
        Change::Link { .. }
        | Change::LinkTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::EndOverwrite { .. }
        | Change::SetCustomFields { .. }
        | Change::LeaveAllTeams { .. }
        | Change::DeleteTeam { .. }
        | Change::SetRole { .. } => return None,
        Change::CutOff {
            person,
            revision,
            account,
        } => {
            let seen = world.account(account)?.clone();
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
            teams: world.teams_of(account).cloned().collect(),
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
            seen: world.account(account)?.clone(),
            changes: changes.clone(),
            fresh: *fresh,
        },
        Change::Bulk { rows } => Job::Bulk(bulk(world, operation, rows)?),
        Change::CreateTeam { group, name, .. } => Job::CreateTeam {
            job: group_job(group),
            name: name.clone(),
        },
        Change::AmendTeam {
            group, team, name, ..
        } => Job::RenameTeam {
            job: group_job(group),
            seen: world.team(team)?.clone(),
            name: name.as_ref()?.to.clone(),
        },
        Change::AddMembers { group, people } => {
            let accounts = people
                .iter()
                .filter_map(|person| world.account_for(person).cloned())
                .collect::<Vec<_>>();
            if accounts.is_empty() {
                return None;
            }
            let job = group_job(group);
            Job::AddMembers {
                team: job.link.value.team.clone()?,
                job,
                accounts,
            }
        }
        Change::RemoveMember {
            group, team, account, ..
        } => Job::RemoveMember {
            job: group_job(group),
            team: team.clone(),
            account: account.clone(),
        },
    })
}

fn bulk(world: &World, operation: &Operation, rows: &[BulkRow]) -> Option<BulkPlan> {
    let mut teams = BTreeMap::new();
    for group in rows.iter().flat_map(|row| &row.groups).collect::<BTreeSet<_>>() {
        let team = world.group_link(group)?.value.team.clone()?;
        let code = world.team(&team)?.bulk_code.clone();
        teams.insert(group.clone(), (team, code));
    }
    let accounts = rows
        .iter()
        .filter_map(|row| row.account.as_ref())
        .filter_map(|id| world.account(id));
    Some(BulkPlan {
        operation: operation.id.clone(),
        rows: rows.to_vec(),
        links: rows
            .iter()
            .map(|row| current_person(world, &row.person))
            .collect(),
        accounts: accounts
            .map(|account| (account.id.clone(), account.clone()))
            .collect(),
        teams,
    })
}

impl Job {
    pub(super) async fn perform(self, hands: &Hands, permit: Permit) -> Done {
        match self {
            Job::CutOff { job, seen, fresh } => hands.cut_off(permit, job, seen, fresh).await,
            Job::LeaveTeams { job, account, teams } => hands.leave_teams(permit, job, account, teams).await,
            Job::Read { job, account } => hands.read(permit, job, &account).await,
            Job::Create { job, draft } => hands.create(permit, job, &draft).await,
            Job::Update {
                job,
                seen,
                changes,
                fresh,
            } => hands.update(permit, job, seen, &changes, fresh).await,
            Job::Bulk(plan) => hands.bulk(permit, plan).await,
            Job::CreateTeam { job, name } => hands.create_team(permit, job, &name).await,
            Job::RenameTeam { job, seen, name } => hands.rename_team(permit, job, seen, &name).await,
            Job::AddMembers { job, team, accounts } => hands.add_members(permit, job, team, accounts).await,
            Job::RemoveMember { job, team, account } => hands.remove_member(permit, job, team, account).await,
        }
    }
}

/// Links that are written without asking Litmos anything.
#[derive(Debug, Default)]
pub(crate) struct FreeLinks {
    pub(crate) people: Vec<Revised<PersonLink>>,
    pub(crate) groups: Vec<Revised<GroupLink>>,
}

impl FreeLinks {
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

pub(super) fn parked_links(world: &World, parks: Vec<(Subject, Parked)>) -> FreeLinks {
    let mut links = FreeLinks::default();
    for (subject, parked) in parks {
        match subject {
            Subject::Person(person) => {
                let mut link = current_person(world, &person);
                link.value.parked = Some(parked);
                links.people.push(link);
            }
            Subject::Group(group) => {
                let mut link = current_group(world, &group);
                link.value.parked = Some(parked);
                links.groups.push(link);
            }
        }
    }
    links
}

pub(super) fn tied_links(world: &World, operations: &[Operation]) -> FreeLinks {
    let mut links = FreeLinks::default();
    for operation in operations {
        match &operation.change {
            Change::Link {
                person,
                revision,
                account,
            } => {
                let mut link = current_person(world, person);
                link.value.account = Some(account.clone());
                link.value.applied_revision = *revision;
                link.value.parked = None;
                links.people.push(link);
            }
            Change::LinkTeam {
                group,
                revision,
                team,
            } => {
                let mut link = current_group(world, group);
                link.value.team = Some(team.clone());
                link.value.applied_revision = *revision;
                link.value.parked = None;
                links.groups.push(link);
            }
            _ => {}
        }
    }
    links
}

/// An intent that nobody is working on: its sender is gone.
pub(super) enum Orphan {
    Person {
        link: Revised<PersonLink>,
        intent: Intent,
        user_name: String,
    },
    Group {
        link: Revised<GroupLink>,
        intent: Intent,
        name: String,
        taken: Vec<String>,
    },
    Bulk {
        job: BulkJob,
        links: Vec<(Revised<PersonLink>, String)>,
    },
}

pub(super) fn orphans(world: &World, jobs: &BTreeMap<OperationId, BulkJob>) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    let mut bulk: BTreeMap<OperationId, Vec<(Revised<PersonLink>, String)>> = BTreeMap::new();
    for link in world.noted_person_links() {
        let Some(intent) = &link.value.intent else {
            continue;
        };
        if world.is_under_way(&Subject::Person(link.value.person.clone())) {
            continue;
        }
        let user_name = world
            .person(&link.value.person)
            .map(|person| person.value.user_name.clone())
            .unwrap_or_default();
        match bulk_operation(intent).filter(|operation| jobs.contains_key(*operation)) {
            Some(operation) => bulk
                .entry(operation.clone())
                .or_default()
                .push((link.clone(), user_name)),
            None => orphans.push(Orphan::Person {
                link: link.clone(),
                intent: intent.clone(),
                user_name,
            }),
        }
    }
    orphans.extend(bulk.into_iter().filter_map(|(operation, links)| {
        jobs.get(&operation).map(|job| Orphan::Bulk {
            job: job.clone(),
            links,
        })
    }));
    for link in world.group_links() {
        let Some(intent) = &link.value.intent else {
            continue;
        };
        if world.is_under_way(&Subject::Group(link.value.group.clone())) {
            continue;
        }
        let name = world
            .group(&link.value.group)
            .map(|group| group.value.name.clone())
            .unwrap_or_default();
        let wanted = NormalName::of(&name);
        let same = world
            .teams_named(&wanted)
            .filter(|team| world.owner_of_team(&team.id).is_some());
        let taken = same.map(|team| team.id.to_string()).collect();
        orphans.push(Orphan::Group {
            link: link.clone(),
            intent: intent.clone(),
            name,
            taken,
        });
    }
    orphans
}

impl Orphan {
    pub(super) fn subjects(&self) -> Vec<Subject> {
        match self {
            Orphan::Person { link, .. } => vec![Subject::Person(link.value.person.clone())],
            Orphan::Group { link, .. } => vec![Subject::Group(link.value.group.clone())],
            Orphan::Bulk { links, .. } => links
                .iter()
                .map(|(link, _)| Subject::Person(link.value.person.clone()))
                .collect(),
        }
    }

    pub(super) async fn recover(self, hands: &Hands) -> Done {
        match self {
            Orphan::Person {
                link,
                intent,
                user_name,
            } => hands.recover_person(link, intent, user_name).await,
            Orphan::Group {
                link,
                intent,
                name,
                taken,
            } => hands.recover_group(link, intent, name, taken).await,
            Orphan::Bulk { job, links } => hands.recover_bulk(job, links).await,
        }
    }
}
