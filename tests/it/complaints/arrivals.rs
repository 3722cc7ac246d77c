use rollcall_tests::{Harness, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, ends, made, output, patched, quick, until};

/// A harness whose Litmos has these accounts already.
async fn house_with(by_hand: &[&str]) -> Harness {
    let mut harness = Harness::new(quick(), QUICK).await;
    let record = |name: &&str| json!({"UserName": format!("{name}@corp.example"), "FirstName": "By", "LastName": "Hand", "Email": "hand@corp.example"});
    let records: Vec<Value> = by_hand.iter().map(record).collect();
    harness.litmos.put_users(&records).unwrap();
    harness.up(&[]).await;
    harness
}

/// How many accounts there are, the owner of the key left out.
fn accounts(harness: &Harness) -> usize {
    let users = harness.litmos.state().users;
    users.iter().filter(|user| !user.key_owner).count()
}

/// Complaint 1: somebody assigned again after having been deactivated is refused for ever.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_assigned_again_gets_the_same_id_and_account_with_the_profile_of_today() {
    let harness = house_with(&[]).await;
    let id = made(&harness, "mira").await;
    harness.settled(1).await;
    let before = account(&harness, "mira");

    patched(&harness, &format!("/Users/{id}"), json!({"active": false})).await;
    harness.settled(1).await;
    assert!(!account(&harness, "mira").active);

    // Married meanwhile, and so under another name; it is the external id that tells.
    let mut again = user("mira.berg");
    again["externalId"] = json!("00u-mira");
    again["title"] = json!("Guide");
    let (status, answer) = harness.scim("POST", "/Users", Some(&again)).await;
    assert_eq!(
        (status, answer["id"].as_str()),
        (201, Some(id.as_str())),
        "{answer}"
    );
    harness.settled(1).await;
    let after = account(&harness, "mira.berg");
    assert_eq!((after.active, &after.id), (true, &before.id));
    assert_eq!(
        (after.last_name.as_str(), after.attributes["JobTitle"].as_str()),
        ("mira.berg", "Guide")
    );
    assert_eq!(accounts(&harness), 1);
    let (status, refused) = harness.scim("POST", "/Users", Some(&again)).await;
    assert_eq!(
        (status, refused["scimType"].as_str()),
        (409, Some("uniqueness")),
        "an active one is in the way: {refused}"
    );
}

/// Complaint 2: a change that fails is sent again at every repetition, for ever, and does harm each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_failed_is_not_sent_again_however_often_it_is_repeated() {
    let harness = house_with(&[]).await;
    let id = made(&harness, "mira").await;
    let marker = made(&harness, "marker").await;
    harness.settled(2).await;
    // Made in Litmos since the import, so that nobody knows that the name is taken.
    let stranger = json!({"UserName": "berg@corp.example", "FirstName": "B", "LastName": "Erg", "Email": "b@corp.example"});
    harness.litmos.put_users(&[stranger]).unwrap();
    let mut renamed = user("mira");
    renamed["userName"] = json!("berg@corp.example");
    let path = format!("/Users/{id}");
    let (status, answer) = harness.scim("PUT", &path, Some(&renamed)).await;
    assert_eq!(status, 200, "{answer}");
    harness.settled(2).await;
    let parked = output(&harness, 3, &["parked"]).await;
    assert_eq!(parked["items"][0]["person"], id.as_str(), "{parked:#}");
    let (mira, berg) = (account(&harness, "mira"), account(&harness, "berg"));

    let spent = harness.litmos.log().len();
    for _ in 0..25 {
        assert_eq!(harness.scim("PUT", &path, Some(&renamed)).await.0, 200);
        assert_eq!(harness.scim("POST", "/Users", Some(&renamed)).await.0, 409);
    }
    // What came after them is in Litmos, so they have been looked at.
    patched(&harness, &format!("/Users/{marker}"), json!({"title": "Seen"})).await;
    until(&harness, "the marker", |harness| {
        account(harness, "marker")
            .attributes
            .get("JobTitle")
            .is_some_and(|title| title == "Seen")
    })
    .await;
    harness.settled(2).await;
    let log = harness.litmos.log();
    let of_marker = account(&harness, "marker").id.to_string();
    let others: Vec<_> = log[spent..]
        .iter()
        .filter(|entry| !entry.path.contains(&of_marker))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(
        (account(&harness, "mira"), account(&harness, "berg")),
        (mira, berg)
    );
}

