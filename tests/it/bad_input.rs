//! Input that is wrong, at the doors by which it comes: handled as its users would expect, and said.
//!
//! In each story somebody good comes along with what is bad, and is not held up by it; what is bad costs no request of
//! Litmos, or one, and none again while nothing changes; and the admin hears which attribute, what is wrong with it and
//! what to do.

mod accounts;
mod crowd;
mod groups;
mod people;
mod values;

use std::collections::BTreeSet;

use litmos_simulator::TeamState;
use rollcall_tests::Harness;
use serde_json::{Value, json};

use crate::commands::{QUICK, ends, output, quick};

const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
const LITMOS_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A harness whose first import is over, before accounts of these user names.
async fn harness_before(accounts: &[Value]) -> Harness {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.litmos.put_users(accounts).unwrap();
    open(&mut harness).await;
    harness
}

/// Opens the harness, and waits for its first import.
async fn open(harness: &mut Harness) {
    harness.up(&[]).await;
    harness.bus().await;
    harness.settled(0).await;
}

fn litmos_user(user_name: &str, first: &str, last: &str) -> Value {
    json!({"UserName": user_name, "FirstName": first, "LastName": last, "Email": user_name})
}

/// Everybody in Litmos but the owner of the key, by user name.
fn user_names(harness: &Harness) -> Vec<String> {
    let users = harness.litmos.state().users.into_iter();
    let mut names: Vec<_> = users
        .filter(|user| !user.key_owner)
        .map(|user| user.user_name)
        .collect();
    names.sort();
    names
}

/// The one team of this name.
fn team(harness: &Harness, name: &str) -> TeamState {
    let teams = harness.litmos.state().teams.into_iter();
    let mut named: Vec<_> = teams.filter(|team| team.name == name).collect();
    assert_eq!(named.len(), 1, "{name}: {named:#?}");
    named.remove(0)
}

/// Who is in the one team of this name.
fn members(harness: &Harness, name: &str) -> Vec<String> {
    let team: BTreeSet<_> = team(harness, name).members.into_iter().collect();
    let users = harness.litmos.state().users.into_iter();
    let inside = users.filter(|user| team.contains(&user.id));
    inside.map(|user| user.user_name).collect()
}

/// Writes so far: method and path, without the query.
fn writes(harness: &Harness) -> Vec<String> {
    let log = harness.litmos.log();
    let sent = log.iter().filter(|entry| entry.method != "GET");
    sent.map(|entry| {
        let path = entry.path.split('?').next().unwrap_or_default();
        format!("{} {}", entry.method, path.trim_start_matches("/v1.svc"))
    })
    .collect()
}

/// The one item that is parked: code, attribute, what is said, remedy.
async fn the_parked(harness: &Harness) -> [String; 4] {
    let parked = output(harness, 3, &["parked"]).await;
    assert_eq!(parked["total"], 1, "{parked:#}");
    ["code", "attribute", "message", "remedy"].map(|of| parked["items"][0][of].as_str().unwrap().to_owned())
}

/// Nothing is sent while nothing changes, whoever asks and however often: no request but those so far.
async fn rests(harness: &Harness, people: usize) {
    let before = harness.litmos.log().len();
    for _ in 0..3 {
        harness.settled(people).await;
        harness.rollcall(&["status"]).await;
    }
    let log = harness.litmos.log();
    assert_eq!(log.len(), before, "{:#?}", &log[before..]);
}

async fn group(harness: &Harness, name: &str, people: &[&str]) -> String {
    let members: Vec<_> = people.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": name, "members": members});
    let (status, made) = harness.scim("POST", "/Groups", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

/// A SCIM request that is refused: its `scimType` and words.
async fn refused(harness: &Harness, status: u16, method: &str, path: &str, body: &Value) -> (String, String) {
    let (found, answer) = harness.scim(method, path, Some(body)).await;
    assert_eq!(found, status, "{answer}");
    assert_eq!(answer["status"], status.to_string(), "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (text("scimType"), text("detail"))
}

fn patch(op: &str, path: &str, value: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": op, "path": path, "value": value}]})
}

/// What the commands that an admin looks at first print of something parked.
async fn is_said_everywhere(harness: &Harness, words: &[&str]) {
    for command in ["status", "parked"] {
        let printed = ends(harness, 3, &[command]).await;
        for words in words {
            assert!(printed.contains(words), "{command}, {words}: {printed}");
        }
    }
    let printed = ends(harness, 3, &["plan"]).await;
    assert!(printed.contains("see: rollcall parked"), "{printed}");
}
