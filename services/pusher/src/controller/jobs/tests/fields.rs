use std::collections::BTreeMap;

use litmos_simulator::Settings;
use provisioning::{Change, Ended, ParkCode};

use super::house::{House, person_id};

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn set(house: &House, name: &str, pairs: &[(&str, &str)]) -> Change {
    Change::SetCustomFields {
        person: person_id(name),
        revision: 7,
        account: Some(house.account_id(name)),
        values: values(pairs),
    }
}

const WRITE: &str = "POST /users/{}/usercustomfields";
const READ: &str = "GET /users/{}/usercustomfields";

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_are_written_in_the_shape_that_is_taken_and_read_back() {
    let house = House::new(&[("mira", "Learner")], &[]).await;
    let first = house.perform(set(&house, "mira", &[("Site", "Kiel")])).await;
    assert_eq!(first.requests, [WRITE, READ]);
    assert_eq!(first.images(), []);
    let link = house.person_link("mira").await;
    assert_eq!(link.custom, values(&[("Site", "Kiel")]));
    assert_eq!(link.applied_revision, 7);

    // Another Litmos takes the other shape only. That is found out once.
    house.litmos.set_mode("custom-fields", "pairs").unwrap();
    let other = house.perform(set(&house, "mira", &[("Site", "Oslo")])).await;
    assert_eq!(other.requests, [WRITE, WRITE, READ]);
    let again = house.perform(set(&house, "mira", &[("Site", "")])).await;
    assert_eq!(again.requests, [WRITE, READ]);
    assert_eq!(house.user("mira").custom_fields, values(&[("Site", "")]));
    assert_eq!(house.person_link("mira").await.custom, values(&[("Site", "")]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_not_taken_is_a_persons_business() {
    let house = House::new(&[("mira", "Learner")], &[]).await;
    let wish = [("No such field", "x"), ("Site", "Kiel")];
    let played = house.perform(set(&house, "mira", &wish)).await;
    assert!(
        played.not_done(Ended::Parked).contains("No such field"),
        "{played:?}"
    );
    let link = house.person_link("mira").await;
    let parked = link.parked.unwrap();
    assert_eq!(
        (parked.code, parked.attribute.as_deref(), parked.revision),
        (ParkCode::ValueNotTaken, Some("No such field"), 7)
    );
    assert_eq!(link.custom, values(&[("No such field", ""), ("Site", "Kiel")]));
    assert_eq!(link.intent, None);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandatory_field_that_nobody_manages_is_sent_as_it_is() {
    let settings = Settings {
        mandatory_custom_fields: vec!["Cost Centre".to_owned()],
        ..Settings::default()
    };
    let house = House::with(settings, &[("mira", "Learner"), ("otto", "Learner")], &[]).await;
    let both = house
        .perform(set(&house, "mira", &[("Cost Centre", "4711"), ("Site", "Kiel")]))
        .await;
    both.images();
    let one = house.perform(set(&house, "mira", &[("Site", "Oslo")])).await;
    assert_eq!(one.requests, [WRITE, READ, WRITE, READ]);
    one.images();
    assert_eq!(
        house.user("mira").custom_fields,
        values(&[("Cost Centre", "4711"), ("Site", "Oslo")])
    );
    assert_eq!(
        house.person_link("mira").await.custom,
        values(&[("Site", "Oslo")])
    );

    let never = house.perform(set(&house, "otto", &[("Site", "Oslo")])).await;
    assert!(never.not_done(Ended::Parked).contains("Cost Centre"), "{never:?}");
    assert_eq!(
        house.person_link("otto").await.parked.unwrap().code,
        ParkCode::RejectedByLitmos
    );
    house.close().await;
}
