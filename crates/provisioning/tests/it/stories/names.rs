//! User names that change, that are swapped, and that somebody left behind.

use insta::assert_snapshot;
use provisioning::Field;

use super::{operations, waits};
use crate::scene::Scene;

fn named(scene: &mut Scene, id: &str, user_name: &str) -> provisioning::PersonId {
    scene.person_with(id, |person| {
        person.user_name = format!("{user_name}@corp.example");
        person.profile.set(Field::LastName, "Lund");
    })
}

fn rename(scene: &mut Scene, id: &provisioning::PersonId, user_name: &str) {
    scene.edit(id, |person| {
        person.user_name = format!("{user_name}@corp.example")
    });
}

#[test]
fn a_new_user_name_is_an_update_of_the_same_account() {
    let mut scene = Scene::new();
    let mira = named(&mut scene, "mira", "mira.lund");
    scene.run();
    rename(&mut scene, &mira, "mira.berg");
    assert_snapshot!(operations(&scene), @"rename mira.lund@corp.example to mira.berg@corp.example [1]");
    scene.run();
    assert_eq!(scene.state.accounts().count(), 1);
}

#[test]
fn with_the_switch_off_a_user_name_stays_and_all_else_goes_on() {
    let mut scene = Scene::new();
    scene.policy.update_user_names = false;
    let mira = named(&mut scene, "mira", "mira.lund");
    scene.run();
    rename(&mut scene, &mira, "mira.berg");
    assert_eq!(operations(&scene), "");
    assert_eq!(waits(&scene), "");
    scene.edit(&mira, |person| person.profile.set(Field::City, "Oslo"));
    assert_snapshot!(operations(&scene), @"update mira.berg@corp.example: City [1]");
    scene.run();
    // The name that is wanted and not taken is free for somebody else.
    named(&mut scene, "berg", "mira.berg");
    assert_snapshot!(operations(&scene), @"create account mira.berg@corp.example [1]");
    scene.run();
    assert!(scene.plan().is_empty());
}

