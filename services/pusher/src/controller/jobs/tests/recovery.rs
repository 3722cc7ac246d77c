//! Tests of recovery after lost responses and lost requests. For each kind of operation, the next owner finds out which it was, and the
//! observed state is correct afterwards.

use std::collections::BTreeMap;

use provisioning::{
    AccessLevel, Attribute, AttributeChange, BulkRow, Change, Draft, Ended, Field, Person, Subject, TeamRole,
    TextChange,
};

use super::harness::{Harness, group_id, person, person_id};

struct Case {
    change: Change,
    /// Request that the fault applies to.
    rule: &'static str,
    /// Change by the request, as named in the request log.
    effect: &'static str,
}

const USERS: [(&str, &str); 9] = [
    ("updated", "Learner"),
    ("leaver", "Learner"),
    ("parting", "Learner"),
    ("moving", "Learner"),
    ("fields", "Learner"),
    ("joining", "Learner"),
    ("removed", "Learner"),
    ("leading", "Team_Leader"),
    ("led", "Team_Leader"),
];

const TEAMS: [(&str, &[&str]); 10] = [
    ("One", &["parting", "moving"]),
    ("Two", &["parting", "moving"]),
    ("Joining", &["led"]),
    ("Removing", &["removed", "led"]),
    ("Promoting", &["leading", "led"]),
    ("Demoting", &["led"]),
    ("Naming", &[]),
    ("Describing", &[]),
    ("Deleting", &["led"]),
    ("Parent", &[]),
];

async fn harness() -> Harness {
    let harness = Harness::new(&USERS, &TEAMS).await;
    let leader = |team: &str, name: &str| {
        let leaders = [format!("{name}@corp.example")];
        harness
            .litmos
            .put_teams(&[serde_json::json!({"Name": team, "Leaders": leaders})])
            .unwrap();
    };
    for team in ["Joining", "Removing", "Promoting", "Demoting"] {
        leader(team, "led");
    }
    harness.import().await;
    harness.want_person("newcomer").await;
    harness
        .want(Person {
            custom: BTreeMap::from([("Site".to_owned(), "Kiel".to_owned())]).into(),
            ..person("fields")
        })
        .await;
    for group in ["Making", "Making below"] {
        harness.want_group(group).await;
    }
    harness.want_group("Naming").await;
    harness
}

fn cases(harness: &Harness) -> Vec<Case> {
    let case = |change, rule, effect| Case { change, rule, effect };
    let revision = 7;
    let team = |name: &str| (group_id(name), harness.team_id(name));
    let email = "newcomer@corp.example";
    let profile = [
        (Field::FirstName, "First"),
        (Field::LastName, "newcomer"),
        (Field::Email, email),
    ];
    let draft = Draft {
        user_name: email.to_owned(),
        access_level: AccessLevel::Learner,
        profile: profile.into_iter().collect(),
        manager: None,
    };
    let title = AttributeChange {
        attribute: Attribute::Profile(Field::JobTitle),
        from: "Guide".to_owned(),
        to: "Chief".to_owned(),
    };
    let amend = |name: &str, to: Option<&str>, description: Option<&str>| Change::AmendTeam {
        group: group_id(name),
        revision,
        team: harness.team_id(name),
        name: to.map(|to| TextChange {
            from: name.to_owned(),
            to: to.to_owned(),
        }),
        description: description.map(str::to_owned),
    };
    let make = |name: &str, parent: Option<&str>| Change::CreateTeam {
        group: group_id(name),
        revision,
        name: name.to_owned(),
        description: "Made".to_owned(),
        parent: parent.map(group_id),
    };
    let role = |name: &str, person: &str, holds| Change::SetRole {
        group: group_id(name),
        team: Some(harness.team_id(name)),
        person: person_id(person),
        account: Some(harness.account_id(person)),
        role: TeamRole::Leader,
        holds,
    };
    let (person, account) = (person_id, |name: &str| harness.account_id(name));
    vec![
        case(
            Change::Create {
                person: person("newcomer"),
                revision,
                draft,
            },
            "method=POST,path=/users",
            "user.created",
        ),
        case(
            Change::Update {
                person: person("updated"),
                revision,
                account: account("updated"),
                changes: vec![title],
                fresh: true,
            },
            "method=PUT,path=/users",
            "user.updated",
        ),
        case(
            Change::CutOff {
                person: person("leaver"),
                revision,
                account: account("leaver"),
            },
            "method=PUT,path=/users",
            "user.deactivated",
        ),
        case(
            Change::LeaveTeams {
                person: person("parting"),
                revision,
                account: account("parting"),
            },
            "method=DELETE,path=/teams",
            "user.teams_left",
        ),
        case(
            Change::LeaveAllTeams {
                person: person("moving"),
                account: account("moving"),
                groups: vec![group_id("One"), group_id("Two")],
            },
            "method=DELETE,path=/teams",
            "user.teams_left",
        ),
        case(
            Change::SetCustomFields {
                person: person("fields"),
                revision,
                account: Some(account("fields")),
                values: BTreeMap::from([("Site".to_owned(), "Kiel".to_owned())]),
            },
            "method=POST,path=usercustomfields",
            "user.custom_fields_set",
        ),
        case(make("Making", None), "method=POST,path=/teams", "team.created"),
        case(
            make("Making below", Some("Parent")),
            "method=POST,path=/teams",
            "team.created",
        ),
        case(
            amend("Naming", Some("Named"), None),
            "method=PUT,path=/teams",
            "team.updated",
        ),
        case(
            amend("Describing", None, Some("Said")),
            "method=PUT,path=/teams",
            "team.updated",
        ),
        case(
            Change::DeleteTeam {
                group: team("Deleting").0,
                revision,
                team: team("Deleting").1,
                name: "Deleting".to_owned(),
            },
            "method=DELETE,path=/teams",
            "team.deleted",
        ),
        case(
            Change::AddMembers {
                group: group_id("Joining"),
                people: vec![person("joining")],
            },
            "method=POST,path=/users",
            "member.added",
        ),
        case(
            Change::RemoveMember {
                group: team("Removing").0,
                team: team("Removing").1,
                person: Some(person("removed")),
                account: account("removed"),
            },
            "method=DELETE,path=/users",
            "member.removed",
        ),
        case(
            role("Promoting", "leading", true),
            "method=PUT,path=leaders",
            "member.promoted",
        ),
        case(
            role("Demoting", "led", false),
            "method=DELETE,path=leaders",
            "member.demoted",
        ),
    ]
}

