//! The intake: writes identity events from the feed to the roster. The module [`mod@file`] converts roster files to events.
//!
//! An event is a partial statement about one person or group. Nothing is concluded from missing events. Events are delivered at least once
//! and in any order. An event that is older than the last statement of its source changes nothing.

mod chains;
pub mod file;
mod ingest;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, BusError, OperatorError, OperatorRequest, Service};
use chassis::health::Health;
use futures_util::StreamExt as _;
use futures_util::stream;
use provisioning::OrgId;
use roster::{Roster, Rosters};
use serde_json::json;
use settings::Settings;
use tokio_util::sync::CancellationToken;

use waiting::Waiting;

/// Most events that are processed in parallel. Each waits for a durable write, and waiting writes are stored together.
const SIDE_BY_SIDE: usize = 256;

/// Pause after a failed read of the feed.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Everything that the service needs to run.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    /// Created by [`rosters`], or shared with a gateway in the same process.
    pub rosters: Rosters,
    pub settings: Arc<Settings>,
    pub health: Health,
}

/// Creates the rosters that an intake needs.
pub fn rosters(bus: &Bus, stop: &CancellationToken) -> Rosters {
    Rosters::new(bus, stop)
}

/// Processes events until stopped.
///
/// # Errors
/// Returns an error if the bus refuses a subscription.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), BusError> {
    let Dependencies {
        bus,
        rosters: followed,
        settings,
        health,
    } = dependencies;
    let mut rosters = BTreeMap::new();
    for org in &settings.orgs {
        let roster = followed.of(&org.id);
        roster.ready().await;
        let waiting = Waiting::default();
        serve(&bus, &roster, &waiting, &stop).await?;
        rosters.insert(org.id.clone(), (roster, waiting));
    }
    let mut feed = bus.feed().await?;
    health.ready("intake");
    let mut events = Vec::new();
    while !stop.is_cancelled() {
        let end = feed.end();
        // The next events are fetched while these are processed.
        let (next, ()) = tokio::join!(feed.next(), ingest_all(&rosters, events, end));
        events = match next {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "the feed cannot be read, trying again");
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        };
    }
    Ok(())
}

async fn ingest_all(rosters: &BTreeMap<OrgId, (Roster, Waiting)>, events: Vec<bus::Delivery>, end: u64) {
    for chains in chains::steps(events) {
        stream::iter(chains)
            .for_each_concurrent(SIDE_BY_SIDE, async |chain| {
                for event in chain {
                    ingest_one(rosters, event, end).await;
                }
            })
            .await;
    }
}

async fn ingest_one(rosters: &BTreeMap<OrgId, (Roster, Waiting)>, event: bus::Delivery, end: u64) {
    let Some((roster, waiting)) = rosters.get(&event.org) else {
        let reason = format!(
            "org {} is not in the intake's settings; add it there and send again",
            event.org
        );
        event.refuse(&reason).await;
        return;
    };
    ingest::ingest(roster, waiting, event, end).await;
}

/// Answers status requests: number of people and groups in the roster, of events that wait for missing people or groups, of dead letters,
/// and of open questions.
async fn serve(
    bus: &Bus,
    roster: &Roster,
    waiting: &Waiting,
    stop: &CancellationToken,
) -> Result<(), BusError> {
    let (org, roster, waiting) = (roster.org().clone(), roster.clone(), waiting.clone());
    let (of, letters) = (org.clone(), bus.clone());
    let answer = move |request: OperatorRequest| {
        let (roster, (waiting, reason)) = (roster.clone(), waiting.waiting());
        let (of, letters) = (of.clone(), letters.clone());
        async move {
            match request {
                OperatorRequest::Status => {
                    let dead = letters.dead_letter_count(&of).await;
                    let dead = dead.map_err(|error| OperatorError::Refused(chassis::error_chain(&error)))?;
                    Ok(roster.read(|directory| {
                        json!({
                            "people": directory.people().filter(|person| !person.value.deleted).count(),
                            "groups": directory.groups().filter(|group| !group.value.deleted).count(),
                            "waiting": waiting,
                            "oldest_waits": reason,
                            "dead_letters": dead,
                            "questions": directory.questions().filter(|question| question.value.same.is_none()).count(),
                        })
                    }))
                }
                _ => Err(OperatorError::UnknownRequest {
                    service: Service::Intake,
                }),
            }
        }
    };
    bus.serve_operator(Service::Intake, &org, stop.clone(), answer)
        .await
}
