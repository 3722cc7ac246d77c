//! SCIM clients: what they send, what they understand, and when it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rollcall_tests::{Chance, TOKEN};
use serde_json::{Value, json};

use super::history::{Answer, Call, Content, Edit, Kind, Request};
use super::search::Timed;
use super::work::Known;

/// How long a client waits for an answer.
const TIMEOUT: Duration = Duration::from_millis(1_200);

/// One gateway as clients see it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) port: u16,
    /// Whether clients are sent there.
    pub(crate) open: AtomicBool,
}

/// Clients of some gateways, and the clock of their histories.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) doors: Arc<[Door; 2]>,
    http: reqwest::Client,
    began: Instant,
}

impl Clients {
    pub(crate) fn of(doors: [Door; 2]) -> Clients {
        chassis::tls::choose_provider();
        // A connection that a killed gateway left behind must not be met again.
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT);
        Clients {
            doors: Arc::new(doors),
            http: http.build().unwrap(),
            began: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn door(&self, chance: &mut Chance) -> &Door {
        let first = chance.below(2) as usize;
        let order = [first, 1 - first];
        let open = order
            .into_iter()
            .find(|place| self.doors[*place].open.load(Ordering::Relaxed));
        &self.doors[open.unwrap_or(first)]
    }

    fn request(&self, door: &Door, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}/scim/acme/v2{path}", door.port);
        self.http.request(method.parse().unwrap(), url).bearer_auth(TOKEN)
    }

