//! Small random companies: what happens in them, and what must be true of their Litmos when nothing is left to do.

mod equal;

use std::collections::BTreeSet;

use proptest::prelude::*;
use provisioning::{
    AccessLevel, Change, DesiredManager, Field, Frozen, GroupId, NormalName, PersonId, Plan, Policy,
    Safeguard, TeamRole, UnlinkedTeams,
};

use crate::scene::{NOW, Scene};
pub(crate) use equal::assert_equal;

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
    /// A team that was made by hand, with a description.
    TeamByHand(u8),
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
        1 => g.clone().prop_map(Event::TeamByHand),
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

pub(crate) fn stated(events: &[Event], policy: Policy) -> Scene {
    let mut scene = Scene::new();
    scene.policy = policy;
    for event in events {
        happen(&mut scene, event);
    }
    scene
}

fn person(scene: &mut Scene, n: u8) -> PersonId {
    let id = PersonId::parse(format!("p{n}")).unwrap();
    if scene.state.person(&id).is_none() {
        scene.person(&format!("p{n}"));
    }
    id
}

fn group(scene: &mut Scene, n: u8) -> GroupId {
    let id = GroupId::parse(format!("g{n}")).unwrap();
    if scene.state.group(&id).is_none() {
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
                person.manager = DesiredManager::Reference(format!("P{manager}"));
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
            scene.person_link(&id, |link| link.frozen = Some(Box::new(order)));
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
                .state
                .account_named(&NormalName::of(&format!("p{n}@corp.example")))
                .is_none()
            {
                scene.account(&format!("p{n}"));
            }
        }
        Event::TeamByHand(g) => {
            let name = format!("g{g}");
            if scene.state.teams_named(&NormalName::of(&name)).next().is_none() {
                scene.team_with(&name, |team| team.description = Some("by hand".to_owned()));
            }
        }
        Event::JoinByHand(n, g, leads) => join_by_hand(scene, *n, *g, *leads),
        Event::Import => {
            let touched = scene.state.set_memberships_as_of(NOW);
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
        .state
        .group_link(&group)
        .and_then(|link| link.value.team.clone());
    let account = scene.state.account_for(&person).cloned();
    let (Some(team), Some(account)) = (team, account) else {
        return;
    };
    scene.join(&team, &account);
    if leads && !scene.state.roles(&team, &account).leader {
        scene.set_role(&team, &account, TeamRole::Leader, true);
    }
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
