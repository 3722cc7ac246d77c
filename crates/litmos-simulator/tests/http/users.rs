use litmos_simulator::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{litmos, litmos_in_mode, litmos_with, user, with};

#[tokio::test]
async fn a_created_user_comes_back_in_full_with_what_litmos_decides_itself() {
    let litmos = litmos().await;
    let sent = with(
        user("mira.lund"),
        json!({"FullName": "Somebody Else", "Points": 99, "OriginalId": 7, "Password": "Secret-42x"}),
    );
    let answer = litmos.post("/users", sent).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.content_type, "application/json; charset=utf-8");
    let record = answer.json();
    assert_eq!(record["FullName"], "Mira Lund");
    assert_eq!(record["Culture"], "en-US");
    assert_eq!(record["Brand"], "Default");
    assert_eq!(record["ManagerId"], "0");
    assert_eq!(record["SkipFirstLogin"], false);
    assert_eq!(record["Password"], "");
    assert_eq!(record["Points"], 0.0);
    assert_eq!(record["LastLogin"], "");
    assert_eq!(record["SalesforceId"], Value::Null, "never set");
    assert!(record["OriginalId"].as_i64().unwrap() > 7);
    assert!(record["LoginKey"].as_str().unwrap().starts_with("https://"));
    assert!(record["CreatedDate"].as_str().unwrap().ends_with('Z'));
    assert!(answer.text.contains(r"https:\/\/"), "slashes come escaped");
}

#[tokio::test]
async fn the_full_record_has_its_53_fields_in_wire_order() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let text = litmos.get(&format!("/users/{id}")).await.text;
    let expected = "Id UserName FirstName LastName FullName Email AccessLevel DisableMessages Active Skype PhoneWork \
        PhoneMobile LastLogin LoginKey IsCustomUsername Password SkipFirstLogin TimeZone SalesforceId OriginalId \
        Street1 Street2 City State PostalCode Country CompanyName JobTitle CustomField1 CustomField2 CustomField3 \
        CustomField4 CustomField5 CustomField6 CustomField7 CustomField8 CustomField9 CustomField10 Culture \
        SalesforceContactId SalesforceAccountId CreatedDate Points Brand ManagerId ManagerName \
        EnableTextNotification Website Twitter ExpirationDate JobRole ExternalEmployeeId ProfileType";
    let expected: Vec<&str> = expected.split_whitespace().collect();
    let places: Vec<usize> = expected
        .iter()
        .map(|name| text.find(&format!("\"{name}\":")).expect(name))
        .collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(litmos.record(&id).await.as_object().unwrap().len(), 53);
    assert_eq!(expected.len(), 53);
}

#[tokio::test]
async fn a_user_name_is_taken_in_any_case_and_by_inactive_users_too() {
    let litmos = litmos().await;
    litmos
        .post("/users", with(user("Mira.Lund"), json!({"Active": false})))
        .await;
    assert_eq!(
        litmos.post("/users", user("mira.lund")).await.detail(409),
        "UserName already exists"
    );
    assert_eq!(litmos.running.state().users.len(), 2, "the owner and one more");
}

#[tokio::test]
async fn a_409_is_also_how_invalid_values_are_refused() {
    let litmos = litmos().await;
    let cases = [
        (
            json!({"UserName": "abc"}),
            "UserName must be more than 3 and at most 255 characters",
        ),
        (
            json!({"UserName": "mira+lms@corp.example"}),
            "UserName contains invalid characters",
        ),
        (
            json!({"UserName": "_mira"}),
            "UserName contains invalid characters",
        ),
        (json!({"Email": "nowhere"}), "Email is invalid"),
        (json!({"Culture": "xx-YY"}), "Culture is invalid"),
        (json!({"JobRole": "Astronaut"}), "Job Role is invalid"),
        (json!({"AccessLevel": "Emperor"}), "AccessLevel is invalid"),
        (json!({"LastName": ""}), "LastName is required"),
        (
            json!({"FirstName": "x".repeat(51)}),
            "FirstName is longer than 50 characters",
        ),
    ];
    for (change, detail) in cases {
        assert_eq!(
            litmos
                .post("/users", with(user("mira.lund"), change))
                .await
                .detail(409),
            detail
        );
    }
    assert_eq!(
        litmos.running.state().users.len(),
        1,
        "nothing came of the refused ones"
    );
}

