//! Promotions and returns in numbers wait for a person; what Rollcall promoted it may take back.

use insta::assert_snapshot;
use provisioning::{
    AccessLevel, Approval, Field, HarmKey, NormalName, PersonId, RUN_GAP_MS, Safeguard, WaitReason, held_hash,
};

use super::{operations, waits};
use crate::scene::{NOW, Scene};

fn guarded() -> Scene {
    let mut scene = Scene::new();
    scene.policy.safeguard = Safeguard::default();
    scene.policy.protect_owners = true;
    scene
}

fn held(scene: &Scene) -> String {
    let plan = scene.plan();
    let lines = plan.held.iter().flat_map(|held| {
        let items = held.items.iter().map(|item| format!("- {}", item.label));
        std::iter::once(held.describe()).chain(items)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn level(scene: &mut Scene, person: &PersonId, level: AccessLevel) {
    scene.edit(person, |person| person.access_level = Some(level));
}

fn people(scene: &mut Scene, count: usize) -> Vec<PersonId> {
    (0..count).map(|n| scene.person(&format!("p{n}"))).collect()
}

fn approve_all(scene: &mut Scene) {
    let plan = scene.plan();
    let items = plan.held.iter().flat_map(|held| &held.items);
    let keys = items
        .map(|item| item.key)
        .collect::<std::collections::BTreeSet<HarmKey>>();
    scene.state.put_approval(Approval {
        hash: held_hash(&plan.held),
        keys,
        by: "admin".to_owned(),
        at_ms: NOW,
        expires_at_ms: NOW + 60_000,
    });
}

#[test]
fn one_account_owner_is_made_and_two_at_once_wait_for_a_person() {
    let mut scene = guarded();
    let people = people(&mut scene, 3);
    scene.run();
    level(&mut scene, &people[0], AccessLevel::AccountOwner);
    assert_snapshot!(operations(&scene), @"update p0@corp.example: AccessLevel [1]");
    level(&mut scene, &people[1], AccessLevel::AccountOwner);
    scene.edit(&people[1], |person| person.profile.set(Field::City, "Oslo"));
    // All else about them goes on.
    assert_snapshot!(operations(&scene), @"update p1@corp.example: City [1]");
    assert_snapshot!(held(&scene), @r"
    2 people would become Account Owners: 1 of 3 pass without approval
    - make p0@corp.example Account_Owner
    - make p1@corp.example Account_Owner
    ");
    approve_all(&mut scene);
    assert_snapshot!(operations(&scene), @r"
    update p0@corp.example: AccessLevel [1]
    update p1@corp.example: AccessLevel, City [1]
    ");
}

#[test]
fn somebody_new_who_is_to_be_an_owner_or_administrator_starts_as_a_learner_until_that_is_approved() {
    for (wished, count) in [(AccessLevel::AccountOwner, 2), (AccessLevel::Administrator, 40)] {
        let mut scene = guarded();
        let people = people(&mut scene, count);
        for person in &people {
            level(&mut scene, person, wished);
        }
        let before = scene.plan();
        assert_eq!(before.held[0].items.len(), count, "{}", held(&scene));
        scene.run();
        let litmos = scene.litmos();
        assert!(!litmos.contains(wished.as_litmos()), "{litmos}");
        assert!(litmos.contains("level=Learner"), "{litmos}");
        // The same changes are held before and after: an approval of what was seen first still holds.
        assert_eq!(scene.plan().held_hash(), before.held_hash());
        approve_all(&mut scene);
        scene.run();
        assert!(!scene.litmos().contains("level=Learner"), "{}", scene.litmos());
    }
}

#[test]
fn few_administrators_are_made_and_the_level_of_a_team_leader_is_not_counted() {
    let mut scene = guarded();
    let people = people(&mut scene, 20);
    scene.run();
    for person in &people[..3] {
        level(&mut scene, person, AccessLevel::Administrator);
    }
    for person in &people[4..] {
        level(&mut scene, person, AccessLevel::TeamLeader);
    }
    assert_eq!(held(&scene), "");
    level(&mut scene, &people[3], AccessLevel::Administrator);
    assert!(held(&scene).starts_with("4 people would become Administrators: 3 of 20 pass"));
}

#[test]
fn a_step_down_from_owner_to_administrator_is_no_promotion() {
    let mut scene = guarded();
    scene.policy.protect_owners = false;
    scene.policy.safeguard = Safeguard::boundless();
    let people = people(&mut scene, 8);
    people
        .iter()
        .for_each(|person| level(&mut scene, person, AccessLevel::AccountOwner));
    scene.run();
    scene.policy.safeguard = Safeguard::default();
    people
        .iter()
        .for_each(|person| level(&mut scene, person, AccessLevel::Administrator));
    assert_eq!(held(&scene), "");
}

#[test]
fn owners_made_one_by_one_through_a_day_are_stopped_within_it() {
    let mut scene = guarded();
    let people = people(&mut scene, 2);
    scene.run();
    level(&mut scene, &people[0], AccessLevel::AccountOwner);
    let plan = scene.plan();
    let mut history = scene.state.harm_history().clone();
    for operation in &plan.operations {
        for (harm, count) in provisioning::harms(&scene.state, &operation.change) {
            history.add(harm, count, NOW);
        }
    }
    scene.run();
    scene.state.set_harm_history(history);
    scene.edit(&people[1], |person| {
        person.access_level = Some(AccessLevel::AccountOwner);
        person.changed_at_ms = NOW + 2 * RUN_GAP_MS;
    });
    assert!(
        held(&scene).contains("1 of 3 pass in a day without approval, and 1 did"),
        "{}",
        held(&scene)
    );
}

#[test]
fn each_row_of_an_import_counts_in_the_books() {
    let mut scene = Scene::new();
    let people = people(&mut scene, 60);
    for person in &people[..7] {
        level(&mut scene, person, AccessLevel::AccountOwner);
    }
    for person in &people[7..12] {
        level(&mut scene, person, AccessLevel::Administrator);
    }
    let plan = scene.plan();
    let import = plan
        .operations
        .iter()
        .find(|operation| operation.kind() == "bulk")
        .unwrap();
    let harms = provisioning::harms(&scene.state, &import.change);
    let counted: Vec<_> = harms
        .iter()
        .map(|(harm, count)| format!("{harm} {count}"))
        .collect();
    assert_eq!(counted, ["promote_owner 7", "promote_administrator 5"]);
}

#[test]
fn people_who_come_back_in_numbers_wait_for_a_person_and_one_does_not() {
    let mut scene = guarded();
    scene.policy.safeguard = Safeguard::boundless();
    let people = people(&mut scene, 40);
    scene.run();
    people
        .iter()
        .for_each(|person| scene.edit(person, |person| person.active = false));
    scene.run();
    scene.policy.safeguard = Safeguard::default();
    scene.edit(&people[0], |person| person.active = true);
    assert_snapshot!(operations(&scene), @"update p0@corp.example: Active [1]");
    for person in &people[1..] {
        scene.edit(person, |person| {
            person.active = true;
            person.profile.set(Field::City, "Oslo");
        });
    }
    assert_eq!(operations(&scene), "");
    assert!(
        held(&scene).starts_with("40 people would get access again: 8 of 40 pass without approval"),
        "{}",
        held(&scene)
    );
    assert!(waits(&scene).contains("p7: Held { harm: Reactivate }"));
    approve_all(&mut scene);
    scene.run();
    assert!(!scene.litmos().contains("active=false"));
}

#[test]
fn inactive_accounts_that_are_found_by_name_are_not_woken_in_numbers_either() {
    let mut scene = guarded();
    let people = people(&mut scene, 12);
    for n in 0..12 {
        let account = scene.account(&format!("p{n}"));
        scene.edit_account(&account, |account| account.active = false);
    }
    assert_eq!(people.len(), 12);
    assert_eq!(scene.plan().held[0].items.len(), 12, "{}", held(&scene));
    assert!(
        scene
            .plan()
            .operations
            .iter()
            .all(|operation| operation.kind() != "update")
    );
}

#[test]
fn what_rollcall_made_an_owner_it_demotes_and_cuts_off_again() {
    for made in ["created", "updated", "imported"] {
        let mut scene = guarded();
        let boss = scene.person("boss");
        match made {
            "created" => level(&mut scene, &boss, AccessLevel::AccountOwner),
            "updated" => {
                scene.run();
                level(&mut scene, &boss, AccessLevel::AccountOwner);
            }
            _ => {
                people(&mut scene, 60);
                level(&mut scene, &boss, AccessLevel::AccountOwner);
            }
        }
        scene.run();
        assert!(
            scene
                .litmos()
                .contains("boss@corp.example active=true level=Account_Owner"),
            "{made}"
        );
        level(&mut scene, &boss, AccessLevel::Learner);
        assert_eq!(
            operations(&scene),
            "update boss@corp.example: AccessLevel [1]",
            "{made}"
        );
        scene.edit(&boss, |person| person.active = false);
        assert!(
            operations(&scene).starts_with("cut off boss@corp.example"),
            "{made}"
        );
    }
}

#[test]
fn an_owner_from_before_is_spared_also_where_the_roster_wants_that_level() {
    let mut scene = guarded();
    let account = scene.account("boss");
    scene.edit_account(&account, |account| {
        account.access_level = Some(AccessLevel::AccountOwner)
    });
    let boss = scene.person_with("boss", |person| {
        person.access_level = Some(AccessLevel::AccountOwner)
    });
    scene.run();
    scene.edit(&boss, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r#"! protected-account: "boss@corp.example" is a protected account and is not cut off: it is an Account Owner, and Rollcall did not make it one"#);
    // Somebody in Litmos promoted a person of ours: that was not us either.
    let other = scene.person("other");
    scene.run();
    let account = scene.state.linked_account(&other).cloned().unwrap();
    scene.edit_account(&account, |account| {
        account.access_level = Some(AccessLevel::AccountOwner)
    });
    scene.edit(&other, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r#"! protected-account: "other@corp.example" is a protected account and is not cut off: it is an Account Owner, and Rollcall did not make it one"#);
}

#[test]
fn the_owner_of_the_api_key_is_neither_cut_off_nor_renamed() {
    let mut scene = guarded();
    scene.policy.protect_owners = false;
    scene.policy.api_key_owner = Some(NormalName::of("Key@corp.example"));
    let key = scene.person("key");
    scene.run();
    scene.edit(&key, |person| person.user_name = "other@corp.example".to_owned());
    assert_snapshot!(operations(&scene), @r#"! protected-account: "key@corp.example" is a protected account and is not renamed (key@corp.example to other@corp.example): it owns the API key that Rollcall uses"#);
    scene.edit(&key, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r#"! protected-account: "key@corp.example" is a protected account and is not cut off: it owns the API key that Rollcall uses"#);
    assert!(
        !scene
            .plan()
            .waiting
            .iter()
            .any(|(_, reason)| matches!(reason, WaitReason::Held { .. }))
    );
}
