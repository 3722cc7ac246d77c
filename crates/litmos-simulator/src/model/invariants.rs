//! Checks the laws of the account after every step of random histories.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Account, Fields, House, Role, TeamKey, UserKey};
use crate::mode::{Deactivate, Modes, Put};

/// Descriptions of all broken laws. Empty if all laws hold.
fn broken_laws(account: &Account) -> Vec<String> {
    let mut broken = Vec::new();
    let mut law = |holds: bool, words: String| {
        if !holds {
            broken.push(words);
        }
    };
    let mut names = BTreeSet::new();
    for user in account.users.iter() {
        law(
            names.insert(user.user_name.to_lowercase()),
            format!("{:?} shares its username", user.key),
        );
        let found = account
            .users
            .by_name(&user.user_name)
            .zip(account.users.by_id(&user.id.0));
        let indexed = found.is_some_and(|(by_name, by_id)| by_name.key == user.key && by_id.key == user.key);
        law(indexed, format!("{:?} is not found by its name and id", user.key));
        law(
            user.manager
                .is_none_or(|manager| account.users.get(manager).is_some()),
            format!("{:?} has a manager who is gone", user.key),
        );
        for team in &user.teams {
            let mutual = account
                .teams
                .get(team)
                .is_some_and(|team| team.membership(user.key).is_some());
            law(mutual, format!("{:?} thinks it is in {team:?}", user.key));
        }
    }
    for team in account.teams.values() {
        law(
            team.parent
                .is_none_or(|parent| account.teams.contains_key(&parent)),
            format!("{:?} has a parent that is gone", team.key),
        );
        law(
            account.team(&team.id.0).is_ok(),
            format!("{:?} is not found by its id", team.key),
        );
        for (user, _) in team.members() {
            let mutual = account
                .users
                .get(user)
                .is_some_and(|user| user.teams.contains(&team.key));
            law(mutual, format!("{:?} thinks that {user:?} is in it", team.key));
        }
        for (user, membership) in &team.memberships {
            law(
                membership.active || !(membership.leader || membership.admin),
                format!("{user:?} left {:?} and kept a role", team.key),
            );
        }
    }
    law(
        account.users.iter().count() == account.users.len(),
        "the order of users lists someone who is gone".to_owned(),
    );
    broken
}

