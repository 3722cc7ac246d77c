//! Advanced custom fields, and values that nobody would take.

use insta::assert_snapshot;
use provisioning::{AccessLevel, Attribute, Change, DesiredManager, Field, NormalName, Person, WaitReason};

use super::{operations, waits};
use crate::scene::Scene;

#[test]
fn custom_fields_are_set_together_after_the_account_is_there_and_once() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| {
        person.custom.insert("Badge".to_owned(), "7".to_owned());
        person.custom.insert("Site".to_owned(), "Oslo".to_owned());
    });
    assert_snapshot!(operations(&scene), @r"
    create account mira@corp.example [1]
    set custom fields of mira@corp.example: Badge, Site [2]
    ");
    scene.run();
    assert_eq!(scene.calls, 3);

    scene.edit(&mira, |person| {
        person.custom.insert("Badge".to_owned(), "8".to_owned());
    });
    let plan = scene.plan();
    assert_snapshot!(operations(&scene), @"set custom fields of mira@corp.example: Badge [2]");
    let Change::SetCustomFields { values, .. } = &plan.operations[0].change else {
        panic!("{}", plan.to_text(9));
    };
    assert_eq!(values.len(), 2, "a mandatory field that stays goes along");
    scene.run();
    assert!(scene.plan().is_empty());
}