    /// Whether a gateway says that it is ready.
    pub(crate) async fn is_ready(&self, door: &Door) -> bool {
        let url = format!("http://127.0.0.1:{}/health/ready", door.port);
        let answer = self.http.get(url).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a request: what was heard, or nothing. `Err`: it was never sent.
    pub(crate) async fn send(
        &self,
        kind: Kind,
        door: &Door,
        request: &Request,
    ) -> Result<Option<Answer>, ()> {
        let (method, path, if_match, body) = written(kind, request);
        let mut sent = self.request(door, method, &path);
        if let Some(tag) = if_match {
            sent = sent.header("if-match", tag);
        }
        if let Some(body) = body {
            sent = sent
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        let answer = match sent.send().await {
            Err(error) if error.is_connect() => return Err(()),
            Err(_) => return Ok(None),
            Ok(answer) => answer,
        };
        let status = answer.status().as_u16();
        let Ok(text) = answer.text().await else {
            return Ok(None);
        };
        Ok(match status {
            200 | 201 => Some(shown(kind, &serde_json::from_str(&text).unwrap_or_default())),
            204 => Some(Answer::Done),
            404 => Some(Answer::Missing),
            409 => Some(Answer::Applied),
            412 => Some(Answer::Stale),
            408 | 429 | 500.. => None,
            _ => Some(Answer::Other(status, text)),
        })
    }

    /// The ids that bear this name, as any gateway lists them: no call of the history, since lists come from memory.
    pub(crate) async fn named(&self, kind: Kind, name: &str, chance: &mut Chance) -> Vec<String> {
        let (endpoint, attribute) = (endpoint(kind), name_of(kind));
        let path = format!("{endpoint}?filter={attribute}%20eq%20%22{name}%22");
        let Ok(answer) = self.request(self.door(chance), "GET", &path).send().await else {
            return Vec::new();
        };
        let text = answer.text().await.unwrap_or_default();
        let list: Value = serde_json::from_str(&text).unwrap_or_default();
        let found = list["Resources"].as_array().into_iter().flatten();
        found
            .filter_map(|resource| resource["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// Makes people who are there at both gateways.
    pub(crate) async fn cast(&self, size: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for n in 0..size {
            let name = format!("cast-{n}");
            let request = Request::Create(Content {
                name,
                ..Content::default()
            });
            let answer = self.send(Kind::User, &self.doors[0], &request).await;
            let Ok(Some(Answer::Shown { id, .. })) = answer else {
                panic!("nobody is made: {answer:?}")
            };
            for door in self.doors.iter() {
                let read = Request::Read { id: id.clone() };
                rollcall_tests::wait_for("somebody at both gateways", async || {
                    matches!(
                        self.send(Kind::User, door, &read).await,
                        Ok(Some(Answer::Shown { .. }))
                    )
                })
                .await;
            }
            ids.push(id);
        }
        ids
    }

    /// One client's share of a family's history.
    pub(crate) async fn play(
        &self,
        kind: Kind,
        known: Arc<Mutex<Known>>,
        client: usize,
        each: usize,
        mut chance: Chance,
    ) -> Vec<Timed<Call>> {
        let mut calls = Vec::new();
        for turn in 0..each {
            let request = {
                let mut known = known.lock().unwrap();
                if turn == 0 {
                    known.first(&mut chance)
                } else {
                    known.next(&mut chance)
                }
            };
            let (invoked, answer) = loop {
                let invoked = self.now();
                if let Ok(answer) = self.send(kind, self.door(&mut chance), &request).await {
                    break (invoked, answer);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let returned = answer.is_some().then(|| self.now());
            match (&answer, &request) {
                (Some(answer), _) => known.lock().unwrap().hear(answer),
                (None, Request::Create(content)) => {
                    for id in self.named(kind, &content.name, &mut chance).await {
                        known.lock().unwrap().meet(&id);
                    }
                }
                (None, _) => {}
            }
            let number = client * each + turn;
            calls.push(Timed {
                call: Call {
                    number,
                    request,
                    answer,
                },
                invoked,
                returned,
            });
            tokio::time::sleep(chance.millis(0, 8)).await;
        }
        calls
    }
}

fn endpoint(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "/Users",
        Kind::Group => "/Groups",
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "userName",
        Kind::Group => "displayName",
    }
}

type Written = (&'static str, String, Option<String>, Option<Value>);

fn written(kind: Kind, request: &Request) -> Written {
    let of = |id: &str| format!("{}/{id}", endpoint(kind));
    match request {
        Request::Create(content) => ("POST", endpoint(kind).to_owned(), None, Some(body(kind, content))),
        Request::Read { id } => ("GET", of(id), None, None),
        Request::Replace {
            id,
            if_match,
            content,
        } => ("PUT", of(id), if_match.clone(), Some(body(kind, content))),
        Request::Patch { id, if_match, edits } => {
            let operations: Vec<Value> = edits.iter().map(|edit| operation(kind, edit)).collect();
            let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
            ("PATCH", of(id), if_match.clone(), Some(body))
        }
        Request::Delete { id, if_match } => ("DELETE", of(id), if_match.clone(), None),
    }
}

fn value_of(attribute: &str, text: &str) -> Value {
    if attribute == "active" {
        json!(text == "true")
    } else {
        json!(text)
    }
}

fn operation(kind: Kind, edit: &Edit) -> Value {
    match edit {
        Edit::Rename(name) => json!({"op": "replace", "path": name_of(kind), "value": name}),
        Edit::Set(attribute, value) => {
            json!({"op": "replace", "path": attribute, "value": value_of(attribute, value)})
        }
        Edit::Remove(attribute) => json!({"op": "remove", "path": attribute}),
        Edit::AddMember(id) => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
        Edit::RemoveMember(id) => json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}),
    }
}

fn body(kind: Kind, content: &Content) -> Value {
    match kind {
        Kind::User => {
            let mut body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": content.name,
                "name": {"givenName": "First", "familyName": "Last"},
            });
            for (attribute, value) in &content.attributes {
                body[attribute] = value_of(attribute, value);
            }
            body
        }
        Kind::Group => json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": content.name,
            "members": content.members.iter().map(|id| json!({"value": id})).collect::<Vec<_>>(),
        }),
    }
}

fn shown(kind: Kind, body: &Value) -> Answer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut attributes = BTreeMap::new();
    if kind == Kind::User {
        attributes.insert("active".to_owned(), (body["active"] == true).to_string());
        for attribute in ["title", "displayName"] {
            if let Some(value) = body[attribute].as_str() {
                attributes.insert(attribute.to_owned(), value.to_owned());
            }
        }
    }
    let members = body["members"]
        .as_array()
        .filter(|_| kind == Kind::Group)
        .into_iter()
        .flatten();
    let members: BTreeSet<String> = members.map(|member| text(&member["value"])).collect();
    let name = text(&body[name_of(kind)]);
    Answer::Shown {
        id: text(&body["id"]),
        content: Content {
            name,
            attributes,
            members,
        },
        version: text(&body["meta"]["version"]),
    }
}
