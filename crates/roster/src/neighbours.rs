//! Records which orgs of a process are writing to the roster now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use provisioning::OrgId;
use tokio::time::Instant;

/// Time after its last write when an org no longer counts as writing.
const LATELY: Duration = Duration::from_secs(1);

/// The org that wrote last, and the most recent other org.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Mutex<[Option<(OrgId, Instant)>; 2]>);

impl Neighbours {
    pub(crate) fn wrote(&self, org: &OrgId, now: Instant) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let [Some((newest, at)), _] = &mut *last
            && newest == org
        {
            *at = now;
            return;
        }
        last.swap(0, 1);
        last[0] = Some((org.clone(), now));
    }

    /// True if another org has written in the last second.
    pub(crate) fn others_write(&self, org: &OrgId, now: Instant) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = last.iter().flatten().filter(|(other, _)| other != org);
        others.any(|(_, at)| now.saturating_duration_since(*at) < LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_is_alone_until_another_writes_and_a_second_after_it() {
        let (one, two) = (OrgId::parse("one").unwrap(), OrgId::parse("two").unwrap());
        let (neighbours, start) = (Neighbours::default(), Instant::now());
        neighbours.wrote(&one, start);
        assert!(!neighbours.others_write(&one, start) && neighbours.others_write(&two, start));
        neighbours.wrote(&two, start);
        neighbours.wrote(&one, start + LATELY / 2);
        assert!(neighbours.others_write(&one, start + LATELY / 2));
        assert!(neighbours.others_write(&two, start + LATELY));
        assert!(!neighbours.others_write(&one, start + LATELY));
    }
}
