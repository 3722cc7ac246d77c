//! Small random companies: what happens in them, and what must be true of their Litmos when nothing is left to do.

use std::collections::BTreeSet;

use proptest::prelude::*;
use provisioning::{
    AccessLevel, Change, Field, Frozen, GroupId, ManagerWish, NormalName, ParkCode, Person, PersonId, Plan,
    Policy, Safeguard, Subject, TeamRole, UnlinkedTeams, WaitReason,
};

use crate::scene::{NOW, Scene};

/// One thing that happens in a company.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Hire(u8),
    Leave(u8),
    Return(u8),
    Title(u8, u8),
    Level(u8, u8),
    Manager(u8, u8),
    Custom(u8, u8, u8),
    /// Somebody is to be called what perhaps somebody else is called.
    NewName(u8, u8),
    Freeze(u8),
    Thaw(u8),
    Join(u8, u8),
    Quit(u8, u8),
    RenameGroup(u8, u8),
    Describe(u8, u8),
    Parent(u8, u8),
    NoParent(u8),
    DeleteGroup(u8),
    ReviveGroup(u8),
    Pause(u8),
    Unpause(u8),
    PushNow(u8),
    /// An account that was made by hand.
    ByHand(u8),
    /// Somebody is put into a team by hand, and perhaps made its leader.
    JoinByHand(u8, u8, bool),
    /// All memberships were read.
    Import,
    Settle,
}

pub(crate) fn event(people: u8) -> impl Strategy<Value = Event> {
    let (p, g) = (0..people, 0..4u8);
    let pg = || (0..people, 0..4u8);
    let person = prop_oneof![
        6 => p.clone().prop_map(Event::Hire),
        2 => p.clone().prop_map(Event::Leave),
        1 => p.clone().prop_map(Event::Return),
        3 => (p.clone(), 0..4u8).prop_map(|(p, t)| Event::Title(p, t)),
        2 => (p.clone(), 0..5u8).prop_map(|(p, l)| Event::Level(p, l)),
        2 => (p.clone(), p.clone()).prop_map(|(p, m)| Event::Manager(p, m)),
        2 => (p.clone(), 0..2u8, 0..3u8).prop_map(|(p, f, v)| Event::Custom(p, f, v)),
        2 => (p.clone(), p.clone()).prop_map(|(p, n)| Event::NewName(p, n)),
        1 => p.clone().prop_map(Event::Freeze),
        1 => p.clone().prop_map(Event::Thaw),
        1 => p.prop_map(Event::ByHand),
    ];
    let group = prop_oneof![
        6 => pg().prop_map(|(p, g)| Event::Join(p, g)),
        3 => pg().prop_map(|(p, g)| Event::Quit(p, g)),
        1 => (g.clone(), 0..3u8).prop_map(|(g, n)| Event::RenameGroup(g, n)),
        1 => (g.clone(), 0..3u8).prop_map(|(g, d)| Event::Describe(g, d)),
        2 => (g.clone(), 0..5u8).prop_map(|(g, p)| Event::Parent(g, p)),
        1 => g.clone().prop_map(Event::NoParent),
        1 => g.clone().prop_map(Event::DeleteGroup),
        1 => g.clone().prop_map(Event::ReviveGroup),
        1 => g.clone().prop_map(Event::Pause),
        1 => g.clone().prop_map(Event::Unpause),
        1 => g.clone().prop_map(Event::PushNow),
        2 => (pg(), any::<bool>()).prop_map(|((p, g), leads)| Event::JoinByHand(p, g, leads)),
    ];
    prop_oneof![
        10 => person,
        10 => group,
        1 => Just(Event::Import),
        1 => Just(Event::Settle),
    ]
}

pub(crate) fn company(people: u8, events: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(people), 0..events)
}

pub(crate) fn plain() -> Policy {
    Policy {
        safeguard: Safeguard::boundless(),
        protect_owners: false,
        unlinked_teams: UnlinkedTeams::Delete,
        ..Policy::default()
    }
}

pub(crate) fn single() -> Policy {
    Policy {
        bulk: false,
        ..plain()
    }
}

pub(crate) fn told(events: &[Event], policy: Policy) -> Scene {
    let mut scene = Scene::new();
    scene.policy = policy;
    for event in events {
        happen(&mut scene, event);
    }
    scene
}

