use std::time::Duration;

use litmos_simulator::Settings;
use serde_json::{Value, json};

use crate::client::{Litmos, litmos, litmos_in_mode, litmos_with, user, with};

fn row(user_name: &str) -> Value {
    json!({
        "Username": user_name, "Email": format!("{user_name}@corp.example"), "FirstName": "Noor", "LastName": "Berg",
    })
}

/// Imports and gives the finished job.
async fn import(litmos: &Litmos, rows: Value) -> Value {
    let answer = litmos.post("/bulkimports", rows).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    litmos.get(&format!("/bulkimports/{}", answer.id())).await.json()
}

#[tokio::test]
async fn a_job_waits_first_and_is_completed_later() {
    let slow = Settings {
        bulk_delay: Duration::from_secs(3600),
        ..Settings::default()
    };
    let litmos = litmos_with(slow).await;
    let job = litmos
        .post("/bulkimports?sendmessage=true", json!([row("noor.berg")]))
        .await
        .json();
    assert_eq!(
        (&job["Status"], &job["TotalRecords"], &job["TotalUsersCreated"]),
        (&json!("Waiting"), &json!(1), &json!(0))
    );
    assert_eq!(
        (&job["SendEmails"], &job["SkipFirstLogin"], &job["IsAPIImport"]),
        (&json!(true), &json!(false), &json!(true))
    );
    litmos.get("/users/noor.berg").await.detail(404);

    let quick = crate::client::litmos().await;
    let job = import(&quick, json!([row("noor.berg")])).await;
    assert_eq!(
        (&job["Status"], &job["TotalUsersCreated"], &job["Failed"]),
        (&json!("Completed"), &json!(1), &json!(0))
    );
    assert_eq!(quick.get("/users/noor.berg").await.json()["FirstName"], "Noor");
    assert_eq!(
        quick.get("/bulkimports").await.column("Id"),
        [job["Id"].as_str().unwrap()]
    );
}

#[tokio::test]
async fn an_import_changes_what_is_given_keeps_what_is_blank_and_turns_notifications_on() {
    let litmos = litmos().await;
    let old = with(
        user("noor.berg"),
        json!({"City": "Porto", "JobTitle": "Nurse", "AccessLevel": "Administrator"}),
    );
    let id = litmos.post("/users", old).await.id();
    let change = with(
        row("NOOR.BERG"),
        json!({"City": "", "State": null, "Title": "Planner", "Zip": "4000", "Phone": "12"}),
    );
    let job = import(&litmos, json!({"UserImport": [change]})).await;
    assert_eq!(job["TotalUsersCreated"], 0);
    let record = litmos.record(&id).await;
    assert_eq!(
        (&record["City"], &record["JobTitle"]),
        (&json!("Porto"), &json!("Planner"))
    );
    assert_eq!(
        (&record["PostalCode"], &record["PhoneWork"]),
        (&json!("4000"), &json!("12"))
    );
    assert_eq!(
        (&record["AccessLevel"], &record["DisableMessages"]),
        (&json!("Administrator"), &json!(false))
    );
    assert_eq!(record["UserName"], "noor.berg", "the username itself stays");
}

