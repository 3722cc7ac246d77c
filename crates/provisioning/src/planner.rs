//! From needs to the cheapest plan that meets them.
//!
//! Laws, each a property in the tests: planning is deterministic; what is equal already needs no operation; the order
//! of operations respects their dependencies; cut-offs stand first; and among the encodings of `cost` none is cheaper.

mod encode;
mod guard;
mod teams;

use std::collections::{BTreeMap, BTreeSet};

use crate::need::{self, PersonNeed};
use crate::plan::{Change, Draft, Operation, Plan, WaitReason};
use crate::{AccountId, AttributeChange, GroupId, OrgId, Parked, PersonId, Policy, Subject, World};

/// A new account to be made, one way or the other.
pub(crate) struct Creation {
    pub(crate) revision: u64,
    pub(crate) draft: Draft,
    /// Somebody without an account yet whom this one reports to.
    pub(crate) awaits: Option<PersonId>,
}

/// An account to be changed, one way or the other.
pub(crate) struct Amendment {
    pub(crate) revision: u64,
    pub(crate) user_name: String,
    pub(crate) account: AccountId,
    pub(crate) changes: Vec<AttributeChange>,
    pub(crate) fresh: bool,
    pub(crate) bulk: bool,
    pub(crate) wished_at_ms: u64,
    /// Somebody this plan makes an account for, whom this one reports to.
    pub(crate) awaits: Option<PersonId>,
}

impl Amendment {
    pub(crate) fn single_calls(&self) -> u32 {
        if self.fresh { 1 } else { 2 }
    }
}

/// An account to be cut off, and then to leave its teams.
pub(crate) struct CutOff {
    pub(crate) person: PersonId,
    pub(crate) revision: u64,
    pub(crate) wished_at_ms: u64,
    /// An admin ordered it by name.
    pub(crate) ordered: bool,
    pub(crate) cut: Operation,
    pub(crate) leave: Operation,
}

/// An active account to be taken out of one team.
pub(crate) struct Removal {
    pub(crate) group: GroupId,
    pub(crate) account: AccountId,
    pub(crate) wished_at_ms: u64,
    pub(crate) operation: Operation,
}

/// A team to be deleted with its group.
pub(crate) struct Deletion {
    pub(crate) group: GroupId,
    pub(crate) revision: u64,
    pub(crate) wished_at_ms: u64,
    pub(crate) operation: Operation,
}

/// Everything that is needed, before it is decided how to say it.
#[derive(Default)]
pub(crate) struct Needs {
    pub(crate) creations: BTreeMap<PersonId, Creation>,
    pub(crate) amendments: BTreeMap<PersonId, Amendment>,
    /// Accounts that need nothing now, but a manager as soon as this plan has made that manager's account.
    pub(crate) later: BTreeMap<PersonId, Amendment>,
    pub(crate) cut_offs: Vec<CutOff>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) deletions: Vec<Deletion>,
    /// Operations that have only one way of being said.
    pub(crate) others: Vec<Operation>,
    pub(crate) park: Vec<(Subject, Parked)>,
    pub(crate) waiting: Vec<(Subject, WaitReason)>,
}

/// Plans what makes Litmos equal the roster for these subjects.
///
/// Looking at the touched subjects only gives the same operations about them as looking at all.
pub fn plan(org: &OrgId, world: &World, subjects: &BTreeSet<Subject>, policy: &Policy, now_ms: u64) -> Plan {
    let mut needs = Needs::default();
    for subject in subjects {
        if let Subject::Person(id) = subject
            && !world.is_under_way(subject)
            && let Some(person) = world.person(id)
        {
            sort_person(world, person, policy, now_ms, &mut needs);
        }
    }
    let created = |manager: &PersonId| needs.creations.contains_key(manager);
    needs
        .later
        .retain(|_, amendment| amendment.awaits.as_ref().is_some_and(created));
    for amendment in needs.amendments.values_mut() {
        amendment.awaits = amendment.awaits.take_if(|manager| created(manager));
    }
    let teams = teams::needs(world, subjects, &mut needs, policy, now_ms);
    let held = guard::hold_back(world, &mut needs, policy, now_ms);
    let operations = encode::cheapest(world, &mut needs, &teams, policy);
    let touched: BTreeSet<Subject> = operations
        .iter()
        .flat_map(|operation| operation.change.subjects())
        .collect();
    let people = touched
        .iter()
        .filter(|subject| matches!(subject, Subject::Person(_)))
        .count();
    let groups = touched.len() - people;
    Plan {
        org: org.clone(),
        operations,
        park: needs.park,
        waiting: needs.waiting,
        held,
        people,
        groups,
    }
}

