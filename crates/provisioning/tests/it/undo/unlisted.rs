//! Advanced custom fields and descriptions, which no list shows.

use std::collections::BTreeMap;

use proptest::prelude::*;
use provisioning::{AccountId, Decision, Edit, Ended, GroupId, Image, PersonId, Undo, ValueChange, undo};

use super::{company, decision, decisions, litmos, take_back};
use crate::scene::{NOW, Scene};

fn change(from: Option<&str>, to: &str) -> ValueChange {
    ValueChange {
        from: from.map(str::to_owned),
        to: to.to_owned(),
    }
}

/// What a run did to fields of one person.
fn set(person: &PersonId, changes: &[(&str, Option<&str>, &str)]) -> Image {
    let changes = changes.iter();
    Image::CustomSet {
        person: person.clone(),
        account: AccountId::parse("A1").unwrap(),
        changes: changes
            .map(|(name, from, to)| ((*name).to_owned(), change(*from, to)))
            .collect(),
    }
}

fn described(group: &GroupId, from: Option<&str>, to: &str) -> Image {
    Image::TeamDescribed {
        group: group.clone(),
        change: change(from, to),
    }
}

fn wish(scene: &mut Scene, person: &PersonId, name: &str, value: &str) {
    scene.edit(person, |person| {
        person.custom.insert(name.to_owned(), value.to_owned());
    });
}

fn describe(scene: &mut Scene, group: &GroupId, text: &str) {
    scene.edit_group(group, |group| group.description = Some(text.to_owned()));
}

fn why(undo: &Undo) -> Vec<&str> {
    undo.left.iter().map(|(_, why)| why.as_str()).collect()
}

