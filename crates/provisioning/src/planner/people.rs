//! Collects the needs of people and their accounts.

use std::collections::BTreeSet;

use super::{Amendment, Creation, Custom, CutOff, Needs, is_over};
use crate::need::{self, PersonNeed};
use crate::plan::{Change, Operation, WaitReason};
use crate::{AccountId, OrgState, Person, PersonId, Policy, Revised, Subject};

/// Fewest people that are planned in parallel. Below this number starting threads takes longer than it saves.
const PARALLEL_MIN: usize = 10_000;

/// Most threads. More would wait for memory, not for processors.
const THREADS_MAX: usize = 8;

/// Collects the needs of the given people, and of the people whose user names they wait for.
pub(super) fn look(
    state: &OrgState,
    subjects: &BTreeSet<Subject>,
    needs: &mut Needs,
    policy: &Policy,
    now_ms: u64,
) {
    let look = |id: &PersonId, needs: &mut Needs| {
        if state.is_person_under_way(id) {
            return None;
        }
        let person = state.person(id)?;
        let needed = need::person_need(state, person, policy, now_ms);
        let name_from = name_from(&needed).cloned();
        sort(state, person, needed, policy, now_ms, needs);
        name_from
    };
    let named = subjects.iter().filter_map(|subject| match subject {
        Subject::Person(id) => Some(id),
        Subject::Group(_) => None,
    });
    let named: Vec<&PersonId> = named.collect();
    let parts = in_parallel(&named, |chunk| {
        let mut needs = Needs::default();
        let open: Vec<PersonId> = chunk.iter().filter_map(|id| look(id, &mut needs)).collect();
        (needs, open)
    });
    let mut elsewhere: BTreeSet<PersonId> = BTreeSet::new();
    let mut open: Vec<PersonId> = Vec::new();
    for (part, names_from) in parts {
        needs.append(part);
        open.extend(names_from);
    }
    while let Some(id) = open.pop() {
        let named = subjects.contains(&Subject::Person(id.clone()));
        if !named && elsewhere.insert(id.clone()) {
            open.extend(look(&id, needs));
        }
    }
}

/// Does the work in chunks, in up to [`THREADS_MAX`] threads. Returns the results in the order of the items, so the
/// joined results do not depend on the number of threads.
fn in_parallel<I: Sync, T: Send>(items: &[I], work: impl Fn(&[I]) -> T + Sync) -> Vec<T> {
    let threads = match std::thread::available_parallelism() {
        Ok(threads) if items.len() >= PARALLEL_MIN => threads.get().min(THREADS_MAX),
        _ => 1,
    };
    let mut chunks = items.chunks(items.len().div_ceil(threads).max(1));
    let first = chunks.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = chunks.map(|chunk| scope.spawn(|| work(chunk))).collect();
        let mut results = vec![work(first)];
        for other in others {
            results.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    })
}

fn name_from(needed: &PersonNeed) -> Option<&PersonId> {
    match needed {
        PersonNeed::Create { name_from, .. } => name_from.as_ref(),
        PersonNeed::Update(update) => update.name_from.as_ref(),
        PersonNeed::Nothing
        | PersonNeed::Wait(_)
        | PersonNeed::Park(_)
        | PersonNeed::Link(_)
        | PersonNeed::Read(_)
        | PersonNeed::CutOff { .. }
        | PersonNeed::LeaveTeams(_) => None,
    }
}

