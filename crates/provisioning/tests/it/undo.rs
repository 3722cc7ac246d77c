//! Taking back a run leads Litmos back to where it was, and leaves alone what has been wished anew.

mod listed;
mod runs;
mod unlisted;

use std::collections::BTreeMap;

use provisioning::{
    AccessLevel, AccountId, Change, Decision, DesiredManager, Edit, Ended, Field, GroupId, Image,
    OperationId, PersonId, PlanHash, Undo, ValueChange, undo,
};

use crate::scene::{NOW, Scene};

fn decision(label: &str, at_ms: u64, images: Vec<Image>) -> Decision {
    Decision {
        run: PlanHash::parse("aa").unwrap(),
        operation: OperationId::parse("bb").unwrap(),
        kind: "update".to_owned(),
        label: label.to_owned(),
        at_ms,
        ended: Ended::Done,
        message: None,
        images,
    }
}

/// What hands would tell of the operations that are planned now, before anybody performs them.
fn decisions(scene: &Scene) -> Vec<Decision> {
    let state = &scene.state;
    let teams_of = |account: &AccountId| -> Vec<GroupId> {
        let teams = state.teams_of(account);
        teams
            .filter_map(|team| state.owner_of_team(team).cloned())
            .collect()
    };
    let images = |change: &Change| -> Vec<Image> {
        match change.clone() {
            Change::CutOff { person, account, .. } => vec![Image::CutOff { person, account }],
            Change::LeaveTeams { person, account, .. } => teams_of(&account)
                .into_iter()
                .map(|group| Image::Left {
                    group,
                    person: person.clone(),
                })
                .collect(),
            Change::Update {
                person,
                account,
                changes,
                ..
            } => vec![Image::Changed {
                person,
                account,
                changes,
            }],
            Change::AddMembers { group, people } => people
                .into_iter()
                .map(|person| Image::Joined {
                    group: group.clone(),
                    person,
                })
                .collect(),
            Change::RemoveMember { group, person, .. } => person
                .map(|person| Image::Left { group, person })
                .into_iter()
                .collect(),
            Change::LeaveAllTeams { groups, person, .. } => groups
                .into_iter()
                .map(|group| Image::Left {
                    group,
                    person: person.clone(),
                })
                .collect(),
            Change::SetCustomFields {
                person,
                account,
                values,
                ..
            } => {
                let known = &state.person_link(&person).unwrap().value.custom;
                let changes = values.into_iter().map(|(name, to)| {
                    let from = known.get(&name).cloned();
                    (name, ValueChange { from, to })
                });
                vec![Image::CustomSet {
                    account: account.unwrap(),
                    changes: changes.collect(),
                    person,
                }]
            }
            Change::AmendTeam {
                group,
                team,
                name,
                description,
                ..
            } => {
                let described = description.map(|to| Image::TeamDescribed {
                    group: group.clone(),
                    change: ValueChange {
                        from: state.team(&team).unwrap().description.clone(),
                        to,
                    },
                });
                let named = name.map(|name| Image::TeamNamed {
                    group,
                    from: name.from,
                    to: name.to,
                });
                described.into_iter().chain(named).collect()
            }
            Change::SetRole {
                group,
                person,
                role,
                holds,
                ..
            } => vec![Image::RoleSet {
                group,
                person,
                role,
                holds,
            }],
            other => panic!("these stories plan no {}", other.kind()),
        }
    };
    let operations = scene.plan().operations;
    let numbered = operations.iter().zip(0..);
    numbered
        .map(|(operation, n)| Decision {
            kind: operation.kind().to_owned(),
            ..decision(&operation.label, NOW + n, images(&operation.change))
        })
        .collect()
}

/// Does what the edits say to the wishes.
fn take_back(scene: &mut Scene, undo: &Undo) {
    for edit in &undo.edits {
        match edit {
            Edit::Person(edit) => scene.edit(&edit.person, |person| *person = edit.apply(person)),
            Edit::Membership {
                group,
                person,
                present,
            } => scene.membership(group, person, *present),
            Edit::Group(edit) => scene.edit_group(&edit.group, |group| *group = edit.apply(group)),
        }
    }
}

/// Litmos, with what no list of it shows.
fn litmos(scene: &Scene) -> String {
    let people = scene.state.people().map(|person| {
        let link = scene.state.person_link(&person.value.id).unwrap();
        format!("{} has {:?}", person.value.id, link.value.custom)
    });
    let custom: Vec<String> = people.collect();
    format!("{}\n{}", scene.litmos(), custom.join("\n"))
}

fn company() -> (Scene, Vec<PersonId>, Vec<GroupId>) {
    let mut scene = Scene::new();
    scene.policy.bulk = false;
    let people: Vec<PersonId> = ["ada", "ben", "cleo", "dov"]
        .into_iter()
        .map(|name| {
            scene.person_with(name, |person| {
                person.access_level = Some(AccessLevel::Learner);
                person.profile.set(Field::JobTitle, "Clerk");
                person.manager = DesiredManager::Clear;
                let custom = [("Site", "Kiel"), ("Badge", "")];
                person.custom = custom
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into();
            })
        })
        .collect();
    let sales = scene.group("Sales", &[&people[0], &people[1]]);
    let ops = scene.group("Ops", &[&people[1], &people[2]]);
    scene.edit_group(&sales, |group| group.description = Some("Sellers".to_owned()));
    scene.run();
    (scene, people, vec![sales, ops])
}

