use std::time::Duration;

use litmos_simulator::{Settings, Window, most_requests_in_any_window};
use rollcall_tests::{Harness, differences, roster_csv, user};
use serde_json::{Value, json};

/// A minute shortened to two seconds, so that the limit is felt within a test.
const SHORT: &str = "requests_per_minute = 20\nwindow_ms = 2000\npermit_ttl_ms = 2000\nsettle_ms = 2000\n";

fn short(window: Window) -> Settings {
    Settings {
        limit: 20,
        window,
        window_length: Duration::from_secs(2),
        bulk_delay: Duration::from_millis(200),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_arrive_change_leave_and_come_back_over_scim() {
    let mut harness = Harness::new(short(Window::Rolling), SHORT).await;
    harness.up(&[]).await;
    let (status, made) = harness.scim("POST", "/Users", Some(&user("mira"))).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let group = json!({"displayName": "Sales", "members": [{"value": id}]});
    let (status, sales) = harness.scim("POST", "/Groups", Some(&group)).await;
    assert_eq!(status, 201, "{sales}");
    harness.settled(1).await;
    let find = || {
        harness
            .litmos
            .state()
            .users
            .into_iter()
            .find(|user| user.user_name == "mira@corp.example")
            .unwrap()
    };
    let account = find();
    assert!(account.active && account.teams.len() == 1, "{account:?}");

    assert_eq!(harness.scim("POST", "/Users", Some(&user("mira"))).await.0, 409);
    let patch = |value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Replace", "value": value}]});
    let path = format!("/Users/{id}");
    assert_eq!(
        harness
            .scim("PATCH", &path, Some(&patch(json!({"title": "Guide"}))))
            .await
            .0,
        200
    );
    harness.settled(1).await;
    assert_eq!(
        find().attributes.get("JobTitle").map(String::as_str),
        Some("Guide")
    );

    assert_eq!(
        harness
            .scim("PATCH", &path, Some(&patch(json!({"active": "False"}))))
            .await
            .0,
        200
    );
    harness.settled(1).await;
    let gone = find();
    assert!(!gone.active && gone.teams.is_empty(), "{gone:?}");

    let (status, again) = harness.scim("POST", "/Users", Some(&user("mira"))).await;
    assert_eq!(
        (status, again["id"].as_str()),
        (201, Some(id.as_str())),
        "somebody who comes back is the same"
    );
    harness.settled(1).await;
    let back = find();
    assert!(
        back.active && back.id == account.id && back.teams.len() == 1,
        "{back:?}"
    );

    let before = harness.litmos.log().len();
    let (code, plan, _) = harness.rollcall(&["plan", "--json"]).await;
    assert_eq!(code, 0);
    assert!(
        plan.contains("\"operations\": 0"),
        "a second look plans nothing: {plan}"
    );
    assert_eq!(harness.litmos.log().len(), before);
    harness.books_agree(&harness.bus().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_keeps_the_limit_of_a_rolling_and_of_a_fixed_window() {
    for window in [Window::Rolling, Window::Fixed] {
        let mut harness = Harness::new(
            Settings {
                users: 40,
                ..short(window)
            },
            &format!("{SHORT}bulk_import = false\n"),
        )
        .await;
        harness.up(&[]).await;
        harness.bus().await;
        let file = harness.write("people.csv", roster_csv(60, 4));
        let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
        assert_eq!(code, 0, "{printed}{error}");
        // The pusher has more than a window's work; the importer reads everything again meanwhile.
        let (code, _, error) = harness.rollcall(&["import", "--json"]).await;
        assert_eq!(code, 0, "{error}");
        harness.settled(60).await;
        assert_eq!(differences(&harness.litmos, 60, 4), Vec::<String>::new());
        let log = harness.litmos.log();
        assert_eq!(log.iter().filter(|entry| entry.refused).count(), 0);
        let most = most_requests_in_any_window(&log, Duration::from_secs(2));
        assert!(most <= 20, "{most} requests in one window");
        assert!(
            most >= 15,
            "the limit was hardly used, so this shows nothing: {most}"
        );
        harness.books_agree(&harness.bus().await).await;

        let (code, printed, error) = harness.rollcall(&["tokens", "--json"]).await;
        assert_eq!(code, 0, "{error}");
        let output: Value = serde_json::from_str(&printed).unwrap();
        let (accounts, counted) = (&output["accounts"], log.len() as u64);
        assert_eq!(accounts["sent"], counted, "{accounts:#}");
        for table in ["by_service", "by_class", "by_operation"] {
            let rows = accounts[table].as_object().unwrap().values();
            let sum: u64 = rows.filter_map(Value::as_u64).sum();
            assert_eq!(sum, counted, "{table}: {accounts:#}");
        }
        assert_eq!(accounts["by_person"].as_object().unwrap().len(), 60);
        assert_eq!(accounts["wasted"]["refused"], 0);
        let (code, printed, error) = harness.rollcall(&["tokens", "advise"]).await;
        assert_eq!(code, 0, "{error}");
        assert!(printed.contains("nothing to ask for"), "{printed}");
    }
}

/// Complaint 16.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_and_stops_nobody_else() {
    let mut harness = Harness::new(short(Window::Rolling), SHORT).await;
    harness.up(&[]).await;
    harness.bus().await;
    let plus = json!({"userName": "a+b@corp.example", "name": {"givenName": "A", "familyName": "B"}});
    assert_eq!(harness.scim("POST", "/Users", Some(&plus)).await.0, 201);
    assert_eq!(harness.scim("POST", "/Users", Some(&user("zed"))).await.0, 201);
    let long = json!({"displayName": "x".repeat(300)});
    assert_eq!(harness.scim("POST", "/Groups", Some(&long)).await.0, 201);
    let status = harness.settled(2).await;
    assert!(
        harness
            .litmos
            .state()
            .users
            .iter()
            .any(|user| user.user_name == "zed@corp.example")
    );
    assert_eq!(status["parked"], 2, "{status:#}");
    let (code, printed, _) = harness.rollcall(&["status"]).await;
    assert_eq!(code, 3);
    assert!(
        printed.contains("user-name-forbidden") && printed.contains("value-too-long"),
        "{printed}"
    );
    let (code, printed, _) = harness.rollcall(&["explain", "zed@corp.example"]).await;
    assert_eq!(code, 0);
    assert!(printed.contains("POST /users -> 201 done"), "{printed}");

    let (status, error) = harness.scim("GET", "/Users/nobody", None).await;
    assert_eq!((status, error["status"].as_str()), (404, Some("404")));
    let (status, error) = harness.scim_raw("POST", "/Users", b"{no json".to_vec()).await;
    assert_eq!(
        (status, error["scimType"].as_str()),
        (400, Some("invalidSyntax")),
        "{error}"
    );
    let (status, error) = harness
        .scim_raw("POST", "/Users", vec![b' '; 40 * 1024 * 1024])
        .await;
    assert_eq!((status, error["status"].as_str()), (413, Some("413")), "{error}");
    let (status, error) = harness.scim_as("wrong-token", "GET", "/Users").await;
    assert_eq!((status, error["status"].as_str()), (401, Some("401")), "{error}");
    let bad = harness.write("latin.csv", b"user_name\nJos\xe9\n");
    let (code, _, error) = harness.rollcall(&["load", &bad.to_string_lossy()]).await;
    assert!(code == 1 && error.contains("UTF-8"), "{error}");
    let (code, printed, _) = harness.rollcall(&["test-credentials"]).await;
    assert_eq!(code, 0, "{printed}");
    harness.books_agree(&harness.bus().await).await;
}
