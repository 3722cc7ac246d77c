//! The roster of one org, for the services that write it: SCIM gateway, intake and commands.
//!
//! Reads use a copy in memory that a watch keeps up to date. A write is a *change*: a function that reads the current roster and returns
//! the writes or a refusal. It is decided from memory and stored by compare-and-set on every revision that it was decided from. If another
//! writer was first, it is decided again; see [`Roster::change`]. So no writer overwrites newer state, however many processes write at the
//! same time, and clocks do not matter.

mod change;
mod commit;
mod directory;
mod draft;
mod locks;
mod neighbours;
mod origin;
mod questions;
mod rosters;

pub use change::{Applied, Change, ChangeError, RosterError};
pub use directory::{Directory, Entry, OtherNames, ReadOtherNames};
pub use draft::{GroupChanged, GroupDraft, PersonDraft, PersonTarget};
pub use origin::{Order, Origin};
pub use rosters::Rosters;

use std::sync::{Arc, PoisonError, RwLock};

use bus::{Bus, BusError, Position, RosterBucket, RosterKey, RosterValue, WatchEvent};
use provisioning::OrgId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use commit::Committer;
use locks::Locks;
use neighbours::Neighbours;

/// The roster of one org. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roster {
    org: OrgId,
    bus: Bus,
    bucket: RosterBucket,
    directory: Arc<RwLock<Directory>>,
    synced: watch::Receiver<bool>,
    position: Arc<Position>,
    barrier: Arc<Barrier>,
    committer: Committer,
    locks: Locks,
}

/// Applies an event of the watch to memory.
fn apply(directory: &mut Directory, event: WatchEvent<RosterKey, RosterValue>, synced: &watch::Sender<bool>) {
    match event {
        WatchEvent::Put(key, stored) => {
            // A watch delivers in order, so everything older is known.
            directory.note(&key, stored.revision);
            directory.put(stored.value, stored.revision);
        }
        WatchEvent::Removed(RosterKey::Person(_, name, id)) => directory.drop_person(&name, &id),
        WatchEvent::Removed(RosterKey::Question(_, id)) => directory.drop_question(&id),
        // Groups and memberships are never removed, only marked as deleted or not present.
        WatchEvent::Removed(RosterKey::Group(..) | RosterKey::Membership(..) | RosterKey::GroupName(..)) => {}
        WatchEvent::Reset => {
            directory.clear();
            let _ = synced.send(false);
        }
        WatchEvent::Synced => {
            let _ = synced.send(true);
        }
    }
}

/// Lets concurrent callers of [`Roster::catch_up`] share one request to the bus.
#[derive(Debug, Default)]
struct Barrier {
    asking: tokio::sync::Mutex<u64>,
    begun: std::sync::atomic::AtomicU64,
}

impl Roster {
    /// Starts to follow the roster. [`Roster::ready`] waits until it is loaded. A process with several orgs uses [`Rosters`].
    pub fn follow(bus: &Bus, org: &OrgId, stop: CancellationToken) -> Roster {
        Roster::keeping(Directory::default(), Arc::default(), bus, org, stop)
    }

    fn keeping(
        directory: Directory,
        neighbours: Arc<Neighbours>,
        bus: &Bus,
        org: &OrgId,
        stop: CancellationToken,
    ) -> Roster {
        let (sender, synced) = watch::channel(false);
        let directory = Arc::new(RwLock::new(directory));
        let bucket = bus.roster();
        let mut events = bucket.watch(org);
        let position = events.position();
        let shared = directory.clone();
        let committer = Committer::start(org, bucket.clone(), neighbours, stop.clone());
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                // Readers are locked out meanwhile, so they see either all of a change set or nothing of it.
                let mut directory = shared.write().unwrap_or_else(PoisonError::into_inner);
                let mut next = Some(event);
                while let Some(event) = next {
                    apply(&mut directory, event, &sender);
                    next = events.next_now();
                }
            }
        });
        Roster {
            org: org.clone(),
            bus: bus.clone(),
            bucket,
            directory,
            synced,
            position,
            barrier: Arc::default(),
            committer,
            locks: Locks::default(),
        }
    }

    /// Waits until the whole roster is loaded.
    pub async fn ready(&self) {
        // The sender lives as long as the watch task. When it is gone, nothing changes any more.
        let _ = self.synced.clone().wait_for(|synced| *synced).await;
    }

    pub fn is_ready(&self) -> bool {
        *self.synced.borrow()
    }

    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Runs `look` on the roster in memory, under its read lock.
    pub fn read<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until memory contains everything that any process stored before this call. A read after it is as good as a read from the bus.
    /// Concurrent callers share requests to the bus, so many calls at once cost little.
    ///
    /// # Errors
    /// If the bus does not answer in time.
    pub async fn catch_up(&self) -> Result<(), BusError> {
        use std::sync::atomic::Ordering;
        // A request to the bus that begins after this point is enough for this caller too.
        let seen = self.barrier.begun.load(Ordering::SeqCst);
        let mut answered = self.barrier.asking.lock().await;
        if *answered > seen {
            return Ok(());
        }
        let mine = self.barrier.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.position.catch_up(&self.bus, "roster").await?;
        *answered = mine;
        Ok(())
    }

    fn learn(&self, learn: impl FnOnce(&mut Directory)) {
        learn(&mut self.directory.write().unwrap_or_else(PoisonError::into_inner));
    }
}
