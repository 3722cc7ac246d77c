//! Asking the rate governor, and serving those who ask it.
//!
//! The worker's side keeps the two promises of the wallet: a permit is void from a time counted since the *asking*, and
//! every token is reported until the governor has heard it. An ask whose asker goes away is still answered, and its
//! permit goes straight back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name};
use proto::v1::{self, acquire_reply};
use provisioning::OrgId;
use rate_tokens::{Class, GrantId, Moment, Outcome, Parcel, Permit, Settled, Settlement, Wallet};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::connection::Bus;
use crate::error::BusError;
use crate::publish::headers;

/// Name of the lease that the leading governor holds.
pub const GOVERNOR_LEASE: &str = "governor";

/// How long the governor may keep an ask waiting before it says when to ask again.
const WAIT: Duration = Duration::from_secs(3);

/// How long the answer may take on top.
const ANSWER: Duration = Duration::from_secs(2);

/// Pause before asking again where there is no governor.
const NOBODY: Duration = Duration::from_millis(250);

/// Where a process gets its permits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    clock: fn() -> u64,
    wallets: Mutex<BTreeMap<OrgId, Wallet>>,
    leader: Mutex<Option<String>>,
    settled: Notify,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("worker", &self.bus.worker)
            .finish_non_exhaustive()
    }
}

enum Answered {
    Permit(Permit),
    Wait(Duration),
}

impl Bus {
    /// Permits for this process. `clock` is a millisecond clock that runs on while the machine is suspended.
    pub fn tokens(&self, clock: fn() -> u64) -> Tokens {
        let inner = Arc::new(Inner {
            bus: self.clone(),
            clock,
            wallets: Mutex::default(),
            leader: Mutex::default(),
            settled: Notify::new(),
        });
        tokio::spawn(report(Arc::downgrade(&inner)));
        Tokens { inner }
    }
}

impl Tokens {
    /// A permit to send one request to the org. Waits for as long as it takes; dropping the future withdraws the wish.
    pub async fn acquire(&self, org: &OrgId, class: Class, flow: &str) -> Permit {
        loop {
            let (sender, receiver) = oneshot::channel();
            let (inner, org, flow) = (self.inner.clone(), org.clone(), flow.to_owned());
            let ask = async move {
                while !sender.is_closed() {
                    match inner.clone().ask(&org, class, &flow).await {
                        // A permit that nobody waits for any more goes back unused when it is dropped here.
                        Answered::Permit(permit) => return drop(sender.send(permit)),
                        Answered::Wait(pause) => tokio::time::sleep(pause).await,
                    }
                }
            };
            tokio::spawn(tracing::Instrument::in_current_span(ask));
            if let Ok(permit) = receiver.await {
                return permit;
            }
        }
    }

    /// What the governor says about one org, or all: a JSON object by org.
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
        let reply: v1::StatusReply = self
            .inner
            .request("status", &request, ANSWER)
            .await
            .ok_or_else(|| unavailable("no governor answers; is the rate-governor service running?"))?;
        serde_json::from_str(&reply.json).map_err(|error| unavailable(&error.to_string()))
    }
}

impl Inner {
    fn now(&self) -> Moment {
        Moment::from_millis((self.clock)())
    }

    fn wallet<T>(&self, org: &OrgId, with: impl FnOnce(&mut Wallet) -> T) -> T {
        let mut wallets = self.wallets.lock().unwrap_or_else(PoisonError::into_inner);
        with(wallets.entry(org.clone()).or_default())
    }

