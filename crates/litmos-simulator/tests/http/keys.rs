//! Several API keys, each with the rights of the user whom it belongs to.

use std::time::Duration;

use litmos_simulator::{AccessLevel, KeyForm, Settings};
use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Litmos, litmos_with, user};

fn keyed() -> Settings {
    let keys = [
        "Administrator=admin-key",
        "Team_Leader=leader-key",
        "learner=learner-key",
    ];
    Settings {
        bulk_delay: Duration::ZERO,
        limit: 1000,
        other_keys: keys.iter().map(|key| key.parse::<KeyForm>().unwrap()).collect(),
        ..Settings::default()
    }
}

async fn ask(litmos: &Litmos, key: &str, method: Method, path: &str, body: &str) -> Answer {
    let joint = if path.contains('?') { '&' } else { '?' };
    let target = format!("/v1.svc{path}{joint}source=tests&format=json");
    let headers = [("apikey", key), ("content-type", "application/json")];
    litmos.exactly(method, &target, &headers, Some(body)).await
}

#[tokio::test]
async fn an_administrators_key_does_all_but_what_is_kept_for_owners() {
    let litmos = litmos_with(keyed()).await;
    let team = litmos.team("Nurses").await;
    let get = async |key: &str, path: &str| ask(&litmos, key, Method::GET, path, "").await.status;
    let range = "since=2024-01-01&to=2024-01-02";
    let owners = [
        "/users/details".to_owned(),
        format!("/org/users/details?{range}"),
        format!("/org/users/logins?{range}"),
        format!("/org/teams?{range}"),
    ];
    for path in &owners {
        assert_eq!(get("admin-key", path).await, 403, "{path}");
        assert_eq!(get(litmos.running.api_key(), path).await, 200, "{path}");
    }
    let courses = format!("/teams/{team}/courses");
    assert_eq!(
        ask(&litmos, "admin-key", Method::POST, &courses, "[]")
            .await
            .status,
        403
    );
    for path in ["/users", "/teams", "/bulkimports", "/courses"] {
        assert_eq!(get("admin-key", path).await, 200, "{path}");
        assert_eq!(get("learner-key", path).await, 403, "{path}");
        assert_eq!(get("no-key", path).await, 401, "{path}");
    }
    let created = ask(
        &litmos,
        "admin-key",
        Method::POST,
        "/users",
        &user("mira.lund").to_string(),
    )
    .await;
    assert_eq!(created.status, 201);
    let refused = ask(&litmos, "leader-key", Method::GET, "/users", "").await;
    assert_eq!(
        refused.detail(403),
        "You do not have the proper permissions for this call"
    );
}

#[tokio::test]
async fn a_leaders_key_imports_into_the_teams_that_its_owner_leads_and_nowhere_else() {
    let litmos = litmos_with(keyed()).await;
    let leader = litmos
        .running
        .state()
        .users
        .into_iter()
        .find(|user| user.access_level == AccessLevel::TeamLeader);
    let leader = leader.unwrap();
    assert!(leader.key_owner);
    let (led, other) = (litmos.team("Led").await, litmos.team("Other").await);
    litmos
        .post(&format!("/teams/{led}/users"), json!([{"Id": leader.id}]))
        .await;
    let promote = format!("/teams/{led}/leaders/{}", leader.id);
    assert_eq!(litmos.bare(Method::PUT, &promote).await.status, 200);
    let teams = litmos.running.state().teams;
    let code = |id: &str| teams.iter().find(|team| team.id.0 == id).unwrap().code.clone();
    let import = async |teams: serde_json::Value| {
        let mut row =
            json!({"Username": "noor.berg", "Email": "n@corp.example", "FirstName": "N", "LastName": "B"});
        row.as_object_mut()
            .unwrap()
            .extend(teams.as_object().unwrap().clone());
        ask(
            &litmos,
            "leader-key",
            Method::POST,
            "/bulkimports",
            &json!([row]).to_string(),
        )
        .await
        .status
    };
    assert_eq!(import(json!({})).await, 403, "into no team");
    assert_eq!(import(json!({"Team1": code(&other)})).await, 403);
    assert_eq!(
        import(json!({"Team1": code(&led), "Team2": code(&other)})).await,
        403
    );
    assert_eq!(import(json!({"Team1": code(&led)})).await, 200);
    assert_eq!(litmos.get("/users/noor.berg").await.status, 200);
}

