//! The checker on stores whose faults are known, and on short histories written by hand.

use super::history::{Answer, Call, Content, Edit, Kind, Request};
use super::search::{Timed, Verdict};
use super::store::{FAULTS, Fault, history};
use super::{Figures, check};

const CLIENTS: usize = 5;
const EACH: usize = 8;

/// Histories of each store.
const SEEDS: u64 = 60;

#[test]
fn a_store_without_a_fault_has_only_linearizable_histories() {
    let mut figures = Figures::default();
    for seed in 0..SEEDS {
        for kind in [Kind::User, Kind::Group] {
            let history = history(None, kind, CLIENTS, EACH, seed);
            if let Err(problem) = check(kind, &history, &mut figures) {
                panic!("seed {seed}, {kind:?}: {problem}");
            }
        }
    }
    println!("a sound store: {figures}");
}

#[test]
fn each_planted_fault_is_caught_in_random_histories() {
    for fault in FAULTS {
        let mut figures = Figures::default();
        let caught = (0..SEEDS)
            .filter(|seed| {
                check(
                    fault.kind(),
                    &history(Some(fault), fault.kind(), CLIENTS, EACH, *seed),
                    &mut figures,
                )
                .is_err()
            })
            .count();
        println!("{fault:?}: caught in {caught} of {SEEDS} histories; {figures}");
        assert!(caught > 0, "{fault:?} is never caught");
    }
}

fn content(name: &str, more: &[(&str, &str)]) -> Content {
    let mut content = Content {
        name: name.to_owned(),
        ..Content::default()
    };
    for (name, value) in more {
        if *name == "member" {
            content.members.insert((*value).to_owned());
        } else {
            content.attributes.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    content
}

fn shown(id: &str, version: u64, content: Content) -> Answer {
    Answer::Shown {
        id: id.to_owned(),
        content,
        version: version.to_string(),
    }
}

/// Calls in the order of their beginnings, with their times; an end of 0 was never heard of.
fn output(calls: Vec<(u64, u64, Request, Answer)>) -> Vec<Timed<Call>> {
    let timed = |(number, (invoked, returned, request, answer)): (usize, (u64, u64, Request, Answer))| {
        let returned = (returned > 0).then_some(returned);
        let answer = returned.map(|_| answer);
        Timed {
            call: Call {
                number,
                request,
                answer,
            },
            invoked,
            returned,
        }
    };
    calls.into_iter().enumerate().map(timed).collect()
}

fn create(content: &Content) -> Request {
    Request::Create(content.clone())
}

fn read() -> Request {
    Request::Read { id: "a".to_owned() }
}

fn patch(if_match: Option<u64>, edits: Vec<Edit>) -> Request {
    let if_match = if_match.map(|version| version.to_string());
    Request::Patch {
        id: "a".to_owned(),
        if_match,
        edits,
    }
}

fn delete() -> Request {
    Request::Delete {
        id: "a".to_owned(),
        if_match: None,
    }
}

fn set(attribute: &'static str, value: &str) -> Vec<Edit> {
    vec![Edit::Set(attribute, value.to_owned())]
}

/// A short history with this fault, and the same without it.
fn by_hand(fault: Fault) -> [Vec<Timed<Call>>; 2] {
    let new = content("mira", &[("active", "true")]);
    let titled = content("mira", &[("active", "true"), ("title", "Guide")]);
    let cut_off = content("mira", &[("active", "false")]);
    let both = content("mira", &[("active", "false"), ("title", "Guide")]);
    let made = (1, 2, create(&new), shown("a", 1, new.clone()));
    match fault {
        Fault::LostUpdate => {
            let at_once = |end: Content, answer: Content| {
                output(vec![
                    made.clone(),
                    (
                        3,
                        9,
                        patch(None, set("active", "false")),
                        shown("a", 2, cut_off.clone()),
                    ),
                    (3, 9, patch(None, set("title", "Guide")), shown("a", 3, answer)),
                    (10, 11, read(), shown("a", 3, end)),
                ])
            };
            [at_once(titled.clone(), titled), at_once(both.clone(), both)]
        }
        Fault::StaleIfMatch => {
            let second = |answer: Answer| {
                output(vec![
                    made.clone(),
                    (
                        3,
                        9,
                        patch(Some(1), set("active", "false")),
                        shown("a", 2, cut_off.clone()),
                    ),
                    (3, 9, patch(Some(1), set("title", "Guide")), answer),
                ])
            };
            [second(shown("a", 3, both)), second(Answer::Stale)]
        }
        Fault::DoubleCreate => {
            let second = |answer: Answer| {
                output(vec![
                    (1, 5, create(&new), shown("a", 1, new.clone())),
                    (2, 6, create(&new), answer),
                ])
            };
            [second(shown("b", 2, new.clone())), second(Answer::Applied)]
        }
        Fault::StaleRead => {
            let then = |answer: Answer| {
                output(vec![
                    made.clone(),
                    (
                        3,
                        4,
                        patch(None, set("title", "Guide")),
                        shown("a", 2, titled.clone()),
                    ),
                    (5, 6, read(), answer),
                ])
            };
            [
                then(shown("a", 1, new.clone())),
                then(shown("a", 2, titled.clone())),
            ]
        }
        Fault::Resurrection => {
            let then = |answer: Answer| {
                output(vec![
                    made.clone(),
                    (3, 6, delete(), Answer::Done),
                    // Nobody heard of this one: it may have come first, or found nobody.
                    (4, 0, patch(None, set("title", "Guide")), Answer::Done),
                    (7, 8, read(), answer),
                ])
            };
            [then(shown("a", 3, titled)), then(Answer::Missing)]
        }
        Fault::LostMember => {
            let team = |members: &[&str]| {
                content(
                    "Sales",
                    &members.iter().map(|id| ("member", *id)).collect::<Vec<_>>(),
                )
            };
            let add = |id: &str| patch(None, vec![Edit::AddMember(id.to_owned())]);
            let then = |members: &[&str]| {
                output(vec![
                    (1, 2, create(&team(&[])), shown("a", 1, team(&[]))),
                    (3, 9, add("p"), Answer::Done),
                    (3, 9, add("q"), Answer::Done),
                    (10, 11, read(), shown("a", 3, team(members))),
                ])
            };
            [then(&["q"]), then(&["p", "q"])]
        }
    }
}

#[test]
fn each_fault_is_caught_in_a_history_of_four_calls_and_the_sound_one_passes() {
    for fault in FAULTS {
        let [faulty, sound] = by_hand(fault);
        let mut figures = Figures::default();
        assert!(
            check(fault.kind(), &faulty, &mut figures).is_err(),
            "{fault:?} is not caught"
        );
        if let Err(problem) = check(fault.kind(), &sound, &mut figures) {
            panic!("{fault:?} is seen where it is not: {problem}");
        }
    }
}

#[test]
fn a_search_that_is_given_up_is_not_taken_for_a_pass() {
    let problem = super::described(Kind::User, &[], Verdict::Undecided { steps: 7 });
    assert!(problem.is_err_and(|problem| problem.contains("7 steps")));
}