    async fn leader(&self) -> Option<String> {
        let known = self.leader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some() {
            return known;
        }
        let found = self.bus.lease_holder(GOVERNOR_LEASE).await.ok().flatten();
        self.leader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&found);
        found
    }

    fn forget_leader(&self) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn request<Q: prost::Message + Name, A: prost::Message + Default>(
        &self,
        what: &str,
        request: &Q,
        timeout: Duration,
    ) -> Option<A> {
        let leader = self.leader().await?;
        let message = async_nats::Request::new()
            .payload(Bytes::from(request.encode_to_vec()))
            .headers(headers(&Q::full_name()))
            .timeout(Some(timeout));
        match self
            .bus
            .client
            .send_request(format!("rollcall.tokens.v1.{leader}.{what}"), message)
            .await
        {
            Ok(reply) => A::decode(reply.payload).ok(),
            Err(_) => {
                self.forget_leader();
                None
            }
        }
    }

    async fn ask(self: Arc<Inner>, org: &OrgId, class: Class, flow: &str) -> Answered {
        let asked_at = self.now();
        let request = v1::AcquireRequest {
            org: org.to_string(),
            worker: self.bus.worker().to_owned(),
            class: class.as_str().to_owned(),
            flow: flow.to_owned(),
            want: 1,
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
            seen: self.wallet(org, |wallet| wallet.seen().map(|seen| seen.to_string())),
        };
        let reply: Option<v1::AcquireReply> = self.request("acquire", &request, WAIT + ANSWER).await;
        match reply.and_then(|reply| reply.reply) {
            Some(acquire_reply::Reply::Grant(grant)) => match grant.id.parse::<GrantId>() {
                Ok(id) => self.accept(org, asked_at, id, Duration::from_millis(grant.ttl_ms)),
                Err(error) => {
                    tracing::error!(%error, "the governor's grant cannot be read");
                    Answered::Wait(NOBODY)
                }
            },
            Some(acquire_reply::Reply::Wait(wait)) => {
                Answered::Wait(Duration::from_millis(wait.retry_after_ms))
            }
            Some(acquire_reply::Reply::Refused(said)) => {
                tracing::warn!(org.id = %org, said, "the governor refuses to give tokens");
                Answered::Wait(NOBODY * 8)
            }
            None => Answered::Wait(NOBODY),
        }
    }

    fn accept(self: Arc<Inner>, org: &OrgId, asked_at: Moment, grant: GrantId, ttl: Duration) -> Answered {
        let slips = self.wallet(org, |wallet| wallet.accept(asked_at, grant, 1, ttl));
        let Some(slip) = slips.first().copied() else {
            return Answered::Wait(NOBODY);
        };
        let owner = org.clone();
        Answered::Permit(Permit::new(
            org.as_str(),
            format!("{grant}.{}", slip.token),
            slip.use_by,
            move |settlement| {
                self.wallet(&owner, |wallet| wallet.settle(slip.grant, slip.token, settlement));
                self.settled.notify_one();
            },
        ))
    }
}

/// Tells the governor what became of tokens, again and again until it has heard.
async fn report(inner: std::sync::Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let now = inner.now();
        let due: Vec<(OrgId, Vec<Parcel>)> = {
            let mut wallets = inner.wallets.lock().unwrap_or_else(PoisonError::into_inner);
            wallets
                .iter_mut()
                .map(|(org, wallet)| (org.clone(), wallet.due(now)))
                .collect()
        };
        for (org, parcels) in due {
            for parcel in parcels {
                let inner = inner.clone();
                let org = org.clone();
                tokio::spawn(async move { inner.send_report(&org, &parcel).await });
            }
        }
        let _ = tokio::time::timeout(Duration::from_millis(500), inner.settled.notified()).await;
    }
}

impl Inner {
    async fn send_report(&self, org: &OrgId, parcel: &Parcel) {
        let request = v1::ReportRequest {
            org: org.to_string(),
            worker: self.bus.worker().to_owned(),
            grant: parcel.grant.to_string(),
            tokens: parcel.settled.iter().map(token_out).collect(),
        };
        if self
            .request::<_, v1::ReportReply>("report", &request, ANSWER)
            .await
            .is_some()
        {
            self.wallet(org, |wallet| wallet.acknowledged(parcel));
        }
    }
}

fn token_out(settled: &Settled) -> v1::TokenReport {
    let (settlement, retry_after_ms) = match settled.settlement {
        Settlement::Unused => ("unused", None),
        Settlement::Used(Outcome::Answered) => ("answered", None),
        Settlement::Used(Outcome::Refused { retry_after_ms }) => ("refused", retry_after_ms),
        Settlement::Used(Outcome::Unknown) => ("unknown", None),
    };
    v1::TokenReport {
        token: settled.token,
        settlement: settlement.to_owned(),
        retry_after_ms,
    }
}

