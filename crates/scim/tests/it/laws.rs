//! What holds for every input.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scim::{
    AttributePath, Comparison, FieldChange, Filter, GroupChange, GroupDocument, Literal, LookupKey, Member,
    MemberChange, MembersNeeded, NetMembers, PatchRequest, Projection, ScimType, UserDocument, carry_over,
    cleared_by, litmos_attributes, read_json,
};
use serde_json::{Map, Value, json};

use crate::{ENTERPRISE, LITMOS, created, shown};

/// Names that mean something, so that random bodies reach every branch, and a few that do not.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "userName",
        "USERNAME",
        "externalId",
        "active",
        "name",
        "name.givenName",
        "name.familyName",
        "givenName",
        "emails",
        "emails.value",
        "emails[type eq \"work\"].value",
        "emails[type eq \"work\"]",
        "phoneNumbers",
        "phoneNumbers[type eq \"mobile\"].value",
        "addresses",
        "roles",
        "roles[value eq \"a\"]",
        "title",
        "locale",
        "id",
        "meta",
        "schemas",
        "groups",
        "password",
        "members",
        "members[value eq \"a\"]",
        "displayName",
        "value",
        "type",
        "primary",
        "$ref",
        "manager",
        "op",
        "path",
        "Operations",
        "urn:acme:hr",
        "urn:acme:hr:badge",
        "urn:",
        "accessLevel",
        "customField1",
        "CustomField",
        ENTERPRISE,
        LITMOS,
        scim::USER,
        scim::GROUP,
    ]
    .map(str::to_owned)
    .to_vec();
    let extended = prop::sample::select(vec![ENTERPRISE, LITMOS, scim::USER]).prop_flat_map(|urn| {
        prop::sample::select(vec![
            "manager",
            "department",
            "brand",
            "CustomField:CustomField2",
            "title",
        ])
        .prop_map(move |attribute| format!("{urn}:{attribute}"))
    });
    prop_oneof![6 => prop::sample::select(known), 2 => extended, 1 => ".{0,12}"]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "True", "false", "work", "mobile", "Learner"])
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "Replace", "REMOVE", "move"]);
    (op, prop::option::of(name()), prop::option::of(json_value())).prop_map(|(op, path, value)| {
        let mut body = Map::from_iter([("op".to_owned(), Value::from(op))]);
        body.extend(path.map(|path| ("path".to_owned(), path.into())));
        body.extend(value.map(|value| ("value".to_owned(), value)));
        Value::Object(body)
    })
}

fn user_body() -> impl Strategy<Value = Value> {
    prop::collection::vec((name(), json_value()), 0..8).prop_map(|members| {
        let mut body: Map<String, Value> = members.into_iter().collect();
        body.insert("userName".to_owned(), "mira".into());
        Value::Object(body)
    })
}

