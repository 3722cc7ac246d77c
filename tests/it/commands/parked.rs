use serde_json::json;

use super::{account, ends, harness_of, made, masked, output, patched};

const NOBODY: &str = "user_name\n";

/// Complaint 13.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_says_why_and_is_tried_again_once_the_cause_is_gone() {
    let harness = harness_of("", 0, NOBODY).await;
    let id = made(&harness, "mira").await;
    harness.settled(1).await;
    assert_eq!(
        ends(&harness, 0, &["parked"]).await.trim_end(),
        "nothing is parked in acme"
    );
    // Made in Litmos since the import, so nobody here knows of it.
    let stranger = json!({"UserName": "mira.new@corp.example", "FirstName": "M", "LastName": "N", "Email": "m@corp.example"});
    harness.litmos.put_users(&[stranger]).unwrap();
    patched(
        &harness,
        &format!("/Users/{id}"),
        json!({"userName": "mira.new@corp.example"}),
    )
    .await;
    harness.settled(1).await;

    let parked = output(&harness, 3, &["parked"]).await;
    assert_eq!(
        (parked["total"].as_u64(), parked["items"][0]["person"].as_str()),
        (Some(1), Some(id.as_str()))
    );
    let printed = ends(&harness, 3, &["parked"]).await;
    insta::assert_snapshot!(masked(&printed, &[(&id, "<mira>")]), @r#"
    1 item waits for a person in acme; correct the cause at the source, or where it lies and then: rollcall retry PERSON
      mira.new@corp.example (<mira>): user-name-taken UserName UserName already exists. Correct it at the source; the change is sent again by itself.
    "#);
    let printed = ends(&harness, 3, &["explain", "mira.new@corp.example"]).await;
    assert!(
        printed.contains(&format!("Once the cause is gone: rollcall retry {id}")),
        "{printed}"
    );
    ends(&harness, 3, &["status"]).await;
    ends(&harness, 3, &["plan"]).await;

    let again = ends(&harness, 3, &["retry", &id, "--wait"]).await;
    assert!(
        again.contains("PARKED 1 item waits"),
        "the cause is still there: {again}"
    );
    let stranger = account(&harness, "mira.new").id;
    harness.litmos.delete(&format!("users/{stranger}")).unwrap();
    let done = ends(&harness, 0, &["retry", "mira.new@corp.example", "--wait"]).await;
    assert!(done.contains("Litmos equals the roster"), "{done}");
    assert_eq!(account(&harness, "mira.new").first_name, "First");
    ends(&harness, 0, &["parked"]).await;
    assert!(
        ends(&harness, 0, &["retry", "--all"])
            .await
            .contains("0 items are tried again")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_names_what_it_is_about() {
    let harness = harness_of("", 0, NOBODY).await;
    ends(&harness, 2, &["retry"]).await;
    ends(&harness, 2, &["retry", "mira", "--all"]).await;
    let unknown = ends(&harness, 1, &["retry", "mira"]).await;
    assert!(
        unknown.contains("nobody in the roster of acme") && unknown.contains("rollcall links"),
        "{unknown}"
    );
    let unknown = ends(&harness, 1, &["retry", "--group", "Sales"]).await;
    assert!(
        unknown.contains("no group with the id or name \"Sales\""),
        "{unknown}"
    );
    let long = json!({"displayName": "x".repeat(300)});
    assert_eq!(harness.scim("POST", "/Groups", Some(&long)).await.0, 201);
    harness.settled(0).await;
    let parked = output(&harness, 3, &["parked"]).await;
    let group = parked["items"][0]["group"].as_str().unwrap();
    assert!(
        ends(&harness, 3, &["retry", "--group", group, "--wait"])
            .await
            .contains("value-too-long")
    );
}