/// The subject whose link has the intent.
fn subject(change: &Change) -> Subject {
    change.subjects().pop().unwrap()
}

/// Performs every case with this fault, then recovers. Returns how each case ended.
async fn struck(harness: &Harness, fault: &str) -> Vec<(Case, Ended, String)> {
    let mut open = BTreeMap::new();
    for case in cases(harness) {
        harness
            .litmos
            .set_faults(&[&format!("{fault},{},times=1", case.rule)])
            .unwrap();
        let calls = if matches!(case.change, Change::CutOff { .. }) {
            1
        } else {
            2
        };
        let played = harness.perform_with(case.change.clone(), calls).await;
        assert!(
            played.outcome.is_none(),
            "{}: not known yet: {played:?}",
            case.effect
        );
        open.insert(subject(&case.change), case);
    }
    harness.litmos.set_faults(&[]).unwrap();
    let mut ends = Vec::new();
    for (subject, played) in harness.recover().await {
        let case = open.remove(&subject).expect("an intent of ours");
        let outcome = played.outcome.expect("an end");
        assert!(outcome.images.is_empty() && played.halt.is_none());
        ends.push((case, outcome.ended, outcome.message.unwrap_or_default()));
    }
    assert!(open.is_empty(), "somebody was forgotten");
    ends
}

