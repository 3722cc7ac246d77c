//! XML bodies, read as a WCF data contract is: in order, and silent about what comes too late.

use reqwest::Method;
use serde_json::json;

use crate::client::{element, elements, litmos, litmos_in_mode, user, with};

const XML: &str = "application/xml";

fn create(user_name: &str) -> String {
    format!(
        "<User><Id></Id><UserName>{user_name}</UserName><FirstName>Mira</FirstName><LastName>Lund</LastName>\
         <FullName></FullName><Email>{user_name}@corp.example</Email><AccessLevel>Learner</AccessLevel>\
         <DisableMessages>true</DisableMessages><Active>true</Active><LastLogin></LastLogin><LoginKey></LoginKey>\
         <IsCustomUsername>true</IsCustomUsername><SkipFirstLogin>false</SkipFirstLogin><TimeZone>UTC</TimeZone>\
         <City>Malm\u{f6} &amp; Lund</City></User>"
    )
}

#[tokio::test]
async fn a_user_is_created_and_changed_in_xml_and_shown_in_xml_unless_json_is_asked_for() {
    let litmos = litmos().await;
    let created = litmos
        .xml(Method::POST, "/users", XML, &create("mira.lund"))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.content_type, "application/xml; charset=utf-8");
    assert!(
        created
            .text
            .starts_with("<User xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><Id>"),
        "{}",
        created.text
    );
    assert_eq!(element(&created.text, "City"), "Malm\u{f6} &amp; Lund");
    assert!(
        created.text.contains("<SalesforceId i:nil=\"true\"/>"),
        "{}",
        created.text
    );
    let id = element(&created.text, "Id").to_owned();
    let shown = litmos.xml(Method::GET, &format!("/users/{id}"), XML, "").await;
    assert_eq!(shown.text, created.text);

    let back = shown
        .text
        .replace("<City>Malm\u{f6} &amp; Lund</City>", "<City>Lyon</City>");
    let changed = litmos.xml(Method::PUT, &format!("/users/{id}"), XML, &back).await;
    assert_eq!((changed.status, changed.text.as_str()), (200, ""));
    let record = litmos.record(&id).await;
    assert_eq!(
        (&record["City"], &record["UserName"]),
        (&json!("Lyon"), &json!("mira.lund"))
    );
}

#[tokio::test]
async fn an_element_after_its_place_is_skipped_in_silence() {
    let litmos = litmos().await;
    let late = [
        // The city comes after the country, the e-mail address before the last name, an unknown element between.
        "<Country>France</Country><City>Lyon</City>",
        "<City>Lyon</City><Country>France</Country><Street1>Quai 1</Street1>",
        "<Region>North</Region><City>Lyon</City><City>Porto</City>",
    ];
    let expected = [("", "France", ""), ("Lyon", "France", ""), ("Lyon", "", "")];
    for (index, (late, expected)) in late.iter().zip(expected).enumerate() {
        let name = format!("person{index}");
        let body = create(&name).replace("<City>Malm\u{f6} &amp; Lund</City>", late);
        assert_eq!(litmos.xml(Method::POST, "/users", XML, &body).await.status, 201);
        let record = litmos.get(&format!("/users/{name}")).await.json();
        let got = ["City", "Country", "Street1"].map(|field| record[field].as_str().unwrap().to_owned());
        assert_eq!(
            [expected.0, expected.1, expected.2].map(str::to_owned),
            got,
            "{late}"
        );
    }
    let early = create("early")
        .replace("<LastName>Lund</LastName>", "")
        .replace("</Email>", "</Email><LastName>Lund</LastName>");
    assert_eq!(
        litmos
            .xml(Method::POST, "/users?format=json", XML, &early)
            .await
            .detail(409),
        "LastName is required"
    );
}

#[tokio::test]
async fn nil_is_null_and_an_empty_element_is_an_empty_text() {
    let litmos = litmos().await;
    let full = with(
        user("mira.lund"),
        json!({"City": "Lyon", "State": "Rhone", "Country": "France"}),
    );
    let id = litmos.post("/users", full).await.id();
    litmos.running.set_mode("put", "merge").unwrap();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- by hand -->\r\n\
         <User xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><Id>{id}</Id>\r\n  <City i:nil=\"true\" />\r\n\
         <State/><Country><![CDATA[C\u{f4}te <d'Ivoire>]]></Country></User>"
    );
    assert_eq!(
        litmos
            .xml(Method::PUT, &format!("/users/{id}"), XML, &body)
            .await
            .status,
        200
    );
    let record = litmos.record(&id).await;
    assert_eq!(
        (&record["City"], &record["State"], &record["Country"]),
        (&json!(""), &json!(""), &json!("C\u{f4}te <d'Ivoire>"))
    );
    assert_eq!(
        record["UserName"], "mira.lund",
        "left out, and kept in the mode that keeps"
    );
}

