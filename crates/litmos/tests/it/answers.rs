//! What comes instead of Litmos's answers, and what lists show and leave out.

use std::time::Duration;

use litmos::{Client, Failure, FailureKind, Scope, UserRecord};
use litmos_simulator::Simulator;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::{account, client_with, mira, permit};

const PAGE: &str = "<!DOCTYPE html><html><body><h1>Down for maintenance</h1></body></html>";

/// Answers requests with what `answer` makes of method and path, and tells their bodies.
async fn serving(
    answer: impl Fn(&str) -> (String, String) + Send + Sync + 'static,
) -> (Client, mpsc::UnboundedReceiver<String>) {
    let (tell, heard) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut chunk = [0; 16_384];
            loop {
                let count = socket.read(&mut chunk).await.unwrap_or_default();
                request.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase()
                            .strip_prefix("content-length:")?
                            .trim()
                            .parse()
                            .ok()
                    })
                    .unwrap_or(0);
                if count == 0 || body.len() >= length {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            let _ = tell.send(text.split_once("\r\n\r\n").unwrap_or_default().1.to_owned());
            let (head, body) = answer(&line);
            let length = body.len();
            let _ = socket
                .write_all(
                    format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
                        .as_bytes(),
                )
                .await;
        }
    });
    (client_with(&url, "key"), heard)
}

async fn always(head: &'static str, body: &'static str) -> Client {
    serving(move |_| (head.to_owned(), body.to_owned())).await.0
}

async fn failed(client: &Client) -> Failure {
    client.user(permit(), "A1").await.unwrap_err()
}

#[tokio::test]
async fn what_every_request_meets_is_told_from_what_one_meets() {
    for (head, body, scope, words) in [
        (
            "401 Unauthorized",
            "",
            Scope::Connection,
            "rejected the API key (401); check api_key",
        ),
        (
            "302 Found\r\nLocation: https://login.corp.example/x?u=mira",
            "",
            Scope::Connection,
            "redirected to https://login.corp.example)",
        ),
        (
            "301 Moved\r\nLocation: /v2/users",
            PAGE,
            Scope::Connection,
            "check base_url",
        ),
        ("404 Not Found", PAGE, Scope::Doubtful, "check base_url"),
        (
            "404 Not Found",
            "{\"Detail\":\"User not found\"}",
            Scope::Doubtful,
            "check base_url",
        ),
        (
            "403 Forbidden",
            "{\"Detail\":\"no\"}",
            Scope::Doubtful,
            "access level",
        ),
        (
            "200 OK\r\nContent-Type: text/html",
            PAGE,
            Scope::Doubtful,
            "a web page",
        ),
        (
            "200 OK",
            "{\"status\":\"maintenance\"}",
            Scope::Doubtful,
            "a web page or another document",
        ),
        ("400 Bad Request", PAGE, Scope::Doubtful, "check base_url"),
        ("410 Gone", "", Scope::Doubtful, "check base_url"),
        (
            "400 Bad Request",
            "{\"Detail\":\"Email is invalid\"}",
            Scope::Item,
            "",
        ),
        (
            "409 Conflict",
            "{\"Detail\":\"Culture is invalid\"}",
            Scope::Item,
            "",
        ),
        ("500 Oops", PAGE, Scope::Item, ""),
        ("503 Busy", PAGE, Scope::Item, ""),
    ] {
        let client = always(head, body).await;
        let failure = failed(&client).await;
        assert_eq!(client.scope(&failure), scope, "{head}: {failure}");
        assert!(
            failure.connection_words().contains(words),
            "{head}: {}",
            failure.connection_words()
        );
        assert!(!failure.to_string().contains("mira"), "{failure}");
    }
    let nobody = client_with("http://127.0.0.1:1", "key");
    let failure = failed(&nobody).await;
    assert_eq!(
        (failure.kind.clone(), nobody.scope(&failure)),
        (FailureKind::NotSent, Scope::Connection)
    );
}

