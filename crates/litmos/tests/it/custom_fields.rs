//! A user's advanced custom fields, in either shape.

use std::collections::BTreeMap;

use litmos::{CustomFieldsBody, FailureKind};
use litmos_simulator::{Running, Settings};

use crate::{account, account_with, answering, fields, mira, permit};

fn kept(litmos: &Running) -> BTreeMap<String, String> {
    let users = litmos.state().users;
    let one = users.into_iter().find(|user| !user.key_owner);
    one.expect("one user was made").custom_fields
}

#[tokio::test]
async fn custom_fields_are_set_in_the_shape_that_litmos_takes_and_read_back_in_any() {
    for (mode, right) in [
        ("object", CustomFieldsBody::Object),
        ("pairs", CustomFieldsBody::Pairs),
    ] {
        let (litmos, client) = account().await;
        litmos.set_mode("custom-fields", mode).unwrap();
        let made = client.create_user(permit(), &mira()).await.unwrap();
        let unset = fields(&[("Cost Centre", ""), ("Site", ""), ("Start Date", "")]);
        assert_eq!(
            client.custom_field_values(permit(), &made.id).await.unwrap(),
            unset
        );
        assert_eq!(
            client.custom_fields(permit(), &made.id).await.unwrap(),
            ["Cost Centre", "Site", "Start Date"]
        );

        let wanted = fields(&[
            ("Cost Centre", "47/11"),
            ("Site", "Malmö \"Süd\""),
            ("Start Date", ""),
        ]);
        let before = litmos.log().len();
        let wrong = client
            .set_custom_fields(permit(), &made.id, &wanted, right.other())
            .await
            .unwrap_err();
        assert!(wrong.body_unreadable() && !wrong.no_such_call(), "{wrong}");
        assert_eq!(litmos.log().len(), before + 1, "one permit is one request");
        assert!(kept(&litmos).is_empty());
        client
            .set_custom_fields(permit(), &made.id, &wanted, right)
            .await
            .unwrap();
        assert_eq!(kept(&litmos), wanted);
        assert_eq!(
            client.custom_field_values(permit(), &made.id).await.unwrap(),
            wanted
        );
        assert_eq!(litmos.log().len(), before + 3);
        litmos.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_the_account_does_not_have_is_seen_to_be_missing_when_read_back() {
    let (litmos, client) = account().await;
    let made = client.create_user(permit(), &mira()).await.unwrap();
    let wanted = fields(&[("Site", "Lyon"), ("Shoe size", "41")]);
    client
        .set_custom_fields(permit(), &made.id, &wanted, CustomFieldsBody::default())
        .await
        .unwrap();
    let read = client.custom_field_values(permit(), &made.id).await.unwrap();
    assert_eq!(read.get("Site").map(String::as_str), Some("Lyon"));
    assert!(!read.contains_key("Shoe size"));
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_mandatory_field_left_out_is_no_account_that_is_gone() {
    let (litmos, client) = account_with(Settings {
        mandatory_custom_fields: vec!["Site".to_owned()],
        ..Settings::default()
    })
    .await;
    let made = client.create_user(permit(), &mira()).await.unwrap();
    for (user, values) in [
        (made.id.as_str(), fields(&[("Cost Centre", "4711")])),
        ("nobody", fields(&[("Site", "Lyon")])),
    ] {
        let refused = client
            .set_custom_fields(permit(), user, &values, CustomFieldsBody::default())
            .await
            .unwrap_err();
        assert_eq!(
            refused.kind,
            FailureKind::Rejected { attribute: None },
            "{refused}"
        );
        assert!(!refused.no_such_call() && !refused.body_unreadable(), "{refused}");
        assert!(refused.message.contains("mandatory custom field"), "{refused}");
    }
    assert!(kept(&litmos).is_empty());
    let gone = client.custom_field_values(permit(), "nobody").await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::Gone);
    let long = fields(&[("Site", &"x".repeat(256))]);
    let refused = client
        .set_custom_fields(permit(), &made.id, &long, CustomFieldsBody::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused.kind, FailureKind::Rejected { .. }) && !refused.body_unreadable(),
        "{refused}"
    );
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_no_set_of_custom_fields_is_broken_and_none_at_all_is_none() {
    for body in ["\"page\"", "7", "[\"Site\"]", "[{\"Site\":[1]}]", "<html>"] {
        let client = answering("200 OK", body).await;
        let failure = client.custom_field_values(permit(), "u").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Broken, "{body}");
        let failure = client.custom_fields(permit(), "u").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Broken, "{body}");
    }
    for body in ["", "null", "[]", "{}"] {
        let client = answering("200 OK", body).await;
        assert!(
            client
                .custom_field_values(permit(), "u")
                .await
                .unwrap()
                .is_empty(),
            "{body:?}"
        );
    }
}