#[tokio::test]
async fn every_write_takes_xml_lists_of_one_and_of_none_too() {
    let litmos = litmos().await;
    let team = "<Team><Id/><Name>Nurses</Name><Description>All of them</Description><ParentTeamId/></Team>";
    let created = litmos.xml(Method::POST, "/teams", XML, team).await;
    assert_eq!(created.status, 201);
    let id = element(&created.text, "Id").to_owned();
    let sub = team.replace("Nurses", "Night");
    let sub = litmos
        .xml(Method::POST, &format!("/teams/{id}/teams"), XML, &sub)
        .await;
    assert_eq!(
        (sub.status, element(&sub.text, "ParentTeamId")),
        (201, id.as_str())
    );
    let sub = element(&sub.text, "Id").to_owned();
    let renamed = format!("<Team><Id>{sub}</Id><Name>Nights</Name><Description/></Team>");
    assert_eq!(
        litmos
            .xml(Method::PUT, &format!("/teams/{sub}"), XML, &renamed)
            .await
            .status,
        200
    );

    let (mira, noor) = (litmos.user("mira.lund").await, litmos.user("noor.berg").await);
    let members = format!("/teams/{id}/users");
    let one = format!("<Users><User><Id>{mira}</Id><UserName>ignored</UserName></User></Users>");
    let joined = litmos.xml(Method::POST, &members, "text/xml", &one).await;
    assert_eq!((joined.status, joined.text.as_str()), (201, ""));
    assert_eq!(
        litmos
            .xml(Method::POST, &members, "text/xml", "<Users/>")
            .await
            .status,
        404,
        "nobody"
    );
    let shown = litmos.xml(Method::GET, &members, XML, "").await.text;
    assert_eq!(elements(&shown, "User").len(), 1);
    assert!(shown.starts_with("<Users xmlns:i="), "{shown}");
    let teams = format!("<Teams><Team><Id>{id}</Id></Team><Team><Id>{sub}</Id></Team></Teams>");
    assert_eq!(
        litmos
            .xml(Method::POST, &format!("/users/{noor}/teams"), XML, &teams)
            .await
            .status,
        200
    );

    let path = format!("/users/{noor}/usercustomfields");
    for fields in [
        "<UserCustomField><Parameter fieldname=\"Site\">Lyon</Parameter></UserCustomField>",
        "<ArrayOfparameter><parameter fieldname=\"Cost Centre\">47 &lt; 11</parameter></ArrayOfparameter>",
    ] {
        assert_eq!(
            litmos.xml(Method::POST, &path, "text/xml", fields).await.status,
            200,
            "{fields}"
        );
    }
    assert_eq!(
        litmos.get(&path).await.json(),
        json!({"Cost Centre": "47 < 11", "Start Date": null, "Site": "Lyon"})
    );

    let rows = "<UserImports><UserImport><Username>ada.weber</Username><Email>ada@corp.example</Email>\
        <FirstName>Ada</FirstName><LastName>Weber</LastName><Title>Nurse</Title><City>Lyon</City>\
        <Address1>too late</Address1><AccessLevel>3</AccessLevel></UserImport></UserImports>";
    let job = litmos
        .xml(Method::POST, "/bulkimports?skipfirstlogin=true", XML, rows)
        .await;
    assert_eq!((job.status, element(&job.text, "TotalRecords")), (200, "1"));
    let ada = litmos.get("/users/ada.weber").await.json();
    assert_eq!(
        (
            &ada["JobTitle"],
            &ada["City"],
            &ada["Street1"],
            &ada["AccessLevel"]
        ),
        (
            &json!("Nurse"),
            &json!("Lyon"),
            &json!(null),
            &json!("Administrator")
        )
    );
    let none = litmos
        .xml(Method::GET, "/users?search=nobody", XML, "")
        .await
        .text;
    assert_eq!(elements(&none, "User").len(), 0);
}

