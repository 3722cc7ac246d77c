//! Test harness: a simulated Litmos in this process, and Rollcall in its own processes.

mod chance;
mod nats;
mod plain;
mod world;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bus::{Bus, NatsConnection, OperatorRequest, Service};
use litmos_simulator::{Running, Settings, Simulator};
use provisioning::OrgId;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::Instant;

pub use chance::Chance;
pub use nats::Nats;
pub use plain::{apart, plain};
pub use world::{Hall, QUICK, Room, group, group_id, person, person_id, wait_for};

/// Longest wait for a condition. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const TOKEN: &str = "a-token-for-stories";

/// A simulated Litmos, and a Rollcall that uses it.
#[derive(Debug)]
pub struct Harness {
    pub litmos: Running,
    pub folder: tempfile::TempDir,
    pub scim_port: u16,
    pub org: OrgId,
    /// Additional environment variables of commands.
    pub environment: Vec<(String, String)>,
    http: reqwest::Client,
    processes: Vec<Child>,
    /// Bus of the processes that were killed last.
    killed: Option<NatsConnection>,
}

/// Path of a program of the workspace, built in the same folder tree as this test.
///
/// # Panics
/// If it is not built.
pub fn program(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let beside = exe
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        panic!("{name} is not built; run `cargo build --workspace --bins` or `cargo xtask test`")
    })
}

/// A free port of this machine.
///
/// # Panics
/// If there is no free port.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// Freezes a process, or lets it continue.
pub async fn freeze(pid: u32, frozen: bool) {
    let signal = if frozen { "STOP" } else { "CONT" };
    let done = Command::new("sh")
        .args(["-c", &format!("kill -{signal} {pid}")])
        .status()
        .await
        .expect("a shell");
    assert!(done.success(), "process {pid} cannot be sent {signal}");
}

/// Counts of the governor for one org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Reported requests, with and without a response.
    pub used: u64,
    /// Tokens without a report. Their requests may have been sent.
    pub expired: u64,
    /// Tokens held by workers now.
    pub held: u64,
}

impl Harness {
    /// Creates a harness. `more` is added to the org's section of the settings.
    pub async fn new(simulator: Settings, more: &str) -> Harness {
        let litmos = Simulator::start(simulator).await.expect("the simulator starts");
        let folder = tempfile::tempdir().expect("a folder");
        let scim_port = free_port();
        let settings = format!(
            "[nats]\ndata_dir = {:?}\n[scim]\nlisten = \"127.0.0.1:{scim_port}\"\n[[org]]\nid = \"acme\"\n\
             base_url = \"{}\"\ncompany = \"acme\"\napi_key = \"{}\"\nscim_token = \"{TOKEN}\"\n{more}\n",
            folder.path().join("data"),
            litmos.base_url(),
            litmos.api_key(),
        );
        fs::write(folder.path().join("rollcall.toml"), settings).expect("settings are written");
        chassis::tls::choose_provider();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let org = OrgId::parse("acme").expect("an org id");
        Harness {
            litmos,
            folder,
            scim_port,
            org,
            environment: Vec::new(),
            http,
            processes: Vec::new(),
            killed: None,
        }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("rollcall.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let mut command = Command::new(program(name));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stderr(log)
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts `rollcall up` with additional environment variables.
    pub async fn up(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.command("rollcall", &["up"]);
        command.envs(environment.iter().copied());
        self.processes.push(command.spawn().expect("rollcall starts"));
    }

    /// Starts one service in its own process. Returns its index.
    pub fn service<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, name: &str, environment: &[(K, V)]) -> usize {
        self.processes.push(self.spawn(name, environment));
        self.processes.len() - 1
    }

    fn spawn<K: AsRef<OsStr>, V: AsRef<OsStr>>(&self, name: &str, environment: &[(K, V)]) -> Child {
        let mut command = self.command("rollcall", &["service", name]);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.spawn().expect("the service starts")
    }

    /// Process id of one service. `None` if it does not run.
    pub fn pid(&self, place: usize) -> Option<u32> {
        self.processes.get(place).and_then(Child::id)
    }

    /// Kills one service without warning, and starts it again.
    pub async fn kill_and_restart<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        place: usize,
        name: &str,
        environment: &[(K, V)],
    ) {
        self.processes[place]
            .kill()
            .await
            .expect("a process of ours can be killed");
        self.processes[place] = self.spawn(name, environment);
    }

