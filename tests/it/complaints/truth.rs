use litmos_simulator::{Settings, UserState};
use rollcall_tests::{House, roster_csv, user};
use serde_json::{Value, json};

use crate::commands::{QUICK, account, apply_all, ends, house_of, made, patched, quick, title, told, until};

fn ids(house: &House) -> Vec<String> {
    let users = house.litmos.state().users;
    users.into_iter().map(|user| user.id.to_string()).collect()
}

async fn empty_house(simulator: Settings) -> House {
    let mut house = House::new(simulator, QUICK).await;
    house.up(&[]).await;
    house
}

/// Complaint 5: after SCIM was set up anew everybody is made again, with new ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollcall_that_has_lost_everything_makes_nobody_again() {
    let mut house = empty_house(quick()).await;
    let names = ["mira", "otto", "zoe"];
    for name in names {
        made(&house, name).await;
    }
    house.settled(3).await;
    let before = ids(&house);

    house.kill().await;
    std::fs::remove_dir_all(house.data()).unwrap();
    house.up(&[]).await;
    let spent = house.litmos.log().len();
    for name in names {
        let mut again = user(name);
        again["title"] = json!("Guide");
        assert_eq!(house.scim("POST", "/Users", Some(&again)).await.0, 201);
    }
    house.settled(3).await;
    assert_eq!(ids(&house), before);
    assert!(names.iter().all(|name| title(&house, name) == "Guide"));
    let log = house.litmos.log();
    let writes = log[spent..].iter().filter(|entry| entry.method == "POST");
    assert_eq!(writes.count(), 0, "nobody was even tried to be made");
}

/// Complaint 6: whoever was deleted in the identity provider stays in the app, and nobody sees it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deleted_at_the_source_loses_access_and_accounts_of_nobody_stand_in_a_pile() {
    let house = empty_house(quick()).await;
    let mira = made(&house, "mira").await;
    made(&house, "otto").await;
    house.settled(2).await;
    let by_hand = json!({"UserName": "by.hand@corp.example", "FirstName": "By", "LastName": "Hand", "Email": "h@corp.example"});
    house.litmos.put_users(&[by_hand]).unwrap();
    assert_eq!(house.scim("DELETE", &format!("/Users/{mira}"), None).await.0, 204);
    house.settled(1).await;
    assert!(!account(&house, "mira").active);
    ends(&house, 0, &["import"]).await;
    house.settled(1).await;
    let piles = told(&house, 0, &["links", "--orphans"]).await;
    let mut unmanaged: Vec<&str> = piles["unmanaged"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|account| account["user_name"].as_str())
        .collect();
    let state = house.litmos.state();
    let owner = state.users.iter().find(|user| user.key_owner).unwrap();
    unmanaged.retain(|name| *name != owner.user_name);
    assert_eq!(unmanaged, ["by.hand@corp.example"], "{piles:#}");
    assert!(
        account(&house, "by.hand").active,
        "whom no source knows, nobody touches"
    );
}

/// Complaint 10: what was changed in the app by hand goes unnoticed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_shown_before_it_is_repaired() {
    let house = house_of("apply = \"manual\"\n", 3, &roster_csv(3, 1)).await;
    apply_all(&house).await;
    let (p1, p2) = (account(&house, "p1"), account(&house, "p2"));
    let team = house.litmos.state().teams[0].id.clone();
    house
        .litmos
        .delete(&format!("teams/{team}/users/{}", p1.id))
        .unwrap();
    let record = json!({"UserName": "p2@corp.example", "FirstName": "First2", "LastName": "Last2", "Email": "p2@corp.example", "JobTitle": "By hand"});
    house.litmos.put_users(&[record]).unwrap();
    assert_eq!(
        told(&house, 0, &["plan"]).await["operations"],
        0,
        "nobody has looked yet"
    );

    ends(&house, 0, &["import"]).await;
    let plan = ends(&house, 0, &["plan"]).await;
    assert!(
        plan.contains("add 1 person to team Group 0") && plan.contains("update p2@corp.example: JobTitle"),
        "{plan}"
    );
    assert!(
        account(&house, "p1").teams.is_empty(),
        "it is shown, and not done yet"
    );
    assert_eq!(title(&house, "p2"), "By hand");
    apply_all(&house).await;
    assert_eq!((account(&house, "p1"), account(&house, "p2")), (p1, p2));
}

/// Complaint 11: the account is gone from the app, and the sync says that it succeeded.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_deleted_by_hand_is_said_to_be_gone_and_made_again() {
    let house = empty_house(quick()).await;
    let id = made(&house, "mira").await;
    house.settled(1).await;
    let first = account(&house, "mira").id;
    house.litmos.delete(&format!("users/{first}")).unwrap();
    patched(&house, &format!("/Users/{id}"), json!({"title": "Guide"})).await;
    until(&house, "the account", |house| {
        house
            .litmos
            .state()
            .users
            .iter()
            .any(|user| user.user_name == "mira@corp.example")
    })
    .await;
    house.settled(1).await;
    let second = account(&house, "mira");
    assert!(second.id != first && second.active && title(&house, "mira") == "Guide");
    let story = ends(&house, 0, &["explain", &id]).await;
    assert!(story.contains(" -> 404 gone"), "{story}");
    let link = told(&house, 0, &["links", &id]).await["people"][0].take();
    assert_eq!(link["account"], second.id.to_string());

    // The same when nobody wishes anything: the next import misses it.
    house.litmos.delete(&format!("users/{}", second.id)).unwrap();
    ends(&house, 0, &["import"]).await;
    let there = |user: &UserState| user.user_name == "mira@corp.example";
    until(&house, "the account", |house| {
        house.litmos.state().users.iter().any(there)
    })
    .await;
    house.settled(1).await;
    assert_eq!(title(&house, "mira"), "Guide");
}

/// Complaint 12: the console says that all is in sync, nothing is, and the connector believes it itself.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_as_done_before_litmos_has_said_so() {
    let mut house = empty_house(quick()).await;
    made(&house, "mira").await;
    house.settled(1).await;
    house
        .litmos
        .set_faults(&["status=500,method=POST,path=/users"])
        .unwrap();
    made(&house, "otto").await;
    let counted = |status: &Value| {
        let count = |name: &str| status[name].as_u64().unwrap();
        (status["settled"] == true, count("people"), count("people_linked"))
    };
    // Quarantine, then a pause before the next try; in neither does Litmos have what was wished.
    loop {
        let status = told(&house, 0, &["status"]).await;
        assert_eq!(counted(&status), (false, 2, 1), "{status:#}");
        if status["retries"] == 1 {
            break;
        }
    }
    let printed = ends(&house, 0, &["status"]).await;
    assert!(
        printed.contains("(2 active, 1 linked)")
            && printed.contains("1 item failed and will be tried again by itself")
            && !printed.contains("equals the roster"),
        "{printed}"
    );
    let unlinked = told(&house, 0, &["links", "--unlinked"]).await["people"].take();
    assert_eq!(unlinked[0]["user_name"], "otto@corp.example", "{unlinked:#}");
    house.kill().await;
    house.up(&[]).await;
    house.bus().await;
    let status = told(&house, 0, &["status"]).await;
    assert_eq!(counted(&status), (false, 2, 1), "nor after a restart: {status:#}");

    house.litmos.set_faults(&[]).unwrap();
    ends(&house, 0, &["retry", "otto@corp.example", "--wait"]).await;
    let status = house.settled(2).await;
    assert_eq!(counted(&status), (true, 2, 2));
    assert!(account(&house, "otto").active);
}
