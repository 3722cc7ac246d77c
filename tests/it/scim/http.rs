//! HTTP as proxies and clients bend it.

use rollcall_tests::TOKEN;
use serde_json::json;

use super::{Door, crowd};

/// A user `gz@corp.example`, packed.
const GZIP: [u8; 79] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 45, 78, 45, 242, 75, 204, 77, 85, 178, 82, 80, 74, 175,
    114, 72, 206, 47, 42, 208, 75, 173, 72, 204, 45, 200, 73, 85, 210, 81, 80, 202, 131, 72, 85, 43, 165,
    103, 150, 165, 230, 193, 20, 186, 131, 164, 210, 18, 115, 51, 115, 42, 97, 66, 81, 74, 181, 181, 0, 187,
    30, 133, 226, 78, 0, 0, 0,
];

/// K14, K12.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_as_they_come_or_refused_for_what_they_are() {
    let door = Door::open([]).await;
    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        door.raw("POST", "/scim/acme/v2/Users", headers, body.to_vec())
            .await
    };
    let packed = post(&[("content-encoding", "gzip")], &GZIP).await;
    assert_eq!(
        (packed.status, &packed.json()["userName"]),
        (201, &json!("gz@corp.example"))
    );
    let marked = post(&[], b"\xef\xbb\xbf{\"userName\": \"bom@corp.example\"}").await;
    assert_eq!(marked.status, 201, "{}", marked.text);
    for (digits, name) in [
        ("12345678901234567890123", "a"),
        ("12345678901234567890124", "b"),
        ("1.10", "c"),
        ("1e3", "d"),
    ] {
        let body = format!("{{\"userName\": \"{name}@corp.example\", \"externalId\": {digits}}}");
        let answer = post(&[], body.as_bytes()).await;
        assert_eq!(
            (answer.status, &answer.json()["externalId"]),
            (201, &json!(digits)),
            "{}",
            answer.text
        );
        let found = door.asked("/Users", &format!("externalId eq {digits}"), "").await;
        assert_eq!(found.names(), [format!("{name}@corp.example")]);
    }
    let brotli = post(&[("content-encoding", "br")], b"{}").await;
    assert_eq!(
        (brotli.status, brotli.header("accept-encoding")),
        (415, "gzip, identity"),
        "{}",
        brotli.text
    );
    let form = post(
        &[("content-type", "application/x-www-form-urlencoded")],
        b"userName=mira",
    )
    .await;
    assert_eq!(form.status, 415);
    assert!(
        form.detail().contains("send application/scim+json"),
        "{}",
        form.detail()
    );
    let wide = post(&[], b"\xff\xfe{\0}\0").await;
    assert_eq!(wide.status, 400);
    assert!(wide.detail().contains("UTF-16"), "{}", wide.detail());
    door.close().await;
}

/// K14.
#[tokio::test(flavor = "multi_thread")]
async fn locations_are_those_of_the_client_and_of_nobody_else() {
    let door = Door::open(crowd(1)).await;
    let location = async |headers: &[(&str, &str)]| {
        let answer = door
            .raw("GET", "/scim/acme/v2/Users/p000000", headers, Vec::new())
            .await;
        assert_eq!(answer.status, 200, "{headers:?} {}", answer.text);
        let location = answer.json()["meta"]["location"].as_str().unwrap().to_owned();
        location
            .strip_suffix("/scim/acme/v2/Users/p000000")
            .unwrap()
            .to_owned()
    };
    for (headers, expected) in [
        (&[("host", "sync.corp.example")][..], "http://sync.corp.example"),
        (
            &[("host", "in"), ("x-forwarded-proto", "https, http")],
            "https://in",
        ),
        (
            &[
                ("host", "in"),
                ("x-forwarded-host", "sync.corp.example, in"),
                ("x-forwarded-proto", "https"),
            ],
            "https://sync.corp.example",
        ),
        (
            &[
                ("host", "in"),
                ("forwarded", "proto=https;host=sync.corp.example, for=x"),
            ],
            "https://sync.corp.example",
        ),
        (&[("host", "")], &door.url),
        (&[("host", "javascript://evil")], &door.url),
        (&[("host", "evil.example/x?")], &door.url),
        (
            &[
                ("host", "in"),
                ("x-forwarded-host", "evil.example/x"),
                ("x-forwarded-proto", "javascript"),
            ],
            "http://in",
        ),
    ] {
        assert_eq!(location(headers).await, expected, "{headers:?}");
    }
    door.close().await;
}

