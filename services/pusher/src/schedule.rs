//! Chooses the next operation. Pure, so that its rules can be tested without a bus.
//!
//! Rules: an operation starts only after the operations that it depends on. It never runs at the same time as another operation on the same
//! subject. A cut-off waits only for its own subject. The module `quiet` decides what waits for a quiet roster, and how long.

use std::collections::BTreeSet;

use provisioning::{Attribute, Change, GroupId, Operation, OperationId, OrgState, Plan, Subject, WaitReason};
use rate_tokens::Class;

use crate::quiet::Quiet;

/// The class of token that an operation needs.
pub(crate) fn class_of(change: &Change) -> Class {
    if change.cuts_access() {
        Class::Urgent
    } else {
        Class::Normal
    }
}

/// True if to defer this change until all bulk imports finish: manager-only updates and bulk imports of existing accounts. So one change
/// covers all of them, not a part after each import.
fn rests_on_imports(change: &Change) -> bool {
    match change {
        Change::Bulk { rows } => rows.iter().all(|row| row.account.is_some()),
        Change::Update { changes, .. } => {
            !changes.is_empty()
                && changes
                    .iter()
                    .all(|change| change.attribute == Attribute::Manager)
        }
        Change::CutOff { .. }
        | Change::LeaveTeams { .. }
        | Change::Link { .. }
        | Change::Read { .. }
        | Change::Create { .. }
        | Change::SetCustomFields { .. }
        | Change::LeaveAllTeams { .. }
        | Change::LinkTeam { .. }
        | Change::CreateTeam { .. }
        | Change::AmendTeam { .. }
        | Change::UnlinkTeam { .. }
        | Change::DeleteTeam { .. }
        | Change::AddMembers { .. }
        | Change::RemoveMember { .. }
        | Change::SetRole { .. }
        | Change::EndOverwrite { .. } => false,
    }
}

/// The conditions that may keep operations from starting now.
#[derive(Debug, Default)]
pub(crate) struct Traffic<'a> {
    /// Changes are collected for a bulk import: no import starts, and no team is created.
    pub(crate) unsettled: bool,
    /// The roster has just begun to change: the planned operations may be part of a larger change.
    pub(crate) stirring: bool,
    /// The recent changes of the roster, and the current time in ms: items that may change again wait.
    pub(crate) quiet: Option<(&'a Quiet, u64)>,
    /// A bulk import is running. It may create managers that other people need.
    pub(crate) importing: bool,
    /// In manual mode, the subjects released by `rollcall apply`. `None` releases all subjects.
    pub(crate) released: Option<BTreeSet<Subject>>,
    /// Groups whose team codes are in the rows of a running bulk import.
    pub(crate) in_rows: BTreeSet<GroupId>,
    /// Groups of people whose accounts are being created by single calls.
    pub(crate) awaiting: BTreeSet<GroupId>,
    /// An account is being created by a single call.
    pub(crate) making: bool,
    /// True if bulk imports are enabled.
    pub(crate) bulk: bool,
}

impl Traffic<'_> {
    fn lets_through(&self, state: &OrgState, operation: &Operation) -> bool {
        if self.unsettled && matches!(operation.change, Change::Bulk { .. } | Change::CreateTeam { .. }) {
            return false;
        }
        if self.importing && rests_on_imports(&operation.change) {
            return false;
        }
        if self.stirring && !operation.change.cuts_access() && operation.calls > 0 {
            return false;
        }
        if self.may_become_more(operation) || !self.codes_stand(state, &operation.change) {
            return false;
        }
        operation.change.subjects().iter().all(|subject| {
            let released = self
                .released
                .as_ref()
                .is_none_or(|released| released.contains(subject));
            !state.is_under_way(subject) && (released || operation.change.cuts_access())
        })
    }

    /// True if a subject of the operation changed very recently and may change again. A bulk import has its own wait, for all of its rows.
    fn may_become_more(&self, operation: &Operation) -> bool {
        let Some((quiet, now_ms)) = self.quiet else {
            return false;
        };
        let exempt = operation.calls == 0
            || operation.change.cuts_access()
            || matches!(operation.change, Change::Bulk { .. });
        !exempt
            && operation
                .change
                .subjects()
                .iter()
                .any(|subject| quiet.waits(subject, now_ms))
    }

    /// True if the team codes in the rows of bulk imports stay valid and complete. A new name gives a team a new code, a bulk import runs
    /// some time after it was sent, and Litmos refuses the whole row for an unknown code. So a team named by a running import is not
    /// renamed or deleted. An import waits while a team that its rows could name has an operation in flight or waits for one more member.
    fn codes_stand(&self, state: &OrgState, change: &Change) -> bool {
        match change {
            Change::Bulk { rows } => {
                let groups = rows.iter().flat_map(|row| {
                    state
                        .groups_of(&row.person)
                        .map(move |group| (group, &row.person))
                });
                let mut wanted =
                    groups.filter(|(group, person)| state.wants_member(group, person) == Some(true));
                wanted.all(|(group, _)| {
                    !self.awaiting.contains(group) && !state.is_under_way(&Subject::Group(group.clone()))
                })
            }
            Change::AmendTeam {
                group, name: Some(_), ..
            }
            | Change::DeleteTeam { group, .. } => !self.in_rows.contains(group),
            Change::AmendTeam { name: None, .. }
            | Change::CutOff { .. }
            | Change::LeaveTeams { .. }
            | Change::Link { .. }
            | Change::Read { .. }
            | Change::Create { .. }
            | Change::Update { .. }
            | Change::SetCustomFields { .. }
            | Change::LeaveAllTeams { .. }
            | Change::LinkTeam { .. }
            | Change::CreateTeam { .. }
            | Change::UnlinkTeam { .. }
            | Change::AddMembers { .. }
            | Change::RemoveMember { .. }
            | Change::SetRole { .. }
            | Change::EndOverwrite { .. } => true,
        }
    }
}

