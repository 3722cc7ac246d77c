//! Groups: POST, PUT and PATCH.

use scim::{
    FieldChange, GroupChange, GroupDocument, Member, MemberChange, NetMembers, PatchRequest, ResourceKind,
    ScimType,
};
use serde_json::{Value, json};

use crate::{BASE, meta, notes};

fn change(operations: &Value) -> Result<GroupChange, scim::ScimError> {
    GroupChange::from_patch(&PatchRequest::parse(&json!({ "Operations": operations }))?)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// Each PATCH comes down to these steps.
fn check(cases: &[(Value, Vec<MemberChange>)]) {
    for (operations, expected) in cases {
        let change = change(operations).unwrap_or_else(|error| panic!("{operations}: {error}"));
        assert_eq!(change.members, *expected, "{operations}");
    }
}

#[test]
fn a_group_is_created_with_the_schema_and_shape_of_each_client() {
    for body in [
        json!({"schemas": [scim::GROUP], "displayName": "Care", "members": []}),
        json!({
            "schemas": [scim::GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "e-1", "displayName": "Care", "meta": {"resourceType": "Group"}
        }),
        json!({"DISPLAYNAME": "Care"}),
    ] {
        let write = GroupDocument::from_create(&body).unwrap();
        assert_eq!(write.document.display_name, "Care");
        assert!(write.notes.is_empty() && write.members.is_empty());
    }
    let write =
        GroupDocument::from_create(&json!({"displayName": "Care", "members": [{"value": "u-1"}, "u-2"]}))
            .unwrap();
    assert_eq!(write.members, ["u-1", "u-2"]);
    for body in [
        json!({}),
        json!({"displayName": ""}),
        json!({"displayName": null}),
        json!([]),
    ] {
        assert_eq!(
            GroupDocument::from_create(&body).unwrap_err().status(),
            400,
            "{body}"
        );
    }
}

#[test]
fn okta_mixes_filtered_removals_and_additions_in_one_patch() {
    check(&[(
        json!([
            {"op": "remove", "path": "members[value eq \"u-1\"]"},
            {"op": "remove", "path": "members[value eq \"u-2\"]"},
            {"op": "add", "path": "members", "value": [{"value": "u-3", "display": "c@corp.example"}]},
            {"op": "add", "path": "members", "value": [{"value": "u-4"}]}
        ]),
        vec![
            MemberChange::Remove(ids(&["u-1", "u-2"])),
            MemberChange::Add(ids(&["u-3", "u-4"])),
        ],
    )]);
}

#[test]
fn a_full_push_replaces_the_membership_even_with_nobody() {
    check(&[
        (
            json!([{"op": "replace", "path": "members", "value": [{"value": "u-1"}]}]),
            vec![MemberChange::ReplaceAll(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "replace", "path": "members", "value": []}]),
            vec![MemberChange::ReplaceAll(vec![])],
        ),
        (
            json!([{"op": "replace", "value": {"members": ["u-1"]}}]),
            vec![MemberChange::ReplaceAll(ids(&["u-1"]))],
        ),
    ]);
}

/// Complaint 7.
#[test]
fn entra_adds_and_removes_with_value_lists() {
    check(&[
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "u-1"}]}]),
            vec![MemberChange::Add(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "u-1"}]}]),
            vec![MemberChange::Remove(ids(&["u-1"]))],
        ),
        (json!([{"op": "Remove", "path": "members", "value": []}]), vec![]),
        (
            json!([{"op": "add", "value": {"members": [{"value": "u-1"}]}}]),
            vec![MemberChange::Add(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"u-1\" or value eq \"u-2\"]"}]),
            vec![MemberChange::Remove(ids(&["u-1", "u-2"]))],
        ),
        (
            json!([{"op": "Add", "path": format!("{}:members", scim::GROUP), "value": {"value": "u-1"}}]),
            vec![MemberChange::Add(ids(&["u-1"]))],
        ),
    ]);
}

#[test]
fn a_rename_comes_with_the_id_and_with_other_changes() {
    let change = change(&json!([
        {"op": "replace", "value": {"id": "g-1", "displayName": "Carers"}},
        {"op": "Replace", "path": "externalId", "value": "e-2"},
        {"op": "add", "path": "members", "value": [{"value": "u-1"}]}
    ]))
    .unwrap();
    assert_eq!(change.display_name.as_deref(), Some("Carers"));
    assert_eq!(change.external_id, Some(FieldChange::Set("e-2".to_owned())));
    let before = GroupDocument {
        display_name: "Care".to_owned(),
        external_id: None,
        description: None,
        parent: None,
    };
    let after = before.changed(&change);
    assert_eq!(
        (after.display_name.as_str(), after.external_id.as_deref()),
        ("Carers", Some("e-2"))
    );
}

