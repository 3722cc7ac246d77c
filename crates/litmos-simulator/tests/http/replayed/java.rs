//! The Java client: asks for JSON by header, writes XML as `text/xml`, and lists of ids as JSON.

use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Litmos, litmos};

async fn send(litmos: &Litmos, method: Method, path: &str, body: Option<(&str, &str)>) -> Answer {
    let mut headers = vec![
        ("apikey", litmos.running.api_key()),
        ("accept", "application/json"),
    ];
    headers.extend(body.map(|(content_type, _)| ("content-type", content_type)));
    let target = format!("/v1.svc/{path}?source=an-app");
    litmos
        .exactly(method, &target, &headers, body.map(|(_, body)| body))
        .await
}

const XML: &str = "text/xml; charset=utf-8";

#[tokio::test]
async fn it_writes_users_teams_and_custom_fields_in_xml_and_reads_json() {
    let litmos = litmos().await;
    let person = "<User><Id></Id><UserName>mira.lund</UserName><FirstName>Mira</FirstName><LastName>Lund</LastName>\
        <FullName></FullName><Email>mira@corp.example</Email><AccessLevel>Learner</AccessLevel>\
        <DisableMessages>false</DisableMessages><Active>true</Active><LastLogin></LastLogin><LoginKey></LoginKey>\
        <IsCustomUsername>true</IsCustomUsername><SkipFirstLogin>false</SkipFirstLogin><TimeZone></TimeZone></User>";
    let created = send(&litmos, Method::POST, "users", Some((XML, person))).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.id();
    let fields = "<UserCustomField><Parameter fieldname=\"Cost Centre\">4711</Parameter>\
        <Parameter fieldname=\"Site\">Lyon</Parameter></UserCustomField>";
    let path = format!("users/{id}/usercustomfields");
    assert_eq!(
        send(&litmos, Method::POST, &path, Some((XML, fields)))
            .await
            .status,
        200
    );
    let shown = send(&litmos, Method::GET, &path, None).await.json();
    assert_eq!(
        (&shown["Cost Centre"], &shown["Site"]),
        (&json!("4711"), &json!("Lyon"))
    );

    let team = "<Team><Id></Id><Name>Nurses</Name><Description></Description></Team>";
    let team = send(&litmos, Method::POST, "teams", Some((XML, team))).await.id();
    let join = format!("<Teams><Team><Id>{team}</Id></Team></Teams>");
    assert_eq!(
        send(
            &litmos,
            Method::POST,
            &format!("users/{id}/teams"),
            Some((XML, &join))
        )
        .await
        .status,
        200
    );
    assert_eq!(
        send(&litmos, Method::GET, &format!("users/{id}/teams"), None)
            .await
            .column("Id"),
        [team]
    );
}

#[tokio::test]
async fn it_assigns_courses_to_teams_in_xml_and_to_users_in_json() {
    let litmos = litmos().await;
    let (team, mira) = (litmos.team("Nurses").await, litmos.user("mira.lund").await);
    let courses = litmos.get("/courses").await.column("Id");
    let body = format!("<Courses><Course><Id>{}</Id></Course></Courses>", courses[0]);
    let path = format!("teams/{team}/courses");
    assert_eq!(
        send(&litmos, Method::POST, &path, Some((XML, &body)))
            .await
            .status,
        201
    );
    assert_eq!(
        send(&litmos, Method::GET, &path, None).await.column("Id"),
        courses[..1]
    );
    let ids = json!([{"Id": courses[1]}]).to_string();
    let path = format!("users/{mira}/courses");
    let sent = send(
        &litmos,
        Method::POST,
        &path,
        Some(("application/json; charset=UTF-8", &ids)),
    )
    .await;
    assert_eq!(sent.status, 201);
    let one = format!("{path}/{}", courses[1]);
    assert_eq!(send(&litmos, Method::GET, &one, None).await.id(), courses[1]);
    assert_eq!(send(&litmos, Method::DELETE, &one, None).await.status, 200);
}
