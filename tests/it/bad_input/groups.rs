//! Groups that contain themselves, and team names that exist twice.

use litmos_simulator::Settings;
use rollcall_tests::Harness;
use serde_json::json;

use super::{
    LITMOS_GROUP, QUICK, group, is_said_everywhere, members, open, patch, quick, refused, rests, team,
    the_parked, writes,
};
use crate::commands::{account, ends, made, output, until};

/// A group that is a member of itself: a team holds people only, so the request is refused with what to send instead,
/// and the people in the group stay as they were. Sent as a nested group, as some providers mark it, it is passed over
/// and the people beside it are taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_a_member_of_itself_is_told_that_teams_hold_people() {
    let harness = super::harness_before(&[]).await;
    let (mira, zoe) = (made(&harness, "mira").await, made(&harness, "zoe").await);
    let sales = group(&harness, "Sales", &[&mira]).await;
    let path = format!("/Groups/{sales}");
    let itself = patch("add", "members", json!([{"value": sales}, {"value": zoe}]));
    let (scim_type, detail) = refused(&harness, 400, "PATCH", &path, &itself).await;
    assert_eq!(scim_type, "invalidValue");
    assert!(
        detail.contains(&sales) && detail.contains("is a group, and Litmos teams hold people only"),
        "{detail}"
    );
    harness.settled(2).await;
    assert_eq!(
        members(&harness, "Sales"),
        ["mira@corp.example"],
        "all of it or nothing"
    );

    let marked = patch(
        "add",
        "members",
        json!([{"value": sales, "type": "Group"}, {"value": zoe}]),
    );
    assert_eq!(harness.scim("PATCH", &path, Some(&marked)).await.0, 204);
    until(&harness, "the person beside it", |harness| {
        members(harness, "Sales").len() == 2
    })
    .await;
    harness.settled(2).await;
    let (_, shown) = harness.scim("GET", &path, None).await;
    assert_eq!(
        shown["members"].as_array().unwrap().len(),
        2,
        "and no group: {shown}"
    );
    assert_eq!(harness.litmos.state().teams.len(), 1);
    rests(&harness, 2).await;
}

/// A group that lies under itself, directly or through another: no such team can be made, so none is, the groups of the
/// circle are named, and other groups go their way. Taken out of the circle at the source, they are made.
#[tokio::test(flavor = "multi_thread")]
async fn groups_that_lie_under_themselves_are_named_and_made_once_they_do_not() {
    let harness = super::harness_before(&[]).await;
    let mira = made(&harness, "mira").await;
    let mut ids = Vec::new();
    for (name, parent) in [("Ring", "Ring"), ("North", "South"), ("South", "North")] {
        let body =
            json!({"displayName": name, "members": [{"value": mira}], LITMOS_GROUP: {"parent": parent}});
        let (status, answer) = harness.scim("POST", "/Groups", Some(&body)).await;
        assert_eq!(status, 201, "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    group(&harness, "Good", &[&mira]).await;
    harness.settled(1).await;
    assert_eq!(members(&harness, "Good"), ["mira@corp.example"]);
    assert_eq!(
        harness.litmos.state().teams.len(),
        1,
        "{:#?}",
        harness.litmos.state().teams
    );
    let parked = output(&harness, 3, &["parked"]).await;
    assert_eq!(parked["total"], 3, "{parked:#}");
    for item in parked["items"].as_array().unwrap() {
        assert_eq!(
            (&item["code"], &item["attribute"], &item["remedy"]),
            (
                &json!("parent-circle"),
                &json!("ParentTeamId"),
                &json!("Take one of the groups out of the circle at the source.")
            )
        );
    }
    is_said_everywhere(
        &harness,
        &[
            "\"Ring\" lies under itself",
            "\"North\" lies under itself",
            "\"South\" lies under itself",
        ],
    )
    .await;
    rests(&harness, 1).await;

    for id in [&ids[0], &ids[1]] {
        let out = patch("replace", &format!("{LITMOS_GROUP}:parent"), json!(null));
        assert_eq!(
            harness
                .scim("PATCH", &format!("/Groups/{id}"), Some(&out))
                .await
                .0,
            204
        );
    }
    until(&harness, "the three teams", |harness| {
        harness.litmos.state().teams.len() == 4
    })
    .await;
    harness.settled(1).await;
    // South still names North in its wish, which lies under nothing now.
    assert_eq!(
        team(&harness, "South").parent_id,
        Some(team(&harness, "North").id)
    );
    for name in ["Ring", "North", "South"] {
        assert_eq!(members(&harness, name), ["mira@corp.example"]);
    }
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
}

/// A team name that exists twice in Litmos: to pick one of them would put people into courses of strangers, so neither is
/// touched until somebody says which; renamed or deleted in Litmos and imported again, the other is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_name_that_exists_twice_is_asked_about_and_neither_is_touched() {
    let mut settings = Settings { ..quick() };
    settings.modes.set("team-name", "reusable").unwrap();
    let mut harness = Harness::new(settings, QUICK).await;
    for description in ["one", "another"] {
        by_hand(&harness, description).await;
    }
    open(&mut harness).await;
    let sent = writes(&harness).len();
    let mira = made(&harness, "mira").await;
    let ops = group(&harness, "Ops", &[&mira]).await;
    group(&harness, "Good", &[&mira]).await;
    harness.settled(1).await;
    assert_eq!(members(&harness, "Good"), ["mira@corp.example"]);
    let teams = harness.litmos.state().teams;
    let twins: Vec<_> = teams.iter().filter(|team| team.name == "Ops").collect();
    assert!(
        twins.len() == 2 && twins.iter().all(|team| team.members.is_empty()),
        "{twins:#?}"
    );
    let [code, attribute, message, remedy] = the_parked(&harness).await;
    assert_eq!(
        (code.as_str(), attribute.as_str(), message.as_str()),
        (
            "team-name-ambiguous",
            "Name",
            "2 teams in Litmos are called \"Ops\""
        )
    );
    assert!(remedy.contains("Litmos"), "{remedy}");
    is_said_everywhere(
        &harness,
        &[&format!("group Ops ({ops}): team-name-ambiguous"), &remedy],
    )
    .await;
    let story = ends(&harness, 0, &["explain", "mira@corp.example"]).await;
    assert!(story.contains("Ops (not in its team yet)"), "{story}");
    let log = writes(&harness);
    let about = log[sent..]
        .iter()
        .filter(|write| twins.iter().any(|team| write.contains(&team.id.0)));
    assert_eq!(about.count(), 0, "{log:#?}");
    rests(&harness, 1).await;

    let (kept, gone) = (twins[0].id.clone(), twins[1].id.clone());
    harness.litmos.delete(&format!("teams/{}", gone.0)).unwrap();
    ends(&harness, 0, &["import"]).await;
    ends(&harness, 0, &["retry", "--group", &ops, "--wait"]).await;
    until(&harness, "the member", |harness| {
        members(harness, "Ops") == ["mira@corp.example"]
    })
    .await;
    assert_eq!(
        team(&harness, "Ops").id,
        kept,
        "the one that is left, and no third"
    );
    assert_eq!(account(&harness, "mira").teams.len(), 2);
    harness.settled(1).await;
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
}

/// A team made by somebody else through the API, whatever others are called.
async fn by_hand(harness: &Harness, description: &str) {
    let url = format!(
        "{}/v1.svc/teams?source=by-hand&format=json",
        harness.litmos.base_url()
    );
    let body = json!({"Id": "", "Name": "Ops", "Description": description, "ParentTeamId": ""});
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url);
    let request = request
        .header("apikey", harness.litmos.api_key())
        .header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
}
