//! Many orgs on one nats-server in this process: each with its own simulated Litmos, all with one governor.
//!
//! For tests that need hundreds of small orgs instead of one large org. Services run as tasks, so a test can drop them at
//! any point.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{
    Bus, Change, Expect, LinksKey, LinksValue, NatsServer, OperatorRequest, RosterKey, RosterValue, Service,
    Write,
};
use chassis::health::Health;
use litmos_simulator::{Running, Simulator};
use provisioning::{DesiredManager, Field, Group, GroupId, Membership, OrgId, Person, PersonId, SourceId};
use settings::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A nats-server, and a governor for a fixed set of orgs.
#[derive(Debug)]
pub struct Hall {
    pub bus: Bus,
    server: NatsServer,
    governor: JoinHandle<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

/// One org: its simulated Litmos and its settings.
#[derive(Debug)]
pub struct Room {
    pub org: OrgId,
    pub litmos: Arc<Running>,
    pub settings: Arc<Settings>,
    bus: Bus,
    _folder: Arc<tempfile::TempDir>,
}

/// Additional settings of an org: fast tokens, and a short settling time.
pub const QUICK: &str =
    "requests_per_minute = 400\nwindow_ms = 1000\npaced = false\npermit_ttl_ms = 3000\nsettle_ms = 1000\n";

impl Room {
    /// Starts a simulated Litmos for an org with this id. `more` is added to the org's section of the settings.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn new(bus: &Bus, org: &str, simulator: litmos_simulator::Settings, more: &str) -> Room {
        let litmos = Arc::new(Simulator::start(simulator).await.expect("a simulator starts"));
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let file = folder.path().join("rollcall.toml");
        let text = format!(
            "[[org]]\nid = \"{org}\"\nbase_url = \"{}\"\ncompany = \"story\"\napi_key = \"{}\"\nscim_token = \"a-token-for-stories\"\n{more}",
            litmos.base_url(),
            litmos.api_key(),
        );
        std::fs::write(&file, text).expect("settings are written");
        let settings = Settings::load(Some(&file), []).expect("the settings are good");
        Room {
            org: OrgId::parse(org).expect("an org id"),
            litmos,
            settings: Arc::new(settings),
            bus: bus.clone(),
            _folder: folder,
        }
    }

    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The same org and Litmos on another bus. This must never happen in production.
    pub fn on(&self, bus: &Bus) -> Room {
        Room {
            org: self.org.clone(),
            litmos: self.litmos.clone(),
            settings: self.settings.clone(),
            bus: bus.clone(),
            _folder: self._folder.clone(),
        }
    }

    async fn write(&self, writes: Vec<Write<RosterKey, RosterValue>>) {
        for batch in writes.chunks(bus::BATCH_MAX) {
            self.bus
                .roster()
                .write_all(batch.to_vec())
                .await
                .expect("the roster is written");
        }
    }

    fn put(key: RosterKey, value: RosterValue) -> Write<RosterKey, RosterValue> {
        Write {
            key,
            expect: Expect::Any,
            change: Change::Put(value),
        }
    }

    /// Writes people to the roster, as sources would.
    pub async fn people(&self, people: impl IntoIterator<Item = Person>) {
        let put = |person: Person| {
            Room::put(
                RosterKey::of_person(&self.org, &person),
                RosterValue::Person(Box::new(person)),
            )
        };
        self.write(people.into_iter().map(put).collect()).await;
    }

    pub async fn groups(&self, groups: impl IntoIterator<Item = Group>) {
        let put = |group: Group| {
            Room::put(
                RosterKey::Group(self.org.clone(), group.id.clone()),
                RosterValue::Group(Box::new(group)),
            )
        };
        self.write(groups.into_iter().map(put).collect()).await;
    }

