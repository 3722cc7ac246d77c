//! The pusher at 200,000 linked people, as a process of its own beside a real nats-server that syncs every write.
//!
//! Measured from outside: what an operator would see. The goals stand in one table; a goal that is not met makes the
//! bench fail. Nothing may reach Litmos: the org applies by hand, and the simulator's log must stay empty.

mod company;
mod filling;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bus::{
    BATCH_MAX, Bus, Change, Expect, NatsServer, OperatorRequest, RosterKey, RosterValue, Service, Write,
};
use provisioning::{OrgId, OrgState, Policy, Subject, plan};
use rollcall_tests::Harness;
use serde_json::{Value, json};

use self::company::{GROUPS, NOW, PEOPLE};
use crate::percentile;

/// People who change: one in a hundred.
const CHANGED: usize = PEOPLE / 100;

const PLAN_GOAL: Duration = Duration::from_secs(2);
/// For the one in a hundred that changed.
const CHANGED_GOAL: Duration = Duration::from_millis(100);
const START_GOAL: Duration = Duration::from_secs(3);
const MEMORY_GOAL_MB: u64 = 400;

/// The same for an answer to `status` or `plan` while changes stream in: a person waits for it.
const ANSWER_GOAL: Duration = Duration::from_millis(500);

/// Buckets of which a snapshot is drawn.
const BUCKETS: usize = 3;

const RESTARTS: usize = 3;

/// How long the pusher may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(180);

/// One line of the table.
struct Line {
    what: String,
    found: String,
    goal: String,
    met: bool,
}

fn timed(what: &str, found: Duration, goal: Duration) -> Line {
    Line {
        what: what.to_owned(),
        found: format!("{:.2} s", found.as_secs_f64()),
        goal: format!("{:.1} s", goal.as_secs_f64()),
        met: found < goal,
    }
}

pub(crate) async fn scale() -> anyhow::Result<()> {
    let mut lines = planning()?;
    lines.extend(process().await?);
    println!(
        "{:<72} {:>10} {:>10}",
        "200,000 linked people, 400,000 memberships", "found", "goal"
    );
    for line in &lines {
        let message = if line.met { "met" } else { "NOT MET" };
        println!(
            "{:<72} {:>10} {:>10}   {message}",
            line.what, line.found, line.goal
        );
    }
    let missed = lines.iter().filter(|line| !line.met).count();
    anyhow::ensure!(missed == 0, "{missed} of {} goals are not met", lines.len());
    Ok(())
}

/// The planner alone, in this process.
fn planning() -> anyhow::Result<Vec<Line>> {
    let org = OrgId::parse("acme")?;
    let mut state = OrgState::new();
    state.set_import_complete(true);
    for n in 0..PEOPLE {
        state.put_person(company::person(n), 1);
        state.put_account(company::account(n));
        state.put_person_link(company::link(n, 1), 1);
    }
    for n in 0..GROUPS {
        state.put_group(company::group(n), 1);
        state.put_team(company::team(n));
        state.put_group_link(company::group_link(n, 1), 1);
    }
    for n in 0..PEOPLE {
        for group in company::groups_of(n) {
            state.put_membership(&company::membership(group, n));
            state.put_team_member(&company::team_id(group), &company::account_id(n));
        }
    }
    let everyone = state.subjects();
    let started = Instant::now();
    let none = plan(&org, &state, &everyone, &Policy::default(), NOW);
    let at_rest = started.elapsed();
    anyhow::ensure!(none.is_empty(), "there is something to do:\n{}", none.to_text(20));
    let mut touched: BTreeSet<Subject> = BTreeSet::new();
    let started = Instant::now();
    for n in changed(0) {
        touched.extend(state.put_person(company::promoted(n, 0), 2));
    }
    let taking = started.elapsed();
    let started = Instant::now();
    let some = plan(&org, &state, &touched, &Policy::default(), NOW);
    let of_touched = started.elapsed();
    let started = Instant::now();
    let same = plan(&org, &state, &everyone, &Policy::default(), NOW);
    let of_all = started.elapsed();
    anyhow::ensure!(
        some.people == CHANGED && same.people == CHANGED,
        "{} people",
        some.people
    );
    Ok(vec![
        timed("planner alone: everyone, nothing to do", at_rest, PLAN_GOAL),
        timed("planner alone: everyone, 1 % changed", of_all, PLAN_GOAL),
        timed("planner alone: the 1 % that changed", of_touched, CHANGED_GOAL),
        timed("taking the 1 % into the state", taking, CHANGED_GOAL),
    ])
}

fn changed(round: usize) -> impl Iterator<Item = usize> {
    (0..CHANGED).map(move |n| n * (PEOPLE / CHANGED) + round)
}

