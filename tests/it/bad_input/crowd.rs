//! A group of fifty thousand members: who is in it is written and sent in pieces, whichever door it comes by.

mod scene;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bus::{Event, EventBody};
use futures_util::{StreamExt as _, stream};
use provisioning::SourceId;
use rollcall_tests::{Harness, PATIENCE};
use serde_json::{Value, json};

use self::scene::{harness_of_a_crowd, id};
use super::{members, patch, team, writes};
use crate::commands::{ends, output, until};

/// The largest group that anybody asked about.
const CROWD: usize = 50_000;

/// Members of it whom Litmos has not in the team yet.
const MISSING: usize = 5_000;

/// Members of one call: the most that the cost model knows of.
const A_CALL: usize = 1_000;

/// How long one request of a client may take, whatever it holds: Okta and Entra give up after a minute.
const A_REQUEST: Duration = Duration::from_secs(60);

fn listed(people: impl Iterator<Item = usize>) -> Value {
    people
        .map(|n| json!({"value": id(n), "display": format!("{}@corp.example", id(n))}))
        .collect()
}

/// A request that is answered before its sender gives up.
async fn in_time(harness: &Harness, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let started = Instant::now();
    let answer = harness
        .scim_raw(method, path, body.to_string().into_bytes())
        .await;
    assert!(
        started.elapsed() < A_REQUEST,
        "{method} took {:?}",
        started.elapsed()
    );
    answer
}

/// The plan, once these are its operations with a call: what a door has taken is planned a moment later.
async fn planned(harness: &Harness, labels: &[&str]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let plan = output(harness, 0, &["plan"]).await;
        let lines = plan["lines"].as_array().unwrap().iter();
        let calling = lines.filter(|line| line["calls"] != 0);
        let found: Vec<&str> = calling.map(|line| line["label"].as_str().unwrap()).collect();
        if found == labels {
            return plan;
        }
        assert!(
            Instant::now() < deadline,
            "{found:#?} is planned, not {labels:#?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes that came since, about this team.
fn sent_since(harness: &Harness, before: usize, team: &str) -> Vec<String> {
    let sent = writes(harness).split_off(before);
    assert!(sent.iter().all(|write| write.contains(team)), "{sent:#?}");
    sent
}

/// A whole push of a group of fifty thousand, five thousand of whom are not in the team yet: taken as a whole, priced
/// in the plan, and sent in calls of a thousand for those who are missing. One more costs one call, one less another,
/// and a look at the group need not carry the crowd.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_members_in_one_request_are_taken_and_only_the_missing_are_sent() {
    let harness = harness_of_a_crowd(CROWD + 1, CROWD - MISSING).await;
    let everybody = team(&harness, "Everybody").id.0;
    let (status, made) = harness
        .scim("POST", "/Groups", Some(&json!({"displayName": "Everybody"})))
        .await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/Groups/{}", made["id"].as_str().unwrap());
    let look = format!("{path}?excludedAttributes=members");

    let whole = json!({"displayName": "Everybody", "members": listed(0..CROWD)});
    let (status, answer) = in_time(&harness, "PUT", &look, &whole).await;
    assert_eq!((status, &answer["members"]), (200, &Value::Null), "{answer}");
    let add = "add 1000 people to team Everybody";
    let plan = planned(&harness, &[add; MISSING / A_CALL]).await;
    assert_eq!(plan["calls"], MISSING / A_CALL, "{plan:#}");
    let printed = ends(&harness, 0, &["plan"]).await;
    for words in [
        "5 calls",
        "- add 1000 people to team Everybody [1 call]",
        "about ",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    ends(&harness, 0, &["apply"]).await;
    assert_eq!(
        sent_since(&harness, 0, &everybody).len(),
        MISSING.div_ceil(A_CALL),
        "what the plan named, and no more"
    );
    let wanted: BTreeSet<String> = (0..CROWD).map(|n| format!("{}@corp.example", id(n))).collect();
    assert!(
        BTreeSet::from_iter(members(&harness, "Everybody")) == wanted,
        "{} members",
        team(&harness, "Everybody").members.len()
    );

    let (status, shown) = harness.scim("GET", &look, None).await;
    assert_eq!((status, &shown["members"]), (200, &Value::Null));
    assert!(shown.to_string().len() < 1_000, "{shown}");
    let (_, shown) = in_time(&harness, "GET", &path, &Value::Null).await;
    assert_eq!(shown["members"].as_array().unwrap().len(), CROWD);

    let before = writes(&harness).len();
    let more = patch("add", "members", listed(CROWD..CROWD + 1));
    assert_eq!(harness.scim("PATCH", &path, Some(&more)).await.0, 204);
    planned(&harness, &["add 1 person to team Everybody"]).await;
    ends(&harness, 0, &["apply"]).await;
    assert_eq!(
        sent_since(&harness, before, &everybody),
        [format!("POST /teams/{everybody}/users")]
    );
    let less = json!({"displayName": "Everybody", "members": listed(1..CROWD + 1)});
    assert_eq!(in_time(&harness, "PUT", &look, &less).await.0, 200);
    let removed = format!("take {}@corp.example out of team Everybody", id(0));
    planned(&harness, &[&removed]).await;
    ends(&harness, 0, &["apply"]).await;
    let sent = sent_since(&harness, before + 1, &everybody);
    assert!(
        matches!(sent.as_slice(), [one] if one.starts_with("DELETE ")),
        "{sent:#?}"
    );
    assert_eq!(team(&harness, "Everybody").members.len(), CROWD);
}

/// A crowd beyond what a request may hold is refused before anything of it is written, with the limit and what to do;
/// a crowd with a stranger in it likewise: all of it or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_is_too_large_for_one_request_leaves_nothing_behind() {
    let harness = super::harness_before(&[]).await;
    let mira = crate::commands::made(&harness, "mira").await;
    let sales = super::group(&harness, "Sales", &[&mira]).await;
    harness.settled(1).await;
    let path = format!("/Groups/{sales}");
    let mut body = json!({"displayName": "Sales", "members": listed(0..CROWD)});
    body["padding"] = " ".repeat(16 * 1024 * 1024).into();
    let (scim_type, message) = super::refused(&harness, 413, "PUT", &path, &body).await;
    assert_eq!(scim_type, "");
    assert!(
        message.contains("larger than 16777216 bytes") && message.contains("send fewer members at once"),
        "{message}"
    );
    body["padding"] = Value::Null;
    let (_, message) = super::refused(&harness, 400, "PUT", &path, &body).await;
    assert!(
        message.contains(&id(0)) && message.contains("create it first"),
        "the first whom nobody knows is named: {message}"
    );
    let body = json!({"displayName": "Others", "members": listed(0..CROWD)});
    super::refused(&harness, 400, "POST", "/Groups", &body).await;
    let (_, shown) = harness.scim("GET", "/Groups", None).await;
    assert_eq!(shown["totalResults"], 1, "{shown}");
    assert_eq!(shown["Resources"][0]["members"].as_array().unwrap().len(), 1);
    harness.settled(1).await;
    assert_eq!(members(&harness, "Sales"), ["mira@corp.example"]);
    super::rests(&harness, 1).await;
}

/// Members who are told of before anybody knows them, more than are taken from the feed at once: they hold up nobody
/// else's events, and each joins when they come.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_whom_no_source_has_told_yet_wait_without_holding_up_anybody() {
    const UNKNOWN: usize = 3_000;
    let harness = super::harness_before(&[]).await;
    let bus = harness.bus().await;
    let hr = SourceId::parse("hr").unwrap();
    let tell = async |event_id: String, body: EventBody| {
        let event = Event {
            event_id,
            happened_at_ms: chassis::clock::unix_ms(),
            in_order: false,
            body,
        };
        bus.publish_event(&harness.org, &hr, event).await.unwrap();
    };
    let member = |n: usize| EventBody::MembershipChanged {
        group: "Sales".to_owned(),
        person: format!("p{n}@corp.example"),
        present: true,
    };
    stream::iter(0..UNKNOWN)
        .for_each_concurrent(64, |n| tell(format!("member-{n}"), member(n)))
        .await;
    let group = EventBody::GroupUpserted {
        external_id: "g".to_owned(),
        name: "Sales".to_owned(),
        description: None,
        parent: None,
    };
    tell("group".to_owned(), group).await;
    for n in [0, UNKNOWN - 1] {
        tell(format!("person-{n}"), someone(n)).await;
    }
    harness.settled(2).await;
    until(&harness, "the two of them in their team", |harness| {
        let teams = harness.litmos.state().teams;
        teams.first().is_some_and(|team| team.members.len() == 2)
    })
    .await;
    let mut inside = members(&harness, "Sales");
    inside.sort();
    assert_eq!(inside, ["p0@corp.example", "p2999@corp.example"]);
    let printed = ends(&harness, 3, &["status"]).await;
    assert!(
        !printed.contains("Litmos equals the roster")
            && printed.contains("DIFFERS 2998 events wait in the feed")
            && printed.contains("the oldest: nobody is known as \"p1@corp.example\" yet"),
        "{printed}"
    );
}