#[derive(Clone, Debug)]
enum Step {
    CreateUser(u8),
    ChangeUser {
        user: u8,
        name: u8,
        manager: u8,
        active: bool,
    },
    DeleteUser(u8),
    CreateTeam {
        name: u8,
        parent: Option<u8>,
    },
    DeleteTeam(u8),
    Join {
        team: u8,
        user: u8,
    },
    Leave {
        team: u8,
        user: u8,
    },
    LeaveAll(u8),
    Promote {
        team: u8,
        user: u8,
        admin: bool,
        holds: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let small = || 0_u8..8;
    prop_oneof![
        small().prop_map(Step::CreateUser),
        (small(), small(), small(), any::<bool>()).prop_map(|(user, name, manager, active)| {
            Step::ChangeUser {
                user,
                name,
                manager,
                active,
            }
        }),
        small().prop_map(Step::DeleteUser),
        (small(), proptest::option::of(small())).prop_map(|(name, parent)| Step::CreateTeam { name, parent }),
        small().prop_map(Step::DeleteTeam),
        (small(), small()).prop_map(|(team, user)| Step::Join { team, user }),
        (small(), small()).prop_map(|(team, user)| Step::Leave { team, user }),
        small().prop_map(Step::LeaveAll),
        (small(), small(), any::<bool>(), any::<bool>()).prop_map(|(team, user, admin, holds)| {
            Step::Promote {
                team,
                user,
                admin,
                holds,
            }
        }),
    ]
}

fn fields(value: Value) -> Fields {
    let Value::Object(map) = value else {
        panic!("an object")
    };
    Fields::new(map)
}

fn account() -> Account {
    Account::new(House::default(), 5, Timestamp::UNIX_EPOCH)
}

/// User at this index, modulo the number of users, so that most steps find a user.
fn user(account: &Account, place: u8) -> UserKey {
    let keys: Vec<UserKey> = account.users.keys().collect();
    keys.get(usize::from(place) % keys.len().max(1))
        .copied()
        .unwrap_or(UserKey(0))
}

fn team(account: &Account, place: u8) -> TeamKey {
    let keys: Vec<TeamKey> = account.teams.keys().copied().collect();
    keys.get(usize::from(place) % keys.len().max(1))
        .copied()
        .unwrap_or(TeamKey(0))
}

/// Performs one step. A refusal is accepted like a success.
fn take(account: &mut Account, step: &Step, modes: &Modes) {
    let now = Timestamp::UNIX_EPOCH;
    let _refusal = match *step {
        Step::CreateUser(name) => {
            let body = json!({"UserName": format!("person{name}"), "LastName": "Lund"});
            account.create_user(&fields(body), false, modes, now).err()
        }
        Step::ChangeUser {
            user: place,
            name,
            manager,
            active,
        } => {
            let (key, manager) = (user(account, place), user(account, manager));
            let manager = account.users.get(manager).map(|manager| manager.id.0.clone());
            let body = json!({
                "UserName": format!("PERSON{name}"), "LastName": "Berg", "Active": active, "ManagerId": manager,
            });
            account.update_user(key, &fields(body), modes, now).err()
        }
        Step::DeleteUser(place) => account.delete_user(user(account, place)).err(),
        Step::CreateTeam { name, parent } => {
            let parent = parent
                .map(|place| team(account, place))
                .filter(|key| account.teams.contains_key(key));
            account
                .create_team(
                    parent,
                    &fields(json!({"Name": format!("Team {name}")})),
                    modes,
                    now,
                )
                .err()
        }
        Step::DeleteTeam(place) => account.delete_team(team(account, place)).err(),
        Step::Join {
            team: at,
            user: place,
        } => {
            account.join(team(account, at), user(account, place), now);
            None
        }
        Step::Leave {
            team: at,
            user: place,
        } => account
            .remove_member(team(account, at), user(account, place), modes, now)
            .err(),
        Step::LeaveAll(place) => {
            account.leave_all_teams(user(account, place), now);
            None
        }
        Step::Promote {
            team: at,
            user: place,
            admin,
            holds,
        } => {
            let role = if admin { Role::Admin } else { Role::Leader };
            account
                .set_role(team(account, at), user(account, place), role, holds, now)
                .err()
        }
    };
}

proptest! {
    #[test]
    fn the_laws_hold_after_every_step_of_any_history(
        steps in proptest::collection::vec(step(), 1..60), merge: bool, leave: bool,
    ) {
        let modes = Modes {
            put: if merge { Put::Merge } else { Put::Replace },
            deactivate: if leave { Deactivate::LeaveTeams } else { Deactivate::KeepTeams },
            ..Modes::default()
        };
        let mut account = account();
        for step in &steps {
            take(&mut account, step, &modes);
            prop_assert_eq!(broken_laws(&account), Vec::<String>::new(), "after {:?}", step);
        }
    }
}

#[test]
fn planted_breaches_are_seen() {
    let modes = Modes::default();
    let mut account = account();
    take(&mut account, &Step::CreateUser(1), &modes);
    take(
        &mut account,
        &Step::CreateTeam {
            name: 1,
            parent: None,
        },
        &modes,
    );
    take(&mut account, &Step::Join { team: 0, user: 1 }, &modes);
    assert_eq!(broken_laws(&account), Vec::<String>::new());

    let (key, team_key) = (user(&account, 1), team(&account, 0));
    let mut one_sided = account.clone();
    one_sided.users.get_mut(key).unwrap().teams.clear();
    assert_eq!(broken_laws(&one_sided).len(), 1);
    let mut orphaned = account.clone();
    orphaned.teams.get_mut(&team_key).unwrap().parent = Some(TeamKey(1));
    orphaned.users.get_mut(key).unwrap().manager = Some(UserKey(1));
    assert_eq!(broken_laws(&orphaned).len(), 2);
    let mut doubled = account;
    doubled.users.get_mut(key).unwrap().user_name = "account.owner@corp.example".to_owned();
    assert_eq!(
        broken_laws(&doubled).len(),
        2,
        "shared, and found under the wrong key"
    );
}
