//! The worker's side of the exchange with the governor.
//!
//! Invariants:
//! - The lifetime of a permit is counted from when the *request* was sent. Every token is reported until the governor has
//!   acknowledged the report.
//! - All requests and reports of a process go out in one message, and waiters of one flow become one request. Nothing is delayed
//!   to fill a message: the sender sends what is there when it runs.
//! - A request without a response is sent again, whatever the reason. A grant that no waiter needs any more is returned at once.
//! - A worker finds out whether the leader is alive by sending to it, not by waiting long: a leader responds even to an empty
//!   exchange.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, token_response};
use provisioning::OrgId;
use rate_tokens::{Class, GrantId, GrantReport, Moment, Permit, Settlement, WANT_MAX, Wallet};
use tokio::sync::{Notify, oneshot};

use super::{GOVERNOR_LEASE, class_out, grant_in, grant_out, use_report_out};
use crate::connection::Bus;
use crate::error::{BusError, Cause};
use crate::publish::headers;

/// How long the governor may hold a request before it responds with a wait.
const WAIT: Duration = Duration::from_secs(3);

/// Additional time for the response to arrive.
const ANSWER: Duration = Duration::from_secs(2);

/// Interval of the check for overdue requests and reports.
const TICK: Duration = Duration::from_millis(250);

/// Time without a response to sent requests after which the worker checks who leads.
const SILENCE: Duration = Duration::from_millis(1_500);

/// Pause of the waiters after the governor refused a request.
const REFUSED: Duration = Duration::from_secs(2);

/// Most exchanges whose reports are kept until they are acknowledged.
const REPORTED_MAX: usize = 1_000;

/// Gives permits to this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    clock: fn() -> u64,
    inbox: String,
    state: Mutex<State>,
    /// Notified when there is something to send.
    nudge: Arc<Notify>,
    /// Notified when the governor has acknowledged reports.
    acknowledged: Notify,
}

#[derive(Default)]
struct State {
    wallets: BTreeMap<Arc<str>, Wallet>,
    waiters: VecDeque<Waiter>,
    sent: BTreeMap<u64, SentRequest>,
    /// Reports by the number of the exchange that sent them.
    reported: BTreeMap<u64, OrgReports>,
    last_request: u64,
    last_exchange: u64,
    leader: Option<String>,
    /// Time of the leader's last response.
    last_response_at: Moment,
}

/// Reports by org.
type OrgReports = BTreeMap<Arc<str>, Vec<GrantReport>>;

struct Waiter {
    org: Arc<str>,
    class: Class,
    flow: String,
    answer: oneshot::Sender<TokenOutcome>,
}

/// Waiters of one flow that were sent as one request.
struct SentRequest {
    at: Moment,
    waiters: VecDeque<Waiter>,
}

enum TokenOutcome {
    Permit(Permit),
    Wait(Duration),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("worker", &self.bus.worker)
            .finish_non_exhaustive()
    }
}

impl Bus {
    /// Starts the exchange with the governor for this process. `clock` is a millisecond clock that runs on while the machine is
    /// suspended.
    pub fn tokens(&self, clock: fn() -> u64) -> Tokens {
        let nudge = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            bus: self.clone(),
            clock,
            inbox: self.client.new_inbox(),
            state: Mutex::default(),
            nudge: nudge.clone(),
            acknowledged: Notify::new(),
        });
        tokio::spawn(converse(Arc::downgrade(&inner), nudge));
        Tokens { inner }
    }
}

impl Tokens {
    /// Waits for a permit to send one request to the org, without a time limit. Dropping the future withdraws the waiter.
    pub async fn acquire(&self, org: &OrgId, class: Class, flow: &str) -> Permit {
        loop {
            let outcome = self.inner.enqueue(org, class, flow);
            match outcome.await {
                Ok(TokenOutcome::Permit(permit)) => return permit,
                Ok(TokenOutcome::Wait(pause)) => tokio::time::sleep(pause).await,
                // The exchange runs as long as this handle exists, so this is not expected. A new request is correct in any case.
                Err(_) => tokio::time::sleep(TICK).await,
            }
        }
    }