#[tokio::test]
async fn too_long_values_are_cut_in_the_mode_that_cuts() {
    let litmos = litmos_in_mode(&["lengths=truncate"]).await;
    let answer = litmos
        .post(
            "/users",
            with(user("mira.lund"), json!({"FirstName": "x".repeat(60)})),
        )
        .await;
    assert_eq!(answer.json()["FirstName"], "x".repeat(50));
}

#[tokio::test]
async fn text_notification_needs_a_mobile_number_in_the_international_form() {
    let litmos = litmos().await;
    let with_number = |number: &str| {
        with(
            user("mira.lund"),
            json!({"EnableTextNotification": true, "PhoneMobile": number}),
        )
    };
    assert!(
        litmos
            .post("/users", with_number("0155 123"))
            .await
            .detail(400)
            .contains("+15551234567")
    );
    assert_eq!(
        litmos.post("/users", with_number("+15551234567")).await.status,
        201
    );
}

#[tokio::test]
async fn an_unreadable_body_is_a_400() {
    let litmos = litmos().await;
    let url = format!(
        "{}/v1.svc/users?source=tests&format=json",
        litmos.running.base_url()
    );
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", "<User/>"),
        ("text/xml", "{}"),
    ] {
        let request = litmos
            .http
            .post(&url)
            .header("apikey", litmos.running.api_key())
            .header("content-type", content_type)
            .body(body);
        litmos.send_raw(request).await.unwrap().detail(400);
    }
}

#[tokio::test]
async fn a_put_needs_the_id_of_the_url_in_its_body() {
    let litmos = litmos().await;
    let (id, other) = (litmos.user("mira.lund").await, litmos.user("noor.berg").await);
    for wrong in [
        json!({"Id": other}),
        json!({"Id": ""}),
        json!({"Id": id.to_lowercase() + "x"}),
    ] {
        let body = with(litmos.record(&id).await, wrong);
        litmos.put(&format!("/users/{id}"), body).await.detail(404);
    }
    let by_name = litmos.put("/users/mira.lund", json!({"Id": "mira.lund"})).await;
    assert_eq!(
        by_name.detail(404),
        "User not found",
        "only the real id reaches a user for writing"
    );
}

#[tokio::test]
async fn a_put_answers_200_with_an_empty_body_and_a_whole_record_put_back_changes_nothing() {
    for mode in ["put=replace", "put=merge"] {
        let litmos = litmos_in_mode(&[mode]).await;
        let id = litmos.user("mira.lund").await;
        let before = litmos.record(&id).await;
        let answer = litmos.put(&format!("/users/{id}"), before.clone()).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        assert_eq!(litmos.record(&id).await, before, "{mode}");
        let effects: Vec<String> = litmos
            .running
            .log()
            .into_iter()
            .filter_map(|line| line.effect)
            .collect();
        assert_eq!(effects.last(), Some(&format!("user.unchanged id={id}")), "{mode}");
    }
}