/// A user whom some random body describes; bodies that are refused are not of interest here.
fn user() -> impl Strategy<Value = UserDocument> {
    user_body().prop_filter_map("refused", |body| {
        Some(UserDocument::from_create(&body).ok()?.document)
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let simple = |text: &str| AttributePath::parse(text).unwrap();
    let paths = [
        "userName",
        "title",
        "displayName",
        "externalId",
        "name.givenName",
        "emails",
        "emails.value",
        "active",
        "id",
        "meta.created",
        "urn:acme:hr:badge",
    ];
    let selected = [
        "emails[type eq \"work\"].value",
        "emails[not (type eq \"x\") or primary pr].value",
        "emails[value eq \"a\"].type",
        "emails[value eq \"b\" and type eq \"work\"].display",
    ];
    let path = prop::sample::select(
        paths
            .iter()
            .chain(&selected)
            .map(|text| simple(text))
            .collect::<Vec<_>>(),
    );
    let literal = prop_oneof![
        prop::sample::select(vec!["mira", "a", "b", "u-1"]).prop_map(|text| Literal::Text(text.to_owned())),
        "\\PC{0,6}".prop_map(Literal::Text),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i32>().prop_map(|n| Literal::Number(n.into())),
        Just(Literal::Null),
    ];
    let comparison = prop::sample::select(Comparison::ALL.to_vec());
    let leaf = prop_oneof![
        path.clone().prop_map(Filter::Present),
        (path, comparison, literal)
            .prop_map(|(path, comparison, literal)| Filter::Compare(path, comparison, literal)),
        Just(Filter::Any(simple("emails[type eq \"work\"]"))),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn group_filter() -> impl Strategy<Value = Filter> {
    let leaf = prop::sample::select(vec![
        "members eq \"a\"",
        "members.value eq \"b\"",
        "members ne \"c\"",
        "members[value eq \"a\" or value eq \"d\"]",
        "members[not (value eq \"a\")]",
        "members[value eq \"a\" and type eq \"User\"]",
        "members[value eq \"b\"].type pr",
        "members.type eq \"User\"",
        "members pr",
        "members.value gt \"c\"",
        "members eq null",
        "displayName eq \"care\"",
    ])
    .prop_map(|text| Filter::parse(text).unwrap().filter);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn member_changes() -> impl Strategy<Value = Vec<MemberChange>> {
    let ids = || prop::collection::vec("[a-e]", 0..4);
    let change = prop_oneof![
        3 => ids().prop_map(MemberChange::Add),
        3 => ids().prop_map(MemberChange::Remove),
        1 => ids().prop_map(MemberChange::ReplaceAll),
    ];
    prop::collection::vec(change, 0..6)
}

proptest! {
    #[test]
    fn no_body_makes_anything_panic(body in json_value(), operations in prop::collection::vec(operation(), 0..4)) {
        let _ = UserDocument::from_create(&body);
        let _ = GroupDocument::from_create(&body);
        let _ = GroupChange::from_replace(&body);
        let _ = PatchRequest::parse(&body);
        if let Ok(request) = PatchRequest::parse(&json!({"Operations": operations})) {
            let _ = GroupChange::from_patch(&request);
            let _ = created(&json!({"userName": "mira"})).patched(&request);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[-+0-9.eE\"{}\\[\\],: \\\\a]{0,32}") {
        let _ = read_json(&bytes);
        let _ = read_json(text.as_bytes());
    }

    #[test]
    fn the_reader_reads_what_others_read_but_for_lost_digits(value in json_value()) {
        prop_assert_eq!(read_json(value.to_string().as_bytes()).unwrap(), value);
    }

    #[test]
    fn every_digit_of_a_number_is_kept(number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,4})?") {
        let body = read_json(format!("{{\"userName\": {number}, \"title\": [{number}]}}").as_bytes()).unwrap();
        let user = created(&body);
        prop_assert_eq!(user.user_name(), &number);
        prop_assert_eq!(user.title(), Some(number.as_str()));
    }

    #[test]
    fn a_filter_on_members_sees_the_same_in_those_that_it_needs(
        filter in group_filter(),
        members in prop::collection::btree_set("[a-e]", 0..5),
    ) {
        let group = GroupDocument {
            display_name: "Care".to_owned(),
            external_id: None,
            description: None,
            parent: None,
        };
        let shown = |ids: &mut dyn Iterator<Item = &String>| {
            let members: Vec<Member> = ids.map(|id| Member { id: id.clone(), display: None }).collect();
            group.render(&crate::meta(scim::ResourceKind::Group), Some(&members))
        };
        let all = shown(&mut members.iter());
        let few = match filter.members_needed() {
            MembersNeeded::All => all.clone(),
            MembersNeeded::These(ids) => shown(&mut members.iter().filter(|id| ids.contains(&id.as_str()))),
        };
        prop_assert_eq!(filter.matches(&few), filter.matches(&all));
    }

    #[test]
    fn what_matches_is_found_by_one_of_the_lookups(filter in filter(), user in user()) {
        let shown = shown(&user);
        if let Some(lookups) = filter.lookups() && filter.matches(&shown) {
            let emails = shown.get("emails").and_then(Value::as_array).into_iter().flatten();
            let values = |key| -> Vec<&str> { match key {
                LookupKey::UserName => vec![user.user_name()],
                LookupKey::DisplayName => user.display_name().into_iter().collect(),
                LookupKey::ExternalId => user.external_id().into_iter().collect(),
                LookupKey::Email => emails.clone().filter_map(|entry| entry["value"].as_str()).collect(),
                LookupKey::Id => vec!["u-1"],
                LookupKey::Member | LookupKey::Group => vec![],
            }};
            let found = lookups.iter().any(|lookup| {
                values(lookup.key).iter().any(|value| value.trim().to_lowercase() == lookup.value.trim().to_lowercase())
            });
            prop_assert!(found, "{}: {:?}", filter, shown);
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic_and_what_they_read_prints_the_same(text in "\\PC{0,40}") {
        if let Ok(parsed) = Filter::parse(&text) {
            let again = Filter::parse(&parsed.filter.to_string()).unwrap();
            prop_assert_eq!(again.filter, parsed.filter);
        }
        if let Ok(path) = AttributePath::parse(&text) {
            prop_assert_eq!(AttributePath::parse(&path.to_string()).unwrap(), path);
        }
        let _ = Projection::parse(Some(&text), Some(&text)).apply(shown(&created(&json!({"userName": "mira"}))));
    }

    #[test]
    fn filters_of_scim_words_in_any_order_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "userName", "emails", "eq", "co", "pr", "and", "or", "not", "(", ")", "[", "]", ".", "\"", "\\", "\"a\"", " ", "true", "é",
        ]), 0..16)
    ) {
        if let Ok(parsed) = Filter::parse(&words.join(" ")) {
            parsed.filter.matches(&shown(&created(&json!({"userName": "mira"}))));
        }
        let _ = Filter::parse(&words.concat());
    }

    #[test]
    fn printing_and_parsing_a_filter_gives_the_same_filter_without_warnings(filter in filter()) {
        let parsed = Filter::parse(&filter.to_string()).unwrap();
        prop_assert_eq!(&parsed.filter, &filter);
        prop_assert!(parsed.warnings.is_empty());
    }

    #[test]
    fn not_and_ne_are_exact_opposites(filter in filter(), user in user()) {
        let user = shown(&user);
        prop_assert_ne!(Filter::Not(Box::new(filter.clone())).matches(&user), filter.matches(&user));
        if let Filter::Compare(path, Comparison::Equal, literal) = filter {
            let equal = Filter::Compare(path.clone(), Comparison::Equal, literal.clone());
            let unequal = Filter::Compare(path, Comparison::NotEqual, literal);
            prop_assert_ne!(equal.matches(&user), unequal.matches(&user));
        }
    }

    #[test]
    fn what_clients_read_holds_no_null_no_password_and_no_empty_list(user in user()) {
        fn clean(value: &Value) -> bool {
            match value {
                Value::Null => false,
                Value::Array(values) => !values.is_empty() && values.iter().all(clean),
                Value::Object(members) => !members.is_empty() && members.values().all(clean),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            }
        }
        let body = shown(&user);
        prop_assert!(!body.contains_key("password"));
        prop_assert!(clean(&Value::Object(body)));
    }

    #[test]
    fn putting_back_our_own_answer_changes_nothing_that_is_shown(user in user()) {
        let answer = shown(&user);
        let write = user.replaced_by(&Value::Object(answer.clone())).unwrap();
        prop_assert_eq!(shown(&write.document), answer);
    }

    #[test]
    fn a_patch_done_twice_is_a_patch_done_once(user in user(), operation in operation()) {
        if let Ok(request) = PatchRequest::parse(&json!({"Operations": [operation]}))
            && let Ok(once) = user.patched(&request)
        {
            match once.document.patched(&request) {
                Ok(twice) => prop_assert_eq!(twice.document, once.document),
                // What is gone cannot be removed again.
                Err(error) => prop_assert_eq!(error.scim_type(), Some(ScimType::NoTarget)),
            }
        }
    }

    #[test]
    fn a_pathless_replace_with_a_body_equals_the_create_it_stems_from(body in user_body()) {
        if let Ok(write) = UserDocument::from_create(&body) {
            let request = PatchRequest::parse(&json!({"Operations": [{"op": "replace", "value": body}]})).unwrap();
            let patched = created(&json!({"userName": "other"})).patched(&request).unwrap();
            prop_assert_eq!(shown(&patched.document), shown(&write.document));
        }
    }

    #[test]
    fn once_managed_an_attribute_is_never_left_to_chance(old in user(), new in user()) {
        let before = litmos_attributes(&old);
        let after = carry_over(&before, &new);
        for name in before.keys() {
            prop_assert!(after.contains_key(name), "{name}");
        }
        for name in cleared_by(&old, &new) {
            prop_assert_eq!(&after[name], &FieldChange::Clear, "{}", name);
        }
        let set_now = litmos_attributes(&new);
        for (name, change) in &set_now {
            prop_assert_eq!(&after[name], change);
        }
    }

    #[test]
    fn a_stored_user_is_read_back_as_it_was(user in user()) {
        prop_assert_eq!(UserDocument::from_stored(&user.to_stored()).unwrap(), user);
    }

    #[test]
    fn the_names_of_a_stored_user_are_those_that_clients_see(user in user()) {
        let names = UserDocument::names_in(&user.to_stored());
        let body = shown(&user);
        let emails = body.get("emails").and_then(Value::as_array).into_iter().flatten();
        let seen: Vec<&str> = emails.filter_map(|entry| entry.get("value")?.as_str()).collect();
        prop_assert_eq!(names.emails, seen);
        prop_assert_eq!(names.display_name.as_deref(), user.display_name());
    }

    #[test]
    fn the_net_of_membership_changes_is_their_sequence(
        changes in member_changes(),
        before in prop::collection::btree_set("[a-e]", 0..5),
    ) {
        let mut one_by_one: BTreeSet<String> = before.clone();
        for change in &changes {
            match change {
                MemberChange::Add(ids) => one_by_one.extend(ids.iter().cloned()),
                MemberChange::Remove(ids) => one_by_one.retain(|id| !ids.contains(id)),
                MemberChange::ReplaceAll(ids) => one_by_one = ids.iter().cloned().collect(),
            }
        }
        let net = NetMembers::of(&changes);
        let mut at_once = if net.only_these { BTreeSet::new() } else { before };
        at_once.retain(|id| !net.absent.contains(id));
        at_once.extend(net.present);
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn a_group_patch_says_the_same_as_its_operations_one_by_one(
        changes in member_changes(),
    ) {
        let operations: Vec<Value> = changes.iter().map(|change| match change {
            MemberChange::Add(ids) => json!({"op": "Add", "path": "members", "value": ids}),
            MemberChange::Remove(ids) => json!({"op": "Remove", "path": "members", "value": ids}),
            MemberChange::ReplaceAll(ids) => json!({"op": "Replace", "path": "members", "value": ids}),
        }).collect();
        let request = PatchRequest::parse(&json!({"Operations": operations})).unwrap();
        let change = GroupChange::from_patch(&request).unwrap();
        prop_assert_eq!(NetMembers::of(&change.members), NetMembers::of(&changes));
    }
}
