//! Intents that nobody is working on: their senders are gone.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{
    AccountId, BulkJob, GroupLink, Intent, IntentKind, NormalName, OperationId, PersonId, PersonLink,
    Revised, Subject, TeamId, World,
};

use crate::hands::{Done, Hands, KnownGroup, KnownMember, KnownPerson, bulk_operation};

/// An intent that nobody is working on, with what was known before its request.
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

pub(in crate::controller) fn orphans(world: &World, jobs: &BTreeMap<OperationId, BulkJob>) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    let mut bulk: BTreeMap<OperationId, Vec<(Revised<PersonLink>, String)>> = BTreeMap::new();
    for link in world.person_links() {
        let Some(intent) = &link.value.intent else {
            continue;
        };
        if world.is_under_way(&Subject::Person(link.value.person.clone())) {
            continue;
        }
        match bulk_operation(intent).filter(|operation| jobs.contains_key(*operation)) {
            Some(operation) => bulk
                .entry(operation.clone())
                .or_default()
                .push((link.clone(), user_name(world, &link.value))),
            None => orphans.push(Orphan::Person {
                link: link.clone(),
                intent: intent.as_ref().clone(),
                known: known_person(world, &link.value),
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
        orphans.push(Orphan::Group {
            link: link.clone(),
            intent: intent.as_ref().clone(),
            known: known_group(world, &link.value, intent.kind),
        });
    }
    orphans
}

fn name_given(intent: Option<&Intent>) -> Option<String> {
    intent.and_then(|intent| intent.name.clone())
}

/// The name that the request gave. Without one, the name that is wished now is the likeliest.
fn user_name(world: &World, link: &PersonLink) -> String {
    if let Some(name) = name_given(link.intent.as_deref()) {
        return name;
    }
    let person = world.person(&link.person);
    person.map_or_else(String::new, |person| person.value.user_name.clone())
}

fn known_person(world: &World, link: &PersonLink) -> KnownPerson {
    let person = world.person(&link.person);
    let account = link.account.as_ref();
    KnownPerson {
        user_name: user_name(world, link),
        account: account.and_then(|id| world.account(id)).cloned(),
        teams: account.map_or_else(BTreeSet::new, |id| world.teams_of(id).cloned().collect()),
        custom: person.map_or_else(BTreeMap::new, |person| person.value.custom.clone().into()),
    }
}

fn known_group(world: &World, link: &GroupLink, kind: IntentKind) -> KnownGroup {
    let wished = || world.group(&link.group).map(|group| group.value.name.clone());
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
        taken: taken(world, &name, link),
        team: team.and_then(|id| world.team(id)).cloned(),
        members: about_members.map_or_else(BTreeMap::new, |team| members(world, team)),
        name,
    }
}

/// Teams of this name that are other groups'.
pub(super) fn taken(world: &World, name: &str, link: &GroupLink) -> Vec<TeamId> {
    let others = |id: &TeamId| world.owner_of_team(id).is_some_and(|owner| *owner != link.group);
    let name = NormalName::of(name);
    let same = world.teams_named(&name).map(|team| &team.id);
    same.filter(|id| others(id)).cloned().collect()
}

fn members(world: &World, team: &TeamId) -> BTreeMap<AccountId, KnownMember> {
    let known = |account: &AccountId| {
        let member = KnownMember {
            roles: world.roles(team, account),
            listed: world.account(account).is_none_or(|account| account.active),
        };
        (account.clone(), member)
    };
    world.team_members(team).map(known).collect()
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

    /// The user names that accounts may have been given.
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

    pub(in crate::controller) async fn recover(self, hands: &Hands) -> Done {
        match self {
            Orphan::Person { link, intent, known } => hands.recover_person(link, intent, known).await,
            Orphan::Group { link, intent, known } => hands.recover_group(link, intent, known).await,
            Orphan::Bulk { job, links } => hands.recover_bulk(job, links).await,
        }
    }
}
