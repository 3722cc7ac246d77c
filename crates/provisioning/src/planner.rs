//! Collects what people and groups need, and turns it into the cheapest plan.
//!
//! Invariants, each a property in the tests:
//!
//! - Planning is deterministic.
//! - Values that are equal already need no operation.
//! - The order of operations respects their dependencies, and cut-offs come first.
//! - The operations contain no change that is held, and no change that depends on a held one.
//! - No other encoding that `cost` describes is cheaper.

mod encode;
mod guard;
mod members;
mod names;
mod people;
mod teams;

use std::collections::{BTreeMap, BTreeSet};

use crate::need::{self, CustomNeed};
use crate::plan::{Change, Draft, Operation, Plan, WaitReason};
use crate::{
    AccountId, Attribute, AttributeChange, GroupId, Harm, OperationId, OrgId, OrgState, Parked, PersonId,
    Policy, Subject, TeamId, TeamRole,
};

/// A new account to create, by a call of its own or by a bulk row.
pub(crate) struct Creation {
    pub(crate) revision: u64,
    pub(crate) requested_at_ms: u64,
    pub(crate) draft: Draft,
    /// This person's manager, if the manager has no account yet.
    pub(crate) awaits: Option<PersonId>,
    /// The person whose account has the user name now; it is renamed first.
    pub(crate) name_from: Option<PersonId>,
}

/// An account to update, by a call of its own or by a bulk row.
pub(crate) struct Amendment {
    pub(crate) revision: u64,
    pub(crate) user_name: String,
    pub(crate) account: AccountId,
    pub(crate) changes: Vec<AttributeChange>,
    pub(crate) fresh: bool,
    pub(crate) bulk: bool,
    pub(crate) requested_at_ms: u64,
    /// This person's manager, if this plan creates the manager's account.
    pub(crate) awaits: Option<PersonId>,
    /// The person whose account has the desired user name now; it is renamed first.
    pub(crate) name_from: Option<PersonId>,
    /// Temporary user name of the account. It breaks a cycle of accounts that swap user names.
    pub(crate) aside: Option<String>,
}

impl Amendment {
    pub(crate) fn single_calls(&self) -> u32 {
        if self.fresh { 1 } else { 2 }
    }

    pub(crate) fn changes(&self, attribute: Attribute) -> bool {
        self.changes.iter().any(|change| change.attribute == attribute)
    }

    /// Label of an operation with these changes. `beside` names more attributes that it changes.
    pub(crate) fn label(&self, changes: &[AttributeChange], beside: &[&str]) -> String {
        let mut names: Vec<&str> = Vec::new();
        let mut renamed = None;
        for change in changes {
            match change.attribute {
                Attribute::UserName => renamed = Some(format!("rename {} to {}", change.from, change.to)),
                other => names.push(other.wire()),
            }
        }
        names.extend(beside);
        match renamed {
            None => format!("update {}: {}", self.user_name, names.join(", ")),
            Some(renamed) if names.is_empty() => renamed,
            Some(renamed) => format!("{renamed} and update: {}", names.join(", ")),
        }
    }

    pub(crate) fn reactivates(&self) -> bool {
        self.changes(Attribute::Active)
    }
}

/// An account to cut off and then to remove from all its teams.
pub(crate) struct CutOff {
    pub(crate) person: PersonId,
    pub(crate) revision: u64,
    pub(crate) requested_at_ms: u64,
    /// True if an admin ordered it for this person by name.
    pub(crate) ordered: bool,
    pub(crate) cut: Operation,
    pub(crate) leave: Operation,
}

/// An active account to remove from one team.
pub(crate) struct Removal {
    pub(crate) group: GroupId,
    pub(crate) team: TeamId,
    pub(crate) team_name: String,
    pub(crate) person: Option<PersonId>,
    pub(crate) account: AccountId,
    pub(crate) requested_at_ms: u64,
    pub(crate) operation: Operation,
}

