//! `rollcall leaver PERSON`: cuts a person off now, waits for the result, and prints a receipt.

use std::time::Duration;

use bus::{CallRecord, OperatorRequest, Service};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::session::CliSession;
use crate::{Ending, Global, parked, print};

/// Time between two checks of the account.
const LOOK: Duration = Duration::from_millis(100);

/// Longest wait, after the cut-off, for the person to leave all teams and for the journal. The receipt may lack both.
const REST: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(crate) struct Leaver {
    /// User name, id or external id.
    person: String,
    /// Withdraw the order. The sources decide again.
    #[arg(long)]
    lift: bool,
    /// Seconds to wait for the cut-off. The order stays in force after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    within: u64,
}

impl Leaver {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let patience = Duration::from_secs(self.within.max(1));
        let deadline = Instant::now() + patience;
        let before = session
            .request(
                Service::Pusher,
                OperatorRequest::Explain {
                    person: self.person.clone(),
                },
            )
            .await?;
        let order = OperatorRequest::Leaver {
            person: print::text(&before, "person").to_owned(),
            lift: self.lift,
            by: parked::by(),
        };
        let ordered = session.request_within(patience, Service::Pusher, order).await?;
        if self.lift {
            print::answer(global.json, &ordered, |_| {
                format!(
                    "the order about {} is taken back; its sources want the person {}",
                    print::text(&before, "user_name"),
                    match print::flag(&before["source"], "wanted_active") {
                        true => "active: that is what happens next",
                        false => "inactive all the same",
                    }
                )
            });
            return Ok(Ending::Done);
        }
        let story = cut_off(&session, &ordered, deadline).await?;
        let request = match story["match"]["active"].as_bool() {
            Some(false) => request(&session, &ordered).await?,
            Some(true) | None => None,
        };
        let receipt = receipt(&ordered, &story, request);
        print::answer(global.json, &receipt, render);
        Ok(match print::text(&receipt, "outcome") {
            "not_yet" => Ending::Failed,
            _ => Ending::Done,
        })
    }
}

fn active(story: &Value) -> bool {
    print::flag(&story["match"], "active")
}

