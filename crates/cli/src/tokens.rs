//! `rollcall tokens`: the budget, what used it, and which limit would be enough.

mod accounts;
mod advice;

use bus::{OperatorRequest, Service};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use rate_tokens::{Class, Status};
use serde_json::json;

use crate::session::CliSession;
use crate::{Ending, Global, print};
use accounts::Accounts;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    command: Option<TokensCommand>,
    /// Repeat every second.
    #[arg(long)]
    watch: bool,
    /// Group requests by.
    #[arg(long, value_enum, default_value_t = By::Service)]
    by: By,
    /// Count only the requests of the last N minutes.
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    /// Advise which limit to request from Litmos Support, based on the pending plan and past requests.
    Advise {
        /// Minutes within which a full load must finish.
        #[arg(long, default_value_t = 60)]
        within_minutes: u32,
    },
}

/// How requests are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Service,
    Class,
    Operation,
    Person,
}

impl Tokens {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        match self.command {
            Some(TokensCommand::Advise { within_minutes }) => advise(global, &session, within_minutes).await,
            None => self.show(global, &session).await,
        }
    }

    async fn show(&self, global: &Global, session: &CliSession) -> anyhow::Result<Ending> {
        let tokens = session.bus.tokens(chassis::clock::now_ms);
        loop {
            let mut all = tokens.status(Some(&session.org)).await?;
            let budget = all["orgs"][session.org.as_str()].take();
            if budget.is_null() {
                anyhow::bail!(
                    "the governor is not ready for org {} yet; try again in a moment, or look into its log",
                    session.org
                );
            }
            let status: Status = serde_json::from_value(budget.clone())?;
            let since = self.minutes.map_or(0, |minutes| {
                chassis::clock::unix_ms().saturating_sub(minutes * 60_000)
            });
            let calls = session.bus.journal_calls(&session.org).await?;
            let accounts = Accounts::of(calls.iter().filter(|call| call.started_at_ms >= since), &status);
            let answer = json!({
                "org": session.org,
                "requests_per_minute": session.org()?.per_minute(),
                "governor": all["governor"],
                "budget": budget,
                "accounts": accounts,
            });
            if self.watch && !global.json {
                // Moves the cursor to the start and clears the screen.
                print!("\x1b[H\x1b[2J");
            }
            print::answer(global.json, &answer, |_| {
                let mut lines = vec![budget_lines(session.org.as_str(), &status)];
                lines.push(accounts.to_text(match self.by {
                    By::Service => &accounts.by_service,
                    By::Class => &accounts.by_class,
                    By::Operation => &accounts.by_operation,
                    By::Person => &accounts.by_person,
                }));
                lines.join("\n")
            });
            if !self.watch {
                return Ok(Ending::Done);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn budget_lines(org: &str, status: &Status) -> String {
    let mut lines = vec![format!(
        "{org}: {} of {} tokens free, {} held, {} cooling; answers take {} ms",
        status.free, status.working_limit, status.held, status.cooling, status.report_delay_ms,
    )];
    if status.others > 0 {
        lines.push(format!(
            "others use about {} of the {} requests; {} are ours until it is quiet again",
            status.others, status.limit, status.working_limit
        ));
    }
    if status.working_limit > status.limit {
        lines.push(format!(
            "Litmos was seen to allow {}, more than the {} of the settings",
            status.working_limit, status.limit
        ));
    }
    if status.stretch > 0 {
        lines.push(format!(
            "Litmos refused within the limit: grants are spread wider by {} step(s)",
            status.stretch
        ));
    }
    if let Some(closed) = status.closed_for_ms {
        lines.push(format!(
            "nothing is granted for {}",
            print::duration(closed as f64 / 1_000.0)
        ));
    }
    for class in Class::ALL {
        let counts = status.classes.get(class);
        lines.push(format!(
            "  {:<12} {:>5} waiting {:>7} granted {:>7} answered {:>4} refused {:>4} without answer {:>5} unused {:>4} expired",
            class.as_str(),
            counts.waiting,
            counts.granted,
            counts.answered,
            counts.refused,
            counts.unknown,
            counts.unused,
            counts.expired,
        ));
    }
    lines.join("\n")
}

async fn advise(global: &Global, session: &CliSession, within_minutes: u32) -> anyhow::Result<Ending> {
    let plan = session
        .request(Service::Pusher, OperatorRequest::Plan { start: 0 })
        .await?;
    let status = session.request(Service::Pusher, OperatorRequest::Status).await?;
    let calls = session.bus.journal_calls(&session.org).await?;
    let now = chassis::clock::unix_ms();
    let advice = advice::Advice::new(&advice::Facts {
        limit: session.org()?.budget().tokens(),
        waiting: print::number(&plan, "calls"),
        people: print::number(&status, "people"),
        groups: print::number(&status, "groups"),
        busiest_hour: advice::busiest_hour(calls.iter().map(|call| call.started_at_ms), now),
        within_minutes,
    });
    print::answer(global.json, &json!(advice), |_| {
        advice.to_text(session.org.as_str())
    });
    Ok(Ending::Done)
}
