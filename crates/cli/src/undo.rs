//! `rollcall undo RUN`: undoes a run, by changing the desired values that caused it.
//!
//! Without `--yes` it only shows the edits, what cannot be undone and why, and the price: a plan on a copy of the org state that
//! already has the edits. With `--yes` it writes the edits into the roster, with `undo` as their source. Each write fails if the
//! roster has changed since it was read. The pusher then plans and holds the changes like any others.

mod price;

use std::collections::BTreeMap;

use bus::{Decisions, OperatorRequest, Service};
use clap::Args;
use provisioning::{
    Decision, Edit, GroupEdit, GroupId, OrgState, PersonEdit, PersonId, SourceId, Undo as Wishes,
};
use roster::{Origin, Roster};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::session::CliSession;
use crate::{Ending, Global, plan, print};
use price::Price;

/// Most concurrent roster writes. Each is acknowledged when it is on disk.
const SIDE_BY_SIDE: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// Run to undo: `last`, or its id (or the first part of it) as `rollcall runs` shows it.
    run: String,
    /// Undo the run. Without this, only show what would change.
    #[arg(long)]
    yes: bool,
}

impl Undo {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let runs = session.request(Service::Pusher, OperatorRequest::Runs).await?;
        let kept = session.bus.journal_decisions(&session.org).await?;
        let chosen = Chosen::find(&self.run, print::list(&runs["runs"]), kept)?;
        let state = pusher::state(&session.bus, &session.org).await;
        let edits = provisioning::undo(&state, &chosen.decisions);
        let price = Price::of(&state, &edits, session.org()?);
        let mut named: Vec<Value> = edits.edits.iter().map(|edit| described(&state, edit)).collect();
        named.sort_by(|a, b| print::text(a, "message").cmp(print::text(b, "message")));
        let mut answer = json!({
            "org": session.org, "run": chosen.id, "operations": chosen.decisions.len(), "under_way": chosen.under_way,
            "edits": named,
            "left": edits.left.iter().map(|(what, why)| json!({"what": what, "why": why})).collect::<Vec<_>>(),
            "price": price.to_json(), "written": false, "unreadable": chosen.unreadable,
        });
        if !self.yes || edits.edits.is_empty() {
            print::answer(global.json, &answer, render);
            return Ok(Ending::Done);
        }
        let missed = write(&session, &state, &edits).await;
        answer["written"] = true.into();
        answer["not_written"] = missed
            .iter()
            .map(|(what, why)| json!({"what": what, "why": why}))
            .collect();
        if !global.json {
            println!("{}", render(&answer));
        }
        let ending = if global.json {
            let (status, ending) = crate::session::wait_quietly(&session, true).await?;
            answer["status"] = status;
            println!("{answer:#}");
            ending
        } else {
            plan::report(&session, false).await?
        };
        Ok(if missed.is_empty() { ending } else { Ending::Failed })
    }
}

/// A run and its decisions.
#[derive(Debug)]
struct Chosen {
    id: String,
    decisions: Vec<Decision>,
    under_way: bool,
    /// Journal records that cannot be read. They may be about this run or any other.
    unreadable: usize,
}

impl Chosen {
    /// Finds the run with this id. Two runs can begin with the same plan, so its recorded times are compared too, if known.
    fn find(wanted: &str, runs: &[Value], kept: Decisions) -> anyhow::Result<Chosen> {
        let Decisions {
            decisions,
            unreadable,
        } = kept;
        let missing = print::unreadable(unreadable as u64);
        let missing = missing.map_or_else(String::new, |missing| format!("\n{missing}"));
        let mut ids: Vec<&str> = decisions
            .iter()
            .rev()
            .map(|decision| decision.run.as_str())
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        let id = match (wanted, ids.as_slice()) {
            (_, []) => {
                anyhow::bail!("the journal knows nothing that was done yet; see: rollcall runs{missing}")
            }
            ("last", [newest, ..]) => *newest,
            _ => {
                let mut fits = ids.iter().filter(|id| id.starts_with(wanted));
                match (fits.next(), fits.next()) {
                    (Some(id), None) => *id,
                    (Some(_), Some(_)) => match ids.iter().find(|id| **id == wanted) {
                        Some(id) => *id,
                        None => anyhow::bail!(
                            "several runs begin with {wanted:?}; write more of it, as in: rollcall runs"
                        ),
                    },
                    (None, _) => anyhow::bail!(
                        "the journal knows no run {wanted:?} that did anything; see: rollcall runs{missing}"
                    ),
                }
            }
        }
        .to_owned();
        let run = runs.iter().find(|run| run["id"] == id.as_str());
        let began = run.map_or(0, |run| print::number(run, "started_at_ms"));
        let ended = run
            .and_then(|run| run["ended_at_ms"].as_u64())
            .unwrap_or(u64::MAX);
        let of_run =
            |decision: &Decision| decision.run.as_str() == id && (began..=ended).contains(&decision.at_ms);
        Ok(Chosen {
            decisions: decisions.into_iter().filter(of_run).collect(),
            under_way: run.is_some_and(|run| run["ended_at_ms"].is_null()),
            unreadable,
            id,
        })
    }
}