fn effects(harness: &Harness, effect: &str) -> usize {
    let log = harness.litmos.log();
    let all = log.iter().filter_map(|entry| entry.effect.as_deref());
    all.filter(|text| text.split(' ').next() == Some(effect)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_answer_was_lost_is_found_and_never_repeated() {
    let harness = harness().await;
    for (case, ended, message) in struck(&harness, "lose_reply_after_acting").await {
        assert_eq!((ended, message.as_str()), (Ended::Done, ""), "{}", case.effect);
    }
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    let state = harness.state().await;
    for link in state.person_links() {
        assert_eq!((&link.value.intent, link.value.attempts), (&None, 0), "{link:?}");
    }
    for link in state.group_links() {
        assert_eq!((&link.value.intent, link.value.attempts), (&None, 0), "{link:?}");
    }
    assert!(
        harness.person_link("leaver").await.leave_teams_due,
        "what comes next is known"
    );
    assert!(!harness.person_link("parting").await.leave_teams_due);
    assert_eq!(harness.person_link("fields").await.custom["Site"], "Kiel");
    assert_eq!(
        harness.person_link("newcomer").await.account,
        Some(harness.account_id("newcomer"))
    );
    assert_eq!(harness.group_link("Deleting").await.team, None);
    assert_eq!(
        harness.group_link("Removing").await.team,
        Some(harness.team_id("Removing"))
    );
    for (effect, times) in [
        ("user.created", 1),
        ("user.updated", 1),
        ("user.deactivated", 1),
        ("user.teams_left", 2),
        ("user.custom_fields_set", 1),
        ("team.created", 2),
        ("team.updated", 2),
        ("team.deleted", 1),
        ("member.added", 1),
        ("member.removed", 1),
        ("member.promoted", 1),
        ("member.demoted", 1),
    ] {
        assert_eq!(effects(&harness, effect), times, "{effect}");
    }
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_arrived_has_failed_and_is_sent_again() {
    let harness = harness().await;
    let before = harness.litmos.state();
    for (case, ended, message) in struck(&harness, "cut_before_acting").await {
        assert_eq!(ended, Ended::Failed, "{}", case.effect);
        assert!(message.starts_with("not found after"), "{message}");
    }
    assert_eq!(harness.litmos.state(), before);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    let state = harness.state().await;
    let people = state
        .person_links()
        .map(|link| (&link.value.intent, link.value.attempts));
    let groups = state
        .group_links()
        .map(|link| (&link.value.intent, link.value.attempts));
    let tried = people.chain(groups).filter(|(intent, attempts)| {
        assert_eq!(*intent, &None);
        *attempts == 1
    });
    assert_eq!(
        tried.count(),
        cases(&harness).len(),
        "each has one attempt behind it"
    );
    for case in cases(&harness) {
        let calls = if matches!(case.change, Change::CutOff { .. }) {
            1
        } else {
            2
        };
        let played = harness.perform_with(case.change, calls).await;
        assert_eq!(played.outcome.unwrap().ended, Ended::Done, "{}", case.effect);
    }
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    assert_eq!(harness.members("Joining"), ["joining", "led"]);
    assert_eq!(harness.names(&harness.team("Joining").leaders), ["led"]);
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_away_meanwhile_is_found_gone() {
    let harness = harness().await;
    harness
        .litmos
        .set_faults(&["cut_before_acting,method=PUT"])
        .unwrap();
    let change = |name: &str| {
        cases(&harness)
            .into_iter()
            .map(|case| case.change)
            .find(|change| {
                subject(change) == Subject::Person(person_id(name))
                    || subject(change) == Subject::Group(group_id(name))
            })
            .unwrap()
    };
    for name in ["updated", "Promoting", "Describing"] {
        assert!(harness.perform(change(name)).await.outcome.is_none());
    }
    harness.litmos.set_faults(&[]).unwrap();
    harness.delete_user(&harness.account_id("updated")).await;
    harness.delete_team("Promoting").await;
    harness.delete_team("Describing").await;
    for (_, played) in harness.recover().await {
        played.not_done(Ended::Failed);
    }
    assert_eq!(harness.person_link("updated").await.account, None);
    for group in ["Promoting", "Describing"] {
        assert_eq!(harness.group_link(group).await.team, None, "{group}");
    }
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_comes_in_short_pages_ends_no_membership() {
    let harness = harness().await;
    harness
        .litmos
        .set_faults(&[
            "cut_before_acting,method=DELETE,times=1",
            "short_page,method=GET,path=/users,times=1",
        ])
        .unwrap();
    let removal = cases(&harness)
        .into_iter()
        .find(|case| case.effect == "member.removed")
        .unwrap();
    harness.perform(removal.change).await;
    for (_, played) in harness.recover().await {
        played.not_done(Ended::Failed);
    }
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_import_whose_answer_was_lost_is_found_by_its_size() {
    let harness = harness().await;
    harness
        .litmos
        .set_faults(&["lose_reply_after_acting,path=bulkimports,times=1"])
        .unwrap();
    let email = "newcomer@corp.example";
    let profile = [
        (Field::FirstName, "First"),
        (Field::LastName, "newcomer"),
        (Field::Email, email),
    ];
    let row = BulkRow {
        person: person_id("newcomer"),
        revision: 7,
        account: None,
        user_name: email.to_owned(),
        access_level: None,
        profile: profile.into_iter().collect(),
        manager: None,
        groups: vec![group_id("One")],
    };
    let played = harness.perform(Change::Bulk { rows: vec![row] }).await;
    assert!(played.outcome.is_none());
    assert_eq!(harness.person_link("newcomer").await.attempts, 1);
    for (_, played) in harness.recover().await {
        assert_eq!(played.images(), []);
    }
    let link = harness.person_link("newcomer").await;
    assert_eq!(
        (link.account, link.intent, link.attempts),
        (Some(harness.account_id("newcomer")), None, 0)
    );
    assert_eq!(effects(&harness, "bulk.accepted"), 1);
    harness.close().await;
}
