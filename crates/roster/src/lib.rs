//! The roster of one org, for those who write it: SCIM gateway, intake and commands.
//!
//! Reads come from memory, which a watch keeps. A write is a *change*: a function from what is known to what is to be, or to
//! a refusal. It is decided in memory and stored by compare-and-set on every revision it was decided from, and decided anew
//! when somebody else wrote first; see [`Roster::change`]. So no writer lays a copy over newer state, whoever writes at the
//! same time through however many processes, and whatever any clock says.

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

/// Takes what a watch tells into memory.
fn apply(directory: &mut Directory, event: WatchEvent<RosterKey, RosterValue>, synced: &watch::Sender<bool>) {
    match event {
        WatchEvent::Put(key, stored) => {
            // A watch tells everything in order, so all that is older is known.
            directory.note(&key, stored.revision);
            directory.put(stored.value, stored.revision);
        }
        WatchEvent::Removed(RosterKey::Person(_, name, id)) => directory.drop_person(&name, &id),
        WatchEvent::Removed(RosterKey::Question(_, id)) => directory.drop_question(&id),
        // Groups and memberships are never removed, only written down as deleted.
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

/// Callers of [`Roster::catch_up`] who come while one asks the bus share the next answer.
#[derive(Debug, Default)]
struct Barrier {
    asking: tokio::sync::Mutex<u64>,
    begun: std::sync::atomic::AtomicU64,
}

impl Roster {
    /// Starts to follow the roster; [`Roster::ready`] says when it is known. A process with several orgs uses [`Rosters`].
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
                // Nobody reads in between: a set is seen whole or not at all.
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

    /// Waits until everything that was in the roster is known here.
    pub async fn ready(&self) {
        // The sender lives as long as the follower; without it nothing changes any more.
        let _ = self.synced.clone().wait_for(|synced| *synced).await;
    }

    pub fn is_ready(&self) -> bool {
        *self.synced.borrow()
    }

    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Looks at the roster as it is known here.
    pub fn read<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until everything is known here that was stored when this was called, by whatever process. A read after it is
    /// as good as a read from the bus. Callers share questions, so many at once cost little.
    ///
    /// # Errors
    /// When the bus does not answer in time.
    pub async fn catch_up(&self) -> Result<(), BusError> {
        use std::sync::atomic::Ordering;
        // Any question that begins after this point answers for this caller too.
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
