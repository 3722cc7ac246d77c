//! Writes test data to the buckets, as the importer, the roster and earlier operations do.

use bus::{
    Change as Stored, Expect, LinksKey, LinksValue, ObservedKey, ObservedValue, RosterKey, RosterValue,
    TeamMember, Write,
};
use provisioning::{Account, AccountId, Group, GroupLink, Person, PersonLink, Roles, Team, TeamId};

use super::{Harness, free_permit, group_id, person, person_id};

impl Harness {
    /// Writes the current state of Litmos to the observed state, as the importer does.
    pub(in crate::controller::jobs::tests) async fn import(&self) {
        let now = crate::executor::unix_ms();
        let client = &self.executor.litmos;
        for record in client
            .list_users_details(free_permit(), None, 0, 1_000)
            .await
            .unwrap()
        {
            let account = crate::executor::account(&record, now).unwrap();
            let key = ObservedKey::Account(self.org.clone(), account.id.clone());
            self.put_observed(key, ObservedValue::Account(Box::new(account)))
                .await;
        }
        for record in client.list_teams(free_permit(), 0, 1_000).await.unwrap() {
            let team = crate::executor::team(&record, now).unwrap();
            let key = ObservedKey::Team(self.org.clone(), team.id.clone());
            self.put_observed(key, ObservedValue::Team(team)).await;
        }
        for team in self.litmos.state().teams {
            for account in &team.members {
                let roles = Roles {
                    leader: team.leaders.contains(account),
                    admin: team.admins.contains(account),
                };
                let member = TeamMember {
                    team: TeamId::parse(&team.id.0).unwrap(),
                    account: AccountId::parse(&account.0).unwrap(),
                    roles,
                    as_of_ms: now,
                };
                let key =
                    ObservedKey::TeamMember(self.org.clone(), member.team.clone(), member.account.clone());
                self.put_observed(key, ObservedValue::TeamMember(member)).await;
            }
        }
    }

    pub(in crate::controller::jobs::tests) async fn put_observed(
        &self,
        key: ObservedKey,
        value: ObservedValue,
    ) {
        let write = Write {
            key,
            expect: Expect::Any,
            change: Stored::Put(value),
        };
        self.bus.observed().write(write).await.unwrap();
    }

    pub(in crate::controller::jobs::tests) async fn put_account(&self, account: Account) {
        let key = ObservedKey::Account(self.org.clone(), account.id.clone());
        self.put_observed(key, ObservedValue::Account(Box::new(account)))
            .await;
    }

    async fn put_roster(&self, key: RosterKey, value: RosterValue) {
        let write = Write {
            key,
            expect: Expect::Any,
            change: Stored::Put(value),
        };
        self.bus.roster().write(write).await.unwrap();
    }

    pub(in crate::controller::jobs::tests) async fn want_person(&self, name: &str) {
        self.want(person(name)).await;
    }

    pub(in crate::controller::jobs::tests) async fn want(&self, person: Person) {
        let key = RosterKey::of_person(&self.org, &person);
        self.put_roster(key, RosterValue::Person(Box::new(person))).await;
    }

    pub(in crate::controller::jobs::tests) async fn want_group(&self, name: &str) {
        let group = Group {
            id: group_id(name),
            name: name.to_owned(),
            description: None,
            parent: None,
            deleted: false,
            sources: provisioning::Sources::new(),
            scim_document: None,
            created_at_ms: 1,
            changed_at_ms: 1,
        };
        let key = RosterKey::Group(self.org.clone(), group.id.clone());
        self.put_roster(key, RosterValue::Group(Box::new(group))).await;
    }

    pub(in crate::controller::jobs::tests) async fn put_link(&self, key: LinksKey, value: LinksValue) {
        let write = Write {
            key,
            expect: Expect::Any,
            change: Stored::Put(value),
        };
        self.bus.links().write(write).await.unwrap();
    }

    pub(super) async fn link_person(&self, name: &str) {
        let link = PersonLink {
            account: Some(self.account_id(name)),
            ..PersonLink::new(person_id(name))
        };
        self.put_person_link(link).await;
    }

    pub(super) async fn link_group(&self, name: &str) {
        let link = GroupLink {
            team: Some(self.team_id(name)),
            ..GroupLink::new(group_id(name))
        };
        self.put_group_link(link).await;
    }

    pub(in crate::controller::jobs::tests) async fn put_person_link(&self, link: PersonLink) {
        let key = LinksKey::Person(self.org.clone(), link.person.clone());
        self.put_link(key, LinksValue::Person(Box::new(link))).await;
    }

    pub(in crate::controller::jobs::tests) async fn put_group_link(&self, link: GroupLink) {
        let key = LinksKey::Group(self.org.clone(), link.group.clone());
        self.put_link(key, LinksValue::Group(Box::new(link))).await;
    }

    /// Writes a team to the observed state, even if it does not exist in Litmos.
    pub(in crate::controller::jobs::tests) async fn put_team(&self, id: &TeamId, name: &str) {
        let team = Team {
            id: id.clone(),
            name: name.to_owned(),
            description: None,
            parent: None,
            bulk_code: String::new(),
            as_of_ms: crate::executor::unix_ms(),
        };
        let key = ObservedKey::Team(self.org.clone(), id.clone());
        self.put_observed(key, ObservedValue::Team(team)).await;
    }
}
