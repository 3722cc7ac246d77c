use litmos_simulator::UserId;
use reqwest::Method;
use serde_json::json;

use crate::client::{Litmos, litmos, litmos_in_mode, team, user, with};

#[tokio::test]
async fn a_team_comes_back_with_its_id_and_its_code() {
    let litmos = litmos().await;
    let answer = litmos
        .post(
            "/teams",
            with(team("Field Sales' EMEA"), json!({"Description": "All of it"})),
        )
        .await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert_eq!(
        (made["Description"].as_str(), made["ParentTeamId"].as_str()),
        (Some("All of it"), Some(""))
    );
    let code = made["TeamCodeForBulkImport"].as_str().unwrap();
    assert!(
        code.ends_with("-FieldSalesEMEA") && code.starts_with("20410"),
        "{code}"
    );
    assert_eq!(litmos.get(&format!("/teams/{}", answer.id())).await.json(), made);
    let item = &litmos.get("/teams").await.items()[0];
    assert_eq!(
        item.as_object().unwrap().len(),
        4,
        "list items lack the description"
    );
}

#[tokio::test]
async fn a_team_name_is_taken_or_reusable_as_the_mode_says() {
    let litmos = litmos().await;
    litmos.team("Nurses").await;
    assert_eq!(
        litmos.post("/teams", team("nurses")).await.detail(409),
        "Team name already exists"
    );
    litmos.running.set_mode("team-name", "reusable").unwrap();
    litmos.team("nurses").await;
    litmos.post("/teams", team(" ")).await.detail(409);
    litmos.post("/teams", team(&"x".repeat(101))).await.detail(409);
}

#[tokio::test]
async fn sub_teams_are_listed_at_all_depths_and_move_up_when_their_parent_goes() {
    let litmos = litmos().await;
    let root = litmos.team("Root").await;
    let child = litmos.post(&format!("/teams/{root}/teams"), team("Child")).await;
    assert_eq!(
        (child.status, child.json()["ParentTeamId"].as_str()),
        (201, Some(root.as_str()))
    );
    litmos
        .post(
            "/teams",
            with(team("Grandchild"), json!({"ParentTeamId": child.id()})),
        )
        .await;
    assert_eq!(
        litmos.get(&format!("/teams/{root}/teams")).await.column("Name"),
        ["Child", "Grandchild"]
    );
    assert_eq!(litmos.delete(&format!("/teams/{root}")).await.status, 200);
    assert_eq!(
        litmos.get(&format!("/teams/{}", child.id())).await.json()["ParentTeamId"],
        ""
    );
    litmos.get(&format!("/teams/{root}")).await.detail(404);
}

#[tokio::test]
async fn renaming_a_team_renews_its_code_or_not_as_the_mode_says() {
    for (mode, ending) in [("team-code=follows-name", "-New"), ("team-code=fixed", "-Old")] {
        let litmos = litmos_in_mode(&[mode]).await;
        let id = litmos.team("Old").await;
        let answer = litmos
            .put(&format!("/teams/{id}"), json!({"Id": id, "Name": "New"}))
            .await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        let renamed = litmos.get(&format!("/teams/{id}")).await.json();
        assert_eq!(renamed["Name"], "New");
        assert!(
            renamed["TeamCodeForBulkImport"]
                .as_str()
                .unwrap()
                .ends_with(ending)
        );
        litmos
            .put(&format!("/teams/{id}"), json!({"Id": "another", "Name": "New"}))
            .await
            .detail(404);
    }
}

#[tokio::test]
async fn a_litmos_may_lack_the_calls_that_change_and_delete_teams() {
    for (mode, status) in [("team-writes=405", 405), ("team-writes=404", 404)] {
        let litmos = litmos_in_mode(&[mode]).await;
        let path = format!("/teams/{}", litmos.team("Nurses").await);
        let body = json!({"Id": litmos.get(&path).await.id(), "Name": "Carers"});
        for answer in [litmos.put(&path, body).await, litmos.delete(&path).await] {
            assert_eq!(
                (answer.status, answer.content_type.as_str()),
                (status, "text/html")
            );
        }
        assert_eq!(litmos.get(&path).await.json()["Name"], "Nurses");
    }
}

