//! Decisions and requests about one person until a given time, from the journal only.
//!
//! The roster keeps only the newest values, so the desired values of that time are unknown. Their results are known.

use std::collections::{BTreeMap, BTreeSet};

use bus::{CallRecord, Decisions};
use provisioning::{Ended, Image};
use serde_json::{Value, json};

use crate::print;

/// Returns the journal record of one request as JSON.
pub(super) fn call(call: &CallRecord) -> Value {
    json!({"at_ms": call.started_at_ms, "kind": call.kind, "method": call.method, "path": call.path, "status": call.status,
        "outcome": call.outcome, "trace": call.trace, "operation": call.operation})
}

/// State of one person, built from decisions.
#[derive(Debug, Default)]
struct Known {
    account: Option<String>,
    active: Option<bool>,
    values: BTreeMap<String, String>,
    groups: BTreeSet<String>,
}

impl Known {
    /// Applies an image. Returns false if it is about another person.
    fn take(&mut self, image: &Image, id: &str) -> bool {
        match image {
            Image::Created { person, account } if person.as_str() == id => {
                (self.account, self.active) = (Some(account.to_string()), Some(true));
            }
            Image::CutOff { person, account } if person.as_str() == id => {
                (self.account, self.active) = (Some(account.to_string()), Some(false));
            }
            Image::Changed {
                person,
                account,
                changes,
            } if person.as_str() == id => {
                self.account = Some(account.to_string());
                for change in changes {
                    if change.attribute == provisioning::Attribute::Active {
                        self.active = Some(change.to == "true");
                    }
                    let name = change.attribute.wire().to_owned();
                    self.values.insert(name, change.to.clone());
                }
            }
            Image::CustomSet {
                person,
                account,
                changes,
            } if person.as_str() == id => {
                self.account = Some(account.to_string());
                let values = changes
                    .iter()
                    .map(|(name, change)| (name.clone(), change.to.clone()));
                self.values.extend(values);
            }
            Image::Joined { group, person } if person.as_str() == id => {
                self.groups.insert(group.to_string());
            }
            Image::Left { group, person } if person.as_str() == id => {
                self.groups.remove(group.as_str());
            }
            Image::RoleSet { person, .. } if person.as_str() == id => {}
            Image::Created { .. }
            | Image::CustomSet { .. }
            | Image::CutOff { .. }
            | Image::Changed { .. }
            | Image::Joined { .. }
            | Image::Left { .. }
            | Image::RoleSet { .. }
            | Image::TeamMade { .. }
            | Image::TeamNamed { .. }
            | Image::TeamDescribed { .. }
            | Image::TeamDeleted { .. } => return false,
        }
        true
    }
}

pub(super) fn past(story: &Value, kept: &Decisions, calls: &[CallRecord], at_ms: u64) -> Value {
    let decisions = &kept.decisions;
    let id = print::text(story, "person");
    let subject = format!("person/{id}");
    let calls: Vec<&CallRecord> = calls
        .iter()
        .filter(|call| call.started_at_ms <= at_ms && call.subjects.contains(&subject))
        .collect();
    let of_calls: BTreeSet<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    let mut known = Known::default();
    let mut outcome = Vec::new();
    for decision in decisions.iter().filter(|decision| decision.at_ms <= at_ms) {
        let mut concerns = of_calls.contains(decision.operation.as_str());
        for image in &decision.images {
            concerns |= known.take(image, id);
        }
        if concerns {
            outcome.push(
                json!({"at_ms": decision.at_ms, "run": decision.run, "label": decision.label,
                "ended": decision.ended, "message": decision.message}),
            );
        }
    }
    let later = decisions.iter().any(|decision| decision.at_ms > at_ms);
    let name_of = |id: &String| {
        let mut groups = print::list(&story["scope"]["groups"]).iter();
        let named = groups.find(|group| group["id"] == id.as_str());
        named
            .map_or(id.as_str(), |group| print::text(group, "group"))
            .to_owned()
    };
    let groups: Vec<String> = known.groups.iter().map(name_of).collect();
    json!({
        "person": id, "user_name": story["user_name"], "at_ms": at_ms,
        "known": {"account": known.account, "active": known.active, "values": known.values, "groups": groups},
        "decisions": outcome, "calls": calls.into_iter().map(call).collect::<Vec<_>>(), "later": later,
        "unreadable": kept.unreadable,
    })
}

pub(super) fn render(past: &Value) -> String {
    let known = &past["known"];
    let mut lines = vec![format!(
        "{} ({}), as far as the journal knew at {}",
        print::text(past, "user_name"),
        print::text(past, "person"),
        print::moment(print::number(past, "at_ms")),
    )];
    let missing = print::unreadable(print::number(past, "unreadable"));
    lines.extend(missing.map(|missing| format!("  {missing}")));
    lines.push(match known["account"].as_str() {
        None => "  Rollcall had done nothing about the person yet".to_owned(),
        Some(account) => format!(
            "  account {account}{}",
            match known["active"].as_bool() {
                Some(true) => ", active",
                Some(false) => ", cut off",
                None => "",
            }
        ),
    });
    for (name, value) in known["values"].as_object().into_iter().flatten() {
        lines.push(format!("  {name} was {value}, as last changed by Rollcall"));
    }
    if !print::list(&known["groups"]).is_empty() {
        lines.push(format!(
            "  in the teams of {}, as joined by Rollcall",
            print::names(&known["groups"])
        ));
    }
    for decision in print::list(&past["decisions"]) {
        let ended = match serde_json::from_value(decision["ended"].clone()) {
            Ok(Ended::Done) => "done".to_owned(),
            Ok(Ended::Failed) => format!("failed: {}", print::text(decision, "message")),
            Ok(Ended::Parked) => format!("parked: {}", print::text(decision, "message")),
            Err(_) => "ended".to_owned(),
        };
        lines.push(format!(
            "  {} {}: {ended} (run {})",
            print::moment(print::number(decision, "at_ms")),
            print::text(decision, "label"),
            print::text(decision, "run"),
        ));
    }
    lines.extend(print::calls(&past["calls"]));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_damaged_journal_cannot_say_is_said_to_be_missing() {
        let story = json!({"person": "ada", "user_name": "ada@corp.example"});
        let outcome = |unreadable| {
            let kept = Decisions {
                unreadable,
                ..Decisions::default()
            };
            past(&story, &kept, &[], 1)
        };
        assert_eq!(outcome(2)["unreadable"], 2);
        let missing = "\n  2 records of the journal cannot be read; what they contain is missing here\n";
        assert!(render(&outcome(2)).contains(missing), "{}", render(&outcome(2)));
        assert!(!render(&outcome(0)).contains("cannot be read"));
    }
}
