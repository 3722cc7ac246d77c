//! The two Ruby clients. The newer one asks for JSON by headers alone, on every verb; the older one sends its key in
//! the query and a doubled slash in the path.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Litmos, litmos, litmos_in_mode};

async fn send(litmos: &Litmos, method: Method, path: &str, body: Option<Value>) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("apikey", litmos.running.api_key()),
    ];
    let body = body.map(|body| body.to_string());
    litmos
        .exactly(
            method,
            &format!("/v1.svc/{path}?source=www.corp.example"),
            &headers,
            body.as_deref(),
        )
        .await
}

#[tokio::test]
async fn the_newer_one_works_with_seven_fields_and_headers_alone() {
    let litmos = litmos().await;
    let created = send(
        &litmos,
        Method::POST,
        "users",
        Some(json!({
            "UserName": "mira.lund", "FirstName": "Mira", "LastName": "Lund", "Email": "mira.lund@corp.example",
            "DisableMessages": true, "IsCustomUsername": true, "SkipFirstLogin": true,
        })),
    )
    .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(
        (&created.json()["Active"], &created.json()["AccessLevel"]),
        (&json!(true), &json!("Learner"))
    );
    let path = format!("users/{}", created.id());
    assert_eq!(
        send(&litmos, Method::GET, &path, None).await.json(),
        created.json()
    );
    assert_eq!(
        send(&litmos, Method::GET, "users/unknown", None).await.status,
        404
    );
    let change = json!({
        "Id": created.id(), "UserName": "mira.lund", "FirstName": "Mira", "LastName": "Berg",
        "Email": "mira.lund@corp.example", "Active": true,
    });
    assert_eq!(send(&litmos, Method::PUT, &path, Some(change)).await.status, 200);

    let team = litmos.team("Nurses").await;
    let members = format!("teams/{team}/users");
    assert_eq!(
        send(
            &litmos,
            Method::POST,
            &members,
            Some(json!([{"Id": created.id()}]))
        )
        .await
        .status,
        201
    );
    assert_eq!(
        send(&litmos, Method::GET, &members, None)
            .await
            .column("LastName"),
        ["Berg"]
    );
    assert_eq!(
        send(
            &litmos,
            Method::DELETE,
            &format!("{members}/{}", created.id()),
            None
        )
        .await
        .status,
        200
    );
    assert_eq!(
        send(&litmos, Method::GET, "teams", None).await.column("Id"),
        [team]
    );

    let course = send(&litmos, Method::GET, "courses", None)
        .await
        .column("Id")
        .remove(0);
    assert_eq!(
        send(&litmos, Method::GET, &format!("courses/{course}"), None)
            .await
            .id(),
        course
    );
    litmos
        .post(&format!("/{path}/courses"), json!([{"Id": course}]))
        .await;
    let reset = format!("/{path}/courses/{course}/reset");
    assert_eq!(
        send(&litmos, Method::PUT, &reset, Some(json!({}))).await.status,
        200,
        "a doubled slash"
    );
    assert_eq!(
        send(&litmos, Method::GET, &format!("{path}/courses"), None)
            .await
            .column("Id"),
        [course]
    );
    assert_eq!(send(&litmos, Method::DELETE, &path, None).await.status, 200);
}

#[tokio::test]
async fn the_older_one_sends_its_key_in_the_query_and_booleans_as_words() {
    let litmos = litmos_in_mode(&["key-place=query-too"]).await;
    let query = format!("?apikey={}&source=www.corp.example", litmos.running.api_key());
    let json = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    let body = json!({
        "UserName": "mira.lund", "FirstName": "Mira", "LastName": "Lund", "Email": "mira.lund@corp.example",
        "DisableMessages": "true", "IsCustomUsername": "true", "SkipFirstLogin": "true",
    });
    let target = format!("/v1.svc//users{query}");
    let created = litmos
        .exactly(Method::POST, &target, &json, Some(&body.to_string()))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json()["DisableMessages"], true);
    let found = litmos
        .exactly(Method::GET, &format!("{target}&search=mira"), &json, None)
        .await;
    assert_eq!(found.column("Id"), [created.id()]);
}
