//! A small company beside a small Litmos that does exactly what operations say.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{
    AccessLevel, Account, AccountId, Attribute, Change, Field, Group, GroupId, GroupLink, ManagerWish,
    Membership, Operation, OrgId, Person, PersonId, PersonLink, Plan, Policy, Profile, Safeguard, SourceId,
    Sources, Subject, Team, TeamId, World, plan,
};

pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) policy: Policy,
    /// What the world's own reports said may have changed, since the last look.
    pub(crate) touched: BTreeSet<Subject>,
    pub(crate) calls: u32,
    revision: u64,
    made: u32,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let mut world = World::new();
        world.set_import_complete(true);
        Scene {
            world,
            policy: Policy {
                safeguard: Safeguard::boundless(),
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
            custom: BTreeMap::new(),
            manager: ManagerWish::Leave,
            sources: Sources::new(),
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
        let mut person = self.world.person(id).unwrap().value.clone();
        edit(&mut person);
        self.put(person);
    }

    fn put(&mut self, person: Person) {
        self.revision += 1;
        let touched = self.world.put_person(person, self.revision);
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
        self.revision += 1;
        let group = Group {
            id: id.clone(),
            name: name.to_owned(),
            description: None,
            parent: None,
            deleted: false,
            sources: Sources::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        };
        let touched = self.world.put_group(group, self.revision);
        self.touched.extend(touched);
    }

    pub(crate) fn membership(&mut self, group: &GroupId, person: &PersonId, present: bool) {
        let membership = Membership {
            group: group.clone(),
            person: person.clone(),
            present,
            source: SourceId::parse("test").unwrap(),
            changed_at_ms: NOW,
        };
        let touched = self.world.put_membership(&membership);
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
        self.made += 1;
        let id = TeamId::parse(format!("T{}", self.made)).unwrap();
        self.put_team(&id, name, &format!("{}-{name}", self.made));
        id
    }

    fn put_team(&mut self, id: &TeamId, name: &str, code: &str) {
        let touched = self.world.put_team(Team {
            id: id.clone(),
            name: name.to_owned(),
            description: Some(String::new()),
            parent: None,
            bulk_code: code.to_owned(),
            as_of_ms: NOW,
        });
        self.touched.extend(touched);
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan_for(&self.world.subjects())
    }

    pub(crate) fn plan_for(&self, subjects: &BTreeSet<Subject>) -> Plan {
        plan(
            &OrgId::parse("acme").unwrap(),
            &self.world,
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

    fn park(&mut self, subject: &Subject, parked: &provisioning::Parked) {
        match subject {
            Subject::Person(id) => self.person_link(id, |link| link.parked = Some(parked.clone())),
            Subject::Group(id) => self.group_link(id, |link| link.parked = Some(parked.clone())),
        }
    }

    fn perform(&mut self, operation: &Operation) {
        self.calls += operation.calls;
        match &operation.change {
            Change::Link { person, account, .. } => self.tie(person, account),
            Change::Read { .. } => panic!("every account of a scene is seen"),
            Change::CutOff { person, account, .. } => {
                self.tie(person, account);
                self.edit_account(account, |account| account.active = false);
                self.person_link(person, |link| link.leave_teams_due = true);
            }
            Change::LeaveTeams { person, account, .. } => {
                let teams: Vec<TeamId> = self.world.teams_of(account).cloned().collect();
                teams.iter().for_each(|team| self.part(team, account));
                self.person_link(person, |link| link.leave_teams_due = false);
            }
            Change::Create { person, draft, .. } => {
                let account = self.make_account(
                    &draft.user_name,
                    draft.profile.clone(),
                    draft.access_level,
                    draft.manager.clone(),
                );
                self.tie(person, &account);
            }
            Change::Update {
                person,
                account,
                changes,
                ..
            } => {
                self.tie(person, account);
                for change in changes {
                    self.edit_account(account, |account| match change.attribute {
                        Attribute::UserName => account.user_name = change.to.clone(),
                        Attribute::Active => account.active = change.to == "true",
                        Attribute::AccessLevel => account.access_level = AccessLevel::parse(&change.to).ok(),
                        Attribute::Manager => account.manager = AccountId::parse(&change.to).ok(),
                        Attribute::Profile(field) if change.to.is_empty() => account.profile.remove(field),
                        Attribute::Profile(field) => account.profile.set(field, change.to.as_str()),
                    });
                }
            }
            Change::Bulk { rows } => {
                for row in rows {
                    let account = match &row.account {
                        None => self.make_account(
                            &row.user_name,
                            row.profile.clone(),
                            row.access_level.unwrap(),
                            row.manager.clone(),
                        ),
                        Some(account) => {
                            self.edit_account(account, |account| {
                                account.profile.set(Field::DisableMessages, "false");
                                row.profile
                                    .iter()
                                    .for_each(|(field, value)| account.profile.set(field, value));
                                account.access_level = row.access_level.or(account.access_level);
                                account.manager = row.manager.clone().or(account.manager.clone());
                            });
                            account.clone()
                        }
                    };
                    self.tie(&row.person, &account);
                    for group in &row.groups {
                        let team = self.world.group_link(group).unwrap().value.team.clone().unwrap();
                        self.join(&team, &account);
                    }
                }
            }
            Change::LinkTeam { group, team, .. } => {
                self.group_link(group, |link| link.team = Some(team.clone()))
            }
            Change::CreateTeam { group, name, .. } => {
                let team = self.team(name);
                self.group_link(group, |link| link.team = Some(team));
            }
            Change::AmendTeam { team, name, .. } => {
                if let Some(name) = name {
                    self.put_team(team, &name.to, "");
                }
            }
            Change::AddMembers { group, people } => {
                let team = self.world.group_link(group).unwrap().value.team.clone().unwrap();
                for person in people {
                    let account = self.world.linked_account(person).cloned().or_else(|| {
                        let name = &self.world.person(person)?.value.user_name;
                        self.world
                            .account_named(&provisioning::NormalName::of(name))
                            .map(|account| account.id.clone())
                    });
                    self.join(&team, &account.unwrap());
                }
            }
            Change::RemoveMember { team, account, .. } => self.part(team, account),
            Change::SetCustomFields { person, values, .. } => {
                self.person_link(person, |link| link.custom.clone_from(values));
            }
            Change::LeaveAllTeams { account, .. } => {
                let teams: Vec<TeamId> = self.world.teams_of(account).cloned().collect();
                teams.iter().for_each(|team| self.part(team, account));
            }
            Change::UnlinkTeam { group, .. } => self.group_link(group, |link| link.team = None),
            Change::DeleteTeam { group, team, .. } => {
                let members: Vec<AccountId> = self.world.team_members(team).cloned().collect();
                members.iter().for_each(|account| self.part(team, account));
                let touched = self.world.drop_team(team);
                self.touched.extend(touched);
                self.group_link(group, |link| link.team = None);
            }
            Change::SetRole {
                team,
                account,
                role,
                holds,
                ..
            } => {
                assert!(
                    self.world.is_team_member(team, account),
                    "only members hold roles"
                );
                let roles = self.world.roles(team, account).with(*role, *holds);
                let touched = self.world.put_roles(team, account, roles);
                self.touched.extend(touched);
            }
            Change::EndOverwrite { group } => self.group_link(group, |link| link.overwrite_due = false),
        }
    }

    fn part(&mut self, team: &TeamId, account: &AccountId) {
        let touched = self.world.drop_team_member(team, account);
        self.touched.extend(touched);
    }

    pub(crate) fn join(&mut self, team: &TeamId, account: &AccountId) {
        let touched = self.world.put_team_member(team, account);
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
            self.world
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
        };
        let touched = self.world.put_account(account);
        self.touched.extend(touched);
        id
    }

    pub(crate) fn edit_account(&mut self, id: &AccountId, edit: impl FnOnce(&mut Account)) {
        let mut account = self.world.account(id).unwrap().clone();
        edit(&mut account);
        let touched = self.world.put_account(account);
        self.touched.extend(touched);
    }

    fn tie(&mut self, person: &PersonId, account: &AccountId) {
        let revision = self.world.person(person).unwrap().revision;
        self.person_link(person, |link| {
            link.account = Some(account.clone());
            link.applied_revision = revision;
        });
    }

    pub(crate) fn person_link(&mut self, person: &PersonId, edit: impl FnOnce(&mut PersonLink)) {
        let mut link = self
            .world
            .person_link(person)
            .map_or_else(|| PersonLink::new(person.clone()), |link| link.value.clone());
        edit(&mut link);
        self.revision += 1;
        let touched = self.world.put_person_link(link, self.revision);
        self.touched.extend(touched);
    }

    fn group_link(&mut self, group: &GroupId, edit: impl FnOnce(&mut GroupLink)) {
        let mut link = self
            .world
            .group_link(group)
            .map_or_else(|| GroupLink::new(group.clone()), |link| link.value.clone());
        edit(&mut link);
        self.revision += 1;
        let touched = self.world.put_group_link(link, self.revision);
        self.touched.extend(touched);
    }

    /// Litmos as text: who is there, active or not, and in which teams.
    pub(crate) fn litmos(&self) -> String {
        let mut lines: Vec<String> = self
            .world
            .accounts()
            .map(|account| {
                let teams: BTreeSet<&str> = self
                    .world
                    .teams_of(&account.id)
                    .filter_map(|id| self.world.team(id))
                    .map(|team| team.name.as_str())
                    .collect();
                let manager = account.manager.as_ref().and_then(|id| self.world.account(id));
                let fields: Vec<String> = account
                    .profile
                    .iter()
                    .filter(|(field, _)| *field != Field::DisableMessages)
                    .map(|(field, value)| format!("{}={value}", field.wire()))
                    .collect();
                format!(
                    "{} active={} level={} manager={} teams={teams:?} {}",
                    account.user_name,
                    account.active,
                    account.access_level.map_or("?", AccessLevel::as_litmos),
                    manager.map_or("-", |manager| &manager.user_name),
                    fields.join(" ")
                )
            })
            .collect();
        lines.sort();
        lines.join("\n")
    }
}
