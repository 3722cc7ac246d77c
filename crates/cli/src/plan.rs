//! `rollcall plan`, `apply` and `runs`: shows the plan, performs it, and shows past runs.

use bus::{OperatorRequest, Service};
use serde_json::Value;

use crate::session::{self, CliSession, page_start};
use crate::{Ending, Global, print};

/// Most attempts to read all pages of a plan. A new attempt starts when the plan changes between two pages.
const READS: usize = 5;

pub(crate) async fn plan(global: &Global) -> anyhow::Result<Ending> {
    let session = CliSession::open(global).await?;
    let plan = if global.json {
        whole(&session).await?
    } else {
        session
            .request(Service::Pusher, OperatorRequest::Plan { start: 0 })
            .await?
    };
    print::answer(global.json, &plan, print::plan);
    Ok(session::ending(&plan))
}

/// Returns the plan with all its operations and all held changes. All pages are of the same plan.
pub(crate) async fn whole(session: &CliSession) -> anyhow::Result<Value> {
    for _ in 0..READS {
        let mut plan = session
            .request(Service::Pusher, OperatorRequest::Plan { start: 0 })
            .await?;
        let all = print::number(&plan, "operations").max(print::number(&plan["held"], "changes"));
        let mut read = page_size(&plan);
        while read < all {
            let page = session
                .request(
                    Service::Pusher,
                    OperatorRequest::Plan {
                        start: page_start(read),
                    },
                )
                .await?;
            let same = page["hash"] == plan["hash"] && page["held"]["hash"] == plan["held"]["hash"];
            if !same {
                break;
            }
            read += page_size(&page).max(1);
            append(&mut plan["lines"], &page["lines"]);
            let kinds = plan["held"]["kinds"].as_array_mut().into_iter().flatten();
            for (kind, more) in kinds.zip(print::list(&page["held"]["kinds"])) {
                append(&mut kind["items"], &more["items"]);
            }
        }
        if read >= all {
            return Ok(plan);
        }
    }
    anyhow::bail!("the plan changes faster than it can be read: it is being performed; ask again in a moment")
}

/// Number of items to skip to reach the next page. A full page has as many operations as held changes.
fn page_size(page: &Value) -> u64 {
    let held: usize = print::list(&page["held"]["kinds"])
        .iter()
        .map(|kind| print::list(&kind["items"]).len())
        .sum();
    held.max(print::list(&page["lines"]).len()) as u64
}

fn append(to: &mut Value, more: &Value) {
    if let Some(items) = to.as_array_mut() {
        items.extend(print::list(more).iter().cloned());
    }
}

pub(crate) async fn apply(global: &Global, plan: Option<&str>, no_wait: bool) -> anyhow::Result<Ending> {
    let session = CliSession::open(global).await?;
    let applied = session
        .request(
            Service::Pusher,
            OperatorRequest::Apply {
                plan: plan.map(str::to_owned),
            },
        )
        .await?;
    let operations = print::number(&applied, "operations");
    if no_wait {
        print::answer(global.json, &applied, |applied| {
            format!("performing plan {}", print::text(applied, "applied"))
        });
        return Ok(Ending::Done);
    }
    if !global.json && operations > 0 {
        let forecast = print::forecast(&applied["forecast"]);
        println!(
            "performing plan {}: {}, {}\n{}",
            print::text(&applied, "applied"),
            print::count(operations, "operation", "operations"),
            print::count(print::number(&applied, "calls"), "call", "calls"),
            forecast.join("\n"),
        );
    }
    report(&session, global.json).await
}

/// Waits until nothing is left to do, then prints the status and compares the run with its forecast.
pub(crate) async fn report(session: &CliSession, json: bool) -> anyhow::Result<Ending> {
    let (mut status, ending) = session::wait_quietly(session, json).await?;
    let runs = session.request(Service::Pusher, OperatorRequest::Runs).await?;
    status["run"] = print::list(&runs["runs"]).first().cloned().unwrap_or_default();
    print::answer(json, &status, |status| {
        let run = (!status["run"].is_null()).then(|| print::last_run(&status["run"]));
        let lines = run.into_iter().chain([print::status(status)]);
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(ending)
}

pub(crate) async fn runs(global: &Global) -> anyhow::Result<Ending> {
    let session = CliSession::open(global).await?;
    let runs = session.request(Service::Pusher, OperatorRequest::Runs).await?;
    print::answer(global.json, &runs, print::runs);
    Ok(Ending::Done)
}
