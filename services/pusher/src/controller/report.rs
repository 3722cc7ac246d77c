//! What the controller says about itself when asked: plan, progress, forecast, and one person's story.

use std::collections::BTreeMap;

use provisioning::{Change, NormalName, Person, PersonId, Revised, Subject, WaitReason, cost::okta_formula};
use rate_tokens::Pacing;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Controller, Mode};

/// Operations of a plan that an answer spells out. The whole is counted; nobody reads more than this.
const LINES_MAX: usize = 200;

/// What a bulk job takes beyond its calls: the pauses between polls, less what pacing would have waited anyway, and
/// writing down what came of it.
const BULK_WAIT_SECONDS: f64 = 3.5;

/// A question to the controller of an org, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) body: Value,
    pub(crate) answer: oneshot::Sender<Answer>,
}

pub(crate) type Answer = Result<Value, String>;

/// Whether a wait ends by itself, so that its subject must be looked at again.
pub(super) fn passes(reason: &WaitReason) -> bool {
    match reason {
        WaitReason::UnderWay
        | WaitReason::RetryAt { .. }
        | WaitReason::FirstImport
        | WaitReason::Held { .. } => true,
        WaitReason::Parked(_) | WaitReason::SwitchedOff { .. } | WaitReason::Paused | WaitReason::Frozen => {
            false
        }
    }
}

impl Controller {
    pub(super) fn answer(&mut self, question: Question) {
        self.replan();
        let answer = match question.method.as_str() {
            "plan" => Ok(self.say_plan()),
            "apply" => self.apply(&question.body),
            "status" => Ok(self.say_status()),
            "explain" => self.explain(&question.body),
            other => Err(format!(
                "the pusher has no answer to {other:?}; ask for plan, apply, status or explain"
            )),
        };
        // Whoever asked may have gone; then nobody misses the answer.
        let _ = question.answer.send(answer);
    }

    fn say_plan(&self) -> Value {
        let plan = &self.plan;
        let operations: Vec<Value> = plan
            .operations
            .iter()
            .take(LINES_MAX)
            .map(|operation| {
                json!({"id": operation.id, "kind": operation.kind(), "calls": operation.calls, "label": operation.label})
            })
            .collect();
        json!({
            "org": self.org,
            "hash": plan.hash(),
            "mode": match self.mode { Mode::Automatic => "automatic", Mode::Manual => "manual" },
            "operations": plan.operations.len(),
            "calls": plan.calls(),
            "people": plan.people,
            "groups": plan.groups,
            "okta_formula_calls": okta_formula(plan.people, plan.groups),
            "forecast_seconds": self.forecast_seconds(plan.calls()),
            "summary": plan.summary(),
            "lines": operations,
            "text": plan.to_text(LINES_MAX),
        })
    }

    /// Seconds until the plan is done: its calls at an even pace, the waits for bulk jobs, and for a quiet roster before them.
    fn forecast_seconds(&self, calls: u32) -> f64 {
        let pacing = match self.budget.terms().pacing {
            Pacing::Even { permille } => f64::from(permille) / 1_000.0,
            Pacing::Unpaced => 1.0,
        };
        let pace = self.budget.window().as_secs_f64() * pacing / f64::from(self.budget.tokens());
        let imports = self
            .plan
            .operations
            .iter()
            .filter(|operation| matches!(operation.change, Change::Bulk { .. }))
            .count();
        f64::from(calls) * pace + imports as f64 * BULK_WAIT_SECONDS
    }

    fn apply(&mut self, body: &Value) -> Answer {
        let hash = self.plan.hash();
        if let Some(wanted) = body.get("plan").and_then(Value::as_str)
            && wanted != hash.as_str()
        {
            return Err(format!(
                "plan {wanted} is not the plan any more: what is wanted or there has changed since. \
                 Look at `rollcall plan` and apply plan {hash}"
            ));
        }
        for operation in &self.plan.operations {
            for subject in operation.change.subjects() {
                let revision = self.revision_of(&subject);
                self.released.insert(subject, revision);
            }
        }
        Ok(
            json!({"org": self.org, "applied": hash, "operations": self.plan.operations.len(), "calls": self.plan.calls(),
            "forecast_seconds": self.forecast_seconds(self.plan.calls())}),
        )
    }

