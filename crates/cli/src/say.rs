//! Answers for people.

use serde_json::Value;

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Seconds as somebody would say them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..=119 => format!("{whole} s"),
        120..=7_199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
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

pub(crate) fn status(status: &Value) -> String {
    let mut lines = Vec::new();
    lines.push(format!(
        "{}: {} people ({} active, {} linked), {} groups; Litmos has {} accounts, {} teams",
        text(status, "org"),
        number(status, "people"),
        number(status, "people_active"),
        number(status, "people_linked"),
        number(status, "groups"),
        number(status, "accounts"),
        number(status, "teams"),
    ));
    if let Some(why) = status["halted"].as_str() {
        lines.push(format!("stands still: {why}"));
    }
    if !status["import_complete"].as_bool().unwrap_or_default() {
        lines.push("waits for the first complete import of Litmos".to_owned());
    } else if status["in_sync"].as_bool().unwrap_or_default() {
        lines.push("Litmos equals the roster".to_owned());
    } else {
        lines.push(format!(
            "{} operations left, {} calls, about {}; {} under way",
            number(status, "operations_left"),
            number(status, "calls_left"),
            duration(
                status["forecast"]["expected_seconds"]
                    .as_f64()
                    .unwrap_or_default()
            ),
            number(status, "operations_under_way"),
        ));
    }
    if number(status, "parked") > 0 {
        lines.push(format!("{} wait for a person:", number(status, "parked")));
    }
    for item in status["parked_items"].as_array().into_iter().flatten() {
        let who = item["user_name"]
            .as_str()
            .or(item["name"].as_str())
            .unwrap_or_default();
        lines.push(format!(
            "  {who}: {} {} {}. {}",
            text(item, "code"),
            text(item, "attribute"),
            text(item, "said"),
            text(item, "remedy"),
        ));
    }
    lines.join("\n")
}

pub(crate) fn explain(person: &Value) -> String {
    let source = &person["source"];
    let (account, act) = (&person["match"], &person["act"]);
    let names = |value: &Value| -> String {
        let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    let groups: Vec<String> = person["scope"]["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| {
            let state = match (
                group["wanted"].as_bool().unwrap_or_default(),
                group["in_team"].as_bool().unwrap_or_default(),
            ) {
                (true, true) => "in its team",
                (true, false) => "not in its team yet",
                (false, true) => "to leave its team",
                (false, false) => "not a member",
            };
            format!("{} ({state})", text(group, "group"))
        })
        .collect();
    let mut lines = vec![
        format!("{} ({})", text(person, "user_name"), text(person, "person")),
        format!(
            "  source  {} at revision {}, wanted {}",
            names(&source["sources"]),
            number(source, "revision"),
            if source["wanted_active"].as_bool().unwrap_or_default() {
                "active"
            } else {
                "inactive"
            },
        ),
        format!(
            "  scope   {}",
            if groups.is_empty() {
                "no groups".to_owned()
            } else {
                groups.join(", ")
            }
        ),
        match account["account"].as_str() {
            Some(id) => format!(
                "  match   account {id}, {}, {}",
                if account["linked"].as_bool().unwrap_or_default() {
                    "linked"
                } else {
                    "not linked yet"
                },
                if account["active"].as_bool().unwrap_or_default() {
                    "active"
                } else {
                    "inactive"
                },
            ),
            None => "  match   no account in Litmos".to_owned(),
        },
    ];
    let planned = names(&person["plan"]["operations"]);
    lines.push(match (planned.is_empty(), person["plan"]["waits"].is_null()) {
        (true, true) => "  plan    nothing to do".to_owned(),
        (false, _) => format!("  plan    {planned}"),
        (true, false) => format!("  plan    waits: {}", person["plan"]["waits"]),
    });
    lines.push(match act["parked"].as_object() {
        Some(_) => format!(
            "  act     parked: {} {} {}. {}",
            text(&act["parked"], "code"),
            text(&act["parked"], "attribute"),
            text(&act["parked"], "said"),
            text(&act["parked"], "remedy"),
        ),
        None if act["under_way"].as_bool().unwrap_or_default() => {
            "  act     a request is under way".to_owned()
        }
        None => format!(
            "  act     revision {} is in Litmos",
            number(act, "applied_revision")
        ),
    });
    for call in person["calls"].as_array().into_iter().flatten() {
        lines.push(format!(
            "          {} {} {} -> {} {} (trace {})",
            text(call, "at"),
            text(call, "method"),
            text(call, "path"),
            number(call, "status"),
            text(call, "outcome"),
            text(call, "trace"),
        ));
    }
    lines.join("\n")
}

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
