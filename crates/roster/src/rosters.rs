//! The rosters of one process. Each is followed once, however many services use it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bus::Bus;
use provisioning::OrgId;
use tokio_util::sync::CancellationToken;

use crate::neighbours::Neighbours;
use crate::{Directory, ReadOtherNames, Roster};

/// Provides the roster of each org. All services of a process share these rosters, with their memory and their group commit. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Rosters {
    bus: Bus,
    read: Option<ReadOtherNames>,
    stop: CancellationToken,
    neighbours: Arc<Neighbours>,
    followed: Arc<Mutex<BTreeMap<OrgId, Roster>>>,
}

impl Rosters {
    /// Creates rosters that find people by user name and external id. They are followed until `stop`.
    pub fn new(bus: &Bus, stop: &CancellationToken) -> Rosters {
        Rosters {
            bus: bus.clone(),
            read: None,
            stop: stop.clone(),
            neighbours: Arc::default(),
            followed: Arc::default(),
        }
    }

    /// Creates rosters that find people by e-mail address and display name too.
    pub fn reading(read: ReadOtherNames, bus: &Bus, stop: &CancellationToken) -> Rosters {
        Rosters {
            read: Some(read),
            ..Rosters::new(bus, stop)
        }
    }

    /// Returns the roster of this org. The first call starts to follow it.
    pub fn of(&self, org: &OrgId) -> Roster {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roster) = followed.get(org) {
            return roster.clone();
        }
        let directory = self.read.map_or_else(Directory::default, Directory::reading);
        let neighbours = self.neighbours.clone();
        let roster = Roster::keeping(directory, neighbours, &self.bus, org, self.stop.clone());
        followed.insert(org.clone(), roster.clone());
        roster
    }
}
