//! POST and PUT of users.

use scim::{FieldChange, GroupReference, ResourceKind, ScimType, UserDocument};
use serde_json::{Value, json};

use crate::{BASE, ENTERPRISE, LITMOS, created, meta, notes, shown};

fn okta_create() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "mira.lund@corp.example",
        "name": {"givenName": "Mira", "familyName": "Lund"},
        "emails": [{"primary": true, "value": "mira.lund@corp.example", "type": "work"}],
        "displayName": "Mira Lund",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": true
    })
}

fn entra_create() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": "mira",
        "userName": "mira.lund@corp.example",
        "active": "True",
        "emails": [{"primary": true, "type": "work", "value": "mira.lund@corp.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Mira Lund", "familyName": "Lund", "givenName": "Mira"},
        "roles": [],
        ENTERPRISE: {"department": "Care", "manager": "u-9", "employeeNumber": 4711}
    })
}

#[test]
fn a_create_as_okta_sends_it_is_taken_whole_and_without_the_password() {
    let write = UserDocument::from_create(&okta_create()).unwrap();
    let user = &write.document;
    assert!(write.notes.is_empty(), "{}", notes(&write.notes));
    assert_eq!(user.user_name(), "mira.lund@corp.example");
    assert_eq!(user.external_id(), Some("00ujl29u0le5T6Aj10h7"));
    assert_eq!(
        (user.given_name(), user.family_name()),
        (Some("Mira"), Some("Lund"))
    );
    assert_eq!(user.primary_email(), Some("mira.lund@corp.example"));
    assert_eq!(
        (user.display_name(), user.language()),
        (Some("Mira Lund"), Some("en-US"))
    );
    assert!(user.active());
    assert!(!user.to_stored().contains("1mz050nq"));
}

#[test]
fn a_create_as_entra_sends_it_reads_text_booleans_and_a_plain_manager() {
    let write = UserDocument::from_create(&entra_create()).unwrap();
    let user = &write.document;
    assert!(user.active());
    assert_eq!(user.manager(), Some(FieldChange::Set("u-9".to_owned())));
    assert_eq!(
        (user.department(), user.employee_number()),
        (Some("Care"), Some("4711"))
    );
    insta::assert_snapshot!(notes(&write.notes), @"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber was not text; read as text");
}

#[test]
fn an_answer_holds_what_identity_providers_look_for() {
    let user = created(&entra_create());
    let groups = [GroupReference {
        id: "g-1".to_owned(),
        display_name: "Care".to_owned(),
    }];
    let body = Value::Object(user.render(&meta(ResourceKind::User), &groups));
    assert_eq!(body["id"], "u-1");
    assert_eq!(body["schemas"], json!([scim::USER, ENTERPRISE]));
    assert_eq!(body["active"], true);
    assert_eq!(
        body["groups"],
        json!([{"value": "g-1", "$ref": format!("{BASE}/Groups/g-1"), "display": "Care"}])
    );
    assert_eq!(
        body["meta"],
        json!({
            "resourceType": "User",
            "created": "2026-02-25T06:13:20.000Z",
            "lastModified": "2026-02-25T06:14:20.500Z",
            "location": format!("{BASE}/Users/u-1"),
            "version": "W/\"7\""
        })
    );
    assert_eq!(body[ENTERPRISE]["manager"], json!({"value": "u-9"}));
    assert!(body.get("roles").is_none(), "an empty list is left out");
}

#[test]
fn attribute_names_count_in_any_case_and_in_every_spelling() {
    let expected = created(&json!({
        "userName": "mira", "name": {"givenName": "Mira"}, "emails": [{"type": "work", "value": "m@corp.example"}],
        ENTERPRISE: {"department": "Care"}, LITMOS: {"customField3": "x"}
    }));
    for body in [
        json!({
            "USERNAME": "mira", "Name": {"GivenName": "Mira"}, "Emails": [{"Type": "work", "Value": "m@corp.example"}],
            ENTERPRISE.to_lowercase(): {"Department": "Care"}, LITMOS.to_uppercase(): {"CUSTOMFIELD3": "x"}
        }),
        json!({
            "userName": "mira", "name.givenName": "Mira", "emails[type eq \"work\"].value": "m@corp.example",
            format!("{ENTERPRISE}:department"): "Care", format!("{LITMOS}:CustomField:CustomField3"): "x"
        }),
        json!({
            format!("{}:userName", scim::USER): "mira", format!("{}:name.givenName", scim::USER): "Mira",
            "emails": {"type": "work", "value": "m@corp.example"},
            ENTERPRISE: {"department": ["Care"]}, format!("{LITMOS}:CustomField"): {"CustomField3": "x"}
        }),
        json!({
            scim::USER: {"userName": "mira", "name": {"givenName": "Mira"}},
            "emails": [{"type": "work", "value": "m@corp.example"}],
            ENTERPRISE: {"department": {"value": "Care"}}, LITMOS: {"CustomField": {"CustomField3": "x"}}
        }),
    ] {
        assert_eq!(created(&body), expected, "{body}");
    }
}

