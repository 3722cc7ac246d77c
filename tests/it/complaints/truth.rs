use litmos_simulator::{Settings, UserState};
use rollcall_tests::{Harness, roster_csv, user};
use serde_json::{Value, json};

use crate::commands::{
    QUICK, account, apply_all, ends, harness_of, made, output, patched, quick, title, until,
};

fn ids(harness: &Harness) -> Vec<String> {
    let users = harness.litmos.state().users;
    users.into_iter().map(|user| user.id.to_string()).collect()
}

async fn empty_house(simulator: Settings) -> Harness {
    let mut harness = Harness::new(simulator, QUICK).await;
    harness.up(&[]).await;
    harness
}

/// Complaint 5: after SCIM was set up anew everybody is made again, with new ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollcall_that_has_lost_everything_makes_nobody_again() {
    let mut harness = empty_house(quick()).await;
    let names = ["mira", "otto", "zoe"];
    for name in names {
        made(&harness, name).await;
    }
    harness.settled(3).await;
    let before = ids(&harness);

    harness.kill().await;
    std::fs::remove_dir_all(harness.data()).unwrap();
    harness.up(&[]).await;
    let spent = harness.litmos.log().len();
    for name in names {
        let mut again = user(name);
        again["title"] = json!("Guide");
        assert_eq!(harness.scim("POST", "/Users", Some(&again)).await.0, 201);
    }
    harness.settled(3).await;
    assert_eq!(ids(&harness), before);
    assert!(names.iter().all(|name| title(&harness, name) == "Guide"));
    let log = harness.litmos.log();
    let writes = log[spent..].iter().filter(|entry| entry.method == "POST");
    assert_eq!(writes.count(), 0, "nobody was even tried to be made");
}

/// Complaint 6: whoever was deleted in the identity provider stays in the app, and nobody sees it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deleted_at_the_source_loses_access_and_accounts_of_nobody_stand_in_a_pile() {
    let harness = empty_house(quick()).await;
    let mira = made(&harness, "mira").await;
    made(&harness, "otto").await;
    harness.settled(2).await;
    let by_hand = json!({"UserName": "by.hand@corp.example", "FirstName": "By", "LastName": "Hand", "Email": "h@corp.example"});
    harness.litmos.put_users(&[by_hand]).unwrap();
    assert_eq!(
        harness.scim("DELETE", &format!("/Users/{mira}"), None).await.0,
        204
    );
    harness.settled(1).await;
    assert!(!account(&harness, "mira").active);
    ends(&harness, 0, &["import"]).await;
    harness.settled(1).await;
    let piles = output(&harness, 0, &["links", "--orphans"]).await;
    let mut unmanaged: Vec<&str> = piles["unmanaged"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|account| account["user_name"].as_str())
        .collect();
    let state = harness.litmos.state();
    let owner = state.users.iter().find(|user| user.key_owner).unwrap();
    unmanaged.retain(|name| *name != owner.user_name);
    assert_eq!(unmanaged, ["by.hand@corp.example"], "{piles:#}");
    assert!(
        account(&harness, "by.hand").active,
        "whom no source knows, nobody touches"
    );
}

/// Complaint 10: what was changed in the app by hand goes unnoticed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_shown_before_it_is_repaired() {
    let harness = harness_of("apply = \"manual\"\n", 3, &roster_csv(3, 1)).await;
    apply_all(&harness).await;
    let (p1, p2) = (account(&harness, "p1"), account(&harness, "p2"));
    let team = harness.litmos.state().teams[0].id.clone();
    harness
        .litmos
        .delete(&format!("teams/{team}/users/{}", p1.id))
        .unwrap();
    let record = json!({"UserName": "p2@corp.example", "FirstName": "First2", "LastName": "Last2", "Email": "p2@corp.example", "JobTitle": "By hand"});
    harness.litmos.put_users(&[record]).unwrap();
    assert_eq!(
        output(&harness, 0, &["plan"]).await["operations"],
        0,
        "nobody has looked yet"
    );

    ends(&harness, 0, &["import"]).await;
    let plan = ends(&harness, 0, &["plan"]).await;
    assert!(
        plan.contains("add 1 person to team Group 0") && plan.contains("update p2@corp.example: JobTitle"),
        "{plan}"
    );
    assert!(
        account(&harness, "p1").teams.is_empty(),
        "it is shown, and not done yet"
    );
    assert_eq!(title(&harness, "p2"), "By hand");
    apply_all(&harness).await;
    assert_eq!((account(&harness, "p1"), account(&harness, "p2")), (p1, p2));
}

