//! Test harness for jobs. Everything except Litmos is real. Each job is prepared from the buckets, as a new owner reads them.
//!
//! Two checks run with every job. Its effects, applied to the state before it, must give exactly the state of the buckets after it. And it
//! must release exactly the subjects that are held for it.

mod state;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{Bus, NatsServer};
use litmos_simulator::{Running, Settings, Simulator, TeamState, UserState};
use provisioning::{
    AccountId, Change, DesiredManager, Ended, GroupId, GroupLink, Image, Operation, OperationId, OrgId,
    OrgState, Person, PersonId, PersonLink, Profile, Subject, TeamId,
};
use rate_tokens::{BudgetSettings, Class, Moment, Pacing, Permit, Terms};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::{Job, orphans, prepare};
use crate::CrashPoints;
use crate::executor::{CustomFieldsShape, Executor, Halt, Observed, Outcome};
use crate::links::Links;
use crate::watcher;
use truth::summary;

/// Longest time after the use-by time of its permit that a request may still take effect.
const SETTLE: Duration = Duration::from_millis(200);

/// Lifetime of a permit: long enough for a busy machine, and short enough for a test to wait for its end.
const PERMIT_TTL: Duration = Duration::from_secs(2);

pub(super) struct Harness {
    pub(super) litmos: Running,
    pub(super) executor: Executor,
    bus: Bus,
    org: OrgId,
    stop: CancellationToken,
    nats: NatsServer,
    _folder: tempfile::TempDir,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn free_permit() -> Permit {
    Permit::new("acme", "by-hand", Moment::from_millis(u64::MAX), |_| {})
}

pub(super) fn person_id(name: &str) -> PersonId {
    PersonId::parse(name).unwrap()
}

pub(super) fn group_id(name: &str) -> GroupId {
    GroupId::parse(name.replace(' ', "-")).unwrap()
}

fn user_name(name: &str) -> String {
    format!("{name}@corp.example")
}

impl Harness {
    /// A harness with these users, each with an account of the given access level, and these teams with their members. All of them are in
    /// the observed state and in the roster, and are linked.
    pub(super) async fn new(users: &[(&str, &str)], teams: &[(&str, &[&str])]) -> Harness {
        Harness::with(Settings::default(), users, teams).await
    }

    pub(super) async fn with(
        settings: Settings,
        users: &[(&str, &str)],
        teams: &[(&str, &[&str])],
    ) -> Harness {
        let settings = Settings {
            limit: 100_000,
            bulk_delay: Duration::ZERO,
            ..settings
        };
        let litmos = Simulator::start(settings).await.unwrap();
        let records: Vec<_> = users.iter().map(|(name, level)| user(name, level)).collect();
        litmos.put_users(&records).unwrap();
        let names = |members: &&[&str]| members.iter().map(|name| user_name(name)).collect::<Vec<_>>();
        let records: Vec<_> = teams
            .iter()
            .map(|(name, members)| serde_json::json!({"Name": name, "Members": names(members)}))
            .collect();
        litmos.put_teams(&records).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let nats = NatsServer::start(folder.path()).await.unwrap();
        let bus = Bus::connect(nats.connection(), "test").await.unwrap();
        bus.prepare(1).await.unwrap();
        let org = OrgId::parse("acme").unwrap();
        let stop = CancellationToken::new();
        let terms = Terms {
            window: Duration::from_secs(1),
            guard: Duration::ZERO,
            permit_ttl: PERMIT_TTL,
            settle: SETTLE,
            pacing: Pacing::Unpaced,
            worker_max: 100,
            ..Terms::per_minute(1_000)
        };
        let governor = rate_governor::Dependencies {
            bus: Bus::connect(nats.connection(), "governor").await.unwrap(),
            budgets: BTreeMap::from([(org.clone(), BudgetSettings::new(terms).unwrap())]),
            health: chassis::health::Health::new(),
        };
        tokio::spawn(rate_governor::run(governor, stop.clone()));
        let client = litmos::Client::new(litmos::Connection {
            base_url: litmos.base_url(),
            company: "acme".to_owned(),
            api_key: litmos.api_key().into(),
            timeout: Duration::from_secs(5),
            clock: || Moment::from_millis(chassis::clock::now_ms()),
        });
        let executor = Executor {
            org: org.clone(),
            litmos: Arc::new(client.unwrap()),
            tokens: bus.tokens(chassis::clock::now_ms),
            links: Links::new(org.clone(), bus.links(), CrashPoints::none()),
            observed: Observed::new(org.clone(), bus.observed(), CrashPoints::none()),
            lease: Arc::new(bus.lease("pusher.acme", Duration::from_secs(5)).await),
            journal: bus.journal(),
            crash_points: CrashPoints::none(),
            harm_book: Arc::default(),
            custom_fields: CustomFieldsShape::default(),
            imports: Arc::default(),
            gate: Arc::default(),
            fresh_ms: 600_000,
            settle: SETTLE,
            spent: Arc::default(),
        };
        let harness = Harness {
            litmos,
            executor,
            bus,
            org,
            stop,
            nats,
            _folder: folder,
        };
        harness.import().await;
        for (name, _) in users {
            harness.want_person(name).await;
            harness.link_person(name).await;
        }
        for (name, _) in teams {
            harness.want_group(name).await;
            harness.link_group(name).await;
        }
        harness
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.executor.lease.release().await;
        self.nats.stop().await;
        self.litmos.stop().await.unwrap();
    }

