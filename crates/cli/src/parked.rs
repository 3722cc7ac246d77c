//! `rollcall parked`, `retry` and `approve`: shows what waits for a person, and sends the person's decision.

use bus::{OperatorRequest, RetryTarget, Service};
use clap::Args;
use serde_json::Value;

use crate::session::{self, CliSession, page_start};
use crate::{Ending, Global, plan, print};

/// Number of items shown without `--all`.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(crate) struct Parked {
    /// Show all parked items.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Retry {
    /// Person to retry: user name, id or external id.
    #[arg(group = "what")]
    person: Option<String>,
    /// Retry this group: name or id.
    #[arg(long, group = "what")]
    group: Option<String>,
    /// Retry everything that is parked or waits after a failure.
    #[arg(long, group = "what")]
    all: bool,
    /// Wait until nothing is left to do.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// Hash of the held changes, as `rollcall plan` shows it.
    hash: String,
    /// Approve only the changes of these people or groups. Can be given several times.
    #[arg(long, value_name = "ID", num_args = 1..)]
    only: Vec<String>,
    /// Wait until nothing is left to do.
    #[arg(long)]
    wait: bool,
}

/// Name of the person who gives an order. It is recorded.
pub(crate) fn by() -> String {
    let named = ["ROLLCALL_BY", "USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    named.unwrap_or_else(|| "the command line".to_owned())
}

impl Parked {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let mut parked = session
            .request(Service::Pusher, OperatorRequest::Parked { start: 0 })
            .await?;
        let total = print::number(&parked, "total");
        if self.all || global.json {
            let mut items = take_items(&mut parked);
            while (items.len() as u64) < total {
                let mut page = session
                    .request(
                        Service::Pusher,
                        OperatorRequest::Parked {
                            start: page_start(items.len()),
                        },
                    )
                    .await?;
                let more = take_items(&mut page);
                if more.is_empty() {
                    break;
                }
                items.extend(more);
            }
            parked["items"] = items.into();
        } else if let Some(items) = parked["items"].as_array_mut() {
            items.truncate(SHOWN);
        }
        print::answer(global.json, &parked, print::parked);
        Ok(session::ending(&parked))
    }
}

fn take_items(page: &mut Value) -> Vec<Value> {
    match page["items"].take() {
        Value::Array(items) => items,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    }
}

impl Retry {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let target = match (&self.person, &self.group) {
            (Some(person), _) => RetryTarget::Person(person.clone()),
            (None, Some(group)) => RetryTarget::Group(group.clone()),
            (None, None) if self.all => RetryTarget::All,
            (None, None) => anyhow::bail!("nothing is named to retry; name a person, --group or --all"),
        };
        let order = OperatorRequest::Retry { target, by: by() };
        let retried = session.request(Service::Pusher, order).await?;
        if self.wait {
            return plan::report(&session, global.json).await;
        }
        print::answer(global.json, &retried, |retried| {
            let tried = print::count(print::number(retried, "retried"), "item is", "items are");
            format!("{tried} tried again; see: rollcall status")
        });
        Ok(Ending::Done)
    }
}

impl Approve {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let order = OperatorRequest::Approve {
            plan: self.hash.clone(),
            only: self.only.clone(),
            by: by(),
        };
        let approved = session.request(Service::Pusher, order).await?;
        if !self.wait || !global.json {
            print::answer(global.json, &approved, render);
        }
        if self.wait {
            return plan::report(&session, global.json).await;
        }
        Ok(Ending::Done)
    }
}

fn render(approved: &Value) -> String {
    let (changes, items) = (
        print::number(approved, "changes"),
        print::list(&approved["items"]),
    );
    let minutes =
        print::number(approved, "expires_at_ms").saturating_sub(print::number(approved, "at_ms")) / 60_000;
    let mut lines = vec![format!(
        "approved {} by {}, for {} (until {}); what is not done by then is held again",
        print::count(changes, "change", "changes"),
        print::text(approved, "by"),
        print::count(minutes, "minute", "minutes"),
        print::moment(print::number(approved, "expires_at_ms")),
    )];
    let labels = items.iter().filter_map(Value::as_str);
    lines.extend(labels.take(SHOWN).map(|label| format!("  - {label}")));
    if changes > SHOWN as u64 {
        lines.push(format!("  - and {} more", changes - SHOWN as u64));
    }
    lines.join("\n")
}
