//! Whatever runs did, taking back all of it leads back to where Litmos was.

use proptest::prelude::*;
use provisioning::{AccessLevel, Decision, DesiredManager, Field, GroupId, PersonId, undo};

use super::{company, decisions, litmos, take_back};
use crate::scene::Scene;

#[derive(Clone, Debug)]
enum Step {
    Active(usize, bool),
    Title(usize, usize),
    Rename(usize, usize),
    Level(usize, bool),
    Manager(usize, usize),
    Member(usize, usize, bool),
    GroupName(usize, usize),
    Custom(usize, usize, usize),
    Description(usize, usize),
}

impl Step {
    fn about(&self) -> Option<usize> {
        match *self {
            Step::Active(who, _)
            | Step::Title(who, _)
            | Step::Rename(who, _)
            | Step::Level(who, _)
            | Step::Manager(who, _)
            | Step::Member(_, who, _)
            | Step::Custom(who, ..) => Some(who),
            Step::GroupName(..) | Step::Description(..) => None,
        }
    }
}

/// One run's wishes. Coming and going has runs of its own: what is wished about somebody who is cut off is done by no
/// run, so no undo takes it back.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let active = (0..4_usize, any::<bool>()).prop_map(|(who, active)| Step::Active(who, active));
    let other = prop_oneof![
        (0..4_usize, 0..3_usize).prop_map(|(who, title)| Step::Title(who, title)),
        (0..4_usize, 0..3_usize).prop_map(|(who, name)| Step::Rename(who, name)),
        (0..4_usize, any::<bool>()).prop_map(|(who, high)| Step::Level(who, high)),
        (0..4_usize, 0..4_usize).prop_map(|(who, manager)| Step::Manager(who, manager)),
        (0..2_usize, 0..4_usize, any::<bool>())
            .prop_map(|(group, who, present)| Step::Member(group, who, present)),
        (0..2_usize, 0..3_usize).prop_map(|(group, name)| Step::GroupName(group, name)),
        (0..4_usize, 0..2_usize, 0..3_usize).prop_map(|(who, field, value)| Step::Custom(who, field, value)),
        (0..2_usize, 0..3_usize).prop_map(|(group, text)| Step::Description(group, text)),
    ];
    prop_oneof![
        prop::collection::vec(active, 1..4),
        prop::collection::vec(other, 1..10),
    ]
}

fn wish(scene: &mut Scene, people: &[PersonId], groups: &[GroupId], step: &Step) {
    let gone = |who: usize| !scene.state.person(&people[who]).unwrap().value.active;
    if !matches!(step, Step::Active(..)) && step.about().is_some_and(gone) {
        return;
    }
    match *step {
        Step::Active(who, active) => scene.edit(&people[who], |person| person.active = active),
        Step::Title(who, title) => scene.edit(&people[who], |person| {
            person.profile.set(Field::JobTitle, ["", "Chief", "Owner"][title]);
        }),
        Step::Rename(who, name) => scene.edit(&people[who], |person| {
            person.user_name = format!("other-{who}-{name}@corp.example");
        }),
        Step::Level(who, high) => scene.edit(&people[who], |person| {
            let level = if high {
                AccessLevel::TeamLeader
            } else {
                AccessLevel::Learner
            };
            person.access_level = Some(level);
        }),
        Step::Manager(who, manager) if who == manager => {
            scene.edit(&people[who], |person| person.manager = DesiredManager::Clear);
        }
        Step::Manager(who, manager) => {
            let reference = DesiredManager::Reference(people[manager].to_string());
            scene.edit(&people[who], |person| person.manager = reference);
        }
        Step::Member(group, who, present) => scene.membership(&groups[group], &people[who], present),
        Step::GroupName(group, name) => scene.rename_group(&groups[group], &format!("Team {group} {name}")),
        Step::Custom(who, field, value) => scene.edit(&people[who], |person| {
            let value = ["", "Oslo", "Bern"][value].to_owned();
            person.custom.insert(["Site", "Badge"][field].to_owned(), value);
        }),
        Step::Description(group, text) => scene.edit_group(&groups[group], |group| {
            group.description = Some(["", "Sellers", "Sells all"][text].to_owned());
        }),
    }
}

proptest! {
    #[test]
    fn taking_back_all_that_was_done_leads_back_to_where_litmos_was(runs in prop::collection::vec(steps(), 1..4)) {
        let (mut scene, people, groups) = company();
        let before = litmos(&scene);
        let mut done = Vec::new();
        for (n, steps) in runs.iter().enumerate() {
            steps.iter().for_each(|step| wish(&mut scene, &people, &groups, step));
            // Within a run operations follow one another; between two lies time.
            let later = decisions(&scene).into_iter();
            done.extend(later.map(|decision| Decision { at_ms: decision.at_ms + n as u64 * 1_000, ..decision }));
            scene.run();
        }
        let undo = undo(&scene.state, &done);
        prop_assert_eq!(&undo.left, &Vec::new());
        take_back(&mut scene, &undo);
        scene.run();
        prop_assert_eq!(litmos(&scene), before);
    }
}
