//! The PowerShell client: XML, the key in the query, paths in another case, elements left out of a PUT, and booleans
//! as PowerShell prints them.

use reqwest::Method;

use crate::client::{Answer, Litmos, element, elements, litmos_in_mode};

async fn send(litmos: &Litmos, method: Method, path: &str, more: &str, body: Option<&str>) -> Answer {
    let target = format!(
        "/v1.svc/{path}?apikey={}&source=corp{more}",
        litmos.running.api_key()
    );
    let headers: &[(&str, &str)] = if body.is_some() {
        &[("content-type", "application/xml")]
    } else {
        &[]
    };
    litmos.exactly(method, &target, headers, body).await
}

fn body(id: &str, level: &str, city: &str) -> String {
    format!(
        "<User xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">\r\n\t<Id>{id}</Id>\r\n\
         <UserName>mira.lund</UserName>\n<FirstName>Mira</FirstName>\n<LastName>Lund</LastName>\n<FullName></FullName>\n\
         <Email>mira@corp.example</Email>{level}<Active>True</Active>\n<PhoneWork></PhoneWork>\n<PhoneMobile></PhoneMobile>\n\
         <SkipFirstLogin>True</SkipFirstLogin>\n<City>{city}</City>\n<CustomField1></CustomField1>\n\
         <CustomField10>ten</CustomField10>\n<Website></Website>\n</User>"
    )
}

#[tokio::test]
async fn it_connects_pages_creates_and_updates() {
    let litmos = litmos_in_mode(&["key-place=query-too"]).await;
    let first = send(&litmos, Method::GET, "users", "&limit=1", None).await;
    assert_eq!(elements(&first.text, "User").len(), 1);
    let level = "<AccessLevel>learner</AccessLevel><DisableMessages>false</DisableMessages>";
    let created = send(
        &litmos,
        Method::POST,
        "users",
        "",
        Some(&body("", level, "Lyon &amp; Porto")),
    )
    .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(element(&created.text, "AccessLevel"), "Learner");
    let id = element(&created.text, "Id").to_owned();
    let updated = send(
        &litmos,
        Method::PUT,
        &format!("users/{id}"),
        "",
        Some(&body(&id, "", "Leeds")),
    )
    .await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    let details = send(&litmos, Method::GET, "Users/Details", "&limit=500", None)
        .await
        .text;
    assert_eq!(elements(&details, "City"), ["Leeds"]);
    assert_eq!(elements(&details, "CustomField10"), ["ten"]);
    assert_eq!(elements(&details, "SkipFirstLogin"), ["false", "true"]);
    assert_eq!(
        send(&litmos, Method::DELETE, &format!("users/{id}"), "", None)
            .await
            .status,
        200
    );
}
