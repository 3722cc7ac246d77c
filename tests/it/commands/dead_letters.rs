//! What a load says of every line, and what becomes of events that nobody can take.

use std::collections::BTreeMap;

use bus::{Event, EventBody};
use provisioning::SourceId;

use super::{ends, harness_of, output};

fn upserted(event_id: &str, user_name: &str, field: &str) -> Event {
    Event {
        event_id: event_id.to_owned(),
        happened_at_ms: 7,
        in_order: false,
        body: EventBody::PersonUpserted {
            external_id: String::new(),
            user_name: user_name.to_owned(),
            active: Some(true),
            access_level: None,
            attributes: BTreeMap::from([(field.to_owned(), "x".to_owned())]),
            manager: None,
            groups: None,
            custom_fields: BTreeMap::new(),
            from_complete_list: false,
        },
    }
}

/// A line that the roster refuses is no line that was loaded: the command says which, and why, and does not end with 0;
/// status counts it until somebody has looked at it.
#[tokio::test(flavor = "multi_thread")]
async fn k4_the_receipt_of_a_load_names_the_line_that_was_refused() {
    let people = "external_id,user_name,FirstName,LastName\nE1,mira@corp.example,Mira,Lund\nE2,zed@corp.example,Zed,Moe\n";
    let harness = harness_of("", 2, people).await;
    ends(&harness, 0, &["status"]).await;
    let file = harness.write(
        "second.csv",
        "external_id,user_name,FirstName,LastName\nE3,kim@corp.example,Kim,Ray\nE2,mira@corp.example,Zed,Changed\n",
    );
    let file = file.to_string_lossy().into_owned();
    let loaded = output(&harness, 3, &["load", &file, "--source", "hr"]).await;
    assert_eq!(loaded["people"], 1, "{loaded}");
    let refused = &loaded["set_aside"][0];
    assert_eq!(
        (&refused["line"], &refused["name"]),
        (&3.into(), &"mira@corp.example".into()),
        "{loaded}"
    );
    assert!(
        refused["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{loaded}"
    );

    let status = output(&harness, 3, &["status"]).await;
    assert_eq!(status["dead_letters"], 1, "{status}");
    let printed = ends(&harness, 3, &["status", "--wait"]).await;
    assert!(
        printed.contains("DIFFERS 1 event could not be used. See: rollcall dead-letters"),
        "{printed}"
    );
    assert!(!printed.contains("Litmos equals the roster\n"), "{printed}");

    let listed = output(&harness, 3, &["dead-letters"]).await;
    let letter = &listed["letters"][0];
    assert_eq!(
        (&listed["total"], &letter["source"]),
        (&1.into(), &"hr".into()),
        "{listed}"
    );
    assert_eq!(letter["about"], "person mira@corp.example (E2)");
    let id = letter["id"].as_str().unwrap();
    let shown = output(&harness, 3, &["dead-letters", "show", id]).await;
    assert_eq!(shown["says"]["attributes"]["LastName"], "Changed", "{shown}");
    // The cause is not gone, so a replay ends as it did before.
    let replayed = output(&harness, 3, &["dead-letters", "replay", id]).await;
    assert_eq!(
        (&replayed["outcomes"][0]["outcome"], &replayed["left"]),
        (&"set aside again".into(), &1.into()),
        "{replayed}"
    );
    let dropped = output(&harness, 0, &["dead-letters", "drop", "--all"]).await;
    assert_eq!(dropped["left"], 0, "{dropped}");
    ends(&harness, 0, &["status", "--wait"]).await;
    assert!(
        ends(&harness, 1, &["dead-letters", "show", id])
            .await
            .contains("there is no dead letter")
    );
}

/// A line that cannot be read changes nobody. Status counts it until the corrected file is loaded.
#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_of_a_file_are_counted_until_the_corrected_file_is_loaded() {
    let people = "external_id,user_name,FirstName,LastName\nE1,mira@corp.example,Mira,Lund\nE2,zed@corp.example,Zed,Moe\n";
    let harness = harness_of("", 2, people).await;
    ends(&harness, 0, &["status", "--wait"]).await;
    let load = async |name: &str, code: i32, lines: &str| {
        let text = format!("external_id,user_name,FirstName,LastName,active\n{lines}");
        let file = harness.write(name, &text).to_string_lossy().into_owned();
        output(&harness, code, &["load", &file, "--source", "hr"]).await
    };
    let broken = "E3,kim@corp.example,Kim,Ray,true\nE4,zoe@corp.example,Zoe,Ray,perhaps\nE5,,Bo,Ray,true\n";
    let loaded = load("monday.csv", 3, broken).await;
    assert_eq!(loaded["bad_lines"].as_array().map(Vec::len), Some(2), "{loaded}");
    // The same file again is the same two letters, and another file has letters of its own.
    load("monday.csv", 3, broken).await;
    load("tuesday.csv", 3, "E6,una@corp.example,Una,Ray,maybe\n").await;
    let status = output(&harness, 3, &["status"]).await;
    assert_eq!(status["dead_letters"], 3, "{status}");
    let printed = ends(&harness, 3, &["status", "--wait"]).await;
    assert!(!printed.contains("Litmos equals the roster\n"), "{printed}");
    let listed = output(&harness, 3, &["dead-letters"]).await;
    let reason = listed["letters"][0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("monday.csv line 3: ") && reason.contains("perhaps"),
        "{listed}"
    );
    let id = listed["letters"][0]["id"].as_str().unwrap();
    let replayed = output(&harness, 3, &["dead-letters", "replay", id]).await;
    let why = replayed["failed"][0]["reason"].as_str().unwrap();
    assert!(
        why.contains("correct the line and load the file again"),
        "{replayed}"
    );

    let corrected = "E3,kim@corp.example,Kim,Ray,true\nE4,zoe@corp.example,Zoe,Ray,true\nE5,bo@corp.example,Bo,Ray,true\n";
    load("monday.csv", 0, corrected).await;
    assert_eq!(output(&harness, 3, &["dead-letters"]).await["total"], 1);
    output(&harness, 0, &["dead-letters", "drop", "--all"]).await;
    ends(&harness, 0, &["status", "--wait"]).await;
}

