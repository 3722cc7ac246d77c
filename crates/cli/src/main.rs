//! The command `rollcall`: runs all services in one process, and sends requests to running services.
//!
//! Exit codes: 0 done, 1 failed, 2 usage, 3 items wait for a person.

mod dead_letters;
mod demo;
mod explain;
mod groups;
mod identity;
mod leaver;
mod links;
mod load;
mod parked;
mod plan;
mod print;
mod service;
mod session;
mod tokens;
mod undo;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Keep the people and groups of your identity providers and the users and teams of Litmos the same.
#[derive(Debug, Parser)]
#[command(
    name = "rollcall",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 items wait for a person."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Global {
    /// Settings file. Every value can also be set as ROLLCALL_SECTION__KEY.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Org to use, if the settings have several.
    #[arg(long, global = true, value_name = "ID")]
    org: Option<String>,
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all services in this process. Starts its own nats-server unless the settings name one.
    Up,
    /// Run one service in its own process, with the nats-server named in the settings.
    Service(service::ServiceCommand),
    /// Run a demo: an invented company of 2,000 people and a simulated Litmos account.
    Demo(demo::Demo),
    /// Load people and groups from a roster file (CSV or JSON), and show the result of each line.
    Load(load::Load),
    /// Read users, teams and members from Litmos, and show what is new, changed, removed and linked.
    Import {
        /// Accept that everything missing from Litmos was really deleted.
        #[arg(long)]
        accept_losses: bool,
    },
    /// Show the pending plan: operations, calls, minutes, and what is held or parked.
    Plan,
    /// Perform the current plan, or only the plan with this hash, and wait until it is done.
    Apply {
        /// Hash of the plan, as `rollcall plan` shows it.
        plan: Option<String>,
        /// Return at once. Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
    /// Show people and groups, remaining work, and what waits for a person.
    Status {
        /// Wait until nothing is left to do.
        #[arg(long)]
        wait: bool,
    },
    /// Show past runs, and whether their forecasts were right.
    Runs,
    /// Undo a run. Shows what would change, and changes it with --yes.
    Undo(undo::Undo),
    /// Show what waits for a person: who, which attribute, the message of Litmos, what to do.
    Parked(parked::Parked),
    /// Retry parked items, after their cause is removed.
    Retry(parked::Retry),
    /// Approve changes held by the safeguard. Needs the hash that `rollcall plan` shows.
    Approve(parked::Approve),
    /// List events that could not be used. Show, replay or drop them.
    DeadLetters(dead_letters::DeadLetters),
    /// List questions about whether two records are the same person. Show both records, or answer.
    Identity(identity::Identity),
    /// Cut a person off now, before all other work, and print a receipt.
    Leaver(leaver::Leaver),
    /// Show one person's sync history and next steps.
    Explain(explain::Explain),
    /// Show which person is linked to which account, and what is not linked. Export, import or change links.
    Links(links::Links),
    /// Show groups and their teams. Pause, resume or push a group.
    Groups(groups::Groups),
    /// Check base URL, API key and permissions with Litmos. Sends at most two requests.
    TestCredentials,
    /// Show the request budget: used, free, waiting and refused requests, and what used them.
    Tokens(tokens::Tokens),
}

/// Result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// Held or parked items remain.
    Waits,
    /// The command did what it could, but the result is negative.
    Failed,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let one_thread = matches!(&cli.command, Command::Service(service) if service.needs_one_thread());
    let mut runtime = if one_thread {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rollcall: the process gets no threads: {error}; raise the limit of processes");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Ok(Ending::Waits) => ExitCode::from(3),
        Err(error) => {
            eprintln!("rollcall: {}", chassis::error_chain(error.as_ref()));
            ExitCode::from(1)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<Ending> {
    let global = cli.global;
    match cli.command {
        Command::Up => up::up(&global).await.map(|()| Ending::Done),
        Command::Service(service) => service.run(&global).await.map(|()| Ending::Done),
        Command::Demo(demo) => demo.run().await,
        Command::Load(load) => load.run(&global).await,
        Command::Import { accept_losses } => session::import(&global, accept_losses).await,
        Command::Plan => plan::plan(&global).await,
        Command::Apply { plan, no_wait } => plan::apply(&global, plan.as_deref(), no_wait).await,
        Command::Status { wait } => session::status(&global, wait).await,
        Command::Runs => plan::runs(&global).await,
        Command::Undo(undo) => undo.run(&global).await,
        Command::Parked(parked) => parked.run(&global).await,
        Command::Retry(retry) => retry.run(&global).await,
        Command::Approve(approve) => approve.run(&global).await,
        Command::DeadLetters(letters) => letters.run(&global).await,
        Command::Identity(identity) => identity.run(&global).await,
        Command::Leaver(leaver) => leaver.run(&global).await,
        Command::Explain(explain) => explain.run(&global).await,
        Command::Links(links) => links.run(&global).await,
        Command::Groups(groups) => groups.run(&global).await,
        Command::TestCredentials => session::test_credentials(&global).await,
        Command::Tokens(tokens) => tokens.run(&global).await,
    }
}