/// Complaint 7.
#[test]
fn a_membership_change_that_names_nobody_or_nonsense_is_refused_with_the_way_out() {
    let refusals: Vec<String> = [
        json!([{"op": "Remove", "path": "members"}]),
        json!([{"op": "Remove", "path": "members", "value": null}]),
        json!([{"op": "remove", "path": "members[display eq \"x\"]"}]),
        json!([{"op": "remove", "path": "members[not (value eq \"x\")]"}]),
        json!([{"op": "add", "path": "members"}]),
        json!([{"op": "replace", "path": "members", "value": null}]),
        json!([{"op": "add", "path": "members", "value": [{"display": "Mira"}]}]),
        json!([{"op": "add", "path": "members", "value": [{"value": ""}]}]),
        json!([{"op": "add", "path": "members", "value": [{"value": ["u-1"]}]}]),
        json!([{"op": "remove", "path": "displayName"}]),
        json!([{"op": "replace", "path": "displayName", "value": ""}]),
    ]
    .iter()
    .map(|operations| {
        let error = change(operations).unwrap_err();
        assert_eq!(error.status(), 400);
        format!(
            "{}: {}",
            error.scim_type().map_or("-", ScimType::as_str),
            error.detail()
        )
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    noTarget: operation 1: removing members needs their ids, as a value list or as members[value eq "id"]; to empty the group, replace members with an empty list
    noTarget: operation 1: removing members needs their ids, as a value list or as members[value eq "id"]; to empty the group, replace members with an empty list
    invalidPath: operation 1: members[display eq "x"]: members are chosen by value eq "id", several joined by or
    invalidPath: operation 1: members[not (value eq "x")]: members are chosen by value eq "id", several joined by or
    invalidValue: operation 1: members: add needs a list of members, which may be empty
    invalidValue: operation 1: members: replace needs a list of members, which may be empty
    invalidValue: operation 1: members: a member has no value; it must be the user's id
    invalidValue: operation 1: members: a member's value is empty; it must be the user's id
    invalidValue: operation 1: members: a member's value is a user id, not a list
    mutability: operation 1: displayName is required and cannot be removed; replace it
    invalidValue: operation 1: displayName must not be empty
    "#);
}

#[test]
fn nested_groups_and_unknown_attributes_are_left_out_with_a_note() {
    let change = change(&json!([
        {"op": "add", "path": "members", "value": [{"value": "g-2", "type": "Group"}, {"value": "u-1", "type": "User"}]},
        {"op": "replace", "value": {"displayName": "Care", "colour": "green"}}
    ]))
    .unwrap();
    assert_eq!(change.members, [MemberChange::Add(ids(&["u-1"]))]);
    insta::assert_snapshot!(notes(&change.notes), @r#"
    members named a group; Litmos teams hold users only, ignored
    colour is not an attribute known here; ignored
    "#);
}

/// K5.
#[test]
fn an_operation_on_a_group_that_could_have_no_effect_is_refused_by_name() {
    let refused = |operation: Value| {
        let error = change(&json!([operation])).expect_err(&operation.to_string());
        assert_eq!(error.status(), 400);
        let what = ["path", "value"]
            .map(|part| operation[part].to_string())
            .join(" ");
        let scim_type = error.scim_type().map_or("-", ScimType::as_str);
        format!("{what}  ->  {scim_type}: {}", error.detail())
    };
    let all = [
        json!({"op": "add", "path": "owner", "value": "u-1"}),
        json!({"op": "add", "path": "description", "value": "x"}),
        json!({"op": "remove", "path": "colour"}),
        json!({"op": "replace", "value": {"colour": "green"}}),
        json!({"op": "replace", "path": scim::LITMOS_GROUP, "value": {"colour": "green"}}),
        json!({"op": "replace", "path": "urn:acme:hr:badge", "value": "7"}),
        json!({"op": "replace", "path": "id", "value": "g-7"}),
        json!({"op": "remove", "path": "externalId"}),
        json!({"op": "replace", "path": "externalId", "value": ""}),
        json!({"op": "replace", "path": "members.display", "value": "Mira"}),
        json!({"op": "replace", "path": "members[value eq \"u-1\"].display", "value": "Mira"}),
        json!({"op": "replace", "path": "members[value eq \"u-1\"]", "value": {"value": "u-2"}}),
        json!({"op": "remove", "path": "members[value eq \"u-1\"]", "value": [{"value": "u-2"}]}),
        json!({"op": "add", "path": "members", "value": [{"value": "g-2", "type": "Group"}]}),
        json!({"op": "remove", "path": "members[display eq 'Mira']"}),
        json!({"op": "remove", "path": "displayName[value eq \"Care\"]"}),
    ]
    .map(refused)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    "owner" "u-1"  ->  invalidPath: operation 1: owner: groups have no such attribute; /Schemas lists the attributes that are known
    "description" "x"  ->  invalidPath: operation 1: description: groups have no such attribute; write urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group:description
    "colour" null  ->  invalidPath: operation 1: colour: groups have no such attribute; /Schemas lists the attributes that are known
    null {"colour":"green"}  ->  invalidPath: operation 1: colour: groups have no such attribute; /Schemas lists the attributes that are known
    "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group" {"colour":"green"}  ->  invalidValue: operation 1: urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group: it has description and parent only
    "urn:acme:hr:badge" "7"  ->  invalidPath: operation 1: urn:acme:hr:badge: groups have no such attribute; /Schemas lists the attributes that are known
    "id" "g-7"  ->  mutability: operation 1: id: it is read-only; leave it out
    "externalId" null  ->  mutability: operation 1: externalId: a group keeps it; replace it with another
    "externalId" ""  ->  mutability: operation 1: externalId: a group keeps it; replace it with another
    "members.display" "Mira"  ->  invalidPath: operation 1: members.display: of a member only value can be written, the user's id; use the path members
    "members[value eq \"u-1\"].display" "Mira"  ->  invalidPath: operation 1: members[value eq "u-1"].display: of a member only value can be written, the user's id; use the path members
    "members[value eq \"u-1\"]" {"value":"u-2"}  ->  invalidValue: operation 1: members[value eq "u-1"]: the value names somebody else than the path; name them in one of the two
    "members[value eq \"u-1\"]" [{"value":"u-2"}]  ->  invalidValue: operation 1: members[value eq "u-1"]: the value names somebody else than the path; name them in one of the two
    "members" [{"value":"g-2","type":"Group"}]  ->  invalidValue: operation 1: members: they are groups, and Litmos teams hold people only; send the people in them
    "members[display eq 'Mira']" null  ->  invalidPath: operation 1: members[display eq "Mira"]: members are chosen by value eq "id", several joined by or
    "displayName[value eq \"Care\"]" null  ->  invalidPath: operation 1: displayName[value eq "Care"]: displayName has one plain value and no parts
    "#);
}

#[test]
fn what_clients_send_of_members_is_understood() {
    check(&[
        (
            json!([{"op": "remove", "path": "members[value eq 'u-1']"}]),
            vec![MemberChange::Remove(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"u-1\"]", "value": [{"value": "u-1"}]}]),
            vec![MemberChange::Remove(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "REMOVE", "path": "Members[Value EQ \"u-1\"].value"}]),
            vec![MemberChange::Remove(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "add", "path": "members.value", "value": "u-1"}]),
            vec![MemberChange::Add(ids(&["u-1"]))],
        ),
        (
            json!([{"op": "replace", "value": {"id": "g-1", "meta": {}, "schemas": [], "externalId": null}}]),
            vec![],
        ),
        (
            json!([
                {"op": "replace", "path": "owner", "value": "u-1"},
                {"op": "Remove", "path": "members", "value": [{"value": "u-1"}]}
            ]),
            vec![MemberChange::Remove(ids(&["u-1"]))],
        ),
    ]);
}

