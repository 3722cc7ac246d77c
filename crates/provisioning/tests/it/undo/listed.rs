//! What lists of Litmos show: attributes, memberships and names of teams, written more than once by a run.

use provisioning::{AccessLevel, Decision, DesiredManager, Edit, Field, GroupId, PersonId, Undo, undo};

use super::{company, decisions, litmos, take_back};
use crate::scene::Scene;

/// A value that somebody wishes, by number: 0 is what is there before the run.
struct Value {
    what: &'static str,
    wish: fn(&mut Scene, &[PersonId], &[GroupId], usize),
}

const VALUES: [Value; 5] = [
    Value {
        what: "UserName",
        wish: |scene, people, _, n| {
            let name = ["ada", "ada.b", "ada.c"][n];
            scene.edit(&people[0], |person| {
                person.user_name = format!("{name}@corp.example");
            });
        },
    },
    Value {
        what: "AccessLevel",
        wish: |scene, people, _, n| {
            let levels = [
                AccessLevel::Learner,
                AccessLevel::TeamLeader,
                AccessLevel::TeamAdmin,
            ];
            scene.edit(&people[0], |person| person.access_level = Some(levels[n]));
        },
    },
    Value {
        what: "ManagerId",
        wish: |scene, people, _, n| {
            let manager = match n {
                0 => DesiredManager::Clear,
                n => DesiredManager::Reference(people[n].to_string()),
            };
            scene.edit(&people[0], |person| person.manager = manager);
        },
    },
    Value {
        what: "JobTitle",
        wish: |scene, people, _, n| {
            let title = ["Clerk", "Chief", "Owner"][n];
            scene.edit(&people[0], |person| person.profile.set(Field::JobTitle, title));
        },
    },
    Value {
        what: "the name",
        wish: |scene, _, groups, n| scene.rename_group(&groups[0], ["Sales", "Sellers", "Selling"][n]),
    },
];

type WishFact = fn(&mut Scene, &[PersonId], &[GroupId], bool);

/// Two things that are or are not.
const FACTS: [(&str, WishFact); 2] = [
    ("active", |scene, people, _, is| {
        scene.edit(&people[0], |person| person.active = is);
    }),
    ("membership", |scene, people, groups, is| {
        scene.membership(&groups[0], &people[0], is);
    }),
];

/// What is done by a run in which the wish is first one, then another.
fn done<T: Copy>(scene: &mut Scene, wishes: &[T], wish: impl Fn(&mut Scene, T)) -> Vec<Decision> {
    let mut done = Vec::new();
    for (wished, n) in wishes.iter().zip(0..) {
        wish(scene, *wished);
        let later = decisions(scene).into_iter();
        done.extend(later.map(|decision| Decision {
            at_ms: decision.at_ms + n * 1_000,
            ..decision
        }));
        scene.run();
    }
    done
}

fn why(undo: &Undo) -> Vec<&str> {
    undo.left.iter().map(|(_, why)| why.as_str()).collect()
}

#[test]
fn the_newest_change_says_whether_it_stands_and_the_oldest_what_was_there() {
    for Value { what, wish } in VALUES {
        let (mut scene, people, groups) = company();
        let before = litmos(&scene);
        let wish = |scene: &mut Scene, n| wish(scene, &people, &groups, n);
        let done = done(&mut scene, &[1, 2], wish);
        let stands = undo(&scene.state, &done);
        assert_eq!(why(&stands), [""; 0], "{what}");

        // What the source says since is its word, also where it is what the run had in the middle.
        wish(&mut scene, 1);
        let changed = undo(&scene.state, &done);
        assert_eq!(changed.edits, [], "{what}");
        assert_eq!(why(&changed), [format!("{what} has been changed again since")]);

        wish(&mut scene, 0);
        let wished = undo(&scene.state, &done);
        assert_eq!(wished, Undo::default(), "{what} is wished as it was");

        wish(&mut scene, 2);
        take_back(&mut scene, &stands);
        scene.run();
        assert_eq!(litmos(&scene), before, "{what}");
    }
}

#[test]
fn where_a_run_came_out_where_it_began_there_is_nothing_to_take_back() {
    for Value { what, wish } in VALUES {
        let (mut scene, people, groups) = company();
        let wish = |scene: &mut Scene, n| wish(scene, &people, &groups, n);
        let done = done(&mut scene, &[1, 0], wish);
        for since in 0..3 {
            wish(&mut scene, since);
            assert_eq!(undo(&scene.state, &done), Undo::default(), "{what}: {since}");
        }
    }
}

#[test]
fn what_ended_and_began_again_is_left_to_the_source() {
    for (what, wish) in FACTS {
        let (mut scene, people, groups) = company();
        let wish = |scene: &mut Scene, is| wish(scene, &people, &groups, is);
        let done = done(&mut scene, &[false, true], wish);
        for since in [true, false] {
            wish(&mut scene, since);
            assert_eq!(undo(&scene.state, &done), Undo::default(), "{what}: {since}");
        }
    }
}

#[test]
fn the_teams_of_somebody_cut_off_were_never_unwished() {
    let (mut scene, people, groups) = company();
    let before = litmos(&scene);
    let dov = &people[3];
    let done = done(&mut scene, &[true, false], |scene, is| {
        if is {
            scene.membership(&groups[0], dov, true);
        } else {
            scene.edit(dov, |person| person.active = false);
        }
    });
    let undo = undo(&scene.state, &done);
    let membership = Edit::Membership {
        group: groups[0].clone(),
        person: dov.clone(),
        present: false,
    };
    assert!(
        undo.edits.contains(&membership),
        "the run had wished it: {undo:?}"
    );
    take_back(&mut scene, &undo);
    scene.run();
    assert_eq!((litmos(&scene), undo.left), (before, Vec::new()));
}

#[test]
fn an_account_that_was_made_and_cut_off_by_an_order_is_not_wished_any_more() {
    let (mut scene, _, _) = company();
    let eve = scene.person("eve");
    scene.run();
    let account = scene.state.linked_account(&eve).unwrap().clone();
    let created = provisioning::Image::Created {
        person: eve.clone(),
        account: account.clone(),
    };
    let cut_off = provisioning::Image::CutOff {
        person: eve.clone(),
        account,
    };
    let frozen = provisioning::Frozen {
        at_ms: 2,
        by: "ada".to_owned(),
    };
    scene.person_link(&eve, |link| link.frozen = Some(Box::new(frozen)));
    let done = [
        super::decision("create eve", 1, vec![created]),
        super::decision("cut off eve", 2, vec![cut_off]),
    ];
    let undo = undo(&scene.state, &done);
    let [Edit::Person(edit)] = undo.edits.as_slice() else {
        panic!("{undo:?}")
    };
    assert_eq!(edit.active, Some(false));
    assert_eq!(
        why(&undo),
        ["an order cut the person off, not a source; take it back with: rollcall leaver eve --lift"]
    );
}