#[test]
fn a_user_without_a_user_name_or_with_a_senseless_value_is_refused_by_name() {
    let refusals: Vec<String> = [
        json!({}),
        json!({"userName": ""}),
        json!({"userName": "   "}),
        json!({"userName": null}),
        json!("mira"),
        json!({"userName": "mira", "active": "perhaps"}),
        json!({"userName": "mira", "active": 1}),
        json!({"userName": "mira", "name": "Mira Lund"}),
        json!({"userName": "mira", "title": {"a": 1}}),
        json!({"userName": "mira", "title": "x".repeat(9000)}),
        json!({"userName": "mira", "emails": vec!["a"; 201]}),
        json!({"userName": "mira", ENTERPRISE: "Care"}),
        json!({"userName": "mira", LITMOS: {"accessLevel": "Owner"}}),
    ]
    .iter()
    .map(|body| {
        let error = UserDocument::from_create(body).unwrap_err();
        assert_eq!(error.status(), 400, "{body}");
        format!(
            "{}: {}",
            error.scim_type().map_or("-", ScimType::as_str),
            error.detail()
        )
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    invalidValue: userName is required and must not be empty
    invalidValue: userName must not be empty
    invalidValue: userName is required and must not be empty
    invalidValue: userName must not be empty
    invalidSyntax: a user is a JSON object
    invalidValue: active: expected true or false, found text
    invalidValue: active: expected true or false, found a number
    invalidValue: name: expected an object with formatted, familyName, givenName, middleName, honorificPrefix, honorificSuffix, found text
    invalidValue: title: expected text, found an object
    invalidValue: title: 9000 bytes are too long; at most 8192
    invalidValue: emails: more than 200 values; send fewer
    invalidValue: urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: expected an object, found text
    invalidValue: urn:ietf:params:scim:schemas:extension:Litmos:2.0:User:accessLevel: "Owner" is no Litmos access level; use one of Account_Owner, Administrator, Team_Admin, Team_Leader, Learner
    "#);
}

#[test]
fn unknown_core_attributes_are_dropped_with_a_note_and_unknown_extensions_are_kept() {
    let write = UserDocument::from_create(&json!({
        "userName": "mira",
        "favouriteColour": "green",
        "name": {"givenName": "Mira", "shoeSize": 38},
        "two words": 1,
        "urn:okta:acme_hr:1.0:user:custom": {"badge": "B-7", "sites": ["Oslo"]},
        "urn:acme:hr:badge": "B-8",
        LITMOS: {"Skill.Level": "gold"}
    }))
    .unwrap();
    insta::assert_snapshot!(notes(&write.notes), @r#"
    favouriteColour is not an attribute known here; ignored
    name.shoeSize is not an attribute known here; ignored
    two words is not an attribute known here; ignored
    "#);
    let body = Value::Object(shown(&write.document));
    assert!(body.get("favouriteColour").is_none());
    assert_eq!(
        body["urn:okta:acme_hr:1.0:user:custom"],
        json!({"badge": "B-7", "sites": ["Oslo"]})
    );
    assert_eq!(body["urn:acme:hr"], json!({"badge": "B-8"}));
    let further: Vec<_> = write.document.further_litmos_attributes().collect();
    assert_eq!(further, [("Skill.Level", FieldChange::Set("gold".to_owned()))]);
}

#[test]
fn an_access_level_is_read_loosely_and_kept_in_litmos_spelling() {
    for (given, level) in [
        ("Account_Owner", "Account_Owner"),
        ("account owner", "Account_Owner"),
        ("ACCOUNTOWNER", "Account_Owner"),
        ("administrator", "Administrator"),
        ("Team Admin", "Team_Admin"),
        ("team-leader", "Team_Leader"),
        (" learner ", "Learner"),
    ] {
        let user = created(&json!({"userName": "mira", LITMOS: {"accessLevel": given}}));
        assert_eq!(user.access_level(), Some(level), "{given}");
    }
}

#[test]
fn of_several_primary_addresses_the_first_counts() {
    let write = UserDocument::from_create(&json!({
        "userName": "mira",
        "emails": [
            {"value": "a@corp.example", "type": "home"},
            {"value": "b@corp.example", "primary": "true"},
            {"value": "c@corp.example", "primary": true}
        ]
    }))
    .unwrap();
    assert_eq!(write.document.primary_email(), Some("b@corp.example"));
    insta::assert_snapshot!(notes(&write.notes), @"emails had more than one primary; the first counts");
}

#[test]
fn a_put_with_our_own_answer_changes_nothing() {
    let user = created(&entra_create());
    let groups = [GroupReference {
        id: "g-1".to_owned(),
        display_name: "Care".to_owned(),
    }];
    let answer = Value::Object(user.render(&meta(ResourceKind::User), &groups));
    let write = user.replaced_by(&answer).unwrap();
    assert!(write.notes.is_empty(), "{}", notes(&write.notes));
    assert_eq!(shown(&write.document), shown(&user));
}

#[test]
fn a_put_drops_what_it_does_not_mention_but_neither_wakes_nor_forgets_anybody() {
    let user = created(&json!({
        "userName": "mira", "externalId": "00u1", "active": false, "title": "Nurse", ENTERPRISE: {"department": "Care"}
    }));
    let after = user
        .replaced_by(&json!({"userName": "mira.lund"}))
        .unwrap()
        .document;
    assert_eq!(after.user_name(), "mira.lund");
    assert_eq!((after.title(), after.department()), (None, None));
    assert_eq!((after.active(), after.external_id()), (false, Some("00u1")));
    let after = user
        .replaced_by(&json!({"userName": "mira", "active": "True", "externalId": null}))
        .unwrap()
        .document;
    assert_eq!((after.active(), after.external_id()), (true, None));
}

#[test]
fn a_stored_document_comes_back_with_its_wishes_to_clear() {
    let user =
        created(&json!({"userName": "mira", "title": "", "emails": [], ENTERPRISE: {"manager": null}}));
    let back = UserDocument::from_stored(&user.to_stored()).unwrap();
    assert_eq!(back, user);
    assert_eq!(back.manager(), Some(FieldChange::Clear));
    for broken in ["", "[]", "{}", "{\"userName\": 1}"] {
        assert!(UserDocument::from_stored(broken).is_err(), "{broken}");
    }
}
