//! Links to accounts that vanished.

use serde_json::json;

use super::{group, harness_before, members, rests, user_names, writes};
use crate::commands::{account, ends, made, output, patched, until};

/// Somebody deleted an account on a page of Litmos, and an import shows it: whoever is to have one gets one again, in
/// the same team, and the link names the new account. Nobody else is touched.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_vanished_is_made_again_after_an_import_and_tied_anew() {
    let harness = harness_before(&[]).await;
    let (mira, zoe) = (made(&harness, "mira").await, made(&harness, "zoe").await);
    group(&harness, "Sales", &[&mira, &zoe]).await;
    harness.settled(2).await;
    let (old, other) = (account(&harness, "mira").id, account(&harness, "zoe").id);
    let sent = writes(&harness).len();
    harness.litmos.delete(&format!("users/{}", old.0)).unwrap();
    rests(&harness, 2).await;
    ends(&harness, 0, &["import"]).await;
    until(&harness, "the account and its team", |harness| {
        user_names(harness).len() == 2 && members(harness, "Sales").len() == 2
    })
    .await;
    harness.settled(2).await;
    let new = account(&harness, "mira");
    assert!(new.active && new.id != old, "{new:?}");
    assert_eq!(account(&harness, "zoe").id, other);
    let log = writes(&harness);
    assert_eq!(
        log[sent..].len(),
        2,
        "one account, one membership: {:?}",
        &log[sent..]
    );
    assert!(!log[sent..].iter().any(|write| write.contains(&old.0)), "{log:?}");
    let row = output(&harness, 0, &["links", &mira]).await["people"][0].take();
    assert_eq!(
        (&row["account"], &row["state"]),
        (&json!(new.id.0), &json!("linked"))
    );
    let story = ends(&harness, 0, &["explain", &mira]).await;
    assert!(
        story.contains(&format!(
            "account {} (mira@corp.example), linked, active, in Sales",
            new.id.0
        )),
        "{story}"
    );
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
    rests(&harness, 2).await;
}

/// The same where a change comes before any import: Litmos answers that there is no such user, the change is not lost and
/// not repeated against an account that is gone, and the new account has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_for_an_account_that_vanished_ends_in_the_one_made_again() {
    let harness = harness_before(&[]).await;
    let mira = made(&harness, "mira").await;
    made(&harness, "zoe").await;
    harness.settled(2).await;
    let old = account(&harness, "mira").id;
    let sent = harness.litmos.log().len();
    harness.litmos.delete(&format!("users/{}", old.0)).unwrap();
    patched(&harness, &format!("/Users/{mira}"), json!({"title": "Guide"})).await;
    until(&harness, "the account", |harness| user_names(harness).len() == 2).await;
    harness.settled(2).await;
    let new = account(&harness, "mira");
    assert_eq!(new.attributes["JobTitle"], "Guide");
    assert_ne!(new.id, old);
    let log = harness.litmos.log();
    let about = log[sent..].iter().filter(|entry| entry.path.contains(&old.0));
    assert!(about.count() <= 3, "{:#?}", &log[sent..]);
    let made = log[sent..].iter().filter(|entry| entry.method == "POST").count();
    assert_eq!(made, 1, "{:#?}", &log[sent..]);
    let row = output(&harness, 0, &["links", &mira]).await["people"][0].take();
    assert_eq!(row["account"], new.id.0.as_str(), "{row:#}");
    let story = ends(&harness, 0, &["explain", &mira]).await;
    assert!(story.contains("-> 404"), "the story shows what happened: {story}");
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
    rests(&harness, 2).await;
}
