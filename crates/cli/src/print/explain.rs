//! One person's sync history, step by step, and the next steps.

use serde_json::Value;

use super::{count, duration, flag, list, moment, names, number, text};

pub(crate) fn explain(person: &Value) -> String {
    let mut lines = vec![format!(
        "{} ({})",
        text(person, "user_name"),
        text(person, "person")
    )];
    lines.push(format!("  source  {}", source(&person["source"])));
    lines.push(format!("  scope   {}", scope(&person["scope"])));
    lines.push(format!("  match   {}", matched(&person["match"])));
    lines.push(format!("  plan    {}", plan(&person["plan"])));
    lines.push(format!("  act     {}", act(&person["act"])));
    lines.extend(next(person).into_iter().map(|line| format!("  next    {line}")));
    lines.extend(calls(&person["calls"]));
    lines.join("\n")
}

/// Requests about the person, one per line.
pub(crate) fn calls(calls: &Value) -> Vec<String> {
    let line = |call: &Value| {
        format!(
            "          {} {} {} -> {} {}{}",
            moment(number(call, "at_ms")),
            text(call, "method"),
            text(call, "path"),
            number(call, "status"),
            text(call, "outcome"),
            // Empty without telemetry.
            match text(call, "trace") {
                "" => String::new(),
                trace => format!(" (trace {trace})"),
            },
        )
    };
    list(calls).iter().map(line).collect()
}

fn source(source: &Value) -> String {
    let wanted = if flag(source, "wanted_active") {
        "active"
    } else {
        "inactive"
    };
    let level = match source["access_level"].as_str() {
        Some(level) => format!(" as {level}"),
        None => String::new(),
    };
    format!(
        "{} wants the person {wanted}{level}, since {} (revision {})",
        names(&source["sources"]),
        moment(number(source, "changed_at_ms")),
        number(source, "revision"),
    )
}

fn scope(scope: &Value) -> String {
    let groups: Vec<String> = list(&scope["groups"])
        .iter()
        .map(|group| {
            let state = match (flag(group, "wanted"), flag(group, "in_team")) {
                (true, true) => "in its team",
                (true, false) => "not in its team yet",
                (false, true) => "to leave its team",
                (false, false) => "not a member",
            };
            format!("{} ({state})", text(group, "group"))
        })
        .collect();
    if groups.is_empty() {
        "no group says anything of the person".to_owned()
    } else {
        groups.join(", ")
    }
}

fn matched(account: &Value) -> String {
    let Some(id) = account["account"].as_str() else {
        return "Litmos has no account that would be theirs".to_owned();
    };
    let ownership = if flag(account, "linked") {
        "linked"
    } else {
        "not linked yet"
    };
    let seen = match account["active"].as_bool() {
        Some(true) => "active",
        Some(false) => "inactive",
        None => "not seen by an import yet",
    };
    let teams = match list(&account["teams"]).len() {
        0 => "in no team".to_owned(),
        _ => format!("in {}", names(&account["teams"])),
    };
    format!(
        "account {id} ({}), {ownership}, {seen}, {teams}",
        text(account, "user_name")
    )
}

fn plan(plan: &Value) -> String {
    match (list(&plan["operations"]).len(), list(&plan["held"]).len()) {
        (0, 0) if plan["waits"].is_null() => "nothing to do".to_owned(),
        (0, 0) => "nothing for now".to_owned(),
        (0, _) => "all there is to do is held".to_owned(),
        (_, 0) => names(&plan["operations"]),
        (_, held) => format!("{}; {held} more held", names(&plan["operations"])),
    }
}

fn act(act: &Value) -> String {
    if flag(act, "under_way") {
        return "a request is under way".to_owned();
    }
    let mut message = match number(act, "applied_revision") {
        0 => "nothing has been made true in Litmos yet".to_owned(),
        revision => format!("revision {revision} is in Litmos"),
    };
    if flag(act, "leave_teams_due") {
        message.push_str("; teams are still to be left");
    }
    if number(act, "attempts") > 0 {
        let attempts = count(number(act, "attempts"), "attempt failed", "attempts failed");
        message.push_str(&format!(
            "; {attempts}, the last because: {}",
            text(act, "last_error")
        ));
    }
    message
}

/// What will happen, when, and what it waits for.
fn next(person: &Value) -> Vec<String> {
    let (plan, act) = (&person["plan"], &person["act"]);
    let id = text(person, "person");
    let mut lines = Vec::new();
    if act["frozen"].is_object() {
        lines.push(format!(
            "an order of {} keeps the person cut off since {}; take it back with: rollcall leaver {id} --lift",
            text(&act["frozen"], "by"),
            moment(number(&act["frozen"], "at_ms")),
        ));
    }
    if act["parked"].is_object() {
        let parked = &act["parked"];
        lines.push(format!(
            "parked: {} {} {}. {} Once the cause is gone: rollcall retry {id}",
            text(parked, "code"),
            text(parked, "attribute"),
            text(parked, "message").trim_end_matches('.'),
            text(parked, "remedy"),
        ));
    }
    for held in list(&plan["held"]) {
        lines.push(format!(
            "held: {} ({}); approve it with: rollcall approve {} --only {id}",
            text(held, "label"),
            text(held, "message"),
            text(plan, "held_hash"),
        ));
    }
    let operations = list(&plan["operations"]).iter().zip(list(&plan["in_seconds"]));
    for (operation, seconds) in operations {
        let operation = operation.as_str().unwrap_or_default();
        lines.push(match (flag(plan, "manual"), seconds.as_f64()) {
            (true, _) => format!("{operation}, once somebody says: rollcall apply"),
            (false, Some(seconds)) => format!("{operation}, done in about {}", duration(seconds)),
            (false, None) => operation.to_owned(),
        });
    }
    // Parked, held and frozen are already shown above, with more details.
    let waits = &plan["waits"];
    let message = waits.get("parked").or(waits.get("held")).is_some() || waits == "frozen";
    if let Some(why) = plan["waits_message"].as_str().filter(|_| !message) {
        lines.push(match waits["retry_at"]["at_ms"].as_u64() {
            Some(at) => format!(
                "tried again at {}, after: {}",
                moment(at),
                text(&waits["retry_at"], "error")
            ),
            None => format!("nothing for now: {why}"),
        });
    }
    let manager = &person["source"]["awaited_manager"];
    if let Some(reference) = manager["reference"].as_str() {
        lines.push(match manager["person"].as_str() {
            Some(manager) => format!(
                "manager {reference:?} ({manager}) has no account yet; set in Litmos once there is one"
            ),
            None => format!(
                "manager {reference:?} is nobody in the roster; set in Litmos once a source brings them, so assign them too"
            ),
        });
    }
    if lines.is_empty() {
        lines.push("nothing, until a source or Litmos changes".to_owned());
    }
    lines
}
