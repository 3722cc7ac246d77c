use serde_json::json;

use super::{account, ends, house_of, made, masked, patched, told};

const NOBODY: &str = "user_name\n";

/// Complaint 13.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_says_why_and_is_tried_again_once_the_cause_is_gone() {
    let house = house_of("", 0, NOBODY).await;
    let id = made(&house, "mira").await;
    house.settled(1).await;
    assert_eq!(
        ends(&house, 0, &["parked"]).await.trim_end(),
        "nothing is parked in acme"
    );
    // Made in Litmos since the import, so nobody here knows of it.
    let stranger = json!({"UserName": "mira.new@corp.example", "FirstName": "M", "LastName": "N", "Email": "m@corp.example"});
    house.litmos.put_users(&[stranger]).unwrap();
    patched(
        &house,
        &format!("/Users/{id}"),
        json!({"userName": "mira.new@corp.example"}),
    )
    .await;
    house.settled(1).await;

    let parked = told(&house, 3, &["parked"]).await;
    assert_eq!(
        (parked["total"].as_u64(), parked["items"][0]["person"].as_str()),
        (Some(1), Some(id.as_str()))
    );
    let printed = ends(&house, 3, &["parked"]).await;
    insta::assert_snapshot!(masked(&printed, &[(&id, "<mira>")]), @r#"
    1 item waits for a person in acme; correct the cause at the source, or where it lies and then: rollcall retry PERSON
      mira.new@corp.example (<mira>): user-name-taken UserName UserName already exists. Correct it at the source; the change is sent again by itself.
    "#);
    let printed = ends(&house, 3, &["explain", "mira.new@corp.example"]).await;
    assert!(
        printed.contains(&format!("Once the cause is gone: rollcall retry {id}")),
        "{printed}"
    );
    ends(&house, 3, &["status"]).await;
    ends(&house, 3, &["plan"]).await;

    let again = ends(&house, 3, &["retry", &id, "--wait"]).await;
    assert!(
        again.contains("PARKED 1 item waits"),
        "the cause is still there: {again}"
    );
    let stranger = account(&house, "mira.new").id;
    house.litmos.delete(&format!("users/{stranger}")).unwrap();
    let done = ends(&house, 0, &["retry", "mira.new@corp.example", "--wait"]).await;
    assert!(done.contains("Litmos equals the roster"), "{done}");
    assert_eq!(account(&house, "mira.new").first_name, "First");
    ends(&house, 0, &["parked"]).await;
    assert!(
        ends(&house, 0, &["retry", "--all"])
            .await
            .contains("0 items are tried again")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_names_what_it_is_about() {
    let house = house_of("", 0, NOBODY).await;
    ends(&house, 2, &["retry"]).await;
    ends(&house, 2, &["retry", "mira", "--all"]).await;
    let unknown = ends(&house, 1, &["retry", "mira"]).await;
    assert!(
        unknown.contains("nobody in the roster of acme") && unknown.contains("rollcall links"),
        "{unknown}"
    );
    let unknown = ends(&house, 1, &["retry", "--group", "Sales"]).await;
    assert!(
        unknown.contains("no group with the id or name \"Sales\""),
        "{unknown}"
    );
    let long = json!({"displayName": "x".repeat(300)});
    assert_eq!(house.scim("POST", "/Groups", Some(&long)).await.0, 201);
    house.settled(0).await;
    let parked = told(&house, 3, &["parked"]).await;
    let group = parked["items"][0]["group"].as_str().unwrap();
    assert!(
        ends(&house, 3, &["retry", "--group", group, "--wait"])
            .await
            .contains("value-too-long")
    );
}
