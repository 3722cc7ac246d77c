use rollcall_tests::roster_csv;

use super::{account, ends, harness_of, load, masked, output, title, until};

/// People who report to nobody.
fn alone(people: usize) -> String {
    let person = |n| format!("E{n},p{n}@corp.example,First{n},Last{n},Group 0\n");
    let header = "external_id,user_name,first_name,last_name,groups\n".to_owned();
    header + &(0..people).map(person).collect::<String>()
}

/// Complaint 21.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_waits_for_its_own_hash_and_ends_with_what_it_took_against_the_forecast() {
    let harness = harness_of("apply = \"manual\"\nbulk_import = false\n", 3, &alone(3)).await;
    let plan = output(&harness, 0, &["plan"]).await;
    let hash = plan["hash"].as_str().unwrap().to_owned();
    assert_eq!(plan["operations"], plan["lines"].as_array().unwrap().len());
    let printed = ends(&harness, 0, &["plan"]).await;
    let mut names = vec![(hash.as_str(), "<plan>")];
    names.extend(["p0@", "p1@", "p2@"].map(|name| (name, "<somebody>@")));
    insta::assert_snapshot!(masked(&printed, &names), @r#"
    plan <plan> for acme: 5 operations, 5 calls (Okta's formula: 5)
      create-team 1 operations 1 calls
      create 3 operations 3 calls
      add-members 1 operations 1 calls
    - create team Group 0 [1 call]
    - create account <somebody>@corp.example [1 call]
    - create account <somebody>@corp.example [1 call]
    - create account <somebody>@corp.example [1 call]
    - add 3 people to team Group 0 [1 call]
    about <time> (<time> to <time>; no forecast to judge by yet)
      normal 5 calls in about <time>, at <moment>
    it waits for: rollcall apply <plan> (cut-offs never wait)
    "#);
    let wrong = ends(&harness, 1, &["apply", "0123456789abcdef0123"]).await;
    assert!(wrong.contains(&format!("apply plan {hash}")), "{wrong}");
    assert_eq!(
        harness.litmos.state().users.len(),
        1,
        "nobody but the owner of the key"
    );
    assert!(
        ends(&harness, 0, &["runs"])
            .await
            .contains("nothing has been done for acme yet")
    );

    let printed = ends(&harness, 0, &["apply", &hash]).await;
    insta::assert_snapshot!(masked(&printed, &names), @r#"
    performing plan <plan>: 5 operations, 5 calls
    about <time> (<time> to <time>; no forecast to judge by yet)
      normal 5 calls in about <time>, at <moment>
    run <plan>: 5 operations, 5 calls; took <time>, forecast <time> (<time> to <time>): right
    acme: 3 people (3 active, 3 linked), 1 groups; Litmos has 4 accounts, 1 teams
    Litmos equals the roster
    "#);
    assert_eq!(harness.litmos.state().users.len(), 4);
    let runs = output(&harness, 0, &["runs"]).await;
    let run = &runs["runs"][0];
    assert_eq!(
        (run["id"].as_str(), run["right"].as_bool()),
        (Some(hash.as_str()), Some(true)),
        "{runs:#}"
    );
    let forecast = output(&harness, 0, &["status"]).await["forecast"].take();
    assert_eq!(
        (forecast["past_runs"].as_u64(), forecast["past_right"].as_u64()),
        (Some(1), Some(1))
    );
    let printed = ends(&harness, 0, &["runs"]).await;
    assert!(
        printed.contains("1 of 1 forecast right") && printed.contains("rollcall undo"),
        "{printed}"
    );

    // What is wished after a plan is not part of it, and its end is not waited for.
    load(&harness, &alone(4)).await;
    let printed = ends(&harness, 0, &["status", "--wait"]).await;
    assert!(printed.contains("wait for: rollcall apply"), "{printed}");
    assert_eq!(harness.litmos.state().users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_story_has_five_steps_and_can_be_read_as_of_a_moment() {
    let harness = harness_of("bulk_import = false\n", 2, &roster_csv(2, 1)).await;
    let before = chassis::clock::unix_ms();
    let csv = roster_csv(2, 1).replace("Title 1", "Guide");
    load(&harness, &csv).await;
    until(&harness, "the new title", |harness| {
        title(harness, "p1") == "Guide"
    })
    .await;
    harness.settled(2).await;
    let printed = ends(&harness, 0, &["explain", "p1@corp.example"]).await;
    let story = output(&harness, 0, &["explain", "E1"]).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (person, id) = (text(&story["person"]), text(&story["match"]["account"]));
    assert_eq!(id, account(&harness, "p1").id.0.as_str());
    let steps: Vec<&str> = printed.lines().take(7).collect();
    let revision = story["source"]["revision"].to_string();
    let names = [
        (person.as_str(), "<p1>"),
        (id.as_str(), "<account>"),
        (revision.as_str(), "<n>"),
    ];
    insta::assert_snapshot!(masked(&steps.join("\n"), &names), @r#"
    p1@corp.example (<p1>)
      source hr wants the person active, since <moment> (revision <n>)
      scope Group 0 (in its team)
      match account <account> (p1@corp.example), linked, active, in Group 0
      plan nothing to do
      act revision <n> is in Litmos
      next nothing, until a source or Litmos changes
    "#);
    assert!(printed.contains("POST /users -> 201 done"), "{printed}");

    let before = jiff::Timestamp::from_millisecond(before as i64).unwrap();
    let past = output(&harness, 0, &["explain", &person, "--at", &before.to_string()]).await;
    let labels: Vec<&str> = past["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["label"].as_str())
        .collect();
    assert!(
        labels.iter().any(|label| label.starts_with("create account p1@")),
        "{past:#}"
    );
    assert!(
        !labels.iter().any(|label| label.contains("JobTitle")),
        "that was later: {past:#}"
    );
    assert_eq!(past["known"]["account"], id.as_str());
    let nothing = ends(&harness, 0, &["explain", &person, "--at", "3 hours ago"]).await;
    assert!(
        nothing.contains("had done nothing about the person yet"),
        "{nothing}"
    );
    let usage = ends(&harness, 2, &["explain", &person, "--at", "yesterday"]).await;
    assert!(usage.contains("2 hours ago"), "{usage}");
    let unknown = ends(&harness, 1, &["explain", "zoe"]).await;
    assert!(unknown.contains("nobody in the roster of acme"), "{unknown}");
}