    /// Freezes one service, or lets it continue.
    pub async fn freeze(&self, place: usize, frozen: bool) {
        if let Some(pid) = self.processes[place].id() {
            freeze(pid, frozen).await;
        }
    }

    /// Kills all started processes, without warning.
    pub async fn kill(&mut self) {
        self.killed = NatsConnection::discover(&self.data()).ok();
        for mut process in self.processes.drain(..) {
            process.kill().await.expect("a process of ours can be killed");
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub async fn bus(&self) -> Bus {
        let data = self.data();
        let connect = async || {
            let connection = NatsConnection::discover(&data).ok()?;
            // For a moment, the server of a killed process still answers.
            if self.killed.as_ref() == Some(&connection) {
                return None;
            }
            Bus::connect(&connection, "story").await.ok()
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(bus) = connect().await {
                return bus;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing came up:\n{}", self.log());
    }

    pub async fn ask(&self, bus: &Bus, service: Service, request: OperatorRequest) -> Option<Value> {
        bus.request(service, &self.org, request, Duration::from_secs(5))
            .await
            .ok()
    }

    /// Waits until Litmos equals the roster and stays so for a while. Returns the last status.
    pub async fn settled(&self, people: usize) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        let mut quiet = 0;
        let bus = self.bus().await;
        while Instant::now() < deadline {
            if let Some(status) = self.ask(&bus, Service::Pusher, OperatorRequest::Status).await {
                let done = status["settled"] == true && status["people"].as_u64() >= Some(people as u64);
                quiet = if done { quiet + 1 } else { 0 };
                if quiet >= 4 {
                    return status;
                }
                last = status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "Litmos did not become equal to the roster; last seen {last:#}\n{}",
            self.log()
        );
    }

    /// Used tokens according to the governor's ledger.
    ///
    /// # Panics
    /// If no governor answers within [`PATIENCE`].
    pub async fn books(&self, bus: &Bus) -> Books {
        let tokens = bus.tokens(chassis::clock::now_ms);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(status) = tokens.status(Some(&self.org)).await {
                let org = &status["orgs"][self.org.as_str()];
                let sum = |what: &[&str]| -> u64 {
                    let classes = org["classes"].as_object().into_iter().flatten();
                    classes
                        .flat_map(|(_, counts)| what.iter().map(|what| counts[*what].as_u64().unwrap_or(0)))
                        .sum()
                };
                if org.is_object() {
                    return Books {
                        used: sum(&["answered", "refused", "unknown"]),
                        expired: sum(&["expired"]),
                        held: org["held"].as_u64().unwrap_or(0),
                    };
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no governor answers:\n{}", self.log());
    }

    /// Checks that ledger and journal have exactly the requests that the simulator counted.
    ///
    /// # Panics
    /// If they do not agree within [`PATIENCE`].
    pub async fn books_agree(&self, bus: &Bus) {
        self.ledger_agrees(bus).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let journal = bus.journal_calls(&self.org).await.map_or(0, |calls| calls.len());
            let counted = self.litmos.log().len();
            if journal == counted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "Litmos counted {counted} requests, the journal {journal}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Checks that the ledger has exactly the requests that the simulator counted.
    ///
    /// # Panics
    /// If it does not agree within [`PATIENCE`].
    pub async fn ledger_agrees(&self, bus: &Bus) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let books = self.books(bus).await;
            let counted = self.litmos.log().len() as u64;
            if (books.used, books.expired, books.held) == (counted, 0, 0) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "Litmos counted {counted} requests, the ledger {books:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Checks the ledger after processes were killed: requests without a report are among the expired, and none is lost.
    ///
    /// # Panics
    /// If the counts cannot be correct.
    pub async fn books_bound(&self, bus: &Bus) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let books = self.books(bus).await;
            let counted = self.litmos.log().len() as u64;
            let possible = books.used <= counted && counted <= books.used + books.expired;
            if possible && books.held == 0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "Litmos counted {counted} requests, the ledger {books:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends one SCIM request. Returns status and body.
    pub async fn scim(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/scim/acme/v2{path}", self.scim_port);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut request = self
                .http
                .request(method.parse().expect("a method"), &url)
                .bearer_auth(TOKEN);
            if let Some(body) = body {
                request = request
                    .header("content-type", "application/scim+json")
                    .body(body.to_string());
            }
            match request.send().await {
                Ok(response) if response.status().as_u16() != 503 => {
                    let status = response.status().as_u16();
                    let text = response.text().await.expect("a body");
                    return (status, serde_json::from_str(&text).unwrap_or(Value::Null));
                }
                // The SCIM gateway may not be ready yet.
                Ok(_) | Err(_) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                other => panic!("the SCIM door does not answer: {other:?}\n{}", self.log()),
            }
        }
    }

    async fn answer_of(request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("the SCIM door answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sends one SCIM request with any bytes as its body.
    pub async fn scim_raw(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/scim/acme/v2{path}", self.scim_port);
        let request = self
            .http
            .request(method.parse().expect("a method"), url)
            .bearer_auth(TOKEN);
        Harness::answer_of(request.header("content-type", "application/scim+json").body(body)).await
    }

    /// Sends one SCIM request with another token.
    pub async fn scim_as(&self, token: &str, method: &str, path: &str) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/scim/acme/v2{path}", self.scim_port);
        Harness::answer_of(
            self.http
                .request(method.parse().expect("a method"), url)
                .bearer_auth(token),
        )
        .await
    }

    /// Runs a command like an admin. Returns exit code, standard output and standard error.
    pub async fn rollcall(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(program("rollcall"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .envs(self.environment.iter().cloned())
            .output()
            .await;
        let output = output.expect("rollcall runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(output.stdout),
            text(output.stderr),
        )
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file is written");
        path
    }
}

/// A SCIM user, as sent by Okta.
pub fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("{name}@corp.example"),
        "name": {"givenName": "First", "familyName": name},
        "emails": [{"primary": true, "value": format!("{name}@corp.example"), "type": "work"}],
        "externalId": format!("00u-{name}"),
        "active": true,
    })
}

/// A roster file with this number of people and groups. Every tenth person manages the next nine.
pub fn roster_csv(people: usize, groups: usize) -> String {
    let mut csv = String::from("external_id,user_name,first_name,last_name,email,manager,groups,JobTitle\n");
    for n in 0..people {
        let manager = match n {
            0 => String::new(),
            n if n % 10 == 0 => "p0@corp.example".to_owned(),
            n => format!("p{}@corp.example", n / 10 * 10),
        };
        csv.push_str(&format!(
            "E{n},p{n}@corp.example,First{n},Last{n},p{n}@corp.example,{manager},Group {},Title {}\n",
            n % groups.max(1),
            n % 7
        ));
    }
    csv
}

/// Differences between a file of [`roster_csv`] and the simulated Litmos.
pub fn differences(litmos: &Running, people: usize, groups: usize) -> Vec<String> {
    let state = litmos.state();
    let mut differences = Vec::new();
    for n in 0..people {
        let name = format!("p{n}@corp.example");
        let found: Vec<_> = state.users.iter().filter(|user| user.user_name == name).collect();
        let [user] = found.as_slice() else {
            differences.push(format!("{name} has {} accounts", found.len()));
            continue;
        };
        let manager = (n > 0).then(|| if n % 10 == 0 { 0 } else { n / 10 * 10 });
        let manager = manager.map(|n| format!("p{n}@corp.example"));
        let there = user
            .manager_id
            .as_ref()
            .and_then(|id| state.users.iter().find(|user| user.id == *id));
        if !user.active
            || user.first_name != format!("First{n}")
            || there.map(|user| user.user_name.clone()) != manager
        {
            differences.push(format!(
                "{name}: active {}, {}, manager {:?}",
                user.active, user.first_name, user.manager_id
            ));
        }
        let team = format!("Group {}", n % groups.max(1));
        let in_team = state
            .teams
            .iter()
            .filter(|team| team.members.contains(&user.id))
            .map(|team| team.name.clone());
        if in_team.collect::<Vec<_>>() != [team.clone()] {
            differences.push(format!("{name} is not in {team} alone"));
        }
    }
    differences
}