#[test]
fn a_custom_field_that_a_source_emptied_is_cleared_and_one_that_none_set_is_left() {
    let mut scene = Scene::new();
    let mira = scene.person_with("mira", |person| {
        person.custom.insert("Badge".to_owned(), "7".to_owned());
    });
    scene.run();
    scene.person_link(&mira, |link| {
        link.custom.insert("Locker".to_owned(), "12".to_owned());
    });
    scene.edit(&mira, |person| {
        person.custom.insert("Badge".to_owned(), String::new());
    });
    let plan = scene.plan();
    let Change::SetCustomFields { values, .. } = &plan.operations[0].change else {
        panic!("{}", plan.to_text(9));
    };
    assert_eq!(format!("{values:?}"), r#"{"Badge": ""}"#);
}

#[test]
fn a_bulk_import_cannot_carry_custom_fields_so_they_follow_it() {
    let mut scene = Scene::new();
    for n in 0..20 {
        scene.person_with(&format!("p{n}"), |person| {
            if n < 2 {
                person.custom.insert("Badge".to_owned(), n.to_string());
            }
        });
    }
    assert_snapshot!(operations(&scene), @r"
    bulk import of 20 new and 0 existing accounts [4]
    set custom fields of p0@corp.example: Badge [2]
    set custom fields of p1@corp.example: Badge [2]
    ");
    scene.run();
    assert_eq!(scene.calls, 8);
    assert!(scene.litmos().contains("Badge:1"));
}

#[test]
fn nobody_who_is_inactive_gets_custom_fields() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.run();
    scene.edit(&mira, |person| {
        person.active = false;
        person.custom.insert("Badge".to_owned(), "7".to_owned());
    });
    scene.run();
    assert_eq!(operations(&scene), "");
    scene.edit(&mira, |person| person.active = true);
    assert_snapshot!(operations(&scene), @r"
    update mira@corp.example: Active [1]
    set custom fields of mira@corp.example: Badge [2]
    ");
}

#[test]
fn custom_fields_are_updates_and_stay_off_with_them() {
    let mut scene = Scene::new();
    scene.policy.update_attributes = false;
    scene.person_with("mira", |person| {
        person.custom.insert("Badge".to_owned(), "7".to_owned());
    });
    assert_snapshot!(operations(&scene), @"create account mira@corp.example [1]");
    assert_snapshot!(waits(&scene), @r#"mira: SwitchedOff { feature: "update_attributes" }"#);
}

#[test]
fn a_custom_value_that_is_too_long_is_parked_and_nothing_is_sent() {
    let mut scene = Scene::new();
    scene.person_with("mira", |person| {
        person.custom.insert("Badge".to_owned(), "x".repeat(256));
    });
    assert_snapshot!(operations(&scene), @"! value-too-long: has 256 characters; Litmos takes 255");
}

#[test]
fn last_names_of_blanks_are_no_names() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.run();
    scene.edit(&mira, |person| person.profile.set(Field::LastName, "  "));
    scene.person_with("nobody", |person| person.profile.set(Field::LastName, " "));
    assert_snapshot!(operations(&scene), @r"
    ! value-missing: is to be emptied, and Litmos keeps no account without it
    ! value-missing: is empty, and Litmos makes no account without it
    ");
}

#[test]
fn access_levels_that_do_not_exist_are_refused_where_they_are_read() {
    let refused = AccessLevel::parse("Superuser").unwrap_err().to_string();
    assert_snapshot!(refused, @r#""Superuser" is no Litmos access level; use Account_Owner, Administrator, Team_Admin, Team_Leader or Learner"#);
}

#[test]
fn names_that_differ_in_case_or_form_only_are_one_name_to_the_planner() {
    let mut scene = Scene::new();
    let turkish = scene.account("İpek");
    scene.edit_account(&turkish, |account| {
        account.user_name = "İPEK@corp.example".to_owned()
    });
    let composed = scene.account("jose");
    scene.edit_account(&composed, |account| {
        account.user_name = "José@corp.example".to_owned()
    });
    for (id, user_name) in [
        ("ipek", "ipek@corp.example"),
        ("jose", "JOSE\u{301}@corp.example"),
    ] {
        scene.person_with(id, |person| {
            person.user_name = user_name.to_owned();
            person.profile.remove(Field::LastName);
        });
    }
    assert_snapshot!(operations(&scene), @r"
    link ipek@corp.example to account A1 [0]
    link JOSÉ@corp.example to account A2 [0]
    ");
    assert_ne!(
        NormalName::of("jose@corp.example"),
        NormalName::of("josé@corp.example")
    );
}

#[test]
fn fifty_thousand_members_join_in_calls_of_a_thousand() {
    let mut scene = Scene::new();
    let group = scene.group("Everybody", &[]);
    for n in 0..50_000 {
        let name = format!("p{n}");
        scene.account(&name);
        let person = scene.person(&name);
        scene.membership(&group, &person, true);
    }
    scene.policy.bulk = false;
    let plan = scene.plan();
    let joins: Vec<usize> = plan
        .operations
        .iter()
        .filter_map(|operation| match &operation.change {
            Change::AddMembers { people, .. } => Some(people.len()),
            _ => None,
        })
        .collect();
    assert_eq!(joins.len(), 50);
    assert!(joins.iter().all(|count| *count == 1_000));
    assert_eq!(plan.calls(), 51);
}

#[test]
fn an_account_that_vanished_is_read_and_made_again() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let group = scene.group("Sales", &[&mira]);
    scene.run();
    let account = scene.state.linked_account(&mira).cloned().unwrap();
    let team = scene.team_of(&group);
    let touched = scene.state.drop_team_member(&team, &account);
    scene.touched.extend(touched);
    let touched = scene.state.drop_account(&account);
    scene.touched.extend(touched);
    assert_snapshot!(operations(&scene), @"read account A2 of mira@corp.example [1]");
    scene.run();
    assert!(
        scene
            .litmos()
            .contains("mira@corp.example active=true level=Learner manager=- teams={\"Sales\"}")
    );
}

#[test]
fn what_litmos_refused_waits_for_another_wish() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let revision = scene.state.person(&mira).unwrap().revision;
    let refused = provisioning::Parked {
        code: provisioning::ParkCode::RejectedByLitmos,
        attribute: None,
        message: "Culture invalid".to_owned(),
        remedy: "Correct it at the source.".to_owned(),
        revision,
        at_ms: 0,
    };
    scene.person_link(&mira, |link| link.parked = Some(Box::new(refused.clone())));
    let plan = scene.plan();
    assert!(plan.is_empty());
    assert!(matches!(&plan.waiting[0].1, WaitReason::Parked(parked) if *parked == refused));
}

#[test]
fn an_account_that_is_overwritten_in_two_ways_is_one_account_to_the_safeguard() {
    let mut scene = Scene::new();
    let people: Vec<_> = (0..60)
        .map(|n| {
            scene.person_with(&format!("p{n}"), |person| {
                person.custom.insert("Badge".to_owned(), "old".to_owned());
                person.profile.set(Field::City, "Oslo");
            })
        })
        .collect();
    scene.run();
    scene.policy.safeguard = provisioning::Safeguard::default();
    for (n, person) in people.iter().enumerate() {
        scene.edit(person, |person| {
            person.custom.insert("Badge".to_owned(), "new".to_owned());
            if n < 30 {
                person.profile.set(Field::City, "Rome");
            }
        });
    }
    let plan = scene.plan();
    assert!(plan.is_empty(), "{}", plan.to_text(9));
    assert_eq!(plan.held[0].items.len(), 60);
    assert_eq!(plan.held[0].items[0].label, "update p0@corp.example: City, Badge");

    // What only gives is not held: a field that had no value, and one that gets its first.
    let newcomer = scene.person("newcomer");
    scene.edit(&newcomer, |person| {
        person.custom.insert("Badge".to_owned(), "1".to_owned());
    });
    assert_eq!(scene.plan().calls(), 3);
}

#[test]
fn a_first_load_names_at_once_all_that_it_will_overwrite() {
    for (newcomers, held) in [(200, 0), (0, 100)] {
        let mut scene = Scene::new();
        scene.policy.safeguard = provisioning::Safeguard::default();
        let mut people = Vec::new();
        for n in 0..100 {
            let name = format!("p{n}");
            let account = scene.account(&name);
            scene.edit_account(&account, |account| account.profile.set(Field::City, "Oslo"));
            people.push(scene.person_with(&name, |person| {
                person.profile.set(Field::City, "Rome");
                person.access_level = (n < 3).then_some(AccessLevel::TeamLeader);
            }));
        }
        people.extend((0..newcomers).map(|n| scene.person(&format!("new{n}"))));
        scene.group("Sales", &people.iter().collect::<Vec<_>>());
        let plan = scene.plan();
        let items = plan.held.iter().map(|held| held.items.len()).sum::<usize>();
        assert_eq!(items, held, "{}", plan.to_text(9));
        scene.run();
        assert_eq!(scene.calls, plan.calls(), "{}", plan.to_text(9));
        let left = scene.plan().held;
        assert_eq!(left.iter().map(|held| held.items.len()).sum::<usize>(), held);
    }
}

#[test]
fn what_no_read_has_shown_is_not_compared_and_read_once_if_somebody_wishes_it() {
    type Wished = fn(&mut Person);
    let wishes: [(Attribute, Wished); 4] = [
        (Attribute::Profile(Field::Culture), |person| {
            person.profile.set(Field::Culture, "nb-NO");
        }),
        (Attribute::Profile(Field::SalesforceContactId), |person| {
            person.profile.set(Field::SalesforceContactId, "");
        }),
        (Attribute::AccessLevel, |person| {
            person.access_level = Some(AccessLevel::TeamLeader);
        }),
        (Attribute::Manager, |person| {
            person.manager = DesiredManager::Clear;
        }),
    ];
    for (attribute, wish) in wishes {
        let mut scene = Scene::new();
        let mira = scene.person_with("mira", wish);
        scene.run();
        let id = scene.state.linked_account(&mira).unwrap().clone();
        let as_a_list_shows_it = |account: &mut provisioning::Account| {
            account.whole = false;
            account.unseen.insert(attribute);
            match attribute {
                Attribute::AccessLevel => account.access_level = None,
                Attribute::Profile(field) => account.profile.remove(field),
                Attribute::Manager | Attribute::UserName | Attribute::Active => {}
            }
        };
        scene.edit_account(&id, as_a_list_shows_it);
        assert_eq!(
            operations(&scene),
            "",
            "{attribute}: nothing tells that it differs"
        );
        scene.edit(&mira, |person| person.profile.set(Field::JobTitle, "Guide"));
        assert!(
            operations(&scene).starts_with("read account"),
            "{attribute}: {}",
            operations(&scene)
        );
        // Nobody wishes it: no read is spent on it, and the record is read before it is written.
        let mut scene = Scene::new();
        let olav = scene.person("olav");
        scene.run();
        let id = scene.state.linked_account(&olav).unwrap().clone();
        scene.edit_account(&id, as_a_list_shows_it);
        scene.edit(&olav, |person| person.profile.set(Field::JobTitle, "Guide"));
        let plan = scene.plan();
        let known = attribute == Attribute::AccessLevel;
        assert!(known || plan.calls() == 2, "{attribute}: {}", plan.to_text(9));
    }
}
