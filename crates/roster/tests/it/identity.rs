//! Who is whom, from the statement to the key: the table of docs/decisions/0016-who-is-the-same-person.md.

use super::*;

const FIRST: Field = Field::FirstName;

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_alone_hands_nobody_over_and_a_true_rename_keeps_the_person() {
    let two = Two::start().await;
    let hr = source("hr");
    let put = |sequence, draft: PersonDraft| {
        let (roster, hr) = (two.one.clone(), hr.clone());
        async move {
            put(
                &roster,
                feed(&hr, sequence, 1, true),
                PersonTarget::Resolve,
                &draft,
            )
            .await
        }
    };
    let mira = put(1, draft("lund@corp.example", Some("E1"), &[(FIRST, "Mira")])).await;
    let mira = mira.unwrap().value.id;
    let nina = put(2, draft("ray@corp.example", Some("E1"), &[(FIRST, "Nina")])).await;
    assert_ne!(nina.unwrap().value.id, mira);
    let renamed = put(3, draft("berg@corp.example", Some("E1"), &[(FIRST, "Mira")])).await;
    assert_eq!(renamed.unwrap().value.id, mira);
    // Nothing else is known: a person must say.
    let unclear = put(4, draft("new@corp.example", Some("E1"), &[])).await;
    assert!(matches!(unclear, Err(RosterError::Unclear(_))), "{unclear:?}");
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_once_and_its_answer_decides() {
    let two = Two::start().await;
    let hr = source("hr");
    let put = |sequence, draft: PersonDraft| {
        let (roster, hr) = (two.one.clone(), hr.clone());
        async move {
            put(
                &roster,
                feed(&hr, sequence, 1, true),
                PersonTarget::Resolve,
                &draft,
            )
            .await
        }
    };
    let gone = put(1, draft("mira@corp.example", Some("E1"), &[(FIRST, "Mira")])).await;
    let gone = gone.unwrap().value.id;
    let cut_off = PersonDraft::inactive("mira@corp.example");
    super::put(&two.one, Origin::now(&hr, 2), PersonTarget::Id(&gone), &cut_off)
        .await
        .unwrap();
    let newcomer = draft("mira@corp.example", Some("E7"), &[(FIRST, "Nina")]);
    let Err(RosterError::Unclear(question)) = put(3, newcomer.clone()).await else {
        panic!("no question");
    };
    two.one.ask(&question).await.unwrap();
    two.one.ask(&question).await.unwrap();
    assert!(two.other.answer(&question.id, false, 9).await.unwrap());
    two.one.catch_up().await.unwrap();
    // Another person: the one without access gives up the user name, in the same step.
    let new = put(4, newcomer).await.unwrap().value;
    assert_ne!(new.id, gone);
    two.other.catch_up().await.unwrap();
    let released = known(&two.other, &gone);
    assert!(
        released.user_name.starts_with("released-"),
        "{}",
        released.user_name
    );
    assert!(!released.active);
    assert_eq!(
        two.other.read(|directory| directory
            .person_named("mira@corp.example")
            .map(|person| person.value.id.clone())),
        Some(new.id)
    );
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events_of_a_source_are_ordered_by_its_own_stamps_and_by_nothing_else() {
    let two = Two::start().await;
    let (hr, scim) = (source("hr"), source("scim"));
    let title = |text: &'static str| draft("mira@corp.example", Some("E1"), &[(Field::JobTitle, text)]);
    let made = put(
        &two.one,
        feed(&hr, 5, 1_000, false),
        PersonTarget::Resolve,
        title("first"),
    );
    let id = made.await.unwrap().value.id;
    // A process whose clock is years behind: what it accepts is in effect.
    put(
        &two.one,
        Origin::now(&scim, 1),
        PersonTarget::Id(&id),
        title("by hand"),
    )
    .await
    .unwrap();
    assert_eq!(known(&two.one, &id).profile.value(Field::JobTitle), "by hand");
    put(
        &two.one,
        feed(&hr, 6, 999, false),
        PersonTarget::Id(&id),
        title("late"),
    )
    .await
    .unwrap();
    assert_eq!(known(&two.one, &id).profile.value(Field::JobTitle), "by hand");
    put(
        &two.one,
        feed(&hr, 7, 2, true),
        PersonTarget::Id(&id),
        title("file"),
    )
    .await
    .unwrap();
    assert_eq!(known(&two.one, &id).profile.value(Field::JobTitle), "file");
    two.end().await;
}