/// The operations that may start now, in the order of the plan.
pub(crate) fn ready<'a>(
    plan: &'a Plan,
    state: &'a OrgState,
    traffic: &'a Traffic<'a>,
) -> impl Iterator<Item = &'a Operation> {
    let open: BTreeSet<&OperationId> = plan.operations.iter().map(|operation| &operation.id).collect();
    // A person whose manager is being created can join the same bulk import as the others in a moment. Until then, creates that no other
    // operation waits for wait too: alone they would be too few for a bulk import.
    let joining = traffic.bulk
        && traffic.making
        && plan.waiting.iter().any(|(subject, reason)| {
            *reason == WaitReason::UnderWay
                && matches!(subject, Subject::Person(_))
                && !state.is_under_way(subject)
        });
    let needed: BTreeSet<&OperationId> = match joining {
        true => plan
            .operations
            .iter()
            .flat_map(|operation| &operation.after)
            .collect(),
        false => BTreeSet::new(),
    };
    plan.operations.iter().filter(move |operation| {
        let makes = matches!(operation.change, Change::Bulk { .. } | Change::Create { .. });
        if joining && makes && !needed.contains(&operation.id) {
            return false;
        }
        operation.after.iter().all(|before| !open.contains(before)) && traffic.lets_through(state, operation)
    })
}

