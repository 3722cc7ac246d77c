//! `rollcall load`: a roster file into the roster.

mod taken;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bus::EventBody;
use clap::Args;
use intake::file::{self, Absences, BadLine, RosterFile};
use provisioning::SourceId;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ask::Desk;
use crate::{Ending, Global, say};
use taken::Taken;

/// Events handed in side by side. Each is acknowledged when it is on disk.
const SIDE_BY_SIDE: usize = 64;

/// Most absent people whom a person is shown; `--json` names all.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The file: CSV with a header line, or JSON lines.
    file: PathBuf,
    /// A second file with memberships, descriptions and parents: CSV with the column group, and user_name or
    /// description, parent, external_id, deleted.
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// Where these people come from: the name under which their external ids are known.
    #[arg(long, default_value = "file")]
    source: String,
    /// The file is the whole truth of its source: whoever of the source is not in it loses access. The file must say that
    /// it is whole, by a last line `#end N` (`{"end": N}` in JSON lines) or with --people.
    #[arg(long)]
    complete: bool,
    /// How many people the source exported, for a file without an end line.
    #[arg(long, value_name = "N", requires = "complete")]
    people: Option<usize>,
    /// Agrees that more than a fifth of the source's people lose access.
    #[arg(long, requires = "complete")]
    yes: bool,
}

impl Load {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let source = SourceId::parse(&self.source)?;
        let roster = self.read()?;
        // Before anything is sent: a file that is not whole may be cut inside of its last line, too.
        let proof = self
            .complete
            .then(|| roster.complete(self.people))
            .transpose()
            .with_context(|| {
                format!(
                    "nothing was loaded: {} is not proven to be whole",
                    self.file.display()
                )
            })?;
        let desk = Desk::open(global).await?;
        desk.ask("intake", "status", Value::Null).await?;
        let taken = Taken::follow(&desk, &source).await;
        let absences = proof.map(|proof| taken.absences(&proof));
        if let Some(absences) = absences
            .as_ref()
            .filter(|absences| absences.need_consent() && !self.yes)
        {
            self.ask_consent(global, &desk, absences);
            return Ok(Ending::Waits);
        }
        let groups = roster
            .groups
            .into_iter()
            .filter(|body| taken.says_something(body));
        let mut bodies: Vec<EventBody> = groups.chain(roster.people).collect();
        bodies.extend(absences.iter().flat_map(Absences::bodies));
        send(&desk, &source, &bodies).await?;
        let missing = taken.wait(&bodies).await;
        self.report(global, &desk, &bodies, &roster.bad, absences.as_ref(), &missing);
        Ok(if roster.bad.is_empty() && missing.is_empty() {
            Ending::Done
        } else {
            Ending::Waits
        })
    }

    fn read(&self) -> anyhow::Result<RosterFile> {
        let mut roster = file::read(&bytes(&self.file)?)
            .with_context(|| format!("{} is no roster file", self.file.display()))?;
        if let Some(path) = &self.groups {
            let bad = file::add_groups(&mut roster, &bytes(path)?)
                .with_context(|| format!("{} is no file of memberships or groups", path.display()))?;
            let named = |bad: BadLine| BadLine {
                reason: format!("{} ({})", bad.reason, path.display()),
                ..bad
            };
            roster.bad.extend(bad.into_iter().map(named));
        }
        Ok(roster)
    }

    fn ask_consent(&self, global: &Global, desk: &Desk, absences: &Absences) {
        let remedy = format!(
            "nothing was loaded; if these people are to lose access, load again with --yes, and if not, look at how {} was made",
            self.file.display()
        );
        let answer = json!({
            "org": desk.org, "file": self.file, "loaded": false, "absent": names(absences), "of": absences.of, "remedy": remedy,
        });
        say::answer(global.json, &answer, |_| {
            let mut lines = told_absent(absences, "would lose");
            lines.push(remedy.clone());
            lines.join("\n")
        });
    }

    fn report(
        &self,
        global: &Global,
        desk: &Desk,
        bodies: &[EventBody],
        bad: &[BadLine],
        absences: Option<&Absences>,
        missing: &[String],
    ) {
        let people = bodies
            .iter()
            .filter(|body| matches!(body, EventBody::PersonUpserted { .. }))
            .count();
        let absent = absences.map_or(0, |absences| absences.absent.len());
        let groups = bodies.len() - people - absent;
        let mut answer = json!({
            "org": desk.org, "file": self.file, "loaded": true, "people": people, "groups": groups,
            "bad_lines": bad.iter().map(|bad| json!({"line": bad.line, "reason": bad.reason})).collect::<Vec<_>>(),
            "not_taken": missing,
        });
        if let Some(absences) = absences {
            answer["absent"] = names(absences);
            answer["of"] = absences.of.into();
        }
        say::answer(global.json, &answer, |_| {
            let mut lines = vec![format!(
                "{people} people of {} are in the roster of {}",
                self.file.display(),
                desk.org
            )];
            if groups > 0 {
                lines.push(format!("{groups} groups were told of"));
            }
            lines.extend(absences.iter().flat_map(|absences| told_absent(absences, "lose")));
            lines.extend(
                bad.iter()
                    .map(|bad| format!("  line {}: {}", bad.line, bad.reason)),
            );
            lines.extend(say::shown(missing, |name| {
                format!("  {name}: was set aside; see `rollcall status` and the log of the intake")
            }));
            lines.join("\n")
        });
    }
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn names(absences: &Absences) -> Value {
    absences
        .absent
        .iter()
        .map(|absence| absence.user_name.as_str())
        .collect()
}

fn told_absent(absences: &Absences, verb: &str) -> Vec<String> {
    let (count, of) = (absences.absent.len(), absences.of);
    let mut lines = vec![format!(
        "{count} of {of} people of the source are not in the file and {verb} access"
    )];
    let shown = absences.absent.iter().take(SHOWN);
    lines.extend(shown.map(|absence| format!("  {}", absence.user_name)));
    if count > SHOWN {
        lines.push(format!("  and {} more; --json names all", count - SHOWN));
    }
    lines
}

async fn send(desk: &Desk, source: &SourceId, bodies: &[EventBody]) -> anyhow::Result<()> {
    let load_id = uuid::Uuid::now_v7().to_string();
    let mut sending = JoinSet::new();
    for event in file::events(bodies.iter().cloned(), &load_id, chassis::clock::unix_ms()) {
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
    Ok(())
}
