//! A worker's side of the exchange with the governor.
//!
//! Laws:
//! - A permit is void from a time counted since the *asking*, and every token is reported until the governor has heard it.
//! - All that a process wants and has to tell goes out in one message; wishes of one flow become one ask. Nothing waits
//!   for company: what is there when the sender gets its turn goes together.
//! - An ask that gets no answer, for whatever reason, is asked again; a grant that comes when nobody waits for it any more goes
//!   straight back.
//! - Whether the leader lives is found out by talking to it, never by waiting long: it answers even an empty exchange.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, answer};
use provisioning::OrgId;
use rate_tokens::{Class, GrantId, Moment, Parcel, Permit, WANT_MAX, Wallet};
use tokio::sync::{Notify, oneshot};

use super::{GOVERNOR_LEASE, class_out, grant_in, grant_out, token_out};
use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// How long the governor may keep an ask waiting before it says when to ask again.
const WAIT: Duration = Duration::from_secs(3);

/// How long the answer may take on top.
const ANSWER: Duration = Duration::from_secs(2);

/// How often the exchange looks after what is due without a reason from outside.
const TICK: Duration = Duration::from_millis(250);

/// A leader that said nothing for this long while it was asked is looked after.
const SILENCE: Duration = Duration::from_millis(1_500);

/// Pause after the governor refused to consider an ask.
const REFUSED: Duration = Duration::from_secs(2);

/// Where a process gets its permits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    clock: fn() -> u64,
    inbox: String,
    state: Mutex<State>,
    /// There is something to say.
    nudge: Arc<Notify>,
    /// The governor has heard something.
    heard: Notify,
}

#[derive(Default)]
struct State {
    wallets: BTreeMap<OrgId, Wallet>,
    wishes: VecDeque<Wish>,
    asked: BTreeMap<u64, Asked>,
    reported: BTreeMap<u64, (OrgId, Parcel)>,
    last_id: u64,
    leader: Option<String>,
    /// When the leader last said anything.
    heard_at: Moment,
}

struct Wish {
    org: OrgId,
    class: Class,
    flow: String,
    answer: oneshot::Sender<Answered>,
}

/// Wishes of one flow that went out as one ask.
struct Asked {
    at: Moment,
    wishes: VecDeque<Wish>,
}

enum Answered {
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
    /// Permits for this process. `clock` is a millisecond clock that runs on while the machine is suspended.
    pub fn tokens(&self, clock: fn() -> u64) -> Tokens {
        let nudge = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            bus: self.clone(),
            clock,
            inbox: self.client.new_inbox(),
            state: Mutex::default(),
            nudge: nudge.clone(),
            heard: Notify::new(),
        });
        tokio::spawn(converse(Arc::downgrade(&inner), nudge));
        Tokens { inner }
    }
}

impl Tokens {
    /// A permit to send one request to the org. Waits for as long as it takes; dropping the future withdraws the wish.
    pub async fn acquire(&self, org: &OrgId, class: Class, flow: &str) -> Permit {
        loop {
            let (answer, answered) = oneshot::channel();
            let wish = Wish {
                org: org.clone(),
                class,
                flow: flow.to_owned(),
                answer,
            };
            self.inner.state().wishes.push_back(wish);
            self.inner.nudge.notify_one();
            match answered.await {
                Ok(Answered::Permit(permit)) => return permit,
                Ok(Answered::Wait(pause)) => tokio::time::sleep(pause).await,
                // The exchange ends with this handle only, so it is there; asking again is right in any case.
                Err(_) => tokio::time::sleep(TICK).await,
            }
        }
    }

