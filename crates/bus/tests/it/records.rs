use bus::{Index, LinksValue, ObservedValue, Record, RosterValue, TeamMember};
use proptest::prelude::*;
use prost::Message as _;
use provisioning::{
    AccessLevel, Account, AccountId, Approval, Attribute, AttributeChange, Decision, DesiredManager, Ended,
    Field, Frozen, Group, GroupId, GroupLink, Harm, HarmHistory, HarmKey, Image, Intent, IntentKind,
    Membership, OperationId, ParkCode, Parked, Person, PersonId, PersonLink, PlanHash, Profile, Roles, Run,
    SourceId, SourceMark, Team, TeamId, TeamRole, Track, ValueChange,
};

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,24}"
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::collection::vec((prop::sample::select(Field::ALL), "\\PC{0,12}"), 0..8)
        .prop_map(|values| values.into_iter().collect())
}

fn level() -> impl Strategy<Value = Option<AccessLevel>> {
    prop::option::of(prop::sample::select(&AccessLevel::ALL[..]))
}

prop_compose! {
    fn person()(
        id in id(), user_name in "\\PC{0,20}", active: bool, deleted: bool, access_level in level(), profile in profile(),
        manager in prop_oneof![Just(DesiredManager::Leave), Just(DesiredManager::Clear), "\\PC{0,9}".prop_map(DesiredManager::Reference)],
        external in prop::option::of("\\PC{0,9}"), changed_at_ms: u64, scim_document in prop::option::of("\\PC{0,30}"),
        custom in prop::collection::btree_map("\\PC{1,9}", "\\PC{0,9}", 0..3),
    ) -> Person {
        let mark = SourceMark { external_id: external, changed_at_ms, sequence: changed_at_ms / 2, left: changed_at_ms % 2 == 1 };
        Person {
            id: PersonId::parse(id).unwrap(), user_name, active, deleted, access_level, profile, custom: custom.into(), manager,
            sources: [(SourceId::parse("hr").unwrap(), mark)].into(), scim_document, created_at_ms: 3, changed_at_ms,
        }
    }
}

prop_compose! {
    fn link()(
        id in id(), account in prop::option::of(id()), revision: u64, code in prop::sample::select(&ParkCode::ALL[..]),
        message in "\\PC{0,20}", parked: bool, open: bool, attempts: u32, frozen: bool,
        custom in prop::collection::btree_map("\\PC{1,9}", "\\PC{0,9}", 0..3),
    ) -> PersonLink {
        PersonLink {
            account: account.map(|id| AccountId::parse(id).unwrap()),
            applied_revision: revision,
            intent: open.then(|| Box::new(Intent {
                operation: OperationId::parse("op1").unwrap(), kind: IntentKind::LeaveTeams, revision, settled_at_ms: 9,
                name: Some(message.clone()),
            })),
            parked: parked.then(|| Box::new(Parked {
                code, attribute: Some("Email".to_owned()), message: message.clone(), remedy: message.clone(), revision, at_ms: 4,
            })),
            attempts,
            custom: custom.into(),
            made_owner: open != frozen,
            frozen: frozen.then(|| Box::new(Frozen { at_ms: 7, by: message.clone() })),
            last_error: Some(message),
            ..PersonLink::new(PersonId::parse(id).unwrap())
        }
    }
}

fn unseeable() -> Vec<Attribute> {
    let fields = Field::ALL.iter().copied().map(Attribute::Profile);
    fields
        .chain([Attribute::AccessLevel, Attribute::Manager])
        .collect()
}

