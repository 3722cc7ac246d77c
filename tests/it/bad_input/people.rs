//! People who are not told apart, or not there.

use rollcall_tests::user;
use serde_json::json;

use super::{ENTERPRISE, harness_before, litmos_user, refused, rests, user_names, writes};
use crate::commands::{account, ends, load, made, output, until};

/// Two people with one user name in different case: Litmos keeps a name once, so the provider hears at once who has it,
/// at a creation as at a renaming, and the first one's account is not the second's to change.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_of_one_user_name_is_refused_whatever_the_case() {
    let harness = harness_before(&[]).await;
    let mira = made(&harness, "mira").await;
    let zoe = made(&harness, "zoe").await;
    let mut second = user("MIRA");
    second["name"]["givenName"] = "Second".into();
    let (scim_type, detail) = refused(&harness, 409, "POST", "/Users", &second).await;
    assert_eq!(scim_type, "uniqueness");
    assert!(
        detail.contains("\"MIRA@corp.example\" exists already") && detail.contains(&mira),
        "{detail}"
    );
    let renamed = super::patch("replace", "userName", json!("Mira@Corp.example"));
    let (scim_type, detail) = refused(&harness, 409, "PATCH", &format!("/Users/{zoe}"), &renamed).await;
    assert_eq!(scim_type, "uniqueness");
    assert!(detail.contains(&mira), "{detail}");
    harness.settled(2).await;
    assert_eq!(user_names(&harness), ["mira@corp.example", "zoe@corp.example"]);
    assert_eq!(account(&harness, "mira").first_name, "First");
    assert_eq!(writes(&harness), ["POST /users", "POST /users"]);
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
}

/// The same in a file: nobody of the two is made by guess, both lines are named, and the rest goes on.
#[tokio::test(flavor = "multi_thread")]
async fn two_lines_of_one_user_name_are_no_account_and_a_reason_each() {
    let harness = harness_before(&[]).await;
    let csv = "external_id,user_name,first_name,last_name\nE1,mira@corp.example,Mira,One\n\
               E2,MIRA@corp.example,Other,Two\nE3,zoe@corp.example,Zoe,Ek\n";
    let file = harness.write("two.csv", csv);
    for _ in 0..2 {
        let printed = ends(&harness, 3, &["load", &file.to_string_lossy(), "--source", "hr"]).await;
        assert!(
            printed.contains("line 2: \"mira@corp.example\" is the user name of E2 in line 3 too")
                && printed.contains("line 3: \"MIRA@corp.example\" is the user name of E1 in line 2 too")
                && printed.contains("give each person one user name and one external id"),
            "{printed}"
        );
        harness.settled(1).await;
        assert_eq!(user_names(&harness), ["zoe@corp.example"]);
    }
    assert_eq!(writes(&harness), ["POST /users"], "and nothing swapped");
    load(&harness, &csv.replace("MIRA@", "mira.two@")).await;
    until(&harness, "the others", |harness| user_names(harness).len() == 3).await;
    assert_eq!(account(&harness, "mira.two").last_name, "Two");
    assert_eq!(account(&harness, "mira").last_name, "One");
}

