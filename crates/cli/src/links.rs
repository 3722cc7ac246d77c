//! `rollcall links`: shows which person is linked to which account, shows what is not linked, and changes links.

mod file;
mod table;

use bus::{OperatorRequest, Service};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::session::CliSession;
use crate::{Ending, Global, groups, parked, print};
use table::{Row, Show};

/// Rows of one page of text output.
const PAGE: usize = 50;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Links {
    #[command(subcommand)]
    command: Option<LinksCommand>,
    /// Show only people whose ids or names contain this text.
    text: Option<String>,
    /// Show only people without an account.
    #[arg(long, group = "which")]
    unlinked: bool,
    /// Show only people who are parked.
    #[arg(long, group = "which")]
    parked: bool,
    /// Show only people who are cut off by an order.
    #[arg(long, group = "which")]
    frozen: bool,
    /// Show what is not linked: accounts without a person, accounts still to be matched, people without an account.
    #[arg(long, group = "which", conflicts_with = "export")]
    orphans: bool,
    /// Show groups and their teams instead.
    #[arg(long, conflicts_with_all = ["which", "export", "text"])]
    groups: bool,
    /// Page to show, from 1. `--json` and `--export` contain all pages.
    #[arg(long, value_name = "N", default_value_t = 1)]
    page: usize,
    /// Write the links to a CSV file. `rollcall links import` restores them from it after a rebuild.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum LinksCommand {
    /// Link a person to an account, even if the user names differ.
    Link {
        /// User name, id or external id.
        person: String,
        /// Id or user name of the account in Litmos.
        account: String,
    },
    /// Remove a person's link. The person is matched again by user name. Without a match, a new account is created.
    Unlink {
        /// User name, id or external id.
        person: String,
    },
    /// Create links from a file of `--export`. Finds people by external id or user name, and skips existing links.
    Import { file: PathBuf },
}

impl Links {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        match &self.command {
            Some(LinksCommand::Link { person, account }) => {
                link(global, &session, person, Some(account)).await
            }
            Some(LinksCommand::Unlink { person }) => link(global, &session, person, None).await,
            Some(LinksCommand::Import { file }) => file::import(global, &session, file).await,
            None => self.show(global, &session).await,
        }
    }

    async fn show(&self, global: &Global, session: &CliSession) -> anyhow::Result<Ending> {
        let state = pusher::state(&session.bus, &session.org).await;
        if self.groups {
            let answer = json!({"org": session.org, "groups": groups::list(&state)});
            print::answer(global.json, &answer, groups::render);
            return Ok(Ending::Done);
        }
        if self.orphans {
            let orphans = table::orphans(&state);
            print::answer(global.json, &json!(orphans), |_| orphans.to_text());
            return Ok(Ending::Done);
        }
        let show = match (self.unlinked, self.parked, self.frozen) {
            (true, ..) => Show::Unlinked,
            (_, true, _) => Show::Parked,
            (.., true) => Show::Frozen,
            (false, false, false) => Show::All,
        };
        let rows = table::rows(&state, show, self.text.as_deref());
        if let Some(path) = &self.export {
            let bytes = file::export(&rows)?;
            std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
            let answer = json!({"org": session.org, "file": path, "people": rows.len()});
            print::answer(global.json, &answer, |_| {
                format!("{} people are in {}", rows.len(), path.display())
            });
            return Ok(Ending::Done);
        }
        let answer = json!({"org": session.org, "people": rows});
        print::answer(global.json, &answer, |_| self.page(&rows));
        Ok(Ending::Done)
    }

    fn page(&self, rows: &[Row]) -> String {
        let page = self.page.max(1);
        let mut lines: Vec<String> = rows
            .iter()
            .skip((page - 1) * PAGE)
            .take(PAGE)
            .map(Row::to_text)
            .collect();
        let pages = rows.len().div_ceil(PAGE).max(1);
        lines.push(match (rows.len(), pages) {
            (0, _) => "nobody".to_owned(),
            (many, 1) => print::count(many as u64, "person", "people"),
            (many, pages) => format!(
                "{many} people; page {page} of {pages}, the next with --page {}",
                page + 1
            ),
        });
        lines.join("\n")
    }
}

async fn link(
    global: &Global,
    session: &CliSession,
    person: &str,
    account: Option<&str>,
) -> anyhow::Result<Ending> {
    let order = OperatorRequest::Link {
        person: person.to_owned(),
        account: account.map(str::to_owned),
        by: parked::by(),
    };
    let linked = session.request(Service::Pusher, order).await?;
    print::answer(global.json, &linked, render);
    Ok(Ending::Done)
}

fn render(linked: &Value) -> String {
    let before = match linked["before"].as_str() {
        Some(before) => format!("; before it was account {before}"),
        None => String::new(),
    };
    match linked["account"].as_str() {
        Some(account) => format!(
            "person {} is linked to account {account}{before}",
            print::text(linked, "person")
        ),
        None => format!(
            "person {} is linked to no account{before}",
            print::text(linked, "person")
        ),
    }
}
