use proptest::prelude::*;

use super::*;
use crate::PersonId;

const NOW: u64 = 1_700_000_000_000;

fn leaver(n: u32, requested_at_ms: u64) -> Harmful {
    let subject = Subject::Person(PersonId::parse(format!("p{n}")).unwrap());
    Harmful {
        key: HarmKey::of(Harm::Deactivate, &subject, "", 1),
        harm: Harm::Deactivate,
        subject,
        requested_at_ms,
        label: format!("cut off p{n}"),
        ordered: false,
    }
}

fn judge(
    changes: &[Harmful],
    history: &HarmHistory,
    approvals: &[Approval],
    now_ms: u64,
    population: u32,
) -> Vec<Held> {
    let inputs = SafeguardInputs {
        safeguard: &Safeguard::default(),
        history,
        approvals,
        now_ms,
    };
    inputs.judge(changes.to_vec(), |_| population)
}

fn heap(count: u32, at_ms: u64) -> Vec<Harmful> {
    (0..count).map(|n| leaver(n, at_ms)).collect()
}

#[test]
fn a_heap_is_held_and_somebody_who_leaves_later_is_not() {
    let mut changes = heap(300, NOW);
    changes.push(leaver(1_000, NOW + RUN_GAP_MS + 1));
    let held = judge(&changes, &HarmHistory::default(), &[], NOW, 1_000);
    let [held] = held.as_slice() else {
        panic!("{held:?}")
    };
    assert_eq!(
        (held.items.len(), held.exceeded, held.allowed),
        (300, Exceeded::Run, 200)
    );
    assert_eq!(
        held.describe(),
        "300 people would lose access: 200 of 1000 pass without approval"
    );
}

#[test]
fn a_few_may_always_leave_even_a_company_of_ten() {
    assert!(judge(&heap(5, NOW), &HarmHistory::default(), &[], NOW, 10).is_empty());
    assert_eq!(
        judge(&heap(6, NOW), &HarmHistory::default(), &[], NOW, 10).len(),
        1
    );
}

#[test]
fn the_absolute_bound_holds_where_a_share_would_be_thousands() {
    let held = judge(&heap(501, NOW), &HarmHistory::default(), &[], NOW, 100_000);
    assert_eq!(held[0].allowed, 500);
}

#[test]
fn a_trickle_is_stopped_within_the_day_and_goes_on_the_next() {
    let mut history = HarmHistory::default();
    history.add(Harm::Deactivate, 195, NOW);
    let held = judge(&heap(6, NOW), &history, &[], NOW, 805);
    assert_eq!(held[0].exceeded, Exceeded::Day, "{held:?}");
    assert!(judge(&heap(6, NOW), &history, &[], NOW + 26 * HOUR_MS, 1_000).is_empty());
}

#[test]
fn an_approval_lets_through_what_it_names_until_it_runs_out() {
    let changes = heap(300, NOW);
    let held = judge(&changes, &HarmHistory::default(), &[], NOW, 1_000);
    let approval = Approval {
        hash: held_hash(&held),
        keys: changes.iter().take(299).map(|change| change.key).collect(),
        by: "admin".to_owned(),
        at_ms: NOW,
        expires_at_ms: NOW + 1_000,
    };
    let still = judge(
        &changes,
        &HarmHistory::default(),
        std::slice::from_ref(&approval),
        NOW,
        1_000,
    );
    let left: usize = still.iter().map(|held| held.items.len()).sum();
    assert_eq!(left, 1, "the one that was not named waits: the day is used up");
    let late = judge(&changes, &HarmHistory::default(), &[approval], NOW + 1_000, 1_000);
    assert_eq!(late[0].items.len(), 300);
}

#[test]
fn an_order_by_name_passes_in_front_of_a_held_heap() {
    let mut changes = heap(300, NOW);
    changes.push(Harmful {
        ordered: true,
        ..leaver(2_000, NOW)
    });
    let held = judge(&changes, &HarmHistory::default(), &[], NOW, 1_000);
    assert_eq!(held[0].items.len(), 300);
}

proptest! {
    #[test]
    fn what_passes_in_a_day_without_approval_is_never_more_than_the_day_allows(
        waves in prop::collection::vec((1_u32..400, 0_u64..7 * HOUR_MS), 1..12),
        people in 10_u32..5_000,
    ) {
        let (mut history, mut now, mut active, mut taken) = (HarmHistory::default(), NOW, people, Vec::new());
        let mut waiting: Vec<Harmful> = Vec::new();
        let mut next = 0;
        for (count, pause) in waves {
            now += pause;
            waiting.extend((0..count).map(|n| leaver(next + n, now)));
            next += count;
            let held: BTreeSet<HarmKey> = judge(&waiting, &history, &[], now, active)
                .iter().flat_map(|held| &held.items).map(|item| item.key).collect();
            let passed = waiting.iter().filter(|change| !held.contains(&change.key)).count() as u32;
            waiting.retain(|change| held.contains(&change.key));
            history.add(Harm::Deactivate, passed, now);
            active = active.saturating_sub(passed);
            taken.push((now, passed));
            let in_day: u32 = taken.iter().filter(|(at, _)| at + 24 * HOUR_MS > now).map(|(_, passed)| passed).sum();
            let limit = Safeguard::default().day[&Harm::Deactivate];
            prop_assert!(in_day <= limit.allowed(people), "{in_day} of {people}");
        }
    }
}
