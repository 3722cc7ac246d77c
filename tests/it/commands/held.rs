use std::time::{Duration, Instant};

use rollcall_tests::{Harness, PATIENCE, roster_csv};
use serde_json::Value;

use super::{account, ends, harness_of, litmos, load, output};

const PEOPLE: usize = 100;

/// The company again, with these people inactive.
fn without(leavers: std::ops::Range<usize>) -> String {
    let csv = roster_csv(PEOPLE, 4);
    let mut lines = csv.lines();
    let header = format!("{},active\n", lines.next().unwrap());
    let people = lines
        .enumerate()
        .map(|(n, line)| format!("{line},{}\n", !leavers.contains(&n)));
    header + &people.collect::<String>()
}

fn inactive(harness: &Harness) -> usize {
    let users = harness.litmos.state().users;
    users.iter().filter(|user| !user.active).count()
}

/// Thirty leavers arrive, one word after the other: those who were cut off before they were a heap, and the plan.
async fn heap(harness: &Harness) -> (usize, Value) {
    load(harness, &without(10..40)).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let plan = output_any(harness, &["plan"]).await;
        let (held, gone) = (
            plan["held"]["changes"].as_u64().unwrap() as usize,
            inactive(harness),
        );
        if held + gone == 30 && plan["operations"] == 0 {
            assert!(gone <= 20, "more than the limit lost access unasked: {gone}");
            return (gone, plan);
        }
        assert!(Instant::now() < deadline, "{gone} are gone: {plan:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whatever it ends with, while things move.
async fn output_any(harness: &Harness, arguments: &[&str]) -> Value {
    let (_, printed, error) = harness.rollcall(&[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{error}"))
}

/// Complaint 20.
#[tokio::test(flavor = "multi_thread")]
async fn thirty_of_a_hundred_wait_for_an_approval_bound_to_their_hash() {
    let harness = harness_of("", PEOPLE, &roster_csv(PEOPLE, 4)).await;
    ends(&harness, 0, &["plan"]).await;
    let (gone, plan) = heap(&harness).await;
    let hash = plan["held"]["hash"].as_str().unwrap().to_owned();
    let items = plan["held"]["kinds"][0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 30 - gone);
    let ids: Vec<&str> = items
        .iter()
        .map(|item| item["subject"]["person"].as_str().unwrap())
        .collect();
    let printed = ends(&harness, 3, &["plan"]).await;
    for words in [
        &format!("HELD {} people would lose access: ", 30 - gone),
        &format!("({})", ids[0]),
        &format!("rollcall approve {hash}"),
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    for command in ["status", "parked"] {
        let printed = ends(&harness, 3, &[command]).await;
        assert!(
            printed.contains("HELD") && !printed.contains("equals the roster\n"),
            "{printed}"
        );
    }
    let printed = ends(&harness, 3, &["explain", ids[1]]).await;
    assert!(
        printed.contains("next    held: cut off") && printed.contains(&format!("--only {}", ids[1])),
        "{printed}"
    );

    let wrong = ends(&harness, 1, &["approve", "0123456789abcdef0123"]).await;
    assert!(wrong.contains(&hash), "the current one is named: {wrong}");
    let unknown = ends(&harness, 1, &["approve", &hash, "--only", ids[1], "zoe"]).await;
    assert!(unknown.contains("\"zoe\""), "{unknown}");
    let nobody = ends(&harness, 1, &["approve", &hash, "--only", "p1@corp.example"]).await;
    assert!(nobody.contains("none of what is held"), "{nobody}");
    assert_eq!(inactive(&harness), gone);

    let printed = ends(&harness, 3, &["approve", &hash, "--only", ids[1], "--wait"]).await;
    assert!(
        printed.contains("approved 1 change by") && printed.contains("for 60 minutes"),
        "{printed}"
    );
    assert_eq!(
        output(&harness, 0, &["explain", ids[1]]).await["match"]["active"],
        false
    );
    assert_eq!(inactive(&harness), gone + 1, "only the one who was named");

    let old = ends(&harness, 1, &["approve", &hash]).await;
    assert!(old.contains("is not what is held any more"), "{old}");
    let plan = output(&harness, 3, &["plan"]).await;
    let hash = plan["held"]["hash"].as_str().unwrap().to_owned();
    assert_eq!(plan["held"]["changes"], 29 - gone);
    let printed = ends(&harness, 0, &["approve", &hash, "--wait"]).await;
    assert!(
        printed.contains(&format!("approved {} change", 29 - gone))
            && printed.contains("Litmos equals the roster\n"),
        "{printed}"
    );
    assert_eq!(inactive(&harness), 30);
    ends(&harness, 0, &["plan"]).await;
    harness.books_agree(&harness.bus().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_ordered_by_name_is_cut_off_while_the_heap_waits() {
    let harness = harness_of("", PEOPLE, &roster_csv(PEOPLE, 4)).await;
    let (gone, plan) = heap(&harness).await;
    let waiting = plan["held"]["kinds"][0]["items"][0]["subject"]["person"]
        .as_str()
        .unwrap();
    let before = litmos(&harness);
    for person in [waiting, "p77@corp.example"] {
        let receipt = output(&harness, 0, &["leaver", person]).await;
        assert_eq!(receipt["outcome"], "cut_off", "{receipt:#}");
    }
    assert!(!account(&harness, "p77").active);
    let after = litmos(&harness);
    let changed = before
        .iter()
        .filter(|(key, value)| key.starts_with("user") && after.get(*key) != Some(value));
    assert_eq!(changed.count(), 2, "nobody else");
    assert_eq!(output(&harness, 3, &["plan"]).await["held"]["changes"], 29 - gone);
}
