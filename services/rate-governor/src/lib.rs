//! The rate governor: one leader grants the right to send requests, for all orgs.
//!
//! The lease only decides which governor tries to lead. Safety comes from the ledger: every grant is appended to it
//! before the grant is sent, on the condition that no other governor has appended since. The append of a leader that
//! was replaced, frozen or cut off is refused, and its grants are not sent. [`rate_tokens::Leadership`] makes all
//! decisions; this service performs them.
//!
//! This service never calls Litmos. After a restart it knows only what the ledger contains.

mod apart;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Bus, BusError, GOVERNOR_LEASE, GovernorRequests, Lease, Ledger};
use chassis::health::Health;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use provisioning::OrgId;
use rate_tokens::{BudgetSettings, End, Epoch, Leadership, Moment, OrgName, Stamp};
use tokio_util::sync::CancellationToken;

pub use apart::{ApartError, run_apart};
use server::GovernorServer;

/// Length of the lease: a leader that is gone is followed after this time, and a little more to acquire the lease.
const LEASE: Duration = Duration::from_secs(2);

/// Pause before the ledger is used again after it failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Interval at which the gauges are set.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Most requests that are handled in a row before the budgets decide again.
const TAKEN_AT_ONCE: usize = 512;

/// Parts that the service needs.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    pub budgets: BTreeMap<OrgId, BudgetSettings>,
    pub health: Health,
}

/// Current time of the clock by which tokens cool: time since boot. The wall clock is not used, because a wall clock
/// that is set forward would free tokens early.
fn now() -> Moment {
    Moment::from_millis(chassis::clock::boot_ms())
}

/// Time stamp for the ledger's entries. The log server adds its own time.
fn clocks() -> Stamp {
    Stamp {
        server_ms: 0,
        wall_ms: chassis::clock::unix_ms(),
        boot: chassis::clock::boot(),
    }
}

/// Knowledge of a governor from its own earlier leaderships, in addition to the ledger.
#[derive(Clone, Copy, Debug, Default)]
struct KnownHistory {
    least_epoch: Epoch,
    known: u64,
    distrusts: bool,
}

/// Leads whenever it gets the lease, until stopped.
///
/// # Errors
/// If the bus accepts no subscription.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), BusError> {
    let Dependencies { bus, budgets, health } = dependencies;
    let budgets: BTreeMap<OrgName, BudgetSettings> = budgets
        .into_iter()
        .filter_map(|(org, settings)| Some((OrgName::new(org.as_str()).ok()?, settings)))
        .collect();
    let ledger = bus.ledger(budgets.keys().cloned(), clocks);
    let mut history = KnownHistory::default();
    health.ready("rate-governor");
    loop {
        let lease = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            lease = bus.lease(GOVERNOR_LEASE, LEASE) => lease,
        };
        history.least_epoch = history.least_epoch.max(Epoch::new(lease.epoch()));
        let mut leader = Leader {
            bus: &bus,
            ledger: &ledger,
            budgets: &budgets,
            lease: &lease,
            stop: &stop,
        };
        history = leader.lead(history).await?;
        lease.release().await;
        if stop.is_cancelled() {
            return Ok(());
        }
        tracing::warn!("no longer leading the rate governor");
    }
}

struct Leader<'a> {
    bus: &'a Bus,
    ledger: &'a Ledger,
    budgets: &'a BTreeMap<OrgName, BudgetSettings>,
    lease: &'a Lease,
    stop: &'a CancellationToken,
}

impl Leader<'_> {
    /// Runs one leadership after another while the lease is held.
    async fn lead(&mut self, mut history: KnownHistory) -> Result<KnownHistory, BusError> {
        let mut requests = self.bus.governor_requests().await?;
        while self.lease.is_held() && !self.stop.is_cancelled() {
            let mut leadership = Leadership::new(self.budgets.clone(), history.least_epoch, history.known);
            if history.distrusts {
                leadership = leadership.distrusting();
            }
            let mut server = GovernorServer::new(self.bus.clone(), leadership);
            let ended = self.leadership(&mut server, &mut requests).await;
            history.known = history.known.max(server.leadership.last());
            history.least_epoch = history
                .least_epoch
                .max(server.leadership.epoch().unwrap_or_default());
            history.distrusts &= !server.has_led;
            match ended {
                Some(End::Fenced) => tracing::warn!("another governor has written the ledger"),
                Some(End::WentBack { seen }) => {
                    tracing::error!(
                        "the ledger went back in time: no requests until earlier requests no longer count"
                    );
                    history.least_epoch = history.least_epoch.max(Epoch::new(seen.get().saturating_add(1)));
                    // Entries that were known to be stored are lost.
                    (history.known, history.distrusts) = (0, true);
                }
                None => break,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(history)
    }

    /// Runs one leadership. `None` if it ended by the loss of the lease or by the stop.
    async fn leadership(&self, server: &mut GovernorServer, requests: &mut GovernorRequests) -> Option<End> {
        let mut connections = self.ledger.connections();
        connections.mark_unchanged();
        // Commands are polled in the order in which they were started, so they are also sent in that order.
        let mut commands = FuturesOrdered::new();
        let (mut reconnected, mut is_due) = (false, false);
        let mut measure = tokio::time::interval(MEASURE_EVERY);
        loop {
            if reconnected && commands.is_empty() {
                reconnected = false;
                server.leadership.reconnected();
            }
            while !reconnected && let Some(command) = server.leadership.next(now()) {
                commands.push_back(self.ledger.perform(command));
            }
            // While an append is in flight, its answer brings grants soon, and then one message carries everything. If
            // the answer does not come, the next tick of the gauges sends the responses, well before a worker takes the
            // missing response as a failure.
            server
                .send_responses(commands.is_empty() || std::mem::take(&mut is_due))
                .await;
            if let Some(end) = server.leadership.end() {
                return Some(end);
            }
            let due = server
                .leadership
                .wake()
                .map_or(MEASURE_EVERY, |wake| wake.since(now()));
            // Work that is due and waits for the ledger continues when the ledger answers.
            let sleep = if due.is_zero() && !commands.is_empty() {
                PAUSE
            } else {
                due
            };
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = self.lease.lost() => return None,
                Some(input) = commands.next(), if !commands.is_empty() => {
                    is_due = true;
                    let failed = server.handle_input(input);
                    if failed {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                request = requests.next() => {
                    server.handle_request(request?);
                    for _ in 0..TAKEN_AT_ONCE {
                        let Some(request) = requests.ready() else { break };
                        server.handle_request(request);
                    }
                }
                Ok(()) = connections.changed() => reconnected = true,
                _ = measure.tick() => {
                    is_due = true;
                    server.measure();
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}
