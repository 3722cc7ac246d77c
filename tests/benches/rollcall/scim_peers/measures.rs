//! What is measured at one server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::servers::Server;
use super::wire::{Ask, Connection, Load, Sample, Target, drive, fill};

/// Connections that fill a store.
const FILLING: usize = 32;

/// Groups, and the members of the first one.
const GROUPS: u64 = 100;
const MEMBERS: usize = 1_000;

/// Samples by name.
pub(crate) type Measured = BTreeMap<String, Sample>;

/// What clients look up, as a table names it.
pub(crate) const LOOK_UPS: [&str; 5] = [
    "userName",
    "externalId",
    "emails.value",
    "displayName (group)",
    "id and members",
];

/// Those who look up: one, many who ask a thousand times a second together, and many who never pause.
pub(crate) const CROWDS: [(&str, Load); 3] = [
    ("1", Load::busy(1)),
    (
        "32 (1000/s)",
        Load {
            connections: 32,
            per_second: Some(1_000),
        },
    ),
    ("32", Load::busy(32)),
];

/// A filter that no index serves.
const ODD_FILTER: &str = "title co \"zzz\"";

/// What has been put into a server.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) people: u64,
    ids: Arc<Vec<String>>,
    groups: Arc<Vec<String>>,
}

fn person(name: &str) -> Ask {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("{name}@corp.example"),
        "name": {"givenName": "First", "familyName": name},
        "displayName": format!("First {name}"),
        "title": "Guide",
        "emails": [{"primary": true, "value": format!("mail-{name}@corp.example"), "type": "work"}],
        "externalId": format!("00u-{name}"),
        "active": true,
    });
    post("/Users", &body)
}

fn post(path: &str, body: &Value) -> Ask {
    Ask {
        method: "POST",
        path: path.to_owned(),
        body: Some(body.to_string()),
    }
}

fn search(endpoint: &str, filter: &str, more: &str) -> Ask {
    let filter = utf8_percent_encode(filter, NON_ALPHANUMERIC);
    Ask {
        method: "GET",
        path: format!("{endpoint}?filter={filter}{more}"),
        body: None,
    }
}

/// Any of so many, spread over all of them.
fn spread(number: u64, of: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % of.max(1)
}

impl Store {
    /// Puts people and groups into an empty server.
    pub(crate) async fn fill(target: &Target, people: u64) -> anyhow::Result<Store> {
        let ids = fill(target, FILLING, 0..people, |n| person(&format!("p{n}"))).await?;
        let some: Vec<Value> = ids.iter().take(MEMBERS).map(|id| json!({"value": id})).collect();
        let groups = fill(target, 1, 0..GROUPS, move |n| {
            let members = if n == 0 { some.clone() } else { Vec::new() };
            let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
            post(
                "/Groups",
                &json!({"schemas": schemas, "displayName": format!("Group {n}"), "members": members}),
            )
        })
        .await?;
        Ok(Store {
            people,
            ids: Arc::new(ids),
            groups: Arc::new(groups),
        })
    }

    /// Adds people up to this number.
    pub(crate) async fn grow(&mut self, target: &Target, people: u64) -> anyhow::Result<()> {
        fill(target, FILLING, self.people..people, |n| person(&format!("p{n}"))).await?;
        self.people = people;
        Ok(())
    }

