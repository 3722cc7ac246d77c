//! `rollcall load`: sends a roster file as events, and waits for the receipt of each line.

mod followed;
mod known;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bus::{EventBody, LoadedFile, OperatorRequest, Service};
use clap::Args;
use intake::file::{self, Absences, BadLine, Entry, Note, RosterFile};
use provisioning::SourceId;
use serde_json::{Value, json};

use crate::session::CliSession;
use crate::{Ending, Global, parked, print};
use followed::{Followed, Left, Part};
use known::Known;

/// Most absent people shown in text output; `--json` has all.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Roster file: CSV with a header line, JSON lines, or an array of JSON objects.
    file: PathBuf,
    /// Second file, with memberships, descriptions and parents: CSV with the column group, and with user_name, or with
    /// description, parent, external_id or deleted.
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// Name of the source of these people. Their external ids are stored under this name.
    #[arg(long, default_value = "file")]
    source: String,
    /// The file is a complete list: people of the source who are not in it lose access. Prove that it is complete with a last
    /// line `#end N` (`{"end": N}` in JSON lines), or with --people.
    #[arg(long)]
    complete: bool,
    /// Number of people that the source exported, for a file without an end line.
    #[arg(long, value_name = "N", requires = "complete")]
    people: Option<usize>,
    /// Agree that more than a fifth of the source's people lose access.
    #[arg(long, requires = "complete")]
    yes: bool,
}

