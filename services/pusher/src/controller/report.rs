//! Answers of the controller to operator requests: plan, status, forecast, runs, parked items, and the state of one person.

use std::collections::BTreeMap;

use bus::{OperatorError, OperatorRequest, Service};
use provisioning::{
    Change, DesiredManager, NormalName, Parked, Person, PersonId, Revised, Subject, WaitReason,
    cost::okta_formula,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{ANSWER_SHARE, Controller, Mode};
use tokio::time::Instant;

use crate::executor::{Halt, unix_ms};

/// Most operations of a plan, and most held changes, in one answer: a page of at most a third of a message.
const LINES_MAX: usize = 1_000;

/// Most waiting subjects that an answer lists.
const WAITING_MAX: usize = 200;

/// Most parked items in one answer: with the longest error messages of Litmos they still fit in one message.
const PARKED_PAGE: usize = 500;

/// An operator request to the controller of an org, with the channel for the answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) request: OperatorRequest,
    pub(crate) answer: oneshot::Sender<Answer>,
}

pub(crate) type Answer = Result<Value, OperatorError>;

/// True if a wait ends by itself, so that its subject must be planned again.
pub(super) fn passes(reason: &WaitReason) -> bool {
    match reason {
        WaitReason::UnderWay
        | WaitReason::RetryAt { .. }
        | WaitReason::FirstImport
        | WaitReason::ParentAwaited { .. }
        | WaitReason::NameAwaited { .. }
        | WaitReason::ExtraMembers { .. }
        | WaitReason::Held { .. } => true,
        WaitReason::Parked(_) | WaitReason::SwitchedOff { .. } | WaitReason::Paused | WaitReason::Frozen => {
            false
        }
    }
}

impl Controller {
    pub(super) fn answer(&mut self, question: Question) {
        use OperatorRequest as Request;
        let Question { request, answer } = question;
        let is_order = match &request {
            Request::Apply { .. }
            | Request::Approve { .. }
            | Request::Retry { .. }
            | Request::Leaver { .. }
            | Request::Group { .. }
            | Request::Link { .. } => true,
            Request::Plan { .. }
            | Request::Status
            | Request::Explain { .. }
            | Request::Parked { .. }
            | Request::Runs
            | Request::Import { .. }
            | Request::Schema
            | Request::Discover => false,
        };
        // Frequent requests during a file must not make the loop plan all the time.
        if is_order || self.planned_at.elapsed() >= self.plan_cost * ANSWER_SHARE {
            self.replan();
        }
        let refused = OperatorError::Refused;
        let document = match request {
            Request::Plan { start } => Ok(self.report_plan(start as usize)),
            Request::Apply { plan } => self.apply(plan.as_deref()).map_err(refused),
            Request::Status => Ok(self.report_status()),
            Request::Explain { person } => self.explain(&person).map_err(refused),
            Request::Parked { start } => Ok(self.report_parked(start as usize)),
            Request::Runs => Ok(self.report_runs()),
            Request::Approve { plan, only, by } => return self.approve(&plan, &only, &by, answer),
            Request::Retry { target, by: _ } => return self.order(self.retry(&target), answer),
            Request::Leaver { person, lift, by } => {
                return self.order(self.leaver(&person, lift, &by), answer);
            }
            Request::Group { group, order, by: _ } => {
                return self.order(self.group_order(&group, order), answer);
            }
            Request::Link {
                person,
                account,
                by: _,
            } => {
                return self.order(self.link(&person, account.as_deref()), answer);
            }
            Request::Import { .. } | Request::Schema | Request::Discover => {
                Err(OperatorError::UnknownRequest {
                    service: Service::Pusher,
                })
            }
        };
        // The requester may be gone; then the answer is not needed.
        let _ = answer.send(document);
    }

