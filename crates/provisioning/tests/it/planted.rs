//! Faults that are planted in plans, in what the planner is told, and in how plans are performed; and the oracle that
//! sees each. An oracle that objects to nothing would pass every property.
//!
//! | fault | oracle |
//! | --- | --- |
//! | an operation is done before what it comes after | the account or team that it needs is not there |
//! | an operation is done twice | an account made twice |
//! | a clear is left out | equality with the roster |
//! | a row of an import is lost | equality with the roster |
//! | one is made who is there already | an account made twice |
//! | a stranger is taken out of a team | strangers are untouched |
//! | a cut-off stands behind other work | cut-offs stand first |
//! | a price is named too low | the price named is the price paid |
//! | what is held is done all the same | nothing held is performed |
//! | what was taken away is forgotten between two looks | what passes in a day is never more than the day allows |
//! | more people are counted than there are | the same |
//! | the clock is set back, and an approval that ran out is used | nothing passes by an approval that has run out |
//! | an approval names what nobody looked at | what passes above the limits was looked at |
//! | a heap of wishes is dated as if they were far apart | a heap passes whole or not at all |

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use provisioning::{
    AccountId, Approval, Change, Field, Harm, HarmHistory, Limit, OrgId, PersonId, Plan, Policy, RUN_GAP_MS,
    Safeguard, harms, held_hash, plan,
};

use crate::company::{assert_equal, assert_well_formed, plain, single};
use crate::scene::{NOW, Scene};

const HOUR_MS: u64 = 3_600_000;

/// Whether an oracle objects. What is planted goes wrong by panicking, and says so only where nobody asked.
fn objects(oracle: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(oracle)).is_err()
}

/// A small company with everything that the faults need: somebody to clear, to adopt, to cut off and to take in.
fn company(policy: Policy) -> Scene {
    let mut scene = Scene::new();
    scene.policy = policy;
    scene.account("old");
    let old = scene.person_with("old", |person| person.profile.set(Field::City, "Oslo"));
    scene.account("gone");
    let gone = scene.person("gone");
    let stranger = scene.account("stranger");
    let boss = scene.person("boss");
    let team = scene.team("Sales");
    scene.join(&team, &stranger);
    let sales = scene.group("Sales", &[&old]);
    scene.run();
    scene.calls = 0;
    scene.edit(&old, |person| person.profile.set(Field::City, ""));
    scene.edit(&gone, |person| person.active = false);
    let news: Vec<PersonId> = (0..12)
        .map(|n| {
            scene.person_with(&format!("n{n}"), |person| {
                person.manager = provisioning::DesiredManager::Reference("boss@corp.example".to_owned());
            })
        })
        .collect();
    scene.membership(&sales, &boss, true);
    for person in &news {
        scene.membership(&sales, person, true);
    }
    scene.group("Fresh", &[&boss]);
    scene
}

/// Performs a plan as it stands, and then asks whether Litmos equals the roster.
fn perform(scene: &mut Scene, plan: &Plan) {
    for operation in &plan.operations {
        scene.perform(operation);
    }
}

/// The oracle objects to the fault, and to nothing where nothing is planted.
fn check(policy: Policy, plant: impl Fn(&mut Plan), oracle: impl Fn(&mut Scene, &Plan)) {
    let play = |planted: bool| {
        let mut scene = company(policy.clone());
        let mut plan = scene.plan();
        if planted {
            let before = plan.clone();
            plant(&mut plan);
            assert_ne!(plan, before, "nothing was planted");
        }
        objects(|| oracle(&mut scene, &plan))
    };
    assert!(!play(false), "the oracle objects to a good plan");
    assert!(play(true), "the fault went unseen");
}

fn performed_and_equal(scene: &mut Scene, plan: &Plan) {
    perform(scene, plan);
    assert_equal(scene);
}

#[test]
fn an_operation_done_before_what_it_comes_after_is_seen() {
    let plant = |plan: &mut Plan| {
        plan.operations
            .iter_mut()
            .for_each(|operation| operation.after.clear());
        plan.operations.reverse();
    };
    check(single(), plant, performed_and_equal);
}

#[test]
fn an_operation_done_twice_is_seen() {
    let plant = |plan: &mut Plan| {
        let made = plan
            .operations
            .iter()
            .find(|operation| operation.kind() == "create");
        let made = made.expect("somebody is made").clone();
        plan.operations.push(made);
    };
    check(single(), plant, performed_and_equal);
}

#[test]
fn a_clear_that_is_left_out_is_seen() {
    let plant = |plan: &mut Plan| {
        plan.operations.retain(|operation| match &operation.change {
            Change::Update { changes, .. } => !changes.iter().any(|change| change.to.is_empty()),
            _ => true,
        });
    };
    check(single(), plant, performed_and_equal);
}

#[test]
fn a_row_that_is_lost_is_seen() {
    let plant = |plan: &mut Plan| {
        for operation in &mut plan.operations {
            if let Change::Bulk { rows } = &mut operation.change {
                rows.pop();
            }
        }
    };
    check(plain(), plant, performed_and_equal);
}

