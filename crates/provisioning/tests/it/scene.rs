//! A small company beside a small Litmos that does exactly what operations say.

mod performed;

use std::collections::BTreeSet;

use provisioning::{
    AccessLevel, Account, AccountId, DesiredManager, Field, Group, GroupId, GroupLink, Membership, OrgId,
    OrgState, Person, PersonId, PersonLink, Plan, Policy, Profile, Safeguard, SourceId, Subject, Team,
    TeamId, plan,
};

pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) struct Scene {
    pub(crate) state: OrgState,
    pub(crate) policy: Policy,
    /// What the state's own reports said may have changed, since the last look.
    pub(crate) touched: BTreeSet<Subject>,
    pub(crate) calls: u32,
    revision: u64,
    made: u32,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let mut state = OrgState::new();
        state.set_import_complete(true);
        Scene {
            state,
            policy: Policy {
                safeguard: Safeguard::boundless(),
                protect_owners: false,
                ..Policy::default()
            },
            touched: BTreeSet::new(),
            calls: 0,
            revision: 0,
            made: 0,
        }
    }

    pub(crate) fn person(&mut self, name: &str) -> PersonId {
        self.person_with(name, |_| {})
    }

    pub(crate) fn person_with(&mut self, name: &str, edit: impl FnOnce(&mut Person)) -> PersonId {
        let mut person = Person {
            id: PersonId::parse(name.replace(['.', ' '], "-")).unwrap(),
            user_name: format!("{name}@corp.example"),
            active: true,
            deleted: false,
            access_level: None,
            profile: [(Field::FirstName, "First"), (Field::LastName, name)]
                .into_iter()
                .collect(),
            custom: Default::default(),
            manager: DesiredManager::Leave,
            sources: provisioning::Sources::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        };
        edit(&mut person);
        let id = person.id.clone();
        self.put(person);
        id
    }

    pub(crate) fn edit(&mut self, id: &PersonId, edit: impl FnOnce(&mut Person)) {
        let mut person = self.state.person(id).unwrap().value.clone();
        edit(&mut person);
        self.put(person);
    }

    fn put(&mut self, person: Person) {
        self.revision += 1;
        let touched = self.state.put_person(person, self.revision);
        self.touched.extend(touched);
    }

    pub(crate) fn group(&mut self, name: &str, members: &[&PersonId]) -> GroupId {
        let id = GroupId::parse(name.replace([' ', '.'], "-")).unwrap();
        self.rename_group(&id, name);
        for person in members {
            self.membership(&id, person, true);
        }
        id
    }

    pub(crate) fn rename_group(&mut self, id: &GroupId, name: &str) {
        self.edit_group(id, |group| name.clone_into(&mut group.name));
    }

    /// Changes a group, or makes it.
    pub(crate) fn edit_group(&mut self, id: &GroupId, edit: impl FnOnce(&mut Group)) {
        let known = self.state.group(id).map(|group| group.value.clone());
        let mut group = known.unwrap_or_else(|| Group {
            id: id.clone(),
            name: id.to_string(),
            description: None,
            parent: None,
            deleted: false,
            sources: provisioning::Sources::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        });
        edit(&mut group);
        self.revision += 1;
        let touched = self.state.put_group(group, self.revision);
        self.touched.extend(touched);
    }

    pub(crate) fn group_under(&mut self, name: &str, parent: &str, members: &[&PersonId]) -> GroupId {
        let id = self.group(name, members);
        self.edit_group(&id, |group| group.parent = Some(parent.to_owned()));
        id
    }

    pub(crate) fn membership(&mut self, group: &GroupId, person: &PersonId, present: bool) {
        self.membership_at(group, person, present, NOW);
    }

    pub(crate) fn membership_at(
        &mut self,
        group: &GroupId,
        person: &PersonId,
        present: bool,
        changed_at_ms: u64,
    ) {
        let membership = Membership {
            group: group.clone(),
            person: person.clone(),
            present,
            source: SourceId::parse("test").unwrap(),
            changed_at_ms,
            sequence: 0,
        };
        let touched = self.state.put_membership(&membership);
        self.touched.extend(touched);
    }

    /// An account that was in Litmos before.
    pub(crate) fn account(&mut self, name: &str) -> AccountId {
        let profile = [
            (Field::FirstName, "First".to_owned()),
            (Field::LastName, name.to_owned()),
            (Field::Email, format!("{name}@corp.example")),
        ];
        self.make_account(
            &format!("{name}@corp.example"),
            profile.into_iter().collect(),
            AccessLevel::Learner,
            None,
        )
    }

    pub(crate) fn team(&mut self, name: &str) -> TeamId {
        self.team_with(name, |_| {})
    }

    pub(crate) fn team_with(&mut self, name: &str, edit: impl FnOnce(&mut Team)) -> TeamId {
        self.made += 1;
        let id = TeamId::parse(format!("T{}", self.made)).unwrap();
        let mut team = Team {
            id: id.clone(),
            name: name.to_owned(),
            description: Some(String::new()),
            parent: None,
            bulk_code: format!("{}-{name}", self.made),
            as_of_ms: NOW,
        };
        edit(&mut team);
        let touched = self.state.put_team(team);
        self.touched.extend(touched);
        id
    }

    pub(crate) fn edit_team(&mut self, id: &TeamId, edit: impl FnOnce(&mut Team)) {
        let mut team = self.state.team(id).unwrap().clone();
        edit(&mut team);
        let touched = self.state.put_team(team);
        self.touched.extend(touched);
    }

    pub(crate) fn team_of(&self, group: &GroupId) -> TeamId {
        let link = self.state.group_link(group).expect("a link");
        link.value.team.clone().expect("a team")
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan_for(&self.state.subjects())
    }

    pub(crate) fn plan_for(&self, subjects: &BTreeSet<Subject>) -> Plan {
        plan(
            &OrgId::parse("acme").unwrap(),
            &self.state,
            subjects,
            &self.policy,
            NOW,
        )
    }

    /// Performs ready operations, planning anew after each, until nothing is left. Panics if it does not end.
    pub(crate) fn run(&mut self) {
        for _ in 0..500 {
            let plan = self.plan();
            for (subject, parked) in &plan.park {
                self.park(subject, parked);
            }
            let open: BTreeSet<_> = plan
                .operations
                .iter()
                .map(|operation| operation.id.clone())
                .collect();
            let ready = plan
                .operations
                .iter()
                .find(|operation| operation.after.is_disjoint(&open));
            match ready {
                Some(operation) => self.perform(&operation.clone()),
                None if plan.operations.is_empty() => return,
                None => panic!("nothing is ready:\n{}", plan.to_text(50)),
            }
        }
        panic!("no end:\n{}", self.plan().to_text(50));
    }

    pub(crate) fn park(&mut self, subject: &Subject, parked: &provisioning::Parked) {
        match subject {
            Subject::Person(id) => self.person_link(id, |link| link.parked = Some(Box::new(parked.clone()))),
            Subject::Group(id) => self.group_link(id, |link| link.parked = Some(Box::new(parked.clone()))),
        }
    }

    fn part(&mut self, team: &TeamId, account: &AccountId) {
        let touched = self.state.drop_team_member(team, account);
        self.touched.extend(touched);
    }

    pub(crate) fn join(&mut self, team: &TeamId, account: &AccountId) {
        let touched = self.state.put_team_member(team, account);
        self.touched.extend(touched);
    }

    fn make_account(
        &mut self,
        name: &str,
        profile: Profile,
        level: AccessLevel,
        manager: Option<AccountId>,
    ) -> AccountId {
        assert!(
            self.state
                .account_named(&provisioning::NormalName::of(name))
                .is_none(),
            "{name} would be created twice"
        );
        self.made += 1;
        let id = AccountId::parse(format!("A{}", self.made)).unwrap();
        let account = Account {
            id: id.clone(),
            user_name: name.to_owned(),
            active: true,
            access_level: Some(level),
            profile,
            manager,
            as_of_ms: NOW,
            whole: true,
            unseen: provisioning::Unseen::NONE,
            rest: provisioning::Rest::default(),
        };
        let touched = self.state.put_account(account);
        self.touched.extend(touched);
        id
    }

    pub(crate) fn edit_account(&mut self, id: &AccountId, edit: impl FnOnce(&mut Account)) {
        let mut account = self.state.account(id).unwrap().clone();
        edit(&mut account);
        let touched = self.state.put_account(account);
        self.touched.extend(touched);
    }

    fn link_to(&mut self, person: &PersonId, account: &AccountId) {
        let revision = self.state.person(person).unwrap().revision;
        self.person_link(person, |link| {
            link.account = Some(account.clone());
            link.applied_revision = revision;
            link.parked = None;
        });
    }

    pub(crate) fn person_link(&mut self, person: &PersonId, edit: impl FnOnce(&mut PersonLink)) {
        let mut link = self
            .state
            .person_link(person)
            .map_or_else(|| PersonLink::new(person.clone()), |link| link.value.clone());
        edit(&mut link);
        self.revision += 1;
        let touched = self.state.put_person_link(link, self.revision);
        self.touched.extend(touched);
    }

    pub(crate) fn group_link(&mut self, group: &GroupId, edit: impl FnOnce(&mut GroupLink)) {
        let mut link = self
            .state
            .group_link(group)
            .map_or_else(|| GroupLink::new(group.clone()), |link| link.value.clone());
        edit(&mut link);
        self.revision += 1;
        let touched = self.state.put_group_link(link, self.revision);
        self.touched.extend(touched);
    }
}