/// Complaint 3: somebody who comes back is refused with 400 because of how `active` is spelt.
#[tokio::test(flavor = "multi_thread")]
async fn active_may_be_text_and_attributes_may_be_unknown() {
    let harness = house_with(&[]).await;
    let mut mira = user("mira");
    mira["active"] = json!("True");
    mira["shoeSize"] = json!({"left": 43});
    let (status, answer) = harness.scim("POST", "/Users", Some(&mira)).await;
    assert_eq!((status, &answer["active"]), (201, &json!(true)), "{answer}");
    let path = format!("/Users/{}", answer["id"].as_str().unwrap());
    harness.settled(1).await;
    let operations = [
        (
            json!({"op": "Replace", "path": "active", "value": "False"}),
            false,
        ),
        (
            json!({"op": "replace", "value": {"active": "True", "shoeSize": 44}}),
            true,
        ),
        (
            json!({"op": "Replace", "path": "active", "value": [{"value": "false"}]}),
            false,
        ),
        (json!({"op": "Add", "path": "active", "value": "true"}), true),
    ];
    for (operation, active) in operations {
        let patch =
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        let (status, answer) = harness.scim("PATCH", &path, Some(&patch)).await;
        assert_eq!(
            (status, &answer["active"]),
            (200, &json!(active)),
            "{patch} {answer}"
        );
        harness.settled(1).await;
        assert_eq!(account(&harness, "mira").active, active, "{patch}");
    }
    mira["active"] = json!("False");
    assert_eq!(harness.scim("PUT", &path, Some(&mira)).await.0, 200);
    harness.settled(1).await;
    assert!(!account(&harness, "mira").active);
    assert_eq!(accounts(&harness), 1);
}

/// Complaint 4: accounts made by hand before are not taken over, and everybody is made twice or refused.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_made_by_hand_are_linked_whatever_the_case_of_their_names() {
    let harness = house_with(&["MIRA.Lund", "otto", "Left.Alone"]).await;
    let by_hand = [account(&harness, "MIRA.Lund").id, account(&harness, "otto").id];
    let ids = [made(&harness, "mira.lund").await, made(&harness, "Otto").await];
    harness.settled(2).await;
    assert_eq!(accounts(&harness), 3, "nobody is there twice");
    for (person, account) in ids.iter().zip(&by_hand) {
        let link = output(&harness, 0, &["links", person]).await["people"][0].take();
        assert_eq!(
            (&link["account"], &link["state"]),
            (&json!(account.to_string()), &json!("linked"))
        );
        let (_, shown) = harness.scim("GET", &format!("/Users/{person}"), None).await;
        assert_eq!(shown["active"], true, "{shown}");
    }
    let users = harness.litmos.state().users;
    let taken: Vec<_> = users.iter().filter(|user| by_hand.contains(&user.id)).collect();
    assert!(
        taken.iter().all(|user| user.active && user.first_name == "First"),
        "what the source says is there: {taken:#?}"
    );
    let piles = ends(&harness, 0, &["links", "--orphans"]).await;
    assert!(piles.contains("Left.Alone@corp.example"), "{piles}");
}

/// Complaint 26: names that differ in case or in how they are written down become two people, or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_person_however_it_is_spelt_and_two_names_are_two() {
    let spellings = [
        ("JOSÉ.LUND", "jose\u{301}.lund"),
        ("STRASSE.WEISS", "straße.weiß"),
        ("ipek.ay", "İPEK.AY"),
    ];
    let harness = house_with(&spellings.map(|(by_hand, _)| by_hand)).await;
    let before = harness
        .litmos
        .state()
        .users
        .into_iter()
        .map(|user| user.id)
        .collect::<Vec<_>>();
    for (_, name) in spellings {
        made(&harness, name).await;
    }
    harness.settled(3).await;
    let after = harness
        .litmos
        .state()
        .users
        .into_iter()
        .map(|user| user.id)
        .collect::<Vec<_>>();
    assert_eq!(after, before, "no account came and none went");
    assert!(
        harness
            .litmos
            .state()
            .users
            .iter()
            .all(|user| user.key_owner || user.first_name == "First")
    );
    for (by_hand, _) in spellings {
        let mut again = user(by_hand);
        again["externalId"] = json!(format!("00u-other-{by_hand}"));
        let (status, refused) = harness.scim("POST", "/Users", Some(&again)).await;
        assert_eq!(status, 409, "{refused}");
        let filter = format!("/Users?filter=userName%20eq%20%22{by_hand}@corp.example%22");
        let (_, found) = harness.scim("GET", &filter, None).await;
        assert_eq!(found["totalResults"], 1, "{by_hand}: {found}");
    }
    // Without its dot it is another letter.
    made(&harness, "ıpek.ay").await;
    harness.settled(4).await;
    assert_eq!(accounts(&harness), 4);
}