/// Turkish and combining letters: a name typed with a dotted capital, or with the accent as a letter of its own, is the
/// same name, so its account is adopted and not made twice; the dotless letter makes another person. What is shown and
/// sent keeps its letters.
#[tokio::test(flavor = "multi_thread")]
async fn turkish_and_combining_letters_find_their_account_and_keep_their_letters() {
    let harness = harness_before(&[
        litmos_user("ipek@corp.example", "İpek", "Işık"),
        litmos_user("jos\u{e9}@corp.example", "José", "Núñez"),
    ])
    .await;
    let before = (account(&harness, "ipek").id, account(&harness, "jos\u{e9}").id);
    for (name, first, last) in [
        ("İPEK", "İpek", "Işık"),
        ("JOSE\u{301}", "José", "Nu\u{301}n\u{303}ez"),
        ("ıpek", "Irmak", "Şen"),
    ] {
        let mut body = user(name);
        body["name"] = json!({"givenName": first, "familyName": last});
        body["emails"][0]["value"] =
            format!("{}@corp.example", first.to_lowercase().replace('\u{307}', "")).into();
        let (status, answer) = harness.scim("POST", "/Users", Some(&body)).await;
        assert_eq!(status, 201, "{answer}");
        let (_, again) = harness
            .scim("GET", &format!("/Users/{}", answer["id"].as_str().unwrap()), None)
            .await;
        assert_eq!(again["name"]["familyName"], last, "as it was sent");
        let (status, _) = harness.scim("POST", "/Users", Some(&body)).await;
        assert_eq!(status, 409, "{name} is there");
    }
    harness.settled(3).await;
    assert_eq!(
        user_names(&harness),
        ["ipek@corp.example", "jos\u{e9}@corp.example", "ıpek@corp.example"],
        "two adopted, one made, nobody renamed"
    );
    assert_eq!(account(&harness, "ipek").id, before.0);
    assert_eq!(account(&harness, "jos\u{e9}").id, before.1);
    assert_eq!(account(&harness, "ıpek").last_name, "Şen");
    let made = writes(&harness)
        .iter()
        .filter(|write| *write == "POST /users")
        .count();
    assert_eq!(made, 1);
    for (asked, account) in [("i\u{307}pek", &before.0), ("JOSÉ", &before.1)] {
        let row = output(&harness, 0, &["links", &format!("{asked}@corp.example")]).await["people"].take();
        assert_eq!(
            (
                row.as_array().unwrap().len(),
                &row[0]["account"],
                &row[0]["state"]
            ),
            (1, &json!(account.0), &json!("linked")),
            "{asked}: {row:#}"
        );
    }
    assert_eq!(output(&harness, 0, &["parked"]).await["total"], 0);
    rests(&harness, 3).await;
}

/// A manager who is not assigned: the report is not to wait for somebody who may never come, so the account is made
/// without one, and set once the manager comes. Until then the admin who looks is told whom to assign.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_is_not_assigned_is_named_and_set_when_they_come() {
    let harness = harness_before(&[]).await;
    let mut report = user("report");
    report[ENTERPRISE] = json!({"manager": {"value": "00u-boss"}});
    let (status, answer) = harness.scim("POST", "/Users", Some(&report)).await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["id"].as_str().unwrap();
    harness.settled(1).await;
    assert_eq!(account(&harness, "report").manager_id, None);
    let story = ends(&harness, 0, &["explain", id]).await;
    assert!(
        story.contains(
            "next    manager \"00u-boss\" is nobody in the roster; set in Litmos once a source brings them"
        ),
        "{story}"
    );
    assert_eq!(
        output(&harness, 3, &["parked"]).await["total"],
        0,
        "nothing is wrong with the report"
    );
    rests(&harness, 1).await;

    // In the roster, and inactive since before there was an account.
    let mut boss = user("boss");
    boss["active"] = false.into();
    let (_, answer) = harness.scim("POST", "/Users", Some(&boss)).await;
    let boss = answer["id"].as_str().unwrap();
    harness.settled(2).await;
    let story = ends(&harness, 0, &["explain", id]).await;
    assert!(
        story.contains(&format!("manager \"00u-boss\" ({boss}) has no account yet")),
        "{story}"
    );
    assert_eq!(user_names(&harness), ["report@corp.example"]);

    crate::commands::patched(&harness, &format!("/Users/{boss}"), json!({"active": true})).await;
    until(&harness, "the manager", |harness| {
        account(harness, "report").manager_id.is_some()
    })
    .await;
    harness.settled(2).await;
    assert_eq!(
        account(&harness, "report").manager_id,
        Some(account(&harness, "boss").id)
    );
    assert_eq!(
        writes(&harness).len(),
        3,
        "two accounts created, one of them given its manager: {:?}",
        writes(&harness)
    );
    let story = ends(&harness, 0, &["explain", id]).await;
    assert!(!story.contains("manager"), "{story}");
}