fn custom(undo: &Undo) -> BTreeMap<String, String> {
    let [Edit::Person(edit)] = undo.edits.as_slice() else {
        panic!("{undo:?}")
    };
    edit.custom.clone()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn fields_and_descriptions_go_back_and_one_edit_says_all_of_a_group() {
    let (mut scene, people, groups) = company();
    let before = litmos(&scene);
    wish(&mut scene, &people[0], "Site", "Oslo");
    wish(&mut scene, &people[0], "Badge", "7");
    describe(&mut scene, &groups[0], "");
    describe(&mut scene, &groups[1], "Operates");
    scene.rename_group(&groups[0], "Selling");
    let done = decisions(&scene);
    scene.run();
    assert_ne!(litmos(&scene), before);
    let undo = undo(&scene.state, &done);
    assert_eq!((undo.edits.len(), why(&undo)), (3, vec![]));
    take_back(&mut scene, &undo);
    let calls = scene.calls;
    scene.run();
    assert_eq!(litmos(&scene), before);
    assert_eq!(
        scene.calls - calls,
        2 + 1 + 1,
        "what was written is known, so nothing is read first"
    );
}

#[test]
fn what_has_been_wished_anew_is_named_and_what_is_wished_as_before_is_not() {
    let (mut scene, people, groups) = company();
    for person in &people[..2] {
        wish(&mut scene, person, "Site", "Oslo");
        wish(&mut scene, person, "Badge", "7");
    }
    for group in &groups {
        describe(&mut scene, group, "Works");
    }
    let done = decisions(&scene);
    scene.run();
    wish(&mut scene, &people[0], "Site", "Bern");
    wish(&mut scene, &people[1], "Site", " Kiel ");
    wish(&mut scene, &people[1], "Badge", "");
    describe(&mut scene, &groups[0], "Sells all");
    describe(&mut scene, &groups[1], "");
    let undo = undo(&scene.state, &done);
    assert_eq!(custom(&undo), pairs([("Badge", "")]));
    let left: Vec<(&str, &str)> = undo
        .left
        .iter()
        .map(|(what, why)| (what.as_str(), why.as_str()))
        .collect();
    assert_eq!(
        left,
        [
            (
                "set custom fields of ada@corp.example: Badge, Site",
                "Site has been changed again since"
            ),
            (
                "describe team Sales anew",
                "the description has been changed again since"
            ),
        ]
    );
}

#[test]
fn what_nobody_had_set_or_read_is_named_field_by_field() {
    let (mut scene, people, groups) = company();
    wish(&mut scene, &people[0], "Site", "Oslo");
    wish(&mut scene, &people[0], "Region", "North");
    describe(&mut scene, &groups[0], "Works");
    let newcomer = scene.person("eve");
    wish(&mut scene, &newcomer, "Region", "North");
    let created = Image::Created {
        person: newcomer.clone(),
        account: AccountId::parse("A9").unwrap(),
    };
    let changes = [("Region", None, "North"), ("Site", Some("Kiel"), "Oslo")];
    let done = [
        decision("create eve", 1, vec![created]),
        decision("set of ada", 2, vec![set(&people[0], &changes)]),
        decision(
            "set of eve",
            3,
            vec![set(&newcomer, &[("Region", None, "North")])],
        ),
        decision("describe Sales", 4, vec![described(&groups[0], None, "Works")]),
    ];
    let undo = undo(&scene.state, &done);
    let unknown = |what: &str| {
        format!(
            "what was in {what} before is not known, as Rollcall had neither set nor read it; say at the source what \
             is to be there"
        )
    };
    assert_eq!(
        why(&undo),
        [unknown("the description"), unknown("Region")],
        "an account that was not there before had nothing in its fields"
    );
    let [Edit::Person(ada), Edit::Person(eve)] = undo.edits.as_slice() else {
        panic!("{undo:?}")
    };
    assert_eq!(ada.custom, pairs([("Site", "Kiel")]));
    assert_eq!((eve.active, &eve.custom), (Some(false), &pairs([])));
}

#[test]
fn the_newest_change_says_whether_it_stands_and_the_oldest_what_was_there() {
    let (mut scene, people, groups) = company();
    let (ada, sales) = (&people[0], &groups[0]);
    let done = |ends: [&str; 3]| -> Vec<Decision> {
        let pairs = ends.windows(2).zip(1..);
        pairs
            .map(|(pair, at_ms)| {
                let (from, to) = (Some(pair[0]), pair[1]);
                // Another spelling of a name is the same field.
                let name = if at_ms == 1 { "SITE" } else { "Site" };
                let images = vec![set(ada, &[(name, from, to)]), described(sales, from, to)];
                decision("work", at_ms, images)
            })
            .collect()
    };
    let wished = |scene: &mut Scene, value: &str| {
        wish(scene, ada, "Site", value);
        describe(scene, sales, value);
    };
    wished(&mut scene, "C");
    let back = undo(&scene.state, &done(["A", "B", "C"]));
    let [Edit::Person(person), Edit::Group(group)] = back.edits.as_slice() else {
        panic!("{back:?}")
    };
    assert_eq!(person.custom, pairs([("Site", "A")]));
    assert_eq!((&group.name, group.description.as_deref()), (&None, Some("A")));

    // A word of the source since that is what the run had in the middle is a word all the same.
    wished(&mut scene, "B");
    let back = undo(&scene.state, &done(["A", "B", "C"]));
    assert_eq!(
        (back.edits.as_slice(), why(&back)),
        (
            [].as_slice(),
            vec![
                "Site has been changed again since",
                "the description has been changed again since"
            ]
        )
    );
    for now in ["A", "B", "D"] {
        wished(&mut scene, now);
        let back = undo(&scene.state, &done(["A", "B", "A"]));
        assert_eq!(back, Undo::default(), "the run came out where it began");
    }
}

#[test]
fn what_was_taken_of_a_parked_write_goes_back_and_the_rest_is_named() {
    let (mut scene, people, _) = company();
    wish(&mut scene, &people[0], "Site", "Oslo");
    wish(&mut scene, &people[0], "Badge", "No number");
    let changes = [("Site", Some("Kiel"), "Oslo"), ("Badge", Some(""), "No")];
    let done = Decision {
        ended: Ended::Parked,
        ..decision("set of ada", NOW, vec![set(&people[0], &changes)])
    };
    let undo = undo(&scene.state, &[done]);
    assert_eq!(custom(&undo), pairs([("Site", "Kiel")]));
    assert_eq!(
        why(&undo),
        ["Badge was not stored by Litmos as requested; correct it at the source"]
    );
}

#[test]
fn what_the_source_has_deleted_is_named_with_what_brings_it_back() {
    let (mut scene, people, groups) = company();
    let again = |scene: &Scene| {
        let done = [
            decision(
                "delete team Ops",
                1,
                vec![Image::TeamDeleted {
                    group: groups[1].clone(),
                    name: "Ops".to_owned(),
                }],
            ),
            decision("describe Sales", 2, vec![described(&groups[0], Some("A"), "B")]),
            decision(
                "set of ada",
                3,
                vec![set(&people[0], &[("Site", Some("A"), "B")])],
            ),
            decision(
                "join Sales",
                4,
                vec![Image::Joined {
                    group: groups[0].clone(),
                    person: people[0].clone(),
                }],
            ),
        ];
        let undo = undo(&scene.state, &done);
        assert_eq!(undo.edits, []);
        undo.left
    };
    for group in &groups {
        scene.edit_group(group, |group| group.deleted = true);
    }
    scene.edit(&people[0], |person| person.deleted = true);
    let deleted = "the source has deleted the group Sales; where it gives the group again, a team of that name that \
                   Litmos still has becomes its team, else a new one is made";
    let named = |left: &[(String, String)]| -> Vec<String> {
        left.iter().map(|(what, why)| format!("{what}: {why}")).collect()
    };
    assert_eq!(
        named(&again(&scene)),
        [
            format!("join Sales: {deleted}"),
            "set of ada: the source has deleted the person".to_owned(),
            format!("describe Sales: {deleted}"),
            "delete team Ops: Litmos has deleted the team Ops for good; where its source gives the group again, a \
             new one is made"
                .to_owned(),
        ]
    );
    scene.edit_group(&groups[1], |group| group.deleted = false);
    assert_eq!(
        named(&again(&scene))[3],
        "delete team Ops: Litmos has deleted the team Ops for good; its group has been given again and has a team of \
         its own"
    );
}

/// What the words above promise: a group that is given again takes up the team of its name that Litmos has kept.
#[test]
fn a_group_that_is_given_again_takes_up_the_team_that_was_kept() {
    let (mut scene, _, groups) = company();
    let team = scene.team_of(&groups[0]);
    scene.edit_group(&groups[0], |group| group.deleted = true);
    scene.run();
    let link = scene.state.group_link(&groups[0]).unwrap();
    assert_eq!(link.value.team, None);
    scene.edit_group(&groups[0], |group| group.deleted = false);
    scene.run();
    assert_eq!(scene.team_of(&groups[0]), team);
}

const VALUES: [&str; 4] = ["", "A", "B", "C"];

/// Wishes for two fields of somebody and for the description of a group, by place in [`VALUES`].
type Wishes = [usize; 3];

fn wish_all(scene: &mut Scene, person: &PersonId, group: &GroupId, wishes: &Wishes) {
    wish(scene, person, "Site", VALUES[wishes[0]]);
    wish(scene, person, "Badge", VALUES[wishes[1]]);
    describe(scene, group, VALUES[wishes[2]]);
}

fn wishes_of(scene: &Scene, person: &PersonId, group: &GroupId) -> Vec<String> {
    let person = &scene.state.person(person).unwrap().value;
    let group = &scene.state.group(group).unwrap().value;
    vec![
        person.custom["Site"].clone(),
        person.custom["Badge"].clone(),
        group.description.clone().unwrap(),
    ]
}

fn wishes() -> impl Strategy<Value = Wishes> {
    prop::array::uniform3(0..VALUES.len())
}

proptest! {
    #[test]
    fn wishes_are_those_from_before_but_for_what_has_been_wished_since(
        first in wishes(),
        runs in prop::collection::vec(wishes(), 1..4),
        since in prop::option::of(wishes()),
    ) {
        let (mut scene, people, groups) = company();
        let (person, group) = (&people[0], &groups[0]);
        wish_all(&mut scene, person, group, &first);
        scene.run();
        let mut done = Vec::new();
        for (n, wishes) in runs.iter().enumerate() {
            wish_all(&mut scene, person, group, wishes);
            let later = decisions(&scene).into_iter();
            done.extend(later.map(|decision| Decision { at_ms: decision.at_ms + n as u64 * 1_000, ..decision }));
            scene.run();
        }
        let last = runs.last().unwrap();
        let now = since.as_ref().unwrap_or(last);
        wish_all(&mut scene, person, group, now);
        let undo = undo(&scene.state, &done);
        take_back(&mut scene, &undo);

        let stale = |thing: usize| first[thing] != last[thing] && now[thing] != last[thing] && now[thing] != first[thing];
        let expected: Vec<&str> = (0..3)
            .map(|thing| VALUES[if now[thing] == last[thing] { first[thing] } else { now[thing] }])
            .collect();
        prop_assert_eq!(wishes_of(&scene, person, group), expected);
        let mut named: Vec<String> = [(0, "Site"), (1, "Badge"), (2, "the description")]
            .into_iter()
            .filter(|(thing, _)| stale(*thing))
            .map(|(_, what)| format!("{what} has been changed again since"))
            .collect();
        let mut left = why(&undo);
        left.sort_unstable();
        named.sort_unstable();
        prop_assert_eq!(left, named);
        let changed = (0..3).any(|thing| now[thing] == last[thing] && first[thing] != last[thing]);
        prop_assert_eq!(undo.edits.is_empty(), !changed);
    }
}
