//! Teams, teams below them, and who leads them.

use litmos::{Failure, FailureKind, Range, TeamRecord, TeamRole};
use litmos_simulator::{Running, TeamState};

use crate::{account, mira, overheard, permit};

fn state_of(litmos: &Running, id: &str) -> TeamState {
    let teams = litmos.state().teams;
    let found = teams.into_iter().find(|team| team.id.to_string() == id);
    found.unwrap_or_else(|| panic!("no team {id}"))
}

fn gone(failure: &Failure) -> bool {
    failure.kind == FailureKind::Gone && !failure.no_such_call()
}

#[tokio::test]
async fn teams_are_made_below_teams_renamed_and_deleted_in_every_mode() {
    for modes in [
        &[][..],
        &[
            ("create-status", "200"),
            ("list", "wrapped"),
            ("team-code", "fixed"),
        ],
    ] {
        let (litmos, client) = account().await;
        for (name, value) in modes {
            litmos.set_mode(name, value).unwrap();
        }
        let root = client
            .create_team(permit(), "Sales", "All who sell", None)
            .await
            .unwrap();
        assert_eq!(root.parent_id, None);
        let below = client
            .create_team(permit(), "Field Sales", "Out there", Some(&root.id))
            .await
            .unwrap();
        let sent = litmos.log().last().unwrap().path.clone();
        assert!(
            sent.starts_with(&format!("/v1.svc/teams/{}/teams?", root.id)),
            "{sent}"
        );
        assert_eq!(below.parent_id.as_deref(), Some(root.id.as_str()));
        assert_eq!(below.description.as_deref(), Some("Out there"));
        assert_eq!(
            state_of(&litmos, &below.id).parent_id.map(|id| id.to_string()),
            Some(root.id.clone())
        );

        let renamed = TeamRecord {
            name: "Sales EMEA".to_owned(),
            ..client.team(permit(), &root.id).await.unwrap()
        };
        client.put_team(permit(), &renamed).await.unwrap();
        let state = state_of(&litmos, &root.id);
        assert_eq!(
            (state.name.as_str(), state.description.as_str()),
            ("Sales EMEA", "All who sell")
        );

        client.delete_team(permit(), &below.id).await.unwrap();
        let again = client.delete_team(permit(), &below.id).await.unwrap_err();
        assert!(gone(&again), "{again}");
        assert_eq!(litmos.state().teams.len(), 1);
        litmos.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_taken_team_name_and_a_parent_that_is_not_there_are_told_apart() {
    let (litmos, client) = account().await;
    client.create_team(permit(), "Sales", "", None).await.unwrap();
    let taken = client.create_team(permit(), "sales", "", None).await.unwrap_err();
    assert_eq!(taken.kind, FailureKind::Exists);
    let orphan = client
        .create_team(permit(), "Field Sales", "", Some("nowhere"))
        .await
        .unwrap_err();
    assert!(gone(&orphan), "{orphan}");
    assert_eq!(litmos.state().teams.len(), 1);
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_description_that_a_list_leaves_out_is_not_known_and_never_blanked() {
    let (litmos, client) = account().await;
    let made = client.create_user(permit(), &mira()).await.unwrap();
    let team = client
        .create_team(permit(), "Sales", "All who sell", None)
        .await
        .unwrap();
    client.add_members(permit(), &team.id, &[&made.id]).await.unwrap();
    let day = 86_400_000;
    let range = Range {
        since_ms: made.created_ms.unwrap() - day,
        to_ms: made.created_ms.unwrap() + day,
        start: 0,
        limit: 10,
    };
    let lists = [
        client.list_teams(permit(), 0, 10).await.unwrap(),
        client.find_teams(permit(), "Sal").await.unwrap(),
        client.user_teams(permit(), &made.id).await.unwrap(),
        client.changed_teams(permit(), range).await.unwrap(),
    ];
    let before = litmos.log().len();
    for list in lists {
        assert_eq!((list.len(), &list[0].description), (1, &None), "{list:?}");
        let refused = client.put_team(permit(), &list[0]).await.unwrap_err();
        assert_eq!(
            refused.kind,
            FailureKind::Rejected {
                attribute: Some("Description".to_owned())
            }
        );
        assert!(!refused.no_such_call());
    }
    assert_eq!(litmos.log().len(), before, "nothing may be sent");
    assert_eq!(state_of(&litmos, &team.id).description, "All who sell");
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_litmos_that_cannot_change_teams_says_so_and_no_team_is_taken_for_gone() {
    for mode in ["405", "404"] {
        let (litmos, client) = account().await;
        litmos.set_mode("team-writes", mode).unwrap();
        let team = client.create_team(permit(), "Sales", "", None).await.unwrap();
        for failure in [
            client.put_team(permit(), &team).await.unwrap_err(),
            client.delete_team(permit(), &team.id).await.unwrap_err(),
        ] {
            assert_eq!(failure.kind, FailureKind::NoSuchCall, "{failure}");
            assert!(failure.no_such_call());
            assert!(
                failure.to_string().contains("this Litmos has no such call"),
                "{failure}"
            );
        }
        assert_eq!(client.team(permit(), &team.id).await.unwrap().name, "Sales");
        litmos.stop().await.unwrap();
    }
}

#[tokio::test]
async fn members_are_promoted_and_demoted_in_each_role_and_stay_members() {
    for list in ["bare", "wrapped"] {
        let (litmos, client) = account().await;
        litmos.set_mode("list", list).unwrap();
        let made = client.create_user(permit(), &mira()).await.unwrap();
        let team = client.create_team(permit(), "Sales", "", None).await.unwrap();
        client.add_members(permit(), &team.id, &[&made.id]).await.unwrap();
        for role in TeamRole::ALL {
            client.promote(permit(), &team.id, &made.id, role).await.unwrap();
            client.promote(permit(), &team.id, &made.id, role).await.unwrap();
            let held = client
                .team_role_holders(permit(), &team.id, role, 0, 10)
                .await
                .unwrap();
            assert_eq!(held.len(), 1);
            assert_eq!((&held[0].id, &held[0].user_name), (&made.id, &made.user_name));
            assert_eq!(
                client
                    .team_role_holders(permit(), &team.id, role, 1, 10)
                    .await
                    .unwrap(),
                []
            );
            let state = state_of(&litmos, &team.id);
            let counts = (state.leaders.len(), state.admins.len());
            match role {
                TeamRole::Leader => assert_eq!(counts, (1, 0)),
                TeamRole::Admin => assert_eq!(counts, (0, 1)),
            }
            client.demote(permit(), &team.id, &made.id, role).await.unwrap();
            client.demote(permit(), &team.id, &made.id, role).await.unwrap();
            let state = state_of(&litmos, &team.id);
            assert_eq!(
                (state.leaders.len(), state.admins.len(), state.members.len()),
                (0, 0, 1)
            );
        }
        litmos.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_role_for_a_stranger_an_unknown_user_or_in_an_unknown_team_is_gone() {
    let (litmos, client) = account().await;
    let stranger = client.create_user(permit(), &mira()).await.unwrap();
    let team = client.create_team(permit(), "Sales", "", None).await.unwrap();
    for role in TeamRole::ALL {
        for (team, user) in [
            (team.id.as_str(), stranger.id.as_str()),
            (team.id.as_str(), "nobody"),
            ("nowhere", stranger.id.as_str()),
        ] {
            for failure in [
                client.promote(permit(), team, user, role).await.unwrap_err(),
                client.demote(permit(), team, user, role).await.unwrap_err(),
            ] {
                assert!(gone(&failure), "{failure}");
            }
        }
        let unknown = client
            .team_role_holders(permit(), "nowhere", role, 0, 10)
            .await
            .unwrap_err();
        assert!(gone(&unknown), "{unknown}");
    }
    assert!(state_of(&litmos, &team.id).leaders.is_empty());
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn writes_without_a_body_carry_a_content_type_and_a_length_of_nothing() {
    let (client, mut heard) = overheard("200 OK", "").await;
    client
        .promote(permit(), "t-1", "u_1", TeamRole::Leader)
        .await
        .unwrap();
    client
        .demote(permit(), "t-1", "u_1", TeamRole::Admin)
        .await
        .unwrap();
    client.delete_team(permit(), "t-1").await.unwrap();
    for line in [
        "PUT /v1.svc/teams/t-1/leaders/u_1?",
        "DELETE /v1.svc/teams/t-1/admins/u_1?",
        "DELETE /v1.svc/teams/t-1?",
    ] {
        let head = heard.recv().await.unwrap();
        assert!(head.starts_with(line), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert_eq!(lower.matches("\r\ncontent-length: 0\r\n").count(), 1, "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}
