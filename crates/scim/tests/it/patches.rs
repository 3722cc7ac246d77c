//! PATCH of users, in the forms of Okta, Entra and others.

use scim::{FieldChange, PatchRequest, ScimType, UserDocument};
use serde_json::{Value, json};

use crate::{ENTERPRISE, LITMOS, created, notes, patched, shown};

fn mira() -> UserDocument {
    created(&json!({
        "userName": "mira@corp.example",
        "active": true,
        "name": {"givenName": "Mira", "familyName": "Lund"},
        "title": "Nurse",
        "emails": [{"type": "work", "value": "mira@corp.example", "primary": true}],
        "roles": [{"value": "a"}, {"value": "b"}],
        ENTERPRISE: {"manager": {"value": "u-9", "displayName": "Old Boss"}}
    }))
}

/// Each PATCH, alone, makes the rendered user hold the value at the JSON pointer; done twice it changes nothing more.
fn check(cases: &[(Value, &str, Value)]) {
    for (operations, pointer, expected) in cases {
        let once = patched(&mira(), operations)
            .unwrap_or_else(|error| panic!("{operations}: {error}"))
            .document;
        let found = Value::Object(shown(&once))
            .pointer(pointer)
            .cloned()
            .unwrap_or(Value::Null);
        assert_eq!(found, *expected, "{operations}");
        match patched(&once, operations) {
            Ok(twice) => assert_eq!(shown(&twice.document), shown(&once), "again {operations}"),
            Err(error) => assert_eq!(error.scim_type(), Some(ScimType::NoTarget), "again {operations}"),
        }
    }
}

#[test]
fn okta_deactivates_with_a_pathless_replace() {
    check(&[(
        json!([{"op": "replace", "value": {"active": false}}]),
        "/active",
        json!(false),
    )]);
}

#[test]
fn entra_deactivates_with_capitals_and_text() {
    check(&[
        (
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "Add", "path": "active", "value": "false"}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "Replace", "path": "active", "value": ["False"]}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "REPLACE", "path": "ACTIVE", "value": {"value": "FALSE"}}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "Replace", "value": {"active": "False"}}]),
            "/active",
            json!(false),
        ),
    ]);
}

#[test]
fn entra_adds_to_a_list_that_has_no_such_entry() {
    check(&[
        (
            json!([{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+47 2"}]),
            "/phoneNumbers",
            json!([{"type": "mobile", "value": "+47 2"}]),
        ),
        (
            json!([{"op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "Oslo"}]),
            "/addresses",
            json!([{"type": "work", "locality": "Oslo"}]),
        ),
        (
            json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "c"}]),
            "/roles/2",
            json!({"primary": true, "value": "c"}),
        ),
    ]);
}

#[test]
fn an_entry_that_is_there_is_changed_in_place() {
    check(&[
        (
            json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "m@corp.example"}]),
            "/emails",
            json!([{"type": "work", "value": "m@corp.example", "primary": true}]),
        ),
        (
            json!([{"op": "Replace", "path": "emails[type eq \"work\"]", "value": {"value": "m@corp.example"}}]),
            "/emails",
            json!([{"type": "work", "value": "m@corp.example", "primary": true}]),
        ),
        (
            json!([{"op": "replace", "path": "emails.value", "value": "m@corp.example"}]),
            "/emails/0/value",
            json!("m@corp.example"),
        ),
    ]);
}

#[test]
fn an_entry_that_its_own_filter_would_not_find_is_not_made() {
    check(&[(
        json!([{"op": "Add", "path": "roles[value eq \"x\"].value", "value": ""}]),
        "/roles",
        json!([{"value": "a"}, {"value": "b"}]),
    )]);
    let other = json!([{"op": "Add", "path": "roles[value eq \"x\"]", "value": {"value": "y"}}]);
    let error = patched(&mira(), &other).unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{error}");
}

#[test]
fn pathless_values_may_hold_dotted_names_urns_and_filtered_paths() {
    let operations = json!([{"op": "replace", "value": {
        "name.givenName": "Mirabel",
        "emails[type eq \"work\"].value": "m@corp.example",
        format!("{ENTERPRISE}:department"): "Care",
        format!("{LITMOS}:CustomField:CustomField1"): "one",
        "displayName": "M"
    }}]);
    check(&[
        (
            operations.clone(),
            "/name",
            json!({"givenName": "Mirabel", "familyName": "Lund"}),
        ),
        (operations.clone(), "/emails/0/value", json!("m@corp.example")),
        (
            operations.clone(),
            &format!("/{ENTERPRISE}/department"),
            json!("Care"),
        ),
        (
            operations.clone(),
            &format!("/{LITMOS}/customField1"),
            json!("one"),
        ),
        (operations, "/displayName", json!("M")),
    ]);
}