    fn look_up(&self, what: &'static str) -> impl Fn(u64) -> Ask + Send + Sync + 'static {
        let (people, ids, group) = (self.people, self.ids.clone(), self.groups[0].clone());
        move |number| {
            let n = spread(number, people);
            match what {
                "userName" => search("/Users", &format!("userName eq \"p{n}@corp.example\""), ""),
                "externalId" => search("/Users", &format!("externalId eq \"00u-p{n}\""), ""),
                "emails.value" => search(
                    "/Users",
                    &format!("emails.value eq \"mail-p{n}@corp.example\""),
                    "",
                ),
                "displayName (group)" => {
                    let filter = format!("displayName eq \"Group {}\"", 1 + n % (GROUPS - 1));
                    search("/Groups", &filter, "&excludedAttributes=members")
                }
                _ => {
                    let id = &ids[spread(number, ids.len().min(MEMBERS) as u64) as usize];
                    let filter = format!("id eq \"{group}\" and members eq \"{id}\"");
                    search("/Groups", &filter, "&excludedAttributes=members")
                }
            }
        }
    }

    /// Whether a look-up finds the one that it is about.
    async fn finds(&self, target: &Target, what: &'static str) -> bool {
        let answer = Connection::to(target).send(&self.look_up(what)(1)).await;
        answer.is_ok_and(|(_, body)| {
            let list: Value = serde_json::from_slice(&body).unwrap_or_default();
            list["totalResults"] == 1
        })
    }

    /// Each look-up by one client and by many.
    pub(crate) async fn look_ups(&self, target: &Target, length: Duration) -> anyhow::Result<Measured> {
        let mut measured = Measured::new();
        for what in LOOK_UPS {
            let wrong = !self.finds(target, what).await;
            for (name, load) in CROWDS {
                let mut sample = drive(target, load, length, self.look_up(what)).await?;
                sample.wrong = wrong;
                measured.insert(format!("look-up by {what}, {name}"), sample);
            }
        }
        Ok(measured)
    }

    /// Filters that no index serves, 32 at once, and what a health page takes meanwhile.
    pub(crate) async fn odd_filters(&self, server: &Server, length: Duration) -> anyhow::Result<Measured> {
        let health = server.health.clone();
        let (filters, health) = tokio::join!(
            drive(&server.target, Load::busy(32), length, |_| search(
                "/Users", ODD_FILTER, ""
            )),
            drive(&server.target, Load::busy(1), length, move |_| health.clone()),
        );
        Ok([
            ("other filter, 32".to_owned(), filters?),
            ("health meanwhile".to_owned(), health?),
        ]
        .into())
    }

    /// One member in or out of a group of a thousand.
    pub(crate) async fn members(&self, target: &Target, length: Duration) -> anyhow::Result<Measured> {
        let (ids, group) = (self.ids.clone(), self.groups[0].clone());
        let patch = move |number: u64| {
            let id = &ids[spread(number / 2, ids.len() as u64) as usize];
            let operation = if number.is_multiple_of(2) {
                json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})
            } else {
                json!({"op": "add", "path": "members", "value": [{"value": id}]})
            };
            let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
            Ask {
                method: "PATCH",
                path: format!("/Groups/{group}"),
                body: Some(body.to_string()),
            }
        };
        Ok([(
            "member PATCH, 1".to_owned(),
            drive(target, Load::busy(1), length, patch).await?,
        )]
        .into())
    }
}

/// Creates by one client and by many; where there is a second org, by one client there, alone and beside the many.
pub(crate) async fn creates(server: &Server, length: Duration) -> anyhow::Result<Measured> {
    let mut measured = Measured::new();
    let create = |series: &'static str| move |n: u64| person(&format!("{series}{n}"));
    let one = drive(&server.target, Load::busy(1), length, create("one")).await?;
    measured.insert("create, 1".to_owned(), one);
    let many = drive(&server.target, Load::busy(32), length, create("many")).await?;
    measured.insert("create, 32".to_owned(), many);
    let Some(other) = &server.other else {
        let crowd = drive(&server.target, Load::busy(200), length, create("crowd")).await?;
        measured.insert("create, 200".to_owned(), crowd);
        return Ok(measured);
    };
    let alone = drive(other, Load::busy(1), length, create("alone")).await?;
    // A client of its own, on a thread of its own: it must not wait for the two hundred of the other org here.
    let (other, beside) = (other.clone(), create("beside"));
    let beside = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(drive(&other, Load::busy(1), length, beside))
    });
    let crowd = drive(&server.target, Load::busy(200), length, create("crowd")).await;
    let beside = tokio::task::spawn_blocking(move || beside.join()).await?;
    let beside = beside.map_err(|_| anyhow::anyhow!("the client of the other org failed"))?;
    measured.insert("create, 200".to_owned(), crowd?);
    measured.insert("create in another org, alone".to_owned(), alone);
    measured.insert("create in another org, beside 200".to_owned(), beside?);
    Ok(measured)
}