async fn process() -> anyhow::Result<Vec<Line>> {
    let more = "apply = \"manual\"";
    let mut harness = Harness::new(litmos_simulator::Settings::default(), more).await;
    let server = NatsServer::start(&harness.data()).await?;
    let bus = Bus::connect(server.connection(), "bench").await?;
    bus.prepare(1).await?;
    let org = harness.org.clone();
    let started = Instant::now();
    let entries = filling::fill(&bus, &org).await?;
    println!(
        "{entries} keys written in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    // Log lines tell when the lease was taken.
    let environment = [("ROLLCALL_TELEMETRY__LOG_FILTER", "info")];
    harness.service("rate-governor", &environment);
    let mut lines = Vec::new();

    let started = Instant::now();
    let place = harness.service("pusher", &environment);
    let status = first_answer(&harness, &bus).await?;
    println!(
        "first start of all, with every key read from the buckets: {:.2} s",
        started.elapsed().as_secs_f64()
    );
    anyhow::ensure!(
        status["people_linked"] == PEOPLE && status["settled"] == true,
        "the pusher does not see the company at rest: {status:#}"
    );
    lines.push(memory(
        &harness,
        place,
        "peak memory of the pusher after its start",
    )?);

    logged(&harness, "snapshot written", BUCKETS).await?;
    for round in 1..=RESTARTS {
        harness.kill_and_restart(place, "pusher", &environment).await;
        logged(&harness, "working on this org", 1 + round).await?;
        let started = Instant::now();
        let status = first_answer(&harness, &bus).await?;
        lines.push(timed(
            "restart after a kill: lease taken to first plan",
            started.elapsed(),
            START_GOAL,
        ));
        anyhow::ensure!(
            status["people_linked"] == PEOPLE && status["settled"] == true,
            "after a restart the pusher sees another company: {status:#}"
        );
    }
    lines.push(memory(
        &harness,
        place,
        "peak memory of the pusher after a restart",
    )?);

    // One in a hundred at once, as a file brings them.
    let started = Instant::now();
    let promoted: Vec<_> = changed(1).map(|n| promotion(&org, n, 1)).collect();
    for batch in promoted.chunks(BATCH_MAX) {
        bus.roster().write_all(batch.to_vec()).await?;
    }
    let written = started.elapsed();
    planned(&harness, &bus, CHANGED).await?;
    let whole = started.elapsed();
    println!(
        "1 % in one go: written by the server in {:.2} s",
        written.as_secs_f64()
    );
    lines.push(timed(
        "1 % changed at once: last write to plan",
        whole - written,
        PLAN_GOAL,
    ));

    lines.extend(streaming(&harness, &bus, place).await?);
    lines.push(memory(&harness, place, "peak memory of the pusher at the end")?);
    anyhow::ensure!(
        harness.litmos.log().is_empty(),
        "Litmos was asked {} times",
        harness.litmos.log().len()
    );
    harness.kill().await;
    server.stop().await;
    Ok(lines)
}

fn promotion(org: &OrgId, n: usize, round: usize) -> Write<RosterKey, RosterValue> {
    let person = company::promoted(n, round);
    Write {
        key: RosterKey::of_person(org, &person),
        expect: Expect::Any,
        change: Change::Put(RosterValue::Person(Box::new(person))),
    }
}

/// One in a hundred, each written by itself, and questions all the while.
async fn streaming(harness: &Harness, bus: &Bus, place: usize) -> anyhow::Result<Vec<Line>> {
    let (org, writer) = (harness.org.clone(), bus.clone());
    let busy_before = busy(harness, place)?;
    let started = Instant::now();
    let writing = tokio::spawn(async move {
        for n in changed(2) {
            writer.roster().write(promotion(&org, n, 2)).await?;
        }
        anyhow::Ok(())
    });
    let mut lines = Vec::new();
    let (mut status, mut plan) = (Vec::new(), Vec::new());
    while !writing.is_finished() {
        for (request, times) in [
            (OperatorRequest::Status, &mut status),
            (OperatorRequest::Plan { start: 0 }, &mut plan),
        ] {
            let asked = Instant::now();
            ask(harness, bus, request).await?;
            times.push(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    writing.await??;
    let written = Instant::now();
    planned(harness, bus, 2 * CHANGED).await?;
    println!(
        "1 % one by one: written in {:.2} s, with {:.2} s of the pusher's processor time until planned",
        (written - started).as_secs_f64(),
        (busy(harness, place)? - busy_before).as_secs_f64()
    );
    lines.push(timed(
        "1 % changed one by one: last write to plan",
        written.elapsed(),
        PLAN_GOAL,
    ));
    for (method, mut times) in [("status", status), ("plan", plan)] {
        times.sort();
        let what = format!(
            "answer to {method} meanwhile, slowest of 100 ({} asked)",
            times.len()
        );
        lines.push(timed(&what, percentile(&times, 0.99), ANSWER_GOAL));
    }
    Ok(lines)
}

async fn ask(harness: &Harness, bus: &Bus, request: OperatorRequest) -> anyhow::Result<Value> {
    Ok(bus
        .request(Service::Pusher, &harness.org, request, PATIENCE)
        .await?)
}

/// The first answer to `status` after a start: whoever gives it has planned.
async fn first_answer(harness: &Harness, bus: &Bus) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask(harness, bus, OperatorRequest::Status).await {
            Ok(status) => return Ok(status),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("the pusher never answered:\n{}", harness.log())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Waits until the plan names this many people.
async fn planned(harness: &Harness, bus: &Bus, people: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let plan = ask(harness, bus, OperatorRequest::Plan { start: 0 }).await?;
        if plan["people"] == json!(people) {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the plan stays at {} of {people} people",
            plan["people"]
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the pusher has logged this so often.
async fn logged(harness: &Harness, text: &str, times: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while harness.log().matches(text).count() < times {
        anyhow::ensure!(
            Instant::now() < deadline,
            "{text:?} was not logged {times} times:\n{}",
            harness.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn memory(harness: &Harness, place: usize, what: &str) -> anyhow::Result<Line> {
    let pid = harness.pid(place).context("the pusher is gone")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mb = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
    };
    let (peak, now) = (mb("VmHWM:").context("no peak")?, mb("VmRSS:").context("no size")?);
    println!("{what}: {peak} MB, now {now} MB");
    Ok(Line {
        what: what.to_owned(),
        found: format!("{peak} MB"),
        goal: format!("{MEMORY_GOAL_MB} MB"),
        met: peak < MEMORY_GOAL_MB,
    })
}

/// Processor time that the pusher has used, at the kernel's hundredths of a second.
fn busy(harness: &Harness, place: usize) -> anyhow::Result<Duration> {
    let pid = harness.pid(place).context("the pusher is gone")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("a process has a name")?;
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(Duration::from_millis(ticks * 10))
}
