//! The pusher: makes the Litmos account of each org equal to its roster.
//!
//! Any number of replicas share the orgs. A lease gives each org one owner at a time. The owner loads the roster, the observed state and
//! the links. It finds out what became of every request that an earlier owner left unfinished. Then it plans and performs operations until
//! the plan is empty. It never sends a request without a permit, and it never concludes anything from data that it did not read.

mod controller;
mod effects;
mod executor;
mod forecast;
mod links;
mod quiet;
mod schedule;
mod watcher;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Bus, OperatorError, OperatorRequest, Service};
use chassis::health::Health;
use provisioning::{OrgId, OrgState, Plan};
use rate_tokens::BudgetSettings;
use service::{AccountProblem, Accounts};
use settings::{ApplyMode, Org, Settings};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use crash_points::CrashPoints;

use controller::{Controller, Mode, Question};
use executor::{CustomFieldsShape, Executor, Observed};
use links::Links;

/// Duration of the lease on an org. Another replica takes over this long after the owner died.
const LEASE: Duration = Duration::from_secs(5);

/// Most operator requests that wait for the controller.
const QUESTIONS: usize = 64;

/// Everything that the service needs to run.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    pub settings: Arc<Settings>,
    pub health: Health,
    pub crash_points: CrashPoints,
}

/// Loads the org's current roster, links and observed state, for example to compute a plan. Returns an empty state if the watches end
/// before everything is loaded.
pub async fn state(bus: &Bus, org: &OrgId) -> OrgState {
    let over = CancellationToken::new();
    let snapshot = watcher::fetch(bus, org, over.clone()).await;
    over.cancel();
    snapshot
        .map(|(snapshot, _heard)| snapshot.state)
        .unwrap_or_default()
}

/// Expected duration of a plan under this budget, if no other service uses the budget.
pub fn expected(plan: &Plan, budget: &BudgetSettings) -> Duration {
    forecast::expect(&forecast::steps(plan), &forecast::Pace::of(budget, None)).all
}

/// Shares the orgs with the other replicas until stopped.
///
/// # Errors
/// Returns an error if the settings of an org are not usable.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), AccountProblem> {
    let Dependencies {
        bus,
        settings,
        health,
        crash_points,
    } = dependencies;
    let accounts = Accounts::new(&bus, "pusher");
    let mut owners = JoinSet::new();
    for org in &settings.orgs {
        let litmos = Arc::new(accounts.client(org)?);
        let owner = Owner {
            bus: bus.clone(),
            org: org.clone(),
            tokens: accounts.tokens().clone(),
            crash_points: crash_points.clone(),
            journal: accounts.journal().clone(),
            litmos,
        };
        owners.spawn(owner.run(stop.clone()));
    }
    health.ready("pusher");
    while owners.join_next().await.is_some() {}
    accounts.close().await;
    Ok(())
}

/// The part of one replica that works on one org.
struct Owner {
    bus: Bus,
    org: Org,
    tokens: bus::Tokens,
    crash_points: CrashPoints,
    journal: bus::Journal,
    litmos: Arc<litmos::Client>,
}

impl Owner {
    /// Waits for the lease of the org and works on the org while the lease is held. Repeats until stopped.
    async fn run(self, stop: CancellationToken) {
        let name = format!("pusher.{}", self.org.id);
        service::while_owner(&self.bus, &name, LEASE, &stop, |lease, over| {
            self.own(lease, over)
        })
        .await;
    }

    /// Watches and the control service are tasks of the bus, which end with `over`.
    async fn own(&self, lease: Arc<bus::Lease>, over: CancellationToken) {
        tracing::info!(org.id = %self.org.id, epoch = lease.epoch(), "working on this org");
        let began = Instant::now();
        let fetched = tokio::select! {
            () = lease.lost() => None,
            () = over.cancelled() => None,
            fetched = watcher::fetch(&self.bus, &self.org.id, over.clone()) => fetched,
        };
        let Some((snapshot, mut events)) = fetched else {
            return;
        };
        tracing::info!(
            org.id = %self.org.id,
            people = snapshot.state.people().count(),
            accounts = snapshot.state.accounts().count(),
            elapsed_ms = began.elapsed().as_millis(),
            "everything about this org has been read",
        );
        let id = self.org.id.clone();
        let executor = Executor {
            org: id.clone(),
            litmos: self.litmos.clone(),
            tokens: self.tokens.clone(),
            links: Links::new(id.clone(), self.bus.links(), self.crash_points.clone()),
            observed: Observed::new(id.clone(), self.bus.observed(), self.crash_points.clone()),
            crash_points: self.crash_points.clone(),
            lease,
            journal: self.journal.clone(),
            harm_book: Arc::default(),
            custom_fields: CustomFieldsShape::default(),
            imports: Arc::default(),
            gate: Arc::default(),
            fresh_ms: self.org.policy.fresh_ms,
            settle: self.org.budget().settle(),
            spent: Arc::default(),
        };
        let (ask, mut questions) = mpsc::channel::<Question>(QUESTIONS);
        let answering = move |request: OperatorRequest| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                let question = Question { request, answer };
                let stopping = OperatorError::Stopping {
                    service: Service::Pusher,
                };
                ask.send(question).await.map_err(|_| stopping.clone())?;
                answered.await.map_err(|_| stopping)?
            }
        };
        if let Err(error) = self
            .bus
            .serve_operator(Service::Pusher, &id, over.clone(), answering)
            .await
        {
            tracing::error!(org.id = %id, %error, "questions about this org cannot be answered");
        }
        let mode = match self.org.apply {
            ApplyMode::Automatic => Mode::Automatic,
            ApplyMode::Manual => Mode::Manual,
        };
        let policy = self.org.policy.clone();
        let mut controller = Controller::new(id, executor, policy, mode, self.org.budget(), snapshot);
        controller.run(&mut events, &mut questions, &over).await;
    }
}
