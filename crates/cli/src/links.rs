//! `rollcall links`: who is tied to which account, what is tied to nothing, and how to mend it.

mod file;
mod table;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::ask::CliSession;
use crate::{Ending, Global, groups, parked, say};
use table::{Row, Show};

/// Rows of one page for people.
const PAGE: usize = 50;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Links {
    #[command(subcommand)]
    mend: Option<Mend>,
    /// Only people in whose ids or names this text is found.
    text: Option<String>,
    /// Only people without an account.
    #[arg(long, group = "which")]
    unlinked: bool,
    /// Only people who wait for somebody.
    #[arg(long, group = "which")]
    parked: bool,
    /// Only people whom an order keeps cut off.
    #[arg(long, group = "which")]
    frozen: bool,
    /// What is tied to nothing: accounts that no person answers to, accounts still to be matched, people without one.
    #[arg(long, group = "which", conflicts_with = "export")]
    orphans: bool,
    /// Groups and their teams instead.
    #[arg(long, conflicts_with_all = ["which", "export", "text"])]
    groups: bool,
    /// Which page, from 1; `--json` and `--export` have all.
    #[arg(long, value_name = "N", default_value_t = 1)]
    page: usize,
    /// Writes the ties to a CSV file, from which `rollcall links import` restores them in a rebuilt Rollcall.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Mend {
    /// Ties a person to an account, whatever the names say.
    Link {
        /// User name, id or external id.
        person: String,
        /// Id or user name of the account in Litmos.
        account: String,
    },
    /// Ends a person's tie. They are matched anew by user name; if nothing matches they get an account of their own.
    Unlink {
        /// User name, id or external id.
        person: String,
    },
    /// Ties people as a file of `--export` says, by external id or user name; what is tied so already is left alone.
    Import { file: PathBuf },
}

impl Links {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        match &self.mend {
            Some(Mend::Link { person, account }) => link(global, &session, person, Some(account)).await,
            Some(Mend::Unlink { person }) => link(global, &session, person, None).await,
            Some(Mend::Import { file }) => file::import(global, &session, file).await,
            None => self.show(global, &session).await,
        }
    }

    async fn show(&self, global: &Global, session: &CliSession) -> anyhow::Result<Ending> {
        let state = pusher::state(&session.bus, &session.org).await;
        if self.groups {
            let answer = json!({"org": session.org, "groups": groups::list(&state)});
            say::answer(global.json, &answer, groups::render);
            return Ok(Ending::Done);
        }
        if self.orphans {
            let orphans = table::orphans(&state);
            say::answer(global.json, &json!(orphans), |_| orphans.to_text());
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
            say::answer(global.json, &answer, |_| {
                format!("{} people are in {}", rows.len(), path.display())
            });
            return Ok(Ending::Done);
        }
        let answer = json!({"org": session.org, "people": rows});
        say::answer(global.json, &answer, |_| self.page(&rows));
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
            (many, 1) => say::count(many as u64, "person", "people"),
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
    let order = json!({"person": person, "account": account, "by": parked::by()});
    let tied = session.ask("pusher", "link", order).await?;
    say::answer(global.json, &tied, render);
    Ok(Ending::Done)
}

fn render(tied: &Value) -> String {
    let before = match tied["before"].as_str() {
        Some(before) => format!("; before it was account {before}"),
        None => String::new(),
    };
    match tied["account"].as_str() {
        Some(account) => format!(
            "person {} is tied to account {account}{before}",
            say::text(tied, "person")
        ),
        None => format!(
            "person {} is tied to no account{before}",
            say::text(tied, "person")
        ),
    }
}
