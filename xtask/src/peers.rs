//! `cargo xtask bench peers`: compares the governor with its alternatives, in one run and one table.
//!
//! Both sides are measured under the same conditions. One process with tokio's default runtime (npm: one Node process)
//! runs tasks that each request one token, get it and request again. All use one connection to their own server on the
//! same disk. Each measurement takes 3 s; the only warm-up is the first grant. Durable variants are synced to disk
//! before a response is sent. Our side does two more things: every token is returned, and the governor decides in the
//! same process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{cargo, root};

/// Numbers of requests in flight when both sides alternate.
const IN_FLIGHT: &str = "64,256";

/// Runs both sides and prints their figures side by side.
pub(crate) fn compare(nats: &Path) -> anyhow::Result<()> {
    let mut lines = results(ours(nats))?;
    lines.extend(results(theirs())?);
    println!("{}", table(&lines));
    Ok(())
}

/// Alternates between both sides, so that other load on the machine affects both. Prints the medians of the durable
/// variants.
pub(crate) fn duel(nats: &Path, rounds: u32) -> anyhow::Result<()> {
    let mut of_peer: BTreeMap<(u64, String), Vec<Value>> = BTreeMap::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for mut side in [ours(nats), theirs()] {
            side.env("ROLLCALL_BENCH_IN_FLIGHT", IN_FLIGHT);
            for line in results(side)? {
                let peer = line["peer"].as_str().unwrap_or_default().to_owned();
                let in_flight = line["in_flight"].as_u64().unwrap_or_default();
                of_peer.entry((in_flight, peer)).or_default().push(line);
            }
        }
    }
    let medians = of_peer.into_values().filter_map(|lines| {
        let mut median = lines.first()?.clone();
        for name in ["per_second", "p50_ms", "p99_ms"] {
            let mut all: Vec<f64> = lines.iter().filter_map(|line| line[name].as_f64()).collect();
            all.sort_by(f64::total_cmp);
            median[name] = (*all.get(all.len() / 2)?).into();
        }
        Some(median)
    });
    println!("{}", speeds(medians.collect::<Vec<Value>>().iter()).join("\n"));
    Ok(())
}

fn ours(nats: &Path) -> Command {
    let mut ours = cargo();
    ours.args(["bench", "--package", "rollcall-tests", "--", "governor"]);
    ours.env("ROLLCALL_NATS_SERVER", nats)
        .env("ROLLCALL_BENCH_JSON", "1");
    ours
}

fn theirs() -> Command {
    let mut theirs = cargo();
    theirs.current_dir(root().join("tests/peers"));
    // Separate target folder: a build of Rollcall does not build the alternatives.
    theirs
        .args(["run", "--release"])
        .env("CARGO_TARGET_DIR", root().join("target/peers"));
    theirs
}

fn results(mut command: Command) -> anyhow::Result<Vec<Value>> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("the bench ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout).context("the bench printed no text")?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_default().to_owned()
}

fn number(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_default()
}

fn speeds<'a>(lines: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut rows = vec![format!(
        "{:<28} {:<8} {:>9} {:>12} {:>9} {:>9}",
        "tokens a second", "durable", "in flight", "per second", "p50 ms", "p99 ms"
    )];
    rows.extend(lines.map(|line| {
        format!(
            "{:<28} {:<8} {:>9} {:>12.0} {:>9.2} {:>9.2}",
            text(line, "peer"),
            text(line, "durable"),
            number(line, "in_flight"),
            number(line, "per_second"),
            number(line, "p50_ms"),
            number(line, "p99_ms")
        )
    }));
    rows
}

fn table(lines: &[Value]) -> String {
    let of = |bench: &'static str| lines.iter().filter(move |line| line["bench"] == bench);
    let mut rows = speeds(of("speed"));
    rows.push(format!(
        "\n{:<28} {:>6} {:>16} {:>18} {:>16}",
        "100 in 3 s, for 18 s", "sent", "most in any 3 s", "refused (rolling)", "refused (fixed)"
    ));
    rows.extend(of("target").map(|line| {
        format!(
            "{:<28} {:>6} {:>16} {:>18} {:>16}",
            text(line, "peer"),
            number(line, "sent"),
            number(line, "most"),
            number(line, "refused_rolling"),
            number(line, "refused_fixed")
        )
    }));
    rows.join("\n")
}
