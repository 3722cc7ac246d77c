//! Answers for people, by subject.

mod deviations;
mod explain;
mod import;
mod parked;
mod plan;
mod runs;
mod status;

use serde_json::Value;

/// Lines of each sort that are spelled out; `--json` has all.
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

/// A line for each, and how many more there are.
pub(crate) fn shown<T>(items: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = items.iter().take(LINES_MAX).map(line).collect();
    if items.len() > LINES_MAX {
        lines.push(format!("  and {} more; --json has all", items.len() - LINES_MAX));
    }
    lines
}

/// Texts of a list, with commas between.
pub(crate) fn names(value: &Value) -> String {
    let names: Vec<&str> = list(value).iter().filter_map(Value::as_str).collect();
    names.join(", ")
}

/// So many of something, with the word in the right number.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Says what is missing where the journal is damaged, if it is.
pub(crate) fn unreadable(records: u64) -> Option<String> {
    let says = if records == 1 { "it says" } else { "they say" };
    let damaged = count(records, "record", "records");
    (records > 0).then(|| format!("{damaged} of the journal cannot be read; what {says} is missing here"))
}

/// Seconds as somebody would say them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..=59 => format!("{whole} s"),
        60..=7_199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// A moment, to the second, in UTC: the one zone that everybody reads alike.
pub(crate) fn moment(unix_ms: u64) -> String {
    let millis = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{unix_ms} ms after 1970"),
    }
}

/// Prints an answer as JSON, or as the text that `human` makes of it.
pub(crate) fn answer(json: bool, value: &Value, human: impl FnOnce(&Value) -> String) {
    if json {
        println!("{value:#}");
    } else {
        println!("{}", human(value).trim_end());
    }
}
