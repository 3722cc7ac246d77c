//! Renders the table for `/Schemas`: camelCase, no nulls, no common attributes.

use serde_json::{Map, Value, json};

use super::{Access, Attribute, Kind, attributes_of};

/// Schema document of a known URN, with further attributes appended.
pub(crate) fn schema_json(
    base_url: &str,
    urn: &str,
    name: &str,
    description: &str,
    further: Vec<Value>,
) -> Value {
    let known = attributes_of(urn)
        .iter()
        .filter(|attribute| !attribute.common)
        .map(attribute_json);
    let attributes: Vec<Value> = known.chain(further).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "description": description,
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": format!("{base_url}/Schemas/{urn}")},
    })
}

fn attribute_json(attribute: &Attribute) -> Value {
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    put("name", attribute.name.into());
    put("description", attribute.description.into());
    put("multiValued", attribute.multi_valued.into());
    put("required", attribute.required.into());
    put("mutability", mutability(attribute.access).into());
    put(
        "returned",
        if attribute.access == Access::WriteOnly {
            "never"
        } else {
            "default"
        }
        .into(),
    );
    match attribute.kind {
        Kind::Text | Kind::AccessLevel => put("type", "string".into()),
        Kind::Boolean => put("type", "boolean".into()),
        Kind::DateTime => put("type", "dateTime".into()),
        Kind::Reference(targets) => {
            put("type", "reference".into());
            put("referenceTypes", json!(targets));
        }
        Kind::Complex(parts) => {
            put("type", "complex".into());
            put("subAttributes", parts.iter().map(attribute_json).collect());
        }
    }
    if !matches!(attribute.kind, Kind::Complex(_) | Kind::Boolean) {
        put("caseExact", attribute.case_exact.into());
        put(
            "uniqueness",
            if attribute.unique { "server" } else { "none" }.into(),
        );
    }
    if !attribute.canonical_values.is_empty() {
        put("canonicalValues", json!(attribute.canonical_values));
    }
    Value::Object(body)
}

fn mutability(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "readWrite",
        Access::ReadOnly => "readOnly",
        Access::WriteOnly => "writeOnly",
        Access::Immutable => "immutable",
    }
}
