//! `litmos-simulator`: a simulated Litmos account on a local port, for rehearsals.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use litmos_simulator::{KeyForm, Modes, RuleForm, Settings, Simulator, Window};
use tokio::signal::unix::{SignalKind, signal};

/// Simulate a Litmos account: its REST API under /v1.svc, its request limit, its faults, and a log of every request.
/// Use it to rehearse a rollout before it affects real learners. Everything is kept in memory.
#[derive(Parser)]
#[command(name = "litmos-simulator", version, after_long_help = AFTER_HELP)]
struct Arguments {
    /// Address to listen on. Port 0 chooses a free port; the first output line shows it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,

    /// API key of the account's owner
    #[arg(
        long,
        value_name = "KEY",
        env = "LITMOS_SIMULATOR_API_KEY",
        hide_env_values = true
    )]
    api_key: String,

    /// Add an API key, owned by a user with this access level (such as Administrator). Can be given several times
    #[arg(long, value_name = "LEVEL=KEY")]
    other_key: Vec<KeyForm>,

    /// Requests per window
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    /// Kind of window for the limit
    #[arg(long, value_enum, default_value_t = Window::Rolling)]
    window: Window,

    /// Length of the window in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    window_ms: u64,

    /// Write one JSON line per request to this file. An existing file is replaced
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Seed for ids, invented people and faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Number of invented people at the start, in addition to the key's owner (at most 200,000)
    #[arg(long, value_name = "N", default_value_t = 0)]
    users: usize,

    /// Set a mode: how the account behaves where public facts disagree. Can be given several times, see below
    #[arg(long, value_name = "NAME=VALUE")]
    mode: Vec<String>,

    /// Add a fault rule. Can be given several times, see below
    #[arg(long, value_name = "RULE")]
    fault: Vec<RuleForm>,

    /// Delay before a bulk import runs, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1500)]
    bulk_delay_ms: u64,

    /// Job role that the account knows. Can be given several times; replaces the built-in ones
    #[arg(long, value_name = "NAME")]
    job_role: Vec<String>,

    /// Advanced custom field of the account. Can be given several times; replaces the built-in ones
    #[arg(long, value_name = "NAME")]
    custom_field: Vec<String>,

    /// Brand of the account. Can be given several times; replaces the built-in one
    #[arg(long, value_name = "NAME")]
    brand: Vec<String>,

    /// Course of the account. Can be given several times; replaces the built-in ones
    #[arg(long, value_name = "NAME")]
    course: Vec<String>,

    /// Advanced custom field that needs a value in every write of these fields. Can be given several times
    #[arg(long, value_name = "NAME")]
    mandatory_custom_field: Vec<String>,
}

const AFTER_HELP: &str = "\
Modes, default first:
  put=replace|merge                      what PUT does to fields left out
  refusal=503|429                        status of a request over the limit
  retry-after=none|seconds               whether that carries Retry-After
  refused=counted|uncounted              whether refused requests count
  list=bare|wrapped                      shape of JSON lists
  create-status=201|200                  status of a created user or sub-team
  team-name=unique|reusable              whether two teams may share a name
  team-code=follows-name|fixed           whether a rename renews the team's code
  team-writes=supported|405|404          whether a team can be changed and deleted
  absent-member=404|200                  removing a user who is not in the team
  bulk-required=username|email           what a bulk-import row must have
  details-id=OriginalUserId|OriginalId   name of the number in /org/users/details
  range-dates=iso|wcf                    dates under /org/
  deactivate=keep-teams|leave-teams      memberships of a deactivated user
  lengths=refuse|truncate                values that are too long
  page=exact|over                        whether a page runs over its limit
  custom-fields=object|pairs             shape of advanced custom fields in JSON
  details=whole|sap                      /users/details: all 53 properties, or the
                                         51 of SAP's description (no Culture, no
                                         Password, two names spelled otherwise)
  bulk-duplicate=updated|none            whether updated users count as Duplicate
  content-type=tolerant|wanted           whether a write may lack its Content-Type
  api-access=administrators|owners       whose keys may use the API
  limit-scope=account|key                one limit for all keys, or one for each
  bad-key=401|403                        a wrong key, and a missing source
  key-place=header|query-too             where the key is looked for
  brand=any|known                        unknown brands: taken, or refused
  time-zone=any|known                    unknown time zones: taken, or refused
  bulk-word=Completed|Processed|Finished|CompletedWithErrors|Failed|Waiting|Processing
                                         the word of a bulk import that is over

Fault rules: KIND[=VALUE][,method=M][,path=TEXT][,user=TEXT][,skip=N][,times=N]
             [,probability=P]
user=TEXT strikes only calls that name this id or username in path, query or body.
  lose_reply_after_acting   act, then close the connection
  cut_before_acting         close the connection, never act
  delay_ms=MS               act late and answer late
  delay_reply_ms=MS         act at once and answer late
  status=400..599           an HTML page instead of acting
  forbidden                 403 in Litmos's own words instead of acting
  redirect=302              a redirect instead of acting, with status 301, 302, 303,
                            307 or 308; location=URL names another place
  retry_after=SECONDS       429 with that Retry-After instead of acting
  maintenance=200..599      a maintenance page in HTML instead of acting
  short_page, repeat_page   half a page, or the page before
  slow_job=MS               a bulk import takes longer
Examples: --fault lose_reply_after_acting,method=POST,path=/users,skip=2,times=1
          --fault forbidden,method=PUT,user=mira.lund@corp.example

XML bodies are read in the order of the recorded elements: one after its place is
skipped in silence. Answers are XML unless format=json or Accept asks for JSON.

Control, from this machine only, without key and limit, under /_sim/:
  GET state, log?since=N, report, modes, faults
  POST modes, faults, users, teams, seed, reset";

impl Arguments {
    /// Converts the arguments. Reports all mistakes in modes at once.
    fn settings(self) -> anyhow::Result<Settings> {
        let mut modes = Modes::default();
        let mistakes: Vec<String> = self
            .mode
            .iter()
            .filter_map(|text| modes.set_text(text).err())
            .map(|error| error.to_string())
            .collect();
        anyhow::ensure!(mistakes.is_empty(), "{}", mistakes.join("\n"));
        let defaults = Settings::default();
        let or = |given: Vec<String>, built_in: Vec<String>| if given.is_empty() { built_in } else { given };
        Ok(Settings {
            listen: self.listen,
            api_key: self.api_key,
            other_keys: self.other_key,
            limit: self.limit,
            window: self.window,
            window_length: Duration::from_millis(self.window_ms),
            log: self.log,
            seed: self.seed,
            users: self.users,
            modes,
            faults: self.fault,
            bulk_delay: Duration::from_millis(self.bulk_delay_ms),
            job_roles: or(self.job_role, defaults.job_roles),
            custom_fields: or(self.custom_field, defaults.custom_fields),
            mandatory_custom_fields: self.mandatory_custom_field,
            brands: or(self.brand, defaults.brands),
            courses: or(self.course, defaults.courses),
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Arguments::parse().settings() {
        Ok(settings) => settings,
        Err(mistakes) => {
            eprintln!("error: {mistakes}");
            return ExitCode::from(2);
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for the stop signal")?;
    let running = Simulator::start(settings).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", running.base_url())
        .and_then(|()| out.flush())
        .context("cannot print")?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for the interrupt signal")?,
    }
    running.stop().await?;
    Ok(())
}
