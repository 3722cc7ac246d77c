use std::collections::BTreeSet;

use futures_util::future::join_all;
use litmos_simulator::TeamState;
use rollcall_tests::{Harness, roster_csv, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, harness_of, made, patched, quick, until};

async fn empty_house() -> Harness {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.up(&[]).await;
    harness
}

fn team(harness: &Harness, name: &str) -> TeamState {
    let mut teams = harness.litmos.state().teams.into_iter();
    let found = teams.find(|team| team.name == name);
    found.unwrap_or_else(|| panic!("there is no team {name}"))
}

fn change(op: &str, person: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": op, "path": "members", "value": [{"value": person}]}]})
}

async fn grouped(harness: &Harness, name: &str, members: &[&str]) -> String {
    let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"displayName": name, "members": members});
    let (status, made) = harness.scim("POST", "/Groups", Some(&group)).await;
    assert_eq!(status, 201, "{made}");
    format!("/Groups/{}", made["id"].as_str().unwrap())
}

/// Complaint 8: changes of one group at the same time overwrite one another, and members are lost.
#[tokio::test(flavor = "multi_thread")]
async fn members_added_and_removed_at_the_same_time_are_all_heard() {
    let harness = empty_house().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(made(&harness, &format!("p{n}")).await);
    }
    let (staying, leaving) = ids.split_at(40);
    let before: Vec<&str> = leaving.iter().map(String::as_str).collect();
    let group = grouped(&harness, "Sales", &before).await;
    let changes: Vec<Value> = staying
        .iter()
        .map(|id| change("add", id))
        .chain(leaving.iter().map(|id| change("remove", id)))
        .collect();
    let answers = join_all(
        changes
            .iter()
            .map(|change| harness.scim("PATCH", &group, Some(change))),
    )
    .await;
    assert!(answers.iter().all(|(status, _)| *status == 204), "{answers:#?}");

    let (_, shown) = harness.scim("GET", &group, None).await;
    let members = shown["members"].as_array().unwrap().iter();
    let members: BTreeSet<&str> = members.map(|member| member["value"].as_str().unwrap()).collect();
    assert_eq!(members, staying.iter().map(String::as_str).collect());
    harness.settled(60).await;
    let wanted: BTreeSet<_> = (0..40).map(|n| account(&harness, &format!("p{n}")).id).collect();
    assert_eq!(
        team(&harness, "Sales")
            .members
            .into_iter()
            .collect::<BTreeSet<_>>(),
        wanted
    );
}

/// Complaint 9: one more member sends or returns all the others as well.
#[tokio::test(flavor = "multi_thread")]
async fn one_more_member_of_three_hundred_costs_one_request_and_no_list() {
    let harness = harness_of("", 300, &roster_csv(300, 1)).await;
    let id = made(&harness, "mira").await;
    harness.settled(301).await;
    let (_, found) = harness
        .scim(
            "GET",
            "/Groups?filter=displayName%20eq%20%22Group%200%22&excludedAttributes=members",
            None,
        )
        .await;
    let found = &found["Resources"][0];
    assert_eq!(
        found["members"],
        Value::Null,
        "a look at the group need not carry them: {found}"
    );
    let group = format!("/Groups/{}", found["id"].as_str().unwrap());
    let spent = harness.litmos.log().len();
    let (status, answer) = harness.scim("PATCH", &group, Some(&change("add", &id))).await;
    assert_eq!((status, answer), (204, Value::Null));
    let mira = account(&harness, "mira").id;
    until(&harness, "the new member", |harness| {
        team(harness, "Group 0").members.contains(&mira)
    })
    .await;
    harness.settled(301).await;
    let team = team(&harness, "Group 0");
    let sent: Vec<String> = harness.litmos.log()[spent..]
        .iter()
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect();
    assert_eq!(team.members.len(), 301);
    assert!(
        matches!(sent.as_slice(), [one] if one.starts_with("POST ") && one.contains(&format!("/teams/{}/users", team.id))),
        "{sent:#?}"
    );
}

