use serde_json::json;

use crate::client::{litmos, litmos_in_mode, with};

/// A range of a few days around now; `to` lies in the future, as it must to show today.
fn around_now() -> String {
    let now = jiff::Timestamp::now();
    let day = std::time::Duration::from_secs(24 * 3600);
    let text = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%d%%20%H:%M:%S").to_string();
    format!("since={}&to={}", text(now - 2 * day), text(now + day))
}

#[tokio::test]
async fn a_range_needs_both_ends_and_at_most_seven_days() {
    let litmos = litmos().await;
    for list in ["/org/users/details", "/org/teams", "/org/teams/users"] {
        for query in [
            "",
            "since=2024-01-01",
            "since=2024-01-01&to=soon",
            "since=2024-01-01&to=2024-01-08%2000:00:01",
            "since=2024-01-02&to=2024-01-01",
        ] {
            litmos.get(&format!("{list}?{query}")).await.detail(406);
        }
        assert_eq!(
            litmos
                .get(&format!("{list}?since=2024-01-01&to=2024-01-08"))
                .await
                .text,
            "[]"
        );
        assert_eq!(
            litmos
                .get(&format!("{list}?since=2024-01-01T00:00:00&to=2024-01-08"))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn changed_users_show_without_their_login_key() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let items = litmos
        .get(&format!("/org/users/details?{}", around_now()))
        .await
        .items();
    let mira = items.iter().find(|item| item["Id"] == json!(id)).unwrap();
    assert!(mira["OriginalUserId"].is_i64() && mira["UpdatedBy"].is_i64());
    assert!(!mira["LoginKey"].as_str().unwrap().contains("key="));
    for missing in ["Password", "SkipFirstLogin", "Points", "OriginalId"] {
        assert!(mira.get(missing).is_none(), "{missing}");
    }
    assert!(!mira["UpdatedDate"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn the_range_modes_change_the_ids_name_and_the_dates() {
    let litmos = litmos_in_mode(&["details-id=OriginalId", "range-dates=wcf"]).await;
    let items = litmos
        .get(&format!("/org/users/details?{}", around_now()))
        .await
        .items();
    assert!(items[0]["OriginalId"].is_i64());
    let date = items[0]["UpdatedDate"].as_str().unwrap();
    assert!(date.starts_with("/Date(") && date.ends_with("+0000)/"), "{date}");
}

#[tokio::test]
async fn memberships_show_their_end_as_inactive_and_teams_their_code() {
    let litmos = litmos().await;
    let (team, id) = (litmos.team("Nurses").await, litmos.user("mira.lund").await);
    litmos
        .post(&format!("/teams/{team}/users"), json!([{"Id": id}]))
        .await;
    litmos
        .bare(reqwest::Method::PUT, &format!("/teams/{team}/leaders/{id}"))
        .await;
    let memberships = async || {
        litmos
            .get(&format!("/org/teams/users?{}", around_now()))
            .await
            .items()
    };
    let joined = &memberships().await[0];
    assert_eq!(
        (joined["TeamId"].as_str(), joined["Id"].as_str()),
        (Some(team.as_str()), Some(id.as_str()))
    );
    assert_eq!(
        (&joined["Active"], &joined["IsTeamLeader"], &joined["IsTeamAdmin"]),
        (&json!(true), &json!(true), &json!(false))
    );
    litmos.delete(&format!("/teams/{team}/users/{id}")).await;
    assert_eq!(memberships().await[0]["Active"], false);
    let teams = litmos.get(&format!("/org/teams?{}", around_now())).await.items();
    assert!(
        teams[0]["TeamCodeForBulkImport"]
            .as_str()
            .unwrap()
            .ends_with("-Nurses")
    );
}

#[tokio::test]
async fn a_deletion_shows_in_no_range() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let record = litmos.record(&id).await;
    litmos
        .put(&format!("/users/{id}"), with(record, json!({"City": "Lyon"})))
        .await;
    let changed = async || {
        litmos
            .get(&format!("/org/users/details?{}", around_now()))
            .await
            .items()
            .len()
    };
    assert_eq!(changed().await, 2);
    litmos.delete(&format!("/users/{id}")).await;
    assert_eq!(changed().await, 1);
}
