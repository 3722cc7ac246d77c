//! Filters as clients write them.

use scim::{AttributePath, Filter, Lookup, MembersNeeded, ResourceKind, ScimType};
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
        ("meta.lastModified gt \"2026-02-25T06:14:20\"", true),
        ("meta.lastModified lt \"2026-02-25T06:14:20\"", false),
        ("meta.lastModified ge \"2026-02-25\"", true),
        ("meta.lastModified ge \"2026-02-26\"", false),
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
    userName pr)  ->  at character 12: expected and, or, or the end; put a value with blanks in double quotes
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
fn a_filter_that_an_index_can_answer_says_which() {
    let ways = |text: &str| {
        let filter = Filter::parse(text).unwrap().filter;
        let way = filter.lookups().map_or("-".to_owned(), |way| {
            let all = way.iter().map(|Lookup { key, value }| format!("{key:?} {value}"));
            all.collect::<Vec<_>>().join(", ")
        });
        format!("{text}  ->  {way}")
    };
    let all = [
        "userName eq \"mira\"",
        "displayName eq \"Care\"",
        "emails eq \"m\"",
        "emails.value eq \"m\"",
        "emails[type eq \"work\"].value eq \"m\"",
        "emails[type eq \"work\" and value eq \"m\"]",
        "emails[value eq \"m\"].type eq \"work\"",
        "emails[value eq \"m\"] and active eq true",
        "active eq true and externalId eq \"e\"",
        "externalId eq 4711",
        "members eq \"u-1\" and id eq \"g-1\"",
        "id eq \"g-1\" and members[value eq \"u-1\"]",
        "members.value eq \"u-1\"",
        "groups.value eq \"g-1\"",
        "userName eq \"a\" or userName eq \"b\"",
        "userName eq \"a\" or (active eq true and emails eq \"m\")",
        "(userName eq \"a\" or title eq \"b\") and displayName eq \"c\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"a\"",
        "userName eq \"a\" or title eq \"b\"",
        "userName sw \"a\"",
        "not (userName eq \"a\")",
        "userName pr",
        "externalId eq null",
        "emails[not (value eq \"m\")]",
        "emails[value eq \"m\"].type ne \"work\"",
        "emails.type eq \"work\"",
    ]
    .map(ways)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    userName eq "mira"  ->  UserName mira
    displayName eq "Care"  ->  DisplayName Care
    emails eq "m"  ->  Email m
    emails.value eq "m"  ->  Email m
    emails[type eq "work"].value eq "m"  ->  Email m
    emails[type eq "work" and value eq "m"]  ->  Email m
    emails[value eq "m"].type eq "work"  ->  Email m
    emails[value eq "m"] and active eq true  ->  Email m
    active eq true and externalId eq "e"  ->  ExternalId e
    externalId eq 4711  ->  ExternalId 4711
    members eq "u-1" and id eq "g-1"  ->  Id g-1
    id eq "g-1" and members[value eq "u-1"]  ->  Id g-1
    members.value eq "u-1"  ->  Member u-1
    groups.value eq "g-1"  ->  Group g-1
    userName eq "a" or userName eq "b"  ->  UserName a, UserName b
    userName eq "a" or (active eq true and emails eq "m")  ->  UserName a, Email m
    (userName eq "a" or title eq "b") and displayName eq "c"  ->  DisplayName c
    urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a"  ->  UserName a
    userName eq "a" or title eq "b"  ->  -
    userName sw "a"  ->  -
    not (userName eq "a")  ->  -
    userName pr  ->  -
    externalId eq null  ->  -
    emails[not (value eq "m")]  ->  -
    emails[value eq "m"].type ne "work"  ->  -
    emails.type eq "work"  ->  -
    "#);
}