    /// The plan, with one page of its operations and held changes from an offset on.
    fn report_plan(&mut self, start: usize) -> Value {
        let forecast = self.report_forecast();
        let deviations = self.deviations();
        let plan = &self.plan;
        let operations: Vec<Value> = plan
            .operations
            .iter()
            .skip(start)
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
            "forecast": forecast,
            "held": self.report_held(start, LINES_MAX),
            "parked": self.state.parked().count() + plan.park.len(),
            "deviations": deviations,
            "waiting": self.report_waiting(),
            "summary": plan.summary(),
            "start": start,
            "lines": operations,
        })
    }

    /// The forecast of the remaining work: expected time with low and high bounds, times by class, and the accuracy of past forecasts.
    fn report_forecast(&mut self) -> Value {
        let now_ms = unix_ms();
        let forecast = self
            .forecast_records
            .forecast(&self.in_flight.steps(&self.plan), now_ms);
        let track = self.forecast_records.track();
        let by_class: serde_json::Map<String, Value> = self
            .forecast_records
            .expectation()
            .by_class
            .iter()
            .map(|(class, (by, calls))| {
                (
                    (*class).to_owned(),
                    json!({"calls": calls, "seconds": by.as_secs_f64()}),
                )
            })
            .collect();
        // Nothing is sent before the pause that Litmos requested has ended.
        let pause_ms = self
            .executor
            .gate
            .pause_until_ms()
            .map_or(0, |until| until.saturating_sub(now_ms));
        let seconds = |ms: u64| (ms + if forecast.calls > 0 { pause_ms } else { 0 }) as f64 / 1_000.0;
        json!({
            "calls": forecast.calls,
            "expected_seconds": seconds(forecast.expected_ms),
            "low_seconds": seconds(forecast.low_ms),
            "high_seconds": seconds(forecast.high_ms),
            "done_at_ms": now_ms + forecast.expected_ms + pause_ms,
            "by_class": by_class,
            "past_runs": track.runs,
            "past_right": track.right,
        })
    }

    /// The held changes with one page of their items, and the hash to approve them.
    fn report_held(&self, start: usize, lines_max: usize) -> Value {
        let mut before = 0;
        let held: Vec<Value> = self
            .plan
            .held
            .iter()
            .map(|held| {
                let (from, to) = (start.saturating_sub(before), (start + lines_max).saturating_sub(before));
                before += held.items.len();
                let items: Vec<Value> = held.items.iter().take(to).skip(from).map(|item| {
                    json!({"subject": item.subject, "label": item.label, "requested_at_ms": item.requested_at_ms})
                }).collect();
                json!({"harm": held.harm, "count": held.items.len(), "allowed": held.allowed, "population": held.population,
                    "in_day": held.in_day, "exceeded": held.exceeded, "message": held.describe(), "items": items})
            })
            .collect();
        json!({"hash": self.plan.held_hash(), "kinds": held,
            "changes": self.plan.held.iter().map(|held| held.items.len()).sum::<usize>()})
    }

    /// Subjects that wait, with the reason, except those that are parked or held.
    fn report_waiting(&self) -> Vec<Value> {
        let told = |reason: &WaitReason| !matches!(reason, WaitReason::Held { .. } | WaitReason::Parked(_));
        let waiting = self
            .plan
            .waiting
            .iter()
            .filter(|(_, reason)| told(reason))
            .take(WAITING_MAX);
        waiting
            .map(|(subject, reason)| json!({"subject": subject, "kind": wait_kind(reason), "message": reason.describe()}))
            .collect()
    }

    fn report_runs(&self) -> Value {
        let runs: Vec<Value> = self.forecast_records.runs().map(|run| {
            json!({"id": run.id, "started_at_ms": run.started_at_ms, "ended_at_ms": run.ended_at_ms, "operations": run.operations,
                "calls": run.calls, "forecast_calls": run.forecast.calls, "forecast_ms": run.forecast.expected_ms,
                "low_ms": run.forecast.low_ms, "high_ms": run.forecast.high_ms, "took_ms": run.took_ms(),
                "revisions": run.revisions, "right": run.was_right()})
        }).collect();
        let track = self.forecast_records.track();
        json!({"org": self.org, "runs": runs, "past_runs": track.runs, "past_right": track.right})
    }

    /// One page of the parked items from an offset on.
    fn report_parked(&mut self, start: usize) -> Value {
        let deviations = self.deviations();
        let items: Vec<Value> = self.parked().skip(start).take(PARKED_PAGE).collect();
        json!({"org": self.org, "total": self.state.parked().count(), "start": start, "items": items,
            "held": self.report_held(0, 0), "deviations": deviations})
    }

    fn apply(&mut self, wanted: Option<&str>) -> Result<Value, String> {
        let hash = self.plan.hash();
        if let Some(wanted) = wanted
            && wanted != hash.as_str()
        {
            return Err(format!(
                "plan {wanted} is not the plan any more: what is wanted or there has changed since. \
                 Run `rollcall plan` and apply plan {hash}"
            ));
        }
        for operation in &self.plan.operations {
            for subject in operation.change.subjects() {
                let revision = self.revision_of(&subject);
                self.released.insert(subject, revision);
            }
        }
        let forecast = self.report_forecast();
        Ok(
            json!({"org": self.org, "applied": hash, "operations": self.plan.operations.len(), "calls": self.plan.calls(),
            "forecast": forecast}),
        )
    }

    fn report_status(&mut self) -> Value {
        let forecast = self.report_forecast();
        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, reason) in &self.plan.waiting {
            *waits.entry(wait_kind(reason)).or_default() += 1;
        }
        let parked: Vec<Value> = self.parked().take(PARKED_PAGE).collect();
        let tally = self.state.tally();
        let busy = self.state.under_way().len();
        // A change that failed and waits for its retry is in no plan, and Litmos does not have it yet.
        let retries = waits.get("retry").copied().unwrap_or(0);
        let paused = self.paused();
        let settled = paused.is_none()
            && !self.outdated
            && self.plan.is_empty()
            && busy == 0
            && retries == 0
            && self.state.import_complete();
        let deviations = self.deviations();
        json!({
            "org": self.org,
            // Nothing is left that Rollcall can do without an admin.
            "settled": settled,
            "in_sync": settled && deviations.is_empty(),
            "deviations": deviations,
            "import_complete": self.state.import_complete(),
            "people": tally.people,
            "people_active": tally.active,
            "people_linked": tally.linked,
            "groups": self.state.groups().filter(|group| !group.value.deleted).count(),
            "accounts": self.state.accounts().count(),
            "teams": self.state.teams().count(),
            "operations_left": self.plan.operations.len(),
            "calls_left": forecast["calls"],
            "operations_under_way": self.running.len() + self.together.len(),
            "subjects_under_way": busy,
            "operations_performed": self.performed,
            "forecast": forecast,
            "held": self.report_held(0, 0),
            "orders": self.report_standing_orders(),
            "waiting_for_apply": self.waiting_for_apply(),
            "waiting": waits,
            "retries": retries,
            "parked": self.state.parked().count(),
            "parked_items": parked,
            "paused": paused,
            "probes": self.executor.gate.state().map(|closed| json!({"since_ms": closed.since_ms, "sent": closed.probes,
                "next_in_seconds": closed.probes_in().as_secs_f64()})),
            "pause_until_ms": self.executor.gate.pause_until_ms(),
            "unknown_import_words": self.executor.gate.unknown_words(),
        })
    }

    /// The reason why nothing can be sent, as text for an admin. `None` if the org is not paused.
    pub(super) fn paused(&self) -> Option<String> {
        let halt = self.halt.as_ref().filter(|(_, until)| Instant::now() < *until);
        let halt = halt.map(|(Halt::Bus { message }, _)| {
            format!("the bus does not take writes ({message}); see whether nats-server is well")
        });
        let closed = self.executor.gate.state().map(|closed| closed.message);
        closed
            .or_else(|| self.state.import_paused().map(str::to_owned))
            .or(halt)
    }

    fn parked(&self) -> impl Iterator<Item = Value> {
        let say = |(subject, parked): (Subject, &Parked)| {
            let mut item = json!({"code": parked.code, "at_ms": parked.at_ms, "attribute": parked.attribute,
                "message": parked.message, "remedy": parked.remedy});
            match subject {
                Subject::Person(id) => {
                    item["user_name"] = json!(self.state.person(&id).map(|person| &person.value.user_name));
                    item["person"] = json!(id);
                }
                Subject::Group(id) => {
                    let name = self.state.group(&id).map(|group| group.value.name.as_str());
                    item["name"] = json!(name.map(|name| name.chars().take(100).collect::<String>()));
                    item["group"] = json!(id);
                }
            }
            item
        };
        self.state.parked().map(say)
    }

    fn explain(&mut self, wanted: &str) -> Result<Value, String> {
        self.forecast_records.expect(&self.in_flight.steps(&self.plan));
        let person = self.find(wanted).ok_or_else(|| self.nobody(wanted))?;
        let id = &person.value.id;
        let link = self.state.person_link(id).map(|link| &link.value);
        let account = self
            .state
            .account_for(id)
            .and_then(|account| self.state.account(account));
        let subject = Subject::Person(id.clone());
        let planned = self
            .plan
            .operations
            .iter()
            .filter(|operation| concerns(&operation.change, id));
        let next: Vec<&str> = planned
            .clone()
            .map(|operation| operation.label.as_str())
            .collect();
        let waits = self
            .plan
            .waiting
            .iter()
            .find(|(waiting, _)| *waiting == subject)
            .map(|(_, reason)| reason);
        let in_seconds: Vec<Option<f64>> = planned
            .map(|operation| {
                self.forecast_records
                    .expectation()
                    .by_operation
                    .get(&operation.id)
            })
            .map(|by| by.map(std::time::Duration::as_secs_f64))
            .collect();
        let held: Vec<Value> = self
            .plan
            .held
            .iter()
            .flat_map(|held| held.items.iter().map(move |item| (held, item)))
            .filter(|(_, item)| item.subject == subject)
            .map(|(held, item)| json!({"label": item.label, "message": held.describe()}))
            .collect();
        let groups: Vec<Value> = self
            .state
            .groups_of(id)
            .filter_map(|group| self.state.group(group))
            .map(|group| {
                let team = self
                    .state
                    .group_link(&group.value.id)
                    .and_then(|link| link.value.team.as_ref());
                let in_team = team
                    .zip(account)
                    .is_some_and(|(team, account)| self.state.is_team_member(team, &account.id));
                let wanted = self
                    .state
                    .wanted_members(&group.value.id)
                    .any(|(member, present)| member == id && present);
                json!({"group": group.value.name, "id": group.value.id, "wanted": wanted, "in_team": in_team})
            })
            .collect();
        Ok(json!({
            "person": id,
            "user_name": person.value.user_name,
            "source": {"sources": person.value.sources.keys().collect::<Vec<_>>(), "revision": person.revision,
                "changed_at_ms": person.value.changed_at_ms, "wanted_active": person.value.wanted_active(),
                "access_level": person.value.access_level, "awaited_manager": self.awaited_manager(&person.value)},
            "scope": {"groups": groups},
            "match": {"account": account.map(|account| &account.id), "user_name": account.map(|account| &account.user_name),
                "teams": account.map(|account| self.team_names(&account.id)), "linked": link.is_some_and(|link| link.account.is_some()),
                "active": account.map(|account| account.active), "seen_at_ms": account.map(|account| account.as_of_ms)},
            "plan": {"operations": next, "in_seconds": in_seconds, "waits": waits, "waits_message": waits.map(WaitReason::describe), "held": held,
                "held_hash": self.plan.held_hash(), "manual": self.mode == Mode::Manual},
            "act": {"applied_revision": link.map_or(0, |link| link.applied_revision),
                "under_way": self.state.is_under_way(&subject), "attempts": link.map_or(0, |link| link.attempts),
                "last_error": link.and_then(|link| link.last_error.as_ref()), "parked": link.and_then(|link| link.parked.as_ref()),
                "leave_teams_due": link.is_some_and(|link| link.leave_teams_due),
                "frozen": link.and_then(|link| link.frozen.as_ref())},
        }))
    }

    /// Names of all teams of an account, with or without a group.
    pub(super) fn team_names(&self, account: &provisioning::AccountId) -> Vec<&str> {
        let teams = self
            .state
            .teams_of(account)
            .filter_map(|team| self.state.team(team));
        teams.map(|team| team.name.as_str()).collect()
    }

    pub(super) fn nobody(&self, wanted: &str) -> String {
        format!(
            "nobody in the roster of {} has the id, user name or external id {wanted:?}; see `rollcall links`",
            self.org
        )
    }

    /// The manager that a source names but that cannot be set in Litmos yet: not in the roster, or without an account.
    fn awaited_manager(&self, person: &Person) -> Option<Value> {
        let DesiredManager::Reference(reference) = &person.manager else {
            return None;
        };
        let manager = self.state.referenced(reference);
        let waits = manager.is_none_or(|manager| self.state.account_for(manager).is_none());
        (person.wanted_active() && waits).then(|| json!({"reference": reference, "person": manager}))
    }

    pub(super) fn find(&self, wanted: &str) -> Option<&Revised<Person>> {
        let by_id = PersonId::parse(wanted).ok().and_then(|id| self.state.person(&id));
        by_id
            .or_else(|| self.state.referenced(wanted).and_then(|id| self.state.person(id)))
            .or_else(|| {
                let account = self.state.account_named(&NormalName::of(wanted))?;
                self.state
                    .owner_of(&account.id)
                    .and_then(|id| self.state.person(id))
            })
    }
}

/// True if an operation concerns this person: alone, or together with others.
pub(super) fn concerns(change: &Change, person: &PersonId) -> bool {
    let joins = matches!(change, Change::AddMembers { people, .. } if people.contains(person));
    let leaves = matches!(change, Change::RemoveMember { person: Some(member), .. } if member == person);
    let serves = matches!(change, Change::SetRole { person: member, .. } if member == person);
    joins || leaves || serves || change.subjects().contains(&Subject::Person(person.clone()))
}

fn wait_kind(reason: &WaitReason) -> &'static str {
    match reason {
        WaitReason::UnderWay => "under_way",
        WaitReason::RetryAt { .. } => "retry",
        WaitReason::FirstImport => "first_import",
        WaitReason::Parked(_) => "parked",
        WaitReason::SwitchedOff { .. } => "switched_off",
        WaitReason::Held { .. } => "held",
        WaitReason::ParentAwaited { .. } => "parent_awaited",
        WaitReason::NameAwaited { .. } => "name_awaited",
        WaitReason::ExtraMembers { .. } => "extra_members",
        WaitReason::Paused => "paused",
        WaitReason::Frozen => "frozen",
    }
}
