//! Values that Litmos would not take.

use rollcall_tests::user;
use serde_json::json;

use super::{
    LITMOS_USER, harness_before, is_said_everywhere, refused, rests, the_parked, user_names, writes,
};
use crate::commands::{account, ends, load, made, output, patched, until};

/// A last name emptied at the identity provider: the admin expects that the account stays as it is, rather than lose
/// its last name or its access, and to hear which name is missing where. Somebody new without one gets no account until
/// there is one. What else the same person is given waits with it, and comes with the correction.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_last_name_is_asked_for_and_the_account_stays_as_it_is() {
    let harness = harness_before(&[]).await;
    let mira = made(&harness, "mira").await;
    harness.settled(1).await;
    let sent = writes(&harness).len();
    patched(
        &harness,
        &format!("/Users/{mira}"),
        json!({"name.familyName": "", "title": "Guide"}),
    )
    .await;
    for (name, last) in [
        ("nobody", json!("")),
        ("blank", json!("  ")),
        ("null", json!(null)),
    ] {
        let mut newcomer = user(name);
        newcomer["name"]["familyName"] = last;
        let (status, answer) = harness.scim("POST", "/Users", Some(&newcomer)).await;
        assert_eq!(status, 201, "the provider's job is done: {answer}");
    }
    made(&harness, "good").await;
    harness.settled(5).await;

    assert_eq!(user_names(&harness), ["good@corp.example", "mira@corp.example"]);
    let kept = account(&harness, "mira");
    assert_eq!((kept.last_name.as_str(), kept.active), ("mira", true), "{kept:?}");
    assert_eq!(
        writes(&harness)[sent..],
        ["POST /users"],
        "one request, for the one who is good"
    );
    let parked = output(&harness, 3, &["parked"]).await;
    assert_eq!(parked["total"], 4, "{parked:#}");
    for item in parked["items"].as_array().unwrap() {
        assert_eq!(
            (&item["code"], &item["attribute"], &item["remedy"]),
            (
                &json!("value-missing"),
                &json!("LastName"),
                &json!("Give LastName at the source.")
            )
        );
    }
    is_said_everywhere(
        &harness,
        &[
            "value-missing LastName is to be emptied, and Litmos keeps no account without it",
            "value-missing LastName is empty, and Litmos makes no account without it",
        ],
    )
    .await;
    rests(&harness, 5).await;

    patched(
        &harness,
        &format!("/Users/{mira}"),
        json!({"name.familyName": "Lund"}),
    )
    .await;
    until(&harness, "the last name", |harness| {
        account(harness, "mira").last_name == "Lund"
    })
    .await;
    assert_eq!(account(&harness, "mira").attributes["JobTitle"], "Guide");
    harness.settled(5).await;
    assert_eq!(output(&harness, 3, &["parked"]).await["total"], 3);
}