#[test]
fn only_the_members_that_a_filter_names_are_needed_for_it() {
    for (text, needed) in [
        ("members eq \"u-1\"", MembersNeeded::These(vec!["u-1"])),
        ("members.value ne \"u-1\"", MembersNeeded::These(vec!["u-1"])),
        (
            "members[value eq \"u-1\" or value eq \"u-2\"]",
            MembersNeeded::These(vec!["u-1", "u-2"]),
        ),
        (
            "not (members eq \"u-1\") or displayName sw \"a\"",
            MembersNeeded::These(vec!["u-1"]),
        ),
        ("displayName sw \"a\"", MembersNeeded::These(vec![])),
        ("members pr", MembersNeeded::All),
        ("members.display co \"mira\"", MembersNeeded::All),
        ("members[not (value eq \"u-1\")]", MembersNeeded::All),
        (
            "members.value sw \"u\" and members eq \"u-1\"",
            MembersNeeded::All,
        ),
    ] {
        assert_eq!(
            Filter::parse(text).unwrap().filter.members_needed(),
            needed,
            "{text}"
        );
    }
}

/// K5.
#[test]
fn values_in_other_quotes_find_what_they_say() {
    check(&[
        ("externalId eq 'Ext-1'", true),
        ("externalId eq 'ext-1'", false),
        ("(externalId eq 'Ext-1')", true),
        ("userName eq 'josé.o'hara+hr@corp.example'", true),
        ("userName eq 'josé.o\\'hara+hr@corp.example'", true),
        ("externalId eq 'x' or externalId eq 'Ext-1'", true),
        ("emails[type eq 'work'].value eq 'jose@corp.example'", true),
        ("emails[type eq 'home' and value eq 'home@corp.example']", true),
        ("externalId eq \u{201c}Ext-1\u{201d}", true),
        ("externalId eq \u{2018}Ext-1\u{2019}", true),
        ("externalId eq `Ext-1`", true),
        ("externalId eq Ext-1", true),
        ("externalId EQ \"Ext-1\" AND active Eq TRUE", true),
        ("userName eq \" José.O'Hara+hr@corp.example \"", true),
        ("name pr", true),
        ("title pr or name pr", true),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
            true,
        ),
        ("urn:ietf:params:scim:schemas:extension:Litmos:2.0:User pr", false),
    ]);
}

