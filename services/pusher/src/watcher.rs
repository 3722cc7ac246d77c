//! Reads the three buckets of an org for the controller: first all values, then each change.
//!
//! One task per bucket reads the buckets in parallel. Values go into the state in the order in which they arrive. The order makes no
//! difference, because planning starts only after all three buckets are loaded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bus::{
    Bus, Key as _, LinksKey, LinksValue, NameToken, ObservedKey, ObservedValue, RosterKey, RosterValue,
    SnapshotPolicy, Watch, WatchEvent,
};
use provisioning::{BulkJob, NormalName, OperationId, OrgId, OrgState, Run, Subject};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Most batches of events that wait for the controller. A full channel slows the watch; nothing is lost.
const BATCHES: usize = 16;

/// Number of buckets that must be fully loaded before anything is planned.
const BUCKETS: usize = 3;

/// One change in one of the buckets.
#[derive(Debug)]
pub(crate) enum StateEvent {
    Roster(WatchEvent<RosterKey, RosterValue>),
    Observed(WatchEvent<ObservedKey, ObservedValue>),
    Links(WatchEvent<LinksKey, LinksValue>),
}

/// The state that the controller starts from.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) state: OrgState,
    pub(crate) jobs: BTreeMap<OperationId, BulkJob>,
    pub(crate) traces: HashMap<Subject, String>,
    pub(crate) runs: Vec<Run>,
}

/// Loads everything about the org and keeps watching for changes. Returns `None` if the watches end before everything is loaded.
pub(crate) async fn fetch(
    bus: &Bus,
    org: &OrgId,
    over: CancellationToken,
) -> Option<(Snapshot, mpsc::Receiver<Vec<StateEvent>>)> {
    let (sender, mut events) = mpsc::channel(BATCHES);
    let mut snapshot = Snapshot {
        state: OrgState::filling(),
        jobs: BTreeMap::new(),
        traces: HashMap::new(),
        runs: Vec::new(),
    };
    let terms = SnapshotPolicy::default();
    let links = bus.links().watch(org).with_snapshots(terms);
    let observed = bus.observed().watch(org).with_snapshots(terms);
    let roster = bus.roster().watch_kinds(org, &RosterKey::DESIRED);
    follow(links, StateEvent::Links, sender.clone(), over.clone());
    follow(observed, StateEvent::Observed, sender.clone(), over.clone());
    follow(roster.with_snapshots(terms), StateEvent::Roster, sender, over);
    let mut synced = BTreeSet::new();
    while synced.len() < BUCKETS {
        for event in events.recv().await? {
            synced.extend(event.synced());
            if let Some((subject, trace)) = event.trace() {
                snapshot.traces.insert(subject, trace);
            }
            snapshot.runs.extend(event.run().cloned());
            event.apply(&mut snapshot.state, &mut snapshot.jobs);
        }
    }
    snapshot.state.filled();
    Some((snapshot, events))
}