#[test]
fn a_put_replaces_members_it_names_and_leaves_them_when_it_is_silent() {
    let put = |body: Value| GroupChange::from_replace(&body).unwrap();
    let members = |body: Value| put(body).members;
    assert_eq!(
        members(json!({"id": "g-1", "displayName": "Care", "members": [{"value": "u-1"}], "meta": {}})),
        [MemberChange::ReplaceAll(ids(&["u-1"]))]
    );
    assert_eq!(
        members(json!({"displayName": "Care", "members": []})),
        [MemberChange::ReplaceAll(vec![])]
    );
    assert_eq!(members(json!({"displayName": "Care"})), []);
    assert_eq!(members(json!({"displayName": "Care", "members": null})), []);
    assert_eq!(put(json!({"displayName": "Care"})).external_id, None);
    assert!(put(json!({"id": "g-1"})).is_empty());
}

#[test]
fn a_group_written_back_by_a_patch_without_its_members_keeps_them() {
    for members in [
        "members".to_owned(),
        "MEMBERS".to_owned(),
        format!("{}:members", scim::GROUP),
    ] {
        let operations = json!([{"op": "replace", "value": {"displayName": "Carers", members: null}}]);
        let change = change(&operations).unwrap_or_else(|error| panic!("{operations}: {error}"));
        assert_eq!(change.display_name.as_deref(), Some("Carers"), "{operations}");
        assert!(change.members.is_empty(), "{operations}");
        assert_eq!(notes(&change.notes), "members was null; left as it was");
    }
    let named = change(&json!([{"op": "add", "value": {"members[value eq \"u-1\"]": null}}])).unwrap();
    assert_eq!(named.members, [MemberChange::Add(ids(&["u-1"]))]);
}