/// K5.
#[test]
fn a_filter_that_could_match_nothing_is_refused_by_name() {
    let message = |(kind, text): (ResourceKind, &str)| {
        let error = Filter::parse(text)
            .and_then(|parsed| parsed.filter.check(kind))
            .expect_err(text);
        assert_eq!(
            (error.status(), error.scim_type()),
            (400, Some(ScimType::InvalidFilter)),
            "{text}"
        );
        format!("{text}  ->  {}", error.detail())
    };
    let user = |text| (ResourceKind::User, text);
    let group = |text| (ResourceKind::Group, text);
    let all = [
        user("userName eq 'mira"),
        user("userName eq mira\""),
        user("userName eq and active eq true"),
        user("userName eq Mira Lund"),
        user("usrName eq \"x\""),
        user("department eq \"Care\""),
        user("members eq \"u-1\""),
        user("userName.value eq \"x\""),
        user("userName[type eq \"x\"] pr"),
        user("emails.kind eq \"work\""),
        user("emails[kind eq \"work\"].value eq \"x\""),
        user("emails[type eq \"work\"].mail eq \"x\""),
        user("name eq \"Mira\""),
        user("addresses[type eq \"work\"] eq \"Oslo\""),
        user("active eq \"yes\""),
        user("active gt true"),
        user("meta.lastModified gt \"yesterday\""),
        user("title co null"),
        user("password eq \"x\""),
        user("not (title pr) and shoeSize pr"),
        user("urn:ietf:params:scim:schemas:core:2.0:User:usrName pr"),
        user("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User eq \"x\""),
        group("userName eq \"x\""),
        group("name eq \"Care\""),
        group("description eq \"x\""),
        group("members.name eq \"x\""),
        group("urn:acme:hr:badge eq \"x\""),
    ]
    .map(message)
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    userName eq 'mira  ->  at character 13: the quote that opens here is never closed
    userName eq mira"  ->  at character 13: the value has a quote or parenthesis in it; put all of it in double quotes
    userName eq and active eq true  ->  at character 13: expected a value
    userName eq Mira Lund  ->  at character 18: expected and, or, or the end; put a value with blanks in double quotes
    usrName eq "x"  ->  usrName: users have no such attribute; /Schemas lists the attributes that are known
    department eq "Care"  ->  department: users have no such attribute; write urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department
    members eq "u-1"  ->  members: users have no such attribute; /Schemas lists the attributes that are known
    userName.value eq "x"  ->  userName.value: userName has one plain value and no parts; use userName
    userName[type eq "x"] pr  ->  userName: userName has one plain value and no parts; use userName
    emails.kind eq "work"  ->  emails.kind: emails has no part of that name; use one of value, display, type, primary
    emails[kind eq "work"].value eq "x"  ->  emails.kind: emails has no part of that name; use one of value, display, type, primary
    emails[type eq "work"].mail eq "x"  ->  emails.mail: emails has no part of that name; use one of value, display, type, primary
    name eq "Mira"  ->  name: it has parts and no value of its own; compare one of name.formatted, name.familyName, name.givenName, name.middleName, name.honorificPrefix, name.honorificSuffix
    addresses[type eq "work"] eq "Oslo"  ->  addresses[type eq "work"]: it has parts and no value of its own; compare one of addresses.formatted, addresses.streetAddress, addresses.locality, addresses.region, addresses.postalCode, addresses.country, addresses.type, addresses.primary
    active eq "yes"  ->  active: it is true or false; write active eq true or active eq false
    active gt true  ->  active: it is true or false; write active eq true or active eq false
    meta.lastModified gt "yesterday"  ->  meta.lastModified: "yesterday" is no point in time; write it as "2026-03-01T12:00:00Z"
    title co null  ->  title: null can be compared with eq and ne only
    password eq "x"  ->  password: it is never kept, so nobody can be found by it
    not (title pr) and shoeSize pr  ->  shoeSize: users have no such attribute; /Schemas lists the attributes that are known
    urn:ietf:params:scim:schemas:core:2.0:User:usrName pr  ->  urn:ietf:params:scim:schemas:core:2.0:User:usrName: users have no such attribute; /Schemas lists the attributes that are known
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User eq "x"  ->  urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: this is a whole extension; name an attribute of it, as in urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:attribute
    userName eq "x"  ->  userName: groups have no such attribute; /Schemas lists the attributes that are known
    name eq "Care"  ->  name: groups have no such attribute; /Schemas lists the attributes that are known
    description eq "x"  ->  description: groups have no such attribute; write urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group:description
    members.name eq "x"  ->  members.name: members has no part of that name; use one of value, $ref, display, type
    urn:acme:hr:badge eq "x"  ->  urn:acme:hr:badge: groups have no such attribute; /Schemas lists the attributes that are known
    "#);
}

#[test]
fn what_clients_ask_for_passes_the_check() {
    for (kind, text) in [
        (ResourceKind::User, "userName eq \"x\""),
        (ResourceKind::User, "USERNAME eq \"x\""),
        (ResourceKind::User, "emails[type eq \"work\"].value eq \"x\""),
        (ResourceKind::User, "emails eq \"x\" and active eq \"True\""),
        (ResourceKind::User, "roles[primary eq \"True\"].value eq \"x\""),
        (
            ResourceKind::User,
            "meta.lastModified ge \"2026-03-01T12:00:00+01:00\"",
        ),
        (ResourceKind::User, "meta.lastModified sw \"2026\""),
        (ResourceKind::User, "meta.lastModified gt \"2026-03-01\""),
        (ResourceKind::User, "title eq null and externalId ne null"),
        (ResourceKind::User, "urn:acme:hr:badge eq \"7\""),
        (
            ResourceKind::User,
            "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User:costCentre eq 4711",
        ),
        (
            ResourceKind::User,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"u-9\"",
        ),
        (ResourceKind::Group, "displayName eq \"x\" and members eq \"u-1\""),
        (ResourceKind::Group, "id eq \"g\" and members[value eq \"u\"]"),
        (
            ResourceKind::Group,
            "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group:description pr",
        ),
    ] {
        let filter = Filter::parse(text).unwrap().filter;
        filter
            .check(kind)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
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
