use litmos_simulator::{Report, Settings, Snapshot, read_log};
use serde_json::{Value, json};

use crate::client::{Answer, Litmos, litmos, litmos_with, user, with};

async fn ask(litmos: &Litmos, name: &str) -> Answer {
    let request = litmos
        .http
        .get(format!("{}/_sim/{name}", litmos.running.base_url()));
    litmos.send_raw(request).await.unwrap()
}

async fn tell(litmos: &Litmos, name: &str, body: Value) -> Answer {
    let request = litmos
        .http
        .post(format!("{}/_sim/{name}", litmos.running.base_url()))
        .json(&body);
    litmos.send_raw(request).await.unwrap()
}

#[tokio::test]
async fn the_state_is_told_in_full_without_secrets_and_without_a_trace() {
    let litmos = litmos().await;
    let users = json!([
        with(user("mira.lund"), json!({"City": "Lyon"})),
        user("noor.berg")
    ]);
    assert_eq!(tell(&litmos, "users", users).await.json(), json!({"put": 2}));
    let teams = json!([{"Name": "Nurses", "Members": ["mira.lund"], "Leaders": ["noor.berg"]}]);
    assert_eq!(tell(&litmos, "teams", teams).await.json(), json!({"put": 1}));
    let answer = ask(&litmos, "state").await;
    assert!(!answer.text.contains("key="), "no login key");
    let state: Snapshot = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(state, litmos.running.state());
    let [owner, mira, noor] = &state.users[..] else {
        panic!("three users")
    };
    assert!(owner.key_owner && !mira.key_owner);
    assert_eq!(mira.attributes["City"], "Lyon");
    assert_eq!(state.teams[0].members, [mira.id.clone(), noor.id.clone()]);
    assert_eq!(state.teams[0].leaders, std::slice::from_ref(&noor.id));
    assert!(litmos.running.log().is_empty());
    assert_eq!(litmos.running.report().requests, 0);
}

#[tokio::test]
async fn putting_a_known_user_changes_it_and_a_bad_one_is_named() {
    let litmos = litmos().await;
    tell(&litmos, "users", json!([user("mira.lund")])).await;
    tell(
        &litmos,
        "users",
        json!([{"UserName": "MIRA.LUND", "City": "Porto"}]),
    )
    .await;
    assert_eq!(litmos.running.state().users[1].attributes["City"], "Porto");
    let bad = tell(&litmos, "users", json!([user("noor.berg"), user("a")])).await;
    assert_eq!(bad.status, 400);
    assert!(bad.text.contains("item 1"), "{}", bad.text);
}

#[tokio::test]
async fn modes_and_faults_are_set_all_or_none() {
    let litmos = litmos().await;
    assert_eq!(
        tell(&litmos, "modes", json!({"put": "merge", "list": "wrapped"}))
            .await
            .json()["put"],
        "merge"
    );
    let bad = tell(&litmos, "modes", json!({"list": "bare", "put": "patch"})).await;
    assert_eq!(bad.status, 400);
    assert_eq!(ask(&litmos, "modes").await.json()["list"], "wrapped");

    let rules = json!([{"kind": "status", "value": 504, "path": "/teams", "times": 1}]);
    assert_eq!(tell(&litmos, "faults", rules).await.status, 200);
    assert_eq!(litmos.get("/teams").await.status, 504);
    let output = ask(&litmos, "faults").await.json();
    assert_eq!(
        (&output[0]["kind"], &output[0]["met"], &output[0]["struck"]),
        (&json!("status"), &json!(1), &json!(1))
    );
    for wrong in [
        json!([{"kind": "status"}]),
        json!([{"kind": "short_page", "often": 3}]),
        json!({"kind": "status"}),
    ] {
        assert_eq!(tell(&litmos, "faults", wrong).await.status, 400);
    }
    assert_eq!(
        ask(&litmos, "faults").await.json().as_array().unwrap().len(),
        1,
        "the old rules stay"
    );
}

#[tokio::test]
async fn the_log_is_read_from_any_point_and_holds_no_key() {
    let litmos = litmos().await;
    litmos.get("/users?start=0&limit=5").await;
    litmos.user("mira.lund").await;
    let lines = read_log(&ask(&litmos, "log?since=1").await.text).unwrap();
    assert_eq!(lines, litmos.running.log()[1..]);
    let first = &litmos.running.log()[0];
    assert_eq!(
        (first.n, first.method.as_str(), first.status),
        (1, "GET", Some(200))
    );
    assert_eq!(first.path, "/v1.svc/users?start=0&limit=5&format=json");
    assert_eq!(first.source.as_deref(), Some("tests"));
    assert_eq!(first.key.as_ref().map(String::len), Some(8));
    assert!(!ask(&litmos, "log").await.text.contains(litmos.running.api_key()));
}

#[tokio::test]
async fn the_report_counts_effects_and_sees_what_was_created_twice() {
    let litmos = litmos().await;
    litmos.user("mira.lund").await;
    let again = with(user("mira.lund.2"), json!({"Email": "MIRA.LUND@corp.example"}));
    let twin = litmos.post("/users", again).await.id();
    litmos.running.set_mode("team-name", "reusable").unwrap();
    litmos.team("Nurses").await;
    let twin_team = litmos.team("Nurses").await;
    let report: Report = serde_json::from_str(&ask(&litmos, "report").await.text).unwrap();
    assert_eq!(report.created_twice, [twin, twin_team]);
    assert_eq!(
        (report.effects["user.created"], report.effects["team.created"]),
        (2, 2)
    );
    assert_eq!(report.by_status[&201], 4);
    assert_eq!((report.users, report.teams, report.most_in_window), (3, 2, 4));
    assert!(report.within_limit);
}

#[tokio::test]
async fn a_reset_brings_back_the_same_people_and_a_seed_brings_more() {
    let litmos = litmos_with(Settings {
        users: 20,
        seed: 9,
        ..Settings::default()
    })
    .await;
    let before = litmos.running.state();
    litmos.user("mira.lund").await;
    assert_eq!(
        tell(&litmos, "seed", json!({"users": 5, "seed": 3})).await.json(),
        json!({"users": 27})
    );
    assert_eq!(tell(&litmos, "reset", json!({})).await.status, 200);
    assert_eq!(litmos.running.state(), before);
    assert!(litmos.running.log().is_empty());
    assert_eq!(
        tell(&litmos, "seed", json!({"users": 1_000_000})).await.status,
        400
    );
}

#[tokio::test]
async fn an_unknown_control_call_names_the_known_ones() {
    let litmos = litmos().await;
    let answer = ask(&litmos, "stats").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("report"));
}

#[tokio::test]
async fn a_stopped_simulator_answers_nobody() {
    let litmos = litmos().await;
    let url = litmos.running.base_url();
    litmos.get("/users").await;
    litmos.running.stop().await.unwrap();
    assert!(litmos.http.get(url).send().await.unwrap_err().is_connect());
}