fn someone(n: usize) -> EventBody {
    let name = format!("p{n}@corp.example");
    let fields = [("FirstName", "First"), ("LastName", "Last"), ("Email", &name)];
    let attributes = fields
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .into();
    EventBody::PersonUpserted {
        external_id: format!("E{n}"),
        user_name: name,
        active: Some(true),
        access_level: None,
        attributes,
        manager: None,
        groups: None,
        custom_fields: Default::default(),
        from_complete_list: false,
    }
}

/// A file of memberships with a line for each member: all are in the roster when the command ends, and in the team by
/// a call or two for each thousand.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_memberships_makes_one_large_team() {
    // Each line of a file is written to disk by itself: fifty thousand take minutes.
    let people = 1_500;
    let harness = super::harness_before(&[]).await;
    let mut lines = String::from("user_name,first_name,last_name,email\n");
    let mut memberships = String::from("group,user_name\n");
    for n in 0..people {
        writeln!(lines, "p{n}@corp.example,First,Last,p{n}@corp.example").unwrap();
        writeln!(memberships, "Everybody,p{n}@corp.example").unwrap();
    }
    let (lines, memberships) = (
        harness.write("people.csv", lines),
        harness.write("memberships.csv", memberships),
    );
    let [lines, memberships] = [&lines, &memberships].map(|path| path.to_str().unwrap());
    let printed = ends(&harness, 0, &["load", lines, "--groups", memberships]).await;
    assert!(
        printed.contains(&format!("{people} people of {lines} are in the roster")),
        "{printed}"
    );
    harness.settled(people).await;
    let inside: BTreeSet<String> = members(&harness, "Everybody").into_iter().collect();
    let wanted: BTreeSet<String> = (0..people).map(|n| format!("p{n}@corp.example")).collect();
    assert!(inside == wanted, "{} members", inside.len());
    // The team, imports of two thousand whose rows name it, and who did not fit into a row.
    let sent = writes(&harness);
    assert!(
        sent.len() <= 1 + people.div_ceil(A_CALL),
        "{sent:#?}\n{}",
        harness.log()
    );
}