#[tokio::test]
async fn only_owners_keys_work_in_the_mode_of_the_newest_overview() {
    let litmos = litmos_with(keyed()).await;
    litmos.running.set_mode("api-access", "owners").unwrap();
    ask(&litmos, "admin-key", Method::GET, "/users", "")
        .await
        .detail(403);
    assert_eq!(litmos.get("/users").await.status, 200);
}

#[tokio::test]
async fn a_key_loses_its_rights_with_its_owner() {
    let litmos = litmos_with(keyed()).await;
    let admin = litmos.running.state().users[1].clone();
    assert_eq!(admin.access_level, AccessLevel::Administrator);
    let set = async |change: serde_json::Value| {
        let record = crate::client::with(litmos.record(&admin.id.0).await, change);
        assert_eq!(
            litmos.put(&format!("/users/{}", admin.id), record).await.status,
            200
        );
        ask(&litmos, "admin-key", Method::GET, "/users", "").await.status
    };
    assert_eq!(set(json!({"AccessLevel": "Learner"})).await, 403);
    assert_eq!(set(json!({"AccessLevel": "Account_Owner"})).await, 200);
    assert_eq!(set(json!({"Active": false})).await, 401);
    assert_eq!(set(json!({"Active": true})).await, 200);
    litmos.delete(&format!("/users/{}", admin.id)).await;
    assert_eq!(
        ask(&litmos, "admin-key", Method::GET, "/users", "").await.status,
        401
    );
    assert_eq!(litmos.get("/users").await.status, 200, "the other key goes on");
}

#[tokio::test]
async fn all_keys_share_one_limit_unless_the_mode_gives_each_its_own() {
    let tight = || Settings { limit: 3, ..keyed() };
    let run = async |litmos: &Litmos| {
        let mut statuses = Vec::new();
        for key in [
            "admin-key",
            "admin-key",
            litmos.running.api_key(),
            litmos.running.api_key(),
            "no-key",
        ] {
            statuses.push(ask(litmos, key, Method::GET, "/users?limit=1", "").await.status);
        }
        statuses
    };
    let shared = litmos_with(tight()).await;
    assert_eq!(run(&shared).await, [200, 200, 200, 503, 401]);
    let report = shared.running.report();
    assert_eq!((report.most_in_window, report.within_limit), (4, false));

    let own = litmos_with(tight()).await;
    own.running.set_mode("limit-scope", "key").unwrap();
    assert_eq!(run(&own).await, [200, 200, 200, 200, 401]);
    let report = own.running.report();
    assert_eq!((report.most_in_window, report.within_limit), (2, true));
    let keys: std::collections::BTreeSet<_> = own.running.log().into_iter().map(|line| line.key).collect();
    assert_eq!(keys.len(), 3, "the log tells the keys apart");
}

#[tokio::test]
async fn a_bad_key_and_a_missing_source_are_401s_or_in_the_older_reading_403s() {
    let litmos = litmos_with(keyed()).await;
    for (mode, status) in [("401", 401), ("403", 403)] {
        litmos.running.set_mode("bad-key", mode).unwrap();
        ask(&litmos, "no-key", Method::GET, "/users", "")
            .await
            .detail(status);
        let headers = [("apikey", litmos.running.api_key())];
        let target = "/v1.svc/users?format=json";
        litmos
            .exactly(Method::GET, target, &headers, None)
            .await
            .detail(status);
    }
}

#[tokio::test]
async fn the_key_lies_in_the_header_or_where_a_mode_allows_it_in_the_query() {
    let litmos = litmos_with(keyed()).await;
    let target = format!("/v1.svc/users?APIKey={}&source=tests", litmos.running.api_key());
    assert_eq!(litmos.exactly(Method::GET, &target, &[], None).await.status, 401);
    litmos.running.set_mode("key-place", "query-too").unwrap();
    assert_eq!(litmos.exactly(Method::GET, &target, &[], None).await.status, 200);
    let header = [("apikey", "no-key")];
    assert_eq!(
        litmos.exactly(Method::GET, &target, &header, None).await.status,
        401,
        "the header goes first"
    );
    let line = litmos.running.log().pop().unwrap();
    assert!(!line.path.contains(litmos.running.api_key()), "{}", line.path);
}