#[tokio::test]
async fn fields_left_out_of_a_put_are_blanked_in_one_mode_and_kept_in_the_other() {
    let partial =
        |id: &str| json!({"Id": id, "UserName": "mira.lund", "FirstName": "Mira", "LastName": "Berg"});
    let full = with(
        user("mira.lund"),
        json!({"City": "Malmö", "AccessLevel": "Administrator"}),
    );

    let replacing = litmos_in_mode(&["put=replace"]).await;
    let id = replacing.post("/users", full.clone()).await.id();
    assert_eq!(
        replacing.put(&format!("/users/{id}"), partial(&id)).await.status,
        200
    );
    let record = replacing.record(&id).await;
    assert_eq!((&record["City"], &record["Active"]), (&json!(""), &json!(false)));
    assert_eq!(record["AccessLevel"], "Learner", "the role is lost");

    let merging = litmos_in_mode(&["put=merge"]).await;
    let id = merging.post("/users", full).await.id();
    assert_eq!(
        merging.put(&format!("/users/{id}"), partial(&id)).await.status,
        200
    );
    let record = merging.record(&id).await;
    assert_eq!(
        (&record["City"], &record["Active"]),
        (&json!("Malmö"), &json!(true))
    );
    assert_eq!(record["AccessLevel"], "Administrator");
    assert_eq!(record["FullName"], "Mira Berg");
}

#[tokio::test]
async fn a_cleared_text_is_empty_and_a_never_set_one_null() {
    let litmos = litmos_in_mode(&["put=merge"]).await;
    litmos.running.invent_people(1, 1);
    let id = litmos.running.state().users[1].id.to_string();
    let set = |city: &str| json!({"Id": id, "City": city});
    litmos.put(&format!("/users/{id}"), set("Lyon")).await;
    litmos.put(&format!("/users/{id}"), set("")).await;
    let record = litmos.record(&id).await;
    assert_eq!((&record["City"], &record["State"]), (&json!(""), &Value::Null));
}

#[tokio::test]
async fn a_manager_must_exist_and_shows_by_id_and_name() {
    let litmos = litmos().await;
    let (boss, id) = (litmos.user("boss.berg").await, litmos.user("mira.lund").await);
    let path = format!("/users/{id}");
    let record = litmos.record(&id).await;
    litmos
        .put(&path, with(record.clone(), json!({"ManagerId": "nobody"})))
        .await
        .detail(404);
    litmos
        .put(&path, with(record.clone(), json!({"ManagerId": boss})))
        .await;
    let led = litmos.record(&id).await;
    assert_eq!(
        (led["ManagerId"].as_str(), led["ManagerName"].as_str()),
        (Some(boss.as_str()), Some("Mira Lund"))
    );
    litmos.put(&path, with(record, json!({"ManagerId": "0"}))).await;
    assert_eq!(litmos.record(&id).await["ManagerId"], "0");
    litmos.put(&path, led).await;
    assert_eq!(litmos.delete(&format!("/users/{boss}")).await.status, 200);
    assert_eq!(
        litmos.record(&id).await["ManagerId"],
        "0",
        "a deleted manager leaves no tie"
    );
}

#[tokio::test]
async fn a_user_is_found_by_id_or_by_user_name_in_any_case_but_ids_keep_their_case() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund@corp.example").await;
    assert_eq!(litmos.get("/users/MIRA.lund%40corp.example").await.id(), id);
    assert_eq!(
        litmos.get(&format!("//users/{id}")).await.id(),
        id,
        "a doubled slash is tolerated"
    );
    let swapped: String = id
        .chars()
        .map(|c| {
            if c.is_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    assert_eq!(
        litmos.get(&format!("/users/{swapped}")).await.detail(404),
        "User not found"
    );
}

#[tokio::test]
async fn a_renamed_user_frees_the_old_name_and_takes_the_new_one() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let record = litmos.record(&id).await;
    litmos
        .put(
            &format!("/users/{id}"),
            with(record, json!({"UserName": "mira.berg"})),
        )
        .await;
    assert_eq!(litmos.get("/users/mira.berg").await.id(), id);
    litmos.get("/users/mira.lund").await.detail(404);
    litmos.user("mira.lund").await;
    assert_eq!(litmos.post("/users", user("mira.berg")).await.status, 409);
}

