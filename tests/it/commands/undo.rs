use std::time::Instant;

use rollcall_tests::{House, PATIENCE, roster_csv};
use serde_json::{Value, json};

use super::{account, apply_all, ends, house_of, litmos, load, masked, patched, title, told, until};

/// Waits until it is done, and says under which id the record knows it.
async fn run_of(house: &House, people: usize) -> String {
    house.settled(people).await;
    let runs = told(house, 0, &["runs"]).await;
    runs["runs"][0]["id"].as_str().unwrap().to_owned()
}

fn said(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let items = answer[list].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_changes_and_a_cut_off_is_taken_back_to_the_letter() {
    // Changes wait for a word, so that the two files become one run.
    let house = house_of("apply = \"manual\"\nbulk_import = false\n", 6, &roster_csv(6, 2)).await;
    apply_all(&house).await;
    let before = litmos(&house);
    let changed = roster_csv(6, 2)
        .replace("Title 1", "Guide")
        .replace("p2@corp.example,First2", "p2.new@corp.example,Second")
        .replace(
            "E3,p3@corp.example,First3,Last3,p3@corp.example,p0@corp.example,Group 1",
            "E3,p3@corp.example,First3,Last3,p3@corp.example,p1@corp.example,Group 0",
        );
    load(&house, &changed).await;
    planned(&house, 5).await;
    let gone = house.write(
        "gone.csv",
        "external_id,user_name,active\nE4,p4@corp.example,false\n",
    );
    ends(&house, 0, &["load", &gone.to_string_lossy(), "--source", "hr"]).await;
    until(&house, "the cut-off", |house| !account(house, "p4").active).await;
    apply_all(&house).await;
    let run = run_of(&house, 6).await;
    let calls = house.litmos.log().len();

    let look = told(&house, 0, &["undo", &run]).await;
    assert_eq!(look["left"], json!([]), "{look:#}");
    let printed = ends(&house, 0, &["undo", &run[..8]]).await;
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
    assert_eq!(house.litmos.log().len(), calls, "a look costs nothing");

    let done = ends(&house, 0, &["undo", &run, "--yes"]).await;
    assert!(
        done.contains("taken back:") && done.contains("wait for: rollcall apply"),
        "{done}"
    );
    apply_all(&house).await;
    assert_eq!(litmos(&house), before);
    let spent = (house.litmos.log().len() - calls) as u64;
    assert_eq!(
        Some(spent),
        look["price"]["calls"].as_u64(),
        "the price was right"
    );

    // Taking back what was taken back leads forward again.
    run_of(&house, 6).await;
    ends(&house, 0, &["undo", "last", "--yes"]).await;
    apply_all(&house).await;
    assert!(!account(&house, "p4").active);
    assert_eq!(account(&house, "p2.new").first_name, "Second");
}

/// Waits until so many operations are planned.
async fn planned(house: &House, operations: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let plan = told(house, 0, &["plan"]).await;
        if plan["operations"] == operations {
            return;
        }
        assert!(Instant::now() < deadline, "{plan:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_a_group_s_name_are_taken_back() {
    let house = house_of("", 4, &roster_csv(4, 2)).await;
    let groups = house.scim("GET", "/Groups", None).await.1;
    let group = groups["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == "Group 0")
        .unwrap();
    let before = litmos(&house);
    let people = house.scim("GET", "/Users", None).await.1;
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
        &house,
        &path,
        json!({"displayName": "Sellers", "members": members}),
    )
    .await;
    until(&house, "the change of the group", |house| {
        let teams = house.litmos.state().teams;
        let sellers = teams.iter().find(|team| team.name == "Sellers");
        let wanted = [account(house, "p1").id, account(house, "p2").id];
        sellers
            .is_some_and(|team| team.members.len() == 2 && wanted.iter().all(|id| team.members.contains(id)))
    })
    .await;
    let run = run_of(&house, 4).await;
    let look = told(&house, 0, &["undo", &run]).await;
    let mut wishes = said(&look, "wishes", "said");
    wishes.sort();
    assert_eq!(
        wishes,
        [
            "group Sellers is called Group 0 again",
            "p0@corp.example is in Sellers again",
            "p1@corp.example is not in Sellers again",
        ]
    );
    ends(&house, 0, &["undo", &run, "--yes"]).await;
    assert_eq!(litmos(&house), before);
}

/// One run: these lines of a source, applied. Says under which id the record knows it.
async fn run_with(house: &House, lines: &[Value], operations: u64) -> String {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = house.write("wishes.jsonl", lines.join("\n"));
    ends(house, 0, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
    planned(house, operations).await;
    apply_all(house).await;
    run_of(house, 3).await
}

fn fields(n: usize, fields: Value) -> Value {
    json!({"external_id": format!("E{n}"), "user_name": format!("p{n}@corp.example"), "custom_fields": fields})
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_and_a_description_go_back_to_what_rollcall_knew_of_them() {
    let house = house_of("apply = \"manual\"\n", 3, &roster_csv(3, 1)).await;
    apply_all(&house).await;
    let group = |text: &str| json!({"group": "Group 0", "description": text});
    let first = [
        fields(0, json!({"Site": ""})),
        fields(1, json!({"Site": "Kiel", "Cost Centre": "100"})),
        group("Guides"),
    ];
    run_with(&house, &first, 3).await;
    let before = litmos(&house);
    let second = [
        fields(0, json!({"Site": "Bern"})),
        fields(1, json!({"Site": "Oslo", "Cost Centre": ""})),
        fields(2, json!({"Site": "Bern"})),
        group("Hosts"),
    ];
    let run = run_with(&house, &second, 4).await;
    let after = litmos(&house);
    assert_eq!(account(&house, "p1").custom_fields["Site"], "Oslo");
    let past = ["explain", "p1@corp.example", "--at", "0 seconds ago"];
    let past = told(&house, 0, &past).await;
    assert_eq!(past["known"]["values"]["Site"], "Oslo", "{past:#}");
    let calls = house.litmos.log().len();

    let look = told(&house, 0, &["undo", &run]).await;
    let printed = ends(&house, 0, &["undo", &run]).await;
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
    assert_eq!(house.litmos.log().len(), calls, "a look costs nothing");

    ends(&house, 0, &["undo", &run, "--yes"]).await;
    apply_all(&house).await;
    let spent = (house.litmos.log().len() - calls) as u64;
    assert_eq!(
        Some(spent),
        look["price"]["calls"].as_u64(),
        "the price was right"
    );
    // Of the third, nobody knew what was there before.
    for (thing, there) in litmos(&house) {
        let expected = if thing.contains("p2@") { &after } else { &before };
        assert_eq!(Some(&there), expected.get(&thing), "{thing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_wished_anew_is_left_alone_and_what_is_much_is_held() {
    let house = house_of("", 40, &roster_csv(40, 1)).await;
    let first = run_of(&house, 40).await;
    let look = ends(&house, 0, &["undo", &first]).await;
    assert!(
        look.contains("and wait for your approval: 40 people would lose access"),
        "{look}"
    );
    assert!(
        look.contains("create team Group 0: a team is not deleted by an undo"),
        "{look}"
    );

    load(
        &house,
        &roster_csv(40, 1)
            .replace("Title 1", "Guide")
            .replace("Title 2", "Host"),
    )
    .await;
    until(&house, "the second file", |house| {
        title(house, "p1") == "Guide" && title(house, "p2") == "Host"
    })
    .await;
    let second = run_of(&house, 40).await;
    load(
        &house,
        &roster_csv(40, 1)
            .replace("Title 1", "Owner")
            .replace("Title 2", "Host"),
    )
    .await;
    until(&house, "the third file", |house| title(house, "p1") == "Owner").await;
    house.settled(40).await;
    let look = told(&house, 0, &["undo", &second]).await;
    assert!(
        said(&look, "wishes", "said").contains(&"p2@corp.example: JobTitle \"Title 2\" again".to_owned()),
        "{look:#}"
    );
    assert!(
        said(&look, "left", "why").contains(&"JobTitle has been changed again since".to_owned()),
        "{look:#}"
    );
    ends(&house, 0, &["undo", &second, "--yes"]).await;
    assert_eq!(title(&house, "p1"), "Owner", "the newer word stands");
    assert_eq!(title(&house, "p2"), "Title 2");

    let unknown = ends(&house, 1, &["undo", "nothing"]).await;
    assert!(
        unknown.contains("the journal knows no run \"nothing\""),
        "{unknown}"
    );
}
