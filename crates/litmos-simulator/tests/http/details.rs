//! `/users/details` in its two shapes, and what is stored of a first login.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Litmos, element, elements, litmos, user, with};

async fn listed(litmos: &Litmos, id: &str) -> Value {
    let items = litmos.get("/users/details").await.items();
    items.into_iter().find(|item| item["Id"] == json!(id)).unwrap()
}

#[tokio::test]
async fn the_details_have_51_properties_one_day_and_53_the_next() {
    let litmos = litmos().await;
    let full = with(
        user("mira.lund"),
        json!({"Culture": "sv-SE", "SalesforceContactId": "003", "EnableTextNotification": true,
               "PhoneMobile": "+15551234567"}),
    );
    let id = litmos.post("/users", full).await.id();
    let whole = listed(&litmos, &id).await;
    assert_eq!(whole.as_object().unwrap().len(), 53);
    assert_eq!(whole, litmos.record(&id).await);

    litmos.running.set_mode("details", "sap").unwrap();
    let short = listed(&litmos, &id).await;
    let short = short.as_object().unwrap();
    assert_eq!(short.len(), 51);
    for absent in [
        "Culture",
        "Password",
        "EnableTextNotification",
        "SalesforceContactId",
    ] {
        assert!(!short.contains_key(absent), "{absent}");
    }
    assert_eq!(
        (&short["EnableTextNotifications"], &short["SalesforcecontactId"]),
        (&json!(true), &json!("003"))
    );
    assert_eq!(litmos.record(&id).await, whole, "a single record stays whole");

    litmos.running.set_mode("details", "whole").unwrap();
    assert_eq!(listed(&litmos, &id).await, whole);
}

#[tokio::test]
async fn the_short_details_come_in_xml_and_through_the_control_api_too() {
    let litmos = litmos().await;
    let tell = litmos
        .http
        .post(format!("{}/_sim/modes", litmos.running.base_url()))
        .json(&json!({"details": "sap"}));
    assert_eq!(litmos.send_raw(tell).await.unwrap().json()["details"], "sap");
    let text = litmos
        .xml(Method::GET, "/users/details", "application/xml", "")
        .await
        .text;
    assert_eq!(element(&text, "EnableTextNotifications"), "false");
    assert_eq!(elements(&text, "Culture").len(), 0);
    assert_eq!(
        text.matches('<').count() - text.matches("</").count() - 2,
        51,
        "{text}"
    );
}

#[tokio::test]
async fn what_a_create_leaves_out_comes_back_empty_but_for_what_was_only_ever_seen_null() {
    let litmos = litmos().await;
    let record = litmos.post("/users", user("mira.lund")).await.json();
    for field in [
        "CustomField3",
        "Skype",
        "Street1",
        "JobTitle",
        "Website",
        "JobRole",
        "ExternalEmployeeId",
    ] {
        assert_eq!(record[field], "", "{field}");
    }
    for field in [
        "SalesforceId",
        "SalesforceContactId",
        "SalesforceAccountId",
        "ProfileType",
    ] {
        assert_eq!(record[field], Value::Null, "{field}");
    }
    let imported =
        json!([{"Username": "noor.berg", "Email": "n@corp.example", "FirstName": "N", "LastName": "B"}]);
    litmos.post("/bulkimports", imported).await;
    let record = litmos.get("/users/noor.berg").await.json();
    assert_eq!(
        record["CustomField3"],
        Value::Null,
        "no source tells of imports; both forms occur"
    );
}

#[tokio::test]
async fn skip_first_login_is_ignored_in_the_body_of_a_create_and_stored_otherwise() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let read = async |id: &str| litmos.record(id).await["SkipFirstLogin"].clone();
    assert_eq!(read(&id).await, json!(false), "the body said true");
    let record = with(litmos.record(&id).await, json!({"SkipFirstLogin": true}));
    litmos.put(&format!("/users/{id}"), record).await;
    assert_eq!(read(&id).await, json!(true));
    let record = litmos.record(&id).await;
    litmos.put(&format!("/users/{id}"), record).await;
    assert_eq!(read(&id).await, json!(true), "sent back as read");

    let asked = litmos.post("/users?skipfirstlogin=true", user("noor.berg")).await;
    assert_eq!(asked.json()["SkipFirstLogin"], true);
    let row = |name: &str| json!([{"Username": name, "Email": "x@corp.example", "FirstName": "X", "LastName": "Y"}]);
    litmos
        .post("/bulkimports?skipfirstlogin=true", row("ada.weber"))
        .await;
    litmos.post("/bulkimports", row("ben.weber")).await;
    assert_eq!(
        litmos.get("/users/ada.weber").await.json()["SkipFirstLogin"],
        true
    );
    assert_eq!(
        litmos.get("/users/ben.weber").await.json()["SkipFirstLogin"],
        false
    );
}

#[tokio::test]
async fn the_log_tells_what_was_asked_of_mails_and_first_logins() {
    let litmos = litmos().await;
    for path in [
        "/users",
        "/users?sendmessage=true&skipfirstlogin=false",
        "/users?SendMessage=True&skipFirstLogin=TRUE",
    ] {
        litmos.post(path, user(&format!("person{}", path.len()))).await;
    }
    let output: Vec<Value> = litmos
        .running
        .log()
        .iter()
        .map(|line| {
            let line = serde_json::to_value(line).unwrap();
            json!([line.get("sendmessage"), line.get("skipfirstlogin")])
        })
        .collect();
    assert_eq!(
        output,
        [json!([null, null]), json!([true, false]), json!([true, true])]
    );
}
