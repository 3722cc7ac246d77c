//! A SCIM gateway dies at every place of its write path where dying makes a difference, and another goes on: its client
//! repeats the request that was not answered, and all of it ends as if nobody had died.
//!
//! A scenario is played once undisturbed, which counts its places. Then it is played once for each of them, in an org of its
//! own. Meanwhile a reader looks at the roster after every change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Change, Expect, NatsServer, RosterKey, RosterValue, Write};
use chassis::health::Health;
use crash_points::CrashPoints;
use futures_util::StreamExt as _;
use provisioning::OrgId;
use rollcall_tests::{TOKEN, free_port, person, wait_for};
use serde_json::{Value, json};
use settings::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::state::{Reader, State};

/// Plays at once.
const AT_ONCE: usize = 12;

/// More members than one atomic batch holds beside a group.
const CROWD: usize = 1_050;

/// One request of a client.
#[derive(Clone, Copy, Debug)]
enum Step {
    MakeUser(&'static str),
    Title(&'static str, &'static str),
    CutOff(&'static str),
    Rename(&'static str, &'static str),
    DeleteUser(&'static str),
    MakeGroup(&'static str, Members),
    ReplaceMembers(&'static str, Members),
    AddMember(&'static str, &'static str),
    RemoveMember(&'static str, &'static str),
    RenameGroup(&'static str, &'static str),
    DeleteGroup(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Members {
    These(&'static [&'static str]),
    /// So many of the crowd, and from whom on.
    Crowd(usize, usize),
}

impl Members {
    fn names(self) -> Vec<String> {
        match self {
            Members::These(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            Members::Crowd(from, many) => (from..from + many).map(|n| format!("c{n}")).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Users and small groups: single writes and sets of a few keys.
    Small,
    /// Groups with more members than one batch holds.
    Crowd,
}

impl Scenario {
    fn steps(self) -> Vec<Step> {
        use Step::*;
        match self {
            Scenario::Small => vec![
                MakeUser("mira"),
                MakeUser("nils"),
                Title("mira", "Guide"),
                MakeGroup("Sales", Members::These(&["mira", "nils", "kim"])),
                MakeGroup("Depot", Members::These(&["nils"])),
                Rename("mira", "berg"),
                AddMember("Depot", "berg"),
                RemoveMember("Sales", "kim"),
                ReplaceMembers("Depot", Members::These(&["kim", "nils"])),
                RenameGroup("Depot", "Depot North"),
                CutOff("kim"),
                DeleteUser("nils"),
                MakeUser("nils"),
                DeleteGroup("Sales"),
            ],
            Scenario::Crowd => vec![
                MakeGroup("Everybody", Members::Crowd(0, CROWD)),
                MakeGroup("Few", Members::Crowd(0, 1)),
                ReplaceMembers("Few", Members::Crowd(10, CROWD - 10)),
                ReplaceMembers("Few", Members::Crowd(0, 5)),
            ],
        }
    }

    /// People who are there before.
    fn cast(self) -> Vec<String> {
        match self {
            Scenario::Small => vec!["kim".to_owned()],
            Scenario::Crowd => Members::Crowd(0, CROWD).names(),
        }
    }

    fn first_members(self) -> BTreeMap<String, usize> {
        let made = self.steps().into_iter().filter_map(|step| match step {
            Step::MakeGroup(name, members) => Some((name.to_owned(), members.names().len())),
            _ => None,
        });
        made.collect()
    }

    /// The undisturbed run did what the scenario is for.
    fn check(self, lines: &[String]) {
        let shows = |text: &str| lines.iter().any(|line| line.starts_with(text));
        let wanted: &[&str] = match self {
            Scenario::Small => &[
                "person berg@corp.example active=true deleted=false",
                "person nils@corp.example active=true deleted=false",
                "person kim@corp.example active=false deleted=false",
                "group Depot North deleted=false 1 members: kim@",
                "group Sales deleted=true",
                "name of Depot North",
                "0 questions",
            ],
            Scenario::Crowd => &[
                "group Everybody deleted=false 1050 members",
                "group Few deleted=false 5 members: c0@",
            ],
        };
        for text in wanted {
            assert!(shows(text), "no {text:?} in {lines:#?}");
        }
    }
}

/// A gateway for one org, as a task.
struct Gateway {
    base_url: String,
    running: JoinHandle<()>,
    stop: CancellationToken,
}

impl Gateway {
    async fn start(stage: &Stage, org: &OrgId, points: &CrashPoints) -> Gateway {
        loop {
            let port = free_port();
            let bus = Bus::connect(stage.server.connection(), "gateway").await;
            let bus = bus.expect("the bus connects").dying_at(points.clone());
            let stop = CancellationToken::new();
            let parts = scim_gateway::Dependencies {
                rosters: scim_gateway::rosters(&bus, &stop),
                bus,
                settings: settings(org, port),
                health: Health::new(),
                clock: chassis::clock::unix_ms,
            };
            let until = stop.clone();
            let running = tokio::spawn(async move {
                let _ = scim_gateway::run(parts, until).await;
            });
            let ready = format!("http://127.0.0.1:{port}/health/ready");
            wait_for("a gateway", async || {
                let answer = stage.http.get(&ready).send().await;
                running.is_finished() || answer.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
            // Somebody else may have taken the port.
            if !running.is_finished() {
                let base_url = format!("http://127.0.0.1:{port}/scim/{org}/v2");
                return Gateway {
                    base_url,
                    running,
                    stop,
                };
            }
        }
    }

    async fn kill(self) {
        self.running.abort();
        self.stop.cancel();
        let _ = self.running.await;
    }
}

/// The settings of one org, with the gateway at this port.
pub(super) fn settings(org: &OrgId, port: u16) -> Arc<Settings> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    let text = format!(
        "[scim]\nlisten = \"127.0.0.1:{port}\"\n[[org]]\nid = \"{org}\"\nbase_url = \"http://127.0.0.1:9\"\n\
         company = \"story\"\napi_key = \"a-key\"\nscim_token = \"{TOKEN}\"\n"
    );
    std::fs::write(&file, text).expect("settings are written");
    Arc::new(Settings::load(Some(&file), []).expect("the settings are good"))
}

/// One nats-server for all plays.
struct Stage {
    server: NatsServer,
    bus: Bus,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn open() -> Stage {
        chassis::tls::choose_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let server = NatsServer::start(folder.path())
            .await
            .expect("a nats-server starts");
        let bus = Bus::connect(server.connection(), "story").await;
        let bus = bus.expect("the bus connects");
        bus.prepare(1).await.expect("the bus is prepared");
        // A connection that a dead gateway left behind must not be met again.
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(60));
        Stage {
            server,
            bus,
            http: http.build().expect("a client"),
            _folder: folder,
        }
    }
}

/// A client of one org, and the ids that it knows users and groups by.
struct Client<'s> {
    stage: &'s Stage,
    ids: HashMap<String, String>,
}

type Request = (&'static str, String, Option<Value>);

impl Client<'_> {
    fn id<'n>(&'n self, name: &'n str) -> &'n str {
        self.ids.get(name).map_or(name, String::as_str)
    }

    fn members(&self, members: Members) -> Vec<Value> {
        let names = members.names();
        names.iter().map(|name| json!({"value": self.id(name)})).collect()
    }

    fn request(&self, step: Step) -> Request {
        const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let patch = |kind: &str, name: &str, operation: Value| {
            let body = json!({"schemas": [PATCH], "Operations": [operation]});
            ("PATCH", format!("/{kind}/{}", self.id(name)), Some(body))
        };
        let group = |name: &str, members: Members| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": name,
                "members": self.members(members),
            })
        };
        match step {
            Step::MakeUser(name) => {
                let body = json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "userName": user_name(name),
                    "name": {"givenName": "First", "familyName": name},
                });
                ("POST", "/Users".to_owned(), Some(body))
            }
            Step::Title(name, title) => patch(
                "Users",
                name,
                json!({"op": "replace", "path": "title", "value": title}),
            ),
            Step::CutOff(name) => patch(
                "Users",
                name,
                json!({"op": "replace", "path": "active", "value": false}),
            ),
            Step::Rename(old, new) => patch(
                "Users",
                old,
                json!({"op": "replace", "path": "userName", "value": user_name(new)}),
            ),
            Step::DeleteUser(name) => ("DELETE", format!("/Users/{}", self.id(name)), None),
            Step::MakeGroup(name, members) => ("POST", "/Groups".to_owned(), Some(group(name, members))),
            Step::ReplaceMembers(name, members) => (
                "PUT",
                format!("/Groups/{}", self.id(name)),
                Some(group(name, members)),
            ),
            Step::AddMember(name, member) => {
                let value = json!([{"value": self.id(member)}]);
                patch(
                    "Groups",
                    name,
                    json!({"op": "add", "path": "members", "value": value}),
                )
            }
            Step::RemoveMember(name, member) => {
                let path = format!("members[value eq \"{}\"]", self.id(member));
                patch("Groups", name, json!({"op": "remove", "path": path}))
            }
            Step::RenameGroup(old, new) => patch(
                "Groups",
                old,
                json!({"op": "replace", "path": "displayName", "value": new}),
            ),
            Step::DeleteGroup(name) => ("DELETE", format!("/Groups/{}", self.id(name)), None),
        }
    }

    async fn send(&self, gateway: &Gateway, (method, path, body): Request) -> (u16, Value) {
        let url = format!("{}{path}", gateway.base_url);
        let method = method.parse().expect("a method");
        let mut request = self.stage.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a whole answer");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The id that this name has now, as identity providers look it up after a 409.
    async fn look_up(&self, gateway: &Gateway, kind: &str, attribute: &str, name: &str) -> String {
        let path = format!("/{kind}?filter={attribute}%20eq%20%22{name}%22");
        let (status, list) = self.send(gateway, ("GET", path, None)).await;
        let found = list["Resources"].as_array();
        let found = found.unwrap_or_else(|| panic!("{status}: {list}"));
        assert_eq!(found.len(), 1, "{name}: {list}");
        text(&found[0]["id"])
    }

    /// Learns from an answer. `again`: the request was sent before, and nobody knows what came of it.
    async fn hear(&mut self, gateway: &Gateway, step: Step, again: bool, (status, body): (u16, Value)) {
        let made = match (step, status) {
            (Step::MakeUser(_) | Step::MakeGroup(..), 201) => Some(text(&body["id"])),
            (Step::MakeUser(name), 409) if again => {
                Some(self.look_up(gateway, "Users", "userName", &user_name(name)).await)
            }
            (Step::MakeGroup(name, _), 409) if again => {
                Some(self.look_up(gateway, "Groups", "displayName", name).await)
            }
            (Step::DeleteUser(_) | Step::DeleteGroup(_), 404) if again => None,
            (_, 200 | 204) => None,
            _ => panic!("{step:?}, again: {again}: {status} {body}"),
        };
        match (step, made) {
            (Step::MakeUser(name) | Step::MakeGroup(name, _), Some(id)) => {
                self.ids.insert(name.to_owned(), id);
            }
            (Step::Rename(old, new) | Step::RenameGroup(old, new), _) => {
                let id = self.id(old).to_owned();
                self.ids.insert(new.to_owned(), id);
            }
            _ => {}
        }
    }
}

fn user_name(name: &str) -> String {
    format!("{name}@corp.example")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Outcome of one play.
struct Played {
    lines: Vec<String>,
    /// Objections of the reader.
    broken: Vec<String>,
    orphans: usize,
    places: u64,
    cut: bool,
}

async fn prepare(stage: &Stage, org: &OrgId, scenario: Scenario) {
    let write = |name: &String| {
        let person = person(name);
        Write {
            key: RosterKey::of_person(org, &person),
            expect: Expect::Any,
            change: Change::Put(RosterValue::Person(Box::new(person))),
        }
    };
    let writes: Vec<_> = scenario.cast().iter().map(write).collect();
    for batch in writes.chunks(bus::BATCH_MAX) {
        let written = stage.bus.roster().write_all(batch.to_vec()).await;
        written.expect("the cast is written");
    }
}

/// Plays a scenario in an org of its own, with the gateway cut off at one place.
async fn play(stage: &Stage, org: &str, scenario: Scenario, points: CrashPoints) -> Played {
    let org = OrgId::parse(org).expect("an org id");
    prepare(stage, &org, scenario).await;
    let reader = Reader::start(&stage.bus, &org, scenario.first_members());
    let mut gateway = Gateway::start(stage, &org, &points).await;
    let mut client = Client {
        stage,
        ids: HashMap::new(),
    };
    let mut cut = false;
    for step in scenario.steps() {
        let request = client.request(step);
        let answer = tokio::select! {
            biased;
            () = points.reached(), if !cut => None,
            answer = client.send(&gateway, request.clone()) => Some(answer),
        };
        let (answer, again) = match answer {
            Some(answer) => (answer, false),
            None => {
                cut = true;
                let next = Gateway::start(stage, &org, &CrashPoints::none()).await;
                std::mem::replace(&mut gateway, next).kill().await;
                (client.send(&gateway, request).await, true)
            }
        };
        client.hear(&gateway, step, again, answer).await;
    }
    gateway.kill().await;
    let state = State::now(&stage.bus, &org).await;
    let lines = state.lines();
    // The reader misses nothing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut broken, seen) = reader.end().await;
    if seen != lines {
        broken.push(format!("the reader sees {seen:#?} at the end"));
    }
    Played {
        lines,
        broken,
        orphans: state.orphans(),
        places: points.passed(),
        cut,
    }
}

async fn sweep(scenario: Scenario) {
    let stage = Stage::open().await;
    let undisturbed = play(&stage, "probe", scenario, CrashPoints::at(u64::MAX)).await;
    scenario.check(&undisturbed.lines);
    assert_eq!(undisturbed.broken, Vec::<String>::new());
    assert_eq!(undisturbed.orphans, 0);
    let places = undisturbed.places;
    let played = futures_util::stream::iter(0..places)
        .map(|place| {
            let stage = &stage;
            async move {
                let org = format!("cut-{place}");
                (place, play(stage, &org, scenario, CrashPoints::at(place)).await)
            }
        })
        .buffer_unordered(AT_ONCE);
    let results: Vec<(u64, Played)> = played.collect().await;
    stage.server.stop().await;
    let mut wrong = Vec::new();
    for (place, played) in &results {
        wrong.extend(played.broken.iter().map(|line| format!("cut at {place}: {line}")));
        if played.lines != undisturbed.lines {
            let other = |these: &[String], those: &[String]| -> Vec<String> {
                these
                    .iter()
                    .filter(|line| !those.contains(line))
                    .cloned()
                    .collect()
            };
            wrong.push(format!(
                "cut at {place}: {:#?} instead of {:#?}",
                other(&played.lines, &undisturbed.lines),
                other(&undisturbed.lines, &played.lines)
            ));
        }
    }
    let cut = results.iter().filter(|(_, played)| played.cut).count();
    let orphans = results.iter().filter(|(_, played)| played.orphans > 0).count();
    println!("{scenario:?}: {places} places, {cut} plays cut, {orphans} left memberships of no group");
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} objections:\n{}",
        wrong.len(),
        wrong.join("\n").chars().take(6_000).collect::<String>()
    );
    // A write that a slow server did not answer in time is sent again, which is a place more in one play and not in another.
    assert!(cut as u64 * 10 >= places * 9, "{cut} of {places} plays were cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_anywhere_in_a_write_changes_nothing_about_the_end() {
    sweep(Scenario::Small).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_anywhere_in_a_write_of_many_members_changes_nothing_about_the_end() {
    sweep(Scenario::Crowd).await;
}
