//! Ten thousand new people in a hundred groups at a hundred requests a minute: requests and minutes against Okta's
//! formula and against one call for each change, at the same simulator; and leavers in front of such a backlog.
//!
//! The log of the simulator is what counts; of our own word only the forecast is taken, to be held against it.

use bus::{OperatorRequest, Service};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use litmos_simulator::{Running, Settings, Simulator, most_requests_in_any_window};
use rollcall_tests::{Harness, differences, roster_csv};
use serde_json::{Value, json};

use crate::percentile;

const PEOPLE: usize = 10_000;
const GROUPS: usize = 100;

/// What the issue of a rate-limited target asks for.
const MINUTES_MAX: f64 = 5.0;
const FEWER_CALLS: f64 = 50.0;
const FORECAST_WITHIN: f64 = 0.1;
const LEAVER_MAX: Duration = Duration::from_millis(1_500);

/// People who are in Litmos already when the leavers leave: enough that their leaving is no heap.
const STAFF: usize = 1_000;
const LEAVERS: usize = 100;

pub(crate) async fn arrival() -> anyhow::Result<()> {
    let ours = ours().await?;
    let single = one_call_each().await?;
    let formula = PEOPLE + 2 * GROUPS;
    println!("\n{PEOPLE} new people in {GROUPS} groups at 100 requests a minute, empty Litmos to equal");
    println!("{:<34} {:>9} {:>10} {:>9}", "", "requests", "minutes", "refused");
    let line = |name: &str, requests: usize, minutes: f64, refused: usize| {
        println!("{name:<34} {requests:>9} {minutes:>10.1} {refused:>9}");
    };
    line("Rollcall", ours.requests, ours.minutes, ours.refused);
    line(
        "Okta's formula, users + 2 x groups",
        formula,
        formula as f64 / 100.0,
        0,
    );
    line("one call for each change", single, single as f64 / 100.0, 0);
    println!(
        "forecast {:.0} s, took {:.0} s ({:+.1} %); most in any 60 s {}; {:.0} x fewer calls than one for each change, {:.0} x \
         fewer than the formula",
        ours.forecast,
        ours.minutes * 60.0,
        (ours.minutes * 60.0 / ours.forecast - 1.0) * 100.0,
        ours.most,
        single as f64 / ours.requests as f64,
        formula as f64 / ours.requests as f64,
    );
    let goals = [
        ("within 5 minutes", ours.minutes <= MINUTES_MAX),
        (
            "50 x fewer calls",
            single as f64 / ours.requests as f64 >= FEWER_CALLS,
        ),
        (
            "forecast within 10 %",
            (ours.minutes * 60.0 / ours.forecast - 1.0).abs() <= FORECAST_WITHIN,
        ),
        ("no refusal", ours.refused == 0 && ours.most <= 100),
    ];
    for (goal, met) in goals {
        println!("{goal:<34} {}", if met { "met" } else { "NOT met" });
    }
    anyhow::ensure!(
        goals.iter().all(|(_, met)| *met),
        "a goal of the arrival was not met"
    );
    Ok(())
}

struct Arrival {
    requests: usize,
    refused: usize,
    most: usize,
    minutes: f64,
    /// Seconds.
    forecast: f64,
}

fn simulator() -> Settings {
    Settings {
        limit: 100,
        bulk_delay: Duration::from_secs(2),
        ..Settings::default()
    }
}

async fn ours() -> anyhow::Result<Arrival> {
    let mut harness = Harness::new(simulator(), "").await;
    harness.up(&[]).await;
    harness.settled(0).await;
    let before = harness.litmos.log().len();
    let file = harness.write("people.csv", roster_csv(PEOPLE, GROUPS));
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    anyhow::ensure!(code == 0, "{printed}{error}");
    let loaded = Instant::now();
    let bus = harness.bus().await;
    let plan = harness
        .ask(&bus, Service::Pusher, OperatorRequest::Plan { start: 0 })
        .await;
    let plan = plan.context("the pusher shows no plan")?;
    let forecast = plan["forecast"]["expected_seconds"].as_f64().unwrap_or_default();
    println!(
        "planned: {} calls, about {forecast:.0} s",
        plan["calls"].as_u64().unwrap_or_default()
    );
    let mut shown = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let Some(status) = harness.ask(&bus, Service::Pusher, OperatorRequest::Status).await else {
            continue;
        };
        if status["settled"] == true {
            break;
        }
        if shown.elapsed() > Duration::from_secs(20) {
            shown = Instant::now();
            println!(
                "  after {:.0} s: {} linked, {} calls left",
                loaded.elapsed().as_secs_f64(),
                status["people_linked"],
                status["calls_left"]
            );
        }
        anyhow::ensure!(
            loaded.elapsed() < Duration::from_secs(1_200),
            "no end: {status:#}"
        );
    }
    let minutes = loaded.elapsed().as_secs_f64() / 60.0;
    let differ = differences(&harness.litmos, PEOPLE, GROUPS);
    anyhow::ensure!(
        differ.is_empty(),
        "Litmos differs: {:?}",
        &differ[..differ.len().min(5)]
    );
    let log = harness.litmos.log();
    let arrival = Arrival {
        requests: log.len() - before,
        refused: log.iter().filter(|entry| entry.refused).count(),
        most: most_requests_in_any_window(&log, Duration::from_secs(60)),
        minutes,
        forecast,
    };
    harness.kill().await;
    Ok(arrival)
}

