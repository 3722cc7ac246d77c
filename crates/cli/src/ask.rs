//! Commands that ask what runs.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use provisioning::OrgId;
use rate_tokens::{Class, Moment, Permit};
use serde_json::{Value, json};
use service::{About, Accounts};
use settings::{Org, Settings};
use tokio::time::Instant;

use crate::{Ending, Global, say};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the first answer is waited for: the services may be starting.
const STARTING: Duration = Duration::from_secs(15);

pub(crate) struct Desk {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) org: OrgId,
}

impl Desk {
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Desk> {
        let settings = Settings::load(global.config.as_deref(), std::env::vars())?;
        let org = settings
            .org(global.org.as_deref())
            .map_err(anyhow::Error::msg)?
            .id
            .clone();
        let bus = Bus::connect(&service::connection(&settings)?, "rollcall-cli").await?;
        Ok(Desk { settings, bus, org })
    }

    pub(crate) async fn ask(
        &self,
        service: &'static str,
        method: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + STARTING;
        loop {
            match self.bus.control(service, &self.org, method, &body, ANSWER).await {
                Err(bus::ControlError::NobodyServes { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(LOOK).await
                }
                other => return Ok(other?),
            }
        }
    }

    pub(crate) fn org(&self) -> anyhow::Result<&Org> {
        self.settings
            .org(Some(self.org.as_str()))
            .map_err(anyhow::Error::msg)
    }
}

pub(crate) async fn plan(global: &Global) -> anyhow::Result<Ending> {
    let desk = Desk::open(global).await?;
    let plan = desk.ask("pusher", "plan", Value::Null).await?;
    say::answer(global.json, &plan, |plan| {
        let forecast = say::duration(plan["forecast"]["expected_seconds"].as_f64().unwrap_or_default());
        let mode = match say::text(plan, "mode") {
            "manual" => "; it waits for `rollcall apply`",
            _ => "; it is being performed",
        };
        format!("{}\nabout {forecast}{mode}", say::text(plan, "text"))
    });
    Ok(Ending::Done)
}

pub(crate) async fn apply(global: &Global, plan: Option<&str>, no_wait: bool) -> anyhow::Result<Ending> {
    let desk = Desk::open(global).await?;
    let applied = desk.ask("pusher", "apply", json!({"plan": plan})).await?;
    if no_wait {
        say::answer(global.json, &applied, |applied| {
            format!("performing plan {}", say::text(applied, "applied"))
        });
        return Ok(Ending::Done);
    }
    wait(&desk, global.json).await
}

pub(crate) async fn status(global: &Global, wait_for_it: bool) -> anyhow::Result<Ending> {
    let desk = Desk::open(global).await?;
    if wait_for_it {
        return wait(&desk, global.json).await;
    }
    let status = desk.ask("pusher", "status", Value::Null).await?;
    say::answer(global.json, &status, say::status);
    Ok(ending(&status))
}

fn ending(status: &Value) -> Ending {
    if say::number(status, "parked") > 0 {
        Ending::Waits
    } else {
        Ending::Done
    }
}

/// Shows progress until nothing is left to do, then the final status.
pub(crate) async fn wait(desk: &Desk, json: bool) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let progress = std::io::stderr().is_terminal() && !json;
    let mut quiet = 0;
    loop {
        let status = desk.ask("pusher", "status", Value::Null).await?;
        let done = status["in_sync"].as_bool().unwrap_or_default();
        if progress {
            eprint!(
                "\r\x1b[2K{} linked of {} people, {} calls left, about {} more",
                say::number(&status, "people_linked"),
                say::number(&status, "people"),
                say::number(&status, "calls_left"),
                say::duration(
                    status["forecast"]["expected_seconds"]
                        .as_f64()
                        .unwrap_or_default()
                ),
            );
        }
        // Twice in a row: the roster may have been about to change.
        quiet = if done { quiet + 1 } else { 0 };
        if quiet >= 2 {
            if progress {
                eprintln!(
                    "\r\x1b[2Kdone in {}",
                    say::duration(started.elapsed().as_secs_f64())
                );
            }
            say::answer(json, &status, say::status);
            return Ok(ending(&status));
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) async fn import(global: &Global, accept_losses: bool) -> anyhow::Result<Ending> {
    let desk = Desk::open(global).await?;
    let body = json!({"accept_losses": accept_losses});
    let before = desk.ask("importer", "import", body).await?;
    let progress = std::io::stderr().is_terminal() && !global.json;
    loop {
        tokio::time::sleep(LOOK).await;
        let run = desk.ask("importer", "status", Value::Null).await?;
        if run.is_null() {
            continue;
        }
        // A run that was under way when this was asked accepts nothing: the one after it does.
        let joins = before["running"].as_bool().unwrap_or_default() && !accept_losses;
        let newer = before.is_null() || run["id"] != before["id"] || joins;
        if progress {
            eprint!(
                "\r\x1b[2K{} users, {} groups read",
                say::number(&run["users"], "scanned"),
                say::number(&run["groups"], "scanned")
            );
        }
        if newer && !run["running"].as_bool().unwrap_or_default() {
            if progress {
                eprint!("\r\x1b[2K");
            }
            let complete = run["complete"].as_bool().unwrap_or_default();
            say::answer(global.json, &run, say::import);
            return Ok(if complete { Ending::Done } else { Ending::Failed });
        }
    }
}

pub(crate) async fn explain(global: &Global, person: &str) -> anyhow::Result<Ending> {
    let desk = Desk::open(global).await?;
    let mut story = desk.ask("pusher", "explain", json!({"person": person})).await?;
    let id = format!("person/{}", say::text(&story, "person"));
    let calls: Vec<Value> = desk
        .bus
        .journal_calls(&desk.org)
        .await?
        .into_iter()
        .filter(|call| call.subjects.contains(&id))
        .map(|call| {
            json!({"at": call.started_at_ms.to_string(), "kind": call.kind, "method": call.method, "path": call.path,
                "status": call.status, "outcome": call.outcome, "trace": call.trace, "operation": call.operation})
        })
        .collect();
    story["calls"] = calls.into();
    say::answer(global.json, &story, say::explain);
    let parked = !story["act"]["parked"].is_null();
    Ok(if parked { Ending::Waits } else { Ending::Done })
}

/// Asks the governor for the two permits where one runs; without, nobody else can be using the limit through us.
pub(crate) async fn test_credentials(global: &Global) -> anyhow::Result<Ending> {
    let settings = Settings::load(global.config.as_deref(), std::env::vars())?;
    let org = settings
        .org(global.org.as_deref())
        .map_err(anyhow::Error::msg)?
        .clone();
    let found = match tokio::time::timeout(ANSWER, governed(&settings, &org.id)).await {
        Ok(Some((accounts, first, second))) => {
            let litmos = accounts
                .client(&org)
                .context("the settings of the org cannot be used")?;
            let about = About {
                class: Class::Interactive.as_str(),
                kind: "test-credentials".to_owned(),
                ..About::default()
            };
            let found = service::about(about, litmos.diagnose(first, second)).await;
            accounts.close().await;
            found
        }
        Ok(None) | Err(_) => alone(&org)?.await,
    };
    let good = found.verdict == litmos::Verdict::Good;
    let value = json!({"org": org.id, "good": good, "verdict": format!("{:?}", found.verdict), "found": found.found, "remedy": found.remedy});
    say::answer(global.json, &value, |_| {
        format!("{}\n{}", found.found, found.remedy)
    });
    Ok(if good { Ending::Done } else { Ending::Failed })
}

/// Two permits of the governor, if one runs.
async fn governed(settings: &Settings, org: &OrgId) -> Option<(Accounts, Permit, Permit)> {
    let bus = Bus::connect(&service::connection(settings).ok()?, "rollcall-cli")
        .await
        .ok()?;
    let accounts = Accounts::new(&bus, "rollcall-cli");
    let tokens = accounts.tokens();
    tokens.status(Some(org)).await.ok()?;
    let first = tokens.acquire(org, Class::Interactive, "test-credentials").await;
    let second = tokens.acquire(org, Class::Interactive, "test-credentials").await;
    Some((accounts, first, second))
}

/// The same two requests where nothing of Rollcall runs.
fn alone(org: &Org) -> anyhow::Result<impl Future<Output = litmos::Diagnosis>> {
    let litmos = litmos::Client::new(litmos::Connection {
        base_url: org.base_url.clone(),
        company: org.company.clone(),
        api_key: org.api_key.clone(),
        timeout: Duration::from_secs(10),
        clock: || Moment::from_millis(chassis::clock::now_ms()),
    })
    .context("the settings of the org cannot be used")?;
    let permit = || {
        let use_by = Moment::from_millis(chassis::clock::now_ms() + 30_000);
        Permit::new("", "without-governor", use_by, |_| {})
    };
    let (first, second) = (permit(), permit());
    Ok(async move { litmos.diagnose(first, second).await })
}