fn token_in(report: &v1::TokenReport) -> Settled {
    let settlement = match report.settlement.as_str() {
        "unused" => Settlement::Unused,
        "answered" => Settlement::Used(Outcome::Answered),
        "refused" => Settlement::Used(Outcome::Refused {
            retry_after_ms: report.retry_after_ms,
        }),
        // Also what is not known here: it was perhaps sent, which is the safe reading.
        _ => Settlement::Used(Outcome::Unknown),
    };
    Settled {
        token: report.token,
        settlement,
    }
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcquireAnswer {
    Grant { id: GrantId, tokens: u32, ttl: Duration },
    Wait { retry_after: Duration },
    Refused { said: String },
}

/// What a governor is asked.
#[derive(Debug)]
pub enum GovernorRequest {
    Acquire {
        org: String,
        worker: String,
        class: Option<Class>,
        flow: String,
        want: u32,
        wait: Duration,
        seen: Option<GrantId>,
        answer: oneshot::Sender<AcquireAnswer>,
    },
    Report {
        org: String,
        grant: Option<GrantId>,
        settled: Vec<Settled>,
        answer: oneshot::Sender<Option<String>>,
    },
    /// `None`: all orgs. The answer is a JSON object by org.
    Status {
        org: Option<String>,
        answer: oneshot::Sender<serde_json::Value>,
    },
}

/// Requests that wait for the governor before new ones are left unanswered and come again.
const REQUESTS_MAX: usize = 10_000;

impl Bus {
    /// What workers ask of this process while it holds the governor's lease.
    ///
    /// # Errors
    /// When the bus takes no subscription.
    pub async fn governor_requests(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<GovernorRequest>, BusError> {
        let subject = format!("rollcall.tokens.v1.{}.*", self.worker());
        let mut messages = self
            .client
            .subscribe(subject)
            .await
            .map_err(|error| BusError::Unavailable {
                doing: "listening for those who ask for tokens",
                said: error.to_string(),
            })?;
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        let bus = self.clone();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    message = messages.next() => message,
                };
                let Some(message) = message else { break };
                if sender.is_closed() {
                    break;
                }
                bus.hear(&message, &sender);
            }
        });
        Ok(receiver)
    }

    fn hear(&self, message: &async_nats::Message, sender: &mpsc::Sender<GovernorRequest>) {
        let Some(reply_to) = message.reply.clone() else {
            return;
        };
        let what = message.subject.as_str().rsplit('.').next().unwrap_or_default();
        let payload = message.payload.as_ref();
        match what {
            "acquire" => {
                let Ok(ask) = v1::AcquireRequest::decode(payload) else {
                    return;
                };
                let (answer, answered) = oneshot::channel();
                let request = GovernorRequest::Acquire {
                    org: ask.org,
                    worker: ask.worker,
                    class: Class::ALL.into_iter().find(|class| class.as_str() == ask.class),
                    flow: ask.flow,
                    want: ask.want,
                    wait: Duration::from_millis(ask.wait_ms),
                    seen: ask.seen.and_then(|seen| seen.parse().ok()),
                    answer,
                };
                self.reply(reply_to, answered, |answer| v1::AcquireReply {
                    reply: Some(acquire_out(answer)),
                });
                let _ = sender.try_send(request);
            }
            "report" => {
                let Ok(report) = v1::ReportRequest::decode(payload) else {
                    return;
                };
                let (answer, answered) = oneshot::channel();
                let settled = report.tokens.iter().map(token_in).collect();
                let grant = report.grant.parse().ok();
                self.reply(reply_to, answered, |refused| v1::ReportReply { refused });
                let _ = sender.try_send(GovernorRequest::Report {
                    org: report.org,
                    grant,
                    settled,
                    answer,
                });
            }
            "status" => {
                let Ok(status) = v1::StatusRequest::decode(payload) else {
                    return;
                };
                let (answer, answered) = oneshot::channel();
                self.reply(reply_to, answered, |json: serde_json::Value| v1::StatusReply {
                    json: json.to_string(),
                });
                let org = Some(status.org).filter(|org| !org.is_empty());
                let _ = sender.try_send(GovernorRequest::Status { org, answer });
            }
            _ => {}
        }
    }

    fn reply<T, M>(&self, to: async_nats::Subject, answered: oneshot::Receiver<T>, message: fn(T) -> M)
    where
        T: Send + 'static,
        M: prost::Message + Name + 'static,
    {
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Ok(answer) = answered.await {
                let payload = Bytes::from(message(answer).encode_to_vec());
                let _ = client
                    .publish_with_headers(to, headers(&M::full_name()), payload)
                    .await;
            }
        });
    }
}

fn acquire_out(answer: AcquireAnswer) -> acquire_reply::Reply {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match answer {
        AcquireAnswer::Grant { id, tokens, ttl } => acquire_reply::Reply::Grant(v1::Grant {
            id: id.to_string(),
            tokens,
            ttl_ms: ms(ttl),
        }),
        AcquireAnswer::Wait { retry_after } => acquire_reply::Reply::Wait(v1::Wait {
            retry_after_ms: ms(retry_after),
        }),
        AcquireAnswer::Refused { said } => acquire_reply::Reply::Refused(said),
    }
}
