//! Each guard of a write, one test each: without it one of two writers undoes what it did not see.

use futures_util::future::join;
use provisioning::{Group, GroupId, IdentityQuestion};
use roster::{Directory, GroupDraft};

use super::*;

/// Rounds of each race. Without the guard more than half of them go wrong.
const ROUNDS: u64 = 30;

fn id(name: &str) -> PersonId {
    PersonId::parse(name).unwrap()
}

/// Makes a group that both rosters know.
async fn group(two: &Two, name: &str, people: &[PersonId]) -> GroupId {
    let scim = source("scim");
    let (origin, draft) = (Origin::now(&scim, 1), GroupDraft::named(name));
    let made = two
        .one
        .make_group(&origin, &draft, people.to_vec(), |_| Ok::<_, RosterError>(()));
    let id = made.await.unwrap().value.id;
    two.other.catch_up().await.unwrap();
    id
}

/// Makes these the members of a group, as a PUT does.
async fn replace_members(roster: &Roster, group: &GroupId, keep: &[PersonId]) {
    let scim = source("scim");
    let replace = |directory: &Directory| {
        let leaving = directory.members(group).filter(|person| !keep.contains(person));
        let mut members: Vec<(PersonId, bool)> = leaving.map(|person| (person.clone(), false)).collect();
        members.extend(keep.iter().map(|person| (person.clone(), true)));
        directory.put_group_and_members(roster.org(), &Origin::now(&scim, 2), group, None, &members)
    };
    roster
        .change(replace)
        .await
        .map_err(ChangeError::into_inner)
        .unwrap();
}

