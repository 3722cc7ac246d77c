use std::time::Duration;

use litmos_simulator::Settings;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{litmos, litmos_with, user};

#[tokio::test]
async fn a_lost_reply_leaves_the_deed_and_a_line_without_a_status() {
    let litmos = litmos().await;
    litmos
        .running
        .set_faults(&["lose_reply_after_acting,method=POST,path=/users,times=1"])
        .unwrap();
    litmos
        .try_send(Method::POST, "/users", Some(user("mira.lund")))
        .await
        .unwrap_err();
    assert_eq!(
        litmos.post("/users", user("mira.lund")).await.detail(409),
        "UserName already exists"
    );
    let lost = &litmos.running.log()[0];
    assert_eq!(
        (lost.status, lost.fault.as_deref()),
        (None, Some("lose_reply_after_acting"))
    );
    assert!(lost.effect.as_deref().unwrap().starts_with("user.created id="));
    assert_eq!(litmos.running.report().unanswered, 1);
}

#[tokio::test]
async fn a_cut_request_counts_and_does_nothing() {
    let litmos = litmos_with(Settings {
        limit: 1,
        ..Settings::default()
    })
    .await;
    litmos.running.set_faults(&["cut_before_acting,times=1"]).unwrap();
    litmos
        .try_send(Method::POST, "/users", Some(user("mira.lund")))
        .await
        .unwrap_err();
    assert_eq!(litmos.running.state().users.len(), 1);
    assert_eq!(litmos.get("/users").await.status, 503, "the limit had counted it");
}

#[tokio::test]
async fn a_request_is_carried_through_after_its_caller_has_gone() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    litmos
        .running
        .set_faults(&["delay_ms=300,method=DELETE"])
        .unwrap();
    let address = litmos.running.base_url().replace("http://", "");
    let mut caller = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "DELETE /v1.svc/users/{id}?source=tests HTTP/1.1\r\nhost: {address}\r\napikey: {}\r\n\r\n",
        litmos.running.api_key()
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    until("the request arrives", || litmos.running.report().requests == 2).await;
    drop(caller);
    until("the user is deleted", || litmos.running.state().users.len() == 1).await;
}

/// Waits for a condition, within a deadline that only a broken simulator misses.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_late_reply_comes_after_the_deed() {
    let litmos = litmos().await;
    litmos
        .running
        .set_faults(&["delay_reply_ms=200,method=POST"])
        .unwrap();
    assert_eq!(litmos.post("/users", user("mira.lund")).await.status, 201);
    assert!(litmos.running.log()[0].duration_ms >= 200.0);
}

#[tokio::test]
async fn a_status_fault_sends_a_page_even_where_json_was_asked_for_and_does_nothing() {
    let litmos = litmos().await;
    for status in [500, 503, 504] {
        litmos
            .running
            .set_faults(&[&format!("status={status},method=POST")])
            .unwrap();
        let answer = litmos.post("/users", user("mira.lund")).await;
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (status, "text/html")
        );
        assert!(
            answer.text.len() > 900 && answer.text.contains("xxxx"),
            "{}",
            answer.text.len()
        );
    }
    assert_eq!(litmos.running.state().users.len(), 1);
}

#[tokio::test]
async fn pages_come_short_or_again() {
    let litmos = litmos_with(Settings {
        users: 40,
        ..Settings::default()
    })
    .await;
    let first = litmos.get("/users?limit=10").await.column("Id");
    let second = litmos.get("/users?limit=10&start=10").await.column("Id");
    litmos.running.set_faults(&["short_page,path=start=10"]).unwrap();
    assert_eq!(
        litmos.get("/users?limit=10&start=10").await.column("Id"),
        second[..5]
    );
    litmos.running.set_faults(&["repeat_page,path=start=10"]).unwrap();
    assert_eq!(litmos.get("/users?limit=10&start=10").await.column("Id"), first);
}

#[tokio::test]
async fn a_slow_job_goes_on_waiting() {
    let litmos = litmos().await;
    litmos.running.set_faults(&["slow_job=3600000,times=1"]).unwrap();
    let row = json!([{"Username": "noor.berg", "FirstName": "Noor", "LastName": "Berg"}]);
    let id = litmos.post("/bulkimports", row).await.id();
    assert_eq!(
        litmos.get(&format!("/bulkimports/{id}")).await.json()["Status"],
        "Waiting"
    );
}

#[tokio::test]
async fn one_seed_strikes_the_same_requests_every_time() {
    let run = async |seed| {
        let litmos = litmos_with(Settings {
            seed,
            limit: 1000,
            ..Settings::default()
        })
        .await;
        litmos
            .running
            .set_faults(&["status=500,probability=0.3"])
            .unwrap();
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(litmos.get("/teams").await.status);
        }
        statuses
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert!(first.contains(&500) && first.contains(&200));
    assert_ne!(first, run(2).await);
}
