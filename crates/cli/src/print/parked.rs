//! Items that wait for a person: who, which attribute, the message of Litmos, what to do.

use serde_json::Value;

use super::{count, deviations, held, list, number, text};

/// One parked item on one line.
pub(crate) fn parked_line(item: &Value) -> String {
    let (name, id) = match item["group"].as_str() {
        Some(id) => (format!("group {}", text(item, "name")), id),
        None => (text(item, "user_name").to_owned(), text(item, "person")),
    };
    format!(
        "  {name} ({id}): {} {} {}. {}",
        text(item, "code"),
        text(item, "attribute"),
        text(item, "message").trim_end_matches('.'),
        text(item, "remedy"),
    )
}

pub(crate) fn parked(parked: &Value) -> String {
    let total = number(parked, "total");
    let items = list(&parked["items"]);
    let mut lines = match total {
        0 => vec![format!("nothing is parked in {}", text(parked, "org"))],
        _ => vec![format!(
            "{} for a person in {}; correct the cause at the source, or where it lies and then: rollcall retry PERSON",
            count(total, "item waits", "items wait"),
            text(parked, "org"),
        )],
    };
    lines.extend(items.iter().map(parked_line));
    let more = total.saturating_sub(items.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more; see: rollcall parked --all"));
    }
    lines.extend(super::deviations::lines(&deviations(parked)));
    lines.extend(held(&parked["held"]));
    lines.join("\n")
}