async fn put_group(roster: &Roster, id: &GroupId, draft: &GroupDraft) -> Result<Applied<Group>, RosterError> {
    let scim = source("scim");
    let origin = Origin::now(&scim, 3);
    roster
        .change(|directory| directory.put_group_draft(roster.org(), &origin, Some(id), draft))
        .await
        .map_err(ChangeError::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_name_does_not_undo_an_edit_under_the_old_one() {
    let two = Two::start().await;
    let scim = source("scim");
    for round in 0..ROUNDS {
        let old = format!("old{round}@corp.example");
        let made = put(
            &two.one,
            Origin::now(&scim, 1),
            PersonTarget::Resolve,
            draft(&old, None, &[]),
        );
        let id = made.await.unwrap().value.id;
        two.other.catch_up().await.unwrap();
        let rename = draft(&format!("new{round}@corp.example"), None, &[]);
        let (renamed, cut_off) = join(
            put(&two.one, Origin::now(&scim, 2), PersonTarget::Id(&id), &rename),
            // Under the name that the person has by then.
            two.other.change(|directory| {
                let name = directory
                    .person(&id)
                    .map_or(old.clone(), |known| known.value.user_name.clone());
                let cut_off = PersonDraft::inactive(name);
                directory.put_person_draft(
                    two.other.org(),
                    &Origin::now(&scim, 2),
                    PersonTarget::Id(&id),
                    &cut_off,
                )
            }),
        )
        .await;
        renamed.unwrap();
        cut_off.unwrap();
        two.one.catch_up().await.unwrap();
        let person = known(&two.one, &id);
        assert!(!person.active, "round {round}: {}", person.user_name);
        assert_eq!(
            person.user_name,
            format!("new{round}@corp.example"),
            "round {round}"
        );
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_replace_the_members_of_a_group_one_comes_last_and_has_its_way() {
    let two = Two::start().await;
    for round in 0..ROUNDS {
        let group = group(&two, &format!("Team {round}"), &[]).await;
        let (these, those) = ([id("a"), id("b")], [id("c")]);
        join(
            replace_members(&two.one, &group, &these),
            replace_members(&two.other, &group, &those),
        )
        .await;
        two.one.catch_up().await.unwrap();
        let members: Vec<PersonId> = two
            .one
            .read(|directory| directory.members(&group).cloned().collect());
        assert!(members == these || members == those, "round {round}: {members:?}");
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_name_does_not_undo_a_description() {
    let two = Two::start().await;
    for round in 0..ROUNDS {
        let (old, new) = (format!("Old {round}"), format!("New {round}"));
        let group = group(&two, &old, &[]).await;
        let scim = source("scim");
        let origin = Origin::now(&scim, 3);
        let describe = two.other.change(|directory| {
            let known = directory.group(&group).unwrap();
            let described = GroupDraft {
                description: Some("Sells".to_owned()),
                ..GroupDraft::named(&known.value.name)
            };
            directory.put_group_draft(two.other.org(), &origin, Some(&group), &described)
        });
        let draft = GroupDraft::named(&new);
        let (renamed, described) = join(put_group(&two.one, &group, &draft), describe).await;
        renamed.unwrap();
        described.unwrap();
        two.one.catch_up().await.unwrap();
        let known = two
            .one
            .read(|directory| directory.group(&group).unwrap().value.clone());
        assert_eq!(
            (known.name, known.description.as_deref()),
            (new, Some("Sells")),
            "round {round}"
        );
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_a_group_of_one_name_exactly_one_makes_it() {
    let two = Two::start().await;
    let scim = source("scim");
    for round in 0..ROUNDS {
        let draft = GroupDraft::named(format!("Team {round}"));
        let origin = Origin::now(&scim, 1);
        let make = |roster: &Roster| {
            let (roster, draft) = (roster.clone(), draft.clone());
            async move {
                roster
                    .make_group(&origin, &draft, vec![id("a")], |_| Ok::<_, RosterError>(()))
                    .await
            }
        };
        let (first, second) = join(make(&two.one), make(&two.other)).await;
        assert!(
            first.is_ok() != second.is_ok(),
            "round {round}: {first:?}, {second:?}"
        );
    }
    two.end().await;
}

/// Two intakes at two events of one membership: the one that comes later in the feed counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_statement_about_a_membership_never_comes_after_a_newer_one() {
    let two = Two::start().await;
    let group = group(&two, "Team", &[]).await;
    let hr = source("hr");
    for round in 0..ROUNDS {
        let person = id(&format!("p{round}"));
        let state = |roster: &Roster, sequence: u64, present: bool| {
            let origin = Origin {
                source: &hr,
                at_ms: 1,
                order: Order::Feed {
                    sequence,
                    in_order: true,
                    end: 1_000,
                    settled: false,
                },
            };
            let (roster, group, people) = (roster.clone(), group.clone(), [(person.clone(), present)]);
            async move {
                let put = roster
                    .change(|directory| directory.put_memberships(roster.org(), &origin, &group, &people));
                put.await.map_err(ChangeError::into_inner).unwrap();
            }
        };
        join(state(&two.one, 5, false), state(&two.other, 4, true)).await;
        // Once more over what is there now.
        join(state(&two.one, 6, true), state(&two.other, 7, false)).await;
        two.one.catch_up().await.unwrap();
        let member = two.one.read(|directory| directory.is_member(&group, &person));
        assert!(!member, "round {round}");
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_was_answered_meanwhile_is_not_asked_again() {
    let two = Two::start().await;
    let hr = source("hr");
    let made = put(
        &two.one,
        Origin::now(&hr, 1),
        PersonTarget::Resolve,
        draft("mira@corp.example", Some("E1"), &[(Field::FirstName, "Mira")]),
    );
    let mira = made.await.unwrap().value.id;
    let stated = draft("new@corp.example", Some("E1"), &[]);
    let unclear = two
        .one
        .read(|directory| directory.question_about(&Origin::now(&hr, 2), &stated, &mira));
    let RosterError::Unclear(question) = unclear else {
        panic!("no question: {unclear}");
    };
    let question: IdentityQuestion = *question;
    two.stall_one().await;
    two.other.ask(&question).await.unwrap();
    assert!(two.other.answer(&question.id, true, 9).await.unwrap());
    two.one.ask(&question).await.unwrap();
    two.other.catch_up().await.unwrap();
    let same = two
        .other
        .read(|directory| directory.question(&question.id).unwrap().value.same);
    assert_eq!(same, Some(true));
    two.end().await;
}

/// Nothing is refused, and nothing is found done already, for want of what another process has been told is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_late_refuses_nothing_by_what_is_over() {
    let two = Two::start().await;
    let scim = source("scim");
    let name = "mira@corp.example";
    two.stall_one().await;
    let made = put(
        &two.other,
        Origin::now(&scim, 1),
        PersonTarget::Resolve,
        draft(name, None, &[]),
    );
    let id = made.await.unwrap().value.id;
    let cut_off = put(
        &two.one,
        Origin::now(&scim, 2),
        PersonTarget::Id(&id),
        PersonDraft::inactive(name),
    );
    assert!(cut_off.await.unwrap().changed);
    two.stall_one().await;
    let active = PersonDraft {
        active: Some(true),
        ..PersonDraft::named(name)
    };
    two.other.catch_up().await.unwrap();
    let back = put(&two.other, Origin::now(&scim, 3), PersonTarget::Id(&id), &active);
    assert!(back.await.unwrap().changed);
    // To the first one he is still cut off.
    let again = put(
        &two.one,
        Origin::now(&scim, 4),
        PersonTarget::Id(&id),
        PersonDraft::inactive(name),
    );
    assert!(again.await.unwrap().changed);
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_late_undoes_nothing_that_it_has_not_seen() {
    let two = Two::start().await;
    let scim = source("scim");
    let name = "mira@corp.example";
    let made = put(
        &two.one,
        Origin::now(&scim, 1),
        PersonTarget::Resolve,
        draft(name, None, &[]),
    );
    let id = made.await.unwrap().value.id;
    two.other.catch_up().await.unwrap();
    two.stall_one().await;
    let cut_off = put(
        &two.other,
        Origin::now(&scim, 2),
        PersonTarget::Id(&id),
        PersonDraft::inactive(name),
    );
    cut_off.await.unwrap();
    let titled = draft(name, None, &[(Field::JobTitle, "Lead")]);
    let titled = put(&two.one, Origin::now(&scim, 2), PersonTarget::Id(&id), &titled);
    titled.await.unwrap();
    two.other.catch_up().await.unwrap();
    let person = known(&two.other, &id);
    assert!(!person.active);
    assert_eq!(person.profile.value(Field::JobTitle), "Lead");
    two.end().await;
}

/// A membership from a file says nothing about the others of its group.
#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_is_guarded_alone_is_no_knowledge_of_its_group() {
    let two = Two::start().await;
    let hr = source("hr");
    let group = group(&two, "Team", &[]).await;
    two.stall_one().await;
    replace_members(&two.other, &group, &[id("y")]).await;
    let stated = two.one.change(|directory| {
        let people = [(id("x"), true)];
        directory.put_memberships(two.one.org(), &Origin::now(&hr, 2), &group, &people)
    });
    stated.await.map_err(ChangeError::into_inner).unwrap();
    replace_members(&two.one, &group, &[id("x"), id("z")]).await;
    two.other.catch_up().await.unwrap();
    let members: Vec<PersonId> = two
        .other
        .read(|directory| directory.members(&group).cloned().collect());
    assert_eq!(members, [id("x"), id("z")]);
    two.end().await;
}

/// One process lists groups while another one makes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_a_group_with_all_its_members_or_not_at_all() {
    const MEMBERS: usize = 400;
    let two = Two::start().await;
    let people: Vec<PersonId> = (0..MEMBERS).map(|n| id(&format!("p{n}"))).collect();
    let over = CancellationToken::new();
    let (reader, stop) = (two.other.clone(), over.clone());
    let reading = std::thread::spawn(move || {
        let (mut halves, mut looks) = (Vec::new(), 0_u64);
        while !stop.is_cancelled() {
            looks += 1;
            reader.read(|directory| {
                for group in directory.groups() {
                    let members = directory.member_count(&group.value.id);
                    if members != MEMBERS {
                        halves.push(members);
                    }
                }
            });
        }
        (halves, looks)
    });
    for round in 0..5 {
        group(&two, &format!("Team {round}"), &people).await;
    }
    over.cancel();
    let (halves, looks) = reading.join().unwrap();
    println!("{looks} looks");
    assert_eq!(halves, Vec::<usize>::new());
    two.end().await;
}
