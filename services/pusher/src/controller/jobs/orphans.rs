//! Orphans: intents without an operation in flight, because their sender is gone.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{
    AccountId, BulkJob, GroupLink, Intent, IntentKind, NormalName, OperationId, OrgState, PersonId,
    PersonLink, Revised, Subject, TeamId,
};

use crate::executor::{Done, Executor, KnownGroup, KnownMember, KnownPerson, bulk_operation};

/// An intent without an operation in flight, with the known state before its request.
pub(in crate::controller) enum Orphan {
    Person {
        link: Revised<PersonLink>,
        intent: Intent,
        known: KnownPerson,
    },
    Group {
        link: Revised<GroupLink>,
        intent: Intent,
        known: KnownGroup,
    },
    Bulk {
        job: BulkJob,
        links: Vec<(Revised<PersonLink>, String)>,
    },
}

pub(in crate::controller) fn orphans(state: &OrgState, jobs: &BTreeMap<OperationId, BulkJob>) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    let mut bulk: BTreeMap<OperationId, Vec<(Revised<PersonLink>, String)>> = BTreeMap::new();
    for link in state.person_links() {
        let Some(intent) = &link.value.intent else {
            continue;
        };
        if state.is_under_way(&Subject::Person(link.value.person.clone())) {
            continue;
        }
        match bulk_operation(intent).filter(|operation| jobs.contains_key(*operation)) {
            Some(operation) => bulk
                .entry(operation.clone())
                .or_default()
                .push((link.clone(), user_name(state, &link.value))),
            None => orphans.push(Orphan::Person {
                link: link.clone(),
                intent: intent.as_ref().clone(),
                known: known_person(state, &link.value),
            }),
        }
    }
    orphans.extend(bulk.into_iter().filter_map(|(operation, links)| {
        jobs.get(&operation).map(|job| Orphan::Bulk {
            job: job.clone(),
            links,
        })
    }));
    for link in state.group_links() {
        let Some(intent) = &link.value.intent else {
            continue;
        };
        if state.is_under_way(&Subject::Group(link.value.group.clone())) {
            continue;
        }
        orphans.push(Orphan::Group {
            link: link.clone(),
            intent: intent.as_ref().clone(),
            known: known_group(state, &link.value, intent.kind),
        });
    }
    orphans
}

fn name_given(intent: Option<&Intent>) -> Option<String> {
    intent.and_then(|intent| intent.name.clone())
}

/// The user name in the request. If the intent has none, the current desired user name is the most likely one.
fn user_name(state: &OrgState, link: &PersonLink) -> String {
    if let Some(name) = name_given(link.intent.as_deref()) {
        return name;
    }
    let person = state.person(&link.person);
    person.map_or_else(String::new, |person| person.value.user_name.clone())
}

fn known_person(state: &OrgState, link: &PersonLink) -> KnownPerson {
    let person = state.person(&link.person);
    let account = link.account.as_ref();
    KnownPerson {
        user_name: user_name(state, link),
        account: account.and_then(|id| state.account(id)).cloned(),
        teams: account.map_or_else(BTreeSet::new, |id| state.teams_of(id).cloned().collect()),
        custom: person.map_or_else(BTreeMap::new, |person| person.value.custom.clone().into()),
    }
}

fn known_group(state: &OrgState, link: &GroupLink, kind: IntentKind) -> KnownGroup {
    let wished = || state.group(&link.group).map(|group| group.value.name.clone());
    let name = name_given(link.intent.as_deref())
        .or_else(wished)
        .unwrap_or_default();
    let team = link.team.as_ref();
    let about_members = match kind {
        IntentKind::Members | IntentKind::Roles | IntentKind::DeleteTeam => team,
        IntentKind::Create
        | IntentKind::Update
        | IntentKind::LeaveTeams
        | IntentKind::Bulk
        | IntentKind::CustomFields => None,
    };
    KnownGroup {
        taken: taken(state, &name, link),
        team: team.and_then(|id| state.team(id)).cloned(),
        members: about_members.map_or_else(BTreeMap::new, |team| members(state, team)),
        name,
    }
}

/// Teams of this name that belong to other groups.
pub(super) fn taken(state: &OrgState, name: &str, link: &GroupLink) -> Vec<TeamId> {
    let others = |id: &TeamId| state.owner_of_team(id).is_some_and(|owner| *owner != link.group);
    let name = NormalName::of(name);
    let same = state.teams_named(&name).map(|team| &team.id);
    same.filter(|id| others(id)).cloned().collect()
}

fn members(state: &OrgState, team: &TeamId) -> BTreeMap<AccountId, KnownMember> {
    let known = |account: &AccountId| {
        let member = KnownMember {
            roles: state.roles(team, account),
            listed: state.account(account).is_none_or(|account| account.active),
        };
        (account.clone(), member)
    };
    state.team_members(team).map(known).collect()
}

impl Orphan {
    pub(in crate::controller) fn subjects(&self) -> Vec<Subject> {
        match self {
            Orphan::Person { link, .. } => vec![Subject::Person(link.value.person.clone())],
            Orphan::Group { link, .. } => vec![Subject::Group(link.value.group.clone())],
            Orphan::Bulk { links, .. } => links
                .iter()
                .map(|(link, _)| Subject::Person(link.value.person.clone()))
                .collect(),
        }
    }

    /// User names that the requests may have given to accounts.
    pub(in crate::controller) fn user_names(&self) -> Vec<(PersonId, String)> {
        match self {
            Orphan::Person { link, intent, .. } => {
                let name = intent.name.clone();
                name.map(|name| (link.value.person.clone(), name))
                    .into_iter()
                    .collect()
            }
            Orphan::Group { .. } => Vec::new(),
            Orphan::Bulk { links, .. } => links
                .iter()
                .map(|(link, name)| (link.value.person.clone(), name.clone()))
                .collect(),
        }
    }

    pub(in crate::controller) async fn recover(self, executor: &Executor) -> Done {
        match self {
            Orphan::Person { link, intent, known } => executor.recover_person(link, intent, known).await,
            Orphan::Group { link, intent, known } => executor.recover_group(link, intent, known).await,
            Orphan::Bulk { job, links } => executor.recover_bulk(job, links).await,
        }
    }
}