/// A value over Litmos's length: nobody wants a name cut in the middle, so nothing is sent, and the admin hears how long
/// it is and how long it may be. Letters are counted as a reader counts them, not as bytes: fifty Turkish ones fit.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_the_length_is_named_with_both_lengths() {
    let harness = harness_before(&[]).await;
    let mut long = user("long");
    long["name"]["givenName"] = "x".repeat(51).into();
    let mut fits = user("fits");
    fits["name"]["givenName"] = "ğ".repeat(50).into();
    let mut named = user("named");
    named["userName"] = format!("{}@corp.example", "n".repeat(250)).into();
    let mut ids = Vec::new();
    for body in [&long, &fits, &named] {
        let (status, answer) = harness.scim("POST", "/Users", Some(body)).await;
        assert_eq!(status, 201, "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    harness.settled(3).await;
    assert_eq!(user_names(&harness), ["fits@corp.example"]);
    assert_eq!(account(&harness, "fits").first_name, "ğ".repeat(50));
    assert_eq!(writes(&harness), ["POST /users"]);
    is_said_everywhere(
        &harness,
        &[
            "value-too-long FirstName has 51 characters; Litmos takes 50. Shorten FirstName at the source.",
            "user-name-forbidden UserName has more than 255 characters; Litmos takes 4 to 255.",
        ],
    )
    .await;
    let story = ends(&harness, 3, &["explain", &ids[0]]).await;
    assert!(
        story.contains("no account") && story.contains(&format!("rollcall retry {}", ids[0])),
        "{story}"
    );
    rests(&harness, 3).await;

    patched(
        &harness,
        &format!("/Users/{}", ids[0]),
        json!({"name.givenName": "x".repeat(50)}),
    )
    .await;
    patched(
        &harness,
        &format!("/Users/{}", ids[2]),
        json!({"userName": "named@corp.example"}),
    )
    .await;
    until(&harness, "both", |harness| user_names(harness).len() == 3).await;
    harness.settled(3).await;
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);

    // An account that is there keeps the value that it has.
    patched(
        &harness,
        &format!("/Users/{}", ids[1]),
        json!({"name.familyName": "y".repeat(51)}),
    )
    .await;
    harness.settled(3).await;
    assert_eq!(account(&harness, "fits").last_name, "fits");
    let [code, attribute, message, _] = the_parked(&harness).await;
    assert_eq!(
        (code.as_str(), attribute.as_str(), message.as_str()),
        ("value-too-long", "LastName", "has 51 characters; Litmos takes 50")
    );
}

/// An access level that Litmos does not know: who sends it expects to be told at once, with the five there are, and that
/// neither is somebody made a learner by guess nor an administrator left as one without a word. In a file it is the one
/// line that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_access_level_that_litmos_does_not_know_is_refused_at_the_door() {
    let harness = harness_before(&[]).await;
    let mut chief = user("chief");
    chief[LITMOS_USER] = json!({"accessLevel": "Superuser"});
    let five = "use one of Account_Owner, Administrator, Team_Admin, Team_Leader, Learner";
    let (scim_type, detail) = refused(&harness, 400, "POST", "/Users", &chief).await;
    assert_eq!(scim_type, "invalidValue");
    assert!(
        detail.contains("accessLevel: \"Superuser\"") && detail.contains(five),
        "{detail}"
    );
    chief[LITMOS_USER]["accessLevel"] = "team leader".into();
    let (status, answer) = harness.scim("POST", "/Users", Some(&chief)).await;
    assert_eq!(status, 201, "another spelling of one there is: {answer}");
    let chief = format!("/Users/{}", answer["id"].as_str().unwrap());
    harness.settled(1).await;
    let sent = writes(&harness).len();
    let path = format!("{LITMOS_USER}:accessLevel");
    let change = super::patch("replace", &path, json!("Superuser"));
    let (_, detail) = refused(&harness, 400, "PATCH", &chief, &change).await;
    assert!(detail.contains(five), "{detail}");

    let file = harness.write(
        "levels.csv",
        "external_id,user_name,first_name,last_name,access_level\n\
         E1,zoe@corp.example,Zoe,Ek,Superuser\nE2,lea@corp.example,Lea,Ek,\n",
    );
    let printed = ends(&harness, 3, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
    assert!(
        printed.contains("line 2: access_level: \"Superuser\" is no Litmos access level; use Account_Owner,"),
        "{printed}"
    );
    harness.settled(2).await;
    assert_eq!(
        user_names(&harness),
        ["chief@corp.example", "lea@corp.example"],
        "nobody is made by guess"
    );
    assert_eq!(
        format!("{:?}", account(&harness, "chief").access_level),
        "TeamLeader"
    );
    assert_eq!(writes(&harness)[sent..], ["POST /users"], "the other line");
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
    load(
        &harness,
        "external_id,user_name,first_name,last_name,access_level\nE1,zoe@corp.example,Zoe,Ek,administrator\n",
    )
    .await;
    harness.settled(3).await;
    assert_eq!(
        format!("{:?}", account(&harness, "zoe").access_level),
        "Administrator"
    );
}
