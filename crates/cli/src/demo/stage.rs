//! Processes of the demo: the simulator and Rollcall, plus the actions of an admin and an IdP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bus::{Bus, OperatorRequest, Service};
use litmos_simulator::Entry;
use provisioning::OrgId;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::company::{Employee, group_name};
use crate::print;

const KEY: &str = "demo-key";
const TOKEN: &str = "demo-scim-token-of-nobody";
const ORG: &str = "acme";

/// Longest wait for any step.
const PATIENCE: Duration = Duration::from_secs(240);

/// Time between two polls.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Stage {
    folder: tempfile::TempDir,
    keep: bool,
    simulator: Child,
    rollcall: Option<Child>,
    litmos_url: String,
    scim_port: u16,
    http: reqwest::Client,
    bus: Option<Bus>,
}

impl Stage {
    /// Starts the simulator on a free port.
    pub(super) async fn open(window: &str, keep: bool) -> anyhow::Result<Stage> {
        let folder = tempfile::Builder::new().prefix("rollcall-demo-").tempdir()?;
        let mut simulator = Command::new(sibling("litmos-simulator")?)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--api-key",
                KEY,
                "--limit",
                "100",
                "--window",
                window,
                "--log",
            ])
            .arg(folder.path().join("requests.jsonl"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the simulator cannot be started")?;
        let stdout = simulator.stdout.take().context("the simulator has no output")?;
        let line = BufReader::new(stdout)
            .lines()
            .next_line()
            .await?
            .unwrap_or_default();
        let litmos_url = line
            .strip_prefix("listening on ")
            .context("the simulator did not start")?
            .trim()
            .to_owned();
        let scim_port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        chassis::tls::choose_provider();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Stage {
            folder,
            keep,
            simulator,
            rollcall: None,
            litmos_url,
            scim_port,
            http,
            bus: None,
        })
    }

    pub(super) async fn close(mut self) {
        self.bus = None;
        if let Some(mut rollcall) = self.rollcall.take() {
            terminate(&rollcall);
            let _ = tokio::time::timeout(Duration::from_secs(20), rollcall.wait()).await;
        }
        terminate(&self.simulator);
        let _ = tokio::time::timeout(Duration::from_secs(5), self.simulator.wait()).await;
        if self.keep {
            println!("kept: {}", self.folder.keep().display());
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    pub(super) async fn start_rollcall(&mut self) -> anyhow::Result<()> {
        let settings = format!(
            "[nats]\ndata_dir = {:?}\n\n[scim]\nlisten = \"127.0.0.1:{}\"\n\n[[org]]\nid = \"{ORG}\"\nbase_url = \"{}\"\n\
             company = \"Corp Example\"\napi_key = \"{KEY}\"\nscim_token = \"{TOKEN}\"\nrequests_per_minute = 100\n",
            self.path("data"),
            self.scim_port,
            self.litmos_url,
        );
        let config = self.write("rollcall.toml", &settings)?;
        let log = fs::File::create(self.path("rollcall.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["up", "--config"])
            .arg(&config)
            .stderr(log)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.rollcall = Some(child);
        let data = self.path("data");
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if let Ok(connection) = bus::NatsConnection::discover(&data)
                && let Ok(bus) = Bus::connect(&connection, "demo").await
            {
                self.bus = Some(bus);
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "Rollcall did not start:\n{}",
            fs::read_to_string(self.path("rollcall.log")).unwrap_or_default()
        )
    }

    /// Runs a `rollcall` command and returns what it printed.
    pub(super) async fn rollcall(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(std::env::current_exe()?)
            .args(arguments)
            .arg("--config")
            .arg(self.path("rollcall.toml"))
            .output()
            .await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.code() {
            Some(0 | 3) => Ok(printed),
            _ => bail!(
                "rollcall {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    pub(super) async fn request(&self, service: Service, request: OperatorRequest) -> anyhow::Result<Value> {
        let bus = self.bus.as_ref().context("Rollcall does not run")?;
        let org = OrgId::parse(ORG)?;
        Ok(bus
            .request(service, &org, request, Duration::from_secs(10))
            .await?)
    }

    /// Repeats a request until `wanted` accepts the answer. A failed request is repeated too.
    pub(super) async fn until<'a, F>(
        &'a self,
        what: &str,
        ask: impl Fn(&'a Stage) -> F,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value>
    where
        F: Future<Output = anyhow::Result<Value>>,
    {
        let started = Instant::now();
        let mut last = Value::Null;
        while started.elapsed() < PATIENCE {
            if let Ok(answer) = ask(self).await {
                if wanted(&answer) {
                    return Ok(answer);
                }
                last = answer;
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "waited {} for {what}; last seen: {last}",
            print::duration(PATIENCE.as_secs_f64())
        )
    }

    /// Shows progress until Litmos equals the roster. Returns the time since `started`.
    pub(super) async fn watch(&self, started: Instant) -> anyhow::Result<Duration> {
        let mut shown = Instant::now() - Duration::from_secs(10);
        let mut quiet = 0;
        while started.elapsed() < PATIENCE {
            let status = self.request(Service::Pusher, OperatorRequest::Status).await?;
            if status["settled"] == true {
                quiet += 1;
                // Changes that were just written may not have been planned yet.
                if quiet >= 5 {
                    return Ok(started.elapsed().saturating_sub(LOOK * 5));
                }
            } else {
                quiet = 0;
            }
            if shown.elapsed() >= Duration::from_secs(5) && status["settled"] != true {
                shown = Instant::now();
                println!(
                    "  {:>5} of {} linked, {:>3} calls left, about {} more",
                    status["people_linked"],
                    status["people"],
                    status["calls_left"],
                    print::duration(
                        status["forecast"]["expected_seconds"]
                            .as_f64()
                            .unwrap_or_default()
                    )
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "Litmos did not become equal to the roster: {:#}",
            self.request(Service::Pusher, OperatorRequest::Status).await?
        )
    }

    pub(super) fn log(&self) -> anyhow::Result<Vec<Entry>> {
        super::parse_log(&fs::read_to_string(self.path("requests.jsonl"))?)
    }

    pub(super) async fn report(&self) -> anyhow::Result<Value> {
        self.simulator_says("report").await
    }

    pub(super) async fn state(&self) -> anyhow::Result<Value> {
        self.simulator_says("state").await
    }

    async fn simulator_says(&self, what: &str) -> anyhow::Result<Value> {
        let response = self
            .http
            .get(format!("{}/_sim/{what}", self.litmos_url))
            .send()
            .await?;
        Ok(response.error_for_status()?.json().await?)
    }

    /// Returns one user from the simulator's state. Costs no request of the limit.
    pub(super) async fn litmos_user(&self, user_name: &str) -> anyhow::Result<Value> {
        let state = self.state().await?;
        let user = state["users"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|user| user["user_name"] == user_name);
        user.cloned().context("no such user in Litmos")
    }

    /// Creates accounts in Litmos before the load, with old job titles.
    pub(super) async fn seed_accounts(&self, employees: &[Employee]) -> anyhow::Result<()> {
        let users: Vec<Value> = employees
            .iter()
            .map(|employee| {
                json!({"UserName": employee.user_name, "FirstName": employee.first, "LastName": employee.last,
                    "Email": employee.email, "AccessLevel": "Learner", "JobTitle": "Newcomer"})
            })
            .collect();
        let response = self
            .http
            .post(format!("{}/_sim/users", self.litmos_url))
            .json(&users)
            .send()
            .await?;
        response
            .error_for_status()
            .context("the accounts could not be seeded")?;
        Ok(())
    }

    async fn scim(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:{}/scim/{ORG}/v2{path}", self.scim_port);
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/scim+json")
                .body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        anyhow::ensure!(status.is_success(), "SCIM {path} answered {status}: {text}");
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }

    /// Finds a resource with a filter, as Okta and Entra do.
    async fn find(&self, kind: &str, attribute: &str, value: &str) -> anyhow::Result<String> {
        let filter = format!("{attribute} eq \"{value}\"")
            .replace(' ', "%20")
            .replace('"', "%22")
            .replace('&', "%26");
        let list = self
            .scim(reqwest::Method::GET, &format!("/{kind}?filter={filter}"), None)
            .await?;
        list["Resources"][0]["id"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("SCIM finds no {value}"))
    }

    async fn patch(&self, path: &str, value: &Value) -> anyhow::Result<()> {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": value}]});
        self.scim(reqwest::Method::PATCH, path, Some(&body))
            .await
            .map(drop)
    }

    pub(super) async fn deactivate(&self, user_name: &str) -> anyhow::Result<()> {
        let id = self.find("Users", "userName", user_name).await?;
        self.patch(&format!("/Users/{id}"), &json!({"active": false}))
            .await
    }

    /// Changes titles, and renames one group. Returns its old and new name.
    pub(super) async fn day(
        &self,
        company: &mut [Employee],
        changes: usize,
        leavers: &[String],
    ) -> anyhow::Result<(String, String)> {
        let staying = company
            .iter_mut()
            .rev()
            .filter(|employee| !leavers.contains(&employee.user_name));
        for employee in staying.take(changes) {
            let id = self.find("Users", "userName", &employee.user_name).await?;
            employee.title = "Principal";
            self.patch(&format!("/Users/{id}"), &json!({"title": employee.title}))
                .await?;
        }
        let (from, to) = (group_name(3), format!("{} & Partners", group_name(3)));
        let id = self.find("Groups", "displayName", &from).await?;
        self.patch(&format!("/Groups/{id}"), &json!({"id": id, "displayName": to}))
            .await?;
        Ok((from, to))
    }
}

/// Path of another program of this project, in the folder of this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new(".")).join(name);
    anyhow::ensure!(
        beside.is_file(),
        "{} is not there; build it with `cargo build --bin {name}`",
        beside.display()
    );
    Ok(beside)
}

fn terminate(child: &Child) {
    if let Some(pid) = child.id() {
        let _ = std::process::Command::new("kill").arg(pid.to_string()).status();
    }
}
