//! The roster of one org, for those who write it: SCIM gateway and intake.
//!
//! Reads come from memory, which a watch keeps; a write is guarded by what memory believes, so a belief that is out of
//! date costs a second try and never a wrong write. A person goes in with its names in one atomic batch, so that two
//! people can never have one user name, whoever writes at the same time.

mod directory;
mod write;

pub use directory::{Directory, Entry, OtherNames, ReadOtherNames};
pub use write::{Applied, GroupDraft, MemberWord, PersonDraft, RosterError};

use std::sync::{Arc, PoisonError, RwLock};

use bus::{Bus, RosterBucket, RosterValue, WatchEvent};
use provisioning::OrgId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The roster of one org. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roster {
    org: OrgId,
    bucket: RosterBucket,
    directory: Arc<RwLock<Directory>>,
    synced: watch::Receiver<bool>,
}

impl Roster {
    /// Starts to follow the roster; [`Roster::ready`] says when it is known.
    pub fn follow(bus: &Bus, org: &OrgId, stop: CancellationToken) -> Roster {
        Roster::keeping(Directory::default(), bus, org, stop)
    }

    /// The same for those who look people up by e-mail address and display name too.
    pub fn follow_other_names(
        read: ReadOtherNames,
        bus: &Bus,
        org: &OrgId,
        stop: CancellationToken,
    ) -> Roster {
        Roster::keeping(Directory::reading(read), bus, org, stop)
    }

    fn keeping(directory: Directory, bus: &Bus, org: &OrgId, stop: CancellationToken) -> Roster {
        let (sender, synced) = watch::channel(false);
        let directory = Arc::new(RwLock::new(directory));
        let bucket = bus.roster();
        let mut events = bucket.watch(org);
        let shared = directory.clone();
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                let mut directory = shared.write().unwrap_or_else(PoisonError::into_inner);
                match event {
                    WatchEvent::Put(_, stored) => match stored.value {
                        RosterValue::Person(person) => directory.put_person(person, stored.revision),
                        RosterValue::Group(group) => directory.put_group(group, stored.revision),
                        RosterValue::Membership(membership) => {
                            directory.put_membership(membership, stored.revision)
                        }
                        // Who has a name is known from the people themselves.
                        RosterValue::Index(_) => {}
                    },
                    WatchEvent::Removed(_) => {}
                    WatchEvent::Reset => directory.clear(),
                    WatchEvent::Synced => {
                        let _ = sender.send(true);
                    }
                }
            }
        });
        Roster {
            org: org.clone(),
            bucket,
            directory,
            synced,
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

    fn change(&self, change: impl FnOnce(&mut Directory)) {
        change(&mut self.directory.write().unwrap_or_else(PoisonError::into_inner));
    }
}