/// Returns one edit as JSON, with a message.
fn described(state: &OrgState, edit: &Edit) -> Value {
    let name_of = |id: &PersonId| {
        let person = state.person(id);
        person.map_or_else(|| id.to_string(), |person| person.value.user_name.clone())
    };
    let group_of = |id: &GroupId| {
        let group = state.group(id);
        group.map_or_else(|| id.to_string(), |group| group.value.name.clone())
    };
    match edit {
        Edit::Person(edit) => json!({"person": edit.person, "user_name": name_of(&edit.person),
            "message": format!("{}: {}", name_of(&edit.person), describe_person(edit))}),
        Edit::Membership {
            group,
            person,
            present,
        } => {
            let does = if *present { "is in" } else { "is not in" };
            json!({"person": person, "group": group, "present": present,
                "message": format!("{} {does} {} again", name_of(person), group_of(group))})
        }
        Edit::Group(edit) => json!({"group": edit.group, "name": edit.name, "description": edit.description,
            "message": format!("group {}{}", group_of(&edit.group), describe_group(edit))}),
    }
}

fn describe_person(edit: &PersonEdit) -> String {
    let mut message = Vec::new();
    match edit.active {
        Some(true) => message.push("active again".to_owned()),
        Some(false) => message.push("inactive (an account that was made is never deleted)".to_owned()),
        None => {}
    }
    if let Some(name) = &edit.user_name {
        message.push(format!("user name {name} again"));
    }
    if let Some(level) = edit.access_level {
        message.push(format!("{} again", level.as_litmos()));
    }
    if edit.manager.is_some() {
        message.push("the manager from before".to_owned());
    }
    let fields = edit.fields.iter();
    let fields = fields.map(|(field, value)| (field.wire(), value));
    let custom = edit.custom.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in fields.chain(custom) {
        message.push(match value.as_str() {
            "" => format!("{name} empty again"),
            value => format!("{name} {value:?} again"),
        });
    }
    message.join(", ")
}

fn describe_group(edit: &GroupEdit) -> String {
    let name = edit.name.as_ref().map(|name| format!(" is called {name} again"));
    let description = edit.description.as_deref().map(|text| match text {
        "" => ": description empty again".to_owned(),
        text => format!(": description {text:?} again"),
    });
    name.into_iter().chain(description).collect()
}

/// Writes the edits, each only if the roster is unchanged. Returns what was not written, and why.
async fn write(session: &CliSession, state: &OrgState, edits: &Wishes) -> Vec<(String, String)> {
    let stop = CancellationToken::new();
    let roster = Roster::follow(&session.bus, &session.org, stop.clone());
    roster.ready().await;
    let source = SourceId::parse("undo").expect("letters are a source id");
    let origin = Origin::now(&source, chassis::clock::unix_ms());
    let mut members: BTreeMap<&GroupId, Vec<(PersonId, bool)>> = BTreeMap::new();
    let mut missed = Vec::new();
    let mut writing = JoinSet::new();
    for edit in &edits.edits {
        if writing.len() >= SIDE_BY_SIDE
            && let Some(Ok(Some(miss))) = writing.join_next().await
        {
            missed.push(miss);
        }
        let (roster, source, at_ms) = (roster.clone(), source.clone(), origin.at_ms);
        match edit {
            Edit::Person(edit) => {
                let Some(known) = state.person(&edit.person) else {
                    continue;
                };
                let mut person = edit.apply(&known.value);
                // The stored SCIM document is outdated. The client reads the roster's values until it writes again.
                person.scim_document = None;
                let (what, revision) = (person.user_name.clone(), known.revision);
                writing.spawn(async move {
                    let origin = Origin::now(&source, at_ms);
                    judge(what, roster.revise_person(&origin, &person, revision).await)
                });
            }
            Edit::Group(edit) => {
                let Some(known) = state.group(&edit.group) else {
                    continue;
                };
                let mut group = edit.apply(&known.value);
                group.scim_document = None;
                let (what, revision) = (format!("group {}", group.name), known.revision);
                writing.spawn(async move {
                    let origin = Origin::now(&source, at_ms);
                    judge(what, roster.revise_group(&origin, &group, revision).await)
                });
            }
            Edit::Membership {
                group,
                person,
                present,
            } => {
                members.entry(group).or_default().push((person.clone(), *present));
            }
        }
    }
    while let Some(written) = writing.join_next().await {
        missed.extend(written.ok().flatten());
    }
    for (group, people) in members {
        if let Err(error) = roster.put_members(&origin, group, people).await {
            missed.push((format!("members of group {group}"), error.to_string()));
        }
    }
    stop.cancel();
    missed
}