    fn say_status(&self) -> Value {
        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, reason) in &self.plan.waiting {
            *waits.entry(wait_kind(reason)).or_default() += 1;
        }
        let parked: Vec<Value> = self.parked().take(LINES_MAX).collect();
        let tally = self.world.tally();
        let busy = self.world.under_way().len();
        let halt = self.halt.as_ref().filter(|(_, until)| Instant::now() < *until);
        json!({
            "org": self.org,
            "in_sync": self.plan.is_empty() && busy == 0 && self.world.import_complete(),
            "import_complete": self.world.import_complete(),
            "people": tally.people,
            "people_active": tally.active,
            "people_linked": tally.linked,
            "groups": self.world.groups().filter(|group| !group.value.deleted).count(),
            "accounts": self.world.accounts().count(),
            "teams": self.world.teams().count(),
            "operations_left": self.plan.operations.len(),
            "calls_left": self.plan.calls(),
            "operations_under_way": self.running.len(),
            "subjects_under_way": busy,
            "operations_performed": self.performed,
            "forecast_seconds": self.forecast_seconds(self.plan.calls()),
            "waiting": waits,
            "parked": self.parked().count(),
            "parked_items": parked,
            "halted": halt.map(|(halt, _)| format!("{halt:?}")),
        })
    }

    fn parked(&self) -> impl Iterator<Item = Value> {
        let people = self.world.noted_person_links().filter_map(|link| {
            let link = &link.value;
            let parked = link.parked.as_ref()?;
            let person = self.world.person(&link.person)?;
            (parked.revision >= person.revision).then(|| {
                json!({"person": link.person, "user_name": person.value.user_name, "code": parked.code,
                    "attribute": parked.attribute, "said": parked.said, "remedy": parked.remedy})
            })
        });
        let groups = self.world.group_links().filter_map(|link| {
            let link = &link.value;
            let parked = link.parked.as_ref()?;
            let group = self.world.group(&link.group)?;
            (parked.revision >= group.revision).then(|| {
                json!({"group": link.group, "name": group.value.name.chars().take(100).collect::<String>(), "code": parked.code,
                    "attribute": parked.attribute, "said": parked.said, "remedy": parked.remedy})
            })
        });
        people.chain(groups)
    }

    fn explain(&self, body: &Value) -> Answer {
        let wanted = body.get("person").and_then(Value::as_str).unwrap_or_default();
        let person = self.find(wanted).ok_or_else(|| {
            format!("nobody in the roster of {} has the id, user name or external id {wanted:?}; see `rollcall status`", self.org)
        })?;
        let id = &person.value.id;
        let link = self.world.person_link(id).map(|link| &link.value);
        let account = self
            .world
            .account_for(id)
            .and_then(|account| self.world.account(account));
        let subject = Subject::Person(id.clone());
        let next: Vec<&str> = self
            .plan
            .operations
            .iter()
            .filter(|operation| operation.change.subjects().contains(&subject))
            .map(|operation| operation.label.as_str())
            .collect();
        let waits = self
            .plan
            .waiting
            .iter()
            .find(|(waiting, _)| *waiting == subject)
            .map(|(_, reason)| reason);
        let groups: Vec<Value> = self
            .world
            .groups_of(id)
            .filter_map(|group| self.world.group(group))
            .map(|group| {
                let team = self
                    .world
                    .group_link(&group.value.id)
                    .and_then(|link| link.value.team.as_ref());
                let in_team = team
                    .zip(account)
                    .is_some_and(|(team, account)| self.world.is_team_member(team, &account.id));
                let wanted = self
                    .world
                    .wanted_members(&group.value.id)
                    .any(|(member, present)| member == id && present);
                json!({"group": group.value.name, "wanted": wanted, "in_team": in_team})
            })
            .collect();
        Ok(json!({
            "person": id,
            "user_name": person.value.user_name,
            "source": {"sources": person.value.sources.keys().collect::<Vec<_>>(), "revision": person.revision,
                "changed_at_ms": person.value.changed_at_ms, "wanted_active": person.value.wanted_active(),
                "access_level": person.value.access_level},
            "scope": {"groups": groups},
            "match": {"account": account.map(|account| &account.id), "linked": link.is_some_and(|link| link.account.is_some()),
                "active": account.map(|account| account.active), "seen_at_ms": account.map(|account| account.as_of_ms)},
            "plan": {"operations": next, "waits": waits},
            "act": {"applied_revision": link.map_or(0, |link| link.applied_revision),
                "under_way": self.world.is_under_way(&subject), "attempts": link.map_or(0, |link| link.attempts),
                "last_error": link.and_then(|link| link.last_error.as_ref()), "parked": link.and_then(|link| link.parked.as_ref()),
                "leave_teams_due": link.is_some_and(|link| link.leave_teams_due)},
        }))
    }

    fn find(&self, wanted: &str) -> Option<&Revised<Person>> {
        let by_id = PersonId::parse(wanted).ok().and_then(|id| self.world.person(&id));
        by_id
            .or_else(|| self.world.referenced(wanted).and_then(|id| self.world.person(id)))
            .or_else(|| {
                let account = self.world.account_named(&NormalName::of(wanted))?;
                self.world
                    .owner_of(&account.id)
                    .and_then(|id| self.world.person(id))
            })
    }
}

fn wait_kind(reason: &WaitReason) -> &'static str {
    match reason {
        WaitReason::UnderWay => "under_way",
        WaitReason::RetryAt { .. } => "retry",
        WaitReason::FirstImport => "first_import",
        WaitReason::Parked(_) => "parked",
        WaitReason::SwitchedOff { .. } => "switched_off",
        WaitReason::Held { .. } => "held",
        WaitReason::Paused => "paused",
        WaitReason::Frozen => "frozen",
    }
}