async fn nurses(litmos: &Litmos) -> (String, String, String) {
    let team = litmos.team("Nurses").await;
    let (mira, noor) = (litmos.user("mira.lund").await, litmos.user("noor.berg").await);
    let body = json!([{"Id": mira, "UserName": "ignored"}, {"Id": "nobody"}, {"Id": noor}, {"Id": mira}]);
    let answer = litmos.post(&format!("/teams/{team}/users"), body).await;
    assert_eq!((answer.status, answer.text.as_str()), (201, ""));
    (team, mira, noor)
}

#[tokio::test]
async fn adding_members_passes_over_unknown_and_present_ones_in_silence() {
    let litmos = litmos().await;
    let (team, mira, noor) = nurses(&litmos).await;
    assert_eq!(
        litmos.get(&format!("/teams/{team}/users")).await.column("Id"),
        [mira.clone(), noor]
    );
    assert_eq!(litmos.running.log().last().unwrap().effect, None);
    let added = litmos.running.log().iter().rev().nth(1).unwrap().effect.clone();
    assert_eq!(added.unwrap(), format!("member.added team={team} n=2"));
    let again = litmos
        .post(&format!("/teams/{team}/users"), json!({"User": [{"Id": mira}]}))
        .await;
    assert_eq!(again.status, 201, "a wrapped list is taken too");
    litmos
        .post(&format!("/teams/{team}/users"), json!([]))
        .await
        .detail(404);
    litmos
        .post("/teams/nowhere/users", json!([{"Id": mira}]))
        .await
        .detail(404);
}

#[tokio::test]
async fn a_deactivated_member_looks_removed_but_comes_back() {
    let litmos = litmos_in_mode(&["put=merge"]).await;
    let (team, mira, noor) = nurses(&litmos).await;
    let active = |active: bool| json!({"Id": mira, "Active": active});
    litmos.put(&format!("/users/{mira}"), active(false)).await;
    assert_eq!(
        litmos.get(&format!("/teams/{team}/users")).await.column("Id"),
        [noor.as_str()]
    );
    assert_eq!(
        litmos.get(&format!("/users/{mira}/teams")).await.column("Id"),
        [team.as_str()]
    );
    litmos.put(&format!("/users/{mira}"), active(true)).await;
    assert_eq!(litmos.get(&format!("/teams/{team}/users")).await.items().len(), 2);

    litmos.running.set_mode("deactivate", "leave-teams").unwrap();
    litmos.put(&format!("/users/{mira}"), active(false)).await;
    litmos.put(&format!("/users/{mira}"), active(true)).await;
    assert_eq!(
        litmos.get(&format!("/teams/{team}/users")).await.column("Id"),
        [noor]
    );
    let effects: Vec<String> = litmos
        .running
        .log()
        .iter()
        .filter_map(|line| line.effect.clone())
        .collect();
    assert!(
        effects.contains(&format!("user.deactivated id={mira}")),
        "{effects:?}"
    );
    assert!(
        effects.contains(&format!("user.reactivated id={mira}")),
        "{effects:?}"
    );
}

#[tokio::test]
async fn a_member_is_removed_one_at_a_time_or_leaves_all_teams_at_once() {
    let litmos = litmos().await;
    let (team, mira, noor) = nurses(&litmos).await;
    let path = format!("/teams/{team}/users/{mira}");
    assert_eq!(litmos.delete(&path).await.status, 200);
    assert_eq!(
        litmos.delete(&path).await.detail(404),
        "User is not a member of the team"
    );
    litmos.running.set_mode("absent-member", "200").unwrap();
    assert_eq!(litmos.delete(&path).await.status, 200);
    litmos
        .delete(&format!("/teams/{team}/users/nobody"))
        .await
        .detail(404);
    assert_eq!(litmos.delete(&format!("/users/{noor}/teams")).await.status, 200);
    assert_eq!(litmos.get(&format!("/teams/{team}/users")).await.text, "[]");
}

