//! The command `rollcall`: runs everything in one process, and asks what runs.
//!
//! Exit codes: 0 done, 1 failed, 2 usage, 3 something waits for a person.

mod ask;
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
mod say;
mod service;
mod tokens;
mod undo;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Keeps the people and groups of your identity providers and the users and teams of Litmos the same.
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
    /// The settings file; every value can also be given as ROLLCALL_SECTION__KEY.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which org, if the settings have several.
    #[arg(long, global = true, value_name = "ID")]
    org: Option<String>,
    /// Answers as JSON, for scripts.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs all services in this process; with a nats-server of its own unless the settings name one.
    Up,
    /// Runs one service as a process of its own, on the nats-server that the settings name.
    Service(service::ServiceCommand),
    /// Rehearses with an invented company of 2,000 people and a simulated Litmos account.
    Demo(demo::Demo),
    /// Loads people and groups from a roster file (CSV or JSON), and says of every line what became of it.
    Load(load::Load),
    /// Reads users, teams and members from Litmos, and reports what is new, changed, gone, and whose it is.
    Import {
        /// What Litmos does not list any more is really gone, however much of it: somebody looked.
        #[arg(long)]
        accept_losses: bool,
    },
    /// Shows what would be done now: operations, calls, minutes, and what is held or parked.
    Plan,
    /// Performs exactly the plan of this hash, or the current one, and waits until it is done.
    Apply {
        /// Hash of the plan, as `rollcall plan` shows it.
        plan: Option<String>,
        /// Returns at once instead of waiting for the end.
        #[arg(long)]
        no_wait: bool,
    },
    /// Shows who is in, what is left to do, and what waits for a person.
    Status {
        /// Waits until nothing is left to do.
        #[arg(long)]
        wait: bool,
    },
    /// Shows what was done and when, and whether the forecasts held.
    Runs,
    /// Takes back what a run did: shows what that comes to, and does it with --yes.
    Undo(undo::Undo),
    /// Shows what waits for a person: who, which attribute, what Litmos said, what to do.
    Parked(parked::Parked),
    /// Tries again what is parked, once its cause is gone.
    Retry(parked::Retry),
    /// Approves what the safeguard holds back, bound to the hash that `rollcall plan` shows.
    Approve(parked::Approve),
    /// Lists events that could not be taken; shows, replays or drops them.
    DeadLetters(dead_letters::DeadLetters),
    /// Lists questions whether two records mean one person; shows both sides, takes the answer.
    Identity(identity::Identity),
    /// Cuts somebody off now, in front of everything else, and hands over the receipt.
    Leaver(leaver::Leaver),
    /// Tells one person's story: source, scope, match, plan, act, and what comes next.
    Explain(explain::Explain),
    /// Shows who is tied to which account and what is tied to nothing; exports, imports and mends ties.
    Links(links::Links),
    /// Shows how groups stand to their teams; pauses, resumes or pushes one.
    Groups(groups::Groups),
    /// Tests base URL, key and rights against Litmos, with at most two requests.
    TestCredentials,
    /// Shows the budget of requests: used, free, waiting, refused, and who spent it on what.
    Tokens(tokens::Tokens),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// Held or parked items remain.
    Waits,
    /// It did what it could, and the answer is no.
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
        Command::Import { accept_losses } => ask::import(&global, accept_losses).await,
        Command::Plan => plan::plan(&global).await,
        Command::Apply { plan, no_wait } => plan::apply(&global, plan.as_deref(), no_wait).await,
        Command::Status { wait } => ask::status(&global, wait).await,
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
        Command::TestCredentials => ask::test_credentials(&global).await,
        Command::Tokens(tokens) => tokens.run(&global).await,
    }
}
