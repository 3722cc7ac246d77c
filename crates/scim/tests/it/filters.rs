//! Filters as clients write them.

use scim::{AttributePath, Filter, Lookup, LookupKey, ScimType};
use serde_json::{Map, Value, json};

use crate::{ENTERPRISE, created, shown};

fn mira() -> Map<String, Value> {
    let mut user = shown(&created(&json!({
        "userName": "José.O'Hara+hr@corp.example",
        "externalId": "Ext-1",
        "active": true,
        "name": {"familyName": "O'Hara \"Jo\""},
        "emails": [{"type": "work", "value": "jose@corp.example", "primary": true}, {"type": "home", "value": "home@corp.example"}],
        ENTERPRISE: {"department": "Care", "manager": "u-9"}
    })));
    user.insert("id".to_owned(), json!("Id-1"));
    user
}

fn check(cases: &[(&str, bool)]) {
    let user = mira();
    for (text, expected) in cases {
        let parsed = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.filter.matches(&user), *expected, "{text}");
    }
}

#[test]
fn the_lookups_of_okta_and_entra_find_their_user() {
    check(&[
        ("userName eq \"josé.o'hara+HR@corp.example\"", true),
        ("userName eq \"JOSE\u{301}.O'HARA+HR@CORP.EXAMPLE\"", true),
        ("userName eq \"jose.o'hara+hr@corp.example\"", false),
        ("USERNAME Eq \"josé.o'hara+hr@corp.example\"", true),
        ("externalId eq \"Ext-1\"", true),
        ("externalId eq \"ext-1\"", false),
        ("id eq \"Id-1\"", true),
        ("id eq \"id-1\"", false),
        ("emails[type eq \"work\"].value eq \"JOSE@corp.example\"", true),
        ("emails[type eq \"home\"].value eq \"jose@corp.example\"", false),
        ("emails eq \"jose@corp.example\"", true),
        ("emails.value eq \"home@corp.example\"", true),
        ("externalId eq \"Ext-1\" and active eq true", true),
        ("externalId eq \"Ext-1\" and active eq \"True\"", true),
        ("active eq false", false),
    ]);
}

#[test]
fn every_operator_and_every_joining_word_works() {
    check(&[
        ("name.familyName co \"hara\"", true),
        ("userName sw \"JOSÉ\"", true),
        ("userName ew \"corp.example\"", true),
        ("userName ne \"x\"", true),
        ("title ne \"x\"", true),
        ("title pr", false),
        ("not (title pr)", true),
        ("title eq null", true),
        ("emails[type eq \"work\" and primary eq true]", true),
        ("emails[type eq \"home\" and primary eq true]", false),
        ("emails[not (type eq \"work\")] and active eq true", true),
        ("title pr or userName pr and active eq false", false),
        ("(title pr or userName pr) and active eq true", true),
        ("meta.lastModified gt \"2026-02-25T06:14:20Z\"", true),
        ("meta.lastModified le \"2026-02-25T07:14:20.500+01:00\"", true),
        ("meta.created lt \"2026-02-25T06:13:20Z\"", false),
        ("meta.created ge \"2026-02-25T06:13:20Z\"", true),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName pr", true),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"care\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"u-9\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"U-9\"",
            false,
        ),
        ("name.familyName eq \"O'Hara \\\"Jo\\\"\"", true),
        ("shoeSize gt 38", false),
    ]);
}

/// Complaint 27.
#[test]
fn loose_writing_is_understood_with_a_warning() {
    let read = |text: &str| {
        let parsed = Filter::parse(text).unwrap();
        format!("{} ({})", parsed.filter, parsed.warnings.join("; "))
    };
    let all = [
        "userName eq mira@corp.example",
        "userName eq o'hara+hr@corp.example and active eq True",
        "(userName eq mira)",
        "userName eq \"corp\\mira\"",
        "emails[type eq work].value eq \"x\"",
        "not title pr",
        "  userName   EQ\t\"x\"  ",
    ]
    .map(read)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    userName eq "mira@corp.example" (the value at character 30 is not in double quotes; read as text)
    userName eq "o'hara+hr@corp.example" and active eq true (the value at character 35 is not in double quotes; read as text)
    userName eq "mira" (the value at character 18 is not in double quotes; read as text)
    userName eq "corp\\mira" (the text before character 24 is no JSON string; read loosely)
    emails[type eq "work"].value eq "x" (the value at character 20 is not in double quotes; read as text)
    not (title pr) ()
    userName eq "x" ()
    "#);
}