#[tokio::test]
async fn a_deleted_user_is_gone_for_good() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let answer = litmos.delete(&format!("/users/{id}")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    litmos.get(&format!("/users/{id}")).await.detail(404);
    litmos.delete(&format!("/users/{id}")).await.detail(404);
}

#[tokio::test]
async fn list_items_have_eight_fields_and_inactive_users_show_unless_asked_not_to() {
    let litmos = litmos().await;
    litmos
        .post("/users", with(user("mira.lund"), json!({"Active": false})))
        .await;
    let items = litmos.get("/users").await.items();
    assert_eq!(items.len(), 2);
    let names: Vec<&String> = items[1].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(items[1]["Active"], false);
    assert_eq!(
        litmos.get("/users?showInactive=false").await.column("UserName"),
        ["account.owner@corp.example"]
    );
}

#[tokio::test]
async fn search_finds_parts_of_names_user_names_addresses_and_companies_in_any_case() {
    let litmos = litmos().await;
    let company = json!({"CompanyName": "Northwind", "Email": "ada@corp.example", "FirstName": "Ada"});
    litmos.post("/users", with(user("zeta"), company)).await;
    for search in ["ZET", "ada", "NORTHW", "ADA%40corp", "ada%20lund"] {
        assert_eq!(
            litmos
                .get(&format!("/users?search={search}"))
                .await
                .column("UserName"),
            ["zeta"],
            "{search}"
        );
    }
    assert_eq!(litmos.get("/users?search=nobody-at-all").await.text, "[]");
}

#[tokio::test]
async fn paging_walks_every_user_once_and_ends_with_an_empty_page() {
    let litmos = litmos_with(Settings {
        users: 2049,
        limit: 1000,
        ..Settings::default()
    })
    .await;
    let mut seen = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();
    for start in [0, 1000, 2000, 3000] {
        let ids = litmos
            .get(&format!("/users?start={start}&limit=1000"))
            .await
            .column("Id");
        sizes.push(ids.len());
        seen.extend(ids);
    }
    assert_eq!((sizes, seen.len()), (vec![1000, 1000, 50, 0], 2050));
    assert_eq!(litmos.get("/users").await.items().len(), 100, "the default");
    assert_eq!(
        litmos.get("/users?limit=5000").await.items().len(),
        1000,
        "the most"
    );
}

#[tokio::test]
async fn a_page_may_run_over_its_limit_in_the_mode_that_says_so() {
    let litmos = litmos_with(Settings {
        users: 50,
        ..Settings::default()
    })
    .await;
    litmos.running.set_mode("page", "over").unwrap();
    assert_eq!(litmos.get("/users?limit=10").await.items().len(), 12);
}