fn follow<K: bus::Key, V: bus::Record>(
    mut watch: Watch<K, V>,
    wrap: fn(WatchEvent<K, V>) -> StateEvent,
    sender: mpsc::Sender<Vec<StateEvent>>,
    over: CancellationToken,
) {
    tokio::spawn(async move {
        loop {
            let first = tokio::select! {
                () = over.cancelled() => return,
                event = watch.next() => event,
            };
            let mut batch = vec![wrap(first)];
            batch.extend(std::iter::from_fn(|| watch.next_now()).map(wrap));
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    });
}

impl StateEvent {
    /// The bucket that is fully loaded with this event.
    fn synced(&self) -> Option<&'static str> {
        match self {
            StateEvent::Roster(WatchEvent::Synced) => Some(RosterKey::BUCKET),
            StateEvent::Observed(WatchEvent::Synced) => Some(ObservedKey::BUCKET),
            StateEvent::Links(WatchEvent::Synced) => Some(LinksKey::BUCKET),
            StateEvent::Roster(_) | StateEvent::Observed(_) | StateEvent::Links(_) => None,
        }
    }

    /// True if the roster changed.
    pub(crate) fn is_roster(&self) -> bool {
        matches!(
            self,
            StateEvent::Roster(WatchEvent::Put(..) | WatchEvent::Removed(_))
        )
    }

    /// True if a person may have to be cut off.
    pub(crate) fn cuts_access(&self) -> bool {
        match self {
            StateEvent::Roster(WatchEvent::Put(_, stored)) => match &stored.value {
                RosterValue::Person(person) => !person.wanted_active(),
                RosterValue::Group(_)
                | RosterValue::Membership(_)
                | RosterValue::Index(_)
                | RosterValue::Question(_) => false,
            },
            StateEvent::Roster(_) | StateEvent::Observed(_) | StateEvent::Links(_) => false,
        }
    }

    /// True if this is a write of the safeguard's harm history. Only the owner writes it, and its own copy is newer.
    pub(crate) fn is_own_book(&self) -> bool {
        matches!(self, StateEvent::Links(WatchEvent::Put(_, stored)) if matches!(stored.value, LinksValue::Harm(_)))
    }

    /// True if this is a new approval.
    pub(crate) fn is_approval(&self) -> bool {
        matches!(self, StateEvent::Links(WatchEvent::Put(_, stored)) if matches!(stored.value, LinksValue::Approval(_)))
    }

    /// The forecast record, if this event is one.
    fn run(&self) -> Option<&Run> {
        match self {
            StateEvent::Links(WatchEvent::Put(_, stored)) => match &stored.value {
                LinksValue::Run(run) => Some(run),
                LinksValue::Person(_)
                | LinksValue::Group(_)
                | LinksValue::Bulk(_)
                | LinksValue::Harm(_)
                | LinksValue::Approval(_) => None,
            },
            StateEvent::Links(_) | StateEvent::Roster(_) | StateEvent::Observed(_) => None,
        }
    }

    /// The changed person or group, and the trace that the change carries.
    pub(crate) fn trace(&self) -> Option<(Subject, String)> {
        let StateEvent::Roster(WatchEvent::Put(_, stored)) = self else {
            return None;
        };
        Some((self.edited()?, stored.trace.clone()?))
    }

    /// The changed person or group.
    pub(crate) fn edited(&self) -> Option<Subject> {
        let StateEvent::Roster(WatchEvent::Put(_, stored)) = self else {
            return None;
        };
        match &stored.value {
            RosterValue::Person(person) => Some(Subject::Person(person.id.clone())),
            RosterValue::Group(group) => Some(Subject::Group(group.id.clone())),
            RosterValue::Membership(_) | RosterValue::Index(_) | RosterValue::Question(_) => None,
        }
    }

    /// The person or group that a change or removal is about. A membership counts as its group.
    pub(crate) fn about(&self) -> Option<Subject> {
        let StateEvent::Roster(WatchEvent::Put(key, _) | WatchEvent::Removed(key)) = self else {
            return None;
        };
        match key {
            RosterKey::Person(_, _, id) => Some(Subject::Person(id.clone())),
            RosterKey::Group(_, id) | RosterKey::Membership(_, id, _) => Some(Subject::Group(id.clone())),
            _ => None,
        }
    }

    /// Applies the change to the state, unless the state is newer. Returns the subjects whose plan may change.
    pub(crate) fn apply(
        self,
        state: &mut OrgState,
        jobs: &mut BTreeMap<OperationId, BulkJob>,
    ) -> BTreeSet<Subject> {
        match self {
            StateEvent::Roster(event) => roster(event, state),
            StateEvent::Observed(event) => observed(event, state),
            StateEvent::Links(event) => links(event, state, jobs),
        }
    }
}

fn roster(event: WatchEvent<RosterKey, RosterValue>, state: &mut OrgState) -> BTreeSet<Subject> {
    match event {
        WatchEvent::Put(_, stored) => match stored.value {
            RosterValue::Person(person) => state.put_person(*person, stored.revision),
            RosterValue::Group(group) => state.put_group(*group, stored.revision),
            RosterValue::Membership(membership) => state.put_membership(&membership),
            RosterValue::Index(_) | RosterValue::Question(_) => BTreeSet::new(),
        },
        // A new user name gives a person a new key, and the write of the new key arrives first. So the removal of the old key counts only
        // if the person still has the old name.
        WatchEvent::Removed(RosterKey::Person(_, name, id)) => match state.person(&id) {
            Some(known) if NameToken::of_name(&NormalName::of(&known.value.user_name)) == name => {
                state.drop_person(&id)
            }
            Some(_) | None => BTreeSet::new(),
        },
        WatchEvent::Removed(RosterKey::Group(_, id)) => state.drop_group(&id),
        WatchEvent::Removed(RosterKey::Membership(_, group, person)) => {
            state.drop_membership(&group, &person)
        }
        WatchEvent::Removed(_) | WatchEvent::Synced | WatchEvent::Reset => BTreeSet::new(),
    }
}