/// A team to delete, because its group is deleted.
pub(crate) struct Deletion {
    pub(crate) group: GroupId,
    pub(crate) revision: u64,
    pub(crate) requested_at_ms: u64,
    pub(crate) operation: Operation,
}

/// Advanced custom fields to set on one account.
pub(crate) struct Custom {
    pub(crate) revision: u64,
    pub(crate) user_name: String,
    pub(crate) account: Option<AccountId>,
    pub(crate) requested_at_ms: u64,
    pub(crate) need: CustomNeed,
}

/// A promotion or demotion of one person in one team.
pub(crate) struct RoleNeed {
    pub(crate) group: GroupId,
    pub(crate) group_name: String,
    pub(crate) team: Option<TeamId>,
    pub(crate) person: PersonId,
    pub(crate) user_name: String,
    pub(crate) account: Option<AccountId>,
    pub(crate) role: TeamRole,
    pub(crate) holds: bool,
    /// True if this plan adds the person to the team.
    pub(crate) joins: bool,
    /// True if this plan gives the account the desired access level.
    pub(crate) levelled: bool,
}

/// Everything that is needed, before the planner chooses the operations for it.
#[derive(Default)]
pub(crate) struct Needs {
    pub(crate) creations: BTreeMap<PersonId, Creation>,
    pub(crate) amendments: BTreeMap<PersonId, Amendment>,
    /// Accounts that need only a manager, after this plan has created the manager's account.
    pub(crate) later: BTreeMap<PersonId, Amendment>,
    pub(crate) customs: BTreeMap<PersonId, Custom>,
    pub(crate) cut_offs: Vec<CutOff>,
    pub(crate) joinings: BTreeMap<GroupId, Joining>,
    pub(crate) roles: Vec<RoleNeed>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) deletions: Vec<Deletion>,
    /// Operations that can be encoded in only one way.
    pub(crate) others: Vec<Operation>,
    pub(crate) park: Vec<(Subject, Parked)>,
    pub(crate) waiting: Vec<(Subject, WaitReason)>,
}

/// The people to add to the team of one group.
pub(crate) struct Joining {
    pub(crate) name: String,
    /// The operation of this plan that creates or links the team; `None` if the team is linked already.
    pub(crate) made_by: Option<OperationId>,
    /// True if bulk rows can name the team: its code is known, or will be known when the team is created.
    pub(crate) bulk: bool,
    /// The people who join, each with the current account.
    pub(crate) people: BTreeMap<PersonId, Option<AccountId>>,
}

impl Needs {
    /// Adds the needs of other subjects.
    fn append(&mut self, other: Needs) {
        let Needs {
            creations,
            amendments,
            later,
            customs,
            cut_offs,
            joinings,
            roles,
            removals,
            deletions,
            others,
            park,
            waiting,
        } = other;
        self.creations.extend(creations);
        self.amendments.extend(amendments);
        self.later.extend(later);
        self.customs.extend(customs);
        self.cut_offs.extend(cut_offs);
        self.joinings.extend(joinings);
        self.roles.extend(roles);
        self.removals.extend(removals);
        self.deletions.extend(deletions);
        self.others.extend(others);
        self.park.extend(park);
        self.waiting.extend(waiting);
    }

    fn wait(&mut self, subject: Subject, reason: WaitReason) {
        self.waiting.push((subject, reason));
    }

    /// Parks the subject. If it is parked with the same code already, records only that it waits.
    fn set_aside(&mut self, state: &OrgState, subject: Subject, revision: u64, parked: Parked) {
        let standing = match &subject {
            Subject::Person(id) => state.person_link(id).and_then(|link| link.value.parked.as_ref()),
            Subject::Group(id) => state.group_link(id).and_then(|link| link.value.parked.as_ref()),
        };
        match standing {
            Some(known) if known.code == parked.code && known.revision >= revision => {
                let reason = WaitReason::Parked(known.as_ref().clone());
                self.wait(subject, reason);
            }
            _ => self.park.push((subject, parked)),
        }
    }

