use provisioning::{
    AccessLevel, AccountId, Attribute, AttributeChange, BulkRow, Change, Draft, Ended, Field, Image,
    ParkCode, Profile,
};

use super::harness::{Harness, group_id, person, person_id};

fn change(attribute: Attribute, from: &str, to: &str) -> AttributeChange {
    AttributeChange {
        attribute,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn draft(name: &str, manager: Option<&str>) -> Draft {
    let email = format!("{name}@corp.example");
    Draft {
        user_name: email.clone(),
        access_level: AccessLevel::Learner,
        profile: [
            (Field::FirstName, "First"),
            (Field::LastName, name),
            (Field::Email, &email),
        ]
        .into_iter()
        .collect(),
        manager: manager.map(|id| AccountId::parse(id).unwrap()),
    }
}

fn update(harness: &Harness, name: &str, changes: Vec<AttributeChange>, fresh: bool) -> Change {
    Change::Update {
        person: person_id(name),
        revision: 7,
        account: harness.account_id(name),
        changes,
        fresh,
    }
}

fn create(name: &str, manager: Option<&str>) -> Change {
    Change::Create {
        person: person_id(name),
        revision: 7,
        draft: draft(name, manager),
    }
}

fn cut_off(harness: &Harness, name: &str) -> Change {
    Change::CutOff {
        person: person_id(name),
        revision: 7,
        account: harness.account_id(name),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_changed_and_cut_off_and_each_image_says_what_was_there() {
    let harness = Harness::new(
        &[("mira", "Learner")],
        &[("Sales", &["mira"]), ("Kiel", &["mira"])],
    )
    .await;
    harness.want_person("otto").await;
    let made = harness.perform(create("otto", None)).await.images();
    assert_eq!(
        made,
        [Image::Created {
            person: person_id("otto"),
            account: harness.account_id("otto")
        }]
    );
    let link = harness.person_link("otto").await;
    assert_eq!(
        (link.account, link.applied_revision),
        (Some(harness.account_id("otto")), 7)
    );

    // The plan assumed an old value: the image has the real one.
    let title = change(Attribute::Profile(Field::JobTitle), "Nurse", "Chief");
    let changed = harness
        .perform(update(&harness, "mira", vec![title], false))
        .await;
    assert_eq!(changed.requests, ["GET /users/{}", "PUT /users/{}"]);
    let there = change(Attribute::Profile(Field::JobTitle), "Guide", "Chief");
    assert_eq!(
        changed.images(),
        [Image::Changed {
            person: person_id("mira"),
            account: harness.account_id("mira"),
            changes: vec![there]
        }]
    );

    let cut = harness.perform_with(cut_off(&harness, "mira"), 1).await;
    assert_eq!(cut.requests, ["PUT /users/{}"]);
    assert_eq!(
        cut.images(),
        [Image::CutOff {
            person: person_id("mira"),
            account: harness.account_id("mira")
        }]
    );
    assert!(harness.person_link("mira").await.leave_teams_due);
    let leave = Change::LeaveTeams {
        person: person_id("mira"),
        revision: 7,
        account: harness.account_id("mira"),
    };
    assert_eq!(harness.perform(leave).await.images().len(), 2);
    assert!(!harness.person_link("mira").await.leave_teams_due);
    assert!(harness.user("mira").teams.is_empty() && !harness.user("mira").active);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_account_leaves_all_its_teams_in_one_call_unless_one_is_to_stay() {
    let harness = Harness::new(
        &[("mira", "Learner"), ("otto", "Learner")],
        &[("Sales", &["mira", "otto"]), ("Kiel", &["mira", "otto"])],
    )
    .await;
    let leave = |name: &str, groups: &[&str]| Change::LeaveAllTeams {
        person: person_id(name),
        account: harness.account_id(name),
        groups: groups.iter().map(|name| group_id(name)).collect(),
    };
    assert!(
        !harness.prepared(leave("otto", &["Sales"])).await,
        "the team of Kiel was joined since this was planned"
    );
    let left = harness.perform(leave("mira", &["Sales", "Kiel"])).await;
    assert_eq!(left.requests, ["DELETE /users/{}/teams"]);
    let mut images = left.images();
    images.sort_by_key(|image| format!("{image:?}"));
    let image = |group| Image::Left {
        group: group_id(group),
        person: person_id("mira"),
    };
    assert_eq!(images, [image("Kiel"), image("Sales")]);
    assert_eq!(harness.members("Sales"), ["otto"]);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_not_there_is_no_reason_to_give_up_the_account() {
    let harness = Harness::new(
        &[("mira", "Learner"), ("otto", "Learner"), ("ida", "Learner")],
        &[],
    )
    .await;
    let manager = change(Attribute::Manager, "", "nobody-here");
    let refused = harness
        .perform(update(&harness, "mira", vec![manager], true))
        .await;
    // The last request is the probe: a 404 is about this item only if Litmos answers other requests.
    assert_eq!(refused.requests, ["PUT /users/{}", "GET /users/{}", "GET /users"]);
    assert!(refused.not_done(Ended::Parked).contains("Manager not found"));
    let link = harness.person_link("mira").await;
    assert_eq!(link.account, Some(harness.account_id("mira")));
    let parked = link.parked.unwrap();
    assert_eq!(
        (parked.code, parked.attribute.as_deref(), parked.revision),
        (ParkCode::RejectedByLitmos, Some("ManagerId"), 7)
    );

    harness.want_person("newcomer").await;
    let refused = harness.perform(create("newcomer", Some("nobody-here"))).await;
    assert_eq!(refused.requests, ["POST /users", "GET /users"]);
    refused.not_done(Ended::Parked);
    let parked = harness.person_link("newcomer").await.parked.unwrap();
    assert_eq!(parked.attribute.as_deref(), Some("ManagerId"));

    // The manager was deleted after the record was read. The update succeeds with the current record.
    for name in ["otto", "ida"] {
        let state = harness.state().await;
        let mut old = state.account(&harness.account_id(name)).unwrap().clone();
        old.manager = Some(AccountId::parse("who-went-away").unwrap());
        harness.put_account(old).await;
    }
    let city = change(Attribute::Profile(Field::City), "", "Oslo");
    let changed = harness.perform(update(&harness, "otto", vec![city], true)).await;
    assert_eq!(
        changed.requests,
        ["PUT /users/{}", "GET /users/{}", "PUT /users/{}"]
    );
    assert_eq!(changed.images().len(), 1);
    let cut = harness.perform_with(cut_off(&harness, "ida"), 1).await;
    assert_eq!(cut.images().len(), 1);
    assert!(!harness.user("ida").active);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_there_any_more_is_gone_and_never_a_success() {
    let users = [
        ("mira", "Learner"),
        ("otto", "Learner"),
        ("ida", "Learner"),
        ("finn", "Learner"),
    ];
    let harness = Harness::new(&users, &[("Sales", &["otto"])]).await;
    let title = || vec![change(Attribute::Profile(Field::JobTitle), "Guide", "Chief")];
    let gone = [
        ("mira", update(&harness, "mira", title(), true)),
        (
            "otto",
            Change::LeaveTeams {
                person: person_id("otto"),
                revision: 7,
                account: harness.account_id("otto"),
            },
        ),
        (
            "ida",
            Change::SetCustomFields {
                person: person_id("ida"),
                revision: 7,
                account: Some(harness.account_id("ida")),
                values: [("Site".to_owned(), "Kiel".to_owned())].into_iter().collect(),
            },
        ),
        (
            "finn",
            Change::Read {
                person: person_id("finn"),
                revision: 7,
                account: harness.account_id("finn"),
            },
        ),
    ];
    for (name, change) in gone {
        let id = harness.account_id(name);
        harness.delete_user(&id).await;
        let played = harness.perform(change).await;
        played.not_done(Ended::Failed);
        let link = harness.person_link(name).await;
        assert_eq!(
            (link.account, link.intent, link.parked),
            (None, None, None),
            "{name}"
        );
        assert!(harness.state().await.account(&id).is_none(), "{name}");
    }
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_said_only_where_something_came_to_its_end() {
    let harness = Harness::new(&[("mira", "Learner")], &[]).await;
    let title = || vec![change(Attribute::Profile(Field::JobTitle), "Guide", "Chief")];
    harness
        .litmos
        .set_faults(&["status=503,times=1", "status=401,skip=1,times=1"])
        .unwrap();
    let refused = harness.perform(update(&harness, "mira", title(), true)).await;
    assert!(
        refused.outcome.is_none(),
        "nothing was done, and it is tried at once: {refused:?}"
    );
    let refused = harness.perform(update(&harness, "mira", title(), true)).await;
    assert!(
        refused.outcome.is_none(),
        "the org pauses, and this is tried when Litmos takes the key again: {refused:?}"
    );
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_import_says_of_each_row_what_it_did() {
    let harness = Harness::new(&[("mira", "Learner")], &[("Sales", &[])]).await;
    harness.want_person("otto").await;
    harness
        .want(provisioning::Person {
            user_name: "a+b@corp.example".to_owned(),
            ..person("a-b")
        })
        .await;
    let row = |name: &str, account: Option<AccountId>, groups: &[&str]| BulkRow {
        person: person_id(&name.replace('+', "-")),
        revision: 7,
        account,
        user_name: format!("{name}@corp.example"),
        access_level: None,
        profile: draft(name, None)
            .profile
            .iter()
            .chain([(Field::JobTitle, "Chief")])
            .collect::<Profile>(),
        manager: None,
        groups: groups.iter().map(|name| group_id(name)).collect(),
    };
    let rows = vec![
        row("mira", Some(harness.account_id("mira")), &[]),
        row("otto", None, &["Sales"]),
        row("a+b", None, &[]),
    ];
    let played = harness.perform(Change::Bulk { rows }).await;
    let outcome = played.outcome.unwrap();
    assert_eq!(outcome.ended, Ended::Done);
    assert!(
        outcome
            .message
            .unwrap()
            .starts_with("1 rows were refused, the first with: ")
    );
    assert_eq!(
        outcome.images,
        [
            Image::Changed {
                person: person_id("mira"),
                account: harness.account_id("mira"),
                changes: vec![change(Attribute::Profile(Field::JobTitle), "Guide", "Chief")],
            },
            Image::Created {
                person: person_id("otto"),
                account: harness.account_id("otto")
            },
            Image::Joined {
                group: group_id("Sales"),
                person: person_id("otto")
            },
        ]
    );
    assert!(harness.person_link("a-b").await.parked.is_some());
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_notes_whom_rollcall_made_an_account_owner_and_forgets_it_when_they_are_none() {
    let harness = Harness::new(&[("mira", "Learner"), ("noor", "Account_Owner")], &[]).await;
    let level = |from: &str, to: &str| vec![change(Attribute::AccessLevel, from, to)];
    harness
        .perform(update(&harness, "mira", level("Learner", "Account_Owner"), false))
        .await;
    assert!(harness.person_link("mira").await.made_owner);
    let title = vec![change(Attribute::Profile(Field::JobTitle), "", "Chief")];
    harness
        .perform(update(&harness, "noor", title.clone(), false))
        .await;
    assert!(
        !harness.person_link("noor").await.made_owner,
        "an owner from before"
    );
    harness.perform(update(&harness, "mira", title, false)).await;
    assert!(
        harness.person_link("mira").await.made_owner,
        "still what Rollcall gave"
    );
    harness
        .perform(update(&harness, "mira", level("Account_Owner", "Learner"), false))
        .await;
    let other = vec![change(Attribute::Profile(Field::JobTitle), "Chief", "Guide")];
    harness.perform(update(&harness, "mira", other, false)).await;
    assert!(!harness.person_link("mira").await.made_owner);

    harness.want_person("otto").await;
    let owner = Change::Create {
        person: person_id("otto"),
        revision: 7,
        draft: Draft {
            access_level: AccessLevel::AccountOwner,
            ..draft("otto", None)
        },
    };
    harness.perform(owner).await;
    assert!(harness.person_link("otto").await.made_owner);
}
