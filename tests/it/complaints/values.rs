use rollcall_tests::{Harness, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, ends, made, patched, quick};

async fn empty_house() -> Harness {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.up(&[]).await;
    harness
}

fn attribute(harness: &Harness, name: &str, attribute: &str) -> String {
    let mut attributes = account(harness, name).attributes;
    attributes.remove(attribute).unwrap_or_default()
}

async fn renamed(harness: &Harness, id: &str, name: &str) -> (u16, Value) {
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "userName", "value": format!("{name}@corp.example")}]});
    harness.scim("PATCH", &format!("/Users/{id}"), Some(&patch)).await
}

/// Complaint 24: a value cannot be emptied, and what is not sent is emptied.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_set_cleared_or_left_as_was_said() {
    let harness = empty_house().await;
    let mut mira = user("mira");
    mira["title"] = json!("Guide");
    mira["locale"] = json!("de-DE");
    mira["phoneNumbers"] = json!([{"type": "mobile", "value": "+47 1"}, {"type": "work", "value": "+47 2"}]);
    let (status, answer) = harness.scim("POST", "/Users", Some(&mira)).await;
    assert_eq!(status, 201, "{answer}");
    let path = format!("/Users/{}", answer["id"].as_str().unwrap());
    harness.settled(1).await;
    let values = |harness: &Harness| {
        ["JobTitle", "PhoneMobile", "PhoneWork", "City"].map(|name| attribute(harness, "mira", name))
    };
    assert_eq!(values(&harness), ["Guide", "+47 1", "+47 2", ""]);
    // No source ever said anything of a city.
    let by_hand = json!({"UserName": "mira@corp.example", "FirstName": "First", "LastName": "mira", "Email": "mira@corp.example",
        "JobTitle": "Guide", "PhoneMobile": "+47 1", "PhoneWork": "+47 2", "City": "Oslo"});
    harness.litmos.put_users(&[by_hand]).unwrap();
    ends(&harness, 0, &["import"]).await;

    // Null clears, and so does an empty text; what is not named is left.
    patched(&harness, &path, json!({"title": null})).await;
    harness.settled(1).await;
    assert_eq!(values(&harness), ["", "+47 1", "+47 2", "Oslo"]);
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": ""}]});
    let (status, answer) = harness.scim("PATCH", &path, Some(&patch)).await;
    assert_eq!(status, 200, "{answer}");
    harness.settled(1).await;
    assert_eq!(values(&harness), ["", "", "+47 2", "Oslo"]);
    // A PUT is the whole of what its client says: what it once set and does not name is cleared.
    let (status, answer) = harness.scim("PUT", &path, Some(&user("mira"))).await;
    assert_eq!(status, 200, "{answer}");
    harness.settled(1).await;
    assert_eq!(values(&harness), ["", "", "", "Oslo"]);
}

/// Complaint 25: another user name makes a second account, or locks somebody out.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_renamed_keeps_the_account_also_when_names_are_swapped_or_used_again() {
    let harness = empty_house().await;
    let (ann, bob) = (made(&harness, "ann").await, made(&harness, "bob").await);
    harness.settled(2).await;
    let (of_ann, of_bob) = (account(&harness, "ann").id, account(&harness, "bob").id);

    assert_eq!(renamed(&harness, &ann, "ann.berg").await.0, 200);
    harness.settled(2).await;
    assert_eq!(account(&harness, "ann.berg").id, of_ann);

    // One name belongs to one person at any time, so a swap has a step between; Litmos may see both or only the end.
    let (status, refused) = renamed(&harness, &ann, "bob").await;
    assert_eq!(
        (status, refused["scimType"].as_str()),
        (409, Some("uniqueness")),
        "{refused}"
    );
    for (id, name) in [(&ann, "between"), (&bob, "ann.berg"), (&ann, "bob")] {
        assert_eq!(renamed(&harness, id, name).await.0, 200);
    }
    harness.settled(2).await;
    assert_eq!(
        (account(&harness, "bob").id, account(&harness, "ann.berg").id),
        (of_ann.clone(), of_bob.clone())
    );

    // Bob is renamed and leaves, and somebody new gets the name that he had.
    assert_eq!(renamed(&harness, &bob, "left.bob").await.0, 200);
    harness.settled(2).await;
    patched(&harness, &format!("/Users/{bob}"), json!({"active": false})).await;
    let mut newcomer = user("ann.berg");
    newcomer["externalId"] = json!("00u-newcomer");
    let (status, answer) = harness.scim("POST", "/Users", Some(&newcomer)).await;
    assert_eq!(status, 201, "{answer}");
    harness.settled(3).await;
    let (left, new) = (account(&harness, "left.bob"), account(&harness, "ann.berg"));
    assert!(left.id == of_bob && !left.active, "{left:?}");
    assert!(new.id != of_bob && new.id != of_ann && new.active, "{new:?}");
    assert_eq!(
        harness
            .litmos
            .state()
            .users
            .iter()
            .filter(|user| !user.key_owner)
            .count(),
        3
    );
}