/// K14.
#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_are_read_as_they_may_be_written() {
    let door = Door::open(crowd(1)).await;
    for path in [
        "/Users/p000000",
        "/Users/p000000/",
        "//Users//p000000",
        "/Users/%70000000",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
        "/Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AUser",
        "/Schemas/URN:ietf:params:scim:schemas:core:2.0:user/",
        "/Users/?count=1",
        "/%55sers?count=1",
    ] {
        let answer = door.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let head = door
            .raw("HEAD", &format!("/scim/acme/v2{path}"), &[], Vec::new())
            .await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(
            head.header("content-length"),
            answer.text.len().to_string(),
            "{path}"
        );
    }
    for (method, path, status, allow) in [
        ("OPTIONS", "/Users", 204, "GET, HEAD, POST, OPTIONS"),
        (
            "OPTIONS",
            "/Users/p000000",
            204,
            "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
        ),
        ("DELETE", "/Users", 405, "GET, HEAD, POST, OPTIONS"),
        ("POST", "/Groups/g", 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("PUT", "/Schemas", 405, "GET, HEAD, OPTIONS"),
        ("TRACE", "/Users", 405, "GET, HEAD, POST, OPTIONS"),
        ("GET", "/Me", 501, ""),
        ("PATCH", "/Me", 501, ""),
        ("POST", "/Bulk", 501, ""),
        ("POST", "/Users/.search", 501, ""),
        ("POST", "/.search", 501, ""),
        ("GET", "/", 404, ""),
        ("GET", "/Users/p000000/x", 404, ""),
        ("GET", "/%ff", 404, ""),
    ] {
        let answer = door
            .raw(method, &format!("/scim/acme/v2{path}"), &[], Vec::new())
            .await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (status, allow),
            "{method} {path}: {}",
            answer.text
        );
        assert!(
            status < 400 || !answer.detail().is_empty(),
            "{method} {path}: {}",
            answer.text
        );
    }
    door.close().await;
}

/// K14.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_taken_or_refused_for_what_they_are() {
    let door = Door::open([]).await;
    let ask = async |org: &str, value: &str| {
        door.raw(
            "GET",
            &format!("/scim/{org}/v2/Users"),
            &[("authorization", value)],
            Vec::new(),
        )
        .await
    };
    for value in [
        format!("Bearer {TOKEN}"),
        format!("BEARER   {TOKEN}"),
        TOKEN.to_owned(),
        format!("Bearer Bearer {TOKEN}"),
    ] {
        assert_eq!(ask("acme", &value).await.status, 200, "{value}");
    }
    for (value, word) in [
        ("", "missing"),
        ("Bearer", "no token after Bearer"),
        ("Bearer x", "not the one in scim_token"),
        ("non-token", "not the one in scim_token"),
        ("Basic eDp5", "(Basic)"),
        ("SSWS x", "other than Bearer"),
    ] {
        let answer = ask("acme", value).await;
        assert_eq!(
            (answer.status, answer.json()["status"].as_str()),
            (401, Some("401")),
            "{value}"
        );
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{value}");
        assert!(answer.detail().contains(word), "{value}: {}", answer.detail());
        assert_eq!(
            ask("unknown", value).await.text,
            answer.text,
            "an unknown org looks alike"
        );
    }
    assert_eq!(ask("unknown", TOKEN).await.status, 401);
    door.close().await;
}

