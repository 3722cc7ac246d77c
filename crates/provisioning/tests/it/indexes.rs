//! A state against a naive one: plain maps, walked for every answer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use provisioning::{
    Account, AccountId, DesiredManager, GroupId, Intent, IntentKind, Membership, NormalName, OperationId,
    OrgState, ParkCode, Parked, Person, PersonId, PersonLink, Profile, Roles, SourceId, SourceMark, Sources,
    Tally, TeamId,
};

#[derive(Clone, Debug)]
enum Event {
    Person {
        n: u8,
        name: u8,
        active: bool,
        deleted: bool,
        manager: Option<u8>,
        title: u8,
    },
    PersonGone(u8),
    Account {
        n: u8,
        name: u8,
        active: bool,
    },
    AccountGone(u8),
    Link {
        n: u8,
        account: Option<u8>,
        open: bool,
        parked: bool,
    },
    LinkGone(u8),
    Membership {
        group: u8,
        n: u8,
        present: bool,
    },
    MembershipGone {
        group: u8,
        n: u8,
    },
    Member {
        team: u8,
        account: u8,
    },
    MemberGone {
        team: u8,
        account: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let (n, few) = (0..6_u8, 0..3_u8);
    prop_oneof![
        4 => (n.clone(), 0..2_u8, any::<bool>(), any::<bool>(), prop::option::of(n.clone()), 0..2_u8).prop_map(
            |(n, name, active, deleted, manager, title)| Event::Person { n, name, active, deleted, manager, title }),
        1 => n.clone().prop_map(Event::PersonGone),
        4 => (n.clone(), 0..2_u8, any::<bool>()).prop_map(|(n, name, active)| Event::Account { n, name, active }),
        1 => n.clone().prop_map(Event::AccountGone),
        4 => (n.clone(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(n, tied, open, parked)| Event::Link { n, account: tied.then_some(n), open, parked }),
        1 => n.clone().prop_map(Event::LinkGone),
        3 => (few.clone(), n.clone(), any::<bool>()).prop_map(|(group, n, present)| Event::Membership { group, n, present }),
        1 => (few.clone(), n.clone()).prop_map(|(group, n)| Event::MembershipGone { group, n }),
        3 => (few.clone(), n.clone()).prop_map(|(team, account)| Event::Member { team, account }),
        1 => (few, n).prop_map(|(team, account)| Event::MemberGone { team, account }),
    ]
}

fn person_id(n: u8) -> PersonId {
    PersonId::parse(format!("P{n}")).unwrap()
}

fn account_id(n: u8) -> AccountId {
    AccountId::parse(format!("A{n}")).unwrap()
}

fn group_id(n: u8) -> GroupId {
    GroupId::parse(format!("G{n}")).unwrap()
}

fn team_id(n: u8) -> TeamId {
    TeamId::parse(format!("T{n}")).unwrap()
}

fn user_name(n: u8, name: u8) -> String {
    format!("Né{n}-{name}@corp.example")
}

fn external_id(n: u8, name: u8) -> String {
    format!("EXT-{n}-{name}")
}

#[derive(Default)]
struct Naive {
    people: BTreeMap<PersonId, Person>,
    accounts: BTreeMap<AccountId, Account>,
    links: BTreeMap<PersonId, PersonLink>,
    memberships: BTreeMap<(GroupId, PersonId), bool>,
    members: BTreeSet<(TeamId, AccountId)>,
}

impl Naive {
    fn tally(&self) -> Tally {
        let account_of = |id: &PersonId| self.links.get(id).and_then(|link| link.account.as_ref());
        Tally {
            people: self.people.values().filter(|person| !person.deleted).count(),
            active: self
                .people
                .values()
                .filter(|person| person.wanted_active())
                .count(),
            linked: self.people.keys().filter(|id| account_of(id).is_some()).count(),
        }
    }

    fn referenced(&self, reference: &str) -> Option<PersonId> {
        let wanted = NormalName::of(reference);
        let named = |person: &&Person| {
            let externals = person
                .sources
                .values()
                .filter_map(|mark| mark.external_id.as_deref());
            let all = externals.chain([person.user_name.as_str(), person.id.as_str()]);
            all.into_iter().any(|name| NormalName::of(name) == wanted)
        };
        self.people.values().find(named).map(|person| person.id.clone())
    }

    fn account_named(&self, name: &str) -> Option<AccountId> {
        let wanted = NormalName::of(name);
        let mut all = self.accounts.values();
        all.find(|account| NormalName::of(&account.user_name) == wanted)
            .map(|account| account.id.clone())
    }
}

fn happen(state: &mut OrgState, naive: &mut Naive, event: &Event, revision: u64) {
    match event {
        Event::Person {
            n,
            name,
            active,
            deleted,
            manager,
            title,
        } => {
            let mark = SourceMark {
                external_id: Some(external_id(*n, *name)),
                changed_at_ms: revision,
                ..Default::default()
            };
            let person = Person {
                id: person_id(*n),
                user_name: user_name(*n, *name),
                active: *active,
                deleted: *deleted,
                access_level: None,
                profile: [(provisioning::Field::JobTitle, format!("Title {title}"))]
                    .into_iter()
                    .collect(),
                custom: Default::default(),
                manager: manager.map_or(DesiredManager::Leave, |n| {
                    DesiredManager::Reference(user_name(n, 0))
                }),
                sources: Sources::from([(SourceId::parse("hr").unwrap(), mark)]),
                scim_document: None,
                created_at_ms: 0,
                changed_at_ms: revision,
            };
            naive.people.insert(person.id.clone(), person.clone());
            state.put_person(person, revision);
        }
        Event::PersonGone(n) => {
            naive.people.remove(&person_id(*n));
            state.drop_person(&person_id(*n));
        }
        Event::Account { n, name, active } => {
            let account = Account {
                id: account_id(*n),
                user_name: user_name(*n, *name).to_uppercase(),
                active: *active,
                access_level: None,
                profile: Profile::new(),
                manager: None,
                as_of_ms: revision,
                whole: true,
                unseen: provisioning::Unseen::NONE,
                rest: provisioning::Rest::default(),
            };
            naive.accounts.insert(account.id.clone(), account.clone());
            state.put_account(account);
        }
        Event::AccountGone(n) => {
            naive.accounts.remove(&account_id(*n));
            state.drop_account(&account_id(*n));
        }
        Event::Link {
            n,
            account,
            open,
            parked,
        } => {
            let link = PersonLink {
                account: account.map(account_id),
                intent: open.then(|| {
                    Box::new(Intent {
                        name: None,
                        operation: OperationId::parse("op").unwrap(),
                        kind: IntentKind::Update,
                        revision,
                        settled_at_ms: 0,
                    })
                }),
                parked: parked.then(|| {
                    Box::new(Parked {
                        code: ParkCode::KeepsFailing,
                        attribute: None,
                        message: String::new(),
                        remedy: String::new(),
                        revision,
                        at_ms: 0,
                    })
                }),
                ..PersonLink::new(person_id(*n))
            };
            naive.links.insert(link.person.clone(), link.clone());
            state.put_person_link(link, revision);
        }
        Event::LinkGone(n) => {
            naive.links.remove(&person_id(*n));
            state.drop_person_link(&person_id(*n));
        }
        Event::Membership { group, n, present } => {
            naive
                .memberships
                .insert((group_id(*group), person_id(*n)), *present);
            state.put_membership(&Membership {
                group: group_id(*group),
                person: person_id(*n),
                present: *present,
                source: SourceId::parse("hr").unwrap(),
                changed_at_ms: revision,
                sequence: 0,
            });
        }
        Event::MembershipGone { group, n } => {
            naive.memberships.remove(&(group_id(*group), person_id(*n)));
            state.drop_membership(&group_id(*group), &person_id(*n));
        }
        Event::Member { team, account } => {
            naive.members.insert((team_id(*team), account_id(*account)));
            state.put_team_member(&team_id(*team), &account_id(*account));
            state.put_roles(&team_id(*team), &account_id(*account), Roles::NONE);
        }
        Event::MemberGone { team, account } => {
            naive.members.remove(&(team_id(*team), account_id(*account)));
            state.drop_team_member(&team_id(*team), &account_id(*account));
        }
    }
}

fn assert_same(state: &OrgState, naive: &Naive) {
    assert_eq!(state.tally(), naive.tally());
    let noted: Vec<&PersonId> = state
        .noted_person_links()
        .map(|link| &link.value.person)
        .collect();
    let of_note = |link: &&PersonLink| link.intent.is_some() || link.parked.is_some();
    let expected: Vec<&PersonId> = naive
        .links
        .values()
        .filter(of_note)
        .map(|link| &link.person)
        .collect();
    assert_eq!(noted, expected);
    for n in 0..6 {
        let (id, account) = (person_id(n), account_id(n));
        assert_eq!(
            state.person(&id).map(|person| &person.value),
            naive.people.get(&id)
        );
        assert_eq!(state.account(&account), naive.accounts.get(&account));
        assert_eq!(
            state.person_link(&id).map(|link| &link.value),
            naive.links.get(&id)
        );
        let tied = naive
            .links
            .values()
            .find(|link| link.account.as_ref() == Some(&account));
        assert_eq!(state.owner_of(&account), tied.map(|link| &link.person));
        for reference in [
            user_name(n, 0),
            user_name(n, 1),
            external_id(n, 0),
            external_id(n, 1),
            format!("p{n}"),
        ] {
            assert_eq!(
                state.referenced(&reference).cloned(),
                naive.referenced(&reference),
                "{reference}"
            );
            let named = state
                .account_named(&NormalName::of(&reference))
                .map(|account| account.id.clone());
            assert_eq!(named, naive.account_named(&reference), "{reference}");
        }
        let groups: Vec<GroupId> = state.groups_of(&id).cloned().collect();
        let wanted = naive.memberships.keys().filter(|(_, person)| *person == id);
        assert_eq!(groups, wanted.map(|(group, _)| group.clone()).collect::<Vec<_>>());
        let teams: Vec<TeamId> = state.teams_of(&account).cloned().collect();
        let there = naive.members.iter().filter(|(_, member)| *member == account);
        assert_eq!(teams, there.map(|(team, _)| team.clone()).collect::<Vec<_>>());
    }
    for n in 0..3 {
        let wanted: Vec<(PersonId, bool)> = state
            .wanted_members(&group_id(n))
            .map(|(person, present)| (person.clone(), present))
            .collect();
        let expected = naive
            .memberships
            .iter()
            .filter(|((group, _), _)| *group == group_id(n));
        assert_eq!(
            wanted,
            expected
                .map(|((_, person), present)| (person.clone(), *present))
                .collect::<Vec<_>>()
        );
        let members: Vec<AccountId> = state.team_members(&team_id(n)).cloned().collect();
        let expected = naive.members.iter().filter(|(team, _)| *team == team_id(n));
        assert_eq!(
            members,
            expected.map(|(_, account)| account.clone()).collect::<Vec<_>>()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_world_answers_as_plain_maps_do(events in prop::collection::vec(event(), 0..60)) {
        let (mut state, mut naive) = (OrgState::new(), Naive::default());
        for (at, event) in events.iter().enumerate() {
            happen(&mut state, &mut naive, event, at as u64 + 1);
            assert_same(&state, &naive);
        }
    }

    #[test]
    fn a_world_that_was_filled_is_like_one_that_was_told(events in prop::collection::vec(event(), 0..60)) {
        let (mut state, mut naive) = (OrgState::filling(), Naive::default());
        for (at, event) in events.iter().enumerate() {
            happen(&mut state, &mut naive, event, at as u64 + 1);
        }
        state.filled();
        assert_same(&state, &naive);
    }
}