    /// Waits until the governor has heard what became of every permit that is settled by now, for so long at most.
    pub async fn reported(&self, patience: Duration) {
        let all = async {
            loop {
                let heard = self.inner.heard.notified();
                let due = self
                    .inner
                    .state()
                    .wallets
                    .values()
                    .any(|wallet| wallet.next_due().is_some());
                if !due {
                    return;
                }
                self.inner.nudge.notify_one();
                let _ = tokio::time::timeout(TICK, heard).await;
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
    }

    /// What the governor says: a JSON object of the governor itself and, by org, of one org or all.
    ///
    /// # Errors
    /// When no governor answers.
    pub async fn status(&self, org: Option<&OrgId>) -> Result<serde_json::Value, BusError> {
        let request = v1::StatusRequest {
            org: org.map(ToString::to_string).unwrap_or_default(),
        };
        let unavailable = |said: &str| BusError::Unavailable {
            doing: "asking the rate governor",
            said: said.to_owned(),
        };
        let nobody = || unavailable("no governor answers; is the rate-governor service running?");
        let holder = self.inner.bus.lease_holder(GOVERNOR_LEASE).await?;
        let leader = holder.ok_or_else(nobody)?;
        let message = async_nats::Request::new()
            .payload(Bytes::from(request.encode_to_vec()))
            .headers(headers(&v1::StatusRequest::full_name()))
            .timeout(Some(ANSWER));
        let subject = format!("rollcall.tokens.v1.{leader}.status");
        let reply = self.inner.bus.client.send_request(subject, message).await;
        let reply = v1::StatusReply::decode(reply.map_err(|_| nobody())?.payload)
            .map_err(|error| unavailable(&error.to_string()))?;
        serde_json::from_str(&reply.json).map_err(|error| unavailable(&error.to_string()))
    }
}

/// Talks to the governor for as long as somebody may want something of it.
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
                    Some(message) => alive.hear(&message),
                    None => inbox = None,
                }
            }
            () = nudge.notified() => {
                // Whoever else is about to say something gets the chance to.
                tokio::task::yield_now().await;
                let Some(alive) = inner.upgrade() else { return };
                alive.say(false).await;
            }
            () = tokio::time::sleep(TICK) => {
                let Some(alive) = inner.upgrade() else { return };
                alive.look_after().await;
                alive.say(true).await;
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

    async fn leader(&self) -> Option<String> {
        let known = self.state().leader.clone();
        if known.is_some() {
            return known;
        }
        let found = self.bus.lease_holder(GOVERNOR_LEASE).await.ok().flatten();
        let mut state = self.state();
        state.leader.clone_from(&found);
        state.heard_at = self.now();
        found
    }

    /// Asks again what was asked too long ago, and looks whether somebody else leads.
    async fn look_after(&self) {
        let now = self.now();
        let silent = {
            let mut state = self.state();
            state.ask_again(|asked| now.since(asked.at) > WAIT + ANSWER);
            !state.asked.is_empty() && now.since(state.heard_at) > SILENCE
        };
        if silent {
            let holder = self.bus.lease_holder(GOVERNOR_LEASE).await.ok().flatten();
            let mut state = self.state();
            if holder != state.leader {
                state.leader = holder;
                state.heard_at = now;
                state.ask_again(|_| true);
            }
        }
    }

    /// Sends everything that is to be said. `sign_of_life`: also if that is nothing, while answers are waited for.
    async fn say(&self, sign_of_life: bool) {
        let quiet = {
            let state = self.state();
            let waits = sign_of_life && !state.asked.is_empty();
            let settled = state.wallets.values().all(|wallet| wallet.next_due().is_none());
            state.wishes.is_empty() && settled && !waits
        };
        if quiet {
            return;
        }
        let Some(leader) = self.leader().await else { return };
        let exchange = self.state().gather(self.now(), self.bus.worker());
        let silent = exchange.asks.is_empty() && exchange.reports.is_empty();
        if silent && !sign_of_life {
            return;
        }
        let payload = Bytes::from(exchange.encode_to_vec());
        let subject = format!("rollcall.tokens.v1.{leader}.exchange");
        // If it does not arrive, it is said again.
        let _ = self
            .bus
            .client
            .publish_with_reply(subject, self.inbox.clone(), payload)
            .await;
    }

    fn hear(self: &Arc<Inner>, message: &async_nats::Message) {
        let now = self.now();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let mut state = self.state();
            state.leader = None;
            state.ask_again(|_| true);
            return;
        }
        let answers = match v1::Answers::decode(message.payload.as_ref()) {
            Ok(answers) => answers.answers,
            Err(error) => {
                tracing::error!(%error, "the governor's answer cannot be read");
                return;
            }
        };
        self.state().heard_at = now;
        for v1::Answer { id, answer } in answers {
            match answer {
                Some(answer::Answer::Grant(grant)) => self.granted(id, &grant),
                Some(answer::Answer::Wait(wait)) => {
                    let pause = Duration::from_millis(wait.retry_after_ms);
                    self.put_off(id, pause);
                }
                Some(answer::Answer::Refused(said)) => {
                    tracing::warn!(said, "the governor refuses to give tokens");
                    self.put_off(id, REFUSED);
                }
                Some(answer::Answer::Heard(heard)) => {
                    if let Some(said) = heard.said {
                        tracing::debug!(said, "a report changed nothing");
                    }
                    let mut state = self.state();
                    if let Some((org, parcel)) = state.reported.remove(&id)
                        && let Some(wallet) = state.wallets.get_mut(&org)
                    {
                        wallet.acknowledged(&parcel);
                    }
                    drop(state);
                    self.heard.notify_waiters();
                }
                None => {}
            }
        }
    }

    fn put_off(&self, id: u64, pause: Duration) {
        let asked = self.state().asked.remove(&id);
        for wish in asked.into_iter().flat_map(|asked| asked.wishes) {
            // Whoever is gone need not be told.
            let _ = wish.answer.send(Answered::Wait(pause));
        }
    }

    fn granted(self: &Arc<Inner>, id: u64, grant: &v1::Grant) {
        let (Ok(org), Some(name)) = (OrgId::parse(&grant.org), grant.id) else {
            tracing::error!(?grant, "the governor's grant cannot be read");
            return;
        };
        let ttl = Duration::from_millis(grant.ttl_ms);
        let tokens = grant.tokens.min(WANT_MAX);
        let mut state = self.state();
        // An ask that was given up has asked for nothing: its tokens are void from the start, and go back.
        let asked = state.asked.remove(&id);
        let at = asked.as_ref().map_or(Moment::default(), |asked| asked.at);
        let mut wishes = asked.map(|asked| asked.wishes).unwrap_or_default();
        let wallet = state.wallets.entry(org.clone()).or_default();
        let slips = wallet.accept(at, grant_in(name), tokens, ttl);
        let waiting: Vec<Option<Wish>> = slips
            .iter()
            .map(|_| {
                while wishes.front().is_some_and(|wish| wish.answer.is_closed()) {
                    wishes.pop_front();
                }
                wishes.pop_front()
            })
            .collect();
        let left_over = !wishes.is_empty();
        for wish in wishes.into_iter().rev() {
            state.wishes.push_front(wish);
        }
        drop(state);
        if left_over {
            self.nudge.notify_one();
        }
        for (slip, wish) in slips.into_iter().zip(waiting) {
            let permit = self.permit(&org, slip.grant, slip.token, slip.use_by);
            if let Some(wish) = wish {
                let _ = wish.answer.send(Answered::Permit(permit));
            }
        }
    }

    fn permit(self: &Arc<Inner>, org: &OrgId, grant: GrantId, token: u32, use_by: Moment) -> Permit {
        let (inner, owner) = (self.clone(), org.clone());
        Permit::new(
            org.as_str(),
            format!("{grant}.{token}"),
            use_by,
            move |settlement| {
                inner
                    .state()
                    .wallets
                    .entry(owner)
                    .or_default()
                    .settle(grant, token, settlement);
                inner.nudge.notify_one();
            },
        )
    }
}