    /// Loads everything from the buckets, as a new owner does.
    pub(super) async fn look(&self) -> watcher::Snapshot {
        let over = CancellationToken::new();
        let (look, _) = watcher::fetch(&self.bus, &self.org, over.clone()).await.unwrap();
        over.cancel();
        look
    }

    pub(super) async fn state(&self) -> OrgState {
        self.look().await.state
    }

    pub(super) async fn person_link(&self, name: &str) -> PersonLink {
        let state = self.state().await;
        state.person_link(&person_id(name)).unwrap().value.clone()
    }

    pub(super) async fn group_link(&self, name: &str) -> GroupLink {
        let state = self.state().await;
        state.group_link(&group_id(name)).unwrap().value.clone()
    }

    pub(super) fn user(&self, name: &str) -> UserState {
        let users = self.litmos.state().users;
        let found = users.into_iter().find(|user| user.user_name == user_name(name));
        found.unwrap_or_else(|| panic!("{name} has no account"))
    }

    pub(super) fn find_team(&self, name: &str) -> Option<TeamState> {
        self.litmos
            .state()
            .teams
            .into_iter()
            .find(|team| team.name == name)
    }

    pub(super) fn team(&self, name: &str) -> TeamState {
        self.find_team(name)
            .unwrap_or_else(|| panic!("there is no team {name}"))
    }

    pub(super) fn account_id(&self, name: &str) -> AccountId {
        AccountId::parse(&self.user(name).id.0).unwrap()
    }

    pub(super) fn team_id(&self, name: &str) -> TeamId {
        TeamId::parse(&self.team(name).id.0).unwrap()
    }

    /// Members of a team, as the first parts of their user names.
    pub(super) fn members(&self, team: &str) -> Vec<String> {
        self.names(&self.team(team).members)
    }

