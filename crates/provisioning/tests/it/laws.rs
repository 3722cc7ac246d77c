use std::collections::BTreeSet;

use proptest::prelude::*;
use provisioning::{AccessLevel, Change, Field, ManagerWish, PersonId, Policy};

use crate::scene::Scene;

/// One thing that happens in a company.
#[derive(Clone, Debug)]
enum Event {
    Hire(u8),
    Leave(u8),
    Return(u8),
    Title(u8, u8),
    NoTitle(u8),
    Level(u8, u8),
    Manager(u8, u8),
    Join(u8, u8),
    Quit(u8, u8),
    RenameGroup(u8, u8),
    ByHand(u8),
    Settle,
}

fn event(people: u8) -> impl Strategy<Value = Event> {
    let (p, g) = (0..people, 0..4u8);
    prop_oneof![
        6 => p.clone().prop_map(Event::Hire),
        2 => p.clone().prop_map(Event::Leave),
        1 => p.clone().prop_map(Event::Return),
        2 => (p.clone(), 0..3u8).prop_map(|(p, t)| Event::Title(p, t)),
        1 => p.clone().prop_map(Event::NoTitle),
        1 => (p.clone(), 0..5u8).prop_map(|(p, l)| Event::Level(p, l)),
        2 => (p.clone(), 0..people).prop_map(|(p, m)| Event::Manager(p, m)),
        4 => (p.clone(), g.clone()).prop_map(|(p, g)| Event::Join(p, g)),
        1 => (p.clone(), g.clone()).prop_map(|(p, g)| Event::Quit(p, g)),
        1 => (g, 0..3u8).prop_map(|(g, n)| Event::RenameGroup(g, n)),
        1 => p.prop_map(Event::ByHand),
        1 => Just(Event::Settle),
    ]
}

fn happen(scene: &mut Scene, event: &Event) {
    let name = |n: u8| format!("p{n}");
    let person = |scene: &mut Scene, n: u8| -> PersonId {
        let id = PersonId::parse(name(n)).unwrap();
        if scene.world.person(&id).is_none() {
            scene.person(&name(n));
        }
        id
    };
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
            scene.edit(&id, |person| {
                person.profile.set(Field::JobTitle, format!("Title {title}"))
            });
        }
        Event::NoTitle(n) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| person.profile.set(Field::JobTitle, ""));
        }
        Event::Level(n, level) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| {
                person.access_level = Some(AccessLevel::ALL[usize::from(*level)])
            });
        }
        Event::Manager(n, manager) => {
            let id = person(scene, *n);
            scene.edit(&id, |person| {
                person.manager = ManagerWish::Reference(format!("P{manager}@corp.example"));
            });
        }
        Event::Join(n, group) => {
            let id = person(scene, *n);
            scene.group(&format!("g{group}"), &[&id]);
        }
        Event::Quit(n, group) => {
            let id = person(scene, *n);
            let group = scene.group(&format!("g{group}"), &[]);
            scene.membership(&group, &id, false);
        }
        Event::RenameGroup(group, n) => {
            let group = scene.group(&format!("g{group}"), &[]);
            scene.rename_group(&group, &format!("{group} renamed {n}"));
        }
        Event::ByHand(n) => {
            let taken = provisioning::NormalName::of(&format!("p{n}@corp.example"));
            if scene.world.account_named(&taken).is_none() {
                scene.account(&name(*n));
            }
        }
        Event::Settle => scene.run(),
    }
}

fn company(people: u8, events: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(people), 0..events)
}

fn told(events: &[Event], policy: Policy) -> Scene {
    let mut scene = Scene::new();
    scene.policy = policy;
    for event in events {
        happen(&mut scene, event);
    }
    scene
}

