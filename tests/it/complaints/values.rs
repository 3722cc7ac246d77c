use rollcall_tests::{House, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, ends, made, patched, quick};

async fn empty_house() -> House {
    let mut house = House::new(quick(), QUICK).await;
    house.up(&[]).await;
    house
}

fn attribute(house: &House, name: &str, attribute: &str) -> String {
    let mut attributes = account(house, name).attributes;
    attributes.remove(attribute).unwrap_or_default()
}

async fn renamed(house: &House, id: &str, name: &str) -> (u16, Value) {
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "userName", "value": format!("{name}@corp.example")}]});
    house.scim("PATCH", &format!("/Users/{id}"), Some(&patch)).await
}

/// Complaint 24: a value cannot be emptied, and what is not sent is emptied.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_set_cleared_or_left_as_was_said() {
    let house = empty_house().await;
    let mut mira = user("mira");
    mira["title"] = json!("Guide");
    mira["locale"] = json!("de-DE");
    mira["phoneNumbers"] = json!([{"type": "mobile", "value": "+47 1"}, {"type": "work", "value": "+47 2"}]);
    let (status, answer) = house.scim("POST", "/Users", Some(&mira)).await;
    assert_eq!(status, 201, "{answer}");
    let path = format!("/Users/{}", answer["id"].as_str().unwrap());
    house.settled(1).await;
    let values = |house: &House| {
        ["JobTitle", "PhoneMobile", "PhoneWork", "City"].map(|name| attribute(house, "mira", name))
    };
    assert_eq!(values(&house), ["Guide", "+47 1", "+47 2", ""]);
    // No source ever said anything of a city.
    let by_hand = json!({"UserName": "mira@corp.example", "FirstName": "First", "LastName": "mira", "Email": "mira@corp.example",
        "JobTitle": "Guide", "PhoneMobile": "+47 1", "PhoneWork": "+47 2", "City": "Oslo"});
    house.litmos.put_users(&[by_hand]).unwrap();
    ends(&house, 0, &["import"]).await;

    // Null clears, and so does an empty text; what is not named is left.
    patched(&house, &path, json!({"title": null})).await;
    house.settled(1).await;
    assert_eq!(values(&house), ["", "+47 1", "+47 2", "Oslo"]);
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": ""}]});
    let (status, answer) = house.scim("PATCH", &path, Some(&patch)).await;
    assert_eq!(status, 200, "{answer}");
    house.settled(1).await;
    assert_eq!(values(&house), ["", "", "+47 2", "Oslo"]);
    // A PUT is the whole of what its client says: what it once set and does not name is cleared.
    let (status, answer) = house.scim("PUT", &path, Some(&user("mira"))).await;
    assert_eq!(status, 200, "{answer}");
    house.settled(1).await;
    assert_eq!(values(&house), ["", "", "", "Oslo"]);
}

/// Complaint 25: another user name makes a second account, or locks somebody out.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_renamed_keeps_the_account_also_when_names_are_swapped_or_used_again() {
    let house = empty_house().await;
    let (ann, bob) = (made(&house, "ann").await, made(&house, "bob").await);
    house.settled(2).await;
    let (of_ann, of_bob) = (account(&house, "ann").id, account(&house, "bob").id);

    assert_eq!(renamed(&house, &ann, "ann.berg").await.0, 200);
    house.settled(2).await;
    assert_eq!(account(&house, "ann.berg").id, of_ann);

    // One name belongs to one person at any time, so a swap has a step between; Litmos may see both or only the end.
    let (status, refused) = renamed(&house, &ann, "bob").await;
    assert_eq!(
        (status, refused["scimType"].as_str()),
        (409, Some("uniqueness")),
        "{refused}"
    );
    for (id, name) in [(&ann, "between"), (&bob, "ann.berg"), (&ann, "bob")] {
        assert_eq!(renamed(&house, id, name).await.0, 200);
    }
    house.settled(2).await;
    assert_eq!(
        (account(&house, "bob").id, account(&house, "ann.berg").id),
        (of_ann.clone(), of_bob.clone())
    );

    // Bob is renamed and leaves, and somebody new gets the name that he had.
    assert_eq!(renamed(&house, &bob, "left.bob").await.0, 200);
    house.settled(2).await;
    patched(&house, &format!("/Users/{bob}"), json!({"active": false})).await;
    let mut newcomer = user("ann.berg");
    newcomer["externalId"] = json!("00u-newcomer");
    let (status, answer) = house.scim("POST", "/Users", Some(&newcomer)).await;
    assert_eq!(status, 201, "{answer}");
    house.settled(3).await;
    let (left, new) = (account(&house, "left.bob"), account(&house, "ann.berg"));
    assert!(left.id == of_bob && !left.active, "{left:?}");
    assert!(new.id != of_bob && new.id != of_ann && new.active, "{new:?}");
    assert_eq!(
        house
            .litmos
            .state()
            .users
            .iter()
            .filter(|user| !user.key_owner)
            .count(),
        3
    );
}
