use std::time::Instant;

use rollcall_tests::{Harness, PATIENCE, roster_csv};
use serde_json::{Value, json};

use super::{account, apply_all, ends, harness_of, litmos, load, masked, output, patched, title, until};

/// Waits until it is done, and says under which id the record knows it.
async fn run_of(harness: &Harness, people: usize) -> String {
    harness.settled(people).await;
    let runs = output(harness, 0, &["runs"]).await;
    runs["runs"][0]["id"].as_str().unwrap().to_owned()
}

fn described(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let items = answer[list].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_changes_and_a_cut_off_is_taken_back_to_the_letter() {
    // Changes wait for a word, so that the two files become one run.
    let harness = harness_of("apply = \"manual\"\nbulk_import = false\n", 6, &roster_csv(6, 2)).await;
    apply_all(&harness).await;
    let before = litmos(&harness);
    let changed = roster_csv(6, 2)
        .replace("Title 1", "Guide")
        .replace("p2@corp.example,First2", "p2.new@corp.example,Second")
        .replace(
            "E3,p3@corp.example,First3,Last3,p3@corp.example,p0@corp.example,Group 1",
            "E3,p3@corp.example,First3,Last3,p3@corp.example,p1@corp.example,Group 0",
        );
    load(&harness, &changed).await;
    planned(&harness, 5).await;
    let gone = harness.write(
        "gone.csv",
        "external_id,user_name,active\nE4,p4@corp.example,false\n",
    );
    ends(&harness, 0, &["load", &gone.to_string_lossy(), "--source", "hr"]).await;
    until(&harness, "the cut-off", |harness| !account(harness, "p4").active).await;
    apply_all(&harness).await;
    let run = run_of(&harness, 6).await;
    let calls = harness.litmos.log().len();

    let look = output(&harness, 0, &["undo", &run]).await;
    assert_eq!(look["left"], json!([]), "{look:#}");
    let printed = ends(&harness, 0, &["undo", &run[..8]]).await;
    insta::assert_snapshot!(masked(&printed, &[(&run, "<run>")]), @r#"
    run <run>, 7 operations
    would be taken back:
      p1@corp.example: JobTitle "Title 1" again
      p2.new@corp.example: user name p2@corp.example again, FirstName "First2" again
      p3@corp.example is in Group 1 again
      p3@corp.example is not in Group 0 again
      p3@corp.example: the manager from before
      p4@corp.example: active again
    it would take 7 calls in about <time>
    nothing is written yet; do it with: rollcall undo <run> --yes
    correct it at the source too: what a source says again counts again
    "#);
    assert_eq!(harness.litmos.log().len(), calls, "a look costs nothing");

    let done = ends(&harness, 0, &["undo", &run, "--yes"]).await;
    assert!(
        done.contains("taken back:") && done.contains("wait for: rollcall apply"),
        "{done}"
    );
    apply_all(&harness).await;
    assert_eq!(litmos(&harness), before);
    let spent = (harness.litmos.log().len() - calls) as u64;
    assert_eq!(
        Some(spent),
        look["price"]["calls"].as_u64(),
        "the price was right"
    );

    // Taking back what was taken back leads forward again.
    run_of(&harness, 6).await;
    ends(&harness, 0, &["undo", "last", "--yes"]).await;
    apply_all(&harness).await;
    assert!(!account(&harness, "p4").active);
    assert_eq!(account(&harness, "p2.new").first_name, "Second");
}

/// Waits until so many operations are planned.
async fn planned(harness: &Harness, operations: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let plan = output(harness, 0, &["plan"]).await;
        if plan["operations"] == operations {
            return;
        }
        assert!(Instant::now() < deadline, "{plan:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_a_group_s_name_are_taken_back() {
    let harness = harness_of("", 4, &roster_csv(4, 2)).await;
    let groups = harness.scim("GET", "/Groups", None).await.1;
    let group = groups["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == "Group 0")
        .unwrap();
    let before = litmos(&harness);
    let people = harness.scim("GET", "/Users", None).await.1;
    let id_of = |name: &str| {
        let people = people["Resources"].as_array().unwrap();
        let person = people
            .iter()
            .find(|person| person["userName"] == format!("{name}@corp.example"))
            .unwrap();
        person["id"].clone()
    };
    let members = json!([{"value": id_of("p1")}, {"value": id_of("p2")}]);
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    patched(
        &harness,
        &path,
        json!({"displayName": "Sellers", "members": members}),
    )
    .await;
    until(&harness, "the change of the group", |harness| {
        let teams = harness.litmos.state().teams;
        let sellers = teams.iter().find(|team| team.name == "Sellers");
        let wanted = [account(harness, "p1").id, account(harness, "p2").id];
        sellers
            .is_some_and(|team| team.members.len() == 2 && wanted.iter().all(|id| team.members.contains(id)))
    })
    .await;
    let run = run_of(&harness, 4).await;
    let look = output(&harness, 0, &["undo", &run]).await;
    let mut edits = described(&look, "edits", "message");
    edits.sort();
    assert_eq!(
        edits,
        [
            "group Sellers is called Group 0 again",
            "p0@corp.example is in Sellers again",
            "p1@corp.example is not in Sellers again",
        ]
    );
    ends(&harness, 0, &["undo", &run, "--yes"]).await;
    assert_eq!(litmos(&harness), before);
}

/// One run: these lines of a source, applied. Says under which id the record knows it.
async fn run_with(harness: &Harness, lines: &[Value], operations: u64) -> String {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = harness.write("edits.jsonl", lines.join("\n"));
    ends(harness, 0, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
    planned(harness, operations).await;
    apply_all(harness).await;
    run_of(harness, 3).await
}

fn fields(n: usize, fields: Value) -> Value {
    json!({"external_id": format!("E{n}"), "user_name": format!("p{n}@corp.example"), "custom_fields": fields})
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_and_a_description_go_back_to_what_rollcall_knew_of_them() {
    let harness = harness_of("apply = \"manual\"\n", 3, &roster_csv(3, 1)).await;
    apply_all(&harness).await;
    let group = |text: &str| json!({"group": "Group 0", "description": text});
    let first = [
        fields(0, json!({"Site": ""})),
        fields(1, json!({"Site": "Kiel", "Cost Centre": "100"})),
        group("Guides"),
    ];
    run_with(&harness, &first, 3).await;
    let before = litmos(&harness);
    let second = [
        fields(0, json!({"Site": "Bern"})),
        fields(1, json!({"Site": "Oslo", "Cost Centre": ""})),
        fields(2, json!({"Site": "Bern"})),
        group("Hosts"),
    ];
    let run = run_with(&harness, &second, 4).await;
    let after = litmos(&harness);
    assert_eq!(account(&harness, "p1").custom_fields["Site"], "Oslo");
    let past = ["explain", "p1@corp.example", "--at", "0 seconds ago"];
    let past = output(&harness, 0, &past).await;
    assert_eq!(past["known"]["values"]["Site"], "Oslo", "{past:#}");
    let calls = harness.litmos.log().len();

    let look = output(&harness, 0, &["undo", &run]).await;
    let printed = ends(&harness, 0, &["undo", &run]).await;
    insta::assert_snapshot!(masked(&printed, &[(&run, "<run>")]), @r#"
    run <run>, 4 operations
    would be taken back:
      group Group 0: description "Guides" again
      p0@corp.example: Site empty again
      p1@corp.example: Cost Centre "100" again, Site "Kiel" again
    stays as it is:
      set custom fields of p2@corp.example: Site: what was in Site before is not known, as Rollcall had neither set nor read it; say at the source what is to be there
    it would take 5 calls in about <time>
    nothing is written yet; do it with: rollcall undo <run> --yes
    correct it at the source too: what a source says again counts again
    "#);
    assert_eq!(harness.litmos.log().len(), calls, "a look costs nothing");

    ends(&harness, 0, &["undo", &run, "--yes"]).await;
    apply_all(&harness).await;
    let spent = (harness.litmos.log().len() - calls) as u64;
    assert_eq!(
        Some(spent),
        look["price"]["calls"].as_u64(),
        "the price was right"
    );
    // Of the third, nobody knew what was there before.
    for (thing, there) in litmos(&harness) {
        let expected = if thing.contains("p2@") { &after } else { &before };
        assert_eq!(Some(&there), expected.get(&thing), "{thing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_wished_anew_is_left_alone_and_what_is_much_is_held() {
    let harness = harness_of("", 40, &roster_csv(40, 1)).await;
    let first = run_of(&harness, 40).await;
    let look = ends(&harness, 0, &["undo", &first]).await;
    assert!(
        look.contains("and wait for your approval: 40 people would lose access"),
        "{look}"
    );
    assert!(
        look.contains("create team Group 0: a team is not deleted by an undo"),
        "{look}"
    );

    load(
        &harness,
        &roster_csv(40, 1)
            .replace("Title 1", "Guide")
            .replace("Title 2", "Host"),
    )
    .await;
    until(&harness, "the second file", |harness| {
        title(harness, "p1") == "Guide" && title(harness, "p2") == "Host"
    })
    .await;
    let second = run_of(&harness, 40).await;
    load(
        &harness,
        &roster_csv(40, 1)
            .replace("Title 1", "Owner")
            .replace("Title 2", "Host"),
    )
    .await;
    until(&harness, "the third file", |harness| {
        title(harness, "p1") == "Owner"
    })
    .await;
    harness.settled(40).await;
    let look = output(&harness, 0, &["undo", &second]).await;
    assert!(
        described(&look, "edits", "message")
            .contains(&"p2@corp.example: JobTitle \"Title 2\" again".to_owned()),
        "{look:#}"
    );
    assert!(
        described(&look, "left", "why").contains(&"JobTitle has been changed again since".to_owned()),
        "{look:#}"
    );
    ends(&harness, 0, &["undo", &second, "--yes"]).await;
    assert_eq!(title(&harness, "p1"), "Owner", "the newer word stands");
    assert_eq!(title(&harness, "p2"), "Title 2");

    let unknown = ends(&harness, 1, &["undo", "nothing"]).await;
    assert!(
        unknown.contains("the journal knows no run \"nothing\""),
        "{unknown}"
    );
}
