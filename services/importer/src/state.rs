//! Reads the observed state before a run, and writes the results of a run to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bus::{
    BATCH_MAX, Bus, BusError, Change, Expect, LinksKey, LinksValue, ObservedBucket, ObservedKey,
    ObservedValue, RosterValue, WatchEvent, Write, WriteError,
};
use provisioning::{Account, AccountId, ImportRun, NormalName, OrgId, PersonId, Roles, Team, TeamId};

/// A value with its revision.
#[derive(Clone, Debug)]
pub(crate) struct Known<T> {
    pub(crate) value: T,
    pub(crate) revision: u64,
}

/// A team member as last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) as_of_ms: u64,
    pub(crate) roles: Roles,
}

/// The observed state before the run.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) accounts: HashMap<AccountId, Known<Account>>,
    pub(crate) teams: BTreeMap<TeamId, Known<Team>>,
    pub(crate) members: HashMap<(TeamId, AccountId), Known<Seen>>,
}

/// Reads the last run of an org, finished or not.
pub(crate) async fn last_run(bus: &Bus, org: &OrgId) -> Result<Option<ImportRun>, BusError> {
    let stored = bus.observed().get(&ObservedKey::Import(org.clone())).await?;
    Ok(stored.and_then(|stored| match stored.value {
        ObservedValue::Import(run) => Some(run),
        ObservedValue::Account(_) | ObservedValue::Team(_) | ObservedValue::TeamMember(_) => None,
    }))
}

/// Reads the whole observed state of an org.
pub(crate) async fn before(bus: &Bus, org: &OrgId) -> Before {
    let mut before = Before::default();
    let mut watch = bus.observed().watch(org);
    loop {
        match watch.next().await {
            WatchEvent::Put(_, stored) => match stored.value {
                ObservedValue::Account(account) => {
                    let known = Known {
                        revision: stored.revision,
                        value: *account,
                    };
                    before.accounts.insert(known.value.id.clone(), known);
                }
                ObservedValue::Team(team) => {
                    let known = Known {
                        revision: stored.revision,
                        value: team,
                    };
                    before.teams.insert(known.value.id.clone(), known);
                }
                ObservedValue::TeamMember(member) => {
                    let known = Known {
                        revision: stored.revision,
                        value: Seen {
                            as_of_ms: member.as_of_ms,
                            roles: member.roles,
                        },
                    };
                    before.members.insert((member.team, member.account), known);
                }
                ObservedValue::Import(_) => {}
            },
            WatchEvent::Reset => before = Before::default(),
            // A key that is removed while everything is read was perhaps read before.
            WatchEvent::Removed(key) => match key {
                ObservedKey::Account(_, id) => drop(before.accounts.remove(&id)),
                ObservedKey::Team(_, id) => drop(before.teams.remove(&id)),
                ObservedKey::TeamMember(_, team, account) => drop(before.members.remove(&(team, account))),
                ObservedKey::Import(_) => {}
            },
            WatchEvent::Synced => return before,
        }
    }
}

/// Reads the account of each linked person.
pub(crate) async fn linked(bus: &Bus, org: &OrgId) -> BTreeMap<PersonId, AccountId> {
    let mut linked = BTreeMap::new();
    let mut links = bus.links().watch(org);
    loop {
        match links.next().await {
            WatchEvent::Put(_, stored) => {
                if let LinksValue::Person(link) = stored.value {
                    match link.account {
                        Some(account) => linked.insert(link.person, account),
                        None => linked.remove(&link.person),
                    };
                }
            }
            WatchEvent::Reset => linked.clear(),
            WatchEvent::Removed(LinksKey::Person(_, person)) => drop(linked.remove(&person)),
            WatchEvent::Removed(_) => {}
            WatchEvent::Synced => return linked,
        }
    }
}

/// Counts the accounts for the report: linked, to be matched, and unmanaged.
pub(crate) async fn piles<'a>(
    bus: &Bus,
    org: &OrgId,
    linked: &BTreeMap<PersonId, AccountId>,
    accounts: impl Iterator<Item = &'a Account>,
) -> (u32, u32, u32) {
    let mut waiting: BTreeMap<PersonId, NormalName> = BTreeMap::new();
    let mut roster = bus.roster().watch(org);
    loop {
        match roster.next().await {
            WatchEvent::Put(_, stored) => {
                if let RosterValue::Person(person) = stored.value {
                    if person.deleted || linked.contains_key(&person.id) {
                        waiting.remove(&person.id);
                    } else {
                        waiting.insert(person.id, NormalName::of(&person.user_name));
                    }
                }
            }
            // A person who is renamed lies under another key, and the removal of the old one says nothing about them.
            WatchEvent::Removed(_) => {}
            WatchEvent::Reset => waiting.clear(),
            WatchEvent::Synced => break,
        }
    }
    let names: BTreeSet<&NormalName> = waiting.values().collect();
    let linked: BTreeSet<&AccountId> = linked.values().collect();
    let mut piles = (0, 0, 0);
    for account in accounts {
        if linked.contains(&account.id) {
            piles.0 += 1;
        } else if names.contains(&NormalName::of(&account.user_name)) {
            piles.1 += 1;
        } else {
            piles.2 += 1;
        }
    }
    piles
}

/// Writes a page. If another writer changed a key in the meantime, its newer value stays.
pub(crate) async fn write_page(
    bucket: &ObservedBucket,
    writes: Vec<Write<ObservedKey, ObservedValue>>,
) -> Result<(), WriteError> {
    let mut writes = writes;
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(BATCH_MAX));
        let batch = std::mem::replace(&mut writes, rest);
        match bucket.write_all(batch.clone()).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => one_by_one(bucket, batch).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn one_by_one(
    bucket: &ObservedBucket,
    batch: Vec<Write<ObservedKey, ObservedValue>>,
) -> Result<(), WriteError> {
    for write in batch {
        match bucket.write(write).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn expect(revision: Option<u64>) -> Expect {
    revision.map_or(Expect::Absent, Expect::Revision)
}

pub(crate) fn put(
    key: ObservedKey,
    revision: Option<u64>,
    value: ObservedValue,
) -> Write<ObservedKey, ObservedValue> {
    Write {
        key,
        expect: expect(revision),
        change: Change::Put(value),
    }
}

pub(crate) fn delete(key: ObservedKey, revision: u64) -> Write<ObservedKey, ObservedValue> {
    Write {
        key,
        expect: Expect::Revision(revision),
        change: Change::Delete,
    }
}
