//! What is not as a source asked for is said by every command that people look at, and ends with exit code 3.

use std::time::Instant;

use litmos_simulator::AccessLevel;
use rollcall_tests::{Harness, PATIENCE, user};
use serde_json::{Value, json};

use super::{account, ends, harness_of, load, made, output, patched, until};

const NOBODY: &str = "user_name\n";
const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
const TEAM: &str = "external_id,user_name,first_name,last_name,groups,manager\n";

/// A file of people in the team Sales; each with a manager, or none.
fn people(people: &[(&str, &str)]) -> String {
    let lines = people
        .iter()
        .enumerate()
        .map(|(n, (name, manager))| format!("E{n},{name}@corp.example,First,Last{n},Sales,{manager}\n"));
    TEAM.to_owned() + &lines.collect::<String>()
}

async fn with_level(harness: &Harness, name: &str, level: &str) -> String {
    let mut body = user(name);
    body[LITMOS_USER] = json!({"accessLevel": level});
    let (status, made) = harness.scim("POST", "/Users", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_is_nobody_is_told_everywhere_until_there_is_one() {
    let harness = harness_of("", 2, &people(&[("mira", "chief@corp.example"), ("noor", "")])).await;
    for command in ["status", "plan", "parked"] {
        let printed = ends(&harness, 3, &[command]).await;
        assert!(
            printed.contains("1 manager is unknown")
                && printed
                    .contains("mira@corp.example: manager \"chief@corp.example\" is nobody in the roster")
                && !printed.contains("equals the roster"),
            "{command}: {printed}"
        );
        let output = output(&harness, 3, &[command]).await;
        assert_eq!(output["deviations"][0]["kind"], "unknown_manager", "{output:#}");
    }
    let status = output(&harness, 3, &["status"]).await;
    assert_eq!(
        (&status["settled"], &status["in_sync"]),
        (&json!(true), &json!(false))
    );
    load(
        &harness,
        &people(&[("mira", "chief@corp.example"), ("noor", ""), ("chief", "")]),
    )
    .await;
    harness.settled(3).await;
    assert!(
        ends(&harness, 0, &["status"])
            .await
            .contains("Litmos equals the roster")
    );
    assert!(account(&harness, "mira").manager_id.is_some());
}

/// Puts somebody whom no source knows into the team by hand, and lets Rollcall see it.
async fn stranger_in_team(harness: &Harness) {
    let stranger = json!({"UserName": "stranger@corp.example", "FirstName": "S", "LastName": "T", "Email": "s@corp.example"});
    harness.litmos.put_users(&[stranger]).unwrap();
    harness
        .litmos
        .put_teams(&[json!({"Name": "Sales", "Members": ["stranger@corp.example"]})])
        .unwrap();
    ends(harness, 0, &["import"]).await;
    harness.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_member_whom_no_source_named_is_told_and_stays() {
    let harness = harness_of("", 1, &people(&[("mira", "")])).await;
    ends(&harness, 0, &["status"]).await;
    stranger_in_team(&harness).await;
    for command in ["status", "plan", "parked"] {
        let printed = ends(&harness, 3, &[command]).await;
        assert!(
            printed.contains("1 team member is in no source")
                && printed.contains("group Sales: stranger@corp.example is in its team and in no source"),
            "{command}: {printed}"
        );
    }
    let groups = ends(&harness, 0, &["groups"]).await;
    assert!(
        groups.contains("in the team and in no source: stranger@corp.example"),
        "{groups}"
    );
    ends(&harness, 0, &["groups", "push", "Sales", "--wait"]).await;
    assert!(
        ends(&harness, 0, &["status"])
            .await
            .contains("Litmos equals the roster")
    );
}

/// Case K9: an identity provider renames and deactivates, then makes the same login anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_somebody_who_was_renamed_and_left_goes_to_the_one_who_has_it_now() {
    let harness = harness_of("", 0, NOBODY).await;
    let old = made(&harness, "john").await;
    harness.settled(1).await;
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "Replace", "path": "userName", "value": "283405f51111444488880123456789c2john@corp.example"},
        {"op": "Replace", "path": "active", "value": "False"}]});
    let (status, answer) = harness
        .scim("PATCH", &format!("/Users/{old}"), Some(&patch))
        .await;
    assert!(status == 200 || status == 204, "{status} {answer}");
    let mut again = user("john");
    again["externalId"] = "obj-2".into();
    let (status, new) = harness.scim("POST", "/Users", Some(&again)).await;
    assert_eq!(status, 201, "{new}");
    assert_ne!(new["id"], Value::from(old.as_str()));
    until(&harness, "the account of the second john", |harness| {
        let users = harness.litmos.state().users;
        users
            .iter()
            .any(|user| user.user_name == "john@corp.example" && user.active)
    })
    .await;
    harness.settled(2).await;
    let first = account(&harness, "283405f51111444488880123456789c2john");
    assert!(!first.active, "{first:?}");
    let status = ends(&harness, 0, &["status"]).await;
    assert!(status.contains("Litmos equals the roster"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_makes_owners_in_numbers_waits_for_a_person_and_one_owner_is_taken_back() {
    let harness = harness_of("", 0, NOBODY).await;
    let first = with_level(&harness, "first", "Account_Owner").await;
    harness.settled(1).await;
    assert_eq!(account(&harness, "first").access_level, AccessLevel::AccountOwner);
    for name in ["second", "third"] {
        with_level(&harness, name, "Account_Owner").await;
    }
    harness.settled(3).await;
    for name in ["second", "third"] {
        assert_eq!(
            account(&harness, name).access_level,
            AccessLevel::Learner,
            "{name}"
        );
    }
    let plan = output(&harness, 3, &["plan"]).await;
    assert_eq!(plan["held"]["kinds"][0]["harm"], "promote_owner", "{plan:#}");
    assert_eq!(plan["held"]["changes"], 2, "{plan:#}");
    let hash = plan["held"]["hash"].as_str().unwrap();
    ends(&harness, 0, &["approve", hash, "--wait"]).await;
    assert_eq!(account(&harness, "third").access_level, AccessLevel::AccountOwner);
    // What Rollcall gave it takes back, by the source and by order.
    let (status, answer) = harness.scim("DELETE", &format!("/Users/{first}"), None).await;
    assert_eq!(status, 204, "{answer}");
    until(&harness, "the cut-off of the first owner", |harness| {
        !account(harness, "first").active
    })
    .await;
    let receipt = output(&harness, 0, &["leaver", "second@corp.example"]).await;
    assert_eq!(receipt["outcome"], "cut_off", "{receipt:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_about_an_owner_from_before_is_refused_before_it_is_given() {
    let mut harness = Harness::new(super::quick(), super::QUICK).await;
    let boss = json!({"UserName": "boss@corp.example", "FirstName": "B", "LastName": "S", "Email": "b@corp.example",
        "AccessLevel": "Account_Owner"});
    harness.litmos.put_users(&[boss]).unwrap();
    harness.up(&[]).await;
    harness.bus().await;
    made(&harness, "boss").await;
    harness.settled(1).await;
    let refused = ends(&harness, 1, &["leaver", "boss@corp.example"]).await;
    assert!(
        refused.contains("boss@corp.example: the account is protected and is not cut off")
            && refused.contains("protect_owners = false")
            && refused.contains("No order was given"),
        "{refused}"
    );
    assert!(account(&harness, "boss").active);
    let status = output(&harness, 0, &["status"]).await;
    assert_eq!(status["orders"]["frozen"], 0, "{status:#}");
}

/// Somebody is edited all the time, less than a quarter of a second apart.
#[tokio::test(flavor = "multi_thread")]
async fn steady_edits_of_one_person_hold_back_nobody_else() {
    let harness = harness_of("", 0, NOBODY).await;
    let busy = made(&harness, "busy").await;
    harness.settled(1).await;
    let deadline = Instant::now() + PATIENCE;
    let mut edits = 0;
    let there = |harness: &Harness, name: &str| {
        let users = harness.litmos.state().users;
        users
            .iter()
            .any(|user| user.user_name == format!("{name}@corp.example"))
    };
    while !there(&harness, "other") {
        assert!(Instant::now() < deadline, "held back through {edits} edits");
        patched(
            &harness,
            &format!("/Users/{busy}"),
            json!({"title": format!("Title {edits}")}),
        )
        .await;
        edits += 1;
        if edits == 20 {
            made(&harness, "other").await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