#[test]
fn somebody_cut_off_comes_back_into_all_teams() {
    let (mut scene, people, _) = company();
    let before = litmos(&scene);
    scene.edit(&people[1], |person| person.active = false);
    let done = decisions(&scene);
    scene.run();
    assert_ne!(litmos(&scene), before);
    let undo = undo(&scene.state, &done);
    assert_eq!(undo.left, Vec::new());
    take_back(&mut scene, &undo);
    scene.run();
    assert_eq!(litmos(&scene), before);
}

#[test]
fn what_the_source_has_changed_since_is_left_alone_and_named() {
    let (mut scene, people, groups) = company();
    scene.edit(&people[0], |person| {
        person.profile.set(Field::JobTitle, "Chief");
        person.profile.set(Field::City, "Bern");
    });
    scene.rename_group(&groups[0], "Sellers");
    let done = decisions(&scene);
    scene.run();
    scene.edit(&people[0], |person| person.profile.set(Field::JobTitle, "Owner"));
    scene.rename_group(&groups[0], "Selling");
    let undo = undo(&scene.state, &done);
    let [Edit::Person(edit)] = undo.edits.as_slice() else {
        panic!("{undo:?}")
    };
    assert_eq!(edit.fields, BTreeMap::from([(Field::City, String::new())]));
    let why: Vec<&str> = undo.left.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(
        why,
        [
            "JobTitle has been changed again since",
            "the name has been changed again since"
        ]
    );
}

#[test]
fn of_two_changes_of_one_thing_the_first_is_what_it_goes_back_to() {
    let (mut scene, people, _) = company();
    let before = litmos(&scene);
    let mut done = Vec::new();
    for (n, title) in ["Chief", "Owner"].into_iter().enumerate() {
        scene.edit(&people[0], |person| person.profile.set(Field::JobTitle, title));
        let later = decisions(&scene).into_iter().map(|decision| Decision {
            at_ms: NOW + n as u64 * 1_000,
            ..decision
        });
        done.extend(later);
        scene.run();
    }
    let undo = undo(&scene.state, &done);
    take_back(&mut scene, &undo);
    scene.run();
    assert_eq!((litmos(&scene), undo.left), (before, Vec::new()));
}

#[test]
fn a_manager_goes_back_to_whom_it_was_by_person_and_one_nobody_knows_is_named() {
    let (mut scene, people, _) = company();
    let stranger = scene.account("stranger");
    let reports_to = |scene: &mut Scene, manager: usize| {
        let reference = DesiredManager::Reference(people[manager].to_string());
        scene.edit(&people[0], |person| person.manager = reference);
    };
    reports_to(&mut scene, 1);
    scene.run();
    let before = litmos(&scene);
    reports_to(&mut scene, 2);
    let done = decisions(&scene);
    scene.run();
    let back = undo(&scene.state, &done);
    take_back(&mut scene, &back);
    scene.run();
    assert_eq!((litmos(&scene), back.left), (before, Vec::new()));

    let account = scene.state.linked_account(&people[0]).unwrap().clone();
    scene.edit_account(&account, |account| account.manager = Some(stranger));
    let done = decisions(&scene);
    scene.run();
    let back = undo(&scene.state, &done);
    assert_eq!(back.edits, Vec::new());
    assert_eq!(
        back.left[0].1,
        "the earlier manager is not in the roster; set the manager at the source"
    );
}

#[test]
fn what_was_ordered_deleted_or_not_seen_is_named() {
    let (mut scene, people, _) = company();
    let account = scene.state.linked_account(&people[0]).unwrap().clone();
    let frozen = provisioning::Frozen {
        at_ms: NOW,
        by: "ada".to_owned(),
    };
    scene.person_link(&people[0], |link| link.frozen = Some(Box::new(frozen)));
    scene.edit(&people[1], |person| {
        (person.active, person.deleted) = (false, true)
    });
    let cut = |person: &PersonId| Image::CutOff {
        person: person.clone(),
        account: account.clone(),
    };
    let done = [
        decision("cut off ada", 1, vec![cut(&people[0])]),
        decision("cut off ben", 2, vec![cut(&people[1])]),
        decision("update cleo", 3, Vec::new()),
        Decision {
            kind: "read".to_owned(),
            ..decision("read cleo", 4, Vec::new())
        },
        Decision {
            ended: Ended::Failed,
            ..decision("update dov", 5, vec![cut(&people[3])])
        },
    ];
    let undo = undo(&scene.state, &done);
    assert_eq!(undo.edits, Vec::new());
    let left: Vec<(&str, &str)> = undo
        .left
        .iter()
        .map(|(what, why)| (what.as_str(), why.as_str()))
        .collect();
    assert_eq!(
        left,
        [
            ("update cleo", "what was there before is not known"),
            ("cut off ben", "the source has deleted the person"),
            (
                "cut off ada",
                "an order cut the person off, not a source; take it back with: rollcall leaver ada --lift"
            ),
        ]
    );
}