#[test]
fn somebody_made_who_is_there_already_is_seen() {
    let plant = |plan: &mut Plan| {
        for operation in &mut plan.operations {
            if let Change::Create { draft, .. } = &mut operation.change {
                draft.user_name = "stranger@corp.example".to_owned();
                break;
            }
        }
    };
    check(single(), plant, performed_and_equal);
}

#[test]
fn a_stranger_taken_out_of_a_team_is_seen() {
    let scene = company(single());
    let stranger = |scene: &Scene| -> AccountId {
        let accounts = scene.state.accounts();
        let mut named = accounts.filter(|account| account.user_name.starts_with("stranger"));
        named.next().expect("the stranger is there").id.clone()
    };
    let (account, team) = {
        let account = stranger(&scene);
        let team = scene.state.teams_of(&account).next().expect("a team").clone();
        (account, team)
    };
    let plant = move |plan: &mut Plan| {
        let added = plan
            .operations
            .iter_mut()
            .find_map(|operation| match &operation.change {
                Change::AddMembers { group, .. } if group.as_str() == "Sales" => Some(operation),
                _ => None,
            });
        let added = added.expect("somebody joins");
        added.change = Change::RemoveMember {
            group: match &added.change {
                Change::AddMembers { group, .. } => group.clone(),
                _ => unreachable!(),
            },
            team: team.clone(),
            person: None,
            account: account.clone(),
        };
    };
    let oracle = |scene: &mut Scene, plan: &Plan| {
        let account = stranger(scene);
        let before: Vec<_> = scene.state.teams_of(&account).cloned().collect();
        perform(scene, plan);
        assert_eq!(
            scene.state.teams_of(&account).cloned().collect::<Vec<_>>(),
            before
        );
    };
    check(single(), plant, oracle);
}

#[test]
fn a_cut_off_behind_other_work_is_seen() {
    let plant = |plan: &mut Plan| {
        let cut = plan.operations.remove(0);
        assert!(cut.change.cuts_access());
        let rest = plan
            .operations
            .iter()
            .position(|operation| operation.after.contains(&cut.id));
        plan.operations.insert(rest.unwrap_or(1).min(1), cut);
    };
    check(plain(), plant, |_, plan| assert_well_formed(plan));
}

#[test]
fn a_price_named_too_low_is_seen() {
    let plant = |plan: &mut Plan| {
        let dear = plan.operations.iter_mut().find(|operation| operation.calls > 1);
        dear.expect("an import costs more than a call").calls -= 1;
    };
    check(plain(), plant, |scene, named| {
        scene.run();
        assert_eq!(scene.calls, named.calls());
    });
}

/// Somebody who leaves in the company of so many, wished at this time.
fn leavers(people: usize, leave: impl IntoIterator<Item = (usize, u64)>, policy: Policy) -> Scene {
    let mut scene = Scene::new();
    scene.policy = policy;
    for n in 0..people {
        scene.account(&format!("p{n}"));
        scene.person(&format!("p{n}"));
    }
    scene.run();
    leaves(&mut scene, leave);
    scene
}

fn leaves(scene: &mut Scene, leave: impl IntoIterator<Item = (usize, u64)>) {
    for (n, at_ms) in leave {
        let id = PersonId::parse(format!("p{n}")).unwrap();
        scene.edit(&id, |person| {
            person.active = false;
            person.changed_at_ms = at_ms;
        });
    }
}

fn plan_at(scene: &Scene, now_ms: u64) -> Plan {
    let org = OrgId::parse("acme").unwrap();
    plan(&org, &scene.state, &scene.state.subjects(), &scene.policy, now_ms)
}

fn guarded() -> Policy {
    Policy {
        safeguard: Safeguard::default(),
        ..single()
    }
}

/// Cuts off whom the plan says, with books that are kept or lost; how many.
fn cut_off(scene: &mut Scene, now_ms: u64, books: bool) -> u32 {
    let plan = plan_at(scene, now_ms);
    let mut history = scene.state.harm_history().clone();
    let mut cut = 0;
    for operation in plan
        .operations
        .iter()
        .filter(|operation| operation.change.cuts_access())
    {
        for (harm, count) in harms(&scene.state, &operation.change) {
            history.add(harm, count, now_ms);
        }
        scene.perform(operation);
        cut += 1;
    }
    scene
        .state
        .set_harm_history(if books { history } else { HarmHistory::default() });
    cut
}

/// Waves of leavers through a day, and how many of them lost access.
fn day_of_waves(books: bool) -> u32 {
    let mut scene = leavers(100, [], guarded());
    (0..8_usize)
        .map(|wave| {
            let now = NOW + wave as u64 * HOUR_MS;
            leaves(&mut scene, (0..5).map(|n| (wave * 5 + n, now)));
            cut_off(&mut scene, now, books)
        })
        .sum()
}

