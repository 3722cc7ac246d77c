//! Commands that send operator requests to running services.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, OperatorRequest, Service};
use provisioning::{DeviationKind, OrgId};
use rate_tokens::{Class, Moment, Permit};
use serde_json::{Value, json};
use service::{About, Accounts};
use settings::{Org, Settings};
use tokio::time::Instant;

use crate::{Ending, Global, print};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Time between two polls.
const LOOK: Duration = Duration::from_millis(500);

/// Longest wait for the first answer: the services may be starting.
const STARTING: Duration = Duration::from_secs(15);

/// How long an org may be paused before a command that waits for it gives up. A short interruption of the bus takes a second.
const STANDS_STILL: Duration = Duration::from_secs(5);

pub(crate) struct CliSession {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) org: OrgId,
}

impl CliSession {
    pub(crate) async fn open(global: &Global) -> anyhow::Result<CliSession> {
        let settings = Settings::load(global.config.as_deref(), std::env::vars())?;
        let org = settings
            .org(global.org.as_deref())
            .map_err(anyhow::Error::msg)?
            .id
            .clone();
        let bus = Bus::connect(&service::connection(&settings)?, "rollcall-cli").await?;
        Ok(CliSession { settings, bus, org })
    }

    pub(crate) async fn request(&self, service: Service, request: OperatorRequest) -> anyhow::Result<Value> {
        self.request_within(ANSWER, service, request).await
    }

