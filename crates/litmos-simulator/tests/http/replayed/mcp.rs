//! A TypeScript client: asks for JSON by query and header, sends bulk imports as a bare JSON array, and writes courses
//! and results in XML without a zone in its dates and with `1` for true.

use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Litmos, litmos};

async fn send(litmos: &Litmos, method: Method, path: &str, content_type: &str, body: Option<&str>) -> Answer {
    let headers = [
        ("apikey", litmos.running.api_key()),
        ("content-type", content_type),
        ("accept", "application/json"),
    ];
    let joint = if path.contains('?') { '&' } else { '?' };
    let target = format!("/v1.svc/{path}{joint}source=litmos-mcp&format=json");
    litmos.exactly(method, &target, &headers, body).await
}

#[tokio::test]
async fn it_imports_searches_assigns_and_records_progress() {
    let litmos = litmos().await;
    let rows = json!([{
        "Username": "mira.lund", "Email": "mira@corp.example", "FirstName": "Mira", "LastName": "Lund",
        "Active": true, "AccessLevel": "L",
    }]);
    let path = "bulkimports?sendmessage=false&skipfirstlogin=false";
    let job = send(
        &litmos,
        Method::POST,
        path,
        "application/json",
        Some(&rows.to_string()),
    )
    .await;
    assert_eq!((job.status, &job.json()["TotalRecords"]), (200, &json!(1)));
    let line = &litmos.running.log()[0];
    assert_eq!(
        (line.sendmessage, line.skipfirstlogin),
        (Some(false), Some(false))
    );

    let get = async |path: &str| send(&litmos, Method::GET, path, "application/json", None).await;
    let mira = get("users?search=mira&limit=20").await.column("Id").remove(0);
    let course = get("courses").await.column("Id").remove(0);
    let courses = format!("<Courses><Course><Id>{course}</Id></Course></Courses>");
    let path = format!("users/{mira}/courses?sendmessage=false");
    assert_eq!(
        send(&litmos, Method::POST, &path, "text/xml", Some(&courses))
            .await
            .status,
        201
    );
    let module = get(&format!("courses/{course}/modules"))
        .await
        .column("Id")
        .remove(0);
    let result = format!(
        "<ModuleResult><CourseId>{course}</CourseId><UserId>{mira}</UserId><Score>90</Score>\
         <Completed>1</Completed><UpdatedAt>2024-03-05T09:10:11</UpdatedAt><Note>well</Note></ModuleResult>"
    );
    let path = format!("results/modules/{module}");
    assert_eq!(
        send(&litmos, Method::PUT, &path, "text/xml", Some(&result))
            .await
            .status,
        200
    );
    let shown = get(&format!("users/{mira}/courses")).await.items();
    assert_eq!(shown[0]["Complete"], true);
    assert_eq!(get(&format!("users/{mira}/learningpaths")).await.text, "[]");
}
