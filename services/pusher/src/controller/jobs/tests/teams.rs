use provisioning::{
    Change, Ended, GroupLink, Image, Operation, OperationId, ParkCode, Roles, TeamRole, TextChange,
    ValueChange,
};

use super::super::{Job, tied_links};
use super::house::{House, group_id, person_id};
use crate::hands::GroupJob;
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

fn amend(house: &House, team: &str, name: Option<&str>, description: Option<&str>) -> Change {
    Change::AmendTeam {
        group: group_id(team),
        revision: 7,
        team: house.team_id(team),
        name: name.map(|name| TextChange {
            from: team.to_owned(),
            to: name.to_owned(),
        }),
        description: description.map(str::to_owned),
    }
}

fn delete(house: &House, team: &str) -> Change {
    Change::DeleteTeam {
        group: group_id(team),
        revision: 7,
        team: house.team_id(team),
        name: team.to_owned(),
    }
}

fn add(team: &str, people: &[&str]) -> Change {
    Change::AddMembers {
        group: group_id(team),
        people: people.iter().map(|name| person_id(name)).collect(),
    }
}

/// What no plan asks for: a list of nobody, which Litmos answers with 404.
async fn add_nobody(house: &House, team: &str) -> Job {
    let world = house.world().await;
    Job::AddMembers {
        job: GroupJob {
            operation: OperationId::parse("nobody").unwrap(),
            link: current_group(&world, &group_id(team)),
            revision: 7,
        },
        team: house.team_id(team),
        people: Vec::new(),
    }
}

fn remove(house: &House, team: &str, person: Option<&str>, account: &str) -> Change {
    Change::RemoveMember {
        group: group_id(team),
        team: house.team_id(team),
        person: person.map(person_id),
        account: house.account_id(account),
    }
}

