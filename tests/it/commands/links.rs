use rollcall_tests::roster_csv;
use serde_json::{Value, json};

use super::{account, ends, harness_of, load, output, until};

fn litmos_user(name: &str) -> Value {
    json!({"UserName": format!("{name}@corp.example"), "FirstName": "By", "LastName": "Hand", "Email": format!("{name}@corp.example")})
}

/// Complaint 6.
/// Complaint 22.
#[tokio::test(flavor = "multi_thread")]
async fn ties_are_listed_searched_and_sorted_into_piles() {
    let harness = harness_of("", 60, &roster_csv(60, 2)).await;
    harness.litmos.put_users(&[litmos_user("old.timer")]).unwrap();
    ends(&harness, 0, &["import"]).await;
    load(&harness, "external_id,user_name\nE90,no+body@corp.example\n").await;
    harness.settled(61).await;

    let people = output(&harness, 0, &["links"]).await["people"].take();
    assert_eq!(people.as_array().unwrap().len(), 61, "all of them, for scripts");
    let first = ends(&harness, 0, &["links"]).await;
    assert!(
        first.contains("61 people; page 1 of 2") && first.lines().count() == 51,
        "{first}"
    );
    assert_eq!(
        ends(&harness, 0, &["links", "--page", "2"]).await.lines().count(),
        12
    );
    let p7 = account(&harness, "p7");
    for text in ["P7@CORP", "E7", p7.id.0.as_str()] {
        let found = output(&harness, 0, &["links", text]).await["people"].take();
        let row = &found[0];
        assert_eq!(
            (&row["account"], &row["state"]),
            (&json!(p7.id.0.as_str()), &json!("linked")),
            "{text}: {found:#}"
        );
    }
    let parked = output(&harness, 0, &["links", "--parked"]).await["people"].take();
    assert_eq!(parked[0]["user_name"], "no+body@corp.example");
    assert_eq!(
        output(&harness, 0, &["links", "--unlinked"]).await["people"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let piles = output(&harness, 0, &["links", "--orphans"]).await;
    assert_eq!(piles["linked"], 60);
    // The owner of the key, and the one made by hand.
    assert_eq!(piles["unmanaged"].as_array().unwrap().len(), 2, "{piles:#}");
    assert_eq!(piles["without_account"][0]["user_name"], "no+body@corp.example");
    let printed = ends(&harness, 0, &["links", "--orphans"]).await;
    assert!(
        printed.contains("old.timer@corp.example")
            && printed.contains("1 person is wanted active and without an account"),
        "{printed}"
    );
    ends(&harness, 2, &["links", "--parked", "--frozen"]).await;
}

/// Complaint 22.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tie_is_mended() {
    let harness = harness_of("", 0, "user_name\n").await;
    harness
        .litmos
        .put_users(&[litmos_user("mira.first"), litmos_user("mira.second")])
        .unwrap();
    ends(&harness, 0, &["import"]).await;
    load(&harness, "external_id,user_name,first_name,last_name\nE1,mira.first@corp.example,Mira,One\nE2,zed@corp.example,Zed,Two\n").await;
    harness.settled(2).await;
    let (first, second) = (account(&harness, "mira.first"), account(&harness, "mira.second"));
    assert_eq!(
        (first.first_name.as_str(), second.first_name.as_str()),
        ("Mira", "By")
    );

    let taken = ends(&harness, 1, &["links", "link", "E2", "mira.first@corp.example"]).await;
    assert!(
        taken.contains("unlink that one first: rollcall links unlink"),
        "{taken}"
    );
    let unknown = ends(&harness, 1, &["links", "link", "E2", "nowhere@corp.example"]).await;
    assert!(
        unknown.contains("no account with the id or user name"),
        "{unknown}"
    );
    let linked = ends(&harness, 0, &["links", "link", "E1", "mira.second@corp.example"]).await;
    assert!(
        linked.contains(first.id.0.as_str()) && linked.contains(second.id.0.as_str()),
        "{linked}"
    );
    // The name is taken by the account that she had; free it, and the right one gets her values.
    harness.settled(2).await;
    let printed = ends(&harness, 3, &["parked"]).await;
    assert!(printed.contains("mira.first@corp.example"), "{printed}");
    load(
        &harness,
        "external_id,user_name,first_name,last_name\nE1,mira.second@corp.example,Mira,One\n",
    )
    .await;
    until(&harness, "the right values", |harness| {
        account(harness, "mira.second").first_name == "Mira"
    })
    .await;
    harness.settled(2).await;
    assert_eq!(account(&harness, "mira.second").id, second.id);
    let row = output(&harness, 0, &["links", "E1"]).await["people"][0].take();
    assert_eq!(
        (&row["account"], &row["state"]),
        (&json!(second.id.0.as_str()), &json!("linked"))
    );
}

/// Complaint 5.
/// Complaint 22.
#[tokio::test(flavor = "multi_thread")]
async fn exported_ties_outlive_the_buckets() {
    let mut harness = harness_of("apply = \"manual\"\n", 3, &roster_csv(3, 1)).await;
    ends(&harness, 0, &["apply"]).await;
    harness.litmos.put_users(&[litmos_user("other")]).unwrap();
    ends(&harness, 0, &["import"]).await;
    // A tie that no name would find again.
    let other = account(&harness, "other");
    ends(&harness, 0, &["links", "link", "E2", other.id.0.as_str()]).await;
    let file = harness
        .folder
        .path()
        .join("links.csv")
        .to_string_lossy()
        .into_owned();
    assert!(
        ends(&harness, 0, &["links", "--export", &file])
            .await
            .contains("3 people are in")
    );
    let before = output(&harness, 0, &["links", "E2"]).await["people"][0].take();
    assert_eq!(before["account"], other.id.0.as_str());

    harness.kill().await;
    std::fs::remove_dir_all(harness.data()).unwrap();
    harness.up(&[]).await;
    harness.bus().await;
    load(&harness, &roster_csv(3, 1)).await;
    ends(&harness, 0, &["import"]).await;
    let restored = ends(&harness, 0, &["links", "import", &file]).await;
    assert!(
        restored.contains("3 linked, 0 were linked so already"),
        "{restored}"
    );
    let after = output(&harness, 0, &["links", "E2"]).await["people"][0].take();
    assert_eq!(
        (&after["account"], &after["external_ids"]),
        (&before["account"], &before["external_ids"])
    );
    assert_ne!(after["person"], before["person"], "persons are numbered anew");
    assert!(
        ends(&harness, 0, &["links", "import", &file])
            .await
            .contains("0 linked, 3 were linked so already")
    );
    let bad = harness.write(
        "bad.csv",
        "external_ids,user_name,account_id\nhr=E99,zoe@corp.example,A1\n",
    );
    let printed = ends(&harness, 3, &["links", "import", &bad.to_string_lossy()]).await;
    assert!(
        printed.contains("line 2: nobody in the roster is known as E99 or zoe@corp.example"),
        "{printed}"
    );
}