fn check<R: Record + PartialEq>(value: &R) -> Result<(), TestCaseError> {
    let (type_name, bytes) = value.encode();
    prop_assert_eq!(&R::decode(&type_name, &bytes).unwrap(), value);
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(person in person(), link in link(), a in id(), b in id(), profile in profile(), level in level(),
        unseen in prop::collection::vec(prop::sample::select(unseeable()), 0..4), rest in "\\PC{0,12}") {
        check(&RosterValue::Membership(Membership {
            group: GroupId::parse(&a).unwrap(), person: PersonId::parse(&b).unwrap(), present: true,
            source: SourceId::parse("okta").unwrap(), changed_at_ms: 5, sequence: 9,
        }))?;
        check(&ObservedValue::Account(Box::new(Account {
            id: AccountId::parse(&a).unwrap(), user_name: b.clone(), active: true, access_level: level, profile,
            manager: Some(AccountId::parse(&b).unwrap()), as_of_ms: 8, whole: unseen.is_empty(),
            unseen: unseen.iter().copied().collect(), rest: rest.into(),
        })))?;
        check(&ObservedValue::TeamMember(TeamMember {
            team: TeamId::parse(&a).unwrap(), account: AccountId::parse(&b).unwrap(), roles: Roles { leader: true, admin: false }, as_of_ms: 1,
        }))?;
        check(&RosterValue::Index(Index(a)))?;
        check(&LinksValue::Person(Box::new(link)))?;
        check(&RosterValue::Person(Box::new(person)))?;
    }

    #[test]
    fn what_the_safeguard_and_the_forecast_remember_is_read_back_the_same(a in id(), b in id(), text in "\\PC{0,12}", n: u32, at_ms: u64) {
        let mut history = HarmHistory::default();
        for harm in Harm::ALL {
            history.add(harm, n, at_ms);
        }
        check(&LinksValue::Harm(history))?;
        let hash = PlanHash::parse(&a).unwrap();
        check(&LinksValue::Approval(Approval {
            hash: hash.clone(), keys: [HarmKey(at_ms), HarmKey(3)].into(), by: text.clone(), at_ms, expires_at_ms: at_ms / 2,
        }))?;
        check(&LinksValue::Run(Run {
            id: hash.clone(), started_at_ms: at_ms, ended_at_ms: (n % 2 == 0).then_some(at_ms), revisions: n, calls: n, operations: 1,
            forecast: Track::of([]).forecast(at_ms, n, u64::from(n)),
        }))?;
        check(&LinksValue::Group(Box::new(GroupLink {
            paused: n % 2 == 0, overwrite_due: n % 3 == 0, ..GroupLink::new(GroupId::parse(&b).unwrap())
        })))?;
        check(&RosterValue::Group(Box::new(Group {
            id: GroupId::parse(&b).unwrap(), name: text.clone(), description: Some(text.clone()), parent: (n % 2 == 0).then(|| a.clone()),
            deleted: false, sources: Default::default(), scim_document: None, created_at_ms: 1, changed_at_ms: at_ms,
        })))?;
        check(&ObservedValue::Team(Team {
            id: TeamId::parse(&a).unwrap(), name: text.clone(), description: (n % 2 == 0).then(|| text.clone()), parent: None,
            bulk_code: b.clone(), as_of_ms: at_ms,
        }))?;
        let (person, account) = (PersonId::parse(&a).unwrap(), AccountId::parse(&b).unwrap());
        let group = GroupId::parse(&b).unwrap();
        let change = AttributeChange { attribute: Attribute::Profile(Field::City), from: text.clone(), to: String::new() };
        let written = ValueChange { from: (n % 2 == 0).then(|| text.clone()), to: b.clone() };
        check(&Decision {
            run: hash, operation: OperationId::parse(&b).unwrap(), kind: "update".to_owned(), label: text.clone(), at_ms,
            ended: Ended::Parked, message: Some(text.clone()),
            images: vec![
                Image::Created { person: person.clone(), account: account.clone() },
                Image::Changed { person: person.clone(), account: account.clone(), changes: vec![change] },
                Image::CustomSet {
                    person: person.clone(), account: account.clone(), changes: [(text.clone(), written.clone())].into(),
                },
                Image::CustomSet { person: person.clone(), account: account.clone(), changes: [].into() },
                Image::CutOff { person: person.clone(), account },
                Image::Joined { group: group.clone(), person: person.clone() },
                Image::Left { group: group.clone(), person: person.clone() },
                Image::RoleSet { group: group.clone(), person, role: TeamRole::Admin, holds: true },
                Image::TeamMade { group: group.clone(), team: TeamId::parse(&a).unwrap() },
                Image::TeamNamed { group: group.clone(), from: text.clone(), to: b },
                Image::TeamDescribed { group: group.clone(), change: written },
                Image::TeamDeleted { group, name: text },
            ],
        })?;
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for type_name in ["rollcall.v1.Person", "rollcall.v1.Group", "rollcall.v1.Membership", "rollcall.v1.Link", "x"] {
            let _ = RosterValue::decode(type_name, &bytes);
            let _ = LinksValue::decode(type_name, &bytes);
            let _ = ObservedValue::decode(type_name, &bytes);
        }
        let _ = Decision::decode("rollcall.v1.Decision", &bytes);
    }
}

#[test]
fn an_image_that_says_half_of_what_was_there_is_refused_by_name() {
    let check = |image: proto::v1::Image, reason: &str| {
        let message = proto::v1::Decision {
            run: "aa".to_owned(),
            operation: "bb".to_owned(),
            ended: "done".to_owned(),
            images: vec![image],
            ..proto::v1::Decision::default()
        };
        let error = Decision::decode("rollcall.v1.Decision", &message.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), format!("rollcall.v1.Decision: {reason}"));
    };
    let image = |kind: &str, values: &[&str]| proto::v1::Image {
        kind: kind.to_owned(),
        person: "mira".to_owned(),
        account: "A1".to_owned(),
        group: "sales".to_owned(),
        values: values
            .iter()
            .map(|name| proto::v1::ValueChange {
                name: (*name).to_owned(),
                from: None,
                to: "x".to_owned(),
            })
            .collect(),
        ..proto::v1::Image::default()
    };
    check(
        image("custom_set", &["Site", "Site"]),
        "custom field \"Site\" is named twice",
    );
    check(image("team_described", &[]), "0 values for one description");
    check(image("team_described", &["", ""]), "2 values for one description");
    check(image("team_painted", &[]), "\"team_painted\" is no kind of image");
}
