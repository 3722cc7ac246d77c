//! Start, soft stop, hard stop.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long running work may take to finish after the first signal.
pub const DRAIN: Duration = Duration::from_secs(15);

/// A token that is cancelled at the first SIGTERM or SIGINT. The second one ends the process at once.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: work under way comes to its end, a second signal stops at once");
        stopping.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(stop)
}

/// Runs `work` until it ends by itself, or for at most [`DRAIN`] after `stop` was cancelled; then it returns `None`.
pub async fn run_and_drain<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = late => None,
    }
}

/// The process cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} ({setting}); is another program on that port? Choose another address there"
)]
pub struct ListenError {
    pub address: String,
    pub setting: &'static str,
    #[source]
    pub source: std::io::Error,
}

/// Opens a listening socket. `setting` names the setting to change if that fails.
///
/// # Errors
/// [`ListenError`] with the address and the setting.
pub async fn listen(address: &str, setting: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError {
        address: address.to_owned(),
        setting,
        source,
    })
}

/// Serves `router` until `stop`, then finishes open requests.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}