#[test]
fn whoever_wants_the_name_of_somebody_renamed_comes_afterwards() {
    let mut scene = Scene::new();
    let ann = named(&mut scene, "ann", "name.one");
    let bob = named(&mut scene, "bob", "name.two");
    scene.run();
    rename(&mut scene, &ann, "name.two");
    rename(&mut scene, &bob, "name.three");
    named(&mut scene, "new", "name.one");
    assert_snapshot!(operations(&scene), @r"
    rename name.two@corp.example to name.three@corp.example [1]
    rename name.one@corp.example to name.two@corp.example [1]
    create account name.one@corp.example [1]
    ");
    let named = scene.plan().calls();
    scene.calls = 0;
    scene.run();
    assert_eq!(scene.calls, named);
    assert_eq!(scene.state.accounts().count(), 3);
}

#[test]
fn two_who_swap_names_pass_by_a_name_for_the_moment() {
    let mut scene = Scene::new();
    let ann = named(&mut scene, "ann", "name.one");
    let bob = named(&mut scene, "bob", "name.two");
    scene.run();
    rename(&mut scene, &ann, "name.two");
    rename(&mut scene, &bob, "name.one");
    scene.edit(&ann, |person| person.profile.set(Field::City, "Oslo"));
    assert_snapshot!(operations(&scene), @r"
    rename name.one@corp.example to rollcall-A1 for a moment, to swap names [1]
    rename name.two@corp.example to name.one@corp.example [1]
    rename name.one@corp.example to name.two@corp.example and update: City [1]
    ");
    scene.calls = 0;
    scene.run();
    assert_eq!(scene.calls, 3);
    for (person, name) in [(&ann, "name.two"), (&bob, "name.one")] {
        let account = scene.state.linked_account(person).unwrap();
        assert_eq!(
            scene.state.account(account).unwrap().user_name,
            format!("{name}@corp.example")
        );
    }
}

#[test]
fn a_newcomer_never_gets_the_account_of_somebody_who_left() {
    let mut scene = Scene::new();
    let left = named(&mut scene, "left", "mira.lund");
    scene.run();
    scene.edit(&left, |person| {
        person.active = false;
        person.deleted = true;
    });
    scene.run();
    named(&mut scene, "newcomer", "Mira.Lund");
    assert_snapshot!(operations(&scene), @r#"! user-name-taken: "Mira.Lund@corp.example" is the user name of an account that belongs to person left, who left"#);
    scene.run();
    assert_snapshot!(waits(&scene), @"newcomer is parked: user-name-taken");

    // Once the account is called something else, the newcomer gets one of their own, with nobody asking for it.
    let account = scene.state.linked_account(&left).cloned().unwrap();
    scene.edit_account(&account, |account| {
        account.user_name = "mira.lund.old@corp.example".to_owned()
    });
    assert_snapshot!(operations(&scene), @"create account Mira.Lund@corp.example [1]");
    scene.run();
    assert_eq!(scene.state.accounts().count(), 2);
}

/// The account of somebody who left under another user name than the one it bears.
fn left_and_renamed(scene: &mut Scene, to: &str, deleted: bool) -> provisioning::PersonId {
    let left = named(scene, "left", "john");
    scene.run();
    scene.edit(&left, |person| {
        person.user_name = to.to_owned();
        (person.active, person.deleted) = (false, deleted);
    });
    left
}

#[test]
fn somebody_who_left_and_was_renamed_gives_the_name_up_to_who_wants_it_now() {
    for deleted in [false, true] {
        let mut scene = Scene::new();
        left_and_renamed(&mut scene, "283405f5john@corp.example", deleted);
        named(&mut scene, "new", "john");
        // First the access ends, then the name is given up.
        assert!(
            operations(&scene).starts_with("cut off"),
            "{}",
            operations(&scene)
        );
        assert_eq!(waits(&scene), "new: NameAwaited { person: PersonId(\"left\") }");
        scene.run();
        assert!(
            scene.litmos().contains("john@corp.example active=true"),
            "{}",
            scene.litmos()
        );
        assert!(
            scene.litmos().contains("283405f5john@corp.example active=false"),
            "{}",
            scene.litmos()
        );
        assert_eq!(waits(&scene), "");
    }
}

#[test]
fn an_inactive_account_keeps_its_name_while_nobody_wants_it() {
    let mut scene = Scene::new();
    left_and_renamed(&mut scene, "283405f5john@corp.example", false);
    scene.run();
    assert!(scene.litmos().contains("john@corp.example active=false"));
    assert_eq!(operations(&scene), "");
    // The name goes in one plan, before the account that wants it.
    named(&mut scene, "new", "john");
    assert_snapshot!(operations(&scene), @r"
    rename john@corp.example to 283405f5john@corp.example [1]
    create account john@corp.example [1]
    ");
}

#[test]
fn a_name_that_cannot_be_had_by_who_left_is_freed_all_the_same() {
    for to in ["a+b", "other@corp.example"] {
        let mut scene = Scene::new();
        named(&mut scene, "other", "other");
        left_and_renamed(&mut scene, to, false);
        scene.run();
        named(&mut scene, "new", "john");
        assert!(
            operations(&scene).starts_with("rename john@corp.example to rollcall-A"),
            "{}",
            operations(&scene)
        );
        scene.run();
        assert!(
            scene.litmos().contains("john@corp.example active=true"),
            "{to}: {}",
            scene.litmos()
        );
        assert!(scene.plan().is_empty());
    }
}

#[test]
fn a_renamed_person_frees_the_name_for_somebody_who_has_an_account_already() {
    let mut scene = Scene::new();
    let other = named(&mut scene, "other", "jonathan");
    left_and_renamed(&mut scene, "283405f5john@corp.example", true);
    scene.run();
    rename(&mut scene, &other, "john");
    assert_snapshot!(operations(&scene), @r"
    rename john@corp.example to 283405f5john@corp.example [1]
    rename jonathan@corp.example to john@corp.example [1]
    ");
    scene.run();
    assert!(scene.plan().is_empty());
}

#[test]
fn where_a_name_is_not_given_up_the_remedy_names_a_command_that_helps() {
    let mut scene = Scene::new();
    let left = named(&mut scene, "left", "john");
    scene.run();
    scene.edit(&left, |person| person.deleted = true);
    scene.run();
    let new = named(&mut scene, "new", "john");
    let parked = &scene.plan().park[0].1;
    assert!(
        parked.remedy.contains("rollcall links unlink left."),
        "{}",
        parked.remedy
    );
    scene.run();
    assert_snapshot!(waits(&scene), @"new is parked: user-name-taken");
    // What the command does.
    let account = scene.state.linked_account(&left).cloned();
    scene.person_link(&left, |link| link.account = None);
    assert_snapshot!(operations(&scene), @"update john@corp.example: Active [1]");
    scene.run();
    assert_eq!(scene.state.linked_account(&new).cloned(), account);
    assert_eq!(waits(&scene), "");
}

#[test]
fn an_account_that_is_protected_by_its_name_never_gives_it_up() {
    let mut scene = Scene::new();
    let left = left_and_renamed(&mut scene, "283405f5john@corp.example", false);
    scene.run();
    scene
        .policy
        .protected
        .insert(provisioning::NormalName::of("john@corp.example"));
    named(&mut scene, "new", "john");
    assert!(
        operations(&scene).contains("user-name-taken"),
        "{}",
        operations(&scene)
    );
    assert_eq!(
        scene
            .state
            .linked_account(&left)
            .map(provisioning::AccountId::as_str),
        Some("A1")
    );
}

#[test]
fn of_two_newcomers_with_one_name_the_first_has_it() {
    let mut scene = Scene::new();
    named(&mut scene, "a-second", "mira.lund");
    named(&mut scene, "b-first", "MIRA.lund");
    let second = provisioning::PersonId::parse("a-second").unwrap();
    scene.edit(&second, |person| person.created_at_ms += 1);
    assert_snapshot!(operations(&scene), @r#"
    create account MIRA.lund@corp.example [1]
    ! user-name-taken: "mira.lund@corp.example" is the user name of person b-first too, who was there first
    "#);
}

#[test]
fn a_name_that_a_stranger_has_is_not_taken_from_them() {
    let mut scene = Scene::new();
    let mira = named(&mut scene, "mira", "mira.lund");
    scene.run();
    scene.account("berg");
    rename(&mut scene, &mira, "berg");
    assert_snapshot!(operations(&scene), @r#"! user-name-taken: "berg@corp.example" is the user name of account A2, which is nobody's in the roster"#);
}

#[test]
fn a_rename_that_cannot_be_done_holds_up_only_who_waits_for_it() {
    let mut scene = Scene::new();
    let ann = named(&mut scene, "ann", "name.one");
    let bob = named(&mut scene, "bob", "name.two");
    scene.run();
    rename(&mut scene, &ann, "name.two");
    rename(&mut scene, &bob, "a+b");
    scene.run();
    assert_snapshot!(waits(&scene), @r#"
    bob is parked: user-name-forbidden
    ann: NameAwaited { person: PersonId("bob") }
    "#);
}