fn observed(event: WatchEvent<ObservedKey, ObservedValue>, state: &mut OrgState) -> BTreeSet<Subject> {
    match event {
        WatchEvent::Put(_, stored) => match stored.value {
            ObservedValue::Account(account) => {
                let newer = state
                    .account(&account.id)
                    .is_some_and(|known| known.as_of_ms > account.as_of_ms);
                if newer {
                    BTreeSet::new()
                } else {
                    state.put_account(*account)
                }
            }
            ObservedValue::Team(team) => {
                let newer = state
                    .team(&team.id)
                    .is_some_and(|known| known.as_of_ms > team.as_of_ms);
                if newer {
                    BTreeSet::new()
                } else {
                    state.put_team(team)
                }
            }
            ObservedValue::TeamMember(member) => {
                let mut touched = state.put_team_member(&member.team, &member.account);
                touched.extend(state.put_roles(&member.team, &member.account, member.roles));
                touched
            }
            // Once complete, it stays complete: a later import that is running or has failed does not change that.
            ObservedValue::Import(run) if run.is_complete() => {
                state.set_import_paused(run.paused);
                let mut touched = state.set_import_complete(true);
                touched.extend(state.set_memberships_as_of(run.started_at_ms));
                touched
            }
            ObservedValue::Import(run) => {
                state.set_import_paused(run.paused);
                BTreeSet::new()
            }
        },
        WatchEvent::Removed(ObservedKey::Account(_, id)) => state.drop_account(&id),
        WatchEvent::Removed(ObservedKey::Team(_, id)) => state.drop_team(&id),
        WatchEvent::Removed(ObservedKey::TeamMember(_, team, account)) => {
            state.drop_team_member(&team, &account)
        }
        WatchEvent::Removed(ObservedKey::Import(_)) | WatchEvent::Synced | WatchEvent::Reset => {
            BTreeSet::new()
        }
    }
}

fn links(
    event: WatchEvent<LinksKey, LinksValue>,
    state: &mut OrgState,
    jobs: &mut BTreeMap<OperationId, BulkJob>,
) -> BTreeSet<Subject> {
    match event {
        WatchEvent::Put(_, stored) => match stored.value {
            LinksValue::Person(link) => {
                let known = state.person_link(&link.person).map_or(0, |known| known.revision);
                if known >= stored.revision {
                    BTreeSet::new()
                } else {
                    state.put_person_link(*link, stored.revision)
                }
            }
            LinksValue::Group(link) => {
                let known = state.group_link(&link.group).map_or(0, |known| known.revision);
                if known >= stored.revision {
                    BTreeSet::new()
                } else {
                    state.put_group_link(*link, stored.revision)
                }
            }
            LinksValue::Bulk(job) => {
                jobs.insert(job.operation.clone(), job);
                BTreeSet::new()
            }
            LinksValue::Harm(history) => {
                state.set_harm_history(history);
                BTreeSet::new()
            }
            LinksValue::Approval(approval) => {
                state.put_approval(approval);
                BTreeSet::new()
            }
            LinksValue::Run(_) => BTreeSet::new(),
        },
        WatchEvent::Removed(LinksKey::Person(_, id)) => state.drop_person_link(&id),
        WatchEvent::Removed(LinksKey::Group(_, id)) => state.drop_group_link(&id),
        WatchEvent::Removed(LinksKey::Bulk(_, operation)) => {
            jobs.remove(&operation);
            BTreeSet::new()
        }
        WatchEvent::Removed(LinksKey::Harm(_) | LinksKey::Approval(..) | LinksKey::Run(..))
        | WatchEvent::Synced
        | WatchEvent::Reset => BTreeSet::new(),
    }
}