#[tokio::test]
async fn a_user_joins_at_most_25_teams_at_once_and_all_or_none() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let mut teams = Vec::new();
    for number in 0..26 {
        teams.push(json!({"Id": litmos.team(&format!("Team {number}")).await}));
    }
    let path = format!("/users/{id}/teams");
    litmos.post(&path, json!(teams)).await.detail(404);
    litmos
        .post(&path, json!([teams[0], {"Id": "nowhere"}]))
        .await
        .detail(404);
    assert_eq!(litmos.get(&path).await.text, "[]");
    assert_eq!(litmos.post(&path, json!(teams[..25])).await.status, 200);
    litmos.post(&path, json!([teams[25], teams[0]])).await.detail(409);
    assert_eq!(litmos.get(&path).await.items().len(), 25);
}

#[tokio::test]
async fn only_members_are_promoted_and_demotion_keeps_the_membership() {
    let litmos = litmos().await;
    let (team, mira, _) = nurses(&litmos).await;
    let stranger = litmos.user("ada.weber").await;
    for role in ["leaders", "admins"] {
        let of = |user: &str| format!("/teams/{team}/{role}/{user}");
        litmos.bare(Method::PUT, &of(&stranger)).await.detail(404);
        let promoted = litmos.bare(Method::PUT, &of(&mira)).await;
        assert_eq!((promoted.status, promoted.text.as_str()), (200, ""));
        assert_eq!(
            litmos.get(&format!("/teams/{team}/{role}")).await.column("Id"),
            [mira.as_str()]
        );
        litmos.bare(Method::PUT, &of(&mira)).await;
        let state = &litmos.running.state().teams[0];
        let ids = |held: &[UserId]| held.iter().map(ToString::to_string).collect::<Vec<_>>();
        let holders = [ids(&state.leaders), ids(&state.admins)];
        let (held, none) = (vec![mira.clone()], Vec::new());
        assert_eq!(
            holders,
            if role == "leaders" {
                [held, none]
            } else {
                [none, held]
            }
        );
        assert_eq!(litmos.delete(&of(&mira)).await.status, 200);
        assert_eq!(litmos.delete(&of(&mira)).await.status, 200);
        litmos.delete(&of(&stranger)).await.detail(404);
        assert_eq!(litmos.get(&format!("/teams/{team}/{role}")).await.text, "[]");
    }
    let output = litmos.effects();
    let role_of = |done: &str, role: &str| format!("member.{done} team={team} id={mira} role={role}");
    assert_eq!(
        output[output.len() - 8..],
        [
            role_of("promoted", "leader"),
            "nothing".to_owned(),
            role_of("demoted", "leader"),
            "nothing".to_owned(),
            role_of("promoted", "admin"),
            "nothing".to_owned(),
            role_of("demoted", "admin"),
            "nothing".to_owned(),
        ]
    );
    assert_eq!(litmos.get(&format!("/teams/{team}/users")).await.items().len(), 2);
}

#[tokio::test]
async fn deleting_a_team_or_a_user_leaves_no_membership_behind() {
    let litmos = litmos().await;
    let (team, mira, noor) = nurses(&litmos).await;
    litmos.delete(&format!("/users/{noor}")).await;
    assert_eq!(
        litmos.get(&format!("/teams/{team}/users")).await.column("Id"),
        [mira.as_str()]
    );
    litmos.delete(&format!("/teams/{team}")).await;
    assert_eq!(litmos.get(&format!("/users/{mira}/teams")).await.text, "[]");
    let refused = litmos.post("/users", user("mira.lund")).await;
    assert_eq!(refused.status, 409, "the users themselves stay");
}
