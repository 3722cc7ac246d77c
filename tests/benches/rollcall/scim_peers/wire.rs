//! The load generator: so many connections, each with one request at a time, the same for every server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::percentile;

/// No answer after this long is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a SCIM server is, and what it wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) port: u16,
    /// Path of the SCIM base URL.
    pub(crate) base: String,
    pub(crate) token: String,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    /// Below the base URL; or the whole path, where it begins with two slashes.
    pub(crate) path: String,
    pub(crate) body: Option<String>,
}

pub(crate) struct Connection {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn to(target: &Target) -> Connection {
        Connection {
            target: target.clone(),
            sender: None,
        }
    }

    /// The status and the body.
    pub(crate) async fn send(&mut self, ask: &Ask) -> anyhow::Result<(u16, Bytes)> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(ask)).await;
        let answer = answer.context("no answer in time").and_then(|answer| answer);
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, ask: &Ask) -> anyhow::Result<(u16, Bytes)> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.sender = Some(self.connect().await?);
        }
        let sender = self.sender.as_mut().context("it was just connected")?;
        let path = match ask.path.strip_prefix("//") {
            Some(whole) => format!("/{whole}"),
            None => format!("{}{}", self.target.base, ask.path),
        };
        let request = hyper::Request::builder()
            .method(ask.method)
            .uri(path)
            .header("host", format!("127.0.0.1:{}", self.target.port))
            .header("authorization", format!("Bearer {}", self.target.token))
            .header("content-type", "application/scim+json")
            .body(Full::new(Bytes::from(ask.body.clone().unwrap_or_default())))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(("127.0.0.1", self.target.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// What came of many requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Of those that succeeded, sorted.
    pub(crate) times: Vec<Duration>,
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Requests without an answer.
    pub(crate) broken: usize,
    /// The first answer was not what it had to be.
    pub(crate) wrong: bool,
    pub(crate) whole: Duration,
}

impl Sample {
    fn take(&mut self, answer: &anyhow::Result<(u16, Bytes)>, time: Duration) {
        match answer {
            Ok((status, _)) => {
                *self.statuses.entry(*status).or_default() += 1;
                if *status < 300 {
                    self.times.push(time);
                }
            }
            Err(_) => self.broken += 1,
        }
    }

    fn join(&mut self, other: Sample) {
        self.times.extend(other.times);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.broken += other.broken;
    }

    /// Milliseconds; `None` when nothing succeeded.
    pub(crate) fn ms(&self, share: f64) -> Option<f64> {
        (!self.times.is_empty()).then(|| percentile(&self.times, share).as_secs_f64() * 1e3)
    }

    /// Successes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.whole.as_secs_f64().max(0.001)
    }

    /// Answers with this status.
    pub(crate) fn count(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// Whether each request succeeded.
    pub(crate) fn is_clean(&self) -> bool {
        !self.wrong && self.broken == 0 && self.statuses.keys().all(|status| *status < 300)
    }
}

/// How many connections send how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests of all connections together in a second; `None`: each sends the next one as soon as it has an answer.
    pub(crate) per_second: Option<u32>,
}

impl Load {
    pub(crate) const fn busy(connections: usize) -> Load {
        Load {
            connections,
            per_second: None,
        }
    }
}

/// Sends requests for so long; `ask` makes them by number.
pub(crate) async fn drive(
    target: &Target,
    load: Load,
    length: Duration,
    ask: impl Fn(u64) -> Ask + Send + Sync + 'static,
) -> anyhow::Result<Sample> {
    let (ask, numbers) = (Arc::new(ask), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let mut driving = JoinSet::new();
    for place in 0..load.connections {
        let (ask, numbers) = (ask.clone(), numbers.clone());
        let mut connection = Connection::to(target);
        driving.spawn(async move {
            let mut sample = Sample::default();
            for turn in 0_u32.. {
                if let Some(per_second) = load.per_second {
                    let before = turn * load.connections as u32 + place as u32;
                    let due = started + Duration::from_secs(1) * before / per_second;
                    tokio::time::sleep_until(due.into()).await;
                }
                if started.elapsed() >= length {
                    break;
                }
                let ask = ask(numbers.fetch_add(1, Ordering::Relaxed));
                let asked = Instant::now();
                let answer = connection.send(&ask).await;
                sample.take(&answer, asked.elapsed());
            }
            sample
        });
    }
    let mut all = Sample::default();
    while let Some(sample) = driving.join_next().await {
        all.join(sample?);
    }
    all.whole = started.elapsed();
    all.times.sort();
    Ok(all)
}

/// Sends each of these requests until it succeeds; the ids of what was made, in order.
pub(crate) async fn fill(
    target: &Target,
    connections: usize,
    numbers: std::ops::Range<u64>,
    ask: impl Fn(u64) -> Ask + Send + Sync + 'static,
) -> anyhow::Result<Vec<String>> {
    let (ask, next) = (Arc::new(ask), Arc::new(AtomicU64::new(numbers.start)));
    let mut filling = JoinSet::new();
    for _ in 0..connections {
        let (ask, next, end) = (ask.clone(), next.clone(), numbers.end);
        let mut connection = Connection::to(target);
        filling.spawn(async move {
            let mut made = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return anyhow::Ok(made);
                }
                made.push((number, created(&mut connection, &ask(number)).await?));
            }
        });
    }
    let mut made = Vec::new();
    while let Some(part) = filling.join_next().await {
        made.extend(part??);
    }
    made.sort();
    Ok(made.into_iter().map(|(_, id)| id).collect())
}

async fn created(connection: &mut Connection, ask: &Ask) -> anyhow::Result<String> {
    const TRIES: usize = 200;
    let mut last = String::new();
    for _ in 0..TRIES {
        match connection.send(ask).await {
            Ok((201, body)) => {
                let body: serde_json::Value = serde_json::from_slice(&body)?;
                return Ok(body["id"]
                    .as_str()
                    .context("a resource without an id")?
                    .to_owned());
            }
            Ok((status @ (429 | 500..), body)) => {
                last = format!("{status} {}", String::from_utf8_lossy(&body))
            }
            Ok((status, body)) => {
                anyhow::bail!(
                    "{} answered {status} {}",
                    ask.path,
                    String::from_utf8_lossy(&body)
                )
            }
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{} did not succeed in {TRIES} tries; last {last}", ask.path)
}
