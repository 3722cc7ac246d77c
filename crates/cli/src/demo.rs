//! `rollcall demo`: loads a company of 2,000 people into a simulated Litmos, then makes the changes of one day.
//!
//! Simulator and Rollcall run in their own processes, as in production. All request numbers of the report come from the
//! simulator's log, not from Rollcall. The demo succeeds only if Litmos equals the roster.

mod company;
mod compare;
mod stage;

use bus::{OperatorRequest, Service};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use litmos_simulator::{Entry, most_requests_in_any_window, read_log};
use serde_json::json;

use crate::{Ending, print};
use company::{GROUPS, PEOPLE};
use stage::Stage;

/// Number of accounts that exist in Litmos before the load: the first people of the company.
const THERE_BEFORE: usize = 300;

/// Number of changes on an ordinary day.
const CHANGES: usize = 25;

/// Number of people who leave during the load.
const LEAVERS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// People in the company.
    #[arg(long, default_value_t = PEOPLE)]
    people: usize,
    /// How the simulated account counts its limit of 100 requests a minute.
    #[arg(long, default_value = "rolling", value_parser = ["rolling", "fixed"])]
    window: String,
    /// Seed of the invented company. The same seed makes the same people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the folder with settings, logs and data, and print its path.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(&self) -> anyhow::Result<Ending> {
        let people = self.people.max(THERE_BEFORE);
        let company = company::employees(people, self.seed);
        let stop = chassis::lifecycle::stop_on_signals()?;
        let mut stage = Stage::open(&self.window, self.keep).await?;
        println!(
            "A company of {people} people in {GROUPS} groups; Litmos has {THERE_BEFORE} of the accounts already."
        );
        // If the demo is stopped early, all its processes are stopped too.
        let result = tokio::select! {
            result = self.play(&mut stage, company) => result,
            () = stop.cancelled() => Err(anyhow::anyhow!("the demo was stopped")),
        };
        stage.close().await;
        result
    }

    async fn play(&self, stage: &mut Stage, mut company: Vec<company::Employee>) -> anyhow::Result<Ending> {
        stage.seed_accounts(&company[..THERE_BEFORE]).await?;
        stage.start_rollcall().await?;
        let import = stage
            .until(
                "the first import",
                |stage| stage.request(Service::Importer, OperatorRequest::Status),
                |run| run["complete"] == true,
            )
            .await?;
        println!("{}\n", print::import(&import));

        let before = stage.log()?.len();
        let started = Instant::now();
        let file = stage.write("company.csv", &company::roster_csv(&company))?;
        let loaded = stage
            .rollcall(&["load", &file.to_string_lossy(), "--source", "hr"])
            .await?;
        print!("{loaded}");
        for (_, words) in company::BAD_LINES {
            anyhow::ensure!(
                loaded.contains(words),
                "the loader did not report the bad line about {words:?}"
            );
        }

        let plan = stage
            .request(Service::Pusher, OperatorRequest::Plan { start: 0 })
            .await?;
        let planned_calls = print::number(&plan, "calls");
        let forecast = plan["forecast"]["expected_seconds"].as_f64().unwrap_or_default();
        let planned_at = Instant::now();
        let people = company.len() as u64;
        println!(
            "\nPlan: {planned_calls} calls, about {}. One call for each change would be {} calls and {} at this limit; \
             Okta's formula (users + 2 × groups) says {}.",
            print::duration(forecast),
            people + GROUPS as u64 * 2,
            print::duration((people + GROUPS as u64 * 2) as f64 * 0.6),
            people + 2 * GROUPS as u64,
        );
        for line in plan["summary"].as_array().into_iter().flatten() {
            println!(
                "  {:<14} {:>5} operations {:>5} calls",
                print::text(line, "kind"),
                line["operations"],
                line["calls"]
            );
        }

        let leavers = self.leave(stage, &company).await?;
        let loaded_in = stage.watch(planned_at).await?;
        let initial: Vec<Entry> = stage.log()?.into_iter().skip(before).collect();
        println!(
            "Everybody is in after {} (from the file: {}).\n",
            print::duration(loaded_in.as_secs_f64()),
            print::duration(started.elapsed().as_secs_f64())
        );

        println!("A day in the life: {CHANGES} changes and a renamed group, over SCIM.");
        let renamed = stage.day(&mut company, CHANGES, &leavers.names).await?;
        let day_started = Instant::now();
        stage.watch(day_started).await?;

        let leaving_calls = leavers.names.len() as u64 * 2;
        self.report(
            stage,
            &company,
            &Story {
                planned_calls,
                forecast,
                loaded_in,
                initial,
                leavers,
                leaving_calls,
                renamed,
            },
        )
        .await
    }

    /// Deactivates people who are already in Litmos, while others are still being created.
    async fn leave(&self, stage: &mut Stage, company: &[company::Employee]) -> anyhow::Result<Leavers> {
        let mut leavers = Leavers {
            names: Vec::new(),
            cut_off_after: Vec::new(),
        };
        // While teams are being created one by one, the bulk import of all people still waits.
        stage
            .until("the arrival to begin", Stage::report, |report| {
                report["effects"]["team.created"].as_u64() > Some(3)
            })
            .await?;
        for employee in company
            .iter()
            .filter(|employee| employee.level == "Learner")
            .take(LEAVERS)
        {
            let asked = Instant::now();
            stage.deactivate(&employee.user_name).await?;
            let name = employee.user_name.clone();
            stage
                .until(
                    "the leaver to be cut off",
                    |stage| stage.litmos_user(&name),
                    |user| user["active"] == false,
                )
                .await?;
            let after = asked.elapsed();
            println!(
                "  a leaver was cut off {:.1} s after the SCIM call, in front of the backlog",
                after.as_secs_f64()
            );
            leavers.cut_off_after.push(after);
            leavers.names.push(employee.user_name.clone());
        }
        Ok(leavers)
    }

    async fn report(
        &self,
        stage: &Stage,
        company: &[company::Employee],
        story: &Story,
    ) -> anyhow::Result<Ending> {
        let log = stage.log()?;
        let report = stage.report().await?;
        let state = stage.state().await?;
        let differences = compare::differences(company, &story.leavers.names, &story.renamed, &state);
        let refused = log.iter().filter(|entry| entry.refused).count();
        let most = most_requests_in_any_window(&log, Duration::from_secs(60));
        let slowest = story
            .leavers
            .cut_off_after
            .iter()
            .max()
            .copied()
            .unwrap_or_default();
        let initial = story.initial.len() as u64;
        let cheapest = compare::cheapest_calls(company, THERE_BEFORE);
        let off = (story.loaded_in.as_secs_f64() - story.forecast) / story.forecast.max(1.0) * 100.0;
        println!("\nReport, from the simulator's log:");
        let rows: [(&str, String); 9] = [
            ("requests in all", log.len().to_string()),
            ("refused", refused.to_string()),
            ("most in any 60 s", format!("{most} of 100")),
            (
                "initial load",
                format!(
                    "{initial} calls ({} for {LEAVERS} leavers); planned {}",
                    story.leaving_calls, story.planned_calls
                ),
            ),
            (
                "cheapest possible",
                format!("{cheapest} calls for the load without leavers"),
            ),
            (
                "leaver to cut-off",
                format!("{:.1} s at the slowest", slowest.as_secs_f64()),
            ),
            (
                "forecast",
                format!(
                    "{} against {} ({off:+.0} %)",
                    print::duration(story.forecast),
                    print::duration(story.loaded_in.as_secs_f64())
                ),
            ),
            (
                "created twice",
                report["created_twice"].as_array().map_or(0, Vec::len).to_string(),
            ),
            (
                "Litmos equals roster",
                if differences.is_empty() {
                    "yes".to_owned()
                } else {
                    format!("no, {} differences", differences.len())
                },
            ),
        ];
        for (name, value) in &rows {
            println!("  {name:<22} {value}");
        }
        for difference in differences.iter().take(10) {
            println!("    {difference}");
        }
        let good = differences.is_empty() && refused == 0 && most <= 100;
        let value = json!({"good": good, "requests": log.len(), "refused": refused, "most_in_any_60_s": most, "initial_calls": initial,
            "planned_calls": story.planned_calls, "cheapest_calls": cheapest, "forecast_seconds": story.forecast,
            "actual_seconds": story.loaded_in.as_secs_f64(), "slowest_cut_off_seconds": slowest.as_secs_f64()});
        stage
            .write("report.json", &format!("{value:#}"))
            .context("the report could not be written")?;
        Ok(if good { Ending::Done } else { Ending::Failed })
    }
}

struct Leavers {
    names: Vec<String>,
    cut_off_after: Vec<Duration>,
}

struct Story {
    planned_calls: u64,
    forecast: f64,
    loaded_in: Duration,
    initial: Vec<Entry>,
    leavers: Leavers,
    leaving_calls: u64,
    renamed: (String, String),
}

/// Request log of the simulator, in order of arrival.
fn parse_log(text: &str) -> anyhow::Result<Vec<Entry>> {
    let mut log = read_log(text)?;
    log.sort_by_key(|entry| entry.n);
    Ok(log)
}
