//! From SCIM users to Litmos attributes.

use scim::{
    CustomAttributes, CustomFieldChanges, FieldChange, FieldChanges, carry_over, carry_over_custom,
    carry_over_one, cleared_by, litmos_attributes,
};
use serde_json::{Value, json};

use crate::{ENTERPRISE, LITMOS, created, notes, patched, shown};

fn printed(changes: &FieldChanges) -> String {
    let line =
        |(name, change): (&&str, &FieldChange)| format!("{name} = {}", change.value().unwrap_or("(clear)"));
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn everything() -> Value {
    json!({
        "userName": "mira.lund@corp.example",
        "active": true,
        "name": {"givenName": "Mira", "familyName": "Lund"},
        "title": "Nurse",
        "preferredLanguage": "nb-NO",
        "locale": "en-US",
        "timezone": "Europe/Oslo",
        "profileUrl": "https://corp.example/mira",
        "emails": [{"value": "home@corp.example", "type": "home"}, {"value": "mira@corp.example", "type": "work"}],
        "phoneNumbers": [{"value": "+47 1", "type": "work"}, {"value": "+47 2", "type": "Mobile"}],
        "addresses": [
            {"type": "home", "locality": "Bergen"},
            {"type": "work", "streetAddress": "Gata 1", "locality": "Oslo", "region": "Oslo", "postalCode": "0150", "country": "NO"}
        ],
        ENTERPRISE: {"employeeNumber": "4711", "organization": "Corp", "department": "Care", "manager": {"value": "u-9"}},
        LITMOS: {"accessLevel": "team leader", "brand": "North", "jobRole": "Carer", "customField1": "one", "customField10": "ten"}
    })
}

#[test]
fn every_mapped_attribute_reaches_its_litmos_name() {
    insta::assert_snapshot!(printed(&litmos_attributes(&created(&everything()))), @r#"
    AccessLevel = Team_Leader
    Active = true
    Brand = North
    City = Oslo
    CompanyName = Corp
    Country = NO
    Culture = nb-NO
    CustomField1 = one
    CustomField10 = ten
    Email = mira@corp.example
    ExternalEmployeeId = 4711
    FirstName = Mira
    JobRole = Carer
    JobTitle = Nurse
    LastName = Lund
    PhoneMobile = +47 2
    PhoneWork = +47 1
    PostalCode = 0150
    State = Oslo
    Street1 = Gata 1
    TimeZone = Europe/Oslo
    UserName = mira.lund@corp.example
    Website = https://corp.example/mira
    "#);
}

#[test]
fn empty_means_clear_and_absent_means_leave() {
    let user = created(&json!({
        "userName": "mira", "title": "", "name": {"givenName": null}, "phoneNumbers": [],
        "emails": [{"type": "work", "value": ""}], "preferredLanguage": "", "locale": "en-US", LITMOS: {"accessLevel": "", "brand": ""}
    }));
    insta::assert_snapshot!(printed(&litmos_attributes(&user)), @r#"
    Brand = (clear)
    Culture = en-US
    Email = (clear)
    FirstName = (clear)
    JobTitle = (clear)
    PhoneMobile = (clear)
    PhoneWork = (clear)
    UserName = mira
    "#);
}

#[test]
fn a_culture_is_written_as_litmos_spells_it() {
    for (body, culture) in [
        (json!({"locale": "en_US"}), "en-US"),
        (
            json!({"preferredLanguage": "zh_Hans_CN", "locale": "en-US"}),
            "zh-Hans-CN",
        ),
        (json!({"preferredLanguage": null, "locale": "nb_NO"}), "nb-NO"),
        (json!({"preferredLanguage": "de"}), "de"),
    ] {
        let mut user = body.clone();
        user["userName"] = json!("mira");
        let changes = litmos_attributes(&created(&user));
        assert_eq!(changes["Culture"], FieldChange::Set(culture.to_owned()), "{body}");
    }
}

#[test]
fn what_was_managed_and_is_no_longer_sent_is_cleared() {
    let old = created(&everything());
    let new = old
        .replaced_by(&json!({"userName": "mira", "name": {"givenName": "Mira"}, "title": ""}))
        .unwrap()
        .document;
    insta::assert_snapshot!(cleared_by(&old, &new).into_iter().collect::<Vec<_>>().join(" "), @"Brand City CompanyName Country Culture CustomField1 CustomField10 Email ExternalEmployeeId JobRole JobTitle LastName PhoneMobile PhoneWork PostalCode State Street1 TimeZone Website");
}

#[test]
fn a_wish_to_clear_outlives_the_document_that_made_it() {
    let first = created(&everything());
    let second = first.replaced_by(&json!({"userName": "mira"})).unwrap().document;
    let changes = carry_over(&litmos_attributes(&first), &second);
    assert_eq!(changes["JobTitle"], FieldChange::Clear);
    assert_eq!(
        changes["AccessLevel"],
        FieldChange::Set("Team_Leader".to_owned()),
        "silence demotes nobody"
    );
    let third = second
        .replaced_by(&json!({"userName": "mira", "title": "Matron"}))
        .unwrap()
        .document;
    let changes = carry_over(&changes, &third);
    assert_eq!(changes["JobTitle"], FieldChange::Set("Matron".to_owned()));
    assert_eq!(changes["City"], FieldChange::Clear);
}

#[test]
fn removing_one_phone_number_clears_that_one_only() {
    let before = created(&everything());
    let remove = json!([{"op": "Remove", "path": "phoneNumbers[type eq \"work\"]"}]);
    let after = patched(&before, &remove).unwrap().document;
    assert_eq!(
        cleared_by(&before, &after).into_iter().collect::<Vec<_>>(),
        ["PhoneWork"]
    );
    assert_eq!(after.mobile_phone(), Some("+47 2"));
}

#[test]
fn an_address_with_a_value_comes_before_an_emptied_one() {
    let user = created(&json!({
        "userName": "mira",
        "emails": [{"type": "work", "value": "", "primary": true}, {"type": "home", "value": "h@corp.example"}]
    }));
    assert_eq!(
        litmos_attributes(&user)["Email"],
        FieldChange::Set("h@corp.example".to_owned())
    );
}

#[test]
fn a_manager_who_is_no_longer_named_is_cleared() {
    let before = created(&everything()).manager();
    let now = |body: Value| carry_over_one(before.as_ref(), created(&body).manager());
    assert_eq!(before, Some(FieldChange::Set("u-9".to_owned())));
    assert_eq!(now(json!({"userName": "mira"})), Some(FieldChange::Clear));
    assert_eq!(now(everything()), before);
    assert_eq!(
        carry_over_one(None, created(&json!({"userName": "mira"})).manager()),
        None
    );
}

fn fields() -> CustomAttributes {
    CustomAttributes::of(["Cost Centre", "Region"].map(str::to_owned))
}

fn custom(changes: &CustomFieldChanges) -> String {
    let line =
        |(name, change): (&String, &FieldChange)| format!("{name} = {}", change.value().unwrap_or("(clear)"));
    changes.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_discovered_field_is_an_attribute_under_its_name_or_its_label_and_any_field_is_in_the_list() {
    for (extension, expected) in [
        (
            json!({"costCentre": "4711", "region": "North"}),
            "Cost Centre = 4711, Region = North",
        ),
        (
            json!({"COSTCENTRE": 4711, "Region": ""}),
            "Cost Centre = 4711, Region = (clear)",
        ),
        (json!({"Cost Centre": "4711", "shoe": "43"}), "Cost Centre = 4711"),
        (
            json!({"customFields": [{"name": "region", "value": "North"}, {"name": "Shoe", "value": 43}]}),
            "Region = North, Shoe = 43",
        ),
        (
            json!({"customFields": [{"name": "Region", "value": "North"}, {"name": "REGION", "value": "South"}]}),
            "Region = South",
        ),
        (
            json!({"region": "North", "customFields": {"name": "Region"}}),
            "Region = (clear)",
        ),
        (json!({"customFields": []}), ""),
    ] {
        let user = created(&json!({"userName": "mira", LITMOS: extension}));
        assert_eq!(custom(&fields().changes(&user)), expected, "{extension}");
    }
    let user = json!({"userName": "mira", LITMOS: {"customFields": [{"value": "North"}]}});
    let write = scim::UserDocument::from_create(&user).unwrap();
    assert_eq!(
        notes(&write.notes),
        "customFields matched no value; nothing was done"
    );
    assert_eq!(custom(&fields().changes(&write.document)), "");
}

#[test]
fn patches_reach_custom_fields_by_attribute_and_by_name() {
    let before = created(
        &json!({"userName": "mira", LITMOS: {"region": "North", "customFields": [{"name": "Shoe", "value": "43"}]}}),
    );
    for (operation, expected) in [
        (
            json!({"op": "Replace", "path": format!("{LITMOS}:costCentre"), "value": "7"}),
            "Cost Centre = 7, Region = North, Shoe = 43",
        ),
        (
            json!({"op": "Remove", "path": format!("{LITMOS}:region")}),
            "Region = (clear), Shoe = 43",
        ),
        (
            json!({"op": "Replace", "path": format!("{LITMOS}:customFields[name eq \"shoe\"].value"), "value": "44"}),
            "Region = North, Shoe = 44",
        ),
        (
            json!({"op": "Add", "path": format!("{LITMOS}:customFields[name eq \"Hat\"].value"), "value": "L"}),
            "Hat = L, Region = North, Shoe = 43",
        ),
        (
            json!({"op": "Add", "path": format!("{LITMOS}:customFields"), "value": [{"name": "Shoe", "value": "45"}]}),
            "Region = North, Shoe = 45",
        ),
        (
            json!({"op": "Remove", "path": format!("{LITMOS}:customFields[name eq \"Shoe\"]")}),
            "Region = North, Shoe = (clear)",
        ),
        (
            json!({"op": "Replace", "value": {(LITMOS): {"region": null}}}),
            "Region = (clear), Shoe = 43",
        ),
        (
            json!({"op": "Replace", "path": "title", "value": "Nurse"}),
            "Region = North, Shoe = 43",
        ),
    ] {
        let after = patched(&before, &json!([operation])).unwrap().document;
        let changes = carry_over_custom(&fields().changes(&before), fields().changes(&after));
        assert_eq!(custom(&changes), expected, "{operation}");
    }
    let shown = shown(&before);
    assert_eq!(
        shown[LITMOS],
        json!({"region": "North", "customFields": [{"name": "Shoe", "value": "43"}]})
    );
}

#[test]
fn another_source_may_have_renamed_or_cut_off_the_person_since() {
    let standing = created(&everything()).standing("mira.ny@corp.example", false);
    let after = patched(
        &standing,
        &json!([{"op": "Replace", "path": "title", "value": "Matron"}]),
    )
    .unwrap();
    assert_eq!(
        (after.document.user_name(), after.document.active()),
        ("mira.ny@corp.example", false)
    );
    assert_eq!(after.document.title(), Some("Matron"));
}
