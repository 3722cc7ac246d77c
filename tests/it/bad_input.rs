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
use rollcall_tests::House;
use serde_json::{Value, json};

use crate::commands::{QUICK, ends, quick, told};

const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
const LITMOS_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A house whose first import is over, before accounts of these user names.
async fn house_before(accounts: &[Value]) -> House {
    let mut house = House::new(quick(), QUICK).await;
    house.litmos.put_users(accounts).unwrap();
    open(&mut house).await;
    house
}

/// Opens the house, and waits for its first import.
async fn open(house: &mut House) {
    house.up(&[]).await;
    house.bus().await;
    house.settled(0).await;
}

fn litmos_user(user_name: &str, first: &str, last: &str) -> Value {
    json!({"UserName": user_name, "FirstName": first, "LastName": last, "Email": user_name})
}

/// Everybody in Litmos but the owner of the key, by user name.
fn user_names(house: &House) -> Vec<String> {
    let users = house.litmos.state().users.into_iter();
    let mut names: Vec<_> = users
        .filter(|user| !user.key_owner)
        .map(|user| user.user_name)
        .collect();
    names.sort();
    names
}

/// The one team of this name.
fn team(house: &House, name: &str) -> TeamState {
    let teams = house.litmos.state().teams.into_iter();
    let mut named: Vec<_> = teams.filter(|team| team.name == name).collect();
    assert_eq!(named.len(), 1, "{name}: {named:#?}");
    named.remove(0)
}

/// Who is in the one team of this name.
fn members(house: &House, name: &str) -> Vec<String> {
    let team: BTreeSet<_> = team(house, name).members.into_iter().collect();
    let users = house.litmos.state().users.into_iter();
    let inside = users.filter(|user| team.contains(&user.id));
    inside.map(|user| user.user_name).collect()
}

/// Writes so far: method and path, without the query.
fn writes(house: &House) -> Vec<String> {
    let log = house.litmos.log();
    let sent = log.iter().filter(|entry| entry.method != "GET");
    sent.map(|entry| {
        let path = entry.path.split('?').next().unwrap_or_default();
        format!("{} {}", entry.method, path.trim_start_matches("/v1.svc"))
    })
    .collect()
}

/// The one item that is parked: code, attribute, what is said, remedy.
async fn the_parked(house: &House) -> [String; 4] {
    let parked = told(house, 3, &["parked"]).await;
    assert_eq!(parked["total"], 1, "{parked:#}");
    ["code", "attribute", "said", "remedy"].map(|of| parked["items"][0][of].as_str().unwrap().to_owned())
}

/// Nothing is sent while nothing changes, whoever asks and however often: no request but those so far.
async fn rests(house: &House, people: usize) {
    let before = house.litmos.log().len();
    for _ in 0..3 {
        house.settled(people).await;
        house.rollcall(&["status"]).await;
    }
    let log = house.litmos.log();
    assert_eq!(log.len(), before, "{:#?}", &log[before..]);
}

async fn group(house: &House, name: &str, people: &[&str]) -> String {
    let members: Vec<_> = people.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": name, "members": members});
    let (status, made) = house.scim("POST", "/Groups", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

/// A SCIM request that is refused: its `scimType` and words.
async fn refused(house: &House, status: u16, method: &str, path: &str, body: &Value) -> (String, String) {
    let (found, answer) = house.scim(method, path, Some(body)).await;
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
async fn is_said_everywhere(house: &House, words: &[&str]) {
    for command in ["status", "parked"] {
        let printed = ends(house, 3, &[command]).await;
        for words in words {
            assert!(printed.contains(words), "{command}, {words}: {printed}");
        }
    }
    let printed = ends(house, 3, &["plan"]).await;
    assert!(printed.contains("see: rollcall parked"), "{printed}");
}
