//! A crowd as it stood yesterday: known to the roster, with accounts in Litmos, linked, and nothing to be done.
//!
//! Written into the buckets, as the services would have left them: to let fifty thousand people arrive takes minutes.

use bus::{
    Bucket, Bus, Change, Expect, Key, LinksKey, LinksValue, NatsServer, ObservedKey, ObservedValue, Record,
    RosterKey, RosterValue, TeamMember, Write,
};
use futures_util::{StreamExt as _, stream};
use litmos_simulator::{TeamState, UserState};
use provisioning::{
    AccessLevel, Account, AccountId, Field, ImportPhase, ImportReport, ImportRun, OrgId, Person, PersonLink,
    Roles, Team, TeamId,
};
use rollcall_tests::{Harness, person};
use serde_json::{Value, json};

use crate::bad_input::{QUICK, quick, writes};

/// People of one atomic batch: each has two entries in the roster.
const PIECE: usize = bus::BATCH_MAX / 2;

/// Pieces that are written side by side.
const SIDE_BY_SIDE: usize = 4;

/// Ids as long as those that the roster gives.
pub(super) fn id(n: usize) -> String {
    format!("0193a4c2-7d1e-7b30-8f5e-{n:012x}")
}

/// A harness with this crowd, of whom the first so many are in the team "Everybody". Changes wait to be applied.
pub(super) async fn harness_of_a_crowd(crowd: usize, inside: usize) -> Harness {
    let mut harness = Harness::new(quick(), &format!("{QUICK}apply = \"manual\"\n")).await;
    let user_name = |n: usize| format!("{}@corp.example", id(n));
    let accounts: Vec<Value> = (0..crowd)
        .map(|n| json!({"UserName": user_name(n), "FirstName": "First", "LastName": id(n), "Email": user_name(n)}))
        .collect();
    harness.litmos.put_users(&accounts).unwrap();
    let names: Vec<String> = (0..inside).map(user_name).collect();
    harness
        .litmos
        .put_teams(&[json!({"Name": "Everybody", "Members": names})])
        .unwrap();
    let server = NatsServer::start(&harness.data()).await.unwrap();
    let bus = Bus::connect(server.connection(), "story").await.unwrap();
    bus.prepare(1).await.unwrap();
    write(&harness, &bus).await;
    server.stop().await;
    harness.up(&[]).await;
    harness.settled(crowd).await;
    assert!(writes(&harness).is_empty(), "{:#?}", writes(&harness));
    harness
}

async fn write(harness: &Harness, bus: &Bus) {
    let (org, state) = (&harness.org, harness.litmos.state());
    let users: Vec<&UserState> = state.users.iter().filter(|user| !user.key_owner).collect();
    let pieces = users.chunks(PIECE).map(|piece| people(bus, org, piece));
    stream::iter(pieces)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect::<()>()
        .await;
    for team in &state.teams {
        let key = ObservedKey::Team(org.clone(), team_id(team));
        put(&bus.observed(), [(key, ObservedValue::Team(observed_team(team)))]).await;
        let pieces = team.members.chunks(bus::BATCH_MAX).map(|piece| {
            let members = piece.iter().map(|user| {
                let member = TeamMember {
                    team: team_id(team),
                    account: AccountId::parse(&user.0).unwrap(),
                    roles: Roles::NONE,
                    as_of_ms: 1,
                };
                let key = ObservedKey::TeamMember(org.clone(), member.team.clone(), member.account.clone());
                (key, ObservedValue::TeamMember(member))
            });
            let (bucket, members) = (bus.observed(), members.collect::<Vec<_>>());
            async move { put(&bucket, members).await }
        });
        stream::iter(pieces)
            .buffer_unordered(SIDE_BY_SIDE)
            .for_each(|_| async {})
            .await;
    }
    let now = chassis::clock::unix_ms();
    let run = ImportRun {
        id: "yesterday".to_owned(),
        phase: ImportPhase::Complete,
        calls: 1,
        started_at_ms: now,
        changed_at_ms: now,
        paused: None,
        report: ImportReport::default(),
    };
    let key = ObservedKey::Import(org.clone());
    put(&bus.observed(), [(key, ObservedValue::Import(run))]).await;
}

/// People with their names, their accounts, and the ties between them.
async fn people(bus: &Bus, org: &OrgId, users: &[&UserState]) {
    let name = |user: &UserState| user.user_name.split('@').next().unwrap().to_owned();
    let people: Vec<Person> = users.iter().map(|user| person(&name(user))).collect();
    let entries = people.iter().map(|person| {
        (
            RosterKey::of_person(org, person),
            RosterValue::Person(Box::new(person.clone())),
        )
    });
    let revisions = put(&bus.roster(), entries).await;
    let accounts: Vec<Account> = users.iter().map(|user| account(user)).collect();
    let ties = people
        .iter()
        .zip(&accounts)
        .zip(revisions)
        .map(|((person, account), revision)| {
            let link = PersonLink {
                account: Some(account.id.clone()),
                applied_revision: revision,
                changed_at_ms: 1,
                ..PersonLink::new(person.id.clone())
            };
            let key = LinksKey::Person(org.clone(), person.id.clone());
            (key, LinksValue::Person(Box::new(link)))
        });
    put(&bus.links(), ties).await;
    let accounts = accounts.into_iter().map(|account| {
        let key = ObservedKey::Account(org.clone(), account.id.clone());
        (key, ObservedValue::Account(Box::new(account)))
    });
    put(&bus.observed(), accounts).await;
}

async fn put<K: Key, V: Record>(
    bucket: &Bucket<K, V>,
    entries: impl IntoIterator<Item = (K, V)>,
) -> Vec<u64> {
    let write = |(key, value)| Write {
        key,
        expect: Expect::Absent,
        change: Change::Put(value),
    };
    let writes = entries.into_iter().map(write).collect();
    bucket.write_all(writes).await.unwrap()
}

fn account(user: &UserState) -> Account {
    let fields = [
        (Field::FirstName, &user.first_name),
        (Field::LastName, &user.last_name),
        (Field::Email, &user.email),
    ];
    let profile = fields.into_iter().map(|(field, value)| (field, value.clone()));
    Account {
        id: AccountId::parse(&user.id.0).unwrap(),
        user_name: user.user_name.clone(),
        active: user.active,
        access_level: Some(AccessLevel::Learner),
        profile: profile.collect(),
        manager: None,
        as_of_ms: 1,
        whole: true,
        unseen: provisioning::Unseen::NONE,
        rest: provisioning::Rest::default(),
    }
}

fn team_id(team: &TeamState) -> TeamId {
    TeamId::parse(&team.id.0).unwrap()
}

fn observed_team(team: &TeamState) -> Team {
    Team {
        id: team_id(team),
        name: team.name.clone(),
        description: Some(String::new()),
        parent: None,
        bulk_code: String::new(),
        as_of_ms: 1,
    }
}
