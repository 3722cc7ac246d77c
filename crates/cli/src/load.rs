//! `rollcall load`: a roster file into the roster.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use intake::file;
use provisioning::SourceId;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ask::Desk;
use crate::{Ending, Global, say};

/// Events handed in side by side. Each is acknowledged when it is on disk.
const SIDE_BY_SIDE: usize = 64;

/// How long the intake may take to bring all events into the roster.
const TAKEN_IN: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The file: CSV with a header line, or JSON lines.
    file: PathBuf,
    /// A second file with memberships: CSV with the columns group and user_name.
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// Where these people come from: the name under which their external ids are known.
    #[arg(long, default_value = "file")]
    source: String,
}

impl Load {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let source = SourceId::parse(&self.source)?;
        let bytes =
            std::fs::read(&self.file).with_context(|| format!("{} cannot be read", self.file.display()))?;
        let mut roster =
            file::read(&bytes).with_context(|| format!("{} is no roster file", self.file.display()))?;
        if let Some(path) = &self.groups {
            let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let bad = file::add_groups(&mut roster, &bytes)
                .with_context(|| format!("{} is no file of memberships", path.display()))?;
            let named = |bad: file::BadLine| file::BadLine {
                reason: format!("{} ({})", bad.reason, path.display()),
                ..bad
            };
            roster.bad.extend(bad.into_iter().map(named));
        }
        let desk = Desk::open(global).await?;
        desk.ask("intake", "status", Value::Null).await?;
        let bad = roster.bad;
        let names: Vec<String> = roster.people.iter().filter_map(user_name).collect();
        let load_id = uuid::Uuid::now_v7().to_string();
        let events = file::events(roster.people, &load_id, chassis::clock::unix_ms());
        let count = events.len();
        let mut sending = JoinSet::new();
        for event in events {
            if sending.len() >= SIDE_BY_SIDE
                && let Some(sent) = sending.join_next().await
            {
                sent??;
            }
            let (bus, org, source) = (desk.bus.clone(), desk.org.clone(), source.clone());
            sending.spawn(async move { bus.publish_event(&org, &source, event).await.map(drop) });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        let missing = await_taken_in(&desk, &source, &names).await;
        let answer = json!({
            "org": desk.org, "file": self.file, "people": count, "bad_lines": bad.iter().map(|bad| json!({"line": bad.line, "reason": bad.reason})).collect::<Vec<_>>(),
            "not_taken": missing,
        });
        say::answer(global.json, &answer, |_| {
            let mut lines = vec![format!(
                "{count} people of {} are in the roster of {}",
                self.file.display(),
                desk.org
            )];
            lines.extend(
                bad.iter()
                    .map(|bad| format!("  line {}: {}", bad.line, bad.reason)),
            );
            lines.extend(missing.iter().map(|name| {
                format!("  {name}: was set aside; see `rollcall status` and the log of the intake")
            }));
            lines.join("\n")
        });
        Ok(if bad.is_empty() && missing.is_empty() {
            Ending::Done
        } else {
            Ending::Waits
        })
    }
}

fn user_name(body: &bus::EventBody) -> Option<String> {
    match body {
        bus::EventBody::PersonUpserted { user_name, .. } => Some(user_name.clone()),
        _ => None,
    }
}

/// Waits until the roster knows everybody. Says who is still missing when nothing more comes.
async fn await_taken_in(desk: &Desk, source: &SourceId, names: &[String]) -> Vec<String> {
    let stop = tokio_util::sync::CancellationToken::new();
    let roster = roster::Roster::follow(&desk.bus, &desk.org, stop.clone());
    roster.ready().await;
    let missing = || -> Vec<String> {
        roster.read(|directory| {
            let known = |name: &&String| {
                directory
                    .person_named(name)
                    .is_some_and(|person| person.value.sources.contains_key(source))
            };
            names.iter().filter(|name| !known(name)).cloned().collect()
        })
    };
    let (mut left, mut moved) = (missing(), Instant::now());
    let deadline = Instant::now() + TAKEN_IN;
    while !left.is_empty() && Instant::now() < deadline && moved.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = missing();
        if now.len() != left.len() {
            moved = Instant::now();
        }
        left = now;
    }
    stop.cancel();
    left
}