impl Load {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let source = SourceId::parse(&self.source)?;
        let (mut roster, bad_groups) = self.read()?;
        // Checked before anything is sent: an incomplete file may also be cut inside its last line.
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
        let session = CliSession::open(global).await?;
        session.request(Service::Intake, OperatorRequest::Status).await?;
        let deletes = |entry: &Entry| matches!(entry.body, EventBody::GroupDeleted { .. });
        let mut absences = None;
        if proof.is_some() || roster.groups.iter().any(deletes) {
            // Dropped before anything is sent: it holds the whole roster in memory.
            let known = Known::read(&session, &source).await;
            absences = proof.map(|proof| known.absences(&proof));
            roster.groups.retain(|entry| known.says_something(&entry.body));
        }
        if let Some(absences) = absences
            .as_ref()
            .filter(|absences| absences.need_consent() && !self.yes)
        {
            self.ask_consent(global, &session, absences);
            return Ok(Ending::Waits);
        }
        if absences.is_some() {
            roster.mark_complete();
        }
        let report = Report {
            groups: roster.groups.len(),
            people: roster.people.len(),
            bad: roster.bad,
            bad_groups,
            notes: roster.notes,
            absences,
        };
        let mut parts: Vec<Part> = Vec::with_capacity(report.groups + report.people);
        let entries = roster.groups.into_iter().chain(roster.people);
        parts.extend(entries.map(|entry| Part {
            line: Some(entry.line),
            body: entry.body,
        }));
        let absent = report.absences.iter().flat_map(Absences::bodies);
        parts.extend(absent.map(|body| Part { line: None, body }));
        let followed = Followed::send(&session, &source, parts, global.json).await?;
        self.report(global, &session, &report, &followed);
        store_refused_lines(&session, &source, &self.file, &report.bad).await?;
        if let Some(groups) = &self.groups {
            store_refused_lines(&session, &source, groups, &report.bad_groups).await?;
        }
        let left = followed.set_aside().count() + followed.waiting().count() + followed.unknown().count();
        Ok(if report.all_bad().next().is_none() && left == 0 {
            Ending::Done
        } else {
            Ending::Waits
        })
    }

    /// Reads the file, and the refused lines of the groups file.
    fn read(&self) -> anyhow::Result<(RosterFile, Vec<BadLine>)> {
        let mut roster = file::read(&bytes(&self.file)?)
            .with_context(|| format!("{} is no roster file", self.file.display()))?;
        let mut bad_groups = Vec::new();
        if let Some(path) = &self.groups {
            bad_groups = file::add_groups(&mut roster, &bytes(path)?)
                .with_context(|| format!("{} is no file of memberships or groups", path.display()))?;
        }
        Ok((roster, bad_groups))
    }

    fn ask_consent(&self, global: &Global, session: &CliSession, absences: &Absences) {
        let remedy = format!(
            "nothing was loaded; if these people are to lose access, load again with --yes, and if not, look at how {} was made",
            self.file.display()
        );
        let answer = json!({
            "org": session.org, "file": self.file, "loaded": false, "absent": names(absences), "of": absences.of, "remedy": remedy,
        });
        print::answer(global.json, &answer, |_| {
            let mut lines = describe_absent(absences, "would lose");
            lines.push(remedy.clone());
            lines.join("\n")
        });
    }

    fn report(&self, global: &Global, session: &CliSession, report: &Report, followed: &Followed) {
        let people = followed.applied(report.groups..report.groups + report.people);
        let groups = followed.applied(0..report.groups);
        let all = |left: &mut dyn Iterator<Item = Left<'_>>| left.map(|left| left.json()).collect::<Value>();
        let mut answer = json!({
            "org": session.org, "file": self.file, "loaded": true, "people": people, "groups": groups,
            "bad_lines": report.all_bad().map(|(file, bad)| json!({"line": bad.line, "reason": bad.reason, "file": file})).collect::<Vec<_>>(),
            "repaired": report.notes.iter().map(|note| json!({"line": note.line, "text": note.text})).collect::<Vec<_>>(),
            "set_aside": all(&mut followed.set_aside()),
            "waiting": all(&mut followed.waiting()),
            "no_receipt": all(&mut followed.unknown()),
        });
        if let Some(absences) = &report.absences {
            answer["absent"] = names(absences);
            answer["of"] = absences.of.into();
        }
        print::answer(global.json, &answer, |_| {
            let mut lines = vec![format!(
                "{people} people of {} are in the roster of {}",
                self.file.display(),
                session.org
            )];
            if groups > 0 {
                lines.push(format!("{groups} groups were sent"));
            }
            lines.extend(
                report
                    .absences
                    .iter()
                    .flat_map(|absences| describe_absent(absences, "lose")),
            );
            lines.extend(report.all_bad().map(|(file, bad)| match file {
                "groups" => format!("  groups file, line {}: {}", bad.line, bad.reason),
                _ => format!("  line {}: {}", bad.line, bad.reason),
            }));
            let repaired = |note: &Note| format!("  line {}, repaired: {}", note.line, note.text);
            lines.extend(print::shown(&report.notes, repaired));
            let piles = [
                (
                    "SET ASIDE",
                    "set aside as dead letters; see: rollcall dead-letters",
                    followed.set_aside().collect::<Vec<_>>(),
                ),
                (
                    "WAITING",
                    "wait for people or groups that no source has sent yet; they come again by themselves, see: rollcall status",
                    followed.waiting().collect(),
                ),
                (
                    "NO RECEIPT",
                    "without a receipt, so they may be taken or not; see that the intake runs, and load the file again",
                    followed.unknown().collect(),
                ),
            ];
            for (word, meaning, left) in piles.iter().filter(|(_, _, left)| !left.is_empty()) {
                let count = print::count(left.len() as u64, "event", "events");
                lines.push(format!("{word}: {count} {meaning}"));
                lines.extend(print::shown(left, Left::text));
            }
            lines.join("\n")
        });
    }
}

/// Facts about a file, besides its events.
struct Report {
    groups: usize,
    people: usize,
    bad: Vec<BadLine>,
    bad_groups: Vec<BadLine>,
    notes: Vec<Note>,
    absences: Option<Absences>,
}

impl Report {
    /// Refused lines, each with the kind of its file.
    fn all_bad(&self) -> impl Iterator<Item = (&'static str, &BadLine)> {
        let people = self.bad.iter().map(|bad| ("people", bad));
        people.chain(self.bad_groups.iter().map(|bad| ("groups", bad)))
    }
}

/// Keeps the refused lines of a file as dead letters: `status` counts them until the file is corrected and loaded again.
async fn store_refused_lines(
    session: &CliSession,
    source: &SourceId,
    path: &Path,
    bad: &[BadLine],
) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let file = LoadedFile { source, name: &name };
    let lines: Vec<(u64, String)> = bad.iter().map(|bad| (bad.line, bad.reason.clone())).collect();
    let by = (&*parked::by(), chassis::clock::unix_ms());
    session.bus.refuse_lines(&session.org, &file, &lines, by).await?;
    Ok(())
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

fn describe_absent(absences: &Absences, verb: &str) -> Vec<String> {
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
