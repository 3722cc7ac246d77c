//! The roster as a load sees it: what is there already, and what has arrived.

use std::time::Duration;

use bus::EventBody;
use intake::file::{Absences, CompleteRead};
use provisioning::SourceId;
use roster::{Directory, Roster};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ask::Desk;

/// After so long without one more arriving, what is missing does not come. There is no bound on the whole: a large file may
/// take half an hour, and is not lost for that.
const QUIET: Duration = Duration::from_secs(10);

/// How often the roster is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The roster, for one source.
pub(super) struct Taken {
    roster: Roster,
    source: SourceId,
    _stop: DropGuard,
}

impl Taken {
    pub(super) async fn follow(desk: &Desk, source: &SourceId) -> Taken {
        let stop = CancellationToken::new();
        let roster = Roster::follow(&desk.bus, &desk.org, stop.clone());
        roster.ready().await;
        Taken {
            roster,
            source: source.clone(),
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn absences(&self, proof: &CompleteRead) -> Absences {
        self.roster
            .read(|directory| proof.absences(directory.people().map(|person| &person.value), &self.source))
    }

    /// False of the deletion of a group that is not there: its event would wait for the group for ever.
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

    /// Waits until the roster knows all of this. Says what is still missing when nothing more comes.
    pub(super) async fn wait(&self, bodies: &[EventBody]) -> Vec<String> {
        let missing = || -> Vec<String> {
            self.roster.read(|directory| {
                let left = bodies.iter().filter(|body| !self.arrived(directory, body));
                left.map(named).collect()
            })
        };
        let (mut left, mut moved) = (missing(), Instant::now());
        while !left.is_empty() && moved.elapsed() < QUIET {
            tokio::time::sleep(LOOK).await;
            let now = missing();
            if now.len() != left.len() {
                moved = Instant::now();
            }
            left = now;
        }
        left
    }

    /// Whether the roster says what this does, as far as it can be told from outside.
    fn arrived(&self, directory: &Directory, body: &EventBody) -> bool {
        let person = |text: &String| {
            let known_as = directory.person_known_as(&self.source, text);
            known_as.or_else(|| directory.person_named(text))
        };
        match body {
            EventBody::PersonUpserted { user_name, .. } => directory
                .person_named(user_name)
                .is_some_and(|person| person.value.sources.contains_key(&self.source)),
            EventBody::PersonDeleted { person: text } | EventBody::PersonLeft { person: text } => {
                person(text).is_none_or(|person| !person.value.wanted_active())
            }
            EventBody::GroupUpserted { name, .. } => directory
                .group_named(name)
                .is_some_and(|group| group.value.sources.contains_key(&self.source)),
            EventBody::GroupDeleted { group } => directory.group_named(group).is_none(),
            // A roster file gives people their groups, and no memberships of their own.
            EventBody::MembershipChanged { .. } => true,
        }
    }
}

fn named(body: &EventBody) -> String {
    match body {
        EventBody::PersonUpserted { user_name, .. } => user_name.clone(),
        EventBody::PersonDeleted { person }
        | EventBody::PersonLeft { person }
        | EventBody::MembershipChanged { person, .. } => person.clone(),
        EventBody::GroupUpserted { name, .. } => format!("group {name}"),
        EventBody::GroupDeleted { group } => format!("group {group}"),
    }
}
