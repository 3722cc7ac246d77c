//! The intake: identity events from subjects and files into the roster.
//!
//! An event is a hint about one person or group, never the whole truth: nothing is concluded from what no event said.
//! Events come at least once and in any order; an event that is older than what its source said before changes nothing.

mod chains;
pub mod file;
mod ingest;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, BusError};
use chassis::health::Health;
use futures_util::StreamExt as _;
use futures_util::stream;
use provisioning::OrgId;
use roster::{Roster, Rosters};
use serde_json::{Value, json};
use settings::Settings;
use tokio_util::sync::CancellationToken;

use waiting::Waiting;

/// Events taken in side by side. Each waits for a durable write, and those that wait together are stored together.
const SIDE_BY_SIDE: usize = 256;

/// Pause after the feed could not be read.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// What the service is made of.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    /// Made by [`rosters`], or shared with a gateway of the same process.
    pub rosters: Rosters,
    pub settings: Arc<Settings>,
    pub health: Health,
}

/// The rosters that an intake needs.
pub fn rosters(bus: &Bus, stop: &CancellationToken) -> Rosters {
    Rosters::new(bus, stop)
}

/// Takes events in until stopped.
///
/// # Errors
/// When the bus takes no subscription.
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
        // The next events are fetched while these are taken.
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

/// Answers how many people and groups are in the roster, and how many events wait for those who are not.
async fn serve(
    bus: &Bus,
    roster: &Roster,
    waiting: &Waiting,
    stop: &CancellationToken,
) -> Result<(), BusError> {
    let (org, roster, waiting) = (roster.org().clone(), roster.clone(), waiting.clone());
    let (of, letters) = (org.clone(), bus.clone());
    let answer = move |method: String, _body: Value| {
        let (roster, (waiting, reason)) = (roster.clone(), waiting.waiting());
        let (of, letters) = (of.clone(), letters.clone());
        async move {
            match method.as_str() {
                "status" => {
                    let dead = letters.dead_letter_count(&of).await;
                    let dead = dead.map_err(|error| chassis::error_chain(&error))?;
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
                other => Err(format!("the intake has no answer to {other:?}; ask for status")),
            }
        }
    };
    bus.serve_control("intake", &org, stop.clone(), answer).await
}
