//! Paging, projections, list answers, errors and versions.

use scim::{ListQuery, Page, Projection, ScimError, etag, if_match_accepts, list_response};
use serde_json::{Map, Value, json};

use crate::{ENTERPRISE, created, shown};

fn page(pairs: &[(&str, &str)]) -> Page {
    ListQuery::from_pairs(pairs.iter().copied()).unwrap().page
}

#[test]
fn paging_follows_the_rules_for_odd_numbers() {
    for (pairs, start_index, count) in [
        (vec![], 1, scim::DEFAULT_COUNT),
        (vec![("startIndex", "101"), ("count", "100")], 101, 100),
        (vec![("STARTINDEX", "0"), ("Count", "0")], 1, 0),
        (vec![("startIndex", "-5"), ("count", "-1")], 1, 0),
        (vec![("startIndex", ""), ("count", " 7 ")], 1, 7),
        (vec![("count", "99999999999999999999999")], 1, scim::MAX_COUNT),
        (
            vec![("sortBy", "userName"), ("aadOptscim062020", "")],
            1,
            scim::DEFAULT_COUNT,
        ),
    ] {
        assert_eq!(page(&pairs), Page { start_index, count }, "{pairs:?}");
    }
    for wrong in ["one", "1.5", "0x10", "-"] {
        assert_eq!(
            ListQuery::from_pairs([("count", wrong)]).unwrap_err().status(),
            400,
            "{wrong}"
        );
    }
}

#[test]
fn a_page_is_the_part_of_the_list_it_names() {
    let range = |start_index, count, total| Page { start_index, count }.range(total);
    assert_eq!(range(1, 100, 250), 0..100);
    assert_eq!(range(201, 100, 250), 200..250);
    assert_eq!(range(251, 100, 250), 250..250);
    assert_eq!(range(usize::MAX, usize::MAX, 3), 3..3);
    assert_eq!(range(1, 0, 3), 0..0);
}

#[test]
fn a_list_answer_counts_in_numbers_and_always_has_resources() {
    let answer = list_response(0, 1, Vec::new());
    assert_eq!(
        answer,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []
        })
    );
    let answer = list_response(9, 4, vec![Map::new(), Map::new()]);
    assert_eq!(
        (&answer["totalResults"], &answer["itemsPerPage"]),
        (&json!(9), &json!(2))
    );
}

fn projected(attributes: Option<&str>, excluded: Option<&str>) -> Value {
    let user = shown(&created(&json!({
        "userName": "mira", "name": {"givenName": "Mira", "familyName": "Lund"},
        "emails": [{"type": "work", "value": "m@corp.example"}],
        ENTERPRISE: {"department": "Care", "division": "North"}
    })));
    let mut shown = Projection::parse(attributes, excluded).apply(user);
    shown.remove("meta");
    shown.remove("schemas").unwrap();
    Value::Object(shown)
}

#[test]
fn a_projection_shows_what_is_wanted_and_always_the_id() {
    assert_eq!(
        projected(Some("userName"), None),
        json!({"id": "u-1", "userName": "mira"})
    );
    assert_eq!(
        projected(Some("NAME.givenname, emails.value"), None),
        json!({
            "id": "u-1", "name": {"givenName": "Mira"}, "emails": [{"value": "m@corp.example"}]
        })
    );
    assert_eq!(
        projected(Some(&format!("{ENTERPRISE}:department")), None),
        json!({
            "id": "u-1", ENTERPRISE: {"department": "Care"}
        })
    );
    assert_eq!(projected(Some(ENTERPRISE), None)[ENTERPRISE]["division"], "North");
    assert_eq!(projected(Some("nothing,[x"), None), json!({"id": "u-1"}));
    let rest = projected(
        None,
        Some(&format!(
            "id,name.familyName,emails.type,active,{ENTERPRISE}:division"
        )),
    );
    assert_eq!(
        rest,
        json!({
            "id": "u-1", "userName": "mira", "name": {"givenName": "Mira"}, "emails": [{"value": "m@corp.example"}],
            ENTERPRISE: {"department": "Care"}
        })
    );
    assert_eq!(projected(Some(" "), Some("")), projected(None, None));
}

#[test]
fn a_projection_tells_beforehand_whether_members_are_needed() {
    let shows = |attributes, excluded| Projection::parse(attributes, excluded).shows("members");
    assert!(shows(None, None));
    assert!(!shows(None, Some("members")));
    assert!(!shows(Some("displayName"), None));
    assert!(shows(Some("displayName,members.value"), None));
    assert!(!shows(Some("members"), Some("members")));
    assert!(Projection::parse(Some("userName"), Some("id")).shows("id"));
}

#[test]
fn an_error_is_scim_json_with_its_status_as_text() {
    assert_eq!(
        ScimError::conflict("userName", "\"mira\" exists already, as user u-1").to_json(),
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "409", "scimType": "uniqueness", "detail": "userName: \"mira\" exists already, as user u-1"
        })
    );
    assert!(
        ScimError::not_found("no such user")
            .to_json()
            .get("scimType")
            .is_none()
    );
    assert_eq!(ScimError::new(200, "no error").status(), 500);
}

#[test]
fn a_version_is_accepted_by_its_own_etag_only() {
    assert_eq!(etag(7), "W/\"7\"");
    for (header, accepted) in [
        ("W/\"7\"", true),
        ("\"7\"", true),
        ("*", true),
        ("W/\"6\", W/\"7\"", true),
        ("W/\"6\"", false),
        ("7", false),
        ("", false),
    ] {
        assert_eq!(if_match_accepts(header, 7), accepted, "{header}");
    }
}
