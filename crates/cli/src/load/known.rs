//! Roster before a load. It shows which people of the source are absent from the file.

use bus::EventBody;
use intake::file::{Absences, CompleteRead};
use provisioning::SourceId;
use roster::Roster;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::session::CliSession;

/// Roster, for one source.
pub(super) struct Known {
    roster: Roster,
    source: SourceId,
    _stop: DropGuard,
}

impl Known {
    pub(super) async fn read(session: &CliSession, source: &SourceId) -> Known {
        let stop = CancellationToken::new();
        let roster = Roster::follow(&session.bus, &session.org, stop.clone());
        roster.ready().await;
        Known {
            roster,
            source: source.clone(),
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn absences(&self, proof: &CompleteRead) -> Absences {
        self.roster
            .read(|directory| proof.absences(directory.people().map(|person| &person.value), &self.source))
    }

    /// False for the deletion of an unknown group: its event would wait for that group forever.
    pub(super) fn says_something(&self, body: &EventBody) -> bool {
        match body {
            EventBody::GroupDeleted { group } => self.roster.read(|directory| {
                directory.group_known_as(&self.source, group).is_some()
                    || directory.group_named(group).is_some()
            }),
            EventBody::PersonUpserted { .. }
            | EventBody::PersonDeleted { .. }
            | EventBody::PersonLeft { .. }
            | EventBody::GroupUpserted { .. }
            | EventBody::MembershipChanged { .. } => true,
        }
    }
}