#[test]
fn extension_attributes_are_reached_by_their_full_urn() {
    let manager = format!("{ENTERPRISE}:manager");
    let enterprise = format!("/{ENTERPRISE}");
    check(&[
        (
            json!([{"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Care"}]),
            &format!("{enterprise}/department"),
            json!("Care"),
        ),
        (
            json!([{"op": "Add", "path": manager, "value": "u-8"}]),
            &format!("{enterprise}/manager"),
            json!({"value": "u-8"}),
        ),
        (
            json!([{"op": "Replace", "path": manager, "value": [{"$ref": null, "value": "u-8"}]}]),
            &format!("{enterprise}/manager"),
            json!({"value": "u-8"}),
        ),
        (
            json!([{"op": "Replace", "path": format!("{manager}.value"), "value": "u-8"}]),
            &format!("{enterprise}/manager/value"),
            json!("u-8"),
        ),
        (
            json!([{"op": "Remove", "path": manager}]),
            &enterprise,
            Value::Null,
        ),
        (
            json!([{"op": "Add", "path": LITMOS, "value": {"brand": "North"}}]),
            &format!("/{LITMOS}"),
            json!({"brand": "North"}),
        ),
        (
            json!([{"op": "Add", "path": format!("{LITMOS}:CustomField:CustomField10"), "value": "x"}]),
            &format!("/{LITMOS}/customField10"),
            json!("x"),
        ),
        (
            json!([{"op": "Replace", "path": format!("{LITMOS}:accessLevel"), "value": "account owner"}]),
            &format!("/{LITMOS}/accessLevel"),
            json!("Account_Owner"),
        ),
        (
            json!([{"op": "Add", "path": "urn:acme:hr:badge", "value": "B-7"}]),
            "/urn:acme:hr/badge",
            json!("B-7"),
        ),
    ]);
}

#[test]
fn a_removal_takes_what_it_names_and_nothing_else() {
    check(&[
        (json!([{"op": "Remove", "path": "title"}]), "/title", Value::Null),
        (
            json!([{"op": "Remove", "path": "name.givenName"}]),
            "/name",
            json!({"familyName": "Lund"}),
        ),
        (
            json!([{"op": "Remove", "path": "roles", "value": [{"value": "a"}]}]),
            "/roles",
            json!([{"value": "b"}]),
        ),
        (
            json!([{"op": "Remove", "path": "roles[value eq \"a\" or value eq \"x\"]"}]),
            "/roles",
            json!([{"value": "b"}]),
        ),
        (json!([{"op": "Remove", "path": "roles"}]), "/roles", Value::Null),
        (
            json!([{"op": "Remove", "path": "emails[type eq \"work\"].value"}]),
            "/emails/0/value",
            Value::Null,
        ),
        (
            json!([{"op": "replace", "path": "title", "value": ""}]),
            "/title",
            Value::Null,
        ),
        (
            json!([{"op": "replace", "path": "title", "value": null}]),
            "/title",
            Value::Null,
        ),
    ]);
}

#[test]
fn an_added_primary_takes_over_from_the_one_before() {
    let add = json!([{"op": "add", "path": "emails", "value": [{"type": "home", "value": "h@corp.example", "primary": true}]}]);
    let user = patched(&mira(), &add).unwrap().document;
    assert_eq!(user.primary_email(), Some("h@corp.example"));
}

#[test]
fn a_cleared_manager_is_a_wish_and_not_silence() {
    for value in [json!(null), json!(""), json!([]), json!({"value": ""})] {
        let operations = json!([{"op": "Replace", "path": format!("{ENTERPRISE}:manager"), "value": value}]);
        assert_eq!(
            patched(&mira(), &operations).unwrap().document.manager(),
            Some(FieldChange::Clear),
            "{value}"
        );
    }
}

