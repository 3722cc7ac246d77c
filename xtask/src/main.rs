//! Project tasks: `cargo xtask tools | demo | test | soak | bench`.
//!
//! Programs that the machine lacks are installed into `.tools/`. Nothing is installed outside the checkout.

mod peers;
mod scim_peers;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs missing programs into .tools: nats-server and cargo-deny.
    Tools,
    /// Builds and runs the demo: syncs an invented company to a simulated Litmos.
    Demo {
        /// Arguments for `rollcall demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs all checks of CI.
    Test {
        /// Run only these steps: fmt, clippy, doc, deny, unused, test.
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
    },
    /// Runs tests that take too long for CI: tens of thousands of schedules and failovers, minutes of kills and
    /// freezes, and minutes of random writes that are checked to be linearizable.
    Soak {
        /// Duration of each part whose length can be chosen, in minutes.
        #[arg(long, default_value_t = 10)]
        minutes: u32,
        /// Run only these parts: schedules, failover, processes, linearizable, limit.
        #[arg(long, value_name = "PART")]
        only: Vec<String>,
    },
    /// Runs benches in release builds. Without arguments: planner, governor, failover and scim. `limit` takes ten
    /// minutes. `peers` needs redis-server and Node; `peers 5` measures only variants that are synced to disk, with 64
    /// and 256 in flight, alternates between both sides five times, and prints medians. `scim-peers` needs Python and
    /// Node; for a quick run use `scim-peers --people 2000 --seconds 2 --large 0`.
    Bench {
        /// Benches to run, and their arguments: planner, governor, failover, scim, scale, load, limit, peers,
        /// scim-peers.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_owned(), Path::to_owned)
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Tools => {
            println!("nats-server: {}", tools::nats_server()?.display());
            println!("cargo-deny:  {}", tools::cargo_deny()?.display());
            Ok(())
        }
        Task::Demo { arguments } => demo(&arguments),
        Task::Test { only } => test(&only),
        Task::Soak { minutes, only } => soak(minutes, &only),
        Task::Bench { arguments } => {
            let nats = tools::nats_server()?;
            let has = |part: &str| arguments.iter().any(|argument| argument == part);
            // The benches run these binaries. One build makes both the binaries and the bench, so that all use the same
            // features.
            succeed(
                cargo()
                    .args(["build", "--release", "--bins", "--bench", "rollcall"])
                    .args(MEASURED),
            )?;
            if has("peers") {
                let rounds = arguments.iter().find_map(|part| part.parse().ok());
                return rounds.map_or_else(|| peers::compare(&nats), |rounds| peers::duel(&nats, rounds));
            }
            let mut bench = cargo();
            bench
                .args(["bench", "--bench", "rollcall"])
                .args(MEASURED)
                .arg("--")
                .args(&arguments);
            if has("scim-peers") {
                bench.env("ROLLCALL_SCIM_PEERS", scim_peers::install()?);
            }
            succeed(bench.env("ROLLCALL_NATS_SERVER", nats))
        }
    }
}

/// Part, package and test name of each long test.
const SOAKS: [(&str, &str, &str); 5] = [
    ("schedules", "rate-tokens", "soak_of_schedules"),
    ("failover", "rate-tokens", "soak_of_failover"),
    ("processes", "rollcall-tests", "ten_minutes_of_kills_and_freezes"),
    ("linearizable", "rollcall-tests", "soak_of_linearizability"),
    ("limit", "rollcall-tests", "soak_at_a_hundred_a_minute"),
];

fn soak(minutes: u32, only: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = only
        .iter()
        .find(|part| SOAKS.iter().all(|(name, ..)| name != part))
    {
        let parts: Vec<&str> = SOAKS.iter().map(|(name, ..)| *name).collect();
        bail!("{unknown} is no part of the soak; there are {}", parts.join(", "));
    }
    let nats = tools::nats_server()?;
    succeed(cargo().args(["build", "--workspace", "--bins"]))?;
    for (part, package, test) in SOAKS {
        if only.is_empty() || only.iter().any(|wanted| wanted == part) {
            let mut run = cargo();
            run.args([
                "test",
                "--package",
                package,
                "--test",
                "it",
                test,
                "--",
                "--ignored",
                "--nocapture",
            ]);
            run.env("ROLLCALL_NATS_SERVER", &nats)
                .env("ROLLCALL_SOAK_MINUTES", minutes.to_string());
            succeed(&mut run)?;
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    if !status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = tools::metadata()?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .context("cargo metadata names no target directory")
}

/// Packages that are built for a bench.
const MEASURED: [&str; 6] = [
    "--package",
    "cli",
    "--package",
    "litmos-simulator",
    "--package",
    "rollcall-tests",
];

fn demo(arguments: &[String]) -> anyhow::Result<()> {
    let nats = tools::nats_server()?;
    succeed(cargo().args(["build", "--bin", "rollcall", "--bin", "litmos-simulator"]))?;
    let rollcall = target_directory()?.join("debug/rollcall");
    let status = Command::new(rollcall)
        .arg("demo")
        .args(arguments)
        .env("ROLLCALL_NATS_SERVER", nats)
        .status()?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => std::process::exit(code),
        None => bail!("the demo ended with {status}"),
    }
}

type Step = (&'static str, fn() -> anyhow::Result<()>);

fn test(only: &[String]) -> anyhow::Result<()> {
    let steps: [Step; 6] = [
        ("fmt", || succeed(cargo().args(["fmt", "--all", "--check"]))),
        ("clippy", || {
            succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
        }),
        ("doc", || {
            succeed(
                cargo()
                    .args(["doc", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            )
        }),
        ("deny", || {
            // cargo-deny checks the crates of every platform; a build fetches only those of its own platform.
            succeed(cargo().args(["fetch", "--locked"]))?;
            let mut deny = Command::new(tools::cargo_deny()?);
            deny.current_dir(root())
                .args(["--offline", "check", "bans", "licenses", "sources"]);
            succeed(&mut deny)
        }),
        ("unused", unused),
        ("test", || {
            let nats = tools::nats_server()?;
            // The story tests run these binaries.
            succeed(cargo().args(["build", "--workspace", "--bins"]))?;
            succeed(
                cargo()
                    .args(["test", "--workspace"])
                    .env("ROLLCALL_NATS_SERVER", nats),
            )
        }),
    ];
    if let Some(unknown) = only
        .iter()
        .find(|name| !steps.iter().any(|(step, _)| step == name))
    {
        bail!("there is no step {unknown:?}; there are fmt, clippy, doc, deny, unused and test");
    }
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in steps
        .into_iter()
        .filter(|(name, _)| only.is_empty() || only.iter().any(|only| only == name))
    {
        eprintln!("== {name}");
        let started = Instant::now();
        let result = step();
        times.push((name, started.elapsed()));
        if let Err(error) = result {
            report(&times);
            return Err(error.context(format!("step {name} failed")));
        }
    }
    report(&times);
    Ok(())
}

/// Fails if a manifest names a dependency that no source file uses.
fn unused() -> anyhow::Result<()> {
    let mut machete = Command::new(tools::cargo_machete()?);
    machete
        .current_dir(root())
        .args(["crates", "services", "tests", "xtask"]);
    succeed(&mut machete)
}

fn report(times: &[(&str, Duration)]) {
    for (name, time) in times {
        eprintln!("{name:<8} {:>6.1} s", time.as_secs_f64());
    }
}
