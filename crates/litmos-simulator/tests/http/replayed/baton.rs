//! ConductorOne's Go connector: reads XML with `Accept: application/xml` by hundreds until a short page, and decodes
//! strictly: booleans and numbers must be there and be well formed.

use reqwest::Method;

use crate::client::{Litmos, element, elements, litmos};

async fn read(litmos: &Litmos, path: &str, query: &str) -> String {
    let target = format!("/v1.svc/{path}?{query}source=an-account");
    let headers = [
        ("apikey", litmos.running.api_key()),
        ("accept", "application/xml"),
    ];
    let answer = litmos.exactly(Method::GET, &target, &headers, None).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/xml; charset=utf-8")
    );
    answer.text
}

fn decoded<T: std::str::FromStr>(text: &str, field: &str) -> Vec<T> {
    let parse = |text: &&str| text.parse().unwrap_or_else(|_| panic!("{field}: {text}"));
    elements(text, field).iter().map(parse).collect()
}

#[tokio::test]
async fn it_pages_through_users_by_what_it_has_received() {
    let litmos = litmos().await;
    litmos.running.invent_people(149, 5);
    let first = read(&litmos, "users", "limit=100&").await;
    let second = read(&litmos, "users", "limit=100&start=100&").await;
    let sizes = [&first, &second].map(|page| elements(page, "User").len());
    assert_eq!(sizes, [100, 50]);
    assert_eq!(decoded::<bool>(&first, "Active").len(), 100);
    let paginated = read(&litmos, "users/paginated", "").await;
    assert!(paginated.starts_with("<UserCollection "), "{}", &paginated[..80]);
    assert_eq!(
        decoded::<usize>(element(&paginated, "Pagination"), "TotalCount"),
        [150]
    );
    assert_eq!(elements(element(&paginated, "Items"), "User").len(), 100);
}

#[tokio::test]
async fn it_reads_teams_members_courses_learners_and_modules() {
    let litmos = litmos().await;
    let (team, mira) = (litmos.team("Nurses").await, litmos.user("mira.lund").await);
    litmos
        .post(&format!("/teams/{team}/users"), serde_json::json!([{"Id": mira}]))
        .await;
    let teams = read(&litmos, "teams", "limit=100&").await;
    assert_eq!(element(&teams, "Name"), "Nurses");
    assert!(teams.contains("<ParentTeamId/>"), "{teams}");
    assert_eq!(
        elements(
            &read(&litmos, &format!("teams/{team}/users"), "limit=100&").await,
            "Id"
        ),
        [mira.as_str()]
    );
    let courses = read(&litmos, "courses", "limit=100&").await;
    let number = elements(&courses, "Course").len();
    for flag in ["Active", "ForSale", "CourseTeamLibrary"] {
        assert_eq!(decoded::<bool>(&courses, flag).len(), number, "{flag}");
    }
    let course = elements(&courses, "Id")[0].to_owned();
    litmos
        .post(
            &format!("/users/{mira}/courses"),
            serde_json::json!([{"Id": course}]),
        )
        .await;
    let learners = read(&litmos, &format!("courses/{course}/users"), "limit=100&").await;
    assert_eq!(decoded::<bool>(&learners, "Completed"), [false]);
    assert_eq!(decoded::<f64>(&learners, "PercentageComplete"), [0.0]);
    let modules = read(&litmos, &format!("courses/{course}/modules"), "limit=100&").await;
    assert_eq!(elements(&modules, "Module").len(), 1);
}