#[test]
fn read_only_attributes_and_passwords_pass_in_silence_and_unknown_ones_with_a_note() {
    let write = patched(
        &mira(),
        &json!([
            {"op": "replace", "value": {"id": "u-1", "schemas": [], "meta": {}, "groups": [], "password": "s3cret"}},
            {"op": "Replace", "path": "password", "value": "s3cret"},
            {"op": "Replace", "value": {"title": "Nurse", "favouriteColour": "green", "name.shoeSize": 38}},
            {"op": "Replace", "path": "active", "value": null}
        ]),
    )
    .unwrap();
    assert_eq!(write.document, mira());
    insta::assert_snapshot!(notes(&write.notes), @r#"
    favouriteColour is not an attribute known here; ignored
    name.shoeSize is not an attribute known here; ignored
    active was null; left as it was
    "#);
}

#[test]
fn a_patch_that_cannot_be_done_says_which_operation_and_why() {
    let refused = |operations: &Value| {
        let error = patched(&mira(), operations).unwrap_err();
        assert_eq!(error.status(), 400);
        format!(
            "{}: {}",
            error.scim_type().map_or("-", ScimType::as_str),
            error.detail()
        )
    };
    let refusals: Vec<String> = [
        json!([{"op": "move", "path": "title"}]),
        json!([{"path": "title"}]),
        json!(["title"]),
        json!("x"),
        json!([{"op": "replace", "value": "False"}]),
        json!([{"op": "remove"}]),
        json!([{"op": "remove", "path": "userName"}]),
        json!([{"op": "replace", "path": "userName", "value": ""}]),
        json!([{"op": "replace", "path": "title"}]),
        json!([{"op": "replace", "path": "title[", "value": "x"}]),
        json!([{"op": "replace", "path": "emails[type eq].value", "value": "x"}]),
        json!([{"op": "replace", "path": "title.value", "value": "x"}]),
        json!([{"op": "replace", "path": 7, "value": "x"}]),
        json!([{"op": "add", "path": "emails[type ne \"work\"].value", "value": "x"}]),
        json!([{"op": "replace", "path": "title", "value": "ok"}, {"op": "Replace", "path": "active", "value": "no"}]),
        json!([{"op": "Replace", "path": format!("{LITMOS}:accessLevel"), "value": "Boss"}]),
    ]
    .iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    invalidSyntax: operation 1: op "move" is unknown; use add, replace or remove
    invalidSyntax: operation 1: op is missing; use add, replace or remove
    invalidSyntax: operation 1: expected an object, found text
    invalidSyntax: Operations is a list, not text
    invalidValue: operation 1: replace without a path needs an object of attributes as its value
    noTarget: operation 1: a remove needs a path that says what to remove
    mutability: operation 1: userName is required and cannot be removed; replace it
    invalidValue: operation 1: userName must not be empty
    invalidValue: operation 1: title: replace needs a value
    invalidPath: operation 1: at character 7: expected an attribute name
    invalidPath: operation 1: at character 15: expected a value
    invalidPath: operation 1: title.value: title has one plain value and no parts; use the path title
    invalidPath: operation 1: path is text, not a number
    noTarget: operation 1: no value of emails matches [type ne "work"], and a new one can only be made from equalities joined by and
    invalidValue: operation 2: active: expected true or false, found text
    invalidValue: operation 1: urn:ietf:params:scim:schemas:extension:Litmos:2.0:User:accessLevel: "Boss" is no Litmos access level; use one of Account_Owner, Administrator, Team_Admin, Team_Leader, Learner
    "#);
}

/// K5.
#[test]
fn an_operation_that_could_have_no_effect_is_refused_by_name() {
    let refused = |operation: Value| {
        let error = patched(&mira(), &json!([operation])).expect_err(&operation.to_string());
        assert_eq!(error.status(), 400);
        let what = ["path", "value"]
            .map(|part| operation[part].to_string())
            .join(" ");
        let scim_type = error.scim_type().map_or("-", ScimType::as_str);
        format!("{what}  ->  {scim_type}: {}", error.detail())
    };
    let all = [
        json!({"op": "Replace", "path": "favouriteColour", "value": "green"}),
        json!({"op": "Replace", "path": "department", "value": "Care"}),
        json!({"op": "Add", "path": "name.shoeSize", "value": 38}),
        json!({"op": "Remove", "path": "name.shoeSize"}),
        json!({"op": "Replace", "path": "emails.mail", "value": "x"}),
        json!({"op": "Replace", "path": "emails[type eq \"work\"].mail", "value": "x"}),
        json!({"op": "Replace", "path": "emails[kind eq \"work\"].value", "value": "x"}),
        json!({"op": "Replace", "path": "emails[primary eq \"yes\"].value", "value": "x"}),
        json!({"op": "Replace", "path": "emails[value eq \"old@corp.example\"].value", "value": "x"}),
        json!({"op": "Replace", "path": "emails", "value": [{"mail": "x"}]}),
        json!({"op": "Replace", "path": "name", "value": {"first": "Mira"}}),
        json!({"op": "Remove", "path": "phoneNumbers[type eq \"fax\"]"}),
        json!({"op": "Remove", "path": "emails[value eq \"x\"].type"}),
        json!({"op": "Remove", "path": "roles", "value": [{"value": "x"}]}),
        json!({"op": "Remove", "path": "roles", "value": "x"}),
        json!({"op": "Replace", "path": "id", "value": "u-7"}),
        json!({"op": "Add", "path": "groups", "value": [{"value": "g-1"}]}),
        json!({"op": "Replace", "path": "meta.version", "value": "1"}),
        json!({"op": "replace", "value": {"favouriteColour": "green"}}),
        json!({"op": "replace", "value": {"groups": [{"value": "g-1"}]}}),
        json!({"op": "replace", "value": {"/name/givenName": "Mira"}}),
        json!({"op": "replace", "path": format!("{}:displayName", scim::GROUP), "value": "x"}),
    ]
    .map(refused)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    "favouriteColour" "green"  ->  invalidPath: operation 1: favouriteColour: users have no such attribute; /Schemas lists the attributes that are known
    "department" "Care"  ->  invalidPath: operation 1: department: users have no such attribute; write urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department
    "name.shoeSize" 38  ->  invalidPath: operation 1: name.shoeSize: name has no part of that name; use one of formatted, familyName, givenName, middleName, honorificPrefix, honorificSuffix
    "name.shoeSize" null  ->  invalidPath: operation 1: name.shoeSize: name has no part of that name; use one of formatted, familyName, givenName, middleName, honorificPrefix, honorificSuffix
    "emails.mail" "x"  ->  invalidPath: operation 1: emails.mail: emails has no part of that name; use one of value, display, type, primary
    "emails[type eq \"work\"].mail" "x"  ->  invalidPath: operation 1: emails.mail: emails has no part of that name; use one of value, display, type, primary
    "emails[kind eq \"work\"].value" "x"  ->  invalidPath: operation 1: emails[kind eq "work"].value: emails.kind: emails has no part of that name; use one of value, display, type, primary
    "emails[primary eq \"yes\"].value" "x"  ->  invalidPath: operation 1: emails[primary eq "yes"].value: primary: it is true or false; write primary eq true or primary eq false
    "emails[value eq \"old@corp.example\"].value" "x"  ->  noTarget: operation 1: emails[value eq "old@corp.example"].value: it matches no value that is there; read the user again and name one of its values
    "emails" [{"mail":"x"}]  ->  invalidValue: operation 1: emails.mail: emails has no part of that name; use one of value, display, type, primary
    "name" {"first":"Mira"}  ->  invalidValue: operation 1: name.first: name has no part of that name; use one of formatted, familyName, givenName, middleName, honorificPrefix, honorificSuffix
    "phoneNumbers[type eq \"fax\"]" null  ->  noTarget: operation 1: phoneNumbers[type eq "fax"]: it matches no value that is there; read the user again and name one of its values
    "emails[value eq \"x\"].type" null  ->  noTarget: operation 1: emails[value eq "x"].type: it matches no value that is there; read the user again and name one of its values
    "roles" [{"value":"x"}]  ->  noTarget: operation 1: roles: it matches no value that is there; read the user again and name one of its values
    "roles" "x"  ->  noTarget: operation 1: roles: it matches no value that is there; read the user again and name one of its values
    "id" "u-7"  ->  mutability: operation 1: id: it is read-only; leave it out
    "groups" [{"value":"g-1"}]  ->  mutability: operation 1: groups: it is read-only; change the members of the group
    "meta.version" "1"  ->  mutability: operation 1: meta: it is read-only; leave it out
    null {"favouriteColour":"green"}  ->  invalidPath: operation 1: favouriteColour: users have no such attribute; /Schemas lists the attributes that are known
    null {"groups":[{"value":"g-1"}]}  ->  mutability: operation 1: groups: it is read-only; change the members of the group
    null {"/name/givenName":"Mira"}  ->  invalidPath: operation 1: at character 1: expected an attribute name
    "urn:ietf:params:scim:schemas:core:2.0:Group:displayName" "x"  ->  invalidPath: operation 1: urn:ietf:params:scim:schemas:core:2.0:Group:displayName: users have no such attribute; /Schemas lists the attributes that are known
    "#);
}

/// K5, but never at the price of an access that should end.
#[test]
fn the_end_of_access_is_not_refused_for_an_operation_without_effect_beside_it() {
    let idle = json!({"op": "Replace", "path": "favouriteColour", "value": "green"});
    for active in [
        json!({"op": "Replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "value": {"active": false}}),
    ] {
        for operations in [json!([active, idle]), json!([idle, active])] {
            let write = patched(&mira(), &operations).unwrap();
            assert_eq!(write.stated_active(), Some(false), "{operations}");
            assert!(!write.document.active(), "{operations}");
            assert_eq!(write.notes.len(), 1, "{operations}");
        }
    }
    let broken = json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Replace", "path": "name", "value": 7}]);
    assert!(
        patched(&mira(), &broken).is_err(),
        "what cannot be read is refused as before"
    );
}

#[test]
fn more_operations_than_the_bound_are_refused_as_too_large() {
    let operation = json!({"op": "remove", "path": "title"});
    let body = |count: usize| json!({"Operations": vec![operation.clone(); count]});
    assert!(PatchRequest::parse(&body(scim::MAX_OPERATIONS)).is_ok());
    assert_eq!(
        PatchRequest::parse(&body(scim::MAX_OPERATIONS + 1))
            .unwrap_err()
            .status(),
        413
    );
}
