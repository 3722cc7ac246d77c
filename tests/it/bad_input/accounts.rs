//! Links to accounts that vanished.

use serde_json::json;

use super::{group, house_before, members, rests, user_names, writes};
use crate::commands::{account, ends, made, patched, told, until};

/// Somebody deleted an account on a page of Litmos, and an import shows it: whoever is to have one gets one again, in
/// the same team, and the link names the new account. Nobody else is touched.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_vanished_is_made_again_after_an_import_and_tied_anew() {
    let house = house_before(&[]).await;
    let (mira, zoe) = (made(&house, "mira").await, made(&house, "zoe").await);
    group(&house, "Sales", &[&mira, &zoe]).await;
    house.settled(2).await;
    let (old, other) = (account(&house, "mira").id, account(&house, "zoe").id);
    let sent = writes(&house).len();
    house.litmos.delete(&format!("users/{}", old.0)).unwrap();
    rests(&house, 2).await;
    ends(&house, 0, &["import"]).await;
    until(&house, "the account and its team", |house| {
        user_names(house).len() == 2 && members(house, "Sales").len() == 2
    })
    .await;
    house.settled(2).await;
    let new = account(&house, "mira");
    assert!(new.active && new.id != old, "{new:?}");
    assert_eq!(account(&house, "zoe").id, other);
    let log = writes(&house);
    assert_eq!(
        log[sent..].len(),
        2,
        "one account, one membership: {:?}",
        &log[sent..]
    );
    assert!(!log[sent..].iter().any(|write| write.contains(&old.0)), "{log:?}");
    let row = told(&house, 0, &["links", &mira]).await["people"][0].take();
    assert_eq!(
        (&row["account"], &row["state"]),
        (&json!(new.id.0), &json!("linked"))
    );
    let story = ends(&house, 0, &["explain", &mira]).await;
    assert!(
        story.contains(&format!(
            "account {} (mira@corp.example), linked, active, in Sales",
            new.id.0
        )),
        "{story}"
    );
    assert_eq!(told(&house, 0, &["parked"]).await["total"], 0);
    rests(&house, 2).await;
}

/// The same where a change comes before any import: Litmos answers that there is no such user, the change is not lost and
/// not repeated against an account that is gone, and the new account has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_for_an_account_that_vanished_ends_in_the_one_made_again() {
    let house = house_before(&[]).await;
    let mira = made(&house, "mira").await;
    made(&house, "zoe").await;
    house.settled(2).await;
    let old = account(&house, "mira").id;
    let sent = house.litmos.log().len();
    house.litmos.delete(&format!("users/{}", old.0)).unwrap();
    patched(&house, &format!("/Users/{mira}"), json!({"title": "Guide"})).await;
    until(&house, "the account", |house| user_names(house).len() == 2).await;
    house.settled(2).await;
    let new = account(&house, "mira");
    assert_eq!(new.attributes["JobTitle"], "Guide");
    assert_ne!(new.id, old);
    let log = house.litmos.log();
    let about = log[sent..].iter().filter(|entry| entry.path.contains(&old.0));
    assert!(about.count() <= 3, "{:#?}", &log[sent..]);
    let made = log[sent..].iter().filter(|entry| entry.method == "POST").count();
    assert_eq!(made, 1, "{:#?}", &log[sent..]);
    let row = told(&house, 0, &["links", &mira]).await["people"][0].take();
    assert_eq!(row["account"], new.id.0.as_str(), "{row:#}");
    let story = ends(&house, 0, &["explain", &mira]).await;
    assert!(story.contains("-> 404"), "what happened is told: {story}");
    assert_eq!(told(&house, 0, &["parked"]).await["total"], 0);
    rests(&house, 2).await;
}
