use std::time::Duration;

use bus::Bus;

use crate::harness;

const TTL: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_and_goes_on_when_given_back() {
    let harness = harness().await;
    let other = Bus::connect(harness.server.connection(), "other").await.unwrap();
    let first = harness.bus.try_lease("org", TTL).await.unwrap().unwrap();
    assert!(other.try_lease("org", TTL).await.unwrap().is_none());
    assert_eq!(
        other.lease_holder("org").await.unwrap().as_deref(),
        Some(harness.bus.worker())
    );
    first.release().await;
    assert!(!first.is_held());
    let second = other.try_lease("org", TTL).await.unwrap().unwrap();
    assert!(second.epoch() > first.epoch());
    harness.server.stop().await;
}

/// The call of the client library loses the time to live of a key that was deleted before. Such a lease never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_runs_out_also_the_second_and_third_time() {
    let harness = harness().await;
    let other = Bus::connect(harness.server.connection(), "other").await.unwrap();
    for round in 0..3 {
        let lease = harness.bus.lease("org", TTL).await;
        // A holder that dies does not renew its lease.
        drop(lease);
        let next = tokio::time::timeout(Duration::from_secs(5), other.lease("org", TTL)).await;
        let next = next.unwrap_or_else(|_| panic!("the lease of round {round} never ran out"));
        next.release().await;
    }
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_cannot_renew_knows_it_before_anybody_else_can_hold_it() {
    let harness = harness().await;
    let lease = harness.bus.lease("org", TTL).await;
    assert!(lease.is_held());
    harness.server.stop().await;
    tokio::time::timeout(Duration::from_secs(5), lease.lost())
        .await
        .expect("the loss was not noticed");
    assert!(!lease.is_held());
}