    /// Sends a request that may take up to `patience`.
    pub(crate) async fn request_within(
        &self,
        patience: Duration,
        service: Service,
        request: OperatorRequest,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + STARTING;
        loop {
            match self
                .bus
                .request(service, &self.org, request.clone(), patience)
                .await
            {
                Err(bus::OperatorRequestError::NobodyServes { .. }) if Instant::now() < deadline => {
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

pub(crate) async fn status(global: &Global, wait_for_it: bool) -> anyhow::Result<Ending> {
    let session = CliSession::open(global).await?;
    if wait_for_it {
        return wait(&session, global.json).await;
    }
    let status = status_of_all(&session).await?;
    print::answer(global.json, &status, print::status);
    Ok(ending(&status))
}

/// Returns the pusher's status, with the intake's numbers added.
async fn status_of_all(session: &CliSession) -> anyhow::Result<Value> {
    let mut status = session.request(Service::Pusher, OperatorRequest::Status).await?;
    // If no intake runs, its numbers are left out.
    let intake = session
        .bus
        .request(Service::Intake, &session.org, OperatorRequest::Status, ANSWER);
    if let Ok(intake) = intake.await {
        add_intake(&mut status, &intake);
    }
    Ok(status)
}

/// Adds what never reached the roster to the deviations: waiting events, unusable events, refused lines.
fn add_intake(status: &mut Value, intake: &Value) {
    let mut deviations = print::deviations(status);
    let count = |name: &str| usize::try_from(print::number(intake, name)).unwrap_or(usize::MAX);
    let waiting = count("waiting");
    if waiting > 0 {
        let oldest = || format!("the oldest: {}", print::text(intake, "oldest_waits"));
        deviations.add(DeviationKind::EventWaiting, None, oldest);
        deviations.add_count(DeviationKind::EventWaiting, waiting - 1);
    }
    deviations.add_count(DeviationKind::DeadLetter, count("dead_letters"));
    deviations.add_count(DeviationKind::OpenQuestion, count("questions"));
    deviations.add_count(DeviationKind::RefusedLine, count("refused_lines"));
    status["dead_letters"] = intake["dead_letters"].clone();
    status["events_waiting"] = json!({"count": intake["waiting"], "oldest": intake["oldest_waits"]});
    status["in_sync"] = (print::flag(status, "settled") && deviations.is_empty()).into();
    status["deviations"] = json!(deviations);
}

/// Result of a command: whether something that a source asked for waits for a person.
pub(crate) fn ending(answer: &Value) -> Ending {
    if print::deviations(answer).wait_for_a_person() {
        Ending::Waits
    } else {
        Ending::Done
    }
}

/// Result of a command: whether any held or parked items wait for a person.
pub(crate) fn ends_with(held: u64, parked: u64) -> Ending {
    if held + parked > 0 {
        Ending::Waits
    } else {
        Ending::Done
    }
}

/// Shows progress until nothing is left to do, then the final status.
pub(crate) async fn wait(session: &CliSession, json: bool) -> anyhow::Result<Ending> {
    let (status, ending) = wait_quietly(session, json).await?;
    print::answer(json, &status, print::status);
    Ok(ending)
}

/// Like [`wait`], but returns the final status and the result instead of printing them.
///
/// Does not wait for `rollcall apply`: it may never be run.
pub(crate) async fn wait_quietly(session: &CliSession, json: bool) -> anyhow::Result<(Value, Ending)> {
    let progress = std::io::stderr().is_terminal() && !json;
    let (mut quiet, mut still_since) = (0, None);
    loop {
        let status = session.request(Service::Pusher, OperatorRequest::Status).await?;
        let going = print::number(&status, "operations_left")
            .saturating_sub(print::number(&status, "waiting_for_apply"))
            + print::number(&status, "subjects_under_way")
            + print::number(&status, "retries");
        let done = print::flag(&status, "import_complete") && going == 0;
        if progress {
            eprint!(
                "\r\x1b[2K{} linked of {} people, {} calls left, about {} more",
                print::number(&status, "people_linked"),
                print::number(&status, "people"),
                print::number(&status, "calls_left"),
                print::duration(
                    status["forecast"]["expected_seconds"]
                        .as_f64()
                        .unwrap_or_default()
                ),
            );
        }
        // Required twice in a row: a roster change may not be planned yet.
        quiet = if done { quiet + 1 } else { 0 };
        let halted = status["paused"].is_string() && !done;
        still_since = halted.then(|| still_since.unwrap_or_else(Instant::now));
        let gave_up = still_since.is_some_and(|since: Instant| since.elapsed() > STANDS_STILL);
        if progress && (quiet >= 2 || gave_up) {
            eprint!("\r\x1b[2K");
        }
        if quiet >= 2 {
            let status = status_of_all(session).await?;
            let ending = ending(&status);
            return Ok((status, ending));
        }
        if gave_up {
            return Ok((status, Ending::Failed));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Number of items to skip for the next page.
pub(crate) fn page_start(read: impl TryInto<u32>) -> u32 {
    read.try_into().unwrap_or(u32::MAX)
}

pub(crate) async fn import(global: &Global, accept_losses: bool) -> anyhow::Result<Ending> {
    let session = CliSession::open(global).await?;
    let request = OperatorRequest::Import { accept_losses };
    let before = session.request(Service::Importer, request).await?;
    let progress = std::io::stderr().is_terminal() && !global.json;
    loop {
        tokio::time::sleep(LOOK).await;
        let run = session
            .request(Service::Importer, OperatorRequest::Status)
            .await?;
        if run.is_null() {
            continue;
        }
        // A run that was already running ignores `accept_losses`. The next run uses it.
        let joins = before["running"].as_bool().unwrap_or_default() && !accept_losses;
        let newer = before.is_null() || run["id"] != before["id"] || joins;
        if progress {
            eprint!(
                "\r\x1b[2K{} users, {} groups read",
                print::number(&run["users"], "scanned"),
                print::number(&run["groups"], "scanned")
            );
        }
        if newer && !run["running"].as_bool().unwrap_or_default() {
            if progress {
                eprint!("\r\x1b[2K");
            }
            let complete = run["complete"].as_bool().unwrap_or_default();
            print::answer(global.json, &run, print::import);
            return Ok(if complete { Ending::Done } else { Ending::Failed });
        }
    }
}

/// Checks the credentials. Both permits come from the governor, if one runs. If none runs, no other part of Rollcall uses the limit.
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
    print::answer(global.json, &value, |_| {
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

/// The same check without a governor.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(settled: bool) -> Value {
        json!({"settled": settled, "in_sync": settled, "deviations": []})
    }

    #[test]
    fn what_never_reached_the_roster_is_a_deviation_too() {
        for (intake, outcome) in [
            (
                json!({"waiting": 2, "oldest_waits": "no such group"}),
                "2 events wait in the feed",
            ),
            (
                json!({"waiting": 0, "dead_letters": 1}),
                "1 event could not be used",
            ),
            (json!({"refused_lines": 3}), "3 lines of files were refused"),
        ] {
            let mut status = status(true);
            add_intake(&mut status, &intake);
            assert_eq!(print::deviations(&status).describe(), outcome);
            assert_eq!(status["in_sync"], false);
            assert!(matches!(ending(&status), Ending::Waits), "{outcome}");
            let text = print::status(&status);
            assert!(
                text.contains(outcome) && !text.contains("equals the roster"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_intake_that_has_nothing_to_tell_changes_nothing() {
        for intake in [
            json!({"waiting": 0, "oldest_waits": null, "dead_letters": 0}),
            json!({}),
        ] {
            let mut status = status(true);
            status["import_complete"] = true.into();
            add_intake(&mut status, &intake);
            assert_eq!(status["in_sync"], true);
            assert!(matches!(ending(&status), Ending::Done));
            assert!(print::status(&status).contains("Litmos equals the roster"));
        }
    }
}