#[tokio::test]
async fn the_body_is_known_by_its_content_type_and_without_one_by_its_first_character() {
    let litmos = litmos().await;
    let target = "/v1.svc/users?source=tests&format=json";
    let key = ("apikey", litmos.running.api_key());
    let xml_types = [
        "application/xml",
        "text/xml",
        "application/xml; charset=utf-8",
        "TEXT/XML;charset=\"UTF-8\"",
        "application/soap+xml",
    ];
    let json_types = [
        "application/json",
        "application/json; charset=utf-8",
        "text/json",
        "Application/JSON",
    ];
    let odd = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "*/*",
    ];
    let mut number = 0;
    let mut bodies = |xml: bool| {
        number += 1;
        let name = format!("person{number}");
        if xml {
            create(&name)
        } else {
            user(&name).to_string()
        }
    };
    for (types, forms) in [
        (&xml_types[..], &[true][..]),
        (&json_types, &[false]),
        (&odd, &[true, false]),
    ] {
        for content_type in types {
            for xml in forms {
                let headers = [key, ("content-type", *content_type)];
                let body = bodies(*xml);
                let answer = litmos.exactly(Method::POST, target, &headers, Some(&body)).await;
                assert_eq!(answer.status, 201, "{content_type}: {}", answer.text);
            }
        }
    }
    for xml in [true, false] {
        let body = format!("\u{feff}{}", bodies(xml));
        assert_eq!(
            litmos
                .exactly(Method::POST, target, &[key], Some(&body))
                .await
                .status,
            201,
            "none"
        );
    }
    let wrong = litmos
        .exactly(
            Method::POST,
            target,
            &[key, ("content-type", "text/xml")],
            Some("{}"),
        )
        .await;
    wrong.detail(400);
}

#[tokio::test]
async fn a_content_type_is_wanted_on_every_write_in_the_mode_that_wants_it() {
    let litmos = litmos_in_mode(&["content-type=wanted"]).await;
    let id = litmos.user("mira.lund").await;
    let target = format!("/v1.svc/users/{id}?source=tests&format=json");
    let key = ("apikey", litmos.running.api_key());
    litmos
        .exactly(Method::DELETE, &target, &[key], None)
        .await
        .detail(403);
    litmos
        .exactly(
            Method::PUT,
            &target,
            &[key, ("content-type", "text/plain")],
            Some("{}"),
        )
        .await
        .detail(403);
    assert_eq!(
        litmos.exactly(Method::GET, &target, &[key], None).await.status,
        200
    );
    let noor = litmos.user("noor.berg").await;
    litmos.running.delete(&format!("users/{noor}")).unwrap();
    let typed = [key, ("content-type", "application/json")];
    assert_eq!(
        litmos.exactly(Method::DELETE, &target, &typed, None).await.status,
        200
    );
}

#[tokio::test]
async fn unreadable_xml_and_a_foreign_root_are_400s_and_change_nothing() {
    let litmos = litmos().await;
    for body in [
        "",
        "<",
        "<User><UserName>mira.lund</User>",
        "<User><UserName>mira.lund</UserName>",
        "text<User/>",
        "</User>",
        "<User>&nonsense;</User>",
        "<!DOCTYPE User [<!ENTITY x \"mira\">]><User><UserName>&x;.lund</UserName></User>",
        "<Team><Name>Nurses</Name></Team>",
        "<User><UserName>a & b</UserName></User>",
    ] {
        let answer = litmos.xml(Method::POST, "/users?format=json", XML, body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(litmos.running.state().users.len(), 1);
}

#[tokio::test]
async fn the_format_of_the_answer_follows_the_query_then_the_accept_header_and_is_xml_otherwise() {
    let litmos = litmos().await;
    let kind = async |query: &str, accept: &str| {
        let target = format!("/v1.svc/users?source=tests{query}");
        let headers = [("apikey", litmos.running.api_key()), ("accept", accept)];
        let answer = litmos.exactly(Method::GET, &target, &headers, None).await;
        answer.content_type
    };
    let (xml, json) = (
        "application/xml; charset=utf-8",
        "application/json; charset=utf-8",
    );
    assert_eq!(kind("", "*/*").await, xml);
    assert_eq!(kind("", "text/html, image/gif").await, xml);
    assert_eq!(kind("", "application/json").await, json);
    assert_eq!(kind("", "application/xml, application/json").await, xml);
    assert_eq!(kind("", "application/json;q=0.9, text/xml").await, xml);
    assert_eq!(kind("", "application/json, text/plain, */*").await, json);
    assert_eq!(kind("&format=json", "*/*").await, json);
    assert_eq!(kind("&format=json", "application/xml").await, json);
    assert_eq!(kind("&format=xml", "application/json").await, xml);
}
