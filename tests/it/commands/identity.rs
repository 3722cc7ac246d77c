//! Who is the same person: a question, both sides, and what each answer leads to.

use serde_json::json;

use super::{Harness, Value, ends, harness_of, output};

fn user(external_id: &str, user_name: &str, first: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": external_id,
        "userName": user_name,
        "active": true,
        "name": {"givenName": first, "familyName": "Lund"},
        "emails": [{"value": user_name, "type": "work", "primary": true}],
    })
}

/// Mira comes, joins a group and is deleted. Then the same user name comes for somebody with another id and first name.
async fn recycled(harness: &Harness) -> (String, String) {
    let (status, made) = harness
        .scim("POST", "/Users", Some(&user("E1", "mira@corp.example", "Mira")))
        .await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Care",
        "members": [{"value": id}]});
    let (status, group) = harness.scim("POST", "/Groups", Some(&group)).await;
    assert_eq!(status, 201, "{group}");
    let (status, gone) = harness.scim("DELETE", &format!("/Users/{id}"), None).await;
    assert_eq!(status, 204, "{gone}");
    let group = format!("/Groups/{}", group["id"].as_str().unwrap());
    let (_, left) = harness.scim("GET", &group, None).await;
    assert_eq!(left["members"], json!([]), "a deleted user is in no group");
    let (status, refused) = harness
        .scim("POST", "/Users", Some(&user("E7", "mira@corp.example", "Nina")))
        .await;
    assert_eq!(status, 409, "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("userName: ") && detail.contains("rollcall identity same"),
        "{detail}"
    );
    let listed = output(harness, 3, &["identity"]).await;
    assert_eq!(listed["total"], 1, "{listed}");
    let question = listed["questions"][0]["id"].as_str().unwrap().to_owned();
    let shown = ends(harness, 3, &["identity", "show", &question]).await;
    assert!(shown.contains("Nina") && shown.contains("Mira"), "{shown}");
    let status = ends(harness, 3, &["status"]).await;
    assert!(status.contains("question about who is who"), "{status}");
    (id, question)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_that_comes_back_for_somebody_else_waits_for_an_answer() {
    let harness = harness_of("", 1, "user_name,FirstName,LastName\nzed@corp.example,Zed,Moe\n").await;
    let (gone, question) = recycled(&harness).await;
    output(&harness, 0, &["identity", "different", &question]).await;
    let (status, made) = harness
        .scim("POST", "/Users", Some(&user("E7", "mira@corp.example", "Nina")))
        .await;
    assert_eq!(status, 201, "{made}");
    assert_ne!(made["id"], json!(gone));
    let (status, _) = harness.scim("GET", &format!("/Users/{gone}"), None).await;
    assert_eq!(status, 404);
    assert_eq!(output(&harness, 0, &["identity"]).await["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_answered_to_be_the_same_comes_back_without_the_groups_of_before() {
    let harness = harness_of("", 1, "user_name,FirstName,LastName\nzed@corp.example,Zed,Moe\n").await;
    let (gone, question) = recycled(&harness).await;
    output(&harness, 0, &["identity", "same", &question]).await;
    let (status, made) = harness
        .scim("POST", "/Users", Some(&user("E7", "mira@corp.example", "Nina")))
        .await;
    assert_eq!((status, &made["id"]), (201, &json!(gone)), "{made}");
    assert!(
        made["groups"].as_array().is_none_or(Vec::is_empty),
        "in no group of before: {made}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_may_mean_two_people_is_handed_in_again_after_the_answer() {
    let harness = harness_of(
        "",
        1,
        "external_id,user_name,FirstName,LastName\nE1,lund@corp.example,Mira,Lund\n",
    )
    .await;
    let file = harness.write("next.csv", "external_id,user_name\nE1,berg@corp.example\n");
    ends(&harness, 3, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
    let listed = output(&harness, 3, &["identity"]).await;
    let question = listed["questions"][0]["id"].as_str().unwrap().to_owned();
    let answered = output(&harness, 0, &["identity", "same", &question]).await;
    assert_eq!(
        answered["replayed"].as_array().map(Vec::len),
        Some(1),
        "{answered}"
    );
    super::until(&harness, "the new user name", |harness| {
        let users = harness.litmos.state().users;
        users.iter().any(|user| user.user_name == "berg@corp.example")
    })
    .await;
    harness.settled(1).await;
}
