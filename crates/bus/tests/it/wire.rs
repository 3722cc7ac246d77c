//! A proxy between a bus and its nats-server. A test chooses where the connection breaks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use bus::{Bus, NatsConnection};

use crate::Harness;

/// The place where the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Before these bytes of the client: they never arrive.
    Sending(&'static str),
    /// After these bytes of the client: they arrive, and the acknowledgement gets lost.
    Answering(&'static str),
    /// Before these bytes of the server.
    Telling(&'static str),
}

/// The proxy between a bus and its server.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    connection: NatsConnection,
    plan: Arc<Mutex<Option<Break>>>,
    open: Arc<AtomicBool>,
    broken: watch::Receiver<usize>,
}

impl Wire {
    /// Starts a proxy to the server of a harness.
    pub(crate) async fn before(harness: &Harness) -> Wire {
        let server = harness.server.connection();
        let port: u16 = server
            .url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = NatsConnection {
            url: format!("nats://{}", listener.local_addr().unwrap()),
            token: server.token.clone(),
        };
        let (plan, open) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(true)));
        let (count, broken) = watch::channel(0);
        let count = Arc::new(count);
        let wire = Wire {
            connection,
            plan: plan.clone(),
            open: open.clone(),
            broken,
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if open.load(Ordering::SeqCst)
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await
                {
                    tokio::spawn(join(client, server, plan.clone(), count.clone()));
                }
            }
        });
        wire
    }

    /// A bus that is connected through this proxy.
    pub(crate) async fn bus(&self) -> Bus {
        Bus::connect(&self.connection, "behind-a-wire").await.unwrap()
    }

    /// Breaks the connection once, the next time that this place is reached.
    pub(crate) fn break_at(&self, place: Break) {
        *self.plan.lock().unwrap() = Some(place);
    }

    /// Sets whether new connections are let through.
    pub(crate) fn lets_through(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
    }

    /// Waits until the connection has broken.
    pub(crate) async fn broken(&self) {
        let mut broken = self.broken.clone();
        let waited = tokio::time::timeout(Duration::from_secs(20), broken.wait_for(|count| *count > 0)).await;
        waited.expect("the wire has not broken").unwrap();
    }
}

/// Offset of these bytes in the received data, if they are there. `before` is the end of the earlier data.
fn find(before: &[u8], chunk: &[u8], words: &str) -> Option<usize> {
    let all = [before, chunk].concat();
    let at = all
        .windows(words.len())
        .position(|window| window == words.as_bytes())?;
    Some(at.saturating_sub(before.len()))
}

fn end_of(chunk: &[u8]) -> Vec<u8> {
    chunk[chunk.len().saturating_sub(64)..].to_vec()
}

async fn join(
    client: TcpStream,
    server: TcpStream,
    plan: Arc<Mutex<Option<Break>>>,
    count: Arc<watch::Sender<usize>>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let deaf = AtomicBool::new(false);
    let up = async {
        let (mut buffer, mut before) = (vec![0; 256 * 1024], Vec::new());
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return std::io::Result::Ok(false);
            }
            let (chunk, now) = (&buffer[..read], *plan.lock().unwrap());
            match now {
                Some(Break::Sending(words)) => {
                    if let Some(at) = find(&before, chunk, words) {
                        *plan.lock().unwrap() = None;
                        to_server.write_all(&chunk[..at]).await?;
                        return Ok(true);
                    }
                }
                Some(Break::Answering(words)) if find(&before, chunk, words).is_some() => {
                    *plan.lock().unwrap() = None;
                    deaf.store(true, Ordering::SeqCst);
                }
                Some(Break::Answering(_) | Break::Telling(_)) | None => {}
            }
            before = end_of(chunk);
            to_server.write_all(chunk).await?;
        }
    };
    let down = async {
        let (mut buffer, mut before) = (vec![0; 256 * 1024], Vec::new());
        loop {
            let read = from_server.read(&mut buffer).await?;
            if read == 0 {
                return std::io::Result::Ok(false);
            }
            let (chunk, now) = (&buffer[..read], *plan.lock().unwrap());
            if deaf.load(Ordering::SeqCst) {
                if find(&before, chunk, r#""seq":"#).is_some() {
                    return Ok(true);
                }
                before = end_of(chunk);
                continue;
            }
            if let Some(Break::Telling(words)) = now
                && let Some(at) = find(&before, chunk, words)
            {
                *plan.lock().unwrap() = None;
                to_client.write_all(&chunk[..at]).await?;
                return Ok(true);
            }
            before = end_of(chunk);
            to_client.write_all(chunk).await?;
        }
    };
    let broke = tokio::select! {
        broke = up => broke,
        broke = down => broke,
    };
    if matches!(broke, Ok(true)) {
        // All data before the break arrives; nothing comes after it.
        let _ = to_client.shutdown().await;
        let mut rest = vec![0; 64 * 1024];
        let drained = async { while matches!(from_client.read(&mut rest).await, Ok(read) if read > 0) {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
        count.send_modify(|count| *count += 1);
    }
}