fn person(scene: &mut Scene, n: u8) -> PersonId {
    let id = PersonId::parse(format!("p{n}")).unwrap();
    if scene.world.person(&id).is_none() {
        scene.person(&format!("p{n}"));
    }
    id
}

fn group(scene: &mut Scene, n: u8) -> GroupId {
    let id = GroupId::parse(format!("g{n}")).unwrap();
    if scene.world.group(&id).is_none() {
        scene.group(&format!("g{n}"), &[]);
    }
    id
}

pub(crate) fn happen(scene: &mut Scene, event: &Event) {
    match event {
        Event::Hire(n) => {
            person(scene, *n);
        }
        Event::Leave(n) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| person.active = false);
        }
        Event::Return(n) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| person.active = true);
        }
        Event::Title(n, title) => {
            let id = person(scene, *n);
            let title = if *title == 0 {
                String::new()
            } else {
                format!("Title {title}")
            };
            scene.edit(&id, |person| person.profile.set(Field::JobTitle, title));
        }
        Event::Level(n, level) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| {
                person.access_level = Some(AccessLevel::ALL[usize::from(*level)]);
            });
        }
        Event::Manager(n, manager) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| {
                person.manager = ManagerWish::Reference(format!("P{manager}"));
            });
        }
        Event::Custom(n, field, value) => {
            let id = person(scene, *n);
            let value = if *value == 0 {
                String::new()
            } else {
                format!("v{value}")
            };
            scene.edit(&id, |person| {
                person.custom.insert(format!("Field {field}"), value);
            });
        }
        Event::NewName(n, name) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| person.user_name = format!("p{name}@corp.example"));
        }
        Event::Freeze(n) => {
            let id = person(scene, *n);
            let order = Frozen {
                at_ms: NOW,
                by: "admin".to_owned(),
            };
            scene.person_link(&id, |link| link.frozen = Some(order));
        }
        Event::Thaw(n) => {
            let id = person(scene, *n);
            scene.person_link(&id, |link| link.frozen = None);
        }
        Event::Join(n, g) | Event::Quit(n, g) => {
            let (id, group) = (person(scene, *n), group(scene, *g));
            scene.membership(&group, &id, matches!(event, Event::Join(..)));
        }
        Event::RenameGroup(g, n) => {
            let id = group(scene, *g);
            scene.rename_group(&id, &format!("g{g} called {n}"));
        }
        Event::Describe(g, d) => {
            let id = group(scene, *g);
            let text = if *d == 0 {
                String::new()
            } else {
                format!("description {d}")
            };
            scene.edit_group(&id, |group| group.description = Some(text));
        }
        // One of the names is nobody's.
        Event::Parent(g, parent) => {
            let id = group(scene, *g);
            scene.edit_group(&id, |group| group.parent = Some(format!("g{parent}")));
        }
        Event::NoParent(g) => {
            let id = group(scene, *g);
            scene.edit_group(&id, |group| group.parent = None);
        }
        Event::DeleteGroup(g) | Event::ReviveGroup(g) => {
            let id = group(scene, *g);
            scene.edit_group(&id, |group| {
                group.deleted = matches!(event, Event::DeleteGroup(_))
            });
        }
        Event::Pause(g) | Event::Unpause(g) => {
            let id = group(scene, *g);
            scene.group_link(&id, |link| link.paused = matches!(event, Event::Pause(_)));
        }
        Event::PushNow(g) => {
            let id = group(scene, *g);
            scene.group_link(&id, |link| link.overwrite_due = true);
        }
        Event::ByHand(n) => {
            if scene
                .world
                .account_named(&NormalName::of(&format!("p{n}@corp.example")))
                .is_none()
            {
                scene.account(&format!("p{n}"));
            }
        }
        Event::JoinByHand(n, g, leads) => join_by_hand(scene, *n, *g, *leads),
        Event::Import => {
            let touched = scene.world.set_memberships_as_of(NOW);
            scene.touched.extend(touched);
        }
        Event::Settle => scene.run(),
    }
}

fn join_by_hand(scene: &mut Scene, n: u8, g: u8, leads: bool) {
    let (Ok(person), Ok(group)) = (PersonId::parse(format!("p{n}")), GroupId::parse(format!("g{g}"))) else {
        return;
    };
    let team = scene
        .world
        .group_link(&group)
        .and_then(|link| link.value.team.clone());
    let account = scene.world.account_for(&person).cloned();
    let (Some(team), Some(account)) = (team, account) else {
        return;
    };
    scene.join(&team, &account);
    if leads && !scene.world.roles(&team, &account).leader {
        scene.set_role(&team, &account, TeamRole::Leader, true);
    }
}

