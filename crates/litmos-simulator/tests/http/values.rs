//! Brands and time zones that the account does not know.

use serde_json::{Value, json};

use crate::client::{litmos, litmos_in_mode, user, with};

#[tokio::test]
async fn any_brand_and_zone_is_taken_unless_a_mode_refuses_the_unknown_ones() {
    let odd = json!({"Brand": "Nowhere", "TimeZone": "Europe/Paris"});
    let tolerant = litmos().await;
    assert_eq!(
        tolerant.post("/users", with(user("mira.lund"), odd)).await.status,
        201
    );

    let strict = litmos_in_mode(&["brand=known", "time-zone=known"]).await;
    for (change, detail) in [
        (json!({"Brand": "Nowhere"}), "Brand is invalid"),
        (json!({"TimeZone": "Europe/Paris"}), "TimeZone is invalid"),
        (json!({"TimeZone": "CET"}), "TimeZone is invalid"),
        (
            json!({"TimeZone": "Romance Standard Time "}),
            "TimeZone is invalid",
        ),
    ] {
        let answer = strict.post("/users", with(user("mira.lund"), change)).await;
        assert_eq!(answer.detail(409), detail);
    }
    for zone in [
        "",
        "UTC",
        "Romance Standard Time",
        "W. Central Africa Standard Time",
        "GMT Standard Time",
    ] {
        let known = json!({"Brand": "default", "TimeZone": zone});
        let name = format!("zone{}", zone.len());
        assert_eq!(
            strict.post("/users", with(user(&name), known)).await.status,
            201,
            "{zone}"
        );
    }
}

#[tokio::test]
async fn puts_and_import_rows_are_held_to_known_brands_and_zones_too() {
    let litmos = litmos_in_mode(&["brand=known", "time-zone=known"]).await;
    let id = litmos.user("mira.lund").await;
    let body = with(
        litmos.record(&id).await,
        json!({"TimeZone": "Mars Standard Time"}),
    );
    litmos.put(&format!("/users/{id}"), body).await.detail(409);
    let row = |name: &str, more: Value| {
        with(
            json!({"Username": name, "Email": "x@corp.example", "FirstName": "X", "LastName": "Y"}),
            more,
        )
    };
    let rows = json!([
        row("ada.weber", json!({"Brand": "Nowhere"})),
        row("ben.weber", json!({"TimeZone": "Mars Standard Time"})),
        row(
            "cem.weber",
            json!({"Brand": "Default", "TimeZone": "Tokyo Standard Time"})
        ),
    ]);
    let job = litmos.post("/bulkimports", rows).await;
    let errors = litmos.get(&format!("/bulkimports/{}/usererrors", job.id())).await;
    assert_eq!(
        errors.column("ImportStatus"),
        ["Failed: Brand is invalid", "Failed: TimeZone is invalid"]
    );
}