#[tokio::test]
async fn an_import_adds_to_teams_by_code_and_takes_nobody_out() {
    let litmos = litmos().await;
    let (one, two) = (litmos.team("One").await, litmos.team("Two").await);
    let code = async |id: &str| {
        litmos.get(&format!("/teams/{id}")).await.json()["TeamCodeForBulkImport"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    import(
        &litmos,
        json!([with(row("noor.berg"), json!({"Team1": code(&one).await}))]),
    )
    .await;
    import(
        &litmos,
        json!([with(row("noor.berg"), json!({"Team5": code(&two).await}))]),
    )
    .await;
    let id = litmos.get("/users/noor.berg").await.id();
    assert_eq!(
        litmos.get(&format!("/users/{id}/teams")).await.column("Id"),
        [one, two]
    );
}

#[tokio::test]
async fn access_levels_managers_and_custom_fields_have_names_of_their_own() {
    let litmos = litmos().await;
    let boss = litmos.user("boss.lund").await;
    let levels = [
        ("L", "Learner"),
        ("TL", "Team_Leader"),
        ("TA", "Team_Admin"),
        ("2", "Account_Owner"),
        ("3", "Administrator"),
        ("5", "Learner"),
    ];
    for (index, (code, level)) in levels.into_iter().enumerate() {
        let name = format!("person{index}");
        let manager = if index % 2 == 0 {
            "boss.lund"
        } else {
            boss.as_str()
        };
        let extra = json!({"AccessLevel": code, "Manager": manager, "UserCustomField3": "Lyon"});
        import(&litmos, json!([with(row(&name), extra)])).await;
        let record = litmos.get(&format!("/users/{name}")).await.json();
        assert_eq!(
            (record["AccessLevel"].as_str(), record["ManagerId"].as_str()),
            (Some(level), Some(boss.as_str()))
        );
        let custom = litmos
            .get(&format!(
                "/users/{}/usercustomfields",
                record["Id"].as_str().unwrap()
            ))
            .await
            .json();
        assert_eq!(custom["Site"], "Lyon");
    }
}

#[tokio::test]
async fn a_bad_row_is_reported_and_the_others_go_on() {
    let litmos = litmos().await;
    let rows = json!([
        row("noor.berg"),
        with(row("mira+x"), json!({})),
        with(row("no.level"), json!({"AccessLevel": ""})),
        with(row("no.expiry"), json!({"InActiveDate": null})),
        with(row("bad.mail"), json!({"Email": "nowhere"})),
        with(row("bad.team"), json!({"Team1": "99-Nowhere"})),
        with(row("bad.boss"), json!({"Manager": "nobody"})),
        with(row("no.name"), json!({"LastName": ""})),
        row("ada.weber"),
    ]);
    let job = import(&litmos, rows).await;
    assert_eq!(
        (
            &job["TotalRecords"],
            &job["TotalUsersCreated"],
            &job["Failed"],
            &job["InvalidEmail"]
        ),
        (&json!(9), &json!(2), &json!(7), &json!(1))
    );
    let errors = litmos
        .get(&format!(
            "/bulkimports/{}/usererrors",
            job["Id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        errors.column("Username"),
        [
            "mira+x",
            "no.level",
            "no.expiry",
            "bad.mail",
            "bad.team",
            "bad.boss",
            "no.name"
        ]
    );
    assert_eq!(errors.column("ImportStatus")[5], "Failed: manager does not exist");
    assert_eq!(litmos.running.state().users.len(), 3);
}

#[tokio::test]
async fn which_fields_a_row_needs_is_a_mode() {
    let litmos = litmos_in_mode(&["bulk-required=email"]).await;
    let rows = json!([{"Email": "noor.berg@corp.example", "FirstName": "Noor", "LastName": "Berg"}, {"Username": "mira.lund", "FirstName": "Mira", "LastName": "Lund"}]);
    assert_eq!(import(&litmos, rows).await["Failed"], 1);
    assert_eq!(litmos.get("/users/noor.berg%40corp.example").await.status, 200);
}

#[tokio::test]
async fn an_import_of_more_than_2000_kb_is_refused_whole() {
    let litmos = litmos().await;
    let padded = |kb: usize| json!([with(row("noor.berg"), json!({"City": "x".repeat(kb * 1024)}))]);
    litmos.post("/bulkimports", padded(2000)).await.detail(400);
    assert_eq!(litmos.post("/bulkimports", padded(1999)).await.status, 200);
}

#[tokio::test]
async fn an_unknown_job_is_a_400() {
    let litmos = litmos().await;
    litmos.get("/bulkimports/unknown").await.detail(400);
    litmos.get("/bulkimports/unknown/usererrors").await.detail(400);
}

#[tokio::test]
async fn the_end_word_of_a_job_is_a_mode_and_its_counts_say_the_same_in_all() {
    let litmos = litmos().await;
    let good = import(&litmos, json!([row("noor.berg"), row("noor.berg")])).await;
    let some = import(&litmos, json!([row("ada.weber"), row("mira+x")])).await;
    let none = import(&litmos, json!([row("ben+x")])).await;
    let words = async |mode: &str| {
        litmos.running.set_mode("bulk-word", mode).unwrap();
        let mut words = Vec::new();
        for job in [&good, &some, &none] {
            let job = litmos
                .get(&format!("/bulkimports/{}", job["Id"].as_str().unwrap()))
                .await
                .json();
            let count = |name: &str| job[name].as_u64().unwrap();
            assert_eq!(
                count("TotalUsersCreated") + count("Failed") + count("Duplicate"),
                count("TotalRecords"),
                "{mode}"
            );
            words.push(job["Status"].as_str().unwrap().to_owned());
        }
        words
    };
    assert_eq!(words("Completed").await, ["Completed"; 3]);
    assert_eq!(words("Failed").await, ["Completed", "Completed", "Failed"]);
    assert_eq!(
        words("CompletedWithErrors").await,
        ["Completed", "CompletedWithErrors", "CompletedWithErrors"]
    );
    for word in ["Processed", "Finished", "Waiting", "Processing"] {
        assert_eq!(words(word).await, [word; 3]);
    }
}

#[tokio::test]
async fn a_job_under_way_waits_in_every_mode_and_counts_nothing() {
    let litmos = litmos_with(Settings {
        bulk_delay: Duration::from_secs(3600),
        ..Settings::default()
    })
    .await;
    let id = litmos.post("/bulkimports", json!([row("noor.berg")])).await.id();
    for (word, under_way) in [
        ("Finished", "Waiting"),
        ("Waiting", "Waiting"),
        ("Processing", "Processing"),
    ] {
        litmos.running.set_mode("bulk-word", word).unwrap();
        let job = litmos.get(&format!("/bulkimports/{id}")).await.json();
        assert_eq!(
            (&job["Status"], &job["TotalUsersCreated"]),
            (&json!(under_way), &json!(0))
        );
    }
}

#[tokio::test]
async fn whether_updated_users_count_as_duplicates_is_a_mode() {
    let litmos = litmos_in_mode(&["bulk-duplicate=none"]).await;
    litmos.user("noor.berg").await;
    let job = import(&litmos, json!([row("noor.berg"), row("ada.weber")])).await;
    assert_eq!(
        (&job["TotalUsersCreated"], &job["Duplicate"], &job["Failed"]),
        (&json!(1), &json!(0), &json!(0))
    );
    litmos.running.set_mode("bulk-duplicate", "updated").unwrap();
    let job = litmos
        .get(&format!("/bulkimports/{}", job["Id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(job["Duplicate"], 1);
}