/// What a connector does that sends each change as it comes: a team, a person, a membership, a manager. The limit is out of the way,
/// since only the count matters here: at a hundred a minute it is the minutes times a hundred.
async fn one_call_each() -> anyhow::Result<usize> {
    let running = Simulator::start(Settings {
        limit: 10_000_000,
        ..Settings::default()
    })
    .await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let post = async |path: &str, body: Value| -> anyhow::Result<Value> {
        let url = format!("{}/v1.svc{path}?source=bench&format=json", running.base_url());
        let request = http.post(url).header("apikey", running.api_key());
        let response = request
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        anyhow::ensure!(response.status().is_success(), "{path}: {}", response.status());
        Ok(serde_json::from_str(&response.text().await?).unwrap_or(Value::Null))
    };
    let mut teams = Vec::new();
    for n in 0..GROUPS {
        let made = post(
            "/teams",
            json!({"Id": "", "Name": format!("Group {n}"), "Description": ""}),
        )
        .await?;
        teams.push(made["Id"].as_str().context("a team without an id")?.to_owned());
    }
    for n in 0..PEOPLE {
        let name = format!("p{n}@corp.example");
        let made = post(
            "/users",
            json!({"Id": "", "UserName": name, "FirstName": format!("First{n}"), "LastName": format!("Last{n}"),
                "FullName": "", "Email": name, "AccessLevel": "Learner", "DisableMessages": false, "Active": true,
                "IsCustomUsername": false, "SkipFirstLogin": true, "TimeZone": "", "JobTitle": format!("Title {}", n % 7)}),
        )
        .await?;
        let id = made["Id"].as_str().context("a user without an id")?;
        post(
            &format!("/teams/{}/users", teams[n % GROUPS]),
            json!([{"Id": id}]),
        )
        .await?;
    }
    let requests = running.log().len();
    running.stop().await?;
    Ok(requests)
}

/// One leaver after the other while ten thousand single calls wait: from the IdP's request to the call that cuts off.
pub(crate) async fn leavers() -> anyhow::Result<()> {
    let mut harness = Harness::new(simulator(), "bulk_import = false\nfresh_seconds = 3600\n").await;
    let staff: Vec<Value> = (0..STAFF)
        .map(|n| {
            json!({"UserName": format!("s{n}@corp.example"), "FirstName": "First", "LastName": format!("Staff{n}"),
                "Email": format!("s{n}@corp.example")})
        })
        .collect();
    harness.litmos.put_users(&staff)?;
    harness.up(&[]).await;
    harness.settled(0).await;
    let mut csv = String::from("external_id,user_name,first_name,last_name,email\n");
    for n in 0..STAFF {
        csv.push_str(&format!(
            "S{n},s{n}@corp.example,First,Staff{n},s{n}@corp.example\n"
        ));
    }
    let file = harness.write("staff.csv", csv);
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    anyhow::ensure!(code == 0, "{printed}{error}");
    harness.settled(STAFF).await;
    let mut ids = Vec::new();
    for n in 0..LEAVERS {
        let filter = format!("userName%20eq%20%22s{n}@corp.example%22");
        let (_, found) = harness
            .scim("GET", &format!("/Users?filter={filter}"), None)
            .await;
        let id = found["Resources"][0]["id"]
            .as_str()
            .context("a person without an id")?;
        ids.push(id.to_owned());
    }
    let state = harness.litmos.state();
    let accounts: BTreeMap<String, String> = state
        .users
        .iter()
        .map(|user| (user.user_name.clone(), user.id.0.clone()))
        .collect();
    let file = harness.write("people.csv", roster_csv(PEOPLE, GROUPS));
    let (code, printed, error) = harness.rollcall(&["load", &file.to_string_lossy()]).await;
    anyhow::ensure!(code == 0, "{printed}{error}");
    let mut times = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let name = format!("s{n}@corp.example");
        let asked = Instant::now();
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "value": {"active": false}}]});
        let (status, message) = harness.scim("PATCH", &format!("/Users/{id}"), Some(&body)).await;
        anyhow::ensure!(status < 300, "{status} {message}");
        while !is_cut_off(&harness.litmos, &accounts[&name]) {
            anyhow::ensure!(asked.elapsed() < Duration::from_secs(60), "{name} is not cut off");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(asked.elapsed());
        // They do not all leave in one breath: each takes two calls, and together they stay below what the limit has.
        tokio::time::sleep(Duration::from_millis(1_000 + (n as u64 * 137) % 600)).await;
    }
    let bus = harness.bus().await;
    let status = harness
        .ask(&bus, Service::Pusher, OperatorRequest::Status)
        .await
        .unwrap_or_default();
    times.sort();
    println!(
        "\n{LEAVERS} leavers, {} calls waiting behind them: cut off after {:.2} s (median), {:.2} s (p99), {:.2} s at most; refused {}",
        status["calls_left"],
        percentile(&times, 0.5).as_secs_f64(),
        percentile(&times, 0.99).as_secs_f64(),
        percentile(&times, 1.0).as_secs_f64(),
        harness.litmos.report().refused,
    );
    harness.kill().await;
    anyhow::ensure!(
        percentile(&times, 0.99) <= LEAVER_MAX,
        "p99 is over {LEAVER_MAX:?}"
    );
    Ok(())
}

/// Whether the log shows the request that made the account inactive.
fn is_cut_off(litmos: &Running, account: &str) -> bool {
    let effect = format!("user.deactivated id={account}");
    let log = litmos.log();
    log.iter()
        .rev()
        .take(50)
        .any(|entry| entry.effect.as_deref() == Some(effect.as_str()))
}
