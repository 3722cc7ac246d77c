//! Results of an import.

use serde_json::Value;

use super::{number, text};

pub(crate) fn import(run: &Value) -> String {
    let line = |name: &str, of: &Value| {
        format!(
            "  {name:<7} {:>7} scanned {:>7} new {:>7} updated {:>7} unchanged {:>7} removed",
            number(of, "scanned"),
            number(of, "new"),
            number(of, "updated"),
            number(of, "unchanged"),
            number(of, "removed"),
        )
    };
    let failed = run["phase"]["failed"]["reason"].as_str();
    let state = match failed {
        Some(_) => "failed",
        None if run["complete"].as_bool().unwrap_or_default() => "complete",
        None => "under way",
    };
    let reason = failed.map(|reason| format!("\n  {reason}"));
    [
        format!(
            "import {}: {state}, {} calls{}",
            text(run, "id"),
            number(run, "calls"),
            reason.unwrap_or_default(),
        ),
        line("users", &run["users"]),
        line("groups", &run["groups"]),
        format!(
            "  accounts: {} linked, {} to be matched, {} unmanaged",
            number(run, "linked"),
            number(run, "to_be_matched"),
            number(run, "unmanaged"),
        ),
    ]
    .join("\n")
}
