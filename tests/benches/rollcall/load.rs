//! A file of 50,000 people with groups into the roster: how long until the roster has them all, durable, and how much
//! memory that takes. Arguments: `--people N`.

use bus::{OperatorRequest, Service};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rollcall_tests::{Harness, program, roster_csv};
use tokio::process::Command;

const PEOPLE: usize = 50_000;

/// People in one group.
const GROUP: usize = 100;

const TIME_GOAL: Duration = Duration::from_secs(15);
const MEMORY_GOAL_MB: u64 = 200;

/// How long it may take at all.
const PATIENCE: Duration = Duration::from_secs(1_800);

fn people() -> anyhow::Result<usize> {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != "--people")
        .skip(1);
    let output = arguments.next();
    output.map_or(Ok(PEOPLE), |number| {
        number.parse().with_context(|| format!("--people {number}"))
    })
}

fn status(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

/// The most memory that a process has had so far, in MB; `None` once it has ended.
fn peak_mb(pid: u32) -> Option<u64> {
    let kb: u64 = status(pid, "VmHWM:")?.parse().ok()?;
    Some(kb / 1024)
}

/// The nats-server that a process has started, perhaps through another one.
fn server_of(pid: u32) -> Option<u32> {
    let parent = |child: u32| status(child, "PPid:").and_then(|parent| parent.parse::<u32>().ok());
    let all = std::fs::read_dir("/proc").ok()?.flatten();
    let mut all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.find(|one| {
        let ours = [parent(*one), parent(*one).and_then(parent)].contains(&Some(pid));
        ours && status(*one, "Name:").as_deref() == Some("nats-server")
    })
}

pub(crate) async fn load() -> anyhow::Result<()> {
    let people = people()?;
    let simulator = litmos_simulator::Settings::default();
    let mut harness = Harness::new(simulator, "apply = \"manual\"\n").await;
    harness.up(&[("ROLLCALL_TELEMETRY__LOG_FILTER", "error")]).await;
    let bus = harness.bus().await;
    let pid = harness.pid(0).context("rollcall does not run")?;
    harness.settled(0).await;
    let before = peak_mb(pid).unwrap_or_default();
    let file = harness.write("people.csv", roster_csv(people, people.div_ceil(GROUP)));
    let started = Instant::now();
    let mut command = Command::new(program("rollcall"));
    command
        .arg("load")
        .arg(&file)
        .arg("--config")
        .arg(harness.config());
    let mut loading = command
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (mut ended, mut loader_mb) = (None, 0);
    let whole = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if ended.is_none() {
            loader_mb = loading.id().and_then(peak_mb).unwrap_or(loader_mb);
            if let Some(status) = loading.try_wait()? {
                anyhow::ensure!(
                    status.success(),
                    "rollcall load ended with {status}\n{}",
                    harness.log()
                );
                ended = Some(started.elapsed());
            }
        }
        let output = harness.ask(&bus, Service::Pusher, OperatorRequest::Status).await;
        let there = output
            .and_then(|output| output["people"].as_u64())
            .unwrap_or_default();
        if there >= people as u64 && ended.is_some() {
            break started.elapsed();
        }
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "{there} of {people} people after {PATIENCE:?}"
        );
    };
    let server_mb = server_of(pid).and_then(peak_mb).unwrap_or_default();
    let peak = peak_mb(pid).context("rollcall has ended")?;
    println!(
        "{people} people in {} groups from a file into the roster, every write synced",
        people.div_ceil(GROUP)
    );
    let goal = |what: &str, found: String, goal: String, reached: bool| {
        let message = if reached { "reached" } else { "NOT reached" };
        println!("{what:<48} {found:>10}   goal {goal:<8} {message}");
    };
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    goal(
        "until the roster has everybody",
        seconds(whole),
        seconds(TIME_GOAL),
        whole < TIME_GOAL,
    );
    let memory = format!("{MEMORY_GOAL_MB} MB");
    goal(
        "peak memory of rollcall up",
        format!("{peak} MB"),
        memory.clone(),
        peak < MEMORY_GOAL_MB,
    );
    goal(
        "peak memory of rollcall load",
        format!("{loader_mb} MB"),
        memory,
        loader_mb < MEMORY_GOAL_MB,
    );
    println!(
        "rollcall load ended after {}; rollcall up had {before} MB before; its nats-server at most {server_mb} MB",
        seconds(ended.unwrap_or_default())
    );
    harness.kill().await;
    Ok(())
}
