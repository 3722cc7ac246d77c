//! Leases: one holder at a time, as far as clocks allow.
//!
//! A lease decides which process *tries*. Compare-and-set guards what must never happen twice.
//!
//! The holder counts from before it sent its write, the server from when the write arrived. So the holder gives up first.

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost::{Message as _, Name as _};
use proto::v1::LeaseHolder;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::bucket::is_removal;
use crate::connection::Bus;
use crate::error::{BusError, WriteError};
use crate::publish::headers;

const BUCKET: &str = "leases";

/// A lease that this process holds. A task renews it until it is dropped.
#[derive(Debug)]
pub struct Lease {
    bus: Bus,
    subject: String,
    /// Revision of the write that took it: larger for every later holder.
    epoch: u64,
    held: Arc<Held>,
    renewal: JoinHandle<()>,
}

#[derive(Debug)]
struct Held {
    revision: AtomicU64,
    until: std::sync::Mutex<Instant>,
    gone: AtomicBool,
    lost: Notify,
}

impl Held {
    fn extend(&self, until: Instant) {
        *self
            .until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = until;
    }

    fn until(&self) -> Instant {
        *self
            .until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lose(&self) {
        self.gone.store(true, Ordering::Release);
        self.lost.notify_waiters();
    }
}

impl Bus {
    /// Takes the lease if it is free. `ttl` is in whole seconds, at least one.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn try_lease(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, BusError> {
        let subject = format!("$KV.{BUCKET}.{name}");
        let revision = match self.last(BUCKET, &subject).await? {
            Some(message) if is_removal(&message.headers) => message.sequence,
            Some(_) => return Ok(None),
            None => 0,
        };
        let asked = Instant::now();
        match self.put_lease(&subject, revision, ttl).await {
            Ok(epoch) => Ok(Some(self.hold(subject, epoch, asked, ttl))),
            Err(WriteError::Conflict { .. } | WriteError::Unknown { .. }) => Ok(None),
            Err(error) => Err(BusError::Refused {
                doing: "to give a lease",
                message: error.to_string(),
            }),
        }
    }

    /// Waits until the lease is free and takes it.
    pub async fn lease(&self, name: &str, ttl: Duration) -> Lease {
        loop {
            match self.try_lease(name, ttl).await {
                Ok(Some(lease)) => return lease,
                Ok(None) => {}
                Err(error) => tracing::warn!(lease.name = name, %error, "cannot ask for a lease"),
            }
            tokio::time::sleep((ttl / 10).min(Duration::from_millis(500))).await;
        }
    }

    /// The worker that holds the lease now.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn lease_holder(&self, name: &str) -> Result<Option<String>, BusError> {
        let message = self.last(BUCKET, &format!("$KV.{BUCKET}.{name}")).await?;
        Ok(message
            .filter(|message| !is_removal(&message.headers))
            .and_then(|message| {
                LeaseHolder::decode(message.payload.as_ref())
                    .ok()
                    .map(|holder| holder.holder)
            }))
    }

    async fn put_lease(&self, subject: &str, revision: u64, ttl: Duration) -> Result<u64, WriteError> {
        let mut headers = headers(&LeaseHolder::full_name());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
        headers.insert(NATS_MESSAGE_TTL, format!("{}s", ttl.as_secs().max(1)).as_str());
        let holder = LeaseHolder {
            holder: self.worker().to_owned(),
        };
        Ok(self
            .publish(subject, headers, Bytes::from(holder.encode_to_vec()))
            .await?
            .sequence)
    }

    fn hold(&self, subject: String, epoch: u64, asked: Instant, ttl: Duration) -> Lease {
        let held = Arc::new(Held {
            revision: AtomicU64::new(epoch),
            until: std::sync::Mutex::new(asked + ttl),
            gone: AtomicBool::new(false),
            lost: Notify::new(),
        });
        let renewal = tokio::spawn(renew(self.clone(), subject.clone(), held.clone(), ttl));
        Lease {
            bus: self.clone(),
            subject,
            epoch,
            held,
            renewal,
        }
    }
}

async fn renew(bus: Bus, subject: String, held: Arc<Held>, ttl: Duration) {
    loop {
        tokio::time::sleep(ttl / 3).await;
        let asked = Instant::now();
        match bus
            .put_lease(&subject, held.revision.load(Ordering::Acquire), ttl)
            .await
        {
            Ok(revision) => {
                held.revision.store(revision, Ordering::Release);
                held.extend(asked + ttl);
            }
            Err(WriteError::Conflict { .. }) => break,
            Err(error) => tracing::warn!(%subject, %error, "a lease could not be renewed, trying again"),
        }
        if Instant::now() >= held.until() {
            break;
        }
    }
    held.lose();
}

impl Lease {
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True if it is certain that no other process holds the lease.
    pub fn is_held(&self) -> bool {
        !self.held.gone.load(Ordering::Acquire) && Instant::now() < self.held.until()
    }

    /// Returns when the lease is not held any more.
    pub async fn lost(&self) {
        loop {
            let notified = self.held.lost.notified();
            if !self.is_held() {
                return;
            }
            tokio::select! {
                () = notified => {}
                () = tokio::time::sleep_until(self.held.until()) => {}
            }
        }
    }

    /// Releases the lease, so that the next holder does not wait until it expires.
    pub async fn release(&self) {
        self.renewal.abort();
        self.held.lose();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(crate::bucket::OPERATION, "DEL");
        headers.insert(
            NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
            self.held.revision.load(Ordering::Acquire).to_string().as_str(),
        );
        if let Err(error) = self.bus.publish(&self.subject, headers, Bytes::new()).await {
            tracing::debug!(subject = %self.subject, %error, "a lease was not given back, it runs out by itself");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