fn is_frozen(scene: &Scene, person: &PersonId) -> bool {
    let link = scene.world.person_link(person);
    link.is_some_and(|link| link.value.frozen.is_some())
}

fn wanted(scene: &Scene, person: &Person) -> bool {
    person.wanted_active() && !is_frozen(scene, &person.id)
}

/// Litmos equals the roster, minus what waits for a reason that is one: looked at from the roster, without the planner.
pub(crate) fn assert_equal(scene: &Scene) {
    let plan = scene.plan();
    assert!(plan.is_empty(), "{}", plan.to_text(30));
    let mut excused = BTreeSet::new();
    for (subject, reason) in &plan.waiting {
        excuse(scene, subject, reason);
        excused.insert(subject.clone());
    }
    assert!(plan.park.is_empty(), "what is parked stays so: {:?}", plan.park);
    for link in scene.world.group_links().map(|link| &link.value) {
        let revision = scene.world.group(&link.group).map_or(0, |group| group.revision);
        if link
            .parked
            .as_ref()
            .is_some_and(|parked| parked.revision >= revision)
        {
            let subject = Subject::Group(link.group.clone());
            assert!(
                link.paused || excused.contains(&subject),
                "{} stays parked",
                link.group
            );
        }
    }
    for person in scene.world.people() {
        let waits = excused.contains(&Subject::Person(person.value.id.clone()));
        if !waits || !wanted(scene, &person.value) {
            assert_person(scene, &person.value);
        }
    }
    for group in scene.world.groups() {
        let link = scene.world.group_link(&group.value.id).map(|link| &link.value);
        if link.is_some_and(|link| link.paused) {
            continue;
        }
        let team = link.and_then(|link| link.team.as_ref());
        if group.value.deleted {
            assert_eq!(team, None, "{} is deleted", group.value.id);
            continue;
        }
        let Some(team) = team else {
            let waits = excused.contains(&Subject::Group(group.value.id.clone()));
            assert!(waits, "{} has no team", group.value.id);
            continue;
        };
        let team = scene.world.team(team).unwrap();
        assert_eq!(team.name, group.value.name);
        if let Some(description) = &group.value.description {
            assert_eq!(team.description.as_ref(), Some(description));
        }
        assert!(link.is_some_and(|link| !link.overwrite_due), "push now ends");
    }
}

fn assert_person(scene: &Scene, person: &Person) {
    let name = &person.user_name;
    let linked = scene
        .world
        .linked_account(&person.id)
        .and_then(|id| scene.world.account(id));
    let Some(account) = linked else {
        assert!(!wanted(scene, person), "{name} has no account");
        return;
    };
    assert_eq!(account.active, wanted(scene, person), "{name}");
    if !wanted(scene, person) {
        return;
    }
    assert_eq!(NormalName::of(&account.user_name), NormalName::of(name));
    if let Some(level) = person.access_level {
        assert_eq!(account.access_level, Some(level), "{name}");
    }
    for (field, value) in person.profile.iter() {
        assert_eq!(account.profile.value(field), value, "{name} {field:?}");
    }
    let link = scene.world.person_link(&person.id).unwrap();
    assert_eq!(link.value.custom, person.custom, "{name}");
    for group in scene.world.groups_of(&person.id) {
        let group_link = scene.world.group_link(group).map(|link| &link.value);
        if group_link.is_some_and(|link| link.paused) {
            continue;
        }
        let Some(team) = group_link.and_then(|link| link.team.clone()) else {
            continue;
        };
        let wants = scene.world.wants_member(group, &person.id) == Some(true);
        let is_in = scene.world.is_team_member(&team, &account.id);
        assert_eq!(is_in, wants, "{name} in {group}");
        if let Some(level) = person.access_level.filter(|_| wants) {
            let roles = scene.world.roles(&team, &account.id);
            assert_eq!(
                roles.leader,
                level == AccessLevel::TeamLeader,
                "{name} leads {group}"
            );
            assert_eq!(
                roles.admin,
                level == AccessLevel::TeamAdmin,
                "{name} is admin of {group}"
            );
        }
    }
}