    /// Writes memberships: group, person, and whether the person is in the group.
    pub async fn members<'a>(&self, members: impl IntoIterator<Item = (&'a str, &'a str, bool)>) {
        let put = |(group, person, present): (&str, &str, bool)| {
            let (group, person) = (group_id(group), person_id(person));
            let key = RosterKey::Membership(self.org.clone(), group.clone(), person.clone());
            let membership = Membership {
                group,
                person,
                present,
                source: SourceId::parse("story").expect("a source id"),
                changed_at_ms: chassis::clock::unix_ms(),
                sequence: 0,
            };
            Room::put(key, RosterValue::Membership(membership))
        };
        self.write(members.into_iter().map(put).collect()).await;
    }

    /// Writes a link, whatever is stored now.
    pub async fn link(&self, key: LinksKey, value: LinksValue) {
        let write = Write {
            key,
            expect: Expect::Any,
            change: Change::Put(value),
        };
        self.bus.links().write(write).await.expect("the link is written");
    }

    /// Runs the importer until one import is complete.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`](crate::PATIENCE).
    pub async fn import(&self) {
        let stop = CancellationToken::new();
        let parts = importer::Dependencies {
            bus: self.bus.clone(),
            settings: self.settings.clone(),
            health: Health::new(),
        };
        let running = tokio::spawn(importer::run(parts, stop.clone()));
        let key = bus::ObservedKey::Import(self.org.clone());
        let complete = async || {
            let stored = self.bus.observed().get(&key).await.ok().flatten();
            matches!(stored.map(|stored| stored.value), Some(bus::ObservedValue::Import(run)) if run.is_complete())
        };
        wait_for("a complete import", complete).await;
        stop.cancel();
        let _ = running.await;
    }

    /// Starts a pusher for this org as a task. The token stops it.
    pub fn pusher(&self, crash_points: pusher::CrashPoints) -> (JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let parts = pusher::Dependencies {
            bus: self.bus.clone(),
            settings: self.settings.clone(),
            health: Health::new(),
            crash_points,
        };
        let until = stop.clone();
        let running = tokio::spawn(async move {
            let _ = pusher::run(parts, until).await;
        });
        (running, stop)
    }

    /// Waits until nothing is left to do. Returns the last status.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`](crate::PATIENCE).
    pub async fn settled(&self) -> serde_json::Value {
        let mut quiet = 0;
        let mut last = serde_json::Value::Null;
        let deadline = tokio::time::Instant::now() + crate::PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Ok(status) = self.ask(OperatorRequest::Status).await {
                quiet = if status["settled"] == true { quiet + 1 } else { 0 };
                last = status;
                if quiet >= 3 {
                    return last;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} did not settle: {last:#}", self.org);
    }

    /// Sends an operator request to the pusher of this org.
    ///
    /// # Errors
    /// The error of the operator request.
    pub async fn ask(
        &self,
        request: OperatorRequest,
    ) -> Result<serde_json::Value, bus::OperatorRequestError> {
        self.bus
            .request(Service::Pusher, &self.org, request, Duration::from_secs(5))
            .await
    }
}

impl Hall {
    /// Starts a nats-server.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn open() -> Hall {
        chassis::tls::choose_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let server = NatsServer::start(folder.path())
            .await
            .expect("a nats-server starts");
        let bus = Bus::connect(server.connection(), "story")
            .await
            .expect("the bus connects");
        bus.prepare(1).await.expect("the bus is prepared");
        Hall {
            bus,
            server,
            governor: tokio::spawn(async {}),
            stop: CancellationToken::new(),
            _folder: folder,
        }
    }

    /// Starts the governor for the orgs of these rooms.
    pub fn govern(&mut self, rooms: &[Room]) {
        let orgs = rooms.iter().flat_map(|room| &room.settings.orgs);
        let budgets: BTreeMap<_, _> = orgs.map(|org| (org.id.clone(), org.budget().clone())).collect();
        let parts = rate_governor::Dependencies {
            bus: self.bus.clone(),
            budgets,
            health: Health::new(),
        };
        let stop = self.stop.clone();
        self.governor = tokio::spawn(async move {
            let _ = rate_governor::run(parts, stop).await;
        });
    }

    pub async fn close(self) {
        self.stop.cancel();
        let _ = self.governor.await;
        self.server.stop().await;
    }
}

/// Waits until `is` returns true. `what` is for the error message.
///
/// # Panics
/// If that takes longer than [`PATIENCE`](crate::PATIENCE).
pub async fn wait_for(what: &str, is: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + crate::PATIENCE;
    while !is().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come about"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn person_id(name: &str) -> PersonId {
    PersonId::parse(name).expect("a person id")
}

pub fn group_id(name: &str) -> GroupId {
    GroupId::parse(name).expect("a group id")
}

/// A person with all fields that Litmos requires.
pub fn person(name: &str) -> Person {
    let now = chassis::clock::unix_ms();
    Person {
        id: person_id(name),
        user_name: format!("{name}@corp.example"),
        active: true,
        deleted: false,
        access_level: None,
        profile: [
            (Field::FirstName, "First".to_owned()),
            (Field::LastName, name.to_owned()),
            (Field::Email, format!("{name}@corp.example")),
        ]
        .into_iter()
        .collect(),
        custom: Default::default(),
        manager: DesiredManager::Leave,
        sources: provisioning::Sources::new(),
        scim_document: None,
        created_at_ms: now,
        changed_at_ms: now,
    }
}

/// A group. Its id is its name in lower case, with hyphens instead of blanks.
pub fn group(name: &str) -> Group {
    let now = chassis::clock::unix_ms();
    Group {
        id: group_id(&name.to_lowercase().replace(' ', "-")),
        name: name.to_owned(),
        description: None,
        parent: None,
        deleted: false,
        sources: provisioning::Sources::new(),
        scim_document: None,
        created_at_ms: now,
        changed_at_ms: now,
    }
}
