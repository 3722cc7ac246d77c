//! Connects to the server, and creates the streams and buckets that must exist before the first message.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event};
use crash_points::CrashPoints;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::error::BusError;

/// Most atomic batches that one process has open at once. The server allows 50 per stream, for all processes.
const BATCHES_MAX: usize = 4;

/// How long one request to the server may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to try the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Oldest server version with all features that are used here (atomic batches, time to live per message).
const SERVER_MIN: (u64, u64) = (2, 12);

const HOUR: Duration = Duration::from_secs(3_600);

/// Address of the server, and the token to connect with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsConnection {
    pub url: String,
    pub token: Option<String>,
}

/// File in the data directory of an embedded server, with its address and token.
pub(crate) const CONNECTION_FILE: &str = "connection.json";

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no nats-server answers at {url}; start it, or correct [nats] url")]
    Unreachable {
        url: String,
        #[source]
        source: async_nats::ConnectError,
    },
    #[error("nats-server at {url} is version {version}; Rollcall needs {}.{} or newer", SERVER_MIN.0, SERVER_MIN.1)]
    TooOld { url: String, version: String },
    #[error("nothing runs with the data directory {}; start `rollcall up` first, or set [nats] url", data_dir.display())]
    NotRunning { data_dir: PathBuf },
}

impl NatsConnection {
    /// Reads the connection of the embedded server that uses this data directory.
    ///
    /// # Errors
    /// [`ConnectError::NotRunning`] if there is none.
    pub fn discover(data_dir: &Path) -> Result<NatsConnection, ConnectError> {
        let not_running = || ConnectError::NotRunning {
            data_dir: data_dir.to_owned(),
        };
        let text = std::fs::read_to_string(data_dir.join(CONNECTION_FILE)).map_err(|_| not_running())?;
        serde_json::from_str(&text).map_err(|_| not_running())
    }
}

/// A connection to the bus. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) js: Context,
    /// Number of established connections. When it changes, a watch reads what it missed.
    pub(crate) connections: watch::Receiver<u64>,
    pub(crate) worker: Arc<str>,
    /// Limits the atomic batches that are open at once.
    pub(crate) batches: Arc<Semaphore>,
    /// Crash points, for tests.
    pub(crate) crash_points: CrashPoints,
}

impl Bus {
    /// Connects to the server. Later reconnects are automatic.
    ///
    /// # Errors
    /// When no server answers or the server is too old.
    pub async fn connect(connection: &NatsConnection, name: &str) -> Result<Bus, ConnectError> {
        let (sender, connections) = watch::channel(0_u64);
        let mut options = ConnectOptions::new()
            .name(name)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .connection_timeout(Duration::from_secs(2))
            .reconnect_delay_callback(|attempts| Duration::from_millis((50 * attempts as u64).min(1_000)))
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    if matches!(event, Event::Connected) {
                        sender.send_modify(|count| *count += 1);
                    }
                    tracing::debug!(event = %event, "bus connection");
                }
            });
        if let Some(token) = &connection.token {
            options = options.token(token.clone());
        }
        let unreachable = |source| ConnectError::Unreachable {
            url: connection.url.clone(),
            source,
        };
        let deadline = tokio::time::Instant::now() + CONNECT_TIMEOUT;
        let client = loop {
            match options.clone().connect(&connection.url).await {
                Ok(client) => break client,
                Err(source) if tokio::time::Instant::now() >= deadline => return Err(unreachable(source)),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let version = client.server_info().version;
        if !new_enough(&version) {
            return Err(ConnectError::TooOld {
                url: connection.url.clone(),
                version,
            });
        }
        let mut js = jetstream::new(client.clone());
        js.set_timeout(REQUEST_TIMEOUT);
        let worker = format!("{name}-{}", uuid::Uuid::now_v7().simple());
        Ok(Bus {
            client,
            js,
            connections,
            worker: worker.into(),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
            crash_points: CrashPoints::none(),
        })
    }

    /// The same connection, with these crash points.
    pub fn dying_at(self, crash_points: CrashPoints) -> Bus {
        Bus { crash_points, ..self }
    }

    /// The name of this process on the bus, unique among all processes.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Creates the streams and buckets that must exist on the server. Every process can call this at every start.
    ///
    /// # Errors
    /// When the server refuses, for instance because it runs without JetStream.
    pub async fn prepare(&self, replicas: usize) -> Result<(), BusError> {
        for mut config in streams() {
            config.num_replicas = replicas;
            let name = config.name.clone();
            self.js
                .create_or_update_stream(config)
                .await
                .map_err(|error| BusError::Refused {
                    doing: "to make a stream",
                    message: format!("{name}: {error}; does nats-server run with JetStream?"),
                })?;
        }
        Ok(())
    }
}

fn new_enough(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u64>().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) >= SERVER_MIN
}

/// Names of the buckets, as the NATS tools show them.
pub(crate) const BUCKETS: [&str; 5] = ["roster", "observed", "links", "schema", "leases"];

fn streams() -> Vec<Config> {
    let mut all: Vec<Config> = BUCKETS.iter().map(|name| bucket(name)).collect();
    all.push(Config {
        allow_atomic_publish: true,
        duplicate_window: 2 * HOUR,
        max_age: 7 * 24 * HOUR,
        ..log("feed", "rollcall.feed.v1.>")
    });
    all.push(Config {
        max_age: 90 * 24 * HOUR,
        ..log("journal", "rollcall.journal.v1.>")
    });
    // The governor bounds the ledger: it writes again what must be kept, then removes entries that are older than any window. A
    // maximum age must not be set: the next append expects the sequence of the last entry, so that entry must stay.
    all.push(log("ledger", crate::ledger::SUBJECT));
    all.push(Config {
        max_age: 30 * 24 * HOUR,
        ..log("dead", "rollcall.dead.v1.>")
    });
    all.push(Config {
        max_messages_per_subject: 1,
        ..log(crate::snapshot::STREAM, "rollcall.snapshot.v1.>")
    });
    all
}

fn bucket(name: &str) -> Config {
    Config {
        name: format!("KV_{name}"),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        storage: StorageType::File,
        ..Config::default()
    }
}

fn log(name: &str, subjects: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        allow_direct: true,
        ..Config::default()
    }
}