fn sort(
    state: &OrgState,
    person: &Revised<Person>,
    needed: PersonNeed,
    policy: &Policy,
    now_ms: u64,
    needs: &mut Needs,
) {
    let revision = person.revision;
    let person = &person.value;
    let id = person.id.clone();
    let name = person.user_name.trim();
    // A rejected change does not block a person's other changes.
    let stays = match &needed {
        PersonNeed::Nothing => state.linked_account(&id).cloned().map(Some),
        PersonNeed::Link(account) => Some(Some(account.clone())),
        PersonNeed::Update(update) => Some(Some(update.account.clone())),
        PersonNeed::Create { .. } => Some(None),
        PersonNeed::Park(parked) if parked.code == crate::ParkCode::ProtectedAccount => {
            state.linked_account(&id).cloned().map(Some)
        }
        PersonNeed::Park(_)
        | PersonNeed::Wait(_)
        | PersonNeed::Read(_)
        | PersonNeed::CutOff { .. }
        | PersonNeed::LeaveTeams(_) => None,
    };
    if let Some(account) = stays.filter(|_| state.is_to_be_active(person)) {
        custom(state, person, revision, account, policy, needs);
    }
    let awaits = need::awaited_manager(state, person).filter(|_| state.is_to_be_active(person));
    // If the manager's account is being created now, wait for it: then one call sets all values.
    if matches!(needed, PersonNeed::Create { .. } | PersonNeed::Update(_))
        && let Some(manager) = &awaits
        && state.is_under_way(&Subject::Person(manager.clone()))
    {
        needs.customs.remove(&id);
        needs.wait(Subject::Person(id), WaitReason::UnderWay);
        return;
    }
    let at_rest = match &needed {
        PersonNeed::Nothing => state.linked_account(&id),
        PersonNeed::Link(account) => Some(account),
        _ => None,
    };
    if awaits.is_some()
        && policy.update_attributes
        && state.is_to_be_active(person)
        && let Some(account) = at_rest.and_then(|account| state.account(account))
    {
        let amendment = Amendment {
            revision,
            user_name: name.to_owned(),
            account: account.id.clone(),
            changes: Vec::new(),
            fresh: need::is_fresh(account, policy, now_ms),
            bulk: need::bulk_leaves_alone(account),
            requested_at_ms: person.changed_at_ms,
            awaits: awaits.clone(),
            name_from: None,
            aside: None,
        };
        needs.later.insert(id.clone(), amendment);
    }
    match needed {
        PersonNeed::Nothing => {
            if let Some(link) = state.person_link(&id)
                && let Some(account) = &link.value.account
                && link
                    .value
                    .parked
                    .as_ref()
                    .is_some_and(|parked| is_over(parked, revision))
            {
                let label = format!("{name} is no longer parked");
                let change = Change::Link {
                    person: id,
                    revision,
                    account: account.clone(),
                };
                needs.others.push(Operation::new(change, 0, label));
            }
        }
        PersonNeed::Wait(reason) => needs.wait(Subject::Person(id), reason),
        PersonNeed::Park(parked) => needs.set_aside(state, Subject::Person(id), revision, parked),
        PersonNeed::Link(account) => {
            let label = format!("link {name} to account {account}");
            let person = id;
            let change = Change::Link {
                person,
                revision,
                account,
            };
            needs.others.push(Operation::new(change, 0, label));
        }
        PersonNeed::Read(account) => {
            let label = format!("read account {account} of {name}");
            let person = id;
            let change = Change::Read {
                person,
                revision,
                account,
            };
            needs.others.push(Operation::new(change, 1, label));
        }
        PersonNeed::CutOff {
            account,
            fresh,
            by,
            requested_at_ms,
        } => {
            let label = match &by {
                Some(by) => format!("cut off {name}, frozen by {by}"),
                None => format!("cut off {name}"),
            };
            let change = Change::CutOff {
                person: id.clone(),
                revision,
                account: account.clone(),
            };
            let cut = Operation::new(change, if fresh { 1 } else { 2 }, label);
            let mut leave = leave_teams(&id, revision, account, name);
            leave.after.insert(cut.id.clone());
            needs.cut_offs.push(CutOff {
                person: id,
                revision,
                requested_at_ms,
                ordered: by.is_some(),
                cut,
                leave,
            });
        }
        PersonNeed::LeaveTeams(account) => needs.others.push(leave_teams(&id, revision, account, name)),
        PersonNeed::Create { draft, name_from } => {
            let creation = Creation {
                revision,
                requested_at_ms: person.changed_at_ms,
                draft,
                awaits,
                name_from,
            };
            needs.creations.insert(id, creation);
        }
        PersonNeed::Update(update) => {
            if let Some(parked) = update.spared {
                needs.set_aside(state, Subject::Person(id.clone()), revision, parked);
            }
            let amendment = Amendment {
                revision,
                user_name: name.to_owned(),
                account: update.account,
                changes: update.changes,
                fresh: update.fresh,
                bulk: update.bulk,
                requested_at_ms: person.changed_at_ms,
                awaits,
                name_from: update.name_from,
                aside: None,
            };
            needs.amendments.insert(id, amendment);
        }
    }
}

fn leave_teams(person: &PersonId, revision: u64, account: AccountId, name: &str) -> Operation {
    let label = format!("take {name} out of all teams");
    let change = Change::LeaveTeams {
        person: person.clone(),
        revision,
        account,
    };
    Operation::new(change, 1, label)
}

/// Adds the need to set advanced custom fields. They are a separate call even for a new account, because Litmos accepts
/// them in no other call.
fn custom(
    state: &OrgState,
    person: &Person,
    revision: u64,
    account: Option<AccountId>,
    policy: &Policy,
    needs: &mut Needs,
) {
    let Some(need) = need::custom_need(state, person) else {
        return;
    };
    if !policy.update_attributes {
        let feature = "update_attributes";
        return needs.wait(
            Subject::Person(person.id.clone()),
            WaitReason::SwitchedOff { feature },
        );
    }
    let custom = Custom {
        revision,
        user_name: person.user_name.trim().to_owned(),
        account,
        requested_at_ms: person.changed_at_ms,
        need,
    };
    needs.customs.insert(person.id.clone(), custom);
}
