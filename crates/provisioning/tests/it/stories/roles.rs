//! Leaders and admins of teams.

use insta::assert_snapshot;
use provisioning::{AccessLevel, TeamRole};

use super::operations;
use crate::scene::Scene;

#[test]
fn a_leader_leads_each_team_after_joining_it_and_after_the_level_is_theirs() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.group("Sales", &[&mira]);
    scene.run();
    scene.edit(&mira, |person| {
        person.access_level = Some(AccessLevel::TeamLeader)
    });
    scene.group("Ops", &[&mira]);
    assert_snapshot!(operations(&scene), @r"
    create team Ops [1]
    update mira@corp.example: AccessLevel [1]
    add 1 person to team Ops [1]
    make mira@corp.example leader of team Ops [1]
    make mira@corp.example leader of team Sales [1]
    ");
    let plan = scene.plan();
    let id = |label: &str| {
        let operation = plan
            .operations
            .iter()
            .find(|operation| operation.label.starts_with(label));
        operation.unwrap().id.clone()
    };
    let promotion = plan
        .operations
        .iter()
        .find(|operation| operation.label == "make mira@corp.example leader of team Ops")
        .unwrap();
    assert!(promotion.after.contains(&id("update mira")));
    assert!(promotion.after.contains(&id("add 1 person to team Ops")));
    scene.run();
    assert!(scene.litmos().contains(r#"teams={"Ops leader", "Sales leader"}"#));
}

#[test]
fn a_new_leader_costs_the_account_the_membership_and_the_role() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| {
        person.access_level = Some(AccessLevel::TeamLeader)
    });
    scene.group("Sales", &[&mira]);
    assert_snapshot!(operations(&scene), @r"
    create team Sales [1]
    create account mira@corp.example [1]
    add 1 person to team Sales [1]
    make mira@corp.example leader of team Sales [1]
    ");
    let named = scene.plan().calls();
    scene.run();
    assert_eq!(scene.calls, named);
}

#[test]
fn from_leader_to_admin_is_a_promotion_and_then_a_demotion() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| {
        person.access_level = Some(AccessLevel::TeamLeader)
    });
    scene.group("Sales", &[&mira]);
    scene.run();
    scene.edit(&mira, |person| person.access_level = Some(AccessLevel::TeamAdmin));
    assert_snapshot!(operations(&scene), @r"
    update mira@corp.example: AccessLevel [1]
    make mira@corp.example admin of team Sales [1]
    make mira@corp.example no longer leader of team Sales [1]
    ");
    scene.run();
    assert!(scene.litmos().contains(r#"teams={"Sales admin"}"#));
    scene.edit(&mira, |person| person.access_level = Some(AccessLevel::Learner));
    assert_snapshot!(operations(&scene), @r"
    update mira@corp.example: AccessLevel [1]
    make mira@corp.example no longer admin of team Sales [1]
    ");
}

#[test]
fn a_role_that_nobody_has_a_wish_about_stays_and_goes_with_the_membership() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let sales = scene.group("Sales", &[&mira]);
    scene.run();
    let (team, account) = (
        scene.team_of(&sales),
        scene.state.linked_account(&mira).cloned().unwrap(),
    );
    scene.set_role(&team, &account, TeamRole::Leader, true);
    assert_eq!(operations(&scene), "");
    scene.edit(&mira, |person| person.access_level = Some(AccessLevel::Learner));
    assert_snapshot!(operations(&scene), @"make mira@corp.example no longer leader of team Sales [1]");
    scene.membership(&sales, &mira, false);
    assert_snapshot!(operations(&scene), @"take mira@corp.example out of team Sales [1]");
}

#[test]
fn a_level_that_is_held_holds_the_roles_that_go_with_it() {
    let mut scene = Scene::new();
    scene.policy.safeguard = provisioning::Safeguard::default();
    let people: Vec<_> = (0..80)
        .map(|n| {
            scene.person_with(&format!("p{n}"), |person| {
                person.access_level = Some(AccessLevel::Learner);
            })
        })
        .collect();
    scene.group("Sales", &people.iter().collect::<Vec<_>>());
    scene.run();
    for person in &people {
        scene.edit(person, |person| {
            person.access_level = Some(AccessLevel::TeamLeader)
        });
    }
    let plan = scene.plan();
    assert!(plan.is_empty(), "{}", plan.to_text(9));
    assert_eq!(plan.held[0].items.len(), 80);
}

#[test]
fn members_about_whom_the_group_says_nothing_lose_a_role_that_their_level_denies_them() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| person.access_level = Some(AccessLevel::Learner));
    let sales = scene.group("Sales", &[]);
    scene.run();
    let (team, account) = (
        scene.team_of(&sales),
        scene.state.linked_account(&mira).cloned().unwrap(),
    );
    scene.join(&team, &account);
    scene.set_role(&team, &account, TeamRole::Leader, true);
    assert_snapshot!(operations(&scene), @"make mira@corp.example no longer leader of team Sales [1]");
}