    pub(super) fn names(&self, ids: &[litmos_simulator::UserId]) -> Vec<String> {
        let users = self.litmos.state().users;
        let mut names: Vec<String> = users
            .iter()
            .filter(|user| ids.contains(&user.id))
            .map(|user| user.user_name.split('@').next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Deletes a user in Litmos without Rollcall.
    pub(super) async fn delete_user(&self, id: &AccountId) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let host = self.litmos.base_url().replace("http://", "");
        let mut socket = tokio::net::TcpStream::connect(&host).await.unwrap();
        let request = format!(
            "DELETE /v1.svc/users/{id}?source=acme HTTP/1.1\r\nHost: {host}\r\napikey: {}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            self.litmos.api_key()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub(super) async fn delete_team(&self, name: &str) {
        let id = self.team_id(name);
        self.executor
            .litmos
            .delete_team(free_permit(), id.as_str())
            .await
            .unwrap();
    }

    /// Removes an account from a team without an update of the observed state.
    pub(super) async fn take_out(&self, team: &TeamId, account: &AccountId) {
        let client = &self.executor.litmos;
        client
            .remove_member(free_permit(), team.as_str(), account.as_str())
            .await
            .unwrap();
    }

    /// The requests since `from`, as method and path, without query, and with `{}` in place of ids.
    pub(super) fn requests(&self, from: usize) -> Vec<String> {
        let log = self.litmos.log();
        log[from..]
            .iter()
            .map(|entry| {
                let path = entry.path.split('?').next().unwrap_or_default();
                let path = path.trim_start_matches("/v1.svc");
                let parts = path.split('/').enumerate();
                let plain: Vec<&str> = parts
                    .map(|(at, part)| if at > 1 && at % 2 == 0 { "{}" } else { part })
                    .collect();
                format!("{} {}", entry.method, plain.join("/"))
            })
            .collect()
    }

    pub(super) async fn perform(&self, change: Change) -> Played {
        self.perform_with(change, 2).await
    }

    /// Performs one change that is planned with this number of calls, and runs both checks.
    pub(super) async fn perform_with(&self, change: Change, calls: u32) -> Played {
        let state = self.state().await;
        let held: BTreeSet<Subject> = change.subjects().into_iter().collect();
        let operation = Operation {
            id: OperationId::parse(format!("op-{}", number())).unwrap(),
            change,
            calls,
            after: BTreeSet::new(),
            label: String::new(),
        };
        let job = prepare(&state, &operation).expect("the state has all that the operation needs");
        let (released, played) = self.played(state, job).await;
        assert_eq!(released, held, "what was held is released, and nothing else");
        played
    }

    pub(super) async fn perform_job(&self, job: Job) -> Played {
        let state = self.state().await;
        self.played(state, job).await.1
    }

    async fn played(&self, mut state: OrgState, job: Job) -> (BTreeSet<Subject>, Played) {
        let permit = self.executor.permit(Class::Normal).await;
        let from = self.litmos.log().len();
        let done = job.perform(&self.executor, permit).await;
        let requests = self.requests(from);
        done.effects.apply(&mut state);
        assert_eq!(
            summary(&state),
            summary(&self.state().await),
            "what the job says it left is what it left"
        );
        let played = Played {
            outcome: done.outcome,
            halt: done.halt,
            requests,
        };
        (done.subjects.into_iter().collect(), played)
    }

    pub(super) async fn prepared(&self, change: Change) -> bool {
        let operation = Operation {
            id: OperationId::parse("op").unwrap(),
            change,
            calls: 1,
            after: BTreeSet::new(),
            label: String::new(),
        };
        prepare(&self.state().await, &operation).is_some()
    }

    /// Recovers every open intent, as the next owner does.
    pub(super) async fn recover(&self) -> Vec<(Subject, Played)> {
        let look = self.look().await;
        let mut tasks = JoinSet::new();
        for orphan in orphans(&look.state, &look.jobs) {
            let executor = self.executor.clone();
            tasks.spawn(async move { orphan.recover(&executor).await });
        }
        let mut state = look.state;
        let mut played = Vec::new();
        for done in tasks.join_all().await {
            let subject = done.subjects[0].clone();
            done.effects.apply(&mut state);
            played.push((
                subject,
                Played {
                    outcome: done.outcome,
                    halt: done.halt,
                    requests: Vec::new(),
                },
            ));
        }
        assert_eq!(summary(&state), summary(&self.state().await));
        played
    }
}

/// How a job ended.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) outcome: Option<Outcome>,
    pub(super) halt: Option<Halt>,
    pub(super) requests: Vec<String>,
}

impl Played {
    /// The images of a job that succeeded.
    pub(super) fn images(self) -> Vec<Image> {
        let outcome = self.outcome.expect("an outcome");
        assert_eq!((outcome.ended, outcome.message), (Ended::Done, None));
        outcome.images
    }

    /// The error message of a job that did not succeed.
    pub(super) fn not_done(&self, ended: Ended) -> &str {
        let outcome = self.outcome.as_ref().expect("an outcome");
        assert_eq!(outcome.ended, ended, "{outcome:?}");
        assert!(outcome.images.is_empty(), "{outcome:?}");
        outcome.message.as_deref().expect("what Litmos answered")
    }
}

pub(super) fn person(name: &str) -> Person {
    Person {
        id: person_id(name),
        user_name: user_name(name),
        active: true,
        deleted: false,
        access_level: None,
        profile: Profile::new(),
        custom: Default::default(),
        manager: DesiredManager::Leave,
        sources: provisioning::Sources::new(),
        scim_document: None,
        created_at_ms: 1,
        changed_at_ms: 1,
    }
}

fn user(name: &str, level: &str) -> serde_json::Value {
    serde_json::json!({
        "UserName": user_name(name), "FirstName": "First", "LastName": name, "Email": user_name(name),
        "AccessLevel": level, "Active": true, "JobTitle": "Guide",
    })
}