fn judge(what: String, written: Result<bool, roster::RosterError>) -> Option<(String, String)> {
    match written {
        Ok(true) => None,
        Ok(false) => Some((
            what,
            "somebody has changed it while this ran; undo again".to_owned(),
        )),
        Err(error) => Some((what, error.to_string())),
    }
}

fn render(answer: &Value) -> String {
    let id = print::text(answer, "run");
    let (edits, left) = (print::list(&answer["edits"]), print::list(&answer["left"]));
    let mut lines = vec![format!(
        "run {id}, {}{}",
        print::count(print::number(answer, "operations"), "operation", "operations"),
        if print::flag(answer, "under_way") {
            " until now; it is still under way"
        } else {
            ""
        }
    )];
    lines.extend(print::unreadable(print::number(answer, "unreadable")));
    let written = print::flag(answer, "written");
    if edits.is_empty() {
        lines.push("there is nothing to take back".to_owned());
    } else {
        lines.push(match written {
            true => "taken back:".to_owned(),
            false => "would be taken back:".to_owned(),
        });
        lines.extend(print::shown(edits, |edit| {
            format!("  {}", print::text(edit, "message"))
        }));
    }
    let named = |item: &Value| format!("  {}: {}", print::text(item, "what"), print::text(item, "why"));
    if !left.is_empty() {
        lines.push("stays as it is:".to_owned());
        lines.extend(print::shown(left, named));
    }
    let missed = print::list(&answer["not_written"]);
    if !missed.is_empty() {
        lines.push("could not be written:".to_owned());
        lines.extend(print::shown(missed, named));
    }
    if !edits.is_empty() && !written {
        lines.extend(price::render(&answer["price"]));
        lines.push(format!(
            "nothing is written yet; do it with: rollcall undo {id} --yes\n\
             correct it at the source too: what a source says again counts again"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use provisioning::{Ended, OperationId, PlanHash};

    use super::*;

    fn decision(run: &str, at_ms: u64) -> Decision {
        Decision {
            run: PlanHash::parse(run).unwrap(),
            operation: OperationId::parse("op").unwrap(),
            kind: "update".to_owned(),
            label: String::new(),
            at_ms,
            ended: Ended::Done,
            message: None,
            images: Vec::new(),
        }
    }

    fn find(wanted: &str) -> Result<(String, usize), String> {
        let runs = [json!({"id": "abc", "started_at_ms": 50, "ended_at_ms": 100})];
        let decisions = vec![decision("abc", 10), decision("abd", 40), decision("abc", 60)];
        let unreadable = 0;
        let kept = Decisions {
            decisions,
            unreadable,
        };
        Chosen::find(wanted, &runs, kept)
            .map(|chosen| (chosen.id, chosen.decisions.len()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_run_is_found_by_its_beginning_and_counts_only_its_own_time() {
        assert_eq!(find("abd"), Ok(("abd".to_owned(), 1)));
        assert_eq!(
            find("last"),
            Ok(("abc".to_owned(), 1)),
            "what ran under the same hash before is another run's"
        );
        assert!(find("ab").unwrap_err().contains("several runs"));
        assert!(find("x").unwrap_err().contains("no run"));
    }

    #[test]
    fn a_damaged_journal_is_said_with_what_it_still_says() {
        let kept = |unreadable| Decisions {
            decisions: vec![decision("abc", 10)],
            unreadable,
        };
        let missing = "3 records of the journal cannot be read; what they contain is missing here";
        let chosen = Chosen::find("abc", &[], kept(3)).unwrap();
        assert_eq!(chosen.unreadable, 3);
        let unknown = Chosen::find("x", &[], kept(3)).unwrap_err().to_string();
        assert!(unknown.ends_with(missing), "{unknown}");
        let nothing = Decisions {
            unreadable: 3,
            ..Decisions::default()
        };
        let nothing = Chosen::find("last", &[], nothing).unwrap_err().to_string();
        assert!(nothing.ends_with(missing), "{nothing}");

        let answer = |unreadable| json!({"run": "abc", "operations": 1, "unreadable": unreadable});
        let printed = |unreadable| render(&answer(unreadable));
        assert_eq!(
            printed(3),
            format!("run abc, 1 operation\n{missing}\nthere is nothing to take back")
        );
        assert!(
            printed(1).contains("1 record of the journal cannot be read; what it contains is missing here")
        );
        assert!(!printed(0).contains("cannot be read"));
    }
}
