//! The SCIM gateway alone, over HTTP: what is asked in unusual words, and what many people cost.

mod asking;
mod http;

use std::time::Duration;

use chassis::health::Health;
use litmos_simulator::Settings;
use provisioning::{Field, Person};
use reqwest::header::HeaderMap;
use rollcall_tests::{Hall, Room, TOKEN, person, wait_for};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A gateway over a roster of its own.
struct Door {
    hall: Hall,
    /// The org, whose Litmos nobody asks here.
    _room: Room,
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// What was answered: status, headers, and the body as it came.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// The user names or display names of a list.
    fn names(&self) -> Vec<String> {
        let body = self.json();
        assert_eq!(self.status, 200, "{body}");
        let resources = body["Resources"].as_array().unwrap();
        assert_eq!(body["totalResults"], resources.len(), "{body}");
        let name = |resource: &Value| {
            let name = resource.get("userName").or(resource.get("displayName"));
            name.or(resource.get("id"))
                .and_then(Value::as_str)
                .unwrap()
                .to_owned()
        };
        resources.iter().map(name).collect()
    }
}

impl Door {
    /// Opens a gateway before these people.
    async fn open(people: impl IntoIterator<Item = Person>) -> Door {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let hall = Hall::open().await;
        let more = format!("[scim]\nlisten = \"{address}\"\n");
        let room = Room::new(&hall.bus, "acme", Settings::default(), &more).await;
        room.people(people).await;
        let (stop, health) = (CancellationToken::new(), Health::new());
        let parts = scim_gateway::Dependencies {
            bus: hall.bus.clone(),
            rosters: scim_gateway::rosters(&hall.bus, &stop),
            settings: room.settings.clone(),
            clock: chassis::clock::unix_ms,
            health: health.clone(),
        };
        let stopping = stop.clone();
        let running = tokio::spawn(async move { scim_gateway::run(parts, stopping).await.unwrap() });
        let door = Door {
            hall,
            _room: room,
            url: format!("http://{address}"),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop,
            running,
        };
        wait_for("an open door", async || {
            let asked = door.client.get(format!("{}/health/ready", door.url)).send().await;
            asked.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        door
    }

    async fn close(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        self.hall.close().await;
    }

    /// One request with any headers; the token is added where none is given.
    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.url));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.bearer_auth(TOKEN);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.raw("GET", &format!("/scim/acme/v2{path}"), &[], Vec::new())
            .await
    }

    /// A list by filter, with further parameters.
    async fn asked(&self, endpoint: &str, filter: &str, more: &str) -> Answer {
        let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("{endpoint}?filter={filter}{more}")).await
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/scim+json")];
        let body = body.to_string().into_bytes();
        self.raw(method, &format!("/scim/acme/v2{path}"), &headers, body)
            .await
    }

    /// Makes a resource: its id.
    async fn made(&self, endpoint: &str, body: &Value) -> String {
        let answer = self.send("POST", endpoint, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

/// Many people, as another source would have written them; every tenth is known to SCIM clients too.
fn crowd(count: usize) -> impl Iterator<Item = Person> {
    (0..count).map(|n| {
        let mut person = person(&format!("p{n:06}"));
        person.profile.set(Field::Email, format!("mail{n}@corp.example"));
        if n % 10 == 0 {
            let document = json!({
                "userName": person.user_name,
                "displayName": format!("Person {n}"),
                "emails": [{"type": "work", "value": format!("mail{n}@corp.example")},
                    {"type": "home", "value": format!("home{n}@corp.example")}],
            });
            person.scim_document = Some(document.to_string());
        }
        person
    })
}
