//! Courses, their assignment to teams and users, and results, as far as public clients call them.

use litmos_simulator::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Litmos, elements, litmos, litmos_with, user, with};

async fn ids(litmos: &Litmos, path: &str) -> Vec<String> {
    litmos.get(path).await.column("Id")
}

#[tokio::test]
async fn courses_are_listed_shown_and_have_modules() {
    let litmos = litmos_with(Settings {
        courses: vec!["First Aid".to_owned(), "Data Protection".to_owned()],
        ..Settings::default()
    })
    .await;
    let list = litmos.get("/courses").await;
    assert_eq!(list.column("Name"), ["First Aid", "Data Protection"]);
    let first = list.items()[0].clone();
    assert!(
        first["CourseCodeForBulkImport"]
            .as_str()
            .unwrap()
            .ends_with("-FirstAid")
    );
    let id = first["Id"].as_str().unwrap();
    assert_eq!(litmos.get(&format!("/courses/{id}")).await.json(), first);
    assert_eq!(
        litmos.get(&format!("/courses/{id}/modules")).await.items().len(),
        1
    );
    assert_eq!(
        litmos.get("/courses?search=data").await.column("Name"),
        ["Data Protection"]
    );
    litmos.get("/courses/unknown").await.detail(404);
    let text = litmos
        .xml(Method::GET, "/courses", "application/xml", "")
        .await
        .text;
    assert!(text.starts_with("<Courses "), "{text}");
    assert_eq!(elements(&text, "Course").len(), 2);
}

#[tokio::test]
async fn a_teams_courses_are_added_with_201_and_present_and_invalid_ids_are_ignored() {
    let litmos = litmos().await;
    let (team, mira, noor) = (
        litmos.team("Nurses").await,
        litmos.user("mira.lund").await,
        litmos.user("noor.berg").await,
    );
    let courses = ids(&litmos, "/courses").await;
    litmos
        .post(&format!("/teams/{team}/users"), json!([{"Id": mira}]))
        .await;
    let path = format!("/teams/{team}/courses");
    let body = json!([{"Id": courses[0]}, {"Id": "unknown"}]);
    let added = litmos.post(&path, body.clone()).await;
    assert_eq!((added.status, added.text.as_str()), (201, ""));
    let again = litmos.post(&format!("{path}?sendmessage=false"), body).await;
    assert_eq!(again.status, 201);
    assert_eq!(ids(&litmos, &path).await, courses[..1]);
    assert_eq!(
        ids(&litmos, &format!("/users/{mira}/courses")).await,
        courses[..1],
        "members get it"
    );
    assert!(ids(&litmos, &format!("/users/{noor}/courses")).await.is_empty());
    litmos
        .post(&format!("/teams/{team}/users"), json!([{"Id": noor}]))
        .await;
    assert_eq!(
        ids(&litmos, &format!("/users/{noor}/courses")).await,
        courses[..1],
        "so do later ones"
    );
    let lines: Vec<Value> = litmos
        .running
        .log()
        .iter()
        .map(|line| serde_json::to_value(line).unwrap())
        .collect();
    let output: Vec<&Value> = lines
        .iter()
        .filter(|line| line["method"] == "POST" && line["path"].as_str().unwrap().contains("/courses"))
        .collect();
    assert_eq!(
        (output[0].get("sendmessage"), output[1]["sendmessage"].as_bool()),
        (None, Some(false))
    );
    assert_eq!(output[0]["effect"], format!("team.courses_added team={team} n=1"));
    assert_eq!(output[1]["effect"], format!("team.courses_added team={team} n=0"));
    litmos.post("/teams/unknown/courses", json!([])).await.detail(404);
    let gone = litmos
        .try_send(Method::DELETE, &path, Some(json!([{"Id": courses[0]}])))
        .await
        .unwrap();
    assert_eq!(gone.status, 200);
    assert!(ids(&litmos, &path).await.is_empty());
}

#[tokio::test]
async fn courses_reach_sub_teams_only_when_asked_to() {
    let litmos = litmos().await;
    let top = litmos.team("Top").await;
    let middle = litmos
        .post(&format!("/teams/{top}/teams"), crate::client::team("Middle"))
        .await
        .id();
    let low = litmos
        .post(&format!("/teams/{middle}/teams"), crate::client::team("Low"))
        .await
        .id();
    let courses = ids(&litmos, "/courses").await;
    for (query, course, reached) in [
        ("", 0, false),
        ("?includesubteams=true", 1, true),
        ("?includesubteams=false", 2, false),
    ] {
        litmos
            .post(
                &format!("/teams/{top}/courses{query}"),
                json!([{"Id": courses[course]}]),
            )
            .await;
        for team in [&middle, &low] {
            let has = ids(&litmos, &format!("/teams/{team}/courses"))
                .await
                .contains(&courses[course]);
            assert_eq!(has, reached, "{query}");
        }
    }
    let members = |team: &str| format!("/teams/{team}/users");
    let mira = litmos.user("mira.lund").await;
    litmos.post(&members(&low), json!([{"Id": mira}])).await;
    assert!(
        ids(&litmos, &members(&top)).await.is_empty(),
        "membership is not inherited"
    );
}