#[test]
fn a_group_is_shown_with_members_or_without() {
    let group = GroupDocument {
        display_name: "Care".to_owned(),
        external_id: Some("e-1".to_owned()),
        description: None,
        parent: None,
    };
    let members = [Member {
        id: "u-1".to_owned(),
        display: Some("Mira".to_owned()),
    }];
    let body = Value::Object(group.render(&meta(ResourceKind::Group), Some(&members)));
    assert_eq!(
        body["members"],
        json!([{"value": "u-1", "$ref": format!("{BASE}/Users/u-1"), "type": "User", "display": "Mira"}])
    );
    assert_eq!(
        (&body["displayName"], &body["externalId"]),
        (&json!("Care"), &json!("e-1"))
    );
    assert_eq!(body["meta"]["location"], format!("{BASE}/Groups/u-1"));
    assert!(
        !group
            .render(&meta(ResourceKind::Group), None)
            .contains_key("members")
    );
}

fn described(change: &GroupChange) -> String {
    let message = |change: &Option<FieldChange>| match change {
        None => "leave".to_owned(),
        Some(FieldChange::Clear) => "clear".to_owned(),
        Some(FieldChange::Set(text)) => text.clone(),
    };
    let noted = notes(&change.notes);
    format!(
        "{} / {} {noted}",
        message(&change.description),
        message(&change.parent)
    )
}

#[test]
fn description_and_parent_stand_in_the_litmos_extension_and_silence_leaves_them() {
    let urn = scim::LITMOS_GROUP;
    let (description, parent) = (format!("{urn}:description"), format!("{urn}:parent"));
    for (operations, expected) in [
        (
            json!([{"op": "Add", "path": description, "value": "Nurses"}]),
            "Nurses / leave ",
        ),
        (
            json!([{"op": "replace", "path": parent.to_uppercase().replace("URN:", "urn:"), "value": "G1"}]),
            "leave / G1 ",
        ),
        (
            json!([{"op": "replace", "path": urn, "value": {"description": "Nurses", "Parent": "G1"}}]),
            "Nurses / G1 ",
        ),
        (
            json!([{"op": "replace", "value": {(urn): {"parent": ""}, (&description): "Nurses"}}]),
            "Nurses / clear ",
        ),
        (json!([{"op": "Remove", "path": description}]), "clear / leave "),
        (json!([{"op": "remove", "path": urn}]), "clear / clear "),
        (
            json!([{"op": "replace", "value": {"displayName": "Care"}}]),
            "leave / leave ",
        ),
    ] {
        assert_eq!(described(&change(&operations).unwrap()), expected, "{operations}");
    }
    for (body, expected) in [
        (json!({"displayName": "Care"}), "leave / leave "),
        (
            json!({"displayName": "Care", (urn): {"description": "Nurses", "shoe": 1}}),
            "Nurses / leave shoe is not an attribute known here; ignored",
        ),
        (json!({"displayName": "Care", (urn): null}), "clear / clear "),
    ] {
        assert_eq!(
            described(&GroupChange::from_replace(&body).unwrap()),
            expected,
            "{body}"
        );
    }
    let refused = GroupChange::from_replace(&json!({"displayName": "Care", (urn): 7})).unwrap_err();
    assert!(
        refused.detail().contains("expected an object, found a number"),
        "{refused:?}"
    );
    assert!(
        !change(&json!([{"op": "Add", "path": description, "value": "x"}]))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_described_group_is_shown_as_it_was_made() {
    let urn = scim::LITMOS_GROUP;
    let made = json!({"schemas": [scim::GROUP, urn], "displayName": "Care", (urn): {"description": "Nurses", "parent": "G1"}});
    let write = GroupDocument::from_create(&made).unwrap();
    let shown = write.document.render(&meta(ResourceKind::Group), None);
    assert_eq!((&shown["schemas"], &shown[urn]), (&made["schemas"], &made[urn]));
    let filter = scim::Filter::parse(&format!("{urn}:description eq \"nurses\"")).unwrap();
    assert!(filter.filter.matches(&shown));
}

#[test]
fn the_last_word_about_a_member_counts() {
    let net = NetMembers::of(&[
        MemberChange::Remove(ids(&["a", "b"])),
        MemberChange::Add(ids(&["a", "c"])),
        MemberChange::Remove(ids(&["c"])),
    ]);
    assert_eq!(net.present.into_iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(net.absent.into_iter().collect::<Vec<_>>(), ["b", "c"]);
    assert!(!net.only_these);
}

#[test]
fn more_members_than_the_bound_are_refused_as_too_large() {
    let over = vec!["u"; scim::MAX_MEMBERS_PER_REQUEST + 1];
    let error = change(&json!([{"op": "add", "path": "members", "value": over}])).unwrap_err();
    assert_eq!(error.status(), 413);
}
