//! Filters, and what they cost.

use std::time::Duration;

use serde_json::json;

use super::{Door, crowd};

/// K5: loose text is understood or refused by name, and never answered with nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_understood_or_refused_by_name() {
    let door = Door::open(crowd(12)).await;
    for filter in [
        "userName eq \"p000003@corp.example\"",
        "userName eq 'p000003@corp.example'",
        "userName eq p000003@corp.example",
        "USERNAME EQ \u{201c}P000003@corp.example\u{201d}",
        "userName eq \" p000003@corp.example \"",
        "emails[type eq 'work' and value eq 'mail3@corp.example']",
        "emails eq \"mail3@corp.example\" and name pr",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName eq 'p000003@corp.example'",
    ] {
        let answer = door.asked("/Users", filter, "").await;
        assert_eq!(answer.names(), ["p000003@corp.example"], "{filter}");
    }
    for (endpoint, filter, word) in [
        ("/Users", "userName eq 'p000003", "never closed"),
        ("/Users", "userName eq Mira Lund", "double quotes"),
        ("/Users", "usrName eq \"x\"", "usrName"),
        ("/Users", "department eq \"x\"", "enterprise:2.0:User:department"),
        ("/Users", "emails.mail eq \"x\"", "emails.mail"),
        ("/Users", "emails[kind eq \"x\"]", "emails.kind"),
        ("/Users", "active eq \"yes\"", "active eq true"),
        ("/Users", "name eq \"x\"", "name.givenName"),
        ("/Groups", "userName eq \"x\"", "groups have no such attribute"),
        ("/Groups", "members[id eq \"x\"]", "members.id"),
    ] {
        let answer = door.asked(endpoint, filter, "").await;
        assert_eq!(
            (answer.status, &answer.json()["scimType"]),
            (400, &json!("invalidFilter")),
            "{filter}: {}",
            answer.text
        );
        assert!(answer.detail().contains(word), "{filter}: {}", answer.detail());
    }
    door.close().await;
}

/// What a filter finds does not depend on what the answer shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_the_same_whatever_is_shown() {
    let door = Door::open(crowd(3)).await;
    let care = json!({"displayName": "Care", "members": [{"value": "p000001"}, {"value": "p000002"}]});
    let care = door.made("/Groups", &care).await;
    door.made(
        "/Groups",
        &json!({"displayName": "Sales", "members": [{"value": "p000002"}]}),
    )
    .await;
    let of_care = format!("id eq \"{care}\" and members eq \"p000001\"");
    for more in [
        "",
        "&excludedAttributes=members",
        "&attributes=displayName",
        "&attributes=displayName,members.value",
    ] {
        for (filter, expected) in [
            ("members eq \"p000001\"", &["Care"][..]),
            ("members[value eq \"p000001\"]", &["Care"]),
            (
                "members.value eq \"p000002\" and displayName sw \"s\"",
                &["Sales"],
            ),
            (&of_care, &["Care"]),
            ("not (members eq \"p000001\")", &["Sales"]),
            ("members.display co \"p000001\"", &["Care"]),
            ("members pr", &["Care", "Sales"]),
            ("displayName eq \"CARE\"", &["Care"]),
        ] {
            let answer = door.asked("/Groups", filter, more).await;
            assert_eq!(answer.names(), expected, "{filter} {more}");
        }
    }
    let of_people = format!("groups.value eq \"{care}\"");
    for more in [
        "",
        "&excludedAttributes=groups,emails,active",
        "&attributes=userName",
    ] {
        for (filter, expected) in [
            (
                of_people.as_str(),
                &["p000001@corp.example", "p000002@corp.example"][..],
            ),
            ("groups.display eq \"sales\"", &["p000002@corp.example"]),
            (
                "emails.value eq \"home0@corp.example\"",
                &["p000000@corp.example"],
            ),
            (
                "active eq true and emails ew \"1@corp.example\"",
                &["p000001@corp.example"],
            ),
        ] {
            let answer = door.asked("/Users", filter, more).await;
            assert_eq!(answer.names(), expected, "{filter} {more}");
        }
    }
    door.close().await;
}