/// Complaint 11: the account is gone from the app, and the sync says that it succeeded.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_deleted_by_hand_is_said_to_be_gone_and_made_again() {
    let harness = empty_house(quick()).await;
    let id = made(&harness, "mira").await;
    harness.settled(1).await;
    let first = account(&harness, "mira").id;
    harness.litmos.delete(&format!("users/{first}")).unwrap();
    patched(&harness, &format!("/Users/{id}"), json!({"title": "Guide"})).await;
    until(&harness, "the account", |harness| {
        harness
            .litmos
            .state()
            .users
            .iter()
            .any(|user| user.user_name == "mira@corp.example")
    })
    .await;
    harness.settled(1).await;
    let second = account(&harness, "mira");
    assert!(second.id != first && second.active && title(&harness, "mira") == "Guide");
    let story = ends(&harness, 0, &["explain", &id]).await;
    assert!(story.contains(" -> 404 gone"), "{story}");
    let link = output(&harness, 0, &["links", &id]).await["people"][0].take();
    assert_eq!(link["account"], second.id.to_string());

    // The same when nobody wishes anything: the next import misses it.
    harness.litmos.delete(&format!("users/{}", second.id)).unwrap();
    ends(&harness, 0, &["import"]).await;
    let there = |user: &UserState| user.user_name == "mira@corp.example";
    until(&harness, "the account", |harness| {
        harness.litmos.state().users.iter().any(there)
    })
    .await;
    harness.settled(1).await;
    assert_eq!(title(&harness, "mira"), "Guide");
}

/// Complaint 12: the console says that all is in sync, nothing is, and the connector believes it itself.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_as_done_before_litmos_has_said_so() {
    let mut harness = empty_house(quick()).await;
    made(&harness, "mira").await;
    harness.settled(1).await;
    harness
        .litmos
        .set_faults(&["status=500,method=POST,path=/users"])
        .unwrap();
    made(&harness, "otto").await;
    let counted = |status: &Value| {
        let count = |name: &str| status[name].as_u64().unwrap();
        (status["settled"] == true, count("people"), count("people_linked"))
    };
    // Quarantine, then a pause before the next try; in neither does Litmos have what was wished.
    loop {
        let status = output(&harness, 0, &["status"]).await;
        assert_eq!(counted(&status), (false, 2, 1), "{status:#}");
        if status["retries"] == 1 {
            break;
        }
    }
    let printed = ends(&harness, 0, &["status"]).await;
    assert!(
        printed.contains("(2 active, 1 linked)")
            && printed.contains("1 item failed and will be tried again by itself")
            && !printed.contains("equals the roster"),
        "{printed}"
    );
    let unlinked = output(&harness, 0, &["links", "--unlinked"]).await["people"].take();
    assert_eq!(unlinked[0]["user_name"], "otto@corp.example", "{unlinked:#}");
    harness.kill().await;
    harness.up(&[]).await;
    harness.bus().await;
    let status = output(&harness, 0, &["status"]).await;
    assert_eq!(counted(&status), (false, 2, 1), "nor after a restart: {status:#}");

    harness.litmos.set_faults(&[]).unwrap();
    ends(&harness, 0, &["retry", "otto@corp.example", "--wait"]).await;
    let status = harness.settled(2).await;
    assert_eq!(counted(&status), (true, 2, 2));
    assert!(account(&harness, "otto").active);
}