/// What was set aside for a cause that is gone is taken by a replay.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_feed_are_set_aside_and_taken_when_their_cause_is_gone() {
    let harness = harness_of(
        "",
        1,
        "external_id,user_name,FirstName,LastName\nE1,mira@corp.example,Mira,Lund\n",
    )
    .await;
    let (bus, source) = (harness.bus().await, SourceId::parse("app").unwrap());
    for (id, name, field) in [
        ("1", "kim@corp.example", "Shoe"),
        ("2", "zed@corp.example", "FirstName"),
        ("3", "", "FirstName"),
    ] {
        bus.publish_event(&harness.org, &source, upserted(id, name, field))
            .await
            .unwrap();
    }
    let deadline = std::time::Instant::now() + rollcall_tests::PATIENCE;
    while bus.dead_letter_count(&harness.org).await.unwrap() < 2 {
        assert!(
            std::time::Instant::now() < deadline,
            "the events were not set aside"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let printed = ends(&harness, 3, &["dead-letters"]).await;
    assert!(
        printed.contains("2 events or lines could not be used")
            && printed.contains("person kim@corp.example: "),
        "{printed}"
    );
    assert_eq!(output(&harness, 3, &["status"]).await["dead_letters"], 2);
    let listed = output(&harness, 3, &["dead-letters", "list"]).await;
    let id = listed["letters"][1]["id"].as_str().unwrap();
    assert_eq!(
        output(&harness, 3, &["dead-letters", "drop", id]).await["left"],
        1
    );
    let all = output(&harness, 3, &["dead-letters", "replay", "--all"]).await;
    assert_eq!(all["replayed"].as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all["left"], 1, "{all}");
}

/// Every line has its receipt, also of a file that goes in several batches.
#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_all_taken_end_with_zero_and_are_counted() {
    let harness = harness_of(
        "",
        1,
        "user_name,FirstName,LastName\nmira@corp.example,Mira,Lund\n",
    )
    .await;
    let rows: String = (0..1_200)
        .map(|n| {
            format!(
                "E{n},p{n}@corp.example,P{n},Example,{}\n",
                ["Sales", "Ops"][n % 2]
            )
        })
        .collect();
    let file = harness.write(
        "many.csv",
        format!("external_id,user_name,FirstName,LastName,groups\n{rows}"),
    );
    let loaded = output(&harness, 0, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
    assert_eq!(loaded["people"], 1_200, "{loaded}");
    assert_eq!(
        (&loaded["set_aside"], &loaded["waiting"], &loaded["no_receipt"]),
        (
            &serde_json::json!([]),
            &serde_json::json!([]),
            &serde_json::json!([])
        )
    );
}
