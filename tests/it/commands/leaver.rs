use std::time::Instant;

use rollcall_tests::{Harness, PATIENCE, roster_csv};
use serde_json::{Value, json};

use super::{QUICK, account, apply_all, ends, harness_of, load, made, masked, output, patched, quick, title};

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_cut_off_in_front_of_an_org_that_waits_and_comes_back_when_the_order_is_lifted() {
    let harness = harness_of("apply = \"manual\"\n", 5, &roster_csv(5, 1)).await;
    apply_all(&harness).await;
    assert!(account(&harness, "p1").active);
    // Changes that wait for a word, and one of them about the leaver.
    let csv = roster_csv(60, 1).replace("Title 1", "Guide");
    load(&harness, &csv).await;
    // All of the file is taken in: the newcomers, and what it says of the leaver.
    let deadline = Instant::now() + PATIENCE;
    let story = loop {
        let people = output(&harness, 0, &["status"]).await["people"].take();
        let story = output(&harness, 0, &["explain", "E1"]).await;
        if people == 60 && story["plan"]["operations"] != json!([]) {
            break story;
        }
        assert!(Instant::now() < deadline, "{people} people, {story:#}");
    };
    let bulk = story["plan"]["operations"][0].as_str().unwrap();

    let (code, printed, error) = harness.rollcall(&["leaver", "p1@corp.example"]).await;
    assert_eq!(code, 0, "{printed}{error}");
    let gone = account(&harness, "p1");
    assert!(!gone.active, "{gone:?}");
    assert_eq!(
        gone.teams.len(),
        1,
        "leaving teams cuts no access, so it waits like the rest"
    );
    assert_eq!(harness.litmos.state().users.len(), 6, "nothing else was sent");
    let story = output(&harness, 0, &["explain", "E1"]).await;
    let person = story["person"].as_str().unwrap();
    let permit = printed
        .split("permit ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let names = [
        (person, "<p1>"),
        (gone.id.0.as_str(), "<account>"),
        (permit, "<permit>"),
        (bulk, "<a bulk import>"),
    ];
    let printed = printed.replace(&by(&printed), "<by>");
    insta::assert_snapshot!(masked(&printed, &names), @r#"
    p1@corp.example (<p1>): account <account> (p1@corp.example) is cut off
      ordered <moment> by <by>
      cut off <moment>, <time> after the order
      request PUT /users/{} -> 200, permit <permit>, no trace, for the settings name no [telemetry] otlp_endpoint
      still in Group 0
      frozen <a bulk import>
      take it back with: rollcall leaver <p1> --lift
    "#);

    let again = output(&harness, 0, &["leaver", "p1@corp.example"]).await;
    assert_eq!(again["outcome"], "already_inactive", "{again:#}");
    let status = ends(&harness, 3, &["status"]).await;
    assert!(
        status.contains("FROZEN 1 person by order") && status.contains(person),
        "{status}"
    );
    let story = ends(&harness, 0, &["explain", "p1@corp.example"]).await;
    assert!(story.contains("keeps the person cut off since"), "{story}");
    assert!(
        ends(&harness, 0, &["links", "--frozen"])
            .await
            .starts_with("frozen    p1@corp.example")
    );

    let lifted = ends(&harness, 0, &["leaver", "p1@corp.example", "--lift"]).await;
    assert!(lifted.contains("its sources want the person active"), "{lifted}");
    apply_all(&harness).await;
    let back = account(&harness, "p1");
    assert!(
        back.active && back.id == gone.id && back.teams.len() == 1,
        "{back:?}"
    );
    assert_eq!(title(&harness, "p1"), "Guide", "what had waited was not lost");
}

fn by(receipt: &str) -> String {
    let ordered = receipt.lines().find(|line| line.contains("ordered")).unwrap();
    ordered.split(" by ").nth(1).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_an_account_gets_none_and_somebody_unknown_is_said_to_be() {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.up(&[]).await;
    harness.bus().await;
    let id = made(&harness, "mira").await;
    harness.settled(1).await;
    let file = harness.write(
        "later.csv",
        "external_id,user_name,first_name,last_name,active\nE7,zed@corp.example,Z,D,false\n",
    );
    ends(&harness, 0, &["load", &file.to_string_lossy()]).await;
    let receipt = output(&harness, 0, &["leaver", "zed@corp.example"]).await;
    assert_eq!(
        (&receipt["outcome"], &receipt["account"]),
        (&Value::from("no_account"), &Value::Null)
    );
    load(
        &harness,
        "external_id,user_name,first_name,last_name,active\nE7,zed@corp.example,Z,D,true\n",
    )
    .await;
    harness.settled(2).await;
    let users = harness.litmos.state().users;
    assert!(
        !users.iter().any(|user| user.user_name == "zed@corp.example"),
        "the order stands"
    );

    patched(&harness, &format!("/Users/{id}"), json!({"active": false})).await;
    harness.settled(1).await;
    let receipt = output(&harness, 0, &["leaver", &id]).await;
    assert_eq!(receipt["outcome"], "already_inactive", "{receipt:#}");
    assert_eq!(
        receipt["request"]["method"], "PUT",
        "the source's own cut-off is shown: {receipt:#}"
    );
    let unknown = ends(&harness, 1, &["leaver", "nobody@corp.example"]).await;
    assert!(unknown.contains("nobody in the roster of acme"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_that_litmos_does_not_take_in_time_says_where_it_stands() {
    let harness = harness_of("", 1, &roster_csv(1, 1)).await;
    harness
        .litmos
        .set_faults(&["status=500,method=PUT,path=/users"])
        .unwrap();
    let printed = ends(&harness, 1, &["leaver", "E0", "--within", "2"]).await;
    assert!(
        printed.contains("is NOT cut off yet") && printed.contains("where it stands:"),
        "{printed}"
    );
    assert!(account(&harness, "p0").active);
    harness.litmos.set_faults(&[]).unwrap();
    let receipt = output(&harness, 0, &["leaver", "E0"]).await;
    assert_eq!(receipt["outcome"], "cut_off", "{receipt:#}");
    assert!(!account(&harness, "p0").active);
}
