//! Discovery of the server's capabilities: RFC 7643 sections 5 to 7.

use serde_json::{Map, Value, json};

use crate::custom::CustomAttributes;
use crate::list::MAX_COUNT;
use crate::schema::{ENTERPRISE_USER, GROUP, LITMOS_GROUP, LITMOS_USER, ResourceKind, USER, schema_json};

/// The body of `/ServiceProviderConfig`.
pub fn service_provider_config(base_url: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "The SCIM token of the org, in the Authorization header.",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    })
}

/// Bodies of `/Schemas`, each with its URN as `id`. The `further` attributes are added to the Litmos extension of users.
pub fn schemas(base_url: &str, further: &CustomAttributes) -> Vec<Map<String, Value>> {
    let further = further.iter().map(|attribute| {
        json!({
            "name": attribute.name,
            "description": format!("The custom field {:?} of this Litmos account.", attribute.label),
            "type": "string",
            "multiValued": false,
            "required": false,
            "caseExact": false,
            "mutability": "readWrite",
            "returned": "default",
            "uniqueness": "none",
        })
    });
    let all = [
        schema_json(base_url, USER, "User", "A person", Vec::new()),
        schema_json(base_url, GROUP, "Group", "A group, a team in Litmos", Vec::new()),
        schema_json(
            base_url,
            ENTERPRISE_USER,
            "EnterpriseUser",
            "A person in an organisation",
            Vec::new(),
        ),
        schema_json(
            base_url,
            LITMOS_USER,
            "LitmosUser",
            "A person in Litmos",
            further.collect(),
        ),
        schema_json(
            base_url,
            LITMOS_GROUP,
            "LitmosGroup",
            "A team in Litmos",
            Vec::new(),
        ),
    ];
    all.into_iter().filter_map(into_object).collect()
}

/// Bodies of `/ResourceTypes`, each with its name as `id`.
pub fn resource_types(base_url: &str) -> Vec<Map<String, Value>> {
    let resource_type = |kind: ResourceKind, schema: &str, description: &str, extensions: &[&str]| {
        let extensions: Vec<Value> = extensions
            .iter()
            .map(|urn| json!({"schema": urn, "required": false}))
            .collect();
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": kind.as_str(),
            "name": kind.as_str(),
            "endpoint": kind.endpoint(),
            "description": description,
            "schema": schema,
            "meta": {
                "resourceType": "ResourceType",
                "location": format!("{base_url}/ResourceTypes/{}", kind.as_str()),
            },
        });
        if !extensions.is_empty() {
            body["schemaExtensions"] = extensions.into();
        }
        body
    };
    let all = [
        resource_type(
            ResourceKind::User,
            USER,
            "A person",
            &[ENTERPRISE_USER, LITMOS_USER],
        ),
        resource_type(ResourceKind::Group, GROUP, "A group", &[LITMOS_GROUP]),
    ];
    all.into_iter().filter_map(into_object).collect()
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