    /// Waits until the governor has acknowledged the use report of every permit that is settled, for at most `patience`.
    pub async fn reported(&self, patience: Duration) {
        let all = async {
            loop {
                let acknowledged = self.inner.acknowledged.notified();
                if !self.inner.state().wallets.values().any(Wallet::owes) {
                    return;
                }
                self.inner.nudge.notify_one();
                let _ = tokio::time::timeout(TICK, acknowledged).await;
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
    }

    /// Requests the status of the governor: a JSON object with the governor itself and, by org, one org or all.
    ///
    /// # Errors
    /// When no governor answers.
    pub async fn status(&self, org: Option<&OrgId>) -> Result<serde_json::Value, BusError> {
        let request = v1::StatusRequest {
            org: org.map(ToString::to_string).unwrap_or_default(),
        };
        let unavailable = |source: Cause| BusError::Unavailable {
            doing: "asking the rate governor",
            source,
        };
        let nobody = || unavailable("no governor answers; is the rate-governor service running?".into());
        let holder = self.inner.bus.lease_holder(GOVERNOR_LEASE).await?;
        let leader = holder.ok_or_else(nobody)?;
        let message = async_nats::Request::new()
            .payload(Bytes::from(request.encode_to_vec()))
            .headers(headers(&v1::StatusRequest::full_name()))
            .timeout(Some(ANSWER));
        let subject = format!("rollcall.tokens.v1.{leader}.status");
        let response = self.inner.bus.client.send_request(subject, message).await;
        let response = v1::StatusReply::decode(response.map_err(|_| nobody())?.payload)
            .map_err(|error| unavailable(error.into()))?;
        serde_json::from_str(&response.json).map_err(|error| unavailable(error.into()))
    }
}

/// Runs the exchange with the governor until all handles and permits are dropped.
async fn converse(inner: Weak<Inner>, nudge: Arc<Notify>) {
    let mut inbox: Option<Subscriber> = None;
    loop {
        let Some(alive) = inner.upgrade() else { return };
        if inbox.is_none() {
            inbox = alive.bus.client.subscribe(alive.inbox.clone()).await.ok();
        }
        drop(alive);
        let message = async {
            match &mut inbox {
                Some(inbox) => inbox.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = message => {
                let Some(alive) = inner.upgrade() else { return };
                match message {
                    Some(message) => alive.handle(&message),
                    None => inbox = None,
                }
            }
            () = nudge.notified() => {
                // Other tasks that are ready can add their requests and reports first.
                tokio::task::yield_now().await;
                let Some(alive) = inner.upgrade() else { return };
                alive.send_exchange(false).await;
            }
            () = tokio::time::sleep(TICK) => {
                let Some(alive) = inner.upgrade() else { return };
                alive.look_after().await;
                alive.send_exchange(true).await;
            }
        }
    }
}

impl Inner {
    fn now(&self) -> Moment {
        Moment::from_millis((self.clock)())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, org: &OrgId, class: Class, flow: &str) -> oneshot::Receiver<TokenOutcome> {
        let (answer, outcome) = oneshot::channel();
        let flow = flow.to_owned();
        let mut state = self.state();
        let org = state.org(org.as_str());
        state.waiters.push_back(Waiter {
            org,
            class,
            flow,
            answer,
        });
        drop(state);
        self.nudge.notify_one();
        outcome
    }

    async fn leader(&self) -> Option<String> {
        let known = self.state().leader.clone();
        if known.is_some() {
            return known;
        }
        let found = self.bus.lease_holder(GOVERNOR_LEASE).await.ok().flatten();
        let mut state = self.state();
        state.leader.clone_from(&found);
        state.last_response_at = self.now();
        found
    }

    /// Sends overdue requests again, and checks whether another governor leads.
    async fn look_after(&self) {
        let now = self.now();
        let silent = {
            let mut state = self.state();
            state.send_again(|sent| now.since(sent.at) > WAIT + ANSWER);
            !state.sent.is_empty() && now.since(state.last_response_at) > SILENCE
        };
        if silent {
            let holder = self.bus.lease_holder(GOVERNOR_LEASE).await.ok().flatten();
            let mut state = self.state();
            if holder != state.leader {
                state.leader = holder;
                state.last_response_at = now;
                state.send_again(|_| true);
            }
        }
    }

    /// Sends all requests and reports that are due. `sign_of_life`: also sends an empty exchange while requests have no response.
    async fn send_exchange(&self, sign_of_life: bool) {
        let quiet = {
            let state = self.state();
            let waits = sign_of_life && !state.sent.is_empty();
            let owes = state.wallets.values().any(Wallet::owes);
            state.waiters.is_empty() && !owes && !waits
        };
        if quiet {
            return;
        }
        let Some(leader) = self.leader().await else { return };
        let exchange = self.state().gather(self.now(), self.bus.worker());
        if exchange.orgs.is_empty() && !sign_of_life {
            return;
        }
        let payload = Bytes::from(exchange.encode_to_vec());
        let subject = format!("rollcall.tokens.v1.{leader}.exchange");
        // If the message is lost, its content is sent again.
        let _ = self
            .bus
            .client
            .publish_with_reply(subject, self.inbox.clone(), payload)
            .await;
    }

    fn handle(self: &Arc<Inner>, message: &async_nats::Message) {
        let now = self.now();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let mut state = self.state();
            state.leader = None;
            state.send_again(|_| true);
            return;
        }
        let answers = match v1::ExchangeResponse::decode(message.payload.as_ref()) {
            Ok(answers) => answers,
            Err(error) => {
                tracing::error!(%error, "the governor's answer cannot be read");
                return;
            }
        };
        for message in answers.odd {
            tracing::debug!(message, "a report changed nothing");
        }
        let mut outcomes = Vec::new();
        let mut state = self.state();
        state.last_response_at = now;
        for number in &answers.acknowledged {
            state.acknowledged(*number);
        }
        for v1::OrgResponses { org, responses } in answers.orgs {
            let org = state.org(&org);
            for v1::TokenResponse { id, response } in responses {
                match response {
                    Some(token_response::Response::Grant(grant)) => {
                        self.granted(&mut state, &org, id, &grant, &mut outcomes)
                    }
                    Some(token_response::Response::Wait(wait)) => {
                        let pause = Duration::from_millis(wait.retry_after_ms);
                        state.put_off(id, pause, &mut outcomes);
                    }
                    Some(token_response::Response::Refused(message)) => {
                        tracing::warn!(message, "the governor refuses to give tokens");
                        state.put_off(id, REFUSED, &mut outcomes);
                    }
                    None => {}
                }
            }
        }
        let left_over = !state.waiters.is_empty();
        drop(state);
        if left_over {
            self.nudge.notify_one();
        }
        if !answers.acknowledged.is_empty() {
            self.acknowledged.notify_waiters();
        }
        for (waiter, outcome) in outcomes {
            // If the waiter is gone, the permit is dropped and its token is returned.
            let _ = waiter.answer.send(outcome);
        }
    }

    fn granted(
        self: &Arc<Inner>,
        state: &mut State,
        org: &Arc<str>,
        id: u64,
        grant: &v1::Grant,
        outcomes: &mut Vec<(Waiter, TokenOutcome)>,
    ) {
        let Some(name) = grant.id.map(grant_in) else {
            tracing::error!(?grant, "the governor's grant cannot be read");
            return;
        };
        let ttl = Duration::from_millis(grant.ttl_ms);
        let tokens = grant.tokens.min(WANT_MAX);
        // The request was given up. Its grant counts from time 0, so its tokens have expired and are returned.
        let (at, mut waiters) = match state.sent.remove(&id) {
            Some(sent) => (sent.at, sent.waiters),
            None => (Moment::default(), VecDeque::new()),
        };
        let wallet = state.wallets.entry(org.clone()).or_default();
        for slip in wallet.accept(at, name, tokens, ttl) {
            while waiters.front().is_some_and(|waiter| waiter.answer.is_closed()) {
                waiters.pop_front();
            }
            match waiters.pop_front() {
                Some(waiter) => {
                    let permit = self.permit(org.clone(), slip.grant, slip.token, slip.use_by);
                    outcomes.push((waiter, TokenOutcome::Permit(permit)));
                }
                None => wallet.settle(slip.grant, slip.token, Settlement::Unused),
            }
        }
        for waiter in waiters.into_iter().rev() {
            state.waiters.push_front(waiter);
        }
    }

    fn permit(self: &Arc<Inner>, org: Arc<str>, grant: GrantId, token: u32, use_by: Moment) -> Permit {
        let (inner, owner) = (self.clone(), org.clone());
        Permit::new(org, format!("{grant}.{token}"), use_by, move |settlement| {
            inner
                .state()
                .wallets
                .entry(owner)
                .or_default()
                .settle(grant, token, settlement);
            inner.nudge.notify_one();
        })
    }
}

impl State {
    /// The shared copy of the org's name.
    fn org(&mut self, name: &str) -> Arc<str> {
        if let Some((kept, _)) = self.wallets.get_key_value(name) {
            return kept.clone();
        }
        let name: Arc<str> = name.into();
        self.wallets.insert(name.clone(), Wallet::new());
        name
    }

    fn acknowledged(&mut self, number: u64) {
        for (org, parcels) in self.reported.remove(&number).unwrap_or_default() {
            if let Some(wallet) = self.wallets.get_mut(&org) {
                parcels.iter().for_each(|parcel| wallet.acknowledged(parcel));
            }
        }
    }

    fn put_off(&mut self, id: u64, pause: Duration, outcomes: &mut Vec<(Waiter, TokenOutcome)>) {
        let waiters = self.sent.remove(&id).map(|sent| sent.waiters);
        let waits = waiters
            .into_iter()
            .flatten()
            .map(|waiter| (waiter, TokenOutcome::Wait(pause)));
        outcomes.extend(waits);
    }

    /// Puts the waiters of some requests back at the front of the queue.
    fn send_again(&mut self, which: impl Fn(&SentRequest) -> bool) {
        let ids: Vec<u64> = self
            .sent
            .iter()
            .filter(|(_, sent)| which(sent))
            .map(|(id, _)| *id)
            .collect();
        for id in ids.into_iter().rev() {
            if let Some(sent) = self.sent.remove(&id) {
                for waiter in sent.waiters.into_iter().rev() {
                    self.waiters.push_front(waiter);
                }
            }
        }
    }

    /// Collects all requests and reports that are due.
    fn gather(&mut self, now: Moment, worker: &str) -> v1::Exchange {
        self.last_exchange += 1;
        let mut requests = self.request(now);
        let mut reports = OrgReports::new();
        for (org, wallet) in &mut self.wallets {
            let due = wallet.due(now);
            if !due.is_empty() {
                reports.insert(org.clone(), due);
            }
        }
        let spoken_of: BTreeSet<Arc<str>> = requests.keys().chain(reports.keys()).cloned().collect();
        let words = spoken_of.into_iter().map(|org| v1::OrgMessages {
            seen: self.wallets.get(&org).and_then(Wallet::seen).map(grant_out),
            requests: requests.remove(&org).unwrap_or_default(),
            reports: reports
                .get(&org)
                .into_iter()
                .flatten()
                .flat_map(|parcel| {
                    parcel
                        .settled
                        .iter()
                        .map(|settled| use_report_out(parcel.grant, settled))
                })
                .collect(),
            org: org.as_ref().to_owned(),
        });
        let exchange = v1::Exchange {
            worker: worker.to_owned(),
            number: self.last_exchange,
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
            orgs: words.collect(),
        };
        if !reports.is_empty() {
            self.reported.insert(self.last_exchange, reports);
        }
        // Reports that were never acknowledged were sent again in later exchanges.
        while self.reported.len() > REPORTED_MAX {
            self.reported.pop_first();
        }
        exchange
    }

    /// Turns the waiters into requests by org, with one request per flow.
    fn request(&mut self, now: Moment) -> BTreeMap<Arc<str>, Vec<v1::TokenRequest>> {
        let waiters: Vec<Waiter> = std::mem::take(&mut self.waiters)
            .into_iter()
            .filter(|waiter| !waiter.answer.is_closed())
            .collect();
        let mut index: HashMap<(&str, Class, &str), usize> = HashMap::with_capacity(waiters.len());
        let places: Vec<usize> = waiters
            .iter()
            .map(|waiter| {
                let next = index.len();
                *index
                    .entry((&waiter.org, waiter.class, &waiter.flow))
                    .or_insert(next)
            })
            .collect();
        let mut flows: Vec<VecDeque<Waiter>> = Vec::with_capacity(index.len());
        for (waiter, place) in waiters.into_iter().zip(places) {
            match flows.get_mut(place) {
                Some(flow) if flow.len() < WANT_MAX as usize => flow.push_back(waiter),
                Some(_) => self.waiters.push_back(waiter),
                None => flows.push(VecDeque::from([waiter])),
            }
        }
        let mut requests: BTreeMap<Arc<str>, Vec<v1::TokenRequest>> = BTreeMap::new();
        for waiters in flows {
            let Some(first) = waiters.front() else {
                continue;
            };
            self.last_request += 1;
            let request = v1::TokenRequest {
                id: self.last_request,
                class: class_out(first.class).into(),
                flow: first.flow.clone(),
                want: u32::try_from(waiters.len()).unwrap_or(WANT_MAX),
            };
            match requests.get_mut(&first.org) {
                Some(requests) => requests.push(request),
                None => drop(requests.insert(first.org.clone(), vec![request])),
            }
            self.sent
                .insert(self.last_request, SentRequest { at: now, waiters });
        }
        requests
    }
}
