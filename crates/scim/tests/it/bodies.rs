//! Bodies as bytes, and what they say of `active`.

use scim::{ScimType, UserDocument, read_json};
use serde_json::{Value, json};

use crate::{created, patched, shown};

/// K12.
#[test]
fn numbers_keep_their_digits_wherever_they_stand() {
    let body = br#"{"userName": 12345678901234567890123, "externalId": 1.10, "title": -0, "active": true,
        "emails": [{"value": 1e3}, 9007199254740993.0], "roles": [7],
        "urn:acme:hr": {"badge": 00.5e, "x": "1.10"}}"#;
    let error = read_json(body).unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidSyntax));
    assert!(
        error.detail().contains("line 3 column 35"),
        "the place as it was sent: {error}"
    );

    let body = String::from_utf8(body.to_vec()).unwrap().replace("00.5e", "0.50");
    let user = created(&read_json(body.as_bytes()).unwrap());
    let shown = Value::Object(shown(&user));
    for (pointer, expected) in [
        ("/userName", json!("12345678901234567890123")),
        ("/externalId", json!("1.10")),
        ("/title", json!("-0")),
        ("/emails/0/value", json!("1e3")),
        ("/emails/1/value", json!("9007199254740993.0")),
        ("/roles/0/value", json!("7")),
        ("/urn:acme:hr/badge", json!("0.50")),
        ("/urn:acme:hr/x", json!("1.10")),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&expected), "{pointer}: {shown}");
    }
    for far in ["1e999", "-1e999", "123456789012345678901234567890.12e-400"] {
        let body = read_json(format!("{{\"externalId\": {far}}}").as_bytes()).unwrap();
        assert_eq!(body["externalId"], far);
    }
}

/// K14.
#[test]
fn a_byte_order_mark_is_no_part_of_a_body() {
    let marked = [b"\xef\xbb\xbf".as_slice(), br#"{"userName": "mira"}"#].concat();
    assert_eq!(read_json(&marked).unwrap(), json!({"userName": "mira"}));
    let described = |bytes: &[u8]| {
        let error = read_json(bytes).unwrap_err();
        assert_eq!(
            (error.status(), error.scim_type()),
            (400, Some(ScimType::InvalidSyntax))
        );
        error.detail().to_owned()
    };
    let all = [
        described(b"\xff\xfe{\0}\0"),
        described(b"{\"userName\": \"m\xfcller\"}"),
        described(b""),
        described(b" \r\n"),
        described(b"{\"userName\": "),
        described(b"userName=mira"),
    ]
    .join("\n");
    insta::assert_snapshot!(all, @r#"
    the body is written in UTF-16; send it in UTF-8
    the body is not UTF-8 from byte 16 on; send it in UTF-8
    the body is empty; send a JSON object
    the body is empty; send a JSON object
    the body is no JSON: EOF while parsing a value at line 1 column 13
    the body is no JSON: expected value at line 1 column 1
    "#);
}

/// K2.
#[test]
fn what_a_request_says_of_active_has_three_states() {
    let user = |more: Value| {
        let mut body = json!({"userName": "mira"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let words = [
        (json!({}), None),
        (json!({"active": null}), None),
        (json!({"active": ""}), None),
        (json!({"ACTIVE": "True"}), Some(true)),
        (json!({"active": false}), Some(false)),
        (json!({"active": [{"value": "False"}]}), Some(false)),
    ];
    let off = created(&user(json!({"active": false})));
    for (more, message) in words {
        let post = UserDocument::from_create(&user(more.clone())).unwrap();
        assert_eq!(post.stated_active(), message, "POST {more}");
        assert_eq!(
            post.document.active(),
            message.unwrap_or(true),
            "POST {more}: new people are active"
        );
        let put = off.replaced_by(&user(more.clone())).unwrap();
        assert_eq!(put.stated_active(), message, "PUT {more}");
        assert_eq!(
            put.document.active(),
            message.unwrap_or(false),
            "PUT {more}: silence leaves"
        );
        let patch = patched(&off, &json!([{"op": "replace", "value": user(more.clone())}])).unwrap();
        assert_eq!(patch.stated_active(), message, "PATCH {more}");
        assert_eq!(
            patch.document.active(),
            message.unwrap_or(false),
            "PATCH {more}: silence leaves"
        );
    }
    for (operation, message) in [
        (
            json!({"op": "Replace", "path": "active", "value": "False"}),
            Some(false),
        ),
        (json!({"op": "Replace", "path": "active", "value": null}), None),
        (json!({"op": "Remove", "path": "active"}), None),
        (json!({"op": "Replace", "path": "title", "value": "Nurse"}), None),
    ] {
        let write = patched(&off, &json!([operation])).unwrap();
        assert_eq!(write.stated_active(), message, "{operation}");
        assert!(!write.document.active(), "{operation}");
    }
}
