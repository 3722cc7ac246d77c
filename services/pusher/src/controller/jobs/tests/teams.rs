use provisioning::{
    Change, Ended, GroupLink, Image, Operation, OperationId, ParkCode, Roles, TeamRole, TextChange,
    ValueChange,
};

use super::super::{Job, tied_links};
use super::harness::{Harness, group_id, person_id};
use crate::executor::GroupJob;
use crate::links::current_group;

fn create(name: &str, parent: Option<&str>) -> Change {
    Change::CreateTeam {
        group: group_id(name),
        revision: 7,
        name: name.to_owned(),
        description: format!("All of {name}"),
        parent: parent.map(group_id),
    }
}

fn amend(harness: &Harness, team: &str, name: Option<&str>, description: Option<&str>) -> Change {
    Change::AmendTeam {
        group: group_id(team),
        revision: 7,
        team: harness.team_id(team),
        name: name.map(|name| TextChange {
            from: team.to_owned(),
            to: name.to_owned(),
        }),
        description: description.map(str::to_owned),
    }
}

fn delete(harness: &Harness, team: &str) -> Change {
    Change::DeleteTeam {
        group: group_id(team),
        revision: 7,
        team: harness.team_id(team),
        name: team.to_owned(),
    }
}

fn add(team: &str, people: &[&str]) -> Change {
    Change::AddMembers {
        group: group_id(team),
        people: people.iter().map(|name| person_id(name)).collect(),
    }
}

/// A job that adds an empty list of members. No plan contains this, and Litmos answers it with 404.
async fn add_nobody(harness: &Harness, team: &str) -> Job {
    let state = harness.state().await;
    Job::AddMembers {
        job: GroupJob {
            operation: OperationId::parse("nobody").unwrap(),
            link: current_group(&state, &group_id(team)),
            revision: 7,
        },
        team: harness.team_id(team),
        people: Vec::new(),
    }
}

fn remove(harness: &Harness, team: &str, person: Option<&str>, account: &str) -> Change {
    Change::RemoveMember {
        group: group_id(team),
        team: harness.team_id(team),
        person: person.map(person_id),
        account: harness.account_id(account),
    }
}

