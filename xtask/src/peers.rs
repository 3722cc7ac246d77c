//! `cargo xtask bench peers`: the governor and what people would use instead, in one run and one table.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{cargo, root};

/// Runs both sides and prints their figures side by side.
pub(crate) fn compare(nats: &Path) -> anyhow::Result<()> {
    let mut ours = cargo();
    ours.args(["bench", "--package", "rollcall-tests", "--", "governor"]);
    ours.env("ROLLCALL_NATS_SERVER", nats)
        .env("ROLLCALL_BENCH_JSON", "1");
    let mut lines = results(ours)?;
    let mut theirs = cargo();
    theirs.current_dir(root().join("tests/peers"));
    // Built apart: nobody who builds Rollcall builds its peers.
    theirs
        .args(["run", "--release"])
        .env("CARGO_TARGET_DIR", root().join("target/peers"));
    lines.extend(results(theirs)?);
    println!("{}", table(&lines));
    Ok(())
}

fn results(mut command: std::process::Command) -> anyhow::Result<Vec<Value>> {
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

fn table(lines: &[Value]) -> String {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let number = |line: &Value, name: &str| line[name].as_f64().unwrap_or_default();
    let of = |bench: &'static str| lines.iter().filter(move |line| line["bench"] == bench);
    let mut rows = vec![format!(
        "{:<28} {:<8} {:>9} {:>12} {:>9} {:>9}",
        "tokens a second", "durable", "in flight", "per second", "p50 ms", "p99 ms"
    )];
    rows.extend(of("speed").map(|line| {
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