#[test]
fn digits_without_quotes_find_the_name_they_spell() {
    for digits in [
        "4711",
        "007",
        "1e5",
        "1.50",
        "-0",
        "12345678901234567890123",
        "0.1000000000000000055511151231257827",
    ] {
        let user = shown(&created(&json!({"userName": digits, "externalId": digits})));
        for attribute in ["userName", "externalId"] {
            let filter = Filter::parse(&format!("{attribute} eq {digits}")).unwrap().filter;
            assert!(filter.matches(&user), "{filter}");
            let again = Filter::parse(&filter.to_string()).unwrap().filter;
            assert_eq!(again, filter);
        }
    }
}

#[test]
fn what_is_no_filter_is_refused_with_the_place() {
    let refused = |text: &str| {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(
            (error.status(), error.scim_type()),
            (400, Some(ScimType::InvalidFilter)),
            "{text}"
        );
        format!("{text}  ->  {}", error.detail())
    };
    let all = [
        "",
        "userName",
        "userName is \"x\"",
        "userName eq",
        "userName eq \"x",
        "(userName pr",
        "userName pr)",
        "userName pr and",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"].",
        "emails[a[b pr] pr]",
        "eq \"x\"",
        "a.b.c pr",
        "\"x\" eq userName",
    ]
    .map(refused)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
      ->  at character 1: expected an attribute name
    userName  ->  at character 9: expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr
    userName is "x"  ->  at character 9: expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr
    userName eq  ->  at character 12: expected a value
    userName eq "x  ->  at character 13: the quote that opens here is never closed
    (userName pr  ->  at character 13: expected ')'
    userName pr)  ->  at character 12: expected and, or, or the end
    userName pr and  ->  at character 16: expected an attribute name
    emails[type eq "work"  ->  at character 22: expected ']'
    emails[type eq "work"].  ->  at character 24: expected the name of a sub-attribute
    emails[a[b pr] pr]  ->  at character 9: expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr
    eq "x"  ->  at character 3: expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr
    a.b.c pr  ->  at character 1: expected an attribute name
    "x" eq userName  ->  at character 1: expected an attribute name
    "#);
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}title pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(scim::MAX_FILTER_DEPTH - 1)).is_ok());
    assert!(Filter::parse(&nested(scim::MAX_FILTER_DEPTH)).is_err());
    assert!(Filter::parse(&"not ".repeat(1000)).is_err());
    assert!(Filter::parse(&"(".repeat(100_000)).is_err());
}

#[test]
fn an_equality_that_an_index_can_answer_is_recognised() {
    let key = |text: &str| {
        let parsed = Filter::parse(text).unwrap();
        parsed
            .filter
            .lookup()
            .map(|Lookup { key, value }| (key, value.to_owned()))
    };
    let found = |key, value: &str| Some((key, value.to_owned()));
    assert_eq!(key("userName eq \"mira\""), found(LookupKey::UserName, "mira"));
    assert_eq!(
        key("displayName eq \"Care\""),
        found(LookupKey::DisplayName, "Care")
    );
    assert_eq!(
        key("emails[type eq \"work\"].value eq \"m\""),
        found(LookupKey::Email, "m")
    );
    assert_eq!(
        key("active eq true and externalId eq \"e\""),
        found(LookupKey::ExternalId, "e")
    );
    assert_eq!(
        key("members eq \"u-1\" and id eq \"g-1\""),
        found(LookupKey::Id, "g-1")
    );
    assert_eq!(key("members.value eq \"u-1\""), found(LookupKey::Member, "u-1"));
    for text in [
        "userName eq \"a\" or userName eq \"b\"",
        "userName sw \"a\"",
        "not (userName eq \"a\")",
        "userName pr",
    ] {
        assert_eq!(key(text), None, "{text}");
    }
}

#[test]
fn a_path_prints_as_it_was_written() {
    for text in [
        "userName",
        "name.givenName",
        "emails[type eq \"work\"].value",
        "members[value eq \"u-1\"]",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "$ref",
    ] {
        assert_eq!(AttributePath::parse(text).unwrap().to_string(), text);
    }
    let error = AttributePath::parse("emails[type eq \"work\"").unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidPath));
}
