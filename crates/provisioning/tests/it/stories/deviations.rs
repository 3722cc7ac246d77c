//! What is not as a source asked for is counted, listed and, where the policy says so, repaired.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use provisioning::{
    DesiredManager, DeviationKind, Deviations, ExtraMembers, Frozen, Safeguard, UnlinkedTeams, deviations,
};

use super::{operations, waits};
use crate::scene::{NOW, Scene};

const LONG_AGO: u64 = NOW - 24 * 3_600_000;

fn stated(scene: &Scene) -> Deviations {
    deviations(&scene.state, &scene.plan(), &BTreeMap::new())
}

fn listed(scene: &Scene) -> String {
    let all = stated(scene);
    let lines = all.iter().flat_map(|entry| {
        let items = entry.items.iter().map(|item| format!("- {}", item.message));
        std::iter::once(entry.kind.describe(entry.count)).chain(items)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn reports_to(scene: &mut Scene, name: &str, manager: &str) -> provisioning::PersonId {
    scene.person_with(name, |person| {
        person.manager = DesiredManager::Reference(manager.to_owned());
    })
}

/// A team with two members whom the sources name, one stranger, and one person of the roster whom no source put there.
fn team_with_extras(scene: &mut Scene) -> provisioning::GroupId {
    let (mira, noor, zed) = (scene.person("mira"), scene.person("noor"), scene.person("zed"));
    let group = scene.group("Sales", &[&mira, &noor]);
    scene.run();
    let stranger = scene.account("stranger");
    let team = scene.team_of(&group);
    let account = scene.state.linked_account(&zed).cloned().unwrap();
    scene.join(&team, &stranger);
    scene.join(&team, &account);
    group
}

/// The sources fell silent about the group long ago.
fn silent(scene: &mut Scene, group: &provisioning::GroupId) {
    scene.edit_group(group, |group| group.changed_at_ms = LONG_AGO);
    let members: Vec<_> = scene
        .state
        .wanted_members(group)
        .map(|(id, wanted)| (id.clone(), wanted))
        .collect();
    for (person, present) in members {
        scene.membership_at(group, &person, present, LONG_AGO);
    }
}

#[test]
fn a_manager_who_never_becomes_one_is_a_deviation() {
    let mut scene = Scene::new();
    reports_to(&mut scene, "mira", "nobody@corp.example");
    let gone = scene.person("gone");
    scene.edit(&gone, |person| person.active = false);
    reports_to(&mut scene, "noor", "gone@corp.example");
    let away = reports_to(&mut scene, "away", "nobody@corp.example");
    scene.edit(&away, |person| person.active = false);
    let boss = scene.person("boss");
    reports_to(&mut scene, "otto", "boss@corp.example");
    scene.run();
    assert!(scene.plan().is_empty());
    assert_snapshot!(listed(&scene), @r#"
    2 managers are unknown
    - mira@corp.example: manager "nobody@corp.example" is nobody in the roster
    - noor@corp.example: manager "gone@corp.example" is inactive and has no account in Litmos
    "#);
    assert!(stated(&scene).wait_for_a_person());
    // A manager who left with an account is still one in Litmos.
    scene.edit(&boss, |person| person.active = false);
    scene.run();
    assert_eq!(stated(&scene).count(DeviationKind::UnknownManager), 2);
}

#[test]
fn members_whom_no_source_named_are_counted_and_stay() {
    let mut scene = Scene::new();
    let group = team_with_extras(&mut scene);
    silent(&mut scene, &group);
    assert_eq!(operations(&scene), "");
    assert_snapshot!(listed(&scene), @r"
    2 team members are in no source
    - group Sales: stranger@corp.example is in its team and in no source
    - group Sales: zed@corp.example is in its team and in no source
    ");
    // A source that names one of them, also to say that they are not to be there, settles it.
    let zed = provisioning::PersonId::parse("zed").unwrap();
    scene.membership(&group, &zed, false);
    scene.run();
    assert_eq!(stated(&scene).count(DeviationKind::ExtraMember), 1);
}

#[test]
fn where_the_policy_says_so_extra_members_are_taken_out_once_the_sources_are_silent() {
    let mut scene = Scene::new();
    scene.policy.extra_members = ExtraMembers::Remove;
    let group = team_with_extras(&mut scene);
    // The sources spoke a moment ago: they may be about to name these two.
    assert_eq!(operations(&scene), "");
    assert!(
        waits(&scene).starts_with("Sales: ExtraMembers"),
        "{}",
        waits(&scene)
    );
    silent(&mut scene, &group);
    assert_snapshot!(operations(&scene), @r"
    take zed@corp.example out of team Sales [1]
    take stranger@corp.example out of team Sales [1]
    ");
    scene.run();
    assert_eq!(listed(&scene), "");
    assert!(
        scene.litmos().contains("stranger@corp.example active=true"),
        "nothing else is done to them"
    );
}

#[test]
fn nothing_is_taken_out_on_incomplete_knowledge_or_beyond_the_safeguard() {
    let mut scene = Scene::new();
    let group = team_with_extras(&mut scene);
    silent(&mut scene, &group);
    scene.policy.extra_members = ExtraMembers::Remove;
    scene.state.set_import_complete(false);
    assert_eq!(operations(&scene), "");
    scene.state.set_import_complete(true);
    scene.policy.safeguard = Safeguard::default();
    scene
        .policy
        .safeguard
        .run
        .values_mut()
        .for_each(|limit| (limit.most, limit.floor) = (1, 1));
    assert_eq!(operations(&scene), "");
    assert_eq!(stated(&scene).count(DeviationKind::Held), 2);
    // A group of whose members no source has told yet keeps all that it found.
    let empty = scene.group("Found", &[]);
    scene.run();
    let team = scene.team_of(&empty);
    let stranger = scene.account("other");
    scene.join(&team, &stranger);
    scene.edit_group(&empty, |group| group.changed_at_ms = LONG_AGO);
    scene.policy.safeguard = Safeguard::boundless();
    assert!(
        !operations(&scene).contains("other@corp.example"),
        "{}",
        operations(&scene)
    );
}

#[test]
fn parked_held_paused_frozen_and_switched_off_are_counted() {
    let mut scene = Scene::new();
    scene.policy.unlinked_teams = UnlinkedTeams::Leave;
    let (mira, noor) = (scene.person("mira"), scene.person("noor"));
    let group = scene.group("Sales", &[&mira]);
    scene.run();
    assert!(stated(&scene).is_empty());
    let order = Frozen {
        at_ms: NOW,
        by: "ops".to_owned(),
    };
    scene.person_link(&noor, |link| link.frozen = Some(Box::new(order)));
    scene.group_link(&group, |link| link.paused = true);
    scene.run();
    assert_eq!(
        stated(&scene).describe(),
        "1 person is frozen by order",
        "a paused group that is as wanted does not differ"
    );
    scene.membership(&group, &mira, false);
    scene.person_with("bad", |person| person.user_name = "a+b".to_owned());
    scene.group_under("Sub", "No such group", &[]);
    scene.run();
    let off = BTreeMap::from([(provisioning::Subject::Person(mira.clone()), "update_attributes")]);
    let all = deviations(&scene.state, &scene.plan(), &off);
    assert_eq!(
        all.describe(),
        "1 item is parked; 1 group waits for its parent; 1 item is switched off in the settings; 1 group is paused; \
         1 person is frozen by order"
    );
    // What an order and a source agree on is no deviation.
    scene.edit(&noor, |person| person.active = false);
    assert_eq!(stated(&scene).count(DeviationKind::Frozen), 0);
}