fn role(house: &House, team: &str, name: &str, role: TeamRole, holds: bool) -> Change {
    Change::SetRole {
        group: group_id(team),
        team: Some(house.team_id(team)),
        person: person_id(name),
        account: Some(house.account_id(name)),
        role,
        holds,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_made_below_another_renamed_described_and_deleted() {
    let house = House::new(&[("mira", "Learner")], &[("Sales", &[])]).await;
    for name in ["Kiel", "Orphans"] {
        house.want_group(name).await;
    }
    assert!(
        !house.prepared(create("Orphans", Some("Kiel"))).await,
        "Kiel has no team to be below yet"
    );
    let made = house.perform(create("Kiel", Some("Sales"))).await;
    assert_eq!(made.requests, ["POST /teams/{}/teams"]);
    let team = house.team_id("Kiel");
    assert_eq!(
        made.images(),
        [Image::TeamMade {
            group: group_id("Kiel"),
            team: team.clone()
        }]
    );
    let there = house.team("Kiel");
    assert_eq!(
        (there.description.as_str(), there.parent_id),
        ("All of Kiel", Some(house.team("Sales").id))
    );
    assert_eq!(house.group_link("Kiel").await.team, Some(team.clone()));

    // Its description is known, as it was made here: one call. That of Sales is not: it is read, and kept.
    let named = house
        .perform(amend(&house, "Kiel", Some("Kiel North"), None))
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
    assert_eq!(house.team("Kiel North").description, "All of Kiel");
    house
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Sales", "Description": "By hand"})])
        .unwrap();
    let named = house
        .perform(amend(&house, "Sales", Some("Sales EMEA"), None))
        .await;
    assert_eq!(named.requests, ["GET /teams/{}", "PUT /teams/{}"]);
    assert_eq!(house.team("Sales EMEA").description, "By hand");
    assert_eq!(house.untruths().await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_is_written_once_and_cleared_when_that_is_wanted() {
    let house = House::new(&[("mira", "Learner")], &[("Sales", &["mira"])]).await;
    house
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Sales", "Description": "By hand"})])
        .unwrap();
    let said = house.perform(amend(&house, "Sales", None, Some("Sellers"))).await;
    assert_eq!(said.requests, ["GET /teams/{}", "PUT /teams/{}"]);
    let described = |from: &str, to: &str| Image::TeamDescribed {
        group: group_id("Sales"),
        change: ValueChange {
            from: Some(from.to_owned()),
            to: to.to_owned(),
        },
    };
    assert_eq!(said.images(), [described("By hand", "Sellers")]);
    let same = house.perform(amend(&house, "Sales", None, Some("Sellers"))).await;
    assert!(same.requests.is_empty());
    assert_eq!(same.images(), [described("Sellers", "Sellers")]);
    let both = house
        .perform(amend(&house, "Sales", Some("Sales EMEA"), Some("Sells")))
        .await;
    let named = Image::TeamNamed {
        group: group_id("Sales"),
        from: "Sales".to_owned(),
        to: "Sales EMEA".to_owned(),
    };
    assert_eq!(both.images(), [described("Sellers", "Sells"), named]);
    let back = house
        .perform(amend(&house, "Sales EMEA", Some("Sales"), None))
        .await;
    back.images();
    let cleared = house.perform(amend(&house, "Sales", None, Some(""))).await;
    assert_eq!(cleared.requests, ["PUT /teams/{}"]);
    assert_eq!(cleared.images(), [described("Sells", "")]);
    assert_eq!(house.team("Sales").description, "");

    let team = house.team_id("Sales");
    let gone = house.perform(delete(&house, "Sales")).await;
    assert_eq!(
        gone.images(),
        [Image::TeamDeleted {
            group: group_id("Sales"),
            name: "Sales".to_owned()
        }]
    );
    assert!(house.find_team("Sales").is_none());
    assert_eq!(house.group_link("Sales").await.team, None);
    assert!(house.world().await.team_members(&team).next().is_none());
    assert_eq!(house.untruths().await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_litmos_cannot_change_teams_a_person_must() {
    let house = House::new(&[], &[("Sales", &[])]).await;
    for mode in ["405", "404"] {
        house.litmos.set_mode("team-writes", mode).unwrap();
        for change in [
            delete(&house, "Sales"),
            amend(&house, "Sales", Some("Sellers"), None),
        ] {
            house.perform(change).await.not_done(Ended::Parked);
            let link = house.group_link("Sales").await;
            let parked = link.parked.unwrap();
            assert_eq!(link.team, Some(house.team_id("Sales")), "{mode}");
            assert!(parked.remedy.contains("by hand"), "{parked:?}");
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_look_at_the_team_says_that_it_is_gone() {
    let users = [("mira", "Team_Leader"), ("otto", "Learner")];
    let house = House::new(&users, &[("Sales", &["otto"]), ("Kiel", &["mira"])]).await;
    // A 404 about something else: the list of users is empty.
    for attempts in 1..=2 {
        let played = house.perform_job(add_nobody(&house, "Sales").await).await;
        assert_eq!(
            played.requests,
            ["POST /teams/{}/users", "GET /teams/{}", "GET /users"]
        );
        played.not_done(Ended::Failed);
        let link = house.group_link("Sales").await;
        assert_eq!(link.team, Some(house.team_id("Sales")));
        assert_eq!(
            (link.attempts, link.intent),
            (attempts, None),
            "it is tried again, and not for ever"
        );
    }
    let absent = house.perform(remove(&house, "Kiel", Some("otto"), "otto")).await;
    assert_eq!(absent.requests, ["DELETE /teams/{}/users/{}", "GET /teams/{}"]);
    assert_eq!(absent.images(), [], "otto was not taken out by us");

    let gone = [
        add("Sales", &["mira"]),
        remove(&house, "Sales", Some("otto"), "otto"),
        role(&house, "Sales", "otto", TeamRole::Leader, true),
        amend(&house, "Sales", None, Some("Sellers")),
    ];
    let (id, link) = (house.team_id("Sales"), house.group_link("Sales").await);
    house.delete_team("Sales").await;
    for change in gone {
        let said = format!("{change:?}");
        house.put_group_link(link.clone()).await;
        house.put_team(&id, "Sales").await;
        house.perform(change).await.not_done(Ended::Failed);
        assert_eq!(house.group_link("Sales").await.team, None, "{said}");
        assert!(house.world().await.team(&id).is_none(), "{said}");
    }
    // To be deleted and gone is the same; it was not us.
    house.put_group_link(link.clone()).await;
    house.put_team(&id, "Sales").await;
    let deleted = Change::DeleteTeam {
        group: group_id("Sales"),
        revision: 7,
        team: id,
        name: "Sales".to_owned(),
    };
    assert_eq!(house.perform(deleted).await.images(), []);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_whose_parent_went_away_waits_until_that_is_made_again() {
    let house = House::new(&[], &[("Sales", &[])]).await;
    house.want_group("Kiel").await;
    let parent = house.team_id("Sales");
    house.delete_team("Sales").await;
    let played = house.perform(create("Kiel", Some("Sales"))).await;
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
    assert!(house.world().await.team(&parent).is_none());
    assert_eq!(house.group_link("Kiel").await.team, None);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_of_the_same_name_is_taken_over_unless_it_is_another_groups() {
    let house = House::new(&[], &[("Sales", &[])]).await;
    house.want_group("Kiel").await;
    house.want_group("sales").await;
    // Made by hand since the last import.
    house
        .litmos
        .put_teams(&[serde_json::json!({"Name": "Kiel"})])
        .unwrap();
    assert_eq!(house.perform(create("Kiel", None)).await.images(), []);
    assert_eq!(house.group_link("Kiel").await.team, Some(house.team_id("Kiel")));
    let mut lower = create("sales", None);
    if let Change::CreateTeam { name, .. } = &mut lower {
        "SALES".clone_into(name);
    }
    house.perform(lower).await.not_done(Ended::Parked);
    let link = house.group_link("sales").await;
    assert_eq!(link.team, None, "it is the team of Sales");
    assert_eq!(link.parked.unwrap().code, ParkCode::TeamNameAmbiguous);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_their_roles_come_and_go() {
    let users = [
        ("mira", "Team_Leader"),
        ("otto", "Learner"),
        ("ida", "Team_Admin"),
    ];
    let house = House::new(&users, &[("Sales", &["ida"])]).await;
    let image = |person: &str, role, holds| Image::RoleSet {
        group: group_id("Sales"),
        person: person_id(person),
        role,
        holds,
    };
    let joined = house.perform(add("Sales", &["mira", "otto"])).await.images();
    let join = |person: &str| Image::Joined {
        group: group_id("Sales"),
        person: person_id(person),
    };
    assert_eq!(joined, [join("mira"), join("otto")]);
    let led = house
        .perform(role(&house, "Sales", "mira", TeamRole::Leader, true))
        .await;
    assert_eq!(led.requests, ["PUT /teams/{}/leaders/{}"]);
    assert_eq!(led.images(), [image("mira", TeamRole::Leader, true)]);
    house
        .perform(role(&house, "Sales", "mira", TeamRole::Admin, true))
        .await
        .images();
    assert_eq!(house.names(&house.team("Sales").admins), ["mira"]);

    // Joining again takes nothing away, in memory or in the bucket.
    house.perform(add("Sales", &["mira", "otto"])).await.images();
    let team = house.team_id("Sales");
    let roles = house.world().await.roles(&team, &house.account_id("mira"));
    assert_eq!(
        roles,
        Roles {
            leader: true,
            admin: true
        }
    );

    let lost = house
        .perform(role(&house, "Sales", "mira", TeamRole::Leader, false))
        .await;
    assert_eq!(lost.requests, ["DELETE /teams/{}/leaders/{}"]);
    assert_eq!(lost.images(), [image("mira", TeamRole::Leader, false)]);
    let left = house.perform(remove(&house, "Sales", Some("mira"), "mira")).await;
    assert_eq!(
        left.images(),
        [Image::Left {
            group: group_id("Sales"),
            person: person_id("mira")
        }]
    );
    let stranger = house.perform(remove(&house, "Sales", None, "ida")).await;
    assert_eq!(stranger.images(), [], "a stranger is nobody of the roster");
    house.perform(add("Sales", &["mira"])).await.images();
    let roles = house.world().await.roles(&team, &house.account_id("mira"));
    assert_eq!(roles, Roles::NONE, "who leaves leaves the roles behind");
    assert_eq!(house.members("Sales"), ["mira", "otto"]);
    assert_eq!(house.untruths().await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_set_tells_what_is_missing() {
    let users = [
        ("mira", "Team_Leader"),
        ("otto", "Team_Leader"),
        ("ida", "Team_Leader"),
    ];
    let house = House::new(&users, &[("Sales", &["mira", "otto", "ida"])]).await;
    // Taken out by hand.
    let (team, mira) = (house.team_id("Sales"), house.account_id("mira"));
    house.take_out(&team, &mira).await;
    let played = house
        .perform(role(&house, "Sales", "mira", TeamRole::Leader, true))
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
        !house.world().await.is_team_member(&team, &mira),
        "the next plan adds her first"
    );
    let link = house.group_link("Sales").await;
    assert_eq!((link.team, link.attempts), (Some(team.clone()), 1));

    let lost = house
        .perform(role(&house, "Sales", "mira", TeamRole::Leader, false))
        .await;
    assert_eq!(lost.images(), [], "who is not in the team holds nothing in it");

    let otto = house.account_id("otto");
    let promote = role(&house, "Sales", "otto", TeamRole::Leader, true);
    house.delete_user(&otto).await;
    house.perform(promote).await.not_done(Ended::Failed);
    assert!(
        house.world().await.account(&otto).is_none(),
        "the person's own link is found out about next"
    );
    assert_eq!(house.group_link("Sales").await.team, Some(team));

    // Whatever Litmos says to a role that is held already, the list knows.
    let promote = || role(&house, "Sales", "ida", TeamRole::Leader, true);
    house.perform(promote()).await.images();
    house
        .litmos
        .set_faults(&["status=409,method=PUT,times=2"])
        .unwrap();
    let again = house.perform(promote()).await;
    assert_eq!(again.requests[1], "GET /teams/{}/leaders");
    assert_eq!(again.images(), []);
    let refused = house
        .perform(role(&house, "Sales", "ida", TeamRole::Admin, true))
        .await;
    refused.not_done(Ended::Parked);
    assert_eq!(house.untruths().await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_written_once_for_each_link() {
    let house = House::new(&[("mira", "Learner")], &[("Sales", &["mira"]), ("Kiel", &[])]).await;
    for name in ["Sales", "Kiel"] {
        let link = GroupLink {
            overwrite_due: true,
            ..house.group_link(name).await
        };
        house.put_group_link(link).await;
    }
    let changes = [
        Change::UnlinkTeam {
            group: group_id("Sales"),
            revision: 7,
            team: house.team_id("Sales"),
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
    let from = house.litmos.log().len();
    let links = tied_links(&house.world().await, &operations);
    let done = house.hands.write_links(links).await;
    assert!(done.halt.is_none() && house.requests(from).is_empty());
    let sales = house.group_link("Sales").await;
    assert_eq!(
        (sales.team, sales.applied_revision, sales.overwrite_due),
        (None, 7, false)
    );
    let kiel = house.group_link("Kiel").await;
    assert_eq!(
        (kiel.team, kiel.overwrite_due),
        (Some(house.team_id("Kiel")), false)
    );
    assert_eq!(house.members("Sales"), ["mira"], "the team stays as it is");
    house.close().await;
}