#[tokio::test]
async fn the_paginated_list_tells_the_total() {
    let litmos = litmos_with(Settings {
        users: 30,
        ..Settings::default()
    })
    .await;
    let answer = litmos.get("/users/paginated?start=10&limit=5").await.json();
    assert_eq!(
        answer["Pagination"],
        json!({"BatchParam": "Limit", "BatchSize": 5, "Start": 10, "TotalCount": 31})
    );
    assert_eq!(answer["Items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn details_filter_on_the_day_of_creation_only() {
    let litmos = litmos_with(Settings {
        users: 20,
        ..Settings::default()
    })
    .await;
    let all = litmos.get("/users/details").await.items();
    assert_eq!((all.len(), all[1].as_object().unwrap().len()), (21, 53));
    let recent = litmos.get("/users/details?since=2999-01-01%2000:00").await;
    assert_eq!(recent.text, "[]");
    litmos.get("/users/details?since=05/03/2024").await.detail(406);
}

#[tokio::test]
async fn sorting_goes_both_ways() {
    let litmos = litmos().await;
    for name in ["bbbb", "aaaa", "cccc"] {
        litmos.user(name).await;
    }
    let path = |dir: &str| format!("/users?sort=UserName&dir={dir}&search=lund");
    assert_eq!(
        litmos.get(&path("ASC")).await.column("UserName"),
        ["aaaa", "bbbb", "cccc"]
    );
    assert_eq!(
        litmos.get(&path("DESC")).await.column("UserName"),
        ["cccc", "bbbb", "aaaa"]
    );
}

#[tokio::test]
async fn lists_are_wrapped_and_creates_answer_200_in_the_modes_that_say_so() {
    let litmos = litmos_in_mode(&["list=wrapped", "create-status=200"]).await;
    assert_eq!(litmos.post("/users", user("mira.lund")).await.status, 200);
    assert_eq!(
        litmos.get("/users").await.json()["User"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(litmos.get("/teams").await.json(), json!({"Team": []}));
}

#[tokio::test]
async fn xml_is_answered_when_json_is_not_asked_for() {
    let litmos = litmos().await;
    litmos
        .post(
            "/users",
            with(user("mira.lund"), json!({"LastName": "Lund & <Co>"})),
        )
        .await;
    let url = format!("{}/v1.svc/users?source=tests", litmos.running.base_url());
    let request = litmos.http.get(&url).header("apikey", litmos.running.api_key());
    let answer = litmos.send_raw(request).await.unwrap();
    assert_eq!(answer.content_type, "application/xml; charset=utf-8");
    assert!(
        answer
            .text
            .starts_with("<Users xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><User><Id>")
    );
    assert!(
        answer
            .text
            .contains("<LastName>Lund &amp; &lt;Co&gt;</LastName><Active>true</Active>")
    );

    let json = litmos
        .http
        .get(&url)
        .header("APIKey", litmos.running.api_key())
        .header("accept", "application/json");
    assert!(litmos.send_raw(json).await.unwrap().text.starts_with("[{"));
}

#[tokio::test]
async fn an_expired_user_is_deactivated_by_litmos_itself() {
    let litmos = litmos().await;
    let id = litmos
        .post(
            "/users",
            with(user("mira.lund"), json!({"ExpirationDate": "2001-01-01"})),
        )
        .await
        .id();
    let record = litmos.record(&id).await;
    assert_eq!(
        (&record["Active"], &record["ExpirationDate"]),
        (&json!(false), &json!("2001-01-01T00:00:00Z"))
    );
}

#[tokio::test]
async fn the_key_must_be_right_the_source_given_and_the_owner_still_an_owner() {
    let litmos = litmos().await;
    let base = litmos.running.base_url();
    let wrong = litmos
        .http
        .get(format!("{base}/v1.svc/users?source=x&format=json"))
        .header("apikey", "wrong");
    litmos.send_raw(wrong).await.unwrap().detail(401);
    let in_query = litmos.http.get(format!(
        "{base}/v1.svc/users?source=x&format=json&apikey=simulator-key"
    ));
    litmos.send_raw(in_query).await.unwrap().detail(401);
    let sourceless = litmos
        .http
        .get(format!("{base}/v1.svc/users?format=json"))
        .header("apikey", "simulator-key");
    litmos.send_raw(sourceless).await.unwrap().detail(401);

    let owner = litmos.get("/users/account.owner%40corp.example").await;
    let path = format!("/users/{}", owner.id());
    litmos
        .put(&path, with(owner.json(), json!({"AccessLevel": "Administrator"})))
        .await;
    assert_eq!(litmos.get("/users").await.status, 200);
    litmos.get("/users/details").await.detail(403);
    litmos
        .put(&path, with(owner.json(), json!({"AccessLevel": "Learner"})))
        .await;
    litmos.get("/users").await.detail(403);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_frameworks_page() {
    let litmos = litmos().await;
    let unknown = litmos.get("/sessions/future").await;
    assert_eq!(
        (unknown.status, unknown.content_type.as_str()),
        (404, "text/html")
    );
    assert_eq!(litmos.bare(Method::PATCH, "/users").await.status, 405);
}