#[tokio::test]
async fn faults_in_a_row_make_the_connection_doubtful_until_something_is_answered() {
    let (litmos, client) = account().await;
    litmos.set_faults(&["status=502,path=/users/A1"]).unwrap();
    for expected in [Scope::Item, Scope::Item, Scope::Doubtful] {
        let failure = failed(&client).await;
        assert_eq!(client.scope(&failure), expected);
    }
    client.probe(permit()).await.unwrap();
    let failure = failed(&client).await;
    assert_eq!(client.scope(&failure), Scope::Item);
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_pause_is_read_as_seconds_and_as_a_date() {
    for (head, seconds) in [
        ("503 Busy\r\nRetry-After: 7200", 7_200),
        (
            "429 Slow down\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT",
            60,
        ),
    ] {
        let retry_after = Some(Duration::from_secs(seconds));
        assert_eq!(
            failed(&always(head, "").await).await.kind,
            FailureKind::RateLimited { retry_after }
        );
    }
}

/// A record as Litmos shows it alone, with two fields that nobody knows.
fn whole() -> Value {
    json!({
        "Id": "A1", "UserName": "mira@corp.example", "FirstName": "Mira", "LastName": "Lund", "FullName": "Mira Lund",
        "Email": "mira@corp.example", "AccessLevel": "Learner", "DisableMessages": false, "Active": true, "Skype": null,
        "LoginKey": "https://corp.example/login?k=1", "IsCustomUsername": false, "Password": "", "SkipFirstLogin": true,
        "Pronouns": "she", "City": "Oslo", "Culture": "nb-NO", "SalesforceContactId": "S1", "ManagerId": "0",
        "EnableTextNotification": true, "ProfileType": "External", "Labels": {"a": [1, null]},
    })
}

#[tokio::test]
async fn a_record_goes_back_with_everything_that_litmos_showed_in_any_shape() {
    for shape in [
        |user: Value| user,
        |user| json!({"User": user}),
        |user| json!([user]),
        |user| json!({"Users": {"User": [user]}}),
    ] {
        let (client, mut heard) = serving(move |line| {
            let body = if line.starts_with("GET") {
                shape(whole()).to_string()
            } else {
                String::new()
            };
            ("200 OK".to_owned(), body)
        })
        .await;
        let read = client.user(permit(), "A1").await.unwrap();
        assert!(read.whole);
        client
            .put_user(
                permit(),
                &UserRecord {
                    active: false,
                    ..read
                },
            )
            .await
            .unwrap();
        heard.recv().await.unwrap();
        let sent: Value = serde_json::from_str(&heard.recv().await.unwrap()).unwrap();
        let shown = whole();
        for name in [
            "SkipFirstLogin",
            "Pronouns",
            "ProfileType",
            "Labels",
            "Culture",
            "SalesforceContactId",
            "EnableTextNotification",
            "City",
        ] {
            assert_eq!(sent[name], shown[name], "{name}");
        }
        assert_eq!(sent["Active"], false);
        for secret in ["LoginKey", "Password"] {
            assert!(sent.get(secret).is_none_or(|value| value == ""), "{secret}");
        }
        assert!(
            sent.get("Twitter").is_none(),
            "what Litmos did not show is not written: {sent}"
        );
    }
}

#[tokio::test]
async fn a_record_of_a_list_that_leaves_fields_out_is_not_written_back() {
    for absent in [
        &["Culture"][..],
        &["ProfileType", "Labels"],
        &["AccessLevel"],
        &["Culture", "Password", "Pronouns"],
    ] {
        let mut part = whole();
        for name in absent {
            part.as_object_mut().unwrap().remove(*name);
        }
        let (client, mut heard) = serving(move |line| {
            let body = match line.contains("/users/details") {
                true => json!([part]).to_string(),
                false => whole().to_string(),
            };
            ("200 OK".to_owned(), body)
        })
        .await;
        client.user(permit(), "A1").await.unwrap();
        let listed = client
            .list_users_details(permit(), None, 0, 10)
            .await
            .unwrap()
            .remove(0);
        assert!(!listed.whole, "{absent:?}");
        let refused = client.put_user(permit(), &listed).await.unwrap_err();
        assert!(
            matches!(refused.kind, FailureKind::Rejected { .. }) && refused.status.is_none(),
            "{refused}"
        );
        heard.recv().await.unwrap();
        heard.recv().await.unwrap();
        assert!(heard.try_recv().is_err(), "nothing was sent");
    }
}

#[tokio::test]
async fn the_simulated_list_is_whole_and_costs_no_more_reads() {
    let litmos = Simulator::start(litmos_simulator::Settings::default())
        .await
        .unwrap();
    let client = client_with(&litmos.base_url(), litmos.api_key());
    let made = client.create_user(permit(), &mira()).await.unwrap();
    assert!(made.whole);
    let listed = client.list_users_details(permit(), None, 0, 10).await.unwrap();
    assert!(listed.iter().all(|user| user.whole));
    client.user(permit(), &made.id).await.unwrap();
    let listed = client.list_users_details(permit(), None, 0, 10).await.unwrap();
    assert!(listed.iter().all(|user| user.whole && client.is_whole(user)));
    litmos.stop().await.unwrap();
}