    /// Removes the needs that depend on people whose own creation or update is no longer in the plan.
    fn settle(&mut self, state: &OrgState) {
        names::settle(state, self);
        let created = |manager: &PersonId| self.creations.contains_key(manager);
        self.later
            .retain(|_, amendment| amendment.awaits.as_ref().is_some_and(created));
        for amendment in self.amendments.values_mut() {
            amendment.awaits = amendment
                .awaits
                .take_if(|manager| self.creations.contains_key(manager));
        }
        let there = |id: &AccountId| state.account(id).is_some_and(|account| account.active);
        let returns = |person: &PersonId| {
            let amendment = self.amendments.get(person);
            amendment.is_some_and(Amendment::reactivates)
        };
        let links: BTreeSet<&PersonId> = self.others.iter().filter_map(linked_by).collect();
        let linked = |person: &PersonId| {
            state.linked_account(person).is_some()
                || links.contains(person)
                || self.amendments.contains_key(person)
        };
        self.customs
            .retain(|person, custom| match custom.account.as_ref().map(there) {
                None => self.creations.contains_key(person),
                Some(true) => linked(person),
                Some(false) => returns(person),
            });
        for joining in self.joinings.values_mut() {
            joining
                .people
                .retain(|person, account| match account.as_ref().map(there) {
                    None => self.creations.contains_key(person),
                    Some(true) => true,
                    Some(false) => self.amendments.get(person).is_some_and(Amendment::reactivates),
                });
        }
        self.joinings.retain(|_, joining| !joining.people.is_empty());
        self.roles.retain(|role| {
            let joins = || {
                let joining = self.joinings.get(&role.group);
                joining.is_some_and(|joining| joining.people.contains_key(&role.person))
            };
            let levelled = || {
                let amendment = self.amendments.get(&role.person);
                self.creations.contains_key(&role.person)
                    || amendment.is_some_and(|amendment| amendment.changes(Attribute::AccessLevel))
            };
            (!role.joins || joins()) && (!role.levelled || levelled())
        });
        self.settle_deletions();
    }

    /// Keeps a team if the deletion of a team under it is not in the plan.
    fn settle_deletions(&mut self) {
        loop {
            let left: BTreeSet<OperationId> = self
                .deletions
                .iter()
                .map(|deletion| deletion.operation.id.clone())
                .collect();
            let (stay, go): (Vec<Deletion>, Vec<Deletion>) = std::mem::take(&mut self.deletions)
                .into_iter()
                .partition(|deletion| !deletion.operation.after.is_subset(&left));
            self.deletions = go;
            if stay.is_empty() {
                return;
            }
            for deletion in stay {
                let harm = Harm::DeleteTeam;
                self.wait(Subject::Group(deletion.group), WaitReason::Held { harm });
            }
        }
    }
}

/// True if a subject that needs nothing is still parked for a reason that was checked again and no longer holds.
/// Writing the link again then ends the parking.
fn is_over(parked: &Parked, revision: u64) -> bool {
    parked.revision >= revision && need::is_looked_at_again(parked)
}

/// The person that a [`Change::Link`] operation links to an account.
pub(crate) fn linked_by(operation: &Operation) -> Option<&PersonId> {
    match &operation.change {
        Change::Link { person, .. } => Some(person),
        _ => None,
    }
}

/// Plans the changes that make Litmos equal to the roster for these subjects.
///
/// Planning only the touched subjects gives the same operations about them as planning all subjects.
pub fn plan(
    org: &OrgId,
    state: &OrgState,
    subjects: &BTreeSet<Subject>,
    policy: &Policy,
    now_ms: u64,
) -> Plan {
    let mut needs = Needs::default();
    people::look(state, subjects, &mut needs, policy, now_ms);
    needs.settle(state);
    teams::look(state, subjects, &mut needs, policy, now_ms);
    let held = guard::hold_back(state, &mut needs, policy, now_ms);
    needs.settle(state);
    let operations = encode::operations(state, &mut needs, policy, now_ms);
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
