//! ServiceProviderConfig, Schemas, ResourceTypes.

use scim::{CustomAttributes, resource_types, schemas, service_provider_config};
use serde_json::Value;

use crate::{BASE, ENTERPRISE, LITMOS};

fn nothing_null(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(values) => values.iter().all(nothing_null),
        Value::Object(members) => members.values().all(nothing_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn outline(attribute: &Value, depth: usize, lines: &mut Vec<String>) {
    let text = |key: &str| attribute[key].as_str().unwrap_or("?").to_owned();
    let list = if attribute["multiValued"] == true {
        " list"
    } else {
        ""
    };
    let required = if attribute["required"] == true {
        ", required"
    } else {
        ""
    };
    let indent = "  ".repeat(depth);
    lines.push(format!(
        "{indent}{}: {}{list}, {}{required}",
        text("name"),
        text("type"),
        text("mutability")
    ));
    for part in attribute["subAttributes"].as_array().into_iter().flatten() {
        outline(part, depth + 1, lines);
    }
}

#[test]
fn schemas_list_the_five_known_ones_without_a_null() {
    let all = schemas(BASE, &CustomAttributes::default());
    let ids: Vec<_> = all.iter().map(|schema| schema["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [scim::USER, scim::GROUP, ENTERPRISE, LITMOS, scim::LITMOS_GROUP]
    );
    assert!(
        all.iter()
            .all(|schema| nothing_null(&Value::Object(schema.clone())))
    );
    assert_eq!(
        all[0]["meta"]["location"],
        format!("{BASE}/Schemas/{}", scim::USER)
    );
}

#[test]
fn the_user_schema_shows_every_attribute_that_is_accepted() {
    let mut lines = Vec::new();
    for schema in schemas(BASE, &CustomAttributes::default()) {
        lines.push(schema["name"].as_str().unwrap().to_owned());
        schema["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .for_each(|attribute| outline(attribute, 1, &mut lines));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    User
      userName: string, readWrite, required
      name: complex, readWrite
        formatted: string, readWrite
        familyName: string, readWrite
        givenName: string, readWrite
        middleName: string, readWrite
        honorificPrefix: string, readWrite
        honorificSuffix: string, readWrite
      displayName: string, readWrite
      nickName: string, readWrite
      profileUrl: reference, readWrite
      title: string, readWrite
      userType: string, readWrite
      preferredLanguage: string, readWrite
      locale: string, readWrite
      timezone: string, readWrite
      active: boolean, readWrite
      password: string, writeOnly
      emails: complex list, readWrite
        value: string, readWrite
        display: string, readWrite
        type: string, readWrite
        primary: boolean, readWrite
      phoneNumbers: complex list, readWrite
        value: string, readWrite
        display: string, readWrite
        type: string, readWrite
        primary: boolean, readWrite
      addresses: complex list, readWrite
        formatted: string, readWrite
        streetAddress: string, readWrite
        locality: string, readWrite
        region: string, readWrite
        postalCode: string, readWrite
        country: string, readWrite
        type: string, readWrite
        primary: boolean, readWrite
      groups: complex list, readOnly
        value: string, readOnly
        $ref: reference, readOnly
        display: string, readOnly
      entitlements: complex list, readWrite
        value: string, readWrite
        display: string, readWrite
        type: string, readWrite
        primary: boolean, readWrite
      roles: complex list, readWrite
        value: string, readWrite
        display: string, readWrite
        type: string, readWrite
        primary: boolean, readWrite
    Group
      displayName: string, readWrite, required
      members: complex list, readWrite
        value: string, immutable
        $ref: reference, immutable
        display: string, readOnly
        type: string, immutable
    EnterpriseUser
      employeeNumber: string, readWrite
      costCenter: string, readWrite
      organization: string, readWrite
      division: string, readWrite
      department: string, readWrite
      manager: complex, readWrite
        value: string, readWrite
        $ref: reference, readWrite
        displayName: string, readWrite
    LitmosUser
      accessLevel: string, readWrite
      brand: string, readWrite
      jobRole: string, readWrite
      customField1: string, readWrite
      customField2: string, readWrite
      customField3: string, readWrite
      customField4: string, readWrite
      customField5: string, readWrite
      customField6: string, readWrite
      customField7: string, readWrite
      customField8: string, readWrite
      customField9: string, readWrite
      customField10: string, readWrite
      customFields: complex list, readWrite
        name: string, readWrite
        value: string, readWrite
    LitmosGroup
      description: string, readWrite
      parent: string, readWrite
    "#);
}

#[test]
fn discovered_custom_fields_join_the_litmos_extension() {
    let labels = ["Badge colour", "Badge-Colour", "Brand"];
    let all = schemas(BASE, &CustomAttributes::of(labels.map(str::to_owned)));
    let attributes = all[3]["attributes"].as_array().unwrap();
    let names: Vec<_> = attributes
        .iter()
        .rev()
        .take(3)
        .map(|found| found["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["brand2", "badgeColour2", "badgeColour"]);
    assert!(
        attributes.last().unwrap()["description"]
            .as_str()
            .unwrap()
            .contains("\"Brand\"")
    );
    assert_eq!(attributes[0]["canonicalValues"].as_array().unwrap().len(), 5);
}

#[test]
fn resource_types_name_their_endpoints_and_extensions() {
    let all = resource_types(BASE);
    assert_eq!(
        (&all[0]["endpoint"], &all[1]["endpoint"]),
        (&"/Users".into(), &"/Groups".into())
    );
    let extensions: Vec<_> = all[0]["schemaExtensions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|extension| extension["schema"].as_str().unwrap())
        .collect();
    assert_eq!(extensions, [ENTERPRISE, LITMOS]);
    assert_eq!(all[1]["schemaExtensions"][0]["schema"], scim::LITMOS_GROUP);
}

#[test]
fn the_service_provider_config_promises_what_is_there_and_no_more() {
    let config = service_provider_config(BASE);
    assert!(nothing_null(&config));
    let supported: Vec<_> = ["patch", "filter", "etag", "bulk", "sort", "changePassword"]
        .into_iter()
        .filter(|feature| config[feature]["supported"] == true)
        .collect();
    assert_eq!(supported, ["patch", "filter", "etag"]);
    assert_eq!(config["filter"]["maxResults"], scim::MAX_COUNT);
}
