//! Progress, forecast, and what waits for a person.

use serde_json::Value;

use super::parked::parked_line;
use super::{count, deviations, flag, forecast, held, list, moment, number, text};

/// Most items shown for each kind.
const ITEMS_MAX: usize = 20;

pub(crate) fn status(status: &Value) -> String {
    let mut lines = vec![format!(
        "{}: {} people ({} active, {} linked), {} groups; Litmos has {} accounts, {} teams",
        text(status, "org"),
        number(status, "people"),
        number(status, "people_active"),
        number(status, "people_linked"),
        number(status, "groups"),
        number(status, "accounts"),
        number(status, "teams"),
    )];
    if let Some(why) = status["paused"].as_str() {
        lines.push(format!("paused: {why}"));
    }
    if let Some(until) = status["pause_until_ms"].as_u64() {
        lines.push(format!(
            "waits until {}: Litmos asked for that pause (Retry-After)",
            moment(until)
        ));
    }
    let words: Vec<&str> = list(&status["unknown_import_words"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if !words.is_empty() {
        lines.push(format!(
            "Litmos used unknown words for bulk imports: {}; their counts decide when they are over",
            words.join(", ")
        ));
    }
    let deviations = deviations(status);
    let parked = number(status, "parked");
    if !flag(status, "import_complete") {
        lines.push("waits for the first complete import of Litmos".to_owned());
    } else if !flag(status, "settled") {
        lines.extend(work(status));
    } else if deviations.is_empty() {
        lines.push("Litmos equals the roster".to_owned());
    } else {
        lines.push(format!(
            "nothing is left to do, but Litmos differs: {}",
            deviations.describe()
        ));
    }
    lines.extend(held(&status["held"]));
    if parked > 0 {
        lines.push(format!(
            "PARKED {} for a person:",
            count(parked, "item waits", "items wait")
        ));
        let items = list(&status["parked_items"]);
        lines.extend(items.iter().take(ITEMS_MAX).map(parked_line));
        if parked > ITEMS_MAX as u64 {
            lines.push(format!(
                "  and {} more; see: rollcall parked --all",
                parked - ITEMS_MAX as u64
            ));
        }
    }
    lines.extend(super::deviations::lines(&deviations));
    lines.extend(orders(&status["orders"]));
    lines.join("\n")
}

fn work(status: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{} left, {}; {} under way",
        count(number(status, "operations_left"), "operation", "operations"),
        count(number(status, "calls_left"), "call", "calls"),
        number(status, "operations_under_way"),
    )];
    let retries = number(status, "retries");
    if retries > 0 {
        lines.push(format!(
            "{} failed and will be tried again by itself; see: rollcall plan",
            count(retries, "item", "items")
        ));
    }
    lines.extend(forecast(&status["forecast"]));
    let waiting = number(status, "waiting_for_apply");
    if waiting > 0 {
        lines.push(format!("{waiting} of them wait for: rollcall apply"));
    }
    lines
}

/// Orders of people that are still in force.
fn orders(orders: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let paused = list(&orders["paused_groups"]);
    if !paused.is_empty() {
        let names: Vec<&str> = paused
            .iter()
            .take(ITEMS_MAX)
            .map(|group| text(group, "name"))
            .collect();
        lines.push(format!(
            "PAUSED {}: {}; go on with: rollcall groups resume GROUP",
            count(number(orders, "paused"), "group", "groups"),
            names.join(", ")
        ));
    }
    let frozen = list(&orders["frozen_people"]);
    if !frozen.is_empty() {
        lines.push(format!(
            "FROZEN {} by order; take it back with: rollcall leaver PERSON --lift",
            count(number(orders, "frozen"), "person", "people")
        ));
        lines.extend(frozen.iter().take(ITEMS_MAX).map(|person| {
            format!(
                "  {} ({}), by {} at {}",
                text(person, "user_name"),
                text(person, "person"),
                text(person, "by"),
                moment(number(person, "at_ms")),
            )
        }));
    }
    for approval in list(&orders["approvals"]) {
        lines.push(format!(
            "APPROVED {} by {}, until {}",
            count(number(approval, "changes"), "change", "changes"),
            text(approval, "by"),
            moment(number(approval, "expires_at_ms")),
        ));
    }
    lines
}
