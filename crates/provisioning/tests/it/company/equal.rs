//! Litmos beside the roster, without the planner.

use std::collections::BTreeSet;

use provisioning::{AccessLevel, GroupId, NormalName, ParkCode, Person, PersonId, Subject, WaitReason};

use crate::scene::Scene;

fn is_frozen(scene: &Scene, person: &PersonId) -> bool {
    let link = scene.state.person_link(person);
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
    for link in scene.state.group_links().map(|link| &link.value) {
        let revision = scene.state.group(&link.group).map_or(0, |group| group.revision);
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
    for person in scene.state.people() {
        let waits = excused.contains(&Subject::Person(person.value.id.clone()));
        if !waits || !wanted(scene, &person.value) {
            assert_person(scene, &person.value);
        }
    }
    for group in scene.state.groups() {
        let link = scene.state.group_link(&group.value.id).map(|link| &link.value);
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
        let team = scene.state.team(team).unwrap();
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
        .state
        .linked_account(&person.id)
        .and_then(|id| scene.state.account(id));
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
    let link = scene.state.person_link(&person.id).unwrap();
    assert_eq!(link.value.custom, person.custom, "{name}");
    for group in scene.state.groups_of(&person.id) {
        let group_link = scene.state.group_link(group).map(|link| &link.value);
        if group_link.is_some_and(|link| link.paused) {
            continue;
        }
        let Some(team) = group_link.and_then(|link| link.team.clone()) else {
            continue;
        };
        let wants = scene.state.wants_member(group, &person.id) == Some(true);
        let is_in = scene.state.is_team_member(&team, &account.id);
        assert_eq!(is_in, wants, "{name} in {group}");
        if let Some(level) = person.access_level.filter(|_| wants) {
            let roles = scene.state.roles(&team, &account.id);
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
            let person = &scene.state.person(id).unwrap().value;
            let name = NormalName::of(&person.user_name);
            let account = scene.state.account_named(&name);
            let anothers = account.is_some_and(|account| scene.state.owner_of(&account.id) != Some(id));
            let rival = scene
                .state
                .people()
                .any(|other| other.value.id != *id && NormalName::of(&other.value.user_name) == name);
            assert!(anothers || rival, "{parked:?}");
        }
        (Subject::Group(id), WaitReason::Paused) => {
            assert!(scene.state.group_link(id).unwrap().value.paused);
        }
        (Subject::Group(id), WaitReason::ParentAwaited { parent }) => {
            let above = GroupId::parse(parent).unwrap();
            assert_eq!(scene.state.group(id).unwrap().value.parent.as_ref(), Some(parent));
            let known = scene
                .state
                .group(&above)
                .is_some_and(|group| !group.value.deleted);
            let team = scene
                .state
                .group_link(&above)
                .and_then(|link| link.value.team.clone());
            assert!(!known || team.is_none());
        }
        (Subject::Group(id), WaitReason::Parked(parked)) => match parked.code {
            ParkCode::TeamParentDiffers => {
                let team = scene.team_of(id);
                let parent = scene.state.group(id).unwrap().value.parent.clone().unwrap();
                let parent = scene.team_of(&GroupId::parse(parent).unwrap());
                assert_ne!(scene.state.team(&team).unwrap().parent, Some(parent));
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
        let parent = scene.state.group(&at).filter(|group| !group.value.deleted);
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