/// Panics if this is no good reason for nothing being done.
fn excuse(scene: &Scene, subject: &Subject, reason: &WaitReason) {
    match (subject, reason) {
        (Subject::Person(id), WaitReason::Frozen) => assert!(is_frozen(scene, id)),
        (Subject::Person(_), WaitReason::NameAwaited { person }) => {
            let held_up = Subject::Person(person.clone());
            assert!(
                scene
                    .plan()
                    .waiting
                    .iter()
                    .any(|(subject, _)| *subject == held_up)
            );
        }
        (Subject::Person(id), WaitReason::Parked(parked)) => {
            assert_eq!(parked.code, ParkCode::UserNameTaken, "{parked:?}");
            let person = &scene.world.person(id).unwrap().value;
            let name = NormalName::of(&person.user_name);
            let account = scene.world.account_named(&name);
            let anothers = account.is_some_and(|account| scene.world.owner_of(&account.id) != Some(id));
            let rival = scene
                .world
                .people()
                .any(|other| other.value.id != *id && NormalName::of(&other.value.user_name) == name);
            assert!(anothers || rival, "{parked:?}");
        }
        (Subject::Group(id), WaitReason::Paused) => {
            assert!(scene.world.group_link(id).unwrap().value.paused);
        }
        (Subject::Group(id), WaitReason::ParentAwaited { parent }) => {
            let above = GroupId::parse(parent).unwrap();
            assert_eq!(scene.world.group(id).unwrap().value.parent.as_ref(), Some(parent));
            let known = scene
                .world
                .group(&above)
                .is_some_and(|group| !group.value.deleted);
            let team = scene
                .world
                .group_link(&above)
                .and_then(|link| link.value.team.clone());
            assert!(!known || team.is_none());
        }
        (Subject::Group(id), WaitReason::Parked(parked)) => match parked.code {
            ParkCode::TeamParentDiffers => {
                let team = scene.team_of(id);
                let parent = scene.world.group(id).unwrap().value.parent.clone().unwrap();
                let parent = scene.team_of(&GroupId::parse(parent).unwrap());
                assert_ne!(scene.world.team(&team).unwrap().parent, Some(parent));
            }
            ParkCode::ParentCircle => assert!(in_circle(scene, id), "{parked:?}"),
            other => panic!("{id} is parked: {other}"),
        },
        (subject, reason) => panic!("{subject:?} waits: {reason:?}"),
    }
}

fn in_circle(scene: &Scene, id: &GroupId) -> bool {
    let mut at = id.clone();
    for _ in 0..10 {
        let parent = scene.world.group(&at).filter(|group| !group.value.deleted);
        let Some(parent) = parent.and_then(|group| group.value.parent.clone()) else {
            return false;
        };
        at = GroupId::parse(parent).unwrap();
        if at == *id {
            return true;
        }
    }
    false
}

/// What is true of every plan by itself.
pub(crate) fn assert_well_formed(plan: &Plan) {
    let mut before = BTreeSet::new();
    for operation in &plan.operations {
        assert!(
            operation.after.is_subset(&before),
            "{} stands before what it comes after:\n{}",
            operation.label,
            plan.to_text(50)
        );
        assert!(
            before.insert(operation.id.clone()),
            "{} has the id of another",
            operation.label
        );
    }
    let cuts: Vec<bool> = plan
        .operations
        .iter()
        .map(|operation| operation.change.cuts_access())
        .collect();
    assert!(cuts.is_sorted_by(|a, b| a >= b), "cut-offs stand first");
}

/// Whether the change takes the account away from somebody or changes it.
pub(crate) fn mentions(change: &Change, stranger: &provisioning::AccountId) -> bool {
    match change {
        Change::CutOff { account, .. }
        | Change::Update { account, .. }
        | Change::Link { account, .. }
        | Change::LeaveAllTeams { account, .. }
        | Change::RemoveMember { account, .. }
        | Change::LeaveTeams { account, .. } => account == stranger,
        Change::SetRole { account, .. } | Change::SetCustomFields { account, .. } => {
            account.as_ref() == Some(stranger)
        }
        Change::Bulk { rows } => rows.iter().any(|row| row.account.as_ref() == Some(stranger)),
        Change::Create { .. }
        | Change::Read { .. }
        | Change::AddMembers { .. }
        | Change::LinkTeam { .. }
        | Change::CreateTeam { .. }
        | Change::AmendTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::DeleteTeam { .. }
        | Change::EndOverwrite { .. } => false,
    }
}
