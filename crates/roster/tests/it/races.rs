//! Two who write at once.

use futures_util::future::join_all;

use super::*;

/// The leaver of every round is edited at the same moment through the other process: both changes are kept.
#[tokio::test(flavor = "multi_thread")]
async fn no_edit_undoes_another_that_it_did_not_see() {
    let two = Two::start().await;
    let scim = source("scim");
    for round in 0..40 {
        let name = format!("leaver{round}@corp.example");
        let made = put(
            &two.one,
            Origin::now(&scim, 1),
            PersonTarget::Resolve,
            draft(&name, None, &[]),
        );
        let id = made.await.unwrap().value.id;
        two.other.catch_up().await.unwrap();
        let (leave, edit) = (
            PersonDraft::inactive(&name),
            draft(&name, None, &[(Field::JobTitle, "Lead")]),
        );
        // The clock of the edit is an hour ahead.
        let (left, edited) = tokio::join!(
            put(&two.one, Origin::now(&scim, 2), PersonTarget::Id(&id), &leave),
            put(
                &two.other,
                Origin::now(&scim, 3_600_000),
                PersonTarget::Id(&id),
                &edit
            ),
        );
        left.unwrap();
        edited.unwrap();
        two.one.catch_up().await.unwrap();
        let person = known(&two.one, &id);
        assert!(!person.active, "round {round}");
        assert_eq!(person.profile.value(Field::JobTitle), "Lead", "round {round}");
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_one_user_name_exactly_one_makes_it() {
    let two = Two::start().await;
    let scim = source("scim");
    let new = PersonTarget::New { releasing: None };
    for round in 0..10 {
        let draft = draft(&format!("new{round}@corp.example"), None, &[]);
        // A new person who meets the name finds it taken.
        let make = |roster: &Roster| {
            let (roster, draft, scim) = (roster.clone(), draft.clone(), scim.clone());
            async move {
                roster
                    .change(|directory| match directory.person_named(&draft.user_name) {
                        Some(owner) => Err(RosterError::NameTaken {
                            user_name: draft.user_name.clone(),
                            owner: owner.value.id.clone(),
                        }),
                        None => directory.put_person_draft(roster.org(), &Origin::now(&scim, 1), new, &draft),
                    })
                    .await
            }
        };
        let all = (0..8).map(|n| make(if n % 2 == 0 { &two.one } else { &two.other }));
        let made = join_all(all).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(made, 1, "round {round}");
    }
    two.end().await;
}

/// Hundreds of creates at once share few writes, and each is answered for itself.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_creates_at_once_all_arrive() {
    let two = Two::start().await;
    let scim = source("scim");
    let make = |n: usize| {
        let (roster, scim) = (two.one.clone(), scim.clone());
        async move {
            let draft = draft(&format!("many{n}@corp.example"), None, &[]);
            put(&roster, Origin::now(&scim, 1), PersonTarget::Resolve, &draft).await
        }
    };
    let made = join_all((0..400).map(make)).await;
    assert!(made.iter().all(Result::is_ok));
    two.other.catch_up().await.unwrap();
    assert_eq!(two.other.read(|directory| directory.people().count()), 400);
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_gets_another_user_name_leaves_the_old_one_free() {
    let two = Two::start().await;
    let scim = source("scim");
    let origin = Origin::now(&scim, 1);
    let made = put(
        &two.one,
        origin,
        PersonTarget::Resolve,
        draft("lund@corp.example", None, &[]),
    );
    let id = made.await.unwrap().value.id;
    two.other.catch_up().await.unwrap();
    put(
        &two.other,
        origin,
        PersonTarget::Id(&id),
        draft("berg@corp.example", None, &[]),
    )
    .await
    .unwrap();
    let again = put(
        &two.one,
        origin,
        PersonTarget::Resolve,
        draft("lund@corp.example", None, &[]),
    );
    let again = again.await.unwrap().value.id;
    assert_ne!(id, again);
    for roster in [&two.one, &two.other] {
        roster.catch_up().await.unwrap();
        let names: Vec<String> = roster.read(|directory| {
            directory
                .people()
                .map(|person| person.value.user_name.clone())
                .collect()
        });
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(known(roster, &id).user_name, "berg@corp.example");
    }
    two.end().await;
}