fn role(harness: &Harness, team: &str, name: &str, role: TeamRole, holds: bool) -> Change {
    Change::SetRole {
        group: group_id(team),
        team: Some(harness.team_id(team)),
        person: person_id(name),
        account: Some(harness.account_id(name)),
        role,
        holds,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_made_below_another_renamed_described_and_deleted() {
    let harness = Harness::new(&[("mira", "Learner")], &[("Sales", &[])]).await;
    for name in ["Kiel", "Orphans"] {
        harness.want_group(name).await;
    }
    assert!(
        !harness.prepared(create("Orphans", Some("Kiel"))).await,
        "Kiel has no team to be below yet"
    );
    let made = harness.perform(create("Kiel", Some("Sales"))).await;
    assert_eq!(made.requests, ["POST /teams/{}/teams"]);
    let team = harness.team_id("Kiel");
    assert_eq!(
        made.images(),
        [Image::TeamMade {
            group: group_id("Kiel"),
            team: team.clone()
        }]
    );
    let there = harness.team("Kiel");
    assert_eq!(
        (there.description.as_str(), there.parent_id),
        ("All of Kiel", Some(harness.team("Sales").id))
    );
    assert_eq!(harness.group_link("Kiel").await.team, Some(team.clone()));

    // The description of Kiel is known, because the team was created here: one call. The description of Sales is unknown: it is read, and
    // kept.
    let named = harness
        .perform(amend(&harness, "Kiel", Some("Kiel North"), None))
        .await;
    assert_eq!(named.requests, ["PUT /teams/{}"]);
    assert_eq!(
        named.images(),
        [Image::TeamNamed {
            group: group_id("Kiel"),
            from: "Kiel".to_owned(),
            to: "Kiel North".to_owned()
        }]
    );
    assert_eq!(harness.team("Kiel North").description, "All of Kiel");
    harness
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Sales", "Description": "By hand"})])
        .unwrap();
    let named = harness
        .perform(amend(&harness, "Sales", Some("Sales EMEA"), None))
        .await;
    assert_eq!(named.requests, ["GET /teams/{}", "PUT /teams/{}"]);
    assert_eq!(harness.team("Sales EMEA").description, "By hand");
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_is_written_once_and_cleared_when_that_is_wanted() {
    let harness = Harness::new(&[("mira", "Learner")], &[("Sales", &["mira"])]).await;
    harness
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Sales", "Description": "By hand"})])
        .unwrap();
    let message = harness
        .perform(amend(&harness, "Sales", None, Some("Sellers")))
        .await;
    assert_eq!(message.requests, ["GET /teams/{}", "PUT /teams/{}"]);
    let described = |from: &str, to: &str| Image::TeamDescribed {
        group: group_id("Sales"),
        change: ValueChange {
            from: Some(from.to_owned()),
            to: to.to_owned(),
        },
    };
    assert_eq!(message.images(), [described("By hand", "Sellers")]);
    let same = harness
        .perform(amend(&harness, "Sales", None, Some("Sellers")))
        .await;
    assert!(same.requests.is_empty());
    assert_eq!(same.images(), [described("Sellers", "Sellers")]);
    let both = harness
        .perform(amend(&harness, "Sales", Some("Sales EMEA"), Some("Sells")))
        .await;
    let named = Image::TeamNamed {
        group: group_id("Sales"),
        from: "Sales".to_owned(),
        to: "Sales EMEA".to_owned(),
    };
    assert_eq!(both.images(), [described("Sellers", "Sells"), named]);
    let back = harness
        .perform(amend(&harness, "Sales EMEA", Some("Sales"), None))
        .await;
    back.images();
    let cleared = harness.perform(amend(&harness, "Sales", None, Some(""))).await;
    assert_eq!(cleared.requests, ["PUT /teams/{}"]);
    assert_eq!(cleared.images(), [described("Sells", "")]);
    assert_eq!(harness.team("Sales").description, "");

    let team = harness.team_id("Sales");
    let gone = harness.perform(delete(&harness, "Sales")).await;
    assert_eq!(
        gone.images(),
        [Image::TeamDeleted {
            group: group_id("Sales"),
            name: "Sales".to_owned()
        }]
    );
    assert!(harness.find_team("Sales").is_none());
    assert_eq!(harness.group_link("Sales").await.team, None);
    assert!(harness.state().await.team_members(&team).next().is_none());
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_litmos_cannot_change_teams_a_person_must() {
    let harness = Harness::new(&[], &[("Sales", &[])]).await;
    for mode in ["405", "404"] {
        harness.litmos.set_mode("team-writes", mode).unwrap();
        for change in [
            delete(&harness, "Sales"),
            amend(&harness, "Sales", Some("Sellers"), None),
        ] {
            harness.perform(change).await.not_done(Ended::Parked);
            let link = harness.group_link("Sales").await;
            let parked = link.parked.unwrap();
            assert_eq!(link.team, Some(harness.team_id("Sales")), "{mode}");
            assert!(parked.remedy.contains("by hand"), "{parked:?}");
        }
    }
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_look_at_the_team_says_that_it_is_gone() {
    let users = [("mira", "Team_Leader"), ("otto", "Learner")];
    let harness = Harness::new(&users, &[("Sales", &["otto"]), ("Kiel", &["mira"])]).await;
    // The 404 is not about the team: the list of users is empty.
    for attempts in 1..=2 {
        let played = harness.perform_job(add_nobody(&harness, "Sales").await).await;
        assert_eq!(
            played.requests,
            ["POST /teams/{}/users", "GET /teams/{}", "GET /users"]
        );
        played.not_done(Ended::Failed);
        let link = harness.group_link("Sales").await;
        assert_eq!(link.team, Some(harness.team_id("Sales")));
        assert_eq!(
            (link.attempts, link.intent),
            (attempts, None),
            "it is tried again, and not for ever"
        );
    }
    let absent = harness
        .perform(remove(&harness, "Kiel", Some("otto"), "otto"))
        .await;
    assert_eq!(absent.requests, ["DELETE /teams/{}/users/{}", "GET /teams/{}"]);
    assert_eq!(absent.images(), [], "otto was not taken out by us");

    let gone = [
        add("Sales", &["mira"]),
        remove(&harness, "Sales", Some("otto"), "otto"),
        role(&harness, "Sales", "otto", TeamRole::Leader, true),
        amend(&harness, "Sales", None, Some("Sellers")),
    ];
    let (id, link) = (harness.team_id("Sales"), harness.group_link("Sales").await);
    harness.delete_team("Sales").await;
    for change in gone {
        let message = format!("{change:?}");
        harness.put_group_link(link.clone()).await;
        harness.put_team(&id, "Sales").await;
        harness.perform(change).await.not_done(Ended::Failed);
        assert_eq!(harness.group_link("Sales").await.team, None, "{message}");
        assert!(harness.state().await.team(&id).is_none(), "{message}");
    }
    // A team to delete that is already gone counts as done, without an image.
    harness.put_group_link(link.clone()).await;
    harness.put_team(&id, "Sales").await;
    let deleted = Change::DeleteTeam {
        group: group_id("Sales"),
        revision: 7,
        team: id,
        name: "Sales".to_owned(),
    };
    assert_eq!(harness.perform(deleted).await.images(), []);
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_whose_parent_went_away_waits_until_that_is_made_again() {
    let harness = Harness::new(&[], &[("Sales", &[])]).await;
    harness.want_group("Kiel").await;
    let parent = harness.team_id("Sales");
    harness.delete_team("Sales").await;
    let played = harness.perform(create("Kiel", Some("Sales"))).await;
    assert_eq!(
        played.requests,
        [
            "POST /teams/{}/teams",
            "GET /teams/{}",
            "GET /users",
            "GET /users"
        ]
    );
    played.not_done(Ended::Failed);
    assert!(harness.state().await.team(&parent).is_none());
    assert_eq!(harness.group_link("Kiel").await.team, None);
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_of_the_same_name_is_taken_over_unless_it_is_another_groups() {
    let harness = Harness::new(&[], &[("Sales", &[])]).await;
    harness.want_group("Kiel").await;
    harness.want_group("sales").await;
    // Created by hand since the last import.
    harness
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Kiel"})])
        .unwrap();
    assert_eq!(harness.perform(create("Kiel", None)).await.images(), []);
    assert_eq!(
        harness.group_link("Kiel").await.team,
        Some(harness.team_id("Kiel"))
    );
    let mut lower = create("sales", None);
    if let Change::CreateTeam { name, .. } = &mut lower {
        "SALES".clone_into(name);
    }
    harness.perform(lower).await.not_done(Ended::Parked);
    let link = harness.group_link("sales").await;
    assert_eq!(link.team, None, "it is the team of Sales");
    assert_eq!(link.parked.unwrap().code, ParkCode::TeamNameAmbiguous);
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_their_roles_come_and_go() {
    let users = [
        ("mira", "Team_Leader"),
        ("otto", "Learner"),
        ("ida", "Team_Admin"),
    ];
    let harness = Harness::new(&users, &[("Sales", &["ida"])]).await;
    let image = |person: &str, role, holds| Image::RoleSet {
        group: group_id("Sales"),
        person: person_id(person),
        role,
        holds,
    };
    let joined = harness.perform(add("Sales", &["mira", "otto"])).await.images();
    let join = |person: &str| Image::Joined {
        group: group_id("Sales"),
        person: person_id(person),
    };
    assert_eq!(joined, [join("mira"), join("otto")]);
    let led = harness
        .perform(role(&harness, "Sales", "mira", TeamRole::Leader, true))
        .await;
    assert_eq!(led.requests, ["PUT /teams/{}/leaders/{}"]);
    assert_eq!(led.images(), [image("mira", TeamRole::Leader, true)]);
    harness
        .perform(role(&harness, "Sales", "mira", TeamRole::Admin, true))
        .await
        .images();
    assert_eq!(harness.names(&harness.team("Sales").admins), ["mira"]);

    // Adding existing members again removes no roles, in memory or in the bucket.
    harness.perform(add("Sales", &["mira", "otto"])).await.images();
    let team = harness.team_id("Sales");
    let roles = harness.state().await.roles(&team, &harness.account_id("mira"));
    assert_eq!(
        roles,
        Roles {
            leader: true,
            admin: true
        }
    );

    let lost = harness
        .perform(role(&harness, "Sales", "mira", TeamRole::Leader, false))
        .await;
    assert_eq!(lost.requests, ["DELETE /teams/{}/leaders/{}"]);
    assert_eq!(lost.images(), [image("mira", TeamRole::Leader, false)]);
    let left = harness
        .perform(remove(&harness, "Sales", Some("mira"), "mira"))
        .await;
    assert_eq!(
        left.images(),
        [Image::Left {
            group: group_id("Sales"),
            person: person_id("mira")
        }]
    );
    let stranger = harness.perform(remove(&harness, "Sales", None, "ida")).await;
    assert_eq!(stranger.images(), [], "a stranger is nobody of the roster");
    harness.perform(add("Sales", &["mira"])).await.images();
    let roles = harness.state().await.roles(&team, &harness.account_id("mira"));
    assert_eq!(roles, Roles::NONE, "who leaves leaves the roles behind");
    assert_eq!(harness.members("Sales"), ["mira", "otto"]);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_set_tells_what_is_missing() {
    let users = [
        ("mira", "Team_Leader"),
        ("otto", "Team_Leader"),
        ("ida", "Team_Leader"),
    ];
    let harness = Harness::new(&users, &[("Sales", &["mira", "otto", "ida"])]).await;
    // Removed by hand.
    let (team, mira) = (harness.team_id("Sales"), harness.account_id("mira"));
    harness.take_out(&team, &mira).await;
    let played = harness
        .perform(role(&harness, "Sales", "mira", TeamRole::Leader, true))
        .await;
    assert_eq!(
        played.requests,
        [
            "PUT /teams/{}/leaders/{}",
            "GET /teams/{}",
            "GET /users/{}",
            "GET /users"
        ]
    );
    played.not_done(Ended::Failed);
    assert!(
        !harness.state().await.is_team_member(&team, &mira),
        "the next plan adds her first"
    );
    let link = harness.group_link("Sales").await;
    assert_eq!((link.team, link.attempts), (Some(team.clone()), 1));

    let lost = harness
        .perform(role(&harness, "Sales", "mira", TeamRole::Leader, false))
        .await;
    assert_eq!(lost.images(), [], "who is not in the team holds nothing in it");

    let otto = harness.account_id("otto");
    let promote = role(&harness, "Sales", "otto", TeamRole::Leader, true);
    harness.delete_user(&otto).await;
    harness.perform(promote).await.not_done(Ended::Failed);
    assert!(
        harness.state().await.account(&otto).is_none(),
        "the person's own link is found out about next"
    );
    assert_eq!(harness.group_link("Sales").await.team, Some(team));

    // If Litmos refuses a role that is already set, the list of role holders decides.
    let promote = || role(&harness, "Sales", "ida", TeamRole::Leader, true);
    harness.perform(promote()).await.images();
    harness
        .litmos
        .set_faults(&["status=409,method=PUT,times=2"])
        .unwrap();
    let again = harness.perform(promote()).await;
    assert_eq!(again.requests[1], "GET /teams/{}/leaders");
    assert_eq!(again.images(), []);
    let refused = harness
        .perform(role(&harness, "Sales", "ida", TeamRole::Admin, true))
        .await;
    refused.not_done(Ended::Parked);
    assert_eq!(harness.untruths().await, Vec::<String>::new());
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_written_once_for_each_link() {
    let harness = Harness::new(&[("mira", "Learner")], &[("Sales", &["mira"]), ("Kiel", &[])]).await;
    for name in ["Sales", "Kiel"] {
        let link = GroupLink {
            overwrite_due: true,
            ..harness.group_link(name).await
        };
        harness.put_group_link(link).await;
    }
    let changes = [
        Change::UnlinkTeam {
            group: group_id("Sales"),
            revision: 7,
            team: harness.team_id("Sales"),
        },
        Change::EndOverwrite {
            group: group_id("Sales"),
        },
        Change::EndOverwrite {
            group: group_id("Kiel"),
        },
    ];
    let operations: Vec<Operation> = changes
        .into_iter()
        .enumerate()
        .map(|(at, change)| Operation {
            id: OperationId::parse(format!("free-{at}")).unwrap(),
            change,
            calls: 0,
            after: std::collections::BTreeSet::new(),
            label: String::new(),
        })
        .collect();
    let from = harness.litmos.log().len();
    let links = tied_links(&harness.state().await, &operations);
    let done = harness.executor.write_links(links).await;
    assert!(done.halt.is_none() && harness.requests(from).is_empty());
    let sales = harness.group_link("Sales").await;
    assert_eq!(
        (sales.team, sales.applied_revision, sales.overwrite_due),
        (None, 7, false)
    );
    let kiel = harness.group_link("Kiel").await;
    assert_eq!(
        (kiel.team, kiel.overwrite_due),
        (Some(harness.team_id("Kiel")), false)
    );
    assert_eq!(harness.members("Sales"), ["mira"], "the team stays as it is");
    harness.close().await;
}
