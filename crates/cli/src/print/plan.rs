//! The plan, for approval: operations, calls, forecast, and what is held.

use serde_json::Value;

use super::{count, deviations, duration, list, moment, number, text};

/// Most operations shown; `--json` has all.
const LINES_MAX: usize = 40;

/// Most held changes shown for each kind.
const HELD_MAX: usize = 40;

pub(crate) fn plan(plan: &Value) -> String {
    let mut lines = vec![format!(
        "plan {} for {}: {}, {} (Okta's formula: {})",
        text(plan, "hash"),
        text(plan, "org"),
        count(number(plan, "operations"), "operation", "operations"),
        count(number(plan, "calls"), "call", "calls"),
        number(plan, "okta_formula_calls"),
    )];
    for line in list(&plan["summary"]) {
        lines.push(format!(
            "  {:<16} {:>6} operations {:>6} calls",
            text(line, "kind"),
            number(line, "operations"),
            number(line, "calls")
        ));
    }
    let operations = list(&plan["lines"]);
    for operation in operations.iter().take(LINES_MAX) {
        let calls = match number(operation, "calls") {
            0 => "no call".to_owned(),
            calls => count(calls, "call", "calls"),
        };
        lines.push(format!("- {} [{calls}]", text(operation, "label")));
    }
    let all = number(plan, "operations");
    if all > LINES_MAX as u64 {
        lines.push(format!(
            "- and {} more; `rollcall plan --json` has all",
            all - LINES_MAX as u64
        ));
    }
    if all > 0 {
        lines.extend(forecast(&plan["forecast"]));
        lines.push(match text(plan, "mode") {
            "manual" => format!(
                "it waits for: rollcall apply {} (cut-offs never wait)",
                text(plan, "hash")
            ),
            _ => "it is being performed".to_owned(),
        });
    }
    let waiting = list(&plan["waiting"]);
    if !waiting.is_empty() {
        let shown = waiting.len() as u64;
        lines.push(format!(
            "WAITING for something else, {}:",
            count(shown, "item", "items")
        ));
        lines.extend(
            waiting
                .iter()
                .take(LINES_MAX)
                .map(|item| format!("  ~ {}: {}", subject(&item["subject"]), text(item, "message"))),
        );
    }
    lines.extend(super::deviations::lines(&deviations(plan)));
    lines.extend(held(&plan["held"]));
    let parked = number(plan, "parked");
    if parked > 0 {
        lines.push(format!(
            "PARKED {} for a person; see: rollcall parked",
            count(parked, "item waits", "items wait")
        ));
    }
    lines.join("\n")
}

/// When the plan will be done, how often past forecasts were right, and the time per class.
pub(crate) fn forecast(forecast: &Value) -> Vec<String> {
    let seconds = |name: &str| forecast[name].as_f64().unwrap_or_default();
    let record = match number(forecast, "past_runs") {
        0 => "no forecast to judge by yet".to_owned(),
        runs => format!(
            "{} of the last {} right",
            number(forecast, "past_right"),
            count(runs, "forecast", "forecasts")
        ),
    };
    let mut lines = vec![format!(
        "about {} ({} to {}; {record})",
        duration(seconds("expected_seconds")),
        duration(seconds("low_seconds")),
        duration(seconds("high_seconds")),
    )];
    let now = chassis::clock::unix_ms();
    let classes = forecast["by_class"].as_object().into_iter().flatten();
    for (class, by) in classes.filter(|(_, by)| number(by, "calls") > 0) {
        let seconds = by["seconds"].as_f64().unwrap_or_default();
        lines.push(format!(
            "  {class:<12} {} in about {}, at {}",
            count(number(by, "calls"), "call", "calls"),
            duration(seconds),
            moment(now + (seconds * 1_000.0) as u64),
        ));
    }
    lines
}

/// Changes held by the safeguard, and how to approve them.
pub(crate) fn held(held: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in list(&held["kinds"]) {
        lines.push(format!("HELD {}", text(kind, "message")));
        let items = list(&kind["items"]);
        for item in items.iter().take(HELD_MAX) {
            lines.push(format!(
                "  - {} ({})",
                text(item, "label"),
                subject(&item["subject"])
            ));
        }
        let more = number(kind, "count").saturating_sub(items.len().min(HELD_MAX) as u64);
        if more > 0 && !items.is_empty() {
            lines.push(format!("  - and {more} more; `rollcall plan --json` has all"));
        }
    }
    if let Some(hash) = held["hash"].as_str() {
        lines.push(format!(
            "  look at each, then approve all of it: rollcall approve {hash}"
        ));
        lines.push(format!("  or some of it: rollcall approve {hash} --only ID"));
    }
    lines
}

fn subject(subject: &Value) -> &str {
    subject["person"]
        .as_str()
        .or(subject["group"].as_str())
        .unwrap_or_default()
}
