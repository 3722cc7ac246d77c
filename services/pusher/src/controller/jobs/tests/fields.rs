use std::collections::BTreeMap;

use litmos_simulator::Settings;
use provisioning::{Change, Ended, Image, ParkCode, PersonLink, ValueChange};

use super::harness::{Harness, person_id};

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn set(harness: &Harness, name: &str, pairs: &[(&str, &str)]) -> Change {
    Change::SetCustomFields {
        person: person_id(name),
        revision: 7,
        account: Some(harness.account_id(name)),
        values: values(pairs),
    }
}

/// The expected journal entry: each field with its known earlier value.
fn written(harness: &Harness, name: &str, fields: &[(&str, Option<&str>, &str)]) -> [Image; 1] {
    let changes = fields.iter().map(|(field, from, to)| {
        let change = ValueChange {
            from: from.map(str::to_owned),
            to: (*to).to_owned(),
        };
        ((*field).to_owned(), change)
    });
    [Image::CustomSet {
        person: person_id(name),
        account: harness.account_id(name),
        changes: changes.collect(),
    }]
}

const WRITE: &str = "POST /users/{}/usercustomfields";
const READ: &str = "GET /users/{}/usercustomfields";

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_are_written_in_the_shape_that_is_taken_and_read_back() {
    let harness = Harness::new(&[("mira", "Learner")], &[]).await;
    let first = harness.perform(set(&harness, "mira", &[("Site", "Kiel")])).await;
    assert_eq!(first.requests, [WRITE, READ]);
    assert_eq!(
        first.images(),
        written(&harness, "mira", &[("Site", None, "Kiel")]),
        "what nobody had read is not known"
    );
    let link = harness.person_link("mira").await;
    assert_eq!(link.custom, values(&[("Site", "Kiel")]));
    assert_eq!(link.applied_revision, 7);

    // This Litmos accepts only the other shape. The executor finds that out once.
    harness.litmos.set_mode("custom-fields", "pairs").unwrap();
    let other = harness.perform(set(&harness, "mira", &[("Site", "Oslo")])).await;
    assert_eq!(other.requests, [WRITE, WRITE, READ]);
    let again = harness.perform(set(&harness, "mira", &[("Site", "")])).await;
    assert_eq!(again.requests, [WRITE, READ]);
    assert_eq!(
        other.images(),
        written(&harness, "mira", &[("Site", Some("Kiel"), "Oslo")])
    );
    assert_eq!(
        again.images(),
        written(&harness, "mira", &[("Site", Some("Oslo"), "")])
    );
    assert_eq!(harness.user("mira").custom_fields, values(&[("Site", "")]));
    assert_eq!(harness.person_link("mira").await.custom, values(&[("Site", "")]));
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_not_taken_is_a_persons_business() {
    let harness = Harness::new(&[("mira", "Learner")], &[]).await;
    let change = [("No such field", "x"), ("Site", "Kiel")];
    let played = harness.perform(set(&harness, "mira", &change)).await;
    let outcome = played.outcome.unwrap();
    assert_eq!(outcome.ended, Ended::Parked);
    assert!(outcome.message.unwrap().contains("No such field"));
    assert_eq!(
        outcome.images,
        written(
            &harness,
            "mira",
            &[("No such field", None, ""), ("Site", None, "Kiel")]
        ),
        "what was taken of it is done"
    );
    let link = harness.person_link("mira").await;
    let parked = link.parked.unwrap();
    assert_eq!(
        (parked.code, parked.attribute.as_deref(), parked.revision),
        (ParkCode::ValueNotTaken, Some("No such field"), 7)
    );
    assert_eq!(link.custom, values(&[("No such field", ""), ("Site", "Kiel")]));
    assert_eq!(link.intent, None);
    harness.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandatory_field_that_nobody_manages_is_sent_as_it_is() {
    let settings = Settings {
        mandatory_custom_fields: vec!["Cost Centre".to_owned()],
        ..Settings::default()
    };
    let harness = Harness::with(settings, &[("mira", "Learner"), ("otto", "Learner")], &[]).await;
    let both = harness
        .perform(set(
            &harness,
            "mira",
            &[("Cost Centre", "4711"), ("Site", "Kiel")],
        ))
        .await;
    both.images();
    let one = harness.perform(set(&harness, "mira", &[("Site", "Oslo")])).await;
    assert_eq!(one.requests, [WRITE, READ, WRITE, READ]);
    assert_eq!(
        one.images(),
        written(&harness, "mira", &[("Site", Some("Kiel"), "Oslo")])
    );
    assert_eq!(
        harness.user("mira").custom_fields,
        values(&[("Cost Centre", "4711"), ("Site", "Oslo")])
    );
    assert_eq!(
        harness.person_link("mira").await.custom,
        values(&[("Site", "Oslo")])
    );

    // Values that had to be read for the request count as known earlier values, even if Rollcall never set them.
    let unread = PersonLink {
        custom: Default::default(),
        ..harness.person_link("mira").await
    };
    harness.put_person_link(unread).await;
    let read = harness
        .perform(set(&harness, "mira", &[("Site", "Bergen")]))
        .await;
    assert_eq!(read.requests, [WRITE, READ, WRITE, READ]);
    assert_eq!(
        read.images(),
        written(&harness, "mira", &[("Site", Some("Oslo"), "Bergen")])
    );
    let all = [("Cost Centre", "4711"), ("Site", "Bergen")];
    let known = PersonLink {
        custom: values(&[("Cost Centre", "4711"), ("Site", " Bergen")]).into(),
        ..harness.person_link("mira").await
    };
    harness.put_person_link(known).await;
    let same = harness.perform(set(&harness, "mira", &all)).await;
    assert_eq!(same.images(), written(&harness, "mira", &[]), "nothing changed");

    let never = harness.perform(set(&harness, "otto", &[("Site", "Oslo")])).await;
    assert!(never.not_done(Ended::Parked).contains("Cost Centre"), "{never:?}");
    assert_eq!(
        harness.person_link("otto").await.parked.unwrap().code,
        ParkCode::RejectedByLitmos
    );
    harness.close().await;
}