/// Complaint 18: with the same group for assignment and push, people who leave stay, or people who come are missing.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_group_for_assignment_and_push_ends_alike_whichever_is_heard_first() {
    let harness = empty_house().await;
    // Assigned a moment ago: nobody has an account yet, and the group is pushed already.
    let mut ids = Vec::new();
    for name in ["removed-first", "cut-off-first", "deleted", "stays"] {
        ids.push(made(&harness, name).await);
    }
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = grouped(&harness, "Sales", &members).await;
    harness.settled(4).await;
    assert_eq!(
        team(&harness, "Sales").members.len(),
        4,
        "the push came too early for nobody"
    );

    let removed = async |id: &str| {
        let (status, answer) = harness.scim("PATCH", &group, Some(&change("remove", id))).await;
        assert_eq!(status, 204, "{answer}");
        harness.settled(3).await;
    };
    let cut_off = async |id: &str| {
        patched(&harness, &format!("/Users/{id}"), json!({"active": false})).await;
        harness.settled(3).await;
    };
    removed(&ids[0]).await;
    cut_off(&ids[0]).await;
    cut_off(&ids[1]).await;
    removed(&ids[1]).await;
    assert_eq!(
        harness
            .scim("DELETE", &format!("/Users/{}", ids[2]), None)
            .await
            .0,
        204
    );
    removed(&ids[2]).await;
    harness.settled(3).await;
    for name in ["removed-first", "cut-off-first", "deleted"] {
        let gone = account(&harness, name);
        assert!(!gone.active && gone.teams.is_empty(), "{gone:?}");
    }
    let stays = account(&harness, "stays");
    assert!(stays.active, "{stays:?}");
    assert_eq!(team(&harness, "Sales").members, [stays.id]);

    // And back, the group first: one who is to be in a team before being let in again.
    assert_eq!(
        harness
            .scim("PATCH", &group, Some(&change("add", &ids[0])))
            .await
            .0,
        204
    );
    patched(&harness, &format!("/Users/{}", ids[0]), json!({"active": true})).await;
    harness.settled(3).await;
    let back = account(&harness, "removed-first");
    assert!(
        back.active && back.teams == [team(&harness, "Sales").id],
        "{back:?}"
    );
}

/// Complaint 28: a member or manager who is not there yet at the time of the push is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_or_a_manager_who_comes_later_is_put_in_later() {
    let harness = empty_house().await;
    let mut report = user("report");
    report["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] =
        json!({"manager": {"value": "00u-boss"}});
    let (status, answer) = harness.scim("POST", "/Users", Some(&report)).await;
    assert_eq!(status, 201, "{answer}");
    // Without a last name Litmos makes no account, so this one is a member of a team in the roster only.
    let mut nameless = user("nameless");
    nameless["name"] = json!({"givenName": "Nameless"});
    let (status, answer) = harness.scim("POST", "/Users", Some(&nameless)).await;
    assert_eq!(status, 201, "{answer}");
    let nameless = answer["id"].as_str().unwrap().to_owned();
    grouped(&harness, "Sales", &[nameless.as_str()]).await;
    harness.settled(2).await;
    assert_eq!(account(&harness, "report").manager_id, None);
    assert_eq!(team(&harness, "Sales").members, []);

    // Whom nobody has ever heard of is named, and not dropped in silence.
    let group = json!({"displayName": "Nobody's", "members": [{"value": "not-yet"}]});
    let (status, refused) = harness.scim("POST", "/Groups", Some(&group)).await;
    assert_eq!(status, 400);
    assert!(
        refused["detail"].as_str().unwrap().contains("not-yet"),
        "{refused}"
    );

    made(&harness, "boss").await;
    patched(
        &harness,
        &format!("/Users/{nameless}"),
        json!({"name": {"familyName": "Named"}}),
    )
    .await;
    harness.settled(3).await;
    assert_eq!(
        account(&harness, "report").manager_id,
        Some(account(&harness, "boss").id)
    );
    assert_eq!(
        team(&harness, "Sales").members,
        [account(&harness, "nameless").id]
    );
}