#[tokio::test]
async fn a_users_courses_are_assigned_completed_reset_and_taken_away() {
    let litmos = litmos().await;
    let (mira, courses) = (litmos.user("mira.lund").await, ids(&litmos, "/courses").await);
    let path = format!("/users/{mira}/courses");
    assert_eq!(
        litmos
            .post(&path, json!([{"Id": courses[0]}, {"Id": courses[1]}]))
            .await
            .status,
        201
    );
    assert_eq!(ids(&litmos, &path).await, courses[..2]);
    let module = ids(&litmos, &format!("/courses/{}/modules", courses[0]))
        .await
        .remove(0);
    let result = |date: &str| json!({"CourseId": courses[0], "UserId": mira, "Score": 90, "Completed": true, "UpdatedAt": date, "Note": "", "Attempts": 1});
    let put = format!("/results/modules/{module}");
    let iso = litmos.put(&put, result("2024-03-05T09:10:11Z")).await;
    assert_eq!(
        (iso.status, iso.content_type.as_str()),
        (500, "text/html"),
        "an ISO date in JSON is a fault"
    );
    let done = litmos.put(&put, result("/Date(1709629811000)/")).await;
    assert_eq!((done.status, done.text.as_str()), (200, ""));
    let one = format!("{path}/{}", courses[0]);
    let shown = litmos.get(&one).await.json();
    assert_eq!(
        (&shown["Complete"], &shown["PercentageComplete"]),
        (&json!(true), &json!(100.0))
    );
    let learners = litmos
        .get(&format!("/courses/{}/users", courses[0]))
        .await
        .items();
    assert_eq!(
        (&learners[0]["Id"], &learners[0]["Completed"]),
        (&json!(mira), &json!(true))
    );
    litmos.get("/results/details").await.detail(406);
    let details = litmos.get("/results/details?since=2024-03-05").await.items();
    assert_eq!((details.len(), &details[0]["CourseId"]), (1, &json!(courses[0])));

    assert_eq!(
        litmos.bare(Method::PUT, &format!("{one}/reset")).await.status,
        200
    );
    assert_eq!(litmos.get(&one).await.json()["Complete"], false);
    let xml = format!(
        "<ModuleResult><CourseId>{}</CourseId><UserId>{mira}</UserId><Completed>true</Completed>\
         <UpdatedAt>2024-03-05T09:10:11.000Z</UpdatedAt></ModuleResult>",
        courses[0]
    );
    assert_eq!(
        litmos
            .xml(Method::PUT, &put, "application/xml", &xml)
            .await
            .status,
        200,
        "ISO is right in XML"
    );
    assert_eq!(litmos.delete(&one).await.status, 200);
    litmos.get(&one).await.detail(404);
    litmos
        .put("/results/modules/unknown", result("/Date(1709629811000)/"))
        .await
        .detail(404);
}

#[tokio::test]
async fn an_import_row_assigns_courses_by_code() {
    let litmos = litmos().await;
    let code = litmos
        .get("/courses")
        .await
        .column("CourseCodeForBulkImport")
        .remove(0);
    let row = |name: &str, course: &str| json!({"Username": name, "Email": "x@corp.example", "FirstName": "X", "LastName": "Y", "Course1": course});
    litmos
        .post(
            "/bulkimports",
            json!([row("ada.weber", &code), row("ben.weber", "7-Nothing")]),
        )
        .await;
    let ada = litmos.get("/users/ada.weber").await.id();
    assert_eq!(ids(&litmos, &format!("/users/{ada}/courses")).await.len(), 1);
    litmos.get("/users/ben.weber").await.detail(404);
}

#[tokio::test]
async fn logins_show_in_their_range_without_login_keys() {
    let litmos = litmos().await;
    let seen = |name: &str, moment: &str| with(user(name), json!({"LastLogin": moment}));
    let people = [
        seen("mira.lund", "2024-03-05T09:10:11Z"),
        seen("noor.berg", "2024-03-09T00:00:00Z"),
        user("ada.weber"),
    ];
    litmos.running.put_users(&people).unwrap();
    let logins = async |query: &str| litmos.get(&format!("/org/users/logins?{query}")).await;
    let found = logins("since=2024-03-05&to=2024-03-06").await;
    assert_eq!(found.column("UserName"), ["mira.lund"]);
    let item = &found.items()[0];
    assert_eq!(item["LastLogin"], "2024-03-05T09:10:11Z");
    assert!(item.get("Password").is_none() && !item["LoginKey"].as_str().unwrap().contains("key="));
    assert_eq!(logins("since=2024-03-03&to=2024-03-10").await.items().len(), 2);
    logins("since=2024-03-03&to=2024-03-11").await.detail(406);
    logins("since=2024-03-03").await.detail(406);
}
