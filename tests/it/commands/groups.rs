use rollcall_tests::{Harness, roster_csv};
use serde_json::json;

use super::{ends, harness_of, load, output, until};

fn members(harness: &Harness, team: &str) -> usize {
    let teams = harness.litmos.state().teams;
    teams
        .iter()
        .find(|there| there.name == team)
        .unwrap()
        .members
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_paused_resumed_and_pushed() {
    let harness = harness_of("", 6, &roster_csv(6, 1)).await;
    let groups = output(&harness, 0, &["groups"]).await["groups"].take();
    assert_eq!(
        (
            &groups[0]["push"],
            &groups[0]["members_wanted"],
            &groups[0]["members_there"]
        ),
        (&json!("active"), &json!(6), &json!(6))
    );

    assert!(
        ends(&harness, 0, &["groups", "pause", "group 0"])
            .await
            .contains("nothing more is sent")
    );
    load(&harness, &roster_csv(8, 1)).await;
    until(&harness, "the newcomers", |harness| {
        harness.litmos.state().users.len() == 9
    })
    .await;
    harness.settled(8).await;
    assert_eq!(
        members(&harness, "Group 0"),
        6,
        "nothing is sent about members of a paused group"
    );
    assert!(
        ends(&harness, 3, &["status"])
            .await
            .contains("PAUSED 1 group: Group 0")
    );
    let printed = ends(&harness, 0, &["groups"]).await;
    assert!(
        printed.contains("paused") && printed.contains("6 of 8 members there"),
        "{printed}"
    );
    ends(&harness, 0, &["groups", "resume", "Group 0", "--wait"]).await;
    assert_eq!(members(&harness, "Group 0"), 8);

    // Somebody added by hand is left alone, until the group is pushed.
    let stranger = json!({"UserName": "stranger@corp.example", "FirstName": "S", "LastName": "T", "Email": "s@corp.example"});
    harness.litmos.put_users(&[stranger]).unwrap();
    harness
        .litmos
        .put_teams(&[json!({"Name": "Group 0", "Members": ["stranger@corp.example"]})])
        .unwrap();
    ends(&harness, 0, &["import"]).await;
    harness.settled(8).await;
    assert_eq!(
        output(&harness, 0, &["links", "--groups"]).await["groups"][0]["others_there"],
        1
    );
    assert_eq!(members(&harness, "Group 0"), 9);
    ends(&harness, 0, &["groups", "push", "Group 0", "--wait"]).await;
    assert_eq!(members(&harness, "Group 0"), 8);
    let unknown = ends(&harness, 1, &["groups", "push", "Nowhere"]).await;
    assert!(
        unknown.contains("no group with the id or name \"Nowhere\""),
        "{unknown}"
    );
    ends(&harness, 2, &["groups", "push"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_an_empty_group_empties_its_team_through_the_safeguard() {
    let harness = harness_of("", 2, &roster_csv(2, 1)).await;
    let by_hand = |n: usize| json!({"UserName": format!("by-hand-{n}@corp.example"), "FirstName": "B", "LastName": "H", "Email": "b@corp.example"});
    let people: Vec<_> = (0..40).map(by_hand).collect();
    harness.litmos.put_users(&people).unwrap();
    let names: Vec<_> = people.iter().map(|person| person["UserName"].clone()).collect();
    harness
        .litmos
        .put_teams(&[json!({"Name": "Empty", "Members": names})])
        .unwrap();
    ends(&harness, 0, &["import"]).await;
    assert_eq!(
        harness
            .scim("POST", "/Groups", Some(&json!({"displayName": "Empty"})))
            .await
            .0,
        201
    );
    harness.settled(2).await;
    assert_eq!(
        members(&harness, "Empty"),
        40,
        "a new group takes its team as it is"
    );

    let held = ends(&harness, 3, &["groups", "push", "Empty", "--wait"]).await;
    assert!(held.contains("HELD 40 team memberships would end"), "{held}");
    assert_eq!(members(&harness, "Empty"), 40);
    let plan = output(&harness, 3, &["plan"]).await;
    ends(
        &harness,
        0,
        &["approve", plan["held"]["hash"].as_str().unwrap(), "--wait"],
    )
    .await;
    assert_eq!(members(&harness, "Empty"), 0);
    let groups = output(&harness, 0, &["groups"]).await["groups"].take();
    assert_eq!(
        (&groups[0]["name"], &groups[0]["push_now"]),
        (&json!("Empty"), &json!(false))
    );
}