/// K10: each attribute that clients look up by has an index, which follows what is written.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_every_name_that_they_have_now() {
    let door = Door::open(crowd(20)).await;
    let body = json!({"userName": "mira@corp.example", "externalId": "E-1", "displayName": "Mira Lund",
        "emails": [{"type": "work", "value": "mira.lund@corp.example"}, {"type": "home", "value": "shared@corp.example"}]});
    let mira = door.made("/Users", &body).await;
    let twin = json!({"userName": "zoe@corp.example", "displayName": "Mira Lund",
        "emails": [{"value": "Shared@corp.example"}]});
    let zoe = door.made("/Users", &twin).await;
    let finds = async |filter: &str, expected: &[&str]| {
        let answer = door.asked("/Users", filter, "").await;
        assert_eq!(answer.names(), expected, "{filter}");
    };
    let (m, z) = ("mira@corp.example", "zoe@corp.example");
    finds("emails eq \"MIRA.lund@corp.example\"", &[m]).await;
    finds(
        "emails[type eq \"work\"].value eq \"mira.lund@corp.example\"",
        &[m],
    )
    .await;
    finds("emails[type eq \"work\"].value eq \"shared@corp.example\"", &[]).await;
    finds("emails.value eq \"shared@corp.example\"", &[m, z]).await;
    finds("displayName eq \"mira lund\"", &[m, z]).await;
    finds("displayName eq \"mira lund\" and externalId eq \"E-1\"", &[m]).await;
    finds(
        &format!("id eq \"{mira}\" or id eq \"{zoe}\" or id eq \"nobody\""),
        &[m, z],
    )
    .await;
    finds("emails eq \"mail7@corp.example\"", &["p000007@corp.example"]).await;
    finds("emails eq \"home10@corp.example\"", &["p000010@corp.example"]).await;

    let patch = json!({"Operations": [
        {"op": "replace", "path": "emails[type eq \"home\"].value", "value": "other@corp.example"},
        {"op": "replace", "path": "displayName", "value": "Mira Moe"}]});
    assert_eq!(
        door.send("PATCH", &format!("/Users/{mira}"), &patch).await.status,
        200
    );
    finds("emails eq \"shared@corp.example\"", &[z]).await;
    finds("emails eq \"other@corp.example\"", &[m]).await;
    finds("displayName eq \"mira lund\"", &[z]).await;
    assert_eq!(
        door.send("DELETE", &format!("/Users/{zoe}"), &json!({}))
            .await
            .status,
        204
    );
    finds("emails eq \"shared@corp.example\"", &[]).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everybody_once() {
    let door = Door::open(crowd(25)).await;
    assert_eq!(
        door.send("DELETE", "/Users/p000003", &json!({})).await.status,
        204
    );
    let mut seen = Vec::new();
    for start in [1, 11, 21, 31] {
        let answer = door.get(&format!("/Users?startIndex={start}&count=10")).await;
        let body = answer.json();
        assert_eq!(
            (&body["totalResults"], &body["startIndex"]),
            (&json!(24), &json!(start)),
            "{body}"
        );
        let page = body["Resources"].as_array().unwrap();
        assert_eq!(body["itemsPerPage"], page.len());
        seen.extend(page.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
    }
    let everybody = (0..25).filter(|n| *n != 3).map(|n| format!("p{n:06}"));
    assert_eq!(seen, everybody.collect::<Vec<_>>());
    let filtered = door
        .asked("/Users", "active eq true", "&startIndex=21&count=10")
        .await
        .json();
    assert_eq!(filtered["totalResults"], 24);
    assert_eq!(filtered["itemsPerPage"], 4);
    assert_eq!(door.get("/Users?count=0").await.json()["totalResults"], 24);
    door.close().await;
}

/// K10: a look at everybody holds up nobody, and only few of them run at once.
#[tokio::test(flavor = "multi_thread")]
async fn looks_at_everybody_are_few_at_a_time_and_nobody_waits_for_them() {
    let door = Door::open(crowd(2000)).await;
    let scan = || door.asked("/Users", "title eq \"Nurse\" or emails co \"mail59\"", "&count=1");
    let scans = async { tokio::join!(scan(), scan(), scan(), scan(), scan(), scan()) };
    let beside = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let found = door
            .asked("/Users", "emails eq \"home10@corp.example\"", "")
            .await;
        assert_eq!(found.names(), ["p000010@corp.example"]);
        let health = door.raw("GET", "/health/live", &[], Vec::new()).await;
        assert_eq!(health.status, 200);
        door.made("/Users", &json!({"userName": "new@corp.example"}))
            .await
    };
    let (scans, _) = tokio::join!(scans, beside);
    let scans = [scans.0, scans.1, scans.2, scans.3, scans.4, scans.5];
    let (done, refused): (Vec<_>, Vec<_>) = scans.iter().partition(|answer| answer.status == 200);
    assert!(done.len() >= 2 && !refused.is_empty(), "{} done", done.len());
    for answer in done {
        assert_eq!(answer.json()["totalResults"], 11);
    }
    for answer in refused {
        assert_eq!(answer.status, 429, "{}", answer.text);
        assert!(answer.header("retry-after").parse::<u32>().is_ok());
        assert!(
            answer
                .detail()
                .contains("userName, externalId, emails or displayName"),
            "{}",
            answer.detail()
        );
    }
    assert_eq!(scan().await.status, 200, "the places are free again");
    door.close().await;
}

/// A stored document that cannot be read costs its user some attributes, and nobody else anything.
#[tokio::test(flavor = "multi_thread")]
async fn one_broken_record_fails_no_list_and_no_reader() {
    let door = Door::open(crowd(12).map(|mut person| {
        if person.user_name.starts_with("p000010@") {
            person.scim_document = Some("{\"userName\": ".to_owned());
        }
        person
    }))
    .await;
    let all = door.get("/Users").await;
    assert_eq!(
        (all.status, &all.json()["totalResults"]),
        (200, &json!(12)),
        "{}",
        all.text
    );
    assert!(all.names().contains(&"p000010@corp.example".to_owned()));
    let one = door
        .asked("/Users", "userName eq \"p000010@corp.example\"", "")
        .await;
    assert_eq!(one.names(), ["p000010@corp.example"], "{}", one.text);
    let id = one.json()["Resources"][0]["id"].as_str().unwrap().to_owned();
    let edit = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": "Guide"}]});
    let edited = door.send("PATCH", &format!("/Users/{id}"), &edit).await;
    assert_eq!(
        (edited.status, &edited.json()["title"]),
        (200, &json!("Guide")),
        "{}",
        edited.text
    );
    door.close().await;
}
