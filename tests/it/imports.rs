//! What an import writes down, and what it does not conclude.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{ObservedValue, OperatorRequest, Service, WatchEvent};
use litmos_simulator::Settings;
use provisioning::Roles;
use rollcall_tests::{Harness, PATIENCE, user};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Fast enough to be waited for, and slow enough that a limit is felt.
const SHORT: &str = "requests_per_minute = 40\nwindow_ms = 2000\npermit_ttl_ms = 1500\nsettle_ms = 1500\n";

fn simulator() -> Settings {
    Settings {
        limit: 40,
        window_length: Duration::from_secs(2),
        bulk_delay: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// Roles by team and person, as observed.
async fn observed_roles(harness: &Harness) -> BTreeMap<(String, String), Roles> {
    let state = harness.litmos.state();
    let mut roles = BTreeMap::new();
    let mut watch = harness.bus().await.observed().watch(&harness.org);
    loop {
        match watch.next().await {
            WatchEvent::Put(_, stored) => {
                if let ObservedValue::TeamMember(member) = stored.value {
                    let team = state.teams.iter().find(|team| team.id.0 == member.team.as_str());
                    let user = state
                        .users
                        .iter()
                        .find(|user| user.id.0 == member.account.as_str());
                    let names = team.zip(user);
                    let (team, user) = names.expect("observed members are of what there is");
                    roles.insert((team.name.clone(), user.user_name.clone()), member.roles);
                }
            }
            WatchEvent::Synced => return roles,
            WatchEvent::Removed(_) | WatchEvent::Reset => {}
        }
    }
}

/// Requests so far whose path ends with this, whatever was asked of it.
fn asked(harness: &Harness, method: &str, end: &str) -> usize {
    let log = harness.litmos.log();
    let plain = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    log.iter()
        .filter(|entry| entry.method == method && plain(&entry.path).ends_with(end))
        .count()
}

async fn until(what: &str, harness: &Harness, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen:\n{}",
            harness.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn account(name: &str, level: &str) -> Value {
    let email = format!("{name}@corp.example");
    json!({"UserName": email, "FirstName": "First", "LastName": name, "Email": email, "AccessLevel": level, "Active": true})
}

fn people(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@corp.example")).collect()
}

fn is_running(run: &Value) -> bool {
    run["running"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_read_where_somebody_can_hold_one_also_after_a_kill() {
    let mut harness = Harness::new(simulator(), SHORT).await;
    let accounts = [
        account("lead", "Team_Leader"),
        account("admin", "Team_Admin"),
        account("mira", "Learner"),
    ];
    harness.litmos.put_users(&accounts).unwrap();
    let teams = [
        json!({"Name": "Kiel", "Members": people(&["lead", "mira"]), "Leaders": people(&["lead"])}),
        json!({"Name": "Oslo", "Members": people(&["admin", "lead"]), "Leaders": people(&["admin"]), "Admins": people(&["admin"])}),
        json!({"Name": "Plain", "Members": people(&["mira"])}),
    ];
    harness.litmos.put_teams(&teams).unwrap();
    // The roles of a team are just being read when everything dies.
    harness
        .litmos
        .set_faults(&["delay_ms=4000,path=/leaders,times=1"])
        .unwrap();
    harness.up(&[]).await;
    let members_of = |team: &str| {
        let id = harness
            .litmos
            .state()
            .teams
            .into_iter()
            .find(|known| known.name == team);
        format!("/teams/{}/users", id.unwrap().id)
    };
    let struck = ["Kiel", "Oslo"].map(members_of);
    until("reading members", &harness, || {
        struck.iter().any(|path| asked(&harness, "GET", path) > 0)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    harness.kill().await;
    harness.up(&[]).await;
    harness.settled(0).await;
    let roles = observed_roles(&harness).await;
    let of = |team: &str, name: &str| roles[&(team.to_owned(), format!("{name}@corp.example"))];
    let holds = |leader, admin| Roles { leader, admin };
    assert_eq!(roles.len(), 5);
    assert_eq!(of("Kiel", "lead"), holds(true, false));
    assert_eq!(of("Kiel", "mira"), Roles::NONE);
    assert_eq!(of("Oslo", "admin"), holds(true, true));
    assert_eq!(of("Oslo", "lead"), Roles::NONE);
    assert_eq!(of("Plain", "mira"), Roles::NONE);
    let pages = |end: &str| asked(&harness, "GET", end);
    assert_eq!(
        pages("/users/details"),
        2,
        "the page of users and the empty one after it"
    );
    let members: usize = ["Kiel", "Oslo", "Plain"]
        .map(|team| {
            let id = harness
                .litmos
                .state()
                .teams
                .into_iter()
                .find(|known| known.name == team);
            pages(&format!("/teams/{}/users", id.unwrap().id))
        })
        .into_iter()
        .sum();
    assert_eq!(
        members, 4,
        "the team that was being read is read again, and no other"
    );
    assert!(
        pages("/leaders") <= 3 && pages("/admins") <= 2,
        "Plain has nobody who could hold a role"
    );

    // What changed is seen, and what did not stays as it is.
    let before = observed_records(&harness).await;
    let change = [json!({"Name": "Kiel", "Members": people(&["admin"]), "Admins": people(&["admin"])})];
    harness.litmos.put_teams(&change).unwrap();
    let (code, message, error) = harness.rollcall(&["import"]).await;
    assert_eq!(code, 0, "{message}{error}");
    let roles = observed_roles(&harness).await;
    let kiel = |name: &str| roles[&("Kiel".to_owned(), format!("{name}@corp.example"))];
    assert_eq!(
        (kiel("admin"), kiel("lead")),
        (holds(false, true), holds(true, false))
    );
    let written = observed_records(&harness).await - before;
    let seen_again = 4 + 3 + 6 + 2;
    assert!(
        written <= seen_again + 20,
        "{written} records were written for {seen_again} things"
    );
}

/// The newest revision in the observed state.
async fn observed_records(harness: &Harness) -> u64 {
    let mut newest = 0;
    let mut watch = harness.bus().await.observed().watch(&harness.org);
    loop {
        match watch.next().await {
            WatchEvent::Put(_, stored) => newest = newest.max(stored.revision),
            WatchEvent::Synced => return newest,
            WatchEvent::Removed(_) | WatchEvent::Reset => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_misses_a_fifth_of_our_accounts_forgets_none_until_somebody_says_so() {
    let mut harness = Harness::new(simulator(), SHORT).await;
    harness.up(&[]).await;
    for n in 0..10 {
        let (status, made) = harness
            .scim("POST", "/Users", Some(&user(&format!("p{n}"))))
            .await;
        assert_eq!(status, 201, "{made}");
    }
    harness.settled(10).await;
    let ours = |n: usize| format!("p{n}@corp.example");
    for n in 0..6 {
        let users = harness.litmos.state().users;
        let user = users.iter().find(|user| user.user_name == ours(n)).unwrap();
        harness.litmos.delete(&format!("users/{}", user.id)).unwrap();
    }
    let made = asked(&harness, "POST", "/users") + asked(&harness, "POST", "/bulkimports");
    let (code, message, error) = harness.rollcall(&["import"]).await;
    assert_eq!(code, 1, "{message}{error}");
    for words in [
        "failed",
        "6 of 10 linked accounts",
        "rollcall import --accept-losses",
    ] {
        assert!(message.contains(words), "{words} is missing in: {message}");
    }
    let status = harness.settled(10).await;
    assert_eq!(status["accounts"], 11, "all are known still: {status}");
    assert_eq!(
        asked(&harness, "POST", "/users") + asked(&harness, "POST", "/bulkimports"),
        made,
        "nobody is made again"
    );

    let (code, message, error) = harness.rollcall(&["import", "--accept-losses"]).await;
    assert_eq!(code, 0, "{message}{error}");
    harness.settled(10).await;
    let users = harness.litmos.state().users;
    for n in 0..10 {
        let accounts = users.iter().filter(|user| user.user_name == ours(n)).count();
        assert_eq!(accounts, 1, "{} has an account again", ours(n));
    }
}

/// Accounts of linked people are not counted as accounts to be matched.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_an_import_counts_what_is_linked_to_be_matched_and_unmanaged() {
    let mut harness = Harness::new(simulator(), SHORT).await;
    let accounts = ["mira", "zed", "kim"].map(|name| account(name, "Learner"));
    harness.litmos.put_users(&accounts).unwrap();
    harness.up(&[]).await;
    harness.bus().await;
    let file = harness.write(
        "people.csv",
        "external_id,user_name,FirstName,LastName\n1,mira@corp.example,First,mira\n2,zed@corp.example,First,zed\n",
    );
    let (code, _, error) = harness
        .rollcall(&["load", &file.to_string_lossy(), "--source", "hr"])
        .await;
    assert_eq!(code, 0, "{error}");
    harness.settled(2).await;
    let import = async || {
        let (code, printed, error) = harness.rollcall(&["import", "--json"]).await;
        assert_eq!(code, 0, "{printed} {error}");
        let report: Value = serde_json::from_str(&printed).unwrap();
        [&report["linked"], &report["to_be_matched"], &report["unmanaged"]].map(Value::as_u64)
    };
    // The account of the key's owner and kim's belong to nobody.
    assert_eq!(import().await, [Some(2), Some(0), Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_could_not_be_read_keeps_its_members_and_one_that_is_gone_does_not() {
    let mut harness = Harness::new(simulator(), SHORT).await;
    harness.up(&[]).await;
    let (_, made) = harness.scim("POST", "/Users", Some(&user("mira"))).await;
    let group = json!({"displayName": "Kiel", "members": [{"value": made["id"]}]});
    assert_eq!(harness.scim("POST", "/Groups", Some(&group)).await.0, 201);
    harness.settled(1).await;
    let kiel = harness.litmos.state().teams[0].id.to_string();
    let members = format!("/teams/{kiel}/users");
    let added = asked(&harness, "POST", &members);
    harness
        .litmos
        .set_faults(&[&format!("status=404,method=GET,path={members},times=1")])
        .unwrap();
    let bus = harness.bus().await;
    harness
        .ask(
            &bus,
            Service::Importer,
            OperatorRequest::Import { accept_losses: false },
        )
        .await;
    until("the second try", &harness, || {
        asked(&harness, "GET", &members) >= 2
    })
    .await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = harness
            .ask(&bus, Service::Importer, OperatorRequest::Status)
            .await;
        if run.is_some_and(|run| run["complete"] == true && !is_running(&run)) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the import did not end:\n{}",
            harness.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    harness.settled(1).await;
    assert_eq!(
        asked(&harness, "POST", &members),
        added,
        "she was in it all the time"
    );

    // This one goes away while it is about to be read.
    harness
        .litmos
        .put_teams(&[json!({"Name": "Oslo", "Members": people(&["mira"])})])
        .unwrap();
    let teams = harness.litmos.state().teams;
    let oslo = teams
        .iter()
        .find(|team| team.name == "Oslo")
        .unwrap()
        .id
        .to_string();
    let listed = asked(&harness, "GET", "/teams");
    harness
        .litmos
        .set_faults(&[&format!(
            "delay_ms=1500,method=GET,path=/teams/{oslo}/users,times=1"
        )])
        .unwrap();
    let import = harness.rollcall(&["import"]);
    let away = async {
        until("the list of teams", &harness, || {
            asked(&harness, "GET", "/teams") > listed + 1
        })
        .await;
        harness.litmos.delete(&format!("teams/{oslo}")).unwrap();
    };
    let ((code, message, error), ()) = tokio::join!(import, away);
    assert_eq!(code, 0, "{message}{error}");
    assert_eq!(
        asked(&harness, "GET", &format!("/teams/{oslo}")),
        1,
        "a look at it says that it is gone"
    );
    let status = harness.settled(1).await;
    assert_eq!(status["teams"], 1);
    assert_eq!(
        observed_roles(&harness).await.len(),
        1,
        "its members are forgotten with it"
    );
}

/// Litmos lists 51 properties of a user one day and 53 the next: what a list leaves out is not known, and not a default.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_51_properties_one_day_and_53_the_next_changes_nobody() {
    let mut harness = Harness::new(simulator(), &format!("{SHORT}bulk_import = false\n")).await;
    let record = |n: usize| {
        json!({"UserName": format!("s{n}@corp.example"), "FirstName": "First", "LastName": format!("Last{n}"),
            "Email": format!("s{n}@corp.example"), "Culture": "de-DE", "SalesforceContactId": format!("003{n}"),
            "EnableTextNotification": true, "PhoneMobile": "+15551234567", "JobTitle": "Old"})
    };
    harness
        .litmos
        .put_users(&[record(0), record(1), record(2)])
        .unwrap();
    harness.litmos.set_mode("details", "sap").unwrap();
    harness.up(&[]).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("s{n}@corp.example"),
            "name": {"givenName": "First", "familyName": format!("Last{n}")}, "active": true, "title": "One day",
            "emails": [{"value": format!("s{n}@corp.example"), "primary": true}]});
        let (status, made) = harness.scim("POST", "/Users", Some(&body)).await;
        assert_eq!(status, 201, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    for (details, title) in [("sap", "One day"), ("whole", "The next day"), ("sap", "And back")] {
        harness.litmos.set_mode("details", details).unwrap();
        let (code, message, error) = harness.rollcall(&["import"]).await;
        assert_eq!(code, 0, "{message}{error}");
        let before = effects(&harness);
        if title != "One day" {
            harness.settled(3).await;
            assert_eq!(
                effects(&harness),
                before,
                "{details}: the list alone changes nobody"
            );
        }
        for id in &ids {
            let edit = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "title", "value": title}]});
            let (status, message) = harness.scim("PATCH", &format!("/Users/{id}"), Some(&edit)).await;
            assert!(status < 300, "{message}");
        }
        harness.settled(3).await;
        for n in 0..3 {
            let users = harness.litmos.state().users;
            let name = format!("s{n}@corp.example");
            let user = users.iter().find(|user| user.user_name == name).unwrap();
            let value = |field: &str| user.attributes.get(field).map(String::as_str);
            assert_eq!(value("JobTitle"), Some(title), "{user:#?}");
            assert_eq!(value("Culture"), Some("de-DE"), "{details}: {user:#?}");
            assert_eq!(
                value("SalesforceContactId"),
                Some(format!("003{n}").as_str()),
                "{user:#?}"
            );
            assert!(user.enable_text_notification, "{details}: {user:#?}");
        }
    }
}

/// What was changed in Litmos so far.
fn effects(harness: &Harness) -> Vec<String> {
    harness
        .litmos
        .log()
        .into_iter()
        .filter_map(|entry| entry.effect)
        .collect()
}