/// Waits until the account is inactive and has left its teams, or the time is over.
async fn cut_off(session: &CliSession, ordered: &Value, deadline: Instant) -> anyhow::Result<Value> {
    let mut rest = None;
    loop {
        let story = session
            .request(
                Service::Pusher,
                OperatorRequest::Explain {
                    person: print::text(ordered, "person").to_owned(),
                },
            )
            .await?;
        if !active(&story) {
            let until = *rest.get_or_insert(Instant::now() + REST);
            let teams = print::list(&story["match"]["teams"]);
            if teams.is_empty() || Instant::now() > until {
                return Ok(story);
            }
        }
        if Instant::now() > deadline {
            return Ok(story);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Finds the request that cut the person off: the last successful write, sent after the order if possible.
async fn request(session: &CliSession, ordered: &Value) -> anyhow::Result<Option<CallRecord>> {
    let subject = format!("person/{}", print::text(ordered, "person"));
    let since = print::number(ordered, "ordered_at_ms");
    let was_active = ordered["active"] != false;
    let until = Instant::now() + REST;
    loop {
        let calls = session.bus.journal_calls(&session.org).await?;
        let cut = calls.into_iter().rev().find(|call| {
            call.kind == "cut-off"
                && call.method != "GET"
                && call.outcome == "done"
                && call.subjects.contains(&subject)
        });
        let fresh = cut.as_ref().is_some_and(|call| call.started_at_ms >= since);
        if fresh || !was_active || Instant::now() > until {
            return Ok(cut);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn receipt(ordered: &Value, story: &Value, request: Option<CallRecord>) -> Value {
    let outcome = match (story["match"]["account"].is_null(), active(story)) {
        (true, _) => "no_account",
        (false, true) => "not_yet",
        (false, false) if ordered["active"] == false => "already_inactive",
        (false, false) => "cut_off",
    };
    let ordered_at = print::number(ordered, "ordered_at_ms");
    let cut_at = request.as_ref().map(|call| call.started_at_ms + call.duration_ms);
    let seconds = cut_at.map(|at| (at as f64 - ordered_at as f64) / 1_000.0);
    let teams = print::list(&story["match"]["teams"]);
    let left: Vec<&Value> = print::list(&ordered["teams"])
        .iter()
        .filter(|team| !teams.contains(team))
        .collect();
    let joins: Vec<String> = print::list(&story["scope"]["groups"])
        .iter()
        .filter(|group| print::flag(group, "wanted") && !print::flag(group, "in_team"))
        .map(|group| print::text(group, "group").to_owned())
        .collect();
    json!({
        "org": ordered["org"], "outcome": outcome, "person": ordered["person"], "user_name": story["user_name"],
        "account": story["match"]["account"], "account_user_name": story["match"]["user_name"],
        "ordered_at_ms": ordered_at, "by": story["act"]["frozen"]["by"], "cut_off_at_ms": cut_at,
        "seconds": seconds.filter(|_| outcome == "cut_off"),
        "request": request.map(|call| json!({"method": call.method, "path": call.path, "status": call.status,
            "permit": call.permit, "trace": call.trace})),
        "teams_left": left, "teams_still_to_leave": teams,
        "frozen": ordered["stopped"], "groups_not_joined": joins,
        "plan": story["plan"], "act": story["act"],
    })
}

fn render(receipt: &Value) -> String {
    let who = format!(
        "{} ({})",
        print::text(receipt, "user_name"),
        print::text(receipt, "person")
    );
    let account = format!(
        "account {} ({})",
        print::text(receipt, "account"),
        print::text(receipt, "account_user_name")
    );
    let mut lines = vec![match print::text(receipt, "outcome") {
        "no_account" => format!("{who}: Litmos has no account to cut off; none will be made"),
        "already_inactive" => format!("{who}: {account} was inactive already, and stays so"),
        "not_yet" => format!("{who}: {account} is NOT cut off yet; the order stands and goes on"),
        _ => format!("{who}: {account} is cut off"),
    }];
    lines.push(format!(
        "  ordered     {} by {}",
        print::moment(print::number(receipt, "ordered_at_ms")),
        print::text(receipt, "by")
    ));
    if let Some(at) = receipt["cut_off_at_ms"].as_u64() {
        let after = match receipt["seconds"].as_f64() {
            Some(seconds) => format!(", {seconds:.1} s after the order"),
            None => String::new(),
        };
        lines.push(format!("  cut off     {}{after}", print::moment(at)));
    }
    let request = &receipt["request"];
    if request.is_object() {
        lines.push(format!(
            "  request     {} {} -> {}, permit {}, {}",
            print::text(request, "method"),
            print::text(request, "path"),
            print::number(request, "status"),
            print::text(request, "permit"),
            match print::text(request, "trace") {
                "" => "no trace, for the settings name no [telemetry] otlp_endpoint".to_owned(),
                trace => format!("trace {trace}"),
            },
        ));
    }
    let named = [
        ("  teams left  ", "teams_left"),
        ("  still in    ", "teams_still_to_leave"),
        ("  frozen      ", "frozen"),
        ("  not joined  ", "groups_not_joined"),
    ];
    for (title, name) in named {
        if !print::list(&receipt[name]).is_empty() {
            lines.push(format!("{title}{}", print::names(&receipt[name])));
        }
    }
    if receipt["outcome"] == "not_yet" {
        lines.push(format!("  where it stands: {}", standing(receipt)));
    }
    lines.push(format!(
        "  take it back with: rollcall leaver {} --lift",
        print::text(receipt, "person")
    ));
    lines.join("\n")
}

/// Returns why the person is not cut off yet.
fn standing(receipt: &Value) -> String {
    let (plan, act) = (&receipt["plan"], &receipt["act"]);
    if print::flag(act, "under_way") {
        return "a request is under way".to_owned();
    }
    if act["parked"].is_object() {
        let parked = &act["parked"];
        return format!(
            "{}. {}",
            print::text(parked, "message"),
            print::text(parked, "remedy")
        );
    }
    if let Some(why) = plan["waits_message"].as_str() {
        return why.to_owned();
    }
    match print::names(&plan["operations"]) {
        planned if planned.is_empty() => "nothing is planned; see rollcall status".to_owned(),
        planned => format!("{planned} waits for a token; see rollcall tokens"),
    }
}
