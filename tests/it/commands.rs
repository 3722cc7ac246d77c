//! What an admin asks and orders on the command line, each against a real `rollcall up` and a simulated Litmos.

mod dead_letters;
mod differs;
mod groups;
mod held;
mod identity;
mod leaver;
mod links;
mod parked;
mod plan;
mod undo;

use bus::{OperatorRequest, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use litmos_simulator::{Settings, UserState};
use rollcall_tests::{Harness, PATIENCE, user};
use serde_json::{Value, json};

/// A minute shortened to two seconds, and a limit that no story here waits for.
pub(crate) const QUICK: &str =
    "requests_per_minute = 200\nwindow_ms = 2000\npermit_ttl_ms = 2000\nsettle_ms = 2000\n";

pub(crate) fn quick() -> Settings {
    Settings {
        limit: 200,
        window_length: Duration::from_secs(2),
        bulk_delay: Duration::from_millis(100),
        ..Settings::default()
    }
}

/// A harness with these people of a CSV file in Litmos.
pub(crate) async fn harness_of(more: &str, people: usize, csv: &str) -> Harness {
    let mut harness = Harness::new(quick(), &format!("{QUICK}{more}")).await;
    harness.up(&[]).await;
    harness.bus().await;
    load(&harness, csv).await;
    if more.contains("manual") {
        planned(&harness, people).await;
    } else {
        harness.settled(people).await;
    }
    harness
}

/// Waits until a plan covers this many people: that Litmos has been read, and that the roster has arrived.
async fn planned(harness: &Harness, people: usize) {
    let bus = harness.bus().await;
    rollcall_tests::wait_for("a plan after the first import", async || {
        let plan = harness
            .ask(&bus, Service::Pusher, OperatorRequest::Plan { start: 0 })
            .await
            .unwrap_or_default();
        let waiting = plan["waiting"].as_array().into_iter().flatten();
        plan["people"].as_u64() >= Some(people as u64)
            && waiting.clone().all(|item| item["kind"] != "first_import")
    })
    .await;
}

pub(crate) async fn load(harness: &Harness, csv: &str) {
    let file = harness.write("people.csv", csv);
    let (code, printed, error) = harness
        .rollcall(&["load", &file.to_string_lossy(), "--source", "hr"])
        .await;
    assert_eq!(code, 0, "{printed}{error}");
}

/// A command that ends with this code: what it printed.
pub(crate) async fn ends(harness: &Harness, code: i32, arguments: &[&str]) -> String {
    let (found, printed, error) = harness.rollcall(arguments).await;
    assert_eq!(found, code, "{arguments:?}\n{printed}{error}");
    printed + &error
}

/// The same as JSON.
pub(crate) async fn output(harness: &Harness, code: i32, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let (found, printed, error) = harness.rollcall(&arguments).await;
    assert_eq!(found, code, "{arguments:?}\n{printed}{error}");
    serde_json::from_str(&printed).unwrap()
}

/// Waits until Litmos shows what was wished: the file of a load is taken in when it is, not when the command ends.
pub(crate) async fn until(harness: &Harness, what: &str, there: impl Fn(&Harness) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !there(harness) {
        assert!(
            Instant::now() < deadline,
            "{what} did not come:\n{:#?}",
            litmos(harness)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An account in the simulated Litmos.
pub(crate) fn account(harness: &Harness, name: &str) -> UserState {
    let users = harness.litmos.state().users.into_iter();
    let mut named = users.filter(|user| user.user_name == format!("{name}@corp.example"));
    named.next().unwrap_or_else(|| panic!("{name} has no account"))
}

/// Litmos, as far as provisioning has a say: by name, without what only time changes.
fn litmos(harness: &Harness) -> BTreeMap<String, String> {
    let state = harness.litmos.state();
    let name_of: BTreeMap<_, _> = state
        .users
        .iter()
        .map(|user| (&user.id, &user.user_name))
        .collect();
    let users = state.users.iter().filter(|user| !user.key_owner).map(|user| {
        let manager = user.manager_id.as_ref().and_then(|id| name_of.get(id));
        let values: BTreeMap<_, _> = user
            .attributes
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let message = format!(
            "active {} as {:?}, {} {}, {}, manager {manager:?}, {values:?}, {:?}",
            user.active, user.access_level, user.first_name, user.last_name, user.email, user.custom_fields
        );
        (format!("user {} {}", user.user_name, user.id), message)
    });
    let teams = state.teams.iter().map(|team| {
        let members: BTreeSet<_> = team.members.iter().filter_map(|id| name_of.get(id)).collect();
        (
            format!("team {} {}", team.name, team.id),
            format!("{:?} {members:?}", team.description),
        )
    });
    users.chain(teams).collect()
}

pub(crate) fn title(harness: &Harness, name: &str) -> String {
    account(harness, name)
        .attributes
        .remove("JobTitle")
        .unwrap_or_default()
}

/// Applies until nothing waits: what makes more to be done possible may need another word.
pub(crate) async fn apply_all(harness: &Harness) {
    while output(harness, 0, &["plan"]).await["operations"] != 0 {
        ends(harness, 0, &["apply"]).await;
    }
}

/// The SCIM id of somebody who is made.
pub(crate) async fn made(harness: &Harness, name: &str) -> String {
    let (status, made) = harness.scim("POST", "/Users", Some(&user(name))).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn patched(harness: &Harness, path: &str, value: Value) {
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": value}]});
    let (status, answer) = harness.scim("PATCH", path, Some(&patch)).await;
    assert!(status == 200 || status == 204, "{status} {answer}");
}

/// A printed text with what differs from run to run masked: ids by the names given, hashes, moments, durations.
fn masked(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.trim_end().to_owned();
    for (id, name) in names {
        text = text.replace(id, name);
    }
    let lines: Vec<String> = text.lines().map(masked_line).collect();
    lines.join("\n")
}

fn masked_line(line: &str) -> String {
    let indent = " ".repeat(line.len() - line.trim_start().len());
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let last = words.last().map(|last| last.trim_start_matches('(').to_owned());
        let counted = last.is_some_and(|last| last == "<time>" || last.parse::<f64>().is_ok());
        match bare {
            // "1 min 24 s" is one duration.
            "s" | "min" if counted => {
                let number = words.pop().unwrap_or_default();
                let open = if number.starts_with('(') { "(" } else { "" };
                let before = open.is_empty() && words.last().is_some_and(|before| before.ends_with("<time>"));
                let end = word.trim_start_matches(bare);
                match words.last_mut() {
                    Some(before_it) if before => before_it.push_str(end),
                    _ => words.push(format!("{open}<time>{end}")),
                }
            }
            "UTC" if words.len() >= 2 => {
                words.truncate(words.len() - 2);
                words.push(word.replace("UTC", "<moment>"));
            }
            _ if bare.len() == 20 && bare.chars().all(|c| c.is_ascii_hexdigit()) => {
                words.push(word.replace(bare, "<hash>"))
            }
            _ if bare.len() == 32 && bare.chars().all(|c| c.is_ascii_hexdigit()) => {
                words.push(word.replace(bare, "<trace>"))
            }
            _ => words.push(word.to_owned()),
        }
    }
    indent + &words.join(" ")
}