/// The first ready operation that needs a permit.
///
/// A permit is used for the most urgent operation, whatever its class.
pub(crate) fn next<'a>(
    plan: &'a Plan,
    state: &'a OrgState,
    traffic: &'a Traffic<'a>,
) -> Option<&'a Operation> {
    ready(plan, state, traffic).find(|operation| operation.calls > 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use provisioning::{
        Account, AccountId, DesiredManager, Field, OrgId, Person, PersonId, PersonLink, Policy, Profile, plan,
    };

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn profile(name: &str) -> Profile {
        let email = format!("{name}@corp.example");
        [
            (Field::FirstName, "First"),
            (Field::LastName, name),
            (Field::Email, &email),
        ]
        .into_iter()
        .collect()
    }

    fn person(name: &str, active: bool) -> Person {
        Person {
            id: PersonId::parse(name).unwrap(),
            user_name: format!("{name}@corp.example"),
            active,
            deleted: false,
            access_level: None,
            profile: profile(name),
            custom: Default::default(),
            manager: DesiredManager::Leave,
            sources: provisioning::Sources::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        }
    }

    /// A leaver with an account, and two new people; one reports to the other.
    fn state() -> OrgState {
        let mut state = OrgState::new();
        state.set_import_complete(true);
        let account = AccountId::parse("A1").unwrap();
        state.put_account(Account {
            id: account.clone(),
            user_name: "leaver@corp.example".to_owned(),
            active: true,
            access_level: None,
            profile: profile("leaver"),
            manager: None,
            as_of_ms: NOW,
            whole: true,
            unseen: provisioning::Unseen::NONE,
            rest: provisioning::Rest::default(),
        });
        state.put_person(person("leaver", false), 1);
        let link = PersonLink {
            account: Some(account),
            ..PersonLink::new(PersonId::parse("leaver").unwrap())
        };
        state.put_person_link(link, 1);
        state.put_person(person("boss", true), 2);
        let report = Person {
            manager: DesiredManager::Reference("boss@corp.example".to_owned()),
            ..person("anna", true)
        };
        state.put_person(report, 3);
        state
    }

    /// A state with this many people without an account, in no group.
    pub(crate) fn state_of_newcomers(people: usize) -> OrgState {
        let mut state = OrgState::new();
        state.set_import_complete(true);
        for n in 0..people {
            state.put_person(person(&format!("n{n:04}"), true), 1);
        }
        state
    }

    /// A state with this many people without an account. Every tenth is the manager of the next nine.
    pub(crate) fn state_of_reports(people: usize) -> OrgState {
        let mut state = OrgState::new();
        state.set_import_complete(true);
        for n in 0..people {
            let manager = match n % 10 {
                0 => DesiredManager::Leave,
                _ => DesiredManager::Reference(format!("n{:04}@corp.example", n / 10 * 10)),
            };
            let newcomer = Person {
                manager,
                ..person(&format!("n{n:04}"), true)
            };
            state.put_person(newcomer, 1);
        }
        state
    }

    pub(crate) fn plan_of(state: &OrgState, bulk: bool) -> Plan {
        let policy = Policy {
            bulk,
            ..Policy::default()
        };
        plan(
            &OrgId::parse("acme").unwrap(),
            state,
            &state.subjects(),
            &policy,
            NOW,
        )
    }

    fn ready_now(state: &OrgState, traffic: &Traffic<'_>) -> Vec<String> {
        let plan = plan(
            &OrgId::parse("acme").unwrap(),
            state,
            &state.subjects(),
            &Policy::default(),
            NOW,
        );
        ready(&plan, state, traffic)
            .map(|operation| operation.label.clone())
            .collect()
    }

    #[test]
    fn what_comes_after_something_waits_and_a_cut_off_stands_first() {
        let state = state();
        let now = ready_now(&state, &Traffic::default());
        assert_eq!(
            now,
            ["cut off leaver@corp.example", "create account boss@corp.example"]
        );
    }

    #[test]
    fn while_the_roster_stirs_only_cut_offs_start() {
        let stirring = Traffic {
            stirring: true,
            ..Traffic::default()
        };
        assert_eq!(ready_now(&state(), &stirring), ["cut off leaver@corp.example"]);
    }

    #[test]
    fn an_item_that_is_still_being_edited_waits_alone_and_a_leaver_never() {
        let mut quiet = Quiet::default();
        let person = |name: &str| Subject::Person(PersonId::parse(name).unwrap());
        quiet.changed(Some(person("boss")), 10_000);
        quiet.changed(Some(person("leaver")), 10_000);
        let at = |now_ms| Traffic {
            quiet: Some((&quiet, now_ms)),
            ..Traffic::default()
        };
        assert_eq!(ready_now(&state(), &at(10_100)), ["cut off leaver@corp.example"]);
        assert_eq!(ready_now(&state(), &at(10_250)).len(), 2);
        let mut other = state();
        other.put_person(self::person("other", true), 9);
        assert_eq!(
            ready_now(&other, &at(10_100)),
            ["cut off leaver@corp.example", "create account other@corp.example"]
        );
    }

    #[test]
    fn nothing_starts_about_somebody_who_is_being_worked_on() {
        let mut state = state();
        state.hold([
            Subject::Person(PersonId::parse("leaver").unwrap()),
            Subject::Person(PersonId::parse("boss").unwrap()),
        ]);
        // A person waits while the account of their manager is being created. Then one call is enough.
        assert_eq!(ready_now(&state, &Traffic::default()), Vec::<String>::new());
        let boss = Subject::Person(PersonId::parse("boss").unwrap());
        state.release(&[boss]);
        assert_eq!(
            ready_now(&state, &Traffic::default()),
            ["create account boss@corp.example"]
        );
    }

    #[test]
    fn what_was_not_released_waits_but_a_cut_off_never_does() {
        let held = Traffic {
            released: Some(BTreeSet::new()),
            ..Traffic::default()
        };
        assert_eq!(ready_now(&state(), &held), ["cut off leaver@corp.example"]);
        let boss = Subject::Person(PersonId::parse("boss").unwrap());
        let one = Traffic {
            released: Some(BTreeSet::from([boss])),
            ..Traffic::default()
        };
        assert_eq!(ready_now(&state(), &one).len(), 2);
    }
}
