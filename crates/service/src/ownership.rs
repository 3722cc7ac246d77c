//! Ownership of an org: replicas of a service share the orgs, and each org has one owner at a time, by lease.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Lease};
use tokio_util::sync::CancellationToken;

/// Waits for the lease of this name and runs the work while the lease is held. Repeats until stopped.
///
/// The token ends when the work returns, and when the service stops. Work that must not go on without the lease watches
/// [`Lease::lost`] itself, or runs in [`until_lost`].
pub async fn while_owner<F: Future<Output = ()>>(
    bus: &Bus,
    name: &str,
    lease_time: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut(Arc<Lease>, CancellationToken) -> F,
) {
    while !stop.is_cancelled() {
        let lease = tokio::select! {
            () = stop.cancelled() => return,
            lease = bus.lease(name, lease_time) => Arc::new(lease),
        };
        let over = stop.child_token();
        let ends = over.clone().drop_guard();
        work(lease.clone(), over).await;
        drop(ends);
        lease.release().await;
    }
}

/// Runs the work until it returns, the lease is lost, or the token ends.
pub async fn until_lost(lease: Arc<Lease>, over: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = lease.lost() => {}
        () = over.cancelled() => {}
        () = work => {}
    }
}
