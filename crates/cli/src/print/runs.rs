//! Past runs, compared with their forecasts.

use serde_json::Value;

use super::{count, duration, list, moment, number, text};

fn seconds(run: &Value, name: &str) -> String {
    duration(number(run, name) as f64 / 1_000.0)
}

fn verdict(run: &Value) -> String {
    let band = format!(
        "forecast {} ({} to {})",
        seconds(run, "forecast_ms"),
        seconds(run, "low_ms"),
        seconds(run, "high_ms")
    );
    match (run["took_ms"].is_null(), run["right"].as_bool()) {
        (true, _) => format!("under way, {band}"),
        (false, Some(true)) => format!("took {}, {band}: right", seconds(run, "took_ms")),
        (false, _) => format!("took {}, {band}: wrong", seconds(run, "took_ms")),
    }
}

pub(crate) fn runs(runs: &Value) -> String {
    let mut lines: Vec<String> = list(&runs["runs"])
        .iter()
        .map(|run| {
            format!(
                "{}  {}  {:>5} operations {:>6} calls  {}",
                text(run, "id"),
                moment(number(run, "started_at_ms")),
                number(run, "operations"),
                number(run, "calls"),
                verdict(run),
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push(format!("nothing has been done for {} yet", text(runs, "org")));
    }
    if number(runs, "past_runs") > 0 {
        lines.push(format!(
            "{} of {} right, within a tenth or three seconds; undo a run with: rollcall undo ID",
            number(runs, "past_right"),
            count(number(runs, "past_runs"), "forecast", "forecasts"),
        ));
    }
    lines.join("\n")
}

/// Result of one run, for a command that waited for it.
pub(crate) fn last_run(run: &Value) -> String {
    format!(
        "run {}: {}, {}; {}",
        text(run, "id"),
        count(number(run, "operations"), "operation", "operations"),
        count(number(run, "calls"), "call", "calls"),
        verdict(run),
    )
}
