//! The Python client: the key in a header, `format=json` in the query, JSON bodies made from a fixed schema with
//! blanks, and no `Content-Type` where there is no body.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Litmos, litmos, with};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn send(litmos: &Litmos, method: Method, path: &str, more: &str, body: Option<Value>) -> Answer {
    let target = format!("/v1.svc/{path}?source=an-app&format=json{more}");
    let key = ("apikey", litmos.running.api_key());
    match body {
        Some(body) => {
            litmos
                .exactly(method, &target, &[key, JSON], Some(&body.to_string()))
                .await
        }
        None => litmos.exactly(method, &target, &[key], None).await,
    }
}

/// The client's own schema: it knows neither CustomField3 nor Brand, and fills in blanks.
fn schema(values: Value) -> Value {
    let mut record = json!({
        "Id": "", "UserName": "", "FirstName": "", "LastName": "", "FullName": "", "Email": "",
        "AccessLevel": "Learner", "DisableMessages": false, "Active": true, "Skype": "", "PhoneWork": "",
        "PhoneMobile": "", "LastLogin": "", "LoginKey": "", "IsCustomUsername": false, "Password": "",
        "SkipFirstLogin": true, "TimeZone": "UTC",
    });
    for blank in [
        "Street1",
        "Street2",
        "City",
        "State",
        "PostalCode",
        "Country",
        "CompanyName",
        "JobTitle",
        "CustomField1",
        "CustomField2",
        "CustomField4",
        "CustomField5",
        "CustomField6",
        "CustomField7",
        "CustomField8",
        "CustomField9",
        "CustomField10",
        "Culture",
    ] {
        record[blank] = json!("");
    }
    with(record, values)
}

#[tokio::test]
async fn it_lists_by_two_hundreds_until_a_page_is_empty() {
    let litmos = litmos().await;
    litmos.running.invent_people(250, 3);
    let mut sizes = Vec::new();
    for start in ["", "&start=200", "&start=400"] {
        let page = send(&litmos, Method::GET, "users", &format!("&limit=200{start}"), None).await;
        sizes.push(page.items().len());
    }
    assert_eq!(sizes, [200, 51, 0]);
}

#[tokio::test]
async fn it_creates_finds_saves_deactivates_and_deletes_a_user() {
    let litmos = litmos().await;
    let person = json!({
        "UserName": "mira.lund@corp.example", "FirstName": "Mira", "LastName": "Lund",
        "Email": "mira.lund@corp.example",
    });
    let created = send(&litmos, Method::POST, "users", "", Some(schema(person.clone()))).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let record = created.json();
    assert_eq!(
        [
            &record["FullName"],
            &record["Culture"],
            &record["CustomField3"],
            &record["SkipFirstLogin"]
        ],
        [&json!("Mira Lund"), &json!("en-US"), &json!(""), &json!(false)]
    );
    let again = send(&litmos, Method::POST, "users", "", Some(schema(person))).await;
    assert_eq!(again.detail(409), "UserName already exists");

    let id = created.id();
    let found = send(
        &litmos,
        Method::GET,
        "users",
        "&search=mira.lund@corp.example",
        None,
    )
    .await;
    assert_eq!(found.column("Id"), std::slice::from_ref(&id));
    let path = format!("users/{id}");
    let record = send(&litmos, Method::GET, &path, "", None).await.json();
    let mut saved = schema(json!({}));
    for (name, value) in saved.as_object_mut().unwrap() {
        if !record[name.as_str()].is_null() {
            *value = record[name.as_str()].clone();
        }
    }
    let saved = with(saved, json!({"City": "Lyon", "Active": false}));
    let answer = send(&litmos, Method::PUT, &path, "", Some(saved)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    let found = send(&litmos, Method::GET, "users", "&search=mira", None)
        .await
        .items();
    assert_eq!(found[0]["Active"], false);
    assert_eq!(send(&litmos, Method::DELETE, &path, "", None).await.status, 200);
    assert_eq!(send(&litmos, Method::GET, &path, "", None).await.status, 404);
}

#[tokio::test]
async fn it_builds_teams_adds_members_and_promotes_leaders() {
    let litmos = litmos().await;
    let (mira, noor) = (litmos.user("mira.lund").await, litmos.user("noor.berg").await);
    let team = |name: &str| Some(json!({"Id": "", "Name": name, "Description": ""}));
    let top = send(&litmos, Method::POST, "teams", "", team("Top")).await;
    assert_eq!(top.status, 201);
    let top = top.id();
    let sub = send(
        &litmos,
        Method::POST,
        &format!("teams/{top}/teams"),
        "",
        team("Sub"),
    )
    .await;
    assert_eq!(sub.status, 201);
    let subs = send(&litmos, Method::GET, &format!("teams/{top}/teams"), "", None).await;
    assert_eq!(subs.column("Id"), [sub.id()]);
    let member = |id: &str| json!({"Id": id, "UserName": "u", "FirstName": "f", "LastName": "l"});
    let members = format!("teams/{top}/users");
    let added = send(
        &litmos,
        Method::POST,
        &members,
        "",
        Some(json!([member(&mira), member(&noor)])),
    )
    .await;
    assert_eq!((added.status, added.text.as_str()), (201, ""));
    assert_eq!(
        send(&litmos, Method::GET, &members, "", None).await.items().len(),
        2
    );

    let leader = format!("teams/{top}/leaders/{mira}");
    let promoted = send(&litmos, Method::PUT, &leader, "", None).await;
    assert_eq!((promoted.status, promoted.text.as_str()), (200, ""));
    let leaders = send(&litmos, Method::GET, &format!("teams/{top}/leaders"), "", None).await;
    assert_eq!(leaders.column("Id"), std::slice::from_ref(&mira));
    assert_eq!(send(&litmos, Method::DELETE, &leader, "", None).await.status, 200);
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("{members}/{noor}"), "", None)
            .await
            .status,
        200
    );
    assert_eq!(
        send(&litmos, Method::GET, &format!("users/{mira}/teams"), "", None)
            .await
            .items()
            .len(),
        1
    );
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("users/{mira}/teams"), "", None)
            .await
            .status,
        200
    );
    assert_eq!(send(&litmos, Method::GET, &members, "", None).await.text, "[]");
}

#[tokio::test]
async fn it_reads_courses_and_modules_and_completes_a_module() {
    let litmos = litmos().await;
    let mira = litmos.user("mira.lund").await;
    let course = send(&litmos, Method::GET, "courses", "&limit=200", None)
        .await
        .column("Id")
        .remove(0);
    litmos
        .post(&format!("/users/{mira}/courses"), json!([{"Id": course}]))
        .await;
    let modules = send(
        &litmos,
        Method::GET,
        &format!("courses/{course}/modules"),
        "",
        None,
    )
    .await;
    for field in ["Id", "Name", "Description", "Code"] {
        assert!(modules.items()[0].get(field).is_some(), "{field}");
    }
    let done = |date: &str| {
        Some(
            json!({"UserId": mira, "Score": 100, "Completed": true, "UpdatedAt": date, "Note": "x", "CourseId": course}),
        )
    };
    let path = format!("results/modules/{}", modules.column("Id")[0]);
    let wrong = send(&litmos, Method::PUT, &path, "", done("2024-03-05T09:10:11Z")).await;
    assert_eq!((wrong.status, wrong.content_type.as_str()), (500, "text/html"));
    let right = send(&litmos, Method::PUT, &path, "", done("/Date(1709629811000)/")).await;
    assert_eq!((right.status, right.text.as_str()), (200, ""));
}