impl State {
    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Puts the wishes of some asks back in front.
    fn ask_again(&mut self, which: impl Fn(&Asked) -> bool) {
        let ids: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| which(asked))
            .map(|(id, _)| *id)
            .collect();
        for id in ids.into_iter().rev() {
            if let Some(asked) = self.asked.remove(&id) {
                for wish in asked.wishes.into_iter().rev() {
                    self.wishes.push_front(wish);
                }
            }
        }
    }

    /// Everything that is to be said now.
    fn gather(&mut self, now: Moment, worker: &str) -> v1::Exchange {
        let mut flows: Vec<Asked> = Vec::new();
        let mut index: BTreeMap<(OrgId, Class, String), usize> = BTreeMap::new();
        for wish in std::mem::take(&mut self.wishes) {
            if wish.answer.is_closed() {
                continue;
            }
            let key = (wish.org.clone(), wish.class, wish.flow.clone());
            let place = *index.entry(key).or_insert_with(|| {
                flows.push(Asked {
                    at: now,
                    wishes: VecDeque::new(),
                });
                flows.len() - 1
            });
            if let Some(asked) = flows.get_mut(place) {
                asked.wishes.push_back(wish);
            }
        }
        let mut exchange = v1::Exchange {
            worker: worker.to_owned(),
            ..v1::Exchange::default()
        };
        for mut asked in flows {
            while asked.wishes.len() > WANT_MAX as usize {
                self.wishes.extend(asked.wishes.pop_back());
            }
            let Some(first) = asked.wishes.front() else {
                continue;
            };
            let id = self.id();
            let seen = self.wallets.get(&first.org).and_then(Wallet::seen);
            exchange.asks.push(v1::Ask {
                id,
                org: first.org.to_string(),
                class: class_out(first.class).into(),
                flow: first.flow.clone(),
                want: u32::try_from(asked.wishes.len()).unwrap_or(WANT_MAX),
                wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
                seen: seen.map(grant_out),
            });
            self.asked.insert(id, asked);
        }
        let due: Vec<(OrgId, Parcel)> = self
            .wallets
            .iter_mut()
            .flat_map(|(org, wallet)| wallet.due(now).into_iter().map(|parcel| (org.clone(), parcel)))
            .collect();
        for (org, parcel) in due {
            let id = self.id();
            exchange.reports.push(v1::Report {
                id,
                org: org.to_string(),
                grant: Some(grant_out(parcel.grant)),
                tokens: parcel.settled.iter().map(token_out).collect(),
            });
            self.reported.insert(id, (org, parcel));
        }
        // Reports that were never acknowledged went out again under other numbers.
        while self.reported.len() > 10_000 {
            self.reported.pop_first();
        }
        exchange
    }
}