fn sort_person(
    world: &World,
    person: &crate::Revised<crate::Person>,
    policy: &Policy,
    now_ms: u64,
    needs: &mut Needs,
) {
    let (id, revision) = (person.value.id.clone(), person.revision);
    let name = person.value.user_name.trim();
    let awaits = need::awaited_manager(world, &person.value);
    let need = need::person_need(world, person, policy, now_ms);
    let at_rest = match &need {
        PersonNeed::Nothing => world.linked_account(&id),
        PersonNeed::Link(account) => Some(account),
        _ => None,
    };
    if awaits.is_some()
        && let Some(account) = at_rest.and_then(|account| world.account(account))
        && person.value.wanted_active()
        && policy.update_attributes
    {
        let amendment = Amendment {
            revision,
            user_name: name.to_owned(),
            account: account.id.clone(),
            changes: Vec::new(),
            fresh: need::is_fresh(account, policy, now_ms),
            bulk: need::bulk_leaves_alone(account),
            wished_at_ms: person.value.changed_at_ms,
            awaits: awaits.clone(),
        };
        needs.later.insert(id.clone(), amendment);
    }
    match need {
        PersonNeed::Nothing => {}
        PersonNeed::Wait(reason) => needs.waiting.push((Subject::Person(id), reason)),
        PersonNeed::Park(parked) => needs.park.push((Subject::Person(id), parked)),
        PersonNeed::Link(account) => {
            let label = format!("link {name} to account {account}");
            needs.others.push(Operation::new(
                Change::Link {
                    person: id,
                    revision,
                    account,
                },
                0,
                label,
            ));
        }
        PersonNeed::Read(account) => {
            let label = format!("read account {account} of {name}");
            needs.others.push(Operation::new(
                Change::Read {
                    person: id,
                    revision,
                    account,
                },
                1,
                label,
            ));
        }
        PersonNeed::CutOff { account, fresh } => {
            let label = format!("cut off {name}");
            let change = Change::CutOff {
                person: id.clone(),
                revision,
                account: account.clone(),
            };
            let cut = Operation::new(change, if fresh { 1 } else { 2 }, label);
            let label = format!("take {name} out of all teams");
            let mut leave = Operation::new(
                Change::LeaveTeams {
                    person: id.clone(),
                    revision,
                    account,
                },
                1,
                label,
            );
            leave.after.insert(cut.id.clone());
            needs.cut_offs.push(CutOff {
                person: id,
                revision,
                wished_at_ms: person.value.changed_at_ms,
                ordered: false,
                cut,
                leave,
            });
        }
        PersonNeed::LeaveTeams(account) => {
            let label = format!("take {name} out of all teams");
            needs.others.push(Operation::new(
                Change::LeaveTeams {
                    person: id,
                    revision,
                    account,
                },
                1,
                label,
            ));
        }
        PersonNeed::Create { draft } => {
            needs.creations.insert(
                id,
                Creation {
                    revision,
                    draft,
                    awaits,
                },
            );
        }
        PersonNeed::Update {
            account,
            changes,
            fresh,
            bulk,
        } => {
            let user_name = name.to_owned();
            needs.amendments.insert(
                id,
                Amendment {
                    revision,
                    user_name,
                    account,
                    changes,
                    fresh,
                    bulk,
                    wished_at_ms: person.value.changed_at_ms,
                    awaits,
                },
            );
        }
    }
}