/// K14.
#[tokio::test(flavor = "multi_thread")]
async fn versions_are_told_and_asked_for_in_headers() {
    let door = Door::open([]).await;
    let made = door
        .send("POST", "/Users", &json!({"userName": "mira@corp.example"}))
        .await;
    let (tag, id) = (
        made.header("etag").to_owned(),
        made.json()["id"].as_str().unwrap().to_owned(),
    );
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(made.json()["meta"]["version"], *tag);
    let path = format!("/scim/acme/v2/Users/{id}");
    let strong = tag.trim_start_matches("W/").to_owned();
    let read = async |method: &str, had: &str| {
        door.raw(method, &path, &[("if-none-match", had)], Vec::new())
            .await
    };
    for had in [tag.as_str(), &strong, "*", &format!("\"x\", {tag}")] {
        for method in ["GET", "HEAD"] {
            let answer = read(method, had).await;
            assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{method} {had}");
            assert_eq!(answer.header("etag"), tag, "{method} {had}");
        }
    }
    assert_eq!(read("GET", "W/\"9999\"").await.status, 200);
    let group = json!({"displayName": "Care", "members": [{"value": id}]});
    let care = door.send("POST", "/Groups", &group).await;
    let joined = read("GET", &tag).await;
    assert_eq!(
        (joined.status, &joined.json()["groups"][0]["display"]),
        (200, &json!("Care")),
        "the user is in a group now"
    );
    let care_path = format!("/scim/acme/v2/Groups/{}", care.json()["id"].as_str().unwrap());
    let nobody = json!({"Operations": [{"op": "replace", "path": "members", "value": []}]});
    assert_eq!(
        door.raw("PATCH", &care_path, &[], nobody.to_string().into_bytes())
            .await
            .status,
        204
    );
    let left = door
        .raw(
            "GET",
            &care_path,
            &[("if-none-match", care.header("etag"))],
            Vec::new(),
        )
        .await;
    assert_eq!(
        (left.status, &left.json()["members"]),
        (200, &json!([])),
        "the group is empty now"
    );
    let bare = format!("{care_path}?excludedAttributes=members");
    let bare = door
        .raw(
            "GET",
            &bare,
            &[("if-none-match", care.header("etag"))],
            Vec::new(),
        )
        .await;
    assert_eq!(
        bare.status, 200,
        "the version of a group changes with its members"
    );
    assert_eq!(
        read("GET", &tag).await.json()["groups"],
        json!(null),
        "the user is in no group any more"
    );
    let title = json!({"Operations": [{"op": "replace", "path": "title", "value": "Nurse"}]}).to_string();
    let write = async |had: &str| {
        door.raw("PATCH", &path, &[("if-match", had)], title.clone().into_bytes())
            .await
    };
    for had in ["\"x\"", "W/\"9998\", \"9999\"", "", "x"] {
        assert_eq!(write(had).await.status, 412, "{had}");
    }
    let changed = write(&format!("\"x\", {tag}")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(write(&tag).await.status, 412);
    assert_eq!(write(&changed.header("etag").replace("W/", "")).await.status, 200);
    assert_eq!(write("*").await.status, 200);
    door.close().await;
}

/// A 409 names the attribute that conflicts.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_names_its_attribute() {
    let door = Door::open([]).await;
    let body = json!({"userName": "mira@corp.example", "externalId": "E-1"});
    let mira = door.made("/Users", &body).await;
    let zoe = door
        .made("/Users", &json!({"userName": "zoe@corp.example"}))
        .await;
    door.made("/Groups", &json!({"displayName": "Care"})).await;
    let sales = door.made("/Groups", &json!({"displayName": "Sales"})).await;
    let rename =
        |path: &str, value: &str| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    for (method, path, body, attribute, word) in [
        (
            "POST",
            "/Users".to_owned(),
            json!({"userName": "MIRA@corp.example"}),
            "userName: ",
            mira.as_str(),
        ),
        (
            "POST",
            "/Users".to_owned(),
            json!({"userName": "new@corp.example", "externalId": "E-1"}),
            "externalId: ",
            &mira,
        ),
        (
            "PATCH",
            format!("/Users/{zoe}"),
            rename("userName", "mira@corp.example"),
            "userName: ",
            &mira,
        ),
        (
            "POST",
            "/Groups".to_owned(),
            json!({"displayName": "CARE"}),
            "displayName: ",
            "Care",
        ),
        (
            "PATCH",
            format!("/Groups/{sales}"),
            rename("displayName", "Care"),
            "displayName: ",
            "Care",
        ),
    ] {
        let answer = door.send(method, &path, &body).await;
        assert_eq!(
            (answer.status, &answer.json()["scimType"]),
            (409, &json!("uniqueness")),
            "{body} {}",
            answer.text
        );
        let detail = answer.detail();
        assert!(
            detail.starts_with(attribute) && detail.to_lowercase().contains(&word.to_lowercase()),
            "{detail}"
        );
    }
    door.close().await;
}
