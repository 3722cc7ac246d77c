//! Faults of permission and faults of the whole connection, switched while the simulator runs.

use reqwest::{Client, Method, redirect};
use serde_json::json;

use crate::client::{Litmos, litmos, user};

async fn statuses(litmos: &Litmos, id: &str) -> Vec<u16> {
    vec![
        litmos.get("/users").await.status,
        litmos.get("/teams?limit=1").await.status,
        litmos.get(&format!("/users/{id}")).await.status,
        litmos.post("/users", json!({})).await.status,
        litmos.delete(&format!("/users/{id}/teams")).await.status,
    ]
}

#[tokio::test]
async fn a_403_strikes_one_kind_of_call_in_saps_words_and_nothing_happens() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    litmos
        .running
        .set_faults(&["forbidden,method=DELETE,path=/users/"])
        .unwrap();
    let refused = litmos.delete(&format!("/users/{id}")).await;
    assert_eq!(
        refused.detail(403),
        "You do not have the proper permissions for this call"
    );
    assert_eq!(litmos.get(&format!("/users/{id}")).await.status, 200);
    let line = litmos
        .running
        .log()
        .into_iter()
        .find(|line| line.status == Some(403))
        .unwrap();
    assert_eq!((line.fault.as_deref(), line.effect), (Some("forbidden"), None));
    litmos.running.set_faults(&[]).unwrap();
    assert_eq!(litmos.delete(&format!("/users/{id}")).await.status, 200);
}

#[tokio::test]
async fn a_403_strikes_one_user_wherever_the_call_names_them() {
    let litmos = litmos().await;
    let (mira, noor, team) = (
        litmos.user("mira.lund@corp.example").await,
        litmos.user("noor.berg").await,
        litmos.team("Nurses").await,
    );
    let about = |mira: &str| {
        [
            format!("forbidden,user={mira}"),
            "forbidden,user=mira.lund@corp.example".to_owned(),
        ]
    };
    let rules = about(&mira);
    litmos.running.set_faults(&[&rules[0], &rules[1]]).unwrap();
    litmos.get(&format!("/users/{mira}")).await.detail(403);
    litmos.get("/users/mira.lund%40corp.example").await.detail(403);
    litmos
        .get("/users?search=mira.lund%40corp.example")
        .await
        .detail(403);
    let members = format!("/teams/{team}/users");
    litmos
        .post(&members, json!([{"Id": noor}, {"Id": mira}]))
        .await
        .detail(403);
    litmos.delete(&format!("{members}/{mira}")).await.detail(403);
    litmos
        .post("/users", user("mira.lund@corp.example"))
        .await
        .detail(403);
    assert_eq!(litmos.post(&members, json!([{"Id": noor}])).await.status, 201);
    assert_eq!(litmos.get("/users").await.status, 200);
}

#[tokio::test]
async fn a_wrong_base_url_looks_like_404_on_every_call_until_it_heals() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    litmos.running.set_faults(&["status=404"]).unwrap();
    assert_eq!(statuses(&litmos, &id).await, [404; 5]);
    let page = litmos.get("/users").await;
    assert_eq!(page.content_type, "text/html");
    litmos.running.set_faults(&[]).unwrap();
    assert_eq!(statuses(&litmos, &id).await, [200, 200, 200, 409, 200]);
}

#[tokio::test]
async fn a_redirect_on_every_call_names_a_place_and_changes_nothing() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let unled = Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    for (rule, status, place) in [
        ("redirect=302", 302, "/maintenance".to_owned()),
        (
            "redirect=301,location=/moved/v1.svc/users",
            301,
            "/moved/v1.svc/users".to_owned(),
        ),
        ("redirect=307,method=GET", 307, "/maintenance".to_owned()),
        ("redirect=308", 308, "/maintenance".to_owned()),
    ] {
        litmos.running.set_faults(&[rule]).unwrap();
        let url = format!(
            "{}/v1.svc/users/{id}?source=tests&format=json",
            litmos.running.base_url()
        );
        let response = unled
            .get(&url)
            .header("apikey", litmos.running.api_key())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{rule}");
        assert_eq!(response.headers()["location"].to_str().unwrap(), place, "{rule}");
    }
    let led = litmos.get(&format!("/users/{id}")).await;
    assert_eq!(
        (led.status, led.content_type.as_str()),
        (200, "text/html; charset=utf-8"),
        "the page behind it"
    );
    let lines = litmos.running.log().len();
    assert_eq!(lines, 6, "the page is no call of the API");
    litmos.running.set_faults(&[]).unwrap();
    assert_eq!(
        litmos.get(&format!("/users/{id}")).await.json()["UserName"],
        "mira.lund"
    );
}

#[tokio::test]
async fn a_maintenance_page_comes_with_200_or_503_and_is_no_json() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    for status in [200, 503] {
        litmos
            .running
            .set_faults(&[&format!("maintenance={status}")])
            .unwrap();
        assert_eq!(statuses(&litmos, &id).await, [status; 5]);
        let page = litmos.bare(Method::DELETE, &format!("/users/{id}")).await;
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(page.text.contains("maintenance"), "{}", page.text);
    }
    litmos.running.set_faults(&[]).unwrap();
    assert_eq!(
        litmos.get(&format!("/users/{id}")).await.status,
        200,
        "nothing was deleted"
    );
}

#[tokio::test]
async fn a_mistyped_outage_says_what_it_takes() {
    let litmos = litmos().await;
    for (rule, words) in [
        ("redirect=200", "301"),
        ("redirect", "needs a value"),
        ("maintenance=99", "200 to 599"),
        ("forbidden=3", "takes no value"),
        ("status=404,location=/x", "redirect"),
    ] {
        let error = litmos.running.set_faults(&[rule]).unwrap_err().to_string();
        assert!(error.contains(words), "{rule}: {error}");
    }
}

#[tokio::test]
async fn the_control_api_switches_an_outage_on_and_off() {
    let litmos = litmos().await;
    let tell = async |rules: serde_json::Value| {
        let url = format!("{}/_sim/faults", litmos.running.base_url());
        litmos.send_raw(litmos.http.post(url).json(&rules)).await.unwrap()
    };
    let rules = json!([
        {"kind": "redirect", "value": 302, "location": "/elsewhere", "method": "PUT"},
        {"kind": "maintenance", "value": 503, "path": "/teams"},
        {"kind": "forbidden", "user": "mira.lund"},
    ]);
    let output = tell(rules).await;
    assert_eq!(
        (
            output.status,
            &output.json()[0]["location"],
            &output.json()[2]["user"]
        ),
        (200, &json!("/elsewhere"), &json!("mira.lund"))
    );
    assert_eq!(litmos.get("/teams").await.status, 503);
    assert_eq!(litmos.get("/users/mira.lund").await.status, 403);
    assert_eq!(litmos.get("/users").await.status, 200);
    tell(json!([])).await;
    assert_eq!(litmos.get("/teams").await.status, 200);
}
