use std::time::Duration;

use litmos_simulator::{Settings, Window, most_requests_in_any_window};

use crate::client::{litmos_with, user};

fn tight(limit: usize) -> Settings {
    Settings {
        limit,
        ..Settings::default()
    }
}

#[tokio::test]
async fn the_request_over_the_limit_gets_503_a_page_and_no_hint_and_does_nothing() {
    let litmos = litmos_with(tight(3)).await;
    for name in ["aaaa", "bbbb", "cccc"] {
        assert_eq!(litmos.post("/users", user(name)).await.status, 201);
    }
    let refused = litmos.post("/users", user("dddd")).await;
    assert_eq!(
        (refused.status, refused.content_type.as_str(), refused.retry_after),
        (503, "text/html", None)
    );
    let report = litmos.running.report();
    assert_eq!((report.requests, report.refused, report.users), (4, 1, 4));
    assert!(
        !report.within_limit,
        "four requests reached an account that allows three"
    );
}

#[tokio::test]
async fn refusals_may_be_429_with_a_hint() {
    let litmos = litmos_with(tight(1)).await;
    litmos.running.set_mode("refusal", "429").unwrap();
    litmos.running.set_mode("retry-after", "seconds").unwrap();
    litmos.get("/users").await;
    let refused = litmos.get("/users").await;
    let hint: u64 = refused.retry_after.unwrap().parse().unwrap();
    assert_eq!(refused.status, 429);
    assert!((1..=60).contains(&hint), "{hint}");
}

#[tokio::test]
async fn a_wrong_key_uses_up_nobodys_limit() {
    let litmos = litmos_with(tight(1)).await;
    for _ in 0..3 {
        let url = format!("{}/v1.svc/users?source=x", litmos.running.base_url());
        litmos
            .send_raw(litmos.http.get(url).header("apikey", "wrong"))
            .await
            .unwrap()
            .detail(401);
    }
    assert_eq!(litmos.get("/users").await.status, 200);
    assert_eq!(litmos.running.report().unknown_key, 3);
    assert_eq!(
        most_requests_in_any_window(&litmos.running.log(), Duration::from_secs(60)),
        1
    );
}

#[tokio::test]
async fn every_kind_of_window_refuses_a_burst_and_the_log_shows_it() {
    for window in [Window::Rolling, Window::Fixed, Window::Approximate] {
        let litmos = litmos_with(Settings {
            window,
            window_length: Duration::from_secs(3600),
            ..tight(5)
        })
        .await;
        let statuses = burst_of(&litmos, 8).await;
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            5,
            "{window:?}"
        );
        let log = litmos.running.log();
        assert_eq!(log.iter().filter(|line| line.refused).count(), 3);
        assert_eq!(most_requests_in_any_window(&log, Duration::from_secs(3600)), 8);
        assert_eq!(litmos.running.report().most_in_window, 8);
    }
}

async fn burst_of(litmos: &crate::client::Litmos, size: usize) -> Vec<u16> {
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..size {
        let url = format!(
            "{}/v1.svc/users?source=tests&format=json",
            litmos.running.base_url()
        );
        let request = litmos.http.get(url).header("apikey", litmos.running.api_key());
        sending.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    sending.join_all().await
}

#[tokio::test]
async fn a_reset_is_no_way_around_the_limit() {
    let litmos = litmos_with(tight(1)).await;
    litmos.get("/users").await;
    let reset = litmos
        .http
        .post(format!("{}/_sim/reset", litmos.running.base_url()));
    assert_eq!(litmos.send_raw(reset).await.unwrap().status, 200);
    assert_eq!(litmos.get("/users").await.status, 503);
}
