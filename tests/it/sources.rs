//! What sources say of custom fields, of groups, and of who is gone, until it is in the roster.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Bus, RosterValue, WatchEvent};
use litmos_simulator::Settings;
use provisioning::{Field, Group, NormalName, Person, SourceId};
use rollcall_tests::{Harness, PATIENCE, user};
use serde_json::{Value, json};
use tokio::time::Instant;

const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
const LITMOS_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group";

/// The roster, read from the bus.
struct Roster {
    people: BTreeMap<NormalName, Person>,
    groups: BTreeMap<NormalName, Group>,
}

impl Roster {
    async fn of(harness: &Harness, bus: &Bus) -> Roster {
        let mut watch = bus.roster().watch(&harness.org);
        let mut roster = Roster {
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        loop {
            match watch.next().await {
                WatchEvent::Put(_, stored) => match stored.value {
                    RosterValue::Person(person) => {
                        roster.people.insert(NormalName::of(&person.user_name), *person);
                    }
                    RosterValue::Group(group) => {
                        roster.groups.insert(NormalName::of(&group.name), *group);
                    }
                    RosterValue::Membership(_) | RosterValue::Index(_) | RosterValue::Question(_) => {}
                },
                WatchEvent::Removed(_) | WatchEvent::Reset => {}
                WatchEvent::Synced => return roster,
            }
        }
    }

    fn person(&self, name: &str) -> &Person {
        &self.people[&NormalName::of(name)]
    }

    fn group(&self, name: &str) -> &Group {
        &self.groups[&NormalName::of(name)]
    }

    /// Who of a source has access, by user name.
    fn with_access(&self, source: &str) -> Vec<&str> {
        let source = SourceId::parse(source).unwrap();
        let theirs = self
            .people
            .values()
            .filter(|person| person.sources.contains_key(&source) && person.wanted_active());
        theirs.map(|person| person.user_name.as_str()).collect()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// Waits until schema discovery has told the gateway of the account's own fields.
async fn discovered(harness: &Harness) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, schema) = harness
            .scim("GET", &format!("/Schemas/{LITMOS_USER}"), None)
            .await;
        let attributes = schema["attributes"].as_array().cloned().unwrap_or_default();
        if attributes
            .iter()
            .any(|attribute| attribute["name"] == "costCentre")
        {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "no field was discovered; last seen {schema:#}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scim_client_sets_and_clears_custom_fields_and_tells_of_groups() {
    let world = Settings {
        users: 3,
        ..Settings::default()
    };
    let mut harness = Harness::new(world, "").await;
    harness.up(&[]).await;
    let bus = harness.bus().await;
    discovered(&harness).await;

    let mut mira = user("mira");
    mira[LITMOS_USER] = json!({
        "COSTCENTRE": 4711, "shoe": "43", "customFields": [{"name": "site", "value": "Oslo"}, {"name": "Hat", "value": "L"}],
    });
    let (status, made) = harness.scim("POST", "/Users", Some(&mira)).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        made[LITMOS_USER]["COSTCENTRE"], 4711,
        "a client reads back what it wrote"
    );
    let custom = async || {
        Roster::of(&harness, &bus)
            .await
            .person("mira@corp.example")
            .custom
            .clone()
    };
    assert_eq!(
        custom().await,
        pairs(&[("Cost Centre", "4711"), ("Hat", "L"), ("Site", "Oslo")])
    );

    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let remove = patch(json!([{"op": "Remove", "path": format!("{LITMOS_USER}:costCentre")}]));
    assert_eq!(harness.scim("PATCH", &path, Some(&remove)).await.0, 200);
    assert_eq!(
        custom().await,
        pairs(&[("Cost Centre", ""), ("Hat", "L"), ("Site", "Oslo")])
    );

    // Another source speaks of a field that SCIM never spoke of; a PUT that names neither clears only SCIM's own.
    let file = harness.write(
        "hr.csv",
        "user_name,custom:Start Date\nmira@corp.example,2026-01-31\n",
    );
    let (code, printed, error) = harness
        .rollcall(&["load", &file.to_string_lossy(), "--source", "hr"])
        .await;
    assert_eq!(code, 0, "{printed}{error}");
    let (status, message) = harness.scim("PUT", &path, Some(&user("mira"))).await;
    assert_eq!(status, 200, "{message}");
    assert_eq!(
        custom().await,
        pairs(&[
            ("Cost Centre", ""),
            ("Hat", ""),
            ("Site", ""),
            ("Start Date", "2026-01-31")
        ])
    );

    // Somebody of whom only the other source spoke: SCIM's silence takes nothing of that away, its patch does.
    let file = harness.write(
        "more.csv",
        "user_name,JobTitle,custom:Site\nzed@corp.example,Nurse,Oslo\n",
    );
    let (code, printed, error) = harness
        .rollcall(&["load", &file.to_string_lossy(), "--source", "hr"])
        .await;
    assert_eq!(code, 0, "{printed}{error}");
    let (_, found) = harness
        .scim(
            "GET",
            "/Users?filter=userName%20eq%20%22zed@corp.example%22",
            None,
        )
        .await;
    let zed = &found["Resources"][0];
    assert_eq!(
        (&zed["title"], &zed[LITMOS_USER]["site"]),
        (&json!("Nurse"), &json!("Oslo")),
        "{zed}"
    );
    let path = format!("/Users/{}", zed["id"].as_str().unwrap());
    let zed = async || {
        Roster::of(&harness, &bus)
            .await
            .person("zed@corp.example")
            .clone()
    };
    let put = json!({"userName": "zed@corp.example", "name": {"givenName": "Zed"}});
    assert_eq!(harness.scim("PUT", &path, Some(&put)).await.0, 200);
    let after = zed().await;
    assert_eq!(
        (after.profile.value(Field::JobTitle), after.custom),
        ("Nurse", pairs(&[("Site", "Oslo")]).into())
    );
    let remove = patch(json!([{"op": "remove", "path": format!("{LITMOS_USER}:site")}]));
    assert_eq!(harness.scim("PATCH", &path, Some(&remove)).await.0, 200);
    assert_eq!(zed().await.custom, pairs(&[("Site", "")]));

    let care = json!({"displayName": "Care", (LITMOS_GROUP): {"description": "Nurses", "parent": "Clinic"}});
    let (status, care) = harness.scim("POST", "/Groups", Some(&care)).await;
    assert_eq!(
        (status, &care[LITMOS_GROUP]["parent"]),
        (201, &json!("Clinic")),
        "{care}"
    );
    let path = format!("/Groups/{}", care["id"].as_str().unwrap());
    assert_eq!(
        harness
            .scim("PUT", &path, Some(&json!({"displayName": "Carers"})))
            .await
            .0,
        200
    );
    let roster = Roster::of(&harness, &bus).await;
    let group = roster.group("Carers");
    assert_eq!(
        (group.description.as_deref(), group.parent.as_deref()),
        (Some("Nurses"), Some("Clinic"))
    );
    let remove = patch(json!([{"op": "remove", "path": LITMOS_GROUP}]));
    assert_eq!(harness.scim("PATCH", &path, Some(&remove)).await.0, 204);
    let roster = Roster::of(&harness, &bus).await;
    let group = roster.group("Carers");
    assert_eq!(
        (group.description.as_deref(), group.parent.as_deref()),
        (Some(""), None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_says_who_left_and_a_cut_one_says_nothing() {
    let mut harness = Harness::new(Settings::default(), "").await;
    harness.up(&[]).await;
    let bus = harness.bus().await;
    let load = async |name: &str, text: &str, more: &[&str]| {
        let file = harness.write(name, text);
        let mut arguments = vec!["load", file.to_str().unwrap(), "--source", "hr", "--json"];
        arguments.extend(more);
        let (code, printed, error) = harness.rollcall(&arguments).await;
        (code, serde_json::from_str(&printed).unwrap_or(Value::Null), error)
    };
    let all = "user_name,external_id\na@corp.example,1\nb@corp.example,2\nc@corp.example,3\nd@corp.example,4\ne@corp.example,5\nf@corp.example,6\n";
    let (code, output, error) = load("all.csv", all, &[]).await;
    assert_eq!(code, 0, "{output} {error}");
    let about_groups = "{\"group\":\"Sales\",\"description\":\"Sells\",\"parent\":\"EMEA\"}\n{\"group\":\"Never there\",\"deleted\":true}\n\
        {\"user_name\":\"g@corp.example\",\"groups\":[\"Sales\"],\"custom_fields\":{\"Site\":\"Oslo\"}}\n";
    let (code, output, error) = load("more.jsonl", about_groups, &[]).await;
    assert_eq!(
        (code, &output["people"], &output["groups"]),
        (0, &json!(1), &json!(1)),
        "{output} {error}"
    );
    let roster = Roster::of(&harness, &bus).await;
    assert_eq!(roster.with_access("hr").len(), 7);
    assert_eq!(roster.person("g@corp.example").custom, pairs(&[("Site", "Oslo")]));
    assert_eq!(roster.group("Sales").parent.as_deref(), Some("EMEA"));

    let (_, found) = harness
        .scim("GET", "/Users?filter=userName%20eq%20%22g@corp.example%22", None)
        .await;
    let path = format!("/Users/{}", found["Resources"][0]["id"].as_str().unwrap());
    let title = patch(json!([{"op": "Replace", "path": "title", "value": "Carer"}]));
    assert_eq!(harness.scim("PATCH", &path, Some(&title)).await.0, 200);

    // Renamed under its id, and g is gone: one of seven.
    let whole = all.replace("f@corp.example,6", "ff@corp.example,6") + "#end 6\n";
    for (name, cut, complaint) in [
        (
            "between.csv",
            whole.replace("f@corp.example,6\n#end 6\n", "f@corp.example,6\n"),
            "does not say that it is whole",
        ),
        (
            "inside.csv",
            whole.replace("f@corp.example,6\n#end 6\n", "f@cor"),
            "line 7",
        ),
        (
            "end.csv",
            whole.replace("6\n#end 6\n", "6\n#end 6"),
            "does not end with a line break",
        ),
        (
            "short.csv",
            whole.replace("b@corp.example,2\n", ""),
            "there are 6 people, but 5 were read",
        ),
        (
            "nobody.csv",
            "user_name\n#end 0\n".to_owned(),
            "contains no people",
        ),
        ("header.csv", "user_na".to_owned(), "no column"),
    ] {
        let (code, output, error) = load(name, &cut, &["--complete"]).await;
        assert!(
            code == 1 && error.contains(complaint),
            "{name}: {code} {output} {error}"
        );
    }
    assert_eq!(
        Roster::of(&harness, &bus).await.with_access("hr").len(),
        7,
        "a cut file says nothing"
    );

    let (code, output, error) = load("whole.csv", &whole, &["--complete"]).await;
    assert_eq!(
        (code, &output["absent"], &output["of"]),
        (0, &json!(["g@corp.example"]), &json!(7)),
        "{output} {error}"
    );
    let roster = Roster::of(&harness, &bus).await;
    let names = ["a", "b", "c", "d", "e", "ff"].map(|name| format!("{name}@corp.example"));
    assert_eq!(roster.with_access("hr"), names);
    let gone = roster.person("g@corp.example");
    assert!(
        !gone.deleted && gone.custom == pairs(&[("Site", "Oslo")]),
        "{gone:?}"
    );
    let (_, found) = harness
        .scim("GET", "/Users?filter=userName%20eq%20%22g@corp.example%22", None)
        .await;
    assert_eq!(found["Resources"][0]["active"], false, "{found}");
    // The SCIM client knew the person with access: what it says of a title wakes nobody.
    let title = patch(json!([{"op": "Replace", "path": "title", "value": "Nurse"}]));
    assert_eq!(harness.scim("PATCH", &path, Some(&title)).await.0, 200);
    assert_eq!(Roster::of(&harness, &bus).await.with_access("hr"), names);

    let few = "user_name\na@corp.example\nb@corp.example\nc@corp.example\n";
    let (code, output, error) = load("few.csv", few, &["--complete", "--people", "3"]).await;
    assert_eq!(
        (code, &output["loaded"], &output["of"]),
        (3, &json!(false), &json!(6)),
        "{output} {error}"
    );
    assert!(output["remedy"].as_str().unwrap().contains("--yes"), "{output}");
    assert_eq!(
        Roster::of(&harness, &bus).await.with_access("hr"),
        names,
        "nobody was asked yet"
    );
    let (code, output, error) = load("few.csv", few, &["--complete", "--people", "3", "--yes"]).await;
    assert_eq!(
        (code, output["absent"].as_array().map(Vec::len)),
        (0, Some(3)),
        "{output} {error}"
    );
    assert_eq!(Roster::of(&harness, &bus).await.with_access("hr"), names[..3]);
}
