//! The Node client: XML both ways, `Content-Type: application/xml` on reads too, `start` and `limit` on everything.

use reqwest::Method;

use crate::client::{Answer, Litmos, element, elements, litmos};

async fn send(litmos: &Litmos, method: Method, path: &str, body: Option<&str>) -> Answer {
    let target = format!("/v1.svc/{path}?source=an-app&limit=1000&start=0");
    let headers = [
        ("content-type", "application/xml"),
        ("apikey", litmos.running.api_key()),
    ];
    litmos.exactly(method, &target, &headers, body).await
}

fn generated(user_name: &str, more: &str) -> String {
    format!(
        "<User><Id></Id><UserName>{user_name}</UserName><FirstName>Mira</FirstName><LastName>Lund</LastName>\
         <FullName></FullName><Email>{user_name}</Email><AccessLevel>Learner</AccessLevel>\
         <DisableMessages>true</DisableMessages><Active>true</Active><LastLogin></LastLogin><LoginKey></LoginKey>\
         <IsCustomUsername>false</IsCustomUsername><SkipFirstLogin>false</SkipFirstLogin><TimeZone></TimeZone>{more}\
         </User>"
    )
}

#[tokio::test]
async fn it_creates_finds_and_deletes_a_user() {
    let litmos = litmos().await;
    let more = "<City>Lyon</City><CustomField2>x</CustomField2><Culture>fr-FR</Culture><Brand>Default</Brand>\
        <Website>https://corp.example</Website>";
    let name = "mira.lund@corp.example";
    let created = send(&litmos, Method::POST, "users", Some(&generated(name, more))).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let got =
        ["City", "CustomField2", "Culture", "Website", "Email"].map(|field| element(&created.text, field));
    assert_eq!(got, ["Lyon", "x", "fr-FR", "https://corp.example", name]);

    let found = send(&litmos, Method::GET, &format!("users/{name}"), None).await;
    assert_eq!(found.text, created.text);
    assert_eq!(
        send(&litmos, Method::GET, "users/nobody@corp.example", None)
            .await
            .status,
        404
    );
    let list = send(&litmos, Method::GET, "users", None).await.text;
    assert_eq!(elements(&list, "UserName"), ["account.owner@corp.example", name]);
    let id = element(&created.text, "Id");
    let body = generated(name, "<City>Porto</City>").replace("<Id></Id>", &format!("<Id>{id}</Id>"));
    assert_eq!(
        send(&litmos, Method::PUT, &format!("users/{id}"), Some(&body))
            .await
            .status,
        200
    );
    let read = send(&litmos, Method::GET, &format!("users/{id}"), None).await;
    assert_eq!(element(&read.text, "City"), "Porto");
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("users/{id}"), None)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn it_fills_teams_and_promotes_with_an_empty_xml_body() {
    let litmos = litmos().await;
    let mira = litmos.user("mira.lund").await;
    let team = "<Team><Id></Id><Name>Nurses</Name><Description>d</Description></Team>";
    let team = send(&litmos, Method::POST, "teams", Some(team)).await;
    assert_eq!(team.status, 201);
    for field in ["Name", "Description", "TeamCodeForBulkImport"] {
        assert!(!element(&team.text, field).is_empty(), "{field}");
    }
    let id = element(&team.text, "Id");
    let users = format!("<Users><User><Id>{mira}</Id></User><User><Id>unknown</Id></User></Users>");
    assert_eq!(
        send(&litmos, Method::POST, &format!("teams/{id}/users"), Some(&users))
            .await
            .status,
        201
    );
    let members = send(&litmos, Method::GET, &format!("teams/{id}/users"), None)
        .await
        .text;
    assert_eq!(elements(&members, "Id"), [mira.as_str()]);
    let leader = format!("teams/{id}/leaders/{mira}");
    assert_eq!(send(&litmos, Method::PUT, &leader, Some("")).await.status, 200);
    let leaders = send(&litmos, Method::GET, &format!("teams/{id}/leaders"), None)
        .await
        .text;
    assert_eq!(elements(&leaders, "Id").len(), 1);
    assert_eq!(send(&litmos, Method::DELETE, &leader, None).await.status, 200);
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("teams/{id}/users/{mira}"), None)
            .await
            .status,
        200
    );
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("teams/{id}"), None)
            .await
            .status,
        200
    );
}

/// With several items the client prints one root for each. A data contract is read from the first.
#[tokio::test]
async fn it_prints_a_root_for_each_of_several_members_and_only_the_first_is_read() {
    let litmos = litmos().await;
    let (team, mira, noor) = (
        litmos.team("Nurses").await,
        litmos.user("mira.lund").await,
        litmos.user("noor.berg").await,
    );
    let root = |id: &str| format!("<Users><User><Id>{id}</Id></User></Users>");
    let body = format!("{}{}", root(&mira), root(&noor));
    let path = format!("teams/{team}/users");
    assert_eq!(send(&litmos, Method::POST, &path, Some(&body)).await.status, 201);
    let members = send(&litmos, Method::GET, &path, None).await.text;
    assert_eq!(elements(&members, "Id"), [mira.as_str()]);
}

#[tokio::test]
async fn it_assigns_courses_and_posts_results() {
    let litmos = litmos().await;
    let mira = litmos.user("mira.lund").await;
    let list = send(&litmos, Method::GET, "courses", None).await.text;
    let course = elements(&list, "Id")[0].to_owned();
    let courses = format!("<Courses><Course><Id>{course}</Id></Course></Courses>");
    let path = format!("users/{mira}/courses");
    assert_eq!(
        send(&litmos, Method::POST, &path, Some(&courses)).await.status,
        201
    );
    let modules = send(&litmos, Method::GET, &format!("courses/{course}/modules"), None)
        .await
        .text;
    let module = elements(&modules, "Id")[0].to_owned();
    let result = format!(
        "<ModuleResult><CourseId>{course}</CourseId><UserId>{mira}</UserId><Score>80</Score>\
         <Completed>true</Completed><UpdatedAt>2024-03-05T09:10:11.123Z</UpdatedAt></ModuleResult>"
    );
    assert_eq!(
        send(
            &litmos,
            Method::PUT,
            &format!("results/modules/{module}"),
            Some(&result)
        )
        .await
        .status,
        200
    );
    let shown = send(&litmos, Method::GET, &path, None).await.text;
    assert_eq!(
        (element(&shown, "Id"), element(&shown, "Complete")),
        (course.as_str(), "true")
    );
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("{path}/{course}"), None)
            .await
            .status,
        200
    );
}