/// The oracle: no more than the day's limit of those who were there at its beginning.
fn day_is_kept(cut: u32, people: u32) -> bool {
    cut <= Safeguard::default().day[&Harm::Deactivate].allowed(people)
}

#[test]
fn books_that_are_lost_between_two_looks_are_seen() {
    assert!(day_is_kept(day_of_waves(true), 100));
    assert!(!day_is_kept(day_of_waves(false), 100));
}

#[test]
fn people_who_are_counted_and_not_there_are_seen() {
    let heap = || (0..30).map(|n| (n, NOW));
    let mut scene = leavers(100, heap(), guarded());
    assert!(day_is_kept(cut_off(&mut scene, NOW, true), 100));
    // Ghosts: linked and active in what the planner is told.
    let mut scene = leavers(200, heap(), guarded());
    assert!(!day_is_kept(cut_off(&mut scene, NOW, true), 100));
}

#[test]
fn what_is_held_and_done_all_the_same_is_seen() {
    let heap = || (0..30).map(|n| (n, NOW));
    let nothing_held_is_done = |scene: &Scene, judged: &Plan| {
        let held: BTreeSet<&str> = judged
            .held
            .iter()
            .flat_map(|held| &held.items)
            .map(|item| item.label.as_str())
            .collect();
        assert_eq!(held.len(), 30);
        let done = scene.state.accounts().filter(|account| !account.active);
        let done: Vec<String> = done
            .map(|account| format!("cut off {}", account.user_name))
            .collect();
        assert!(
            done.iter().all(|label| !held.contains(label.as_str())),
            "{done:?}"
        );
    };
    for planted in [false, true] {
        let mut scene = leavers(100, heap(), guarded());
        let judged = plan_at(&scene, NOW);
        if planted {
            scene.policy.safeguard = Safeguard::boundless();
        }
        cut_off(&mut scene, NOW, true);
        assert_eq!(objects(|| nothing_held_is_done(&scene, &judged)), planted);
    }
}

/// An approval of all that this plan holds.
fn approval_of(judged: &Plan) -> Approval {
    Approval {
        hash: held_hash(&judged.held),
        keys: judged
            .held
            .iter()
            .flat_map(|held| &held.items)
            .map(|item| item.key)
            .collect(),
        by: "admin".to_owned(),
        at_ms: NOW,
        expires_at_ms: NOW + HOUR_MS,
    }
}

#[test]
fn an_approval_that_ran_out_and_a_clock_set_back_are_seen() {
    let is = NOW + 2 * HOUR_MS;
    for (shown, planted) in [(is, false), (NOW + 1, true)] {
        let mut scene = leavers(100, (0..30).map(|n| (n, NOW)), guarded());
        let approval = approval_of(&plan_at(&scene, NOW));
        scene.state.put_approval(approval.clone());
        let cut = cut_off(&mut scene, shown, true);
        // By a clock of its own, the oracle knows that nothing is approved any more.
        let oracle = || assert!(approval.expires_at_ms > is || day_is_kept(cut, 100), "{cut}");
        assert_eq!(objects(oracle), planted);
    }
}

#[test]
fn an_approval_of_what_nobody_looked_at_is_seen() {
    for planted in [false, true] {
        let mut scene = leavers(100, (0..30).map(|n| (n, NOW)), guarded());
        let looked_at = plan_at(&scene, NOW);
        // Others leave before the word is given.
        leaves(&mut scene, (30..60).map(|n| (n, NOW)));
        let mut approval = approval_of(&looked_at);
        if planted {
            approval.keys = approval_of(&plan_at(&scene, NOW)).keys;
        }
        scene.state.put_approval(approval);
        cut_off(&mut scene, NOW, true);
        let seen: BTreeSet<&str> = looked_at
            .held
            .iter()
            .flat_map(|held| &held.items)
            .map(|item| item.label.as_str())
            .collect();
        let oracle = || {
            for account in scene.state.accounts().filter(|account| !account.active) {
                let label = format!("cut off {}", account.user_name);
                assert!(seen.contains(label.as_str()), "{label} was looked at by nobody");
            }
        };
        assert_eq!(objects(oracle), planted);
    }
}

#[test]
fn a_heap_dated_as_a_trickle_is_seen() {
    let mut policy = guarded();
    let wide = Limit {
        percent: 100,
        most: u32::MAX,
        floor: 0,
    };
    policy.safeguard.day.insert(Harm::Deactivate, wide);
    for (apart, planted) in [(0, false), (RUN_GAP_MS + 1, true)] {
        let heap = (0..30).map(|n| (n, NOW - n as u64 * apart));
        let mut scene = leavers(100, heap, policy.clone());
        let cut = cut_off(&mut scene, NOW, true);
        let allowed = policy.safeguard.run[&Harm::Deactivate].allowed(100);
        // All thirty came at once, whatever they are dated.
        assert_eq!(objects(|| assert!(cut <= allowed, "{cut} of a heap")), planted);
    }
}
