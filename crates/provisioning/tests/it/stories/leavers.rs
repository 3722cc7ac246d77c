//! Who is cut off, who never is, and how teams are left.

use insta::assert_snapshot;
use provisioning::{AccessLevel, Field, Frozen, NormalName, PersonId, Safeguard, Subject, WaitReason};

use super::{operations, waits};
use crate::scene::{NOW, Scene};

fn freeze(scene: &mut Scene, person: &PersonId) {
    let order = Frozen {
        at_ms: NOW,
        by: "ops".to_owned(),
    };
    scene.person_link(person, |link| link.frozen = Some(Box::new(order)));
}

#[test]
fn an_admin_freezes_somebody_whatever_the_roster_says_and_nothing_else_is_done() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.group("Sales", &[&mira]);
    scene.run();
    scene.edit(&mira, |person| person.profile.set(Field::City, "Oslo"));
    scene.group("Ops", &[&mira]);
    freeze(&mut scene, &mira);
    assert_snapshot!(operations(&scene), @r"
    cut off mira@corp.example, frozen by ops [1]
    create team Ops [1]
    take mira@corp.example out of all teams [1]
    ");
    scene.run();
    assert_snapshot!(waits(&scene), @"mira: Frozen");
    scene.person_link(&mira, |link| link.frozen = None);
    assert_snapshot!(operations(&scene), @r"
    update mira@corp.example: Active, City [1]
    add 1 person to team Ops [1]
    add 1 person to team Sales [1]
    ");
}

#[test]
fn a_freeze_passes_the_safeguard_a_failure_and_an_older_refusal() {
    let mut scene = Scene::new();
    scene.policy.deactivate_users = false;
    let mira = scene.person("mira");
    scene.run();
    let mut none = Safeguard::default();
    none.run
        .values_mut()
        .chain(none.day.values_mut())
        .for_each(|limit| limit.most = 0);
    scene.policy.safeguard = none;
    scene.person_link(&mira, |link| {
        link.next_try_ms = NOW + 60_000;
        link.parked = Some(Box::new(provisioning::Parked {
            code: provisioning::ParkCode::RejectedByLitmos,
            attribute: None,
            message: "no".to_owned(),
            remedy: "none".to_owned(),
            revision: u64::MAX,
            at_ms: NOW - 1,
        }));
    });
    assert_eq!(operations(&scene), "");
    freeze(&mut scene, &mira);
    assert_snapshot!(operations(&scene), @r"
    cut off mira@corp.example, frozen by ops [1]
    take mira@corp.example out of all teams [1]
    ");
    // What failed since the order was given waits its time.
    scene.person_link(&mira, |link| link.changed_at_ms = NOW + 1);
    assert_eq!(operations(&scene), "");
}

#[test]
fn a_protected_account_is_neither_cut_off_nor_demoted_and_all_else_goes_on() {
    let mut scene = Scene::new();
    scene
        .policy
        .protected
        .insert(NormalName::of("Admin@corp.example"));
    let admin = scene.person_with("admin", |person| {
        person.access_level = Some(AccessLevel::Administrator);
    });
    scene.run();
    scene.edit(&admin, |person| {
        person.access_level = Some(AccessLevel::Learner);
        person.profile.set(Field::City, "Oslo");
        person.user_name = "other@corp.example".to_owned();
    });
    assert_snapshot!(operations(&scene), @r#"
    update other@corp.example: City [1]
    ! protected-account: "admin@corp.example" is a protected account and is not demoted (Administrator to Learner): the setting protect names it
    "#);
    scene.run();
    assert_snapshot!(waits(&scene), @"admin is parked: protected-account");
    assert!(
        scene
            .litmos()
            .contains("admin@corp.example active=true level=Administrator")
    );
    assert!(scene.litmos().contains("City=Oslo"));
    scene.edit(&admin, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r#"! protected-account: "admin@corp.example" is a protected account and is not cut off: the setting protect names it"#);
    freeze(&mut scene, &admin);
    assert_snapshot!(operations(&scene), @r#"! protected-account: "admin@corp.example" is a protected account and is not cut off: the setting protect names it"#);
    scene.run();
    assert!(scene.litmos().contains("admin@corp.example active=true"));
    // Off the list, the order is carried out.
    scene.policy.protected.clear();
    assert_snapshot!(operations(&scene), @r"
    cut off other@corp.example, frozen by ops [1]
    take other@corp.example out of all teams [1]
    ");
}

#[test]
fn whoever_leaves_all_teams_leaves_them_in_one_call_while_that_is_known_to_be_all() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let groups = [scene.group("Sales", &[&mira]), scene.group("Ops", &[&mira])];
    scene.run();
    for group in &groups {
        scene.membership(group, &mira, false);
    }
    assert_snapshot!(operations(&scene), @r"
    take mira@corp.example out of team Ops [1]
    take mira@corp.example out of team Sales [1]
    ");
    scene.state.set_memberships_as_of(NOW - scene.policy.fresh_ms);
    scene.group("New", &[&mira]);
    assert_snapshot!(operations(&scene), @r"
    create team New [1]
    take mira@corp.example out of all teams at once: Ops, Sales [1]
    add 1 person to team New [1]
    ");
    let named = scene.plan().calls();
    scene.calls = 0;
    let litmos = {
        scene.run();
        scene.litmos()
    };
    assert_eq!(scene.calls, named);
    assert!(litmos.contains(r#"teams={"New"}"#), "{litmos}");
}

#[test]
fn whoever_leaves_all_teams_waits_for_one_that_is_being_worked_on() {
    let mut scene = Scene::new();
    let (mira, noor) = (scene.person("mira"), scene.person("noor"));
    let groups = [
        scene.group("Sales", &[&mira, &noor]),
        scene.group("Ops", &[&mira]),
        scene.group("Yard", &[&noor]),
    ];
    scene.run();
    scene.state.set_memberships_as_of(NOW);
    for group in &groups[..2] {
        scene.membership(group, &mira, false);
    }
    let busy = Subject::Group(groups[0].clone());
    scene.state.hold([busy.clone()]);
    // Somebody who stays in the busy team, or is in no other, has no reason to wait for it.
    scene.membership(&groups[2], &noor, false);
    assert_snapshot!(operations(&scene), @"take noor@corp.example out of team Yard [1]");
    assert!(
        scene
            .plan()
            .waiting
            .contains(&(Subject::Group(groups[1].clone()), WaitReason::UnderWay))
    );
    scene.state.release(&[busy]);
    assert_snapshot!(operations(&scene), @r"
    take noor@corp.example out of team Yard [1]
    take mira@corp.example out of all teams at once: Ops, Sales [1]
    ");
}

#[test]
fn a_team_that_stays_or_is_nobodys_is_not_left_with_the_others() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let groups = [scene.group("Sales", &[&mira]), scene.group("Ops", &[&mira])];
    scene.run();
    let strange = scene.team("by hand");
    let account = scene.state.linked_account(&mira).cloned().unwrap();
    scene.join(&strange, &account);
    scene.state.set_memberships_as_of(NOW);
    for group in &groups {
        scene.membership(group, &mira, false);
    }
    assert_snapshot!(operations(&scene), @r"
    take mira@corp.example out of team Ops [1]
    take mira@corp.example out of team Sales [1]
    ");
}

#[test]
fn a_leaver_is_not_kept_waiting_by_what_failed_before() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.run();
    scene.person_link(&mira, |link| {
        link.next_try_ms = NOW + 60_000;
        link.changed_at_ms = NOW - 1_000;
    });
    scene.edit(&mira, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r"
    cut off mira@corp.example [1]
    take mira@corp.example out of all teams [1]
    ");
}

#[test]
fn reactivation_keeps_the_account_and_brings_back_the_teams_that_are_wanted() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| {
        person.access_level = Some(AccessLevel::TeamLeader);
        person.custom.insert("Badge".to_owned(), "7".to_owned());
    });
    scene.group("Sales", &[&mira]);
    scene.run();
    let account = scene.state.linked_account(&mira).cloned();
    scene.edit(&mira, |person| person.active = false);
    scene.run();
    scene.edit(&mira, |person| {
        person.active = true;
        person.custom.insert("Badge".to_owned(), "8".to_owned());
    });
    assert_snapshot!(operations(&scene), @r"
    update mira@corp.example: Active [1]
    add 1 person to team Sales [1]
    set custom fields of mira@corp.example: Badge [2]
    make mira@corp.example leader of team Sales [1]
    ");
    let named = scene.plan().calls();
    scene.calls = 0;
    scene.run();
    assert_eq!(scene.calls, named);
    assert_eq!(scene.state.linked_account(&mira).cloned(), account);
}
