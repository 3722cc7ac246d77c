//! A wire that is slow in one direction: what the nats-server says arrives late, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Stands between a service and its server.
#[derive(Clone, Debug)]
pub(crate) struct Lag {
    pub(crate) port: u16,
    ms: Arc<AtomicU64>,
}

impl Lag {
    /// Listens for those who want to speak to the server on this port.
    pub(crate) async fn before(server: u16) -> Lag {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ms = Arc::new(AtomicU64::new(0));
        let late = ms.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                    tokio::spawn(join(client, server, late.clone()));
                }
            }
        });
        Lag { port, ms }
    }

    /// How late everything arrives from now on.
    pub(crate) fn set(&self, delay: Duration) {
        self.ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

async fn join(client: TcpStream, server: TcpStream, late: Arc<AtomicU64>) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server)
            .await
            .map(|_| ())
    };
    let hold = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            let due = Instant::now() + Duration::from_millis(late.load(Ordering::Relaxed));
            if read == 0 || sender.send((due, buffer[..read].to_vec())).is_err() {
                return std::io::Result::Ok(());
            }
        }
    };
    let down = async {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            to_client.write_all(&bytes).await?;
        }
        std::io::Result::Ok(())
    };
    // Whichever side ends, both are closed.
    tokio::select! {
        _ = up => {}
        _ = hold => {}
        _ = down => {}
    }
}