/// Litmos equals the roster: checked from the roster's side, without the planner.
fn assert_equal(scene: &Scene) {
    for person in scene.world.people() {
        let person = &person.value;
        let account = scene
            .world
            .account_named(&provisioning::NormalName::of(&person.user_name));
        let Some(account) = account else {
            assert!(!person.wanted_active(), "{} has no account", person.user_name);
            continue;
        };
        assert_eq!(account.active, person.wanted_active(), "{}", person.user_name);
        if !person.wanted_active() {
            continue;
        }
        if let Some(level) = person.access_level {
            assert_eq!(account.access_level, Some(level), "{}", person.user_name);
        }
        for (field, value) in person.profile.iter() {
            assert_eq!(
                account.profile.value(field),
                value,
                "{} {field:?}",
                person.user_name
            );
        }
        for group in scene.world.groups_of(&person.id) {
            let wanted = scene
                .world
                .wanted_members(group)
                .any(|(id, present)| *id == person.id && present);
            let team = scene
                .world
                .group_link(group)
                .and_then(|link| link.value.team.clone())
                .expect("a team for each group");
            assert_eq!(
                scene.world.is_team_member(&team, &account.id),
                wanted,
                "{} in {group}",
                person.user_name
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn performing_plans_until_none_is_left_makes_litmos_equal_the_roster(events in company(14, 60)) {
        let mut scene = told(&events, Policy::default());
        scene.run();
        assert_equal(&scene);
        prop_assert!(scene.plan().is_empty());
    }

    #[test]
    fn bulk_and_single_calls_end_in_the_same_litmos(events in company(14, 60)) {
        let mut bulk = told(&events, Policy::default());
        let mut single = told(&events, Policy { bulk: false, ..Policy::default() });
        bulk.run();
        single.run();
        prop_assert_eq!(bulk.litmos(), single.litmos());
    }

    #[test]
    fn the_chosen_encoding_is_never_dearer_than_single_calls(events in company(30, 60)) {
        let scene = told(&events, Policy::default());
        let mut frugal = told(&events, Policy { bulk: false, ..Policy::default() });
        frugal.policy.bulk = false;
        let (bulk, single) = (scene.plan(), frugal.plan());
        if events.iter().all(|event| !matches!(event, Event::Settle)) {
            prop_assert!(bulk.calls() <= single.calls(), "{}\n{}", bulk.to_text(30), single.to_text(30));
        }
    }

    #[test]
    fn looking_only_at_what_was_touched_plans_as_looking_at_everything(
        before in company(10, 40),
        after in company(10, 8),
    ) {
        let mut scene = told(&before, Policy { bulk: false, ..Policy::default() });
        scene.run();
        scene.touched.clear();
        for event in after.iter().filter(|event| !matches!(event, Event::Settle)) {
            happen(&mut scene, event);
        }
        let ids = |plan: &provisioning::Plan| -> BTreeSet<String> {
            plan.operations.iter().map(|operation| operation.label.clone()).collect()
        };
        prop_assert_eq!(ids(&scene.plan_for(&scene.touched)), ids(&scene.plan()));
    }

    #[test]
    fn the_price_named_before_is_the_price_paid(events in company(40, 80)) {
        let events: Vec<Event> = events.into_iter().filter(|event| !matches!(event, Event::Settle)).collect();
        let mut scene = told(&events, Policy::default());
        let named = scene.plan().calls();
        scene.run();
        prop_assert_eq!(scene.calls, named);
    }

    #[test]
    fn cut_offs_stand_before_everything_else(events in company(14, 60)) {
        let scene = told(&events, Policy::default());
        let cuts: Vec<bool> = scene.plan().operations.iter().map(|operation| operation.change.cuts_access()).collect();
        prop_assert!(cuts.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn people_without_a_wish_about_them_are_never_touched(events in company(14, 60)) {
        let mut scene = told(&events, Policy::default());
        let stranger = scene.account("stranger");
        let before = scene.world.account(&stranger).cloned();
        let mentions = |change: &Change| match change {
            Change::CutOff { account, .. } | Change::Update { account, .. } | Change::LeaveTeams { account, .. } => *account == stranger,
            _ => false,
        };
        prop_assert!(!scene.plan().operations.iter().any(|operation| mentions(&operation.change)));
        scene.run();
        prop_assert_eq!(scene.world.account(&stranger).cloned(), before);
    }
}
