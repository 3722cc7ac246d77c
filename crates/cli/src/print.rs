//! Text output, by subject.

mod deviations;
mod explain;
mod import;
mod parked;
mod plan;
mod runs;
mod status;

use serde_json::Value;

/// Most lines shown for each kind; `--json` has all.
const LINES_MAX: usize = 40;

pub(crate) use deviations::deviations;
pub(crate) use explain::{calls, explain};
pub(crate) use import::import;
pub(crate) use parked::parked;
pub(crate) use plan::{forecast, held, plan};
pub(crate) use runs::{last_run, runs};
pub(crate) use status::status;

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

pub(crate) fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns one line per item, up to the maximum, and then the number of omitted items.
pub(crate) fn shown<T>(items: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = items.iter().take(LINES_MAX).map(line).collect();
    if items.len() > LINES_MAX {
        lines.push(format!("  and {} more; --json has all", items.len() - LINES_MAX));
    }
    lines
}

/// Joins the texts of a list with commas.
pub(crate) fn names(value: &Value) -> String {
    let names: Vec<&str> = list(value).iter().filter_map(Value::as_str).collect();
    names.join(", ")
}

/// Formats a number with the singular or plural of a noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Returns a warning if journal records cannot be read.
pub(crate) fn unreadable(records: u64) -> Option<String> {
    let says = if records == 1 {
        "it contains"
    } else {
        "they contain"
    };
    let damaged = count(records, "record", "records");
    (records > 0).then(|| format!("{damaged} of the journal cannot be read; what {says} is missing here"))
}

/// Formats seconds for people to read.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..=59 => format!("{whole} s"),
        60..=7_199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// Formats a time in UTC, to the second.
pub(crate) fn moment(unix_ms: u64) -> String {
    let millis = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{unix_ms} ms after 1970"),
    }
}

/// Prints an answer as JSON, or as the text that `human` returns for it.
pub(crate) fn answer(json: bool, value: &Value, human: impl FnOnce(&Value) -> String) {
    if json {
        println!("{value:#}");
    } else {
        println!("{}", human(value).trim_end());
    }
}
