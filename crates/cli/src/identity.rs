//! `rollcall identity`: lists questions about whether two records are the same person, and answers them.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use provisioning::{IdentityQuestion, QuestionId, Traits};
use roster::Roster;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::session::CliSession;
use crate::{Ending, Global, parked, print};

#[derive(Debug, Args)]
pub(crate) struct Identity {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the open questions, oldest first (the default).
    List,
    /// Show both records of a question: what the source reports, and what the roster has.
    Show { id: String },
    /// Answer that both records are the same person, and replay the events that wait for the answer.
    Same { id: String },
    /// Answer that the records are two people, and replay the events that wait for the answer.
    Different { id: String },
}

impl Identity {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let stop = CancellationToken::new();
        let roster = Roster::follow(&session.bus, &session.org, stop.clone());
        roster.ready().await;
        let ending = match &self.what {
            None | Some(What::List) => Ok(list(global, &session, &roster)),
            Some(What::Show { id }) => find(&roster, id).map(|question| show(global, &question)),
            Some(What::Same { id }) => answer(global, &session, &roster, id, true).await,
            Some(What::Different { id }) => answer(global, &session, &roster, id, false).await,
        };
        stop.cancel();
        ending
    }
}

fn open(roster: &Roster) -> Vec<IdentityQuestion> {
    let mut open: Vec<IdentityQuestion> = roster.read(|directory| {
        directory
            .questions()
            .map(|entry| entry.value.clone())
            .filter(|question| question.same.is_none())
            .collect()
    });
    open.sort_by_key(|question| question.asked_at_ms);
    open
}

fn find(roster: &Roster, id: &str) -> anyhow::Result<IdentityQuestion> {
    let known = QuestionId::parse(id)
        .ok()
        .and_then(|id| roster.read(|directory| directory.question(&id).map(|entry| entry.value.clone())));
    let org = roster.org();
    known.with_context(|| {
        format!("org {org} has no question {id:?}; list its questions with: rollcall identity --org {org}")
    })
}

fn traits(traits: &Traits) -> Value {
    json!({
        "user_name": traits.user_name, "external_id": traits.external_id, "first_name": traits.first_name,
        "last_name": traits.last_name, "mail": traits.mail, "employee_number": traits.employee_number,
    })
}

fn as_json(question: &IdentityQuestion) -> Value {
    json!({
        "id": question.id, "source": question.source, "asked_at_ms": question.asked_at_ms,
        "stated": traits(&question.stated), "person": question.person, "known": traits(&question.known),
        "known_active": question.known.active, "same": question.same,
    })
}

fn list(global: &Global, session: &CliSession, roster: &Roster) -> Ending {
    let open = open(roster);
    let answer = json!({
        "org": session.org, "total": open.len(), "questions": open.iter().map(as_json).collect::<Vec<_>>(),
    });
    print::answer(global.json, &answer, |_| {
        if open.is_empty() {
            return format!("there are no questions about who is who in {}", session.org);
        }
        let mut lines = vec![format!(
            "{} about who is who in {}; see both sides: rollcall identity show ID; answer: rollcall identity same ID, or different ID",
            print::count(open.len() as u64, "question", "questions"),
            session.org
        )];
        lines.extend(open.iter().map(|question| {
            format!(
                "  {} {} is {:?} from {} the person known as {:?}?",
                question.id,
                print::moment(question.asked_at_ms),
                question.stated.user_name,
                question.source,
                question.known.user_name
            )
        }));
        lines.join("\n")
    });
    if open.is_empty() {
        Ending::Done
    } else {
        Ending::Waits
    }
}

fn show(global: &Global, question: &IdentityQuestion) -> Ending {
    let answer = as_json(question);
    print::answer(global.json, &answer, |answer| {
        let text = |side: &str, name: &str| answer[side][name].as_str().unwrap_or("-").to_owned();
        let mut lines = vec![
            format!(
                "question {}, asked {} because of source {}",
                question.id,
                print::moment(question.asked_at_ms),
                question.source
            ),
            format!(
                "  {:<16} {:<34} {}",
                "", "stated by the source", "known in the roster"
            ),
        ];
        for name in [
            "user_name",
            "external_id",
            "first_name",
            "last_name",
            "mail",
            "employee_number",
        ] {
            lines.push(format!(
                "  {name:<16} {:<34} {}",
                text("stated", name),
                text("known", name)
            ));
        }
        let access = if question.known.active {
            "has access"
        } else {
            "has no access"
        };
        lines.push(format!("  the known person is {} and {access}", question.person));
        lines.push(match question.same {
            None => "not answered yet; answer with: rollcall identity same ID, or different ID".to_owned(),
            Some(true) => "answered: one person".to_owned(),
            Some(false) => "answered: two people".to_owned(),
        });
        lines.join("\n")
    });
    match question.same {
        None => Ending::Waits,
        Some(_) => Ending::Done,
    }
}

async fn answer(
    global: &Global,
    session: &CliSession,
    roster: &Roster,
    id: &str,
    same: bool,
) -> anyhow::Result<Ending> {
    let question = find(roster, id)?;
    let at_ms = chassis::clock::unix_ms();
    roster.answer(&question.id, same, at_ms).await?;
    let (replayed, failed) = replay(session, &question, at_ms).await?;
    let answer = json!({
        "org": session.org, "id": question.id, "same": same, "replayed": replayed, "failed": failed,
    });
    print::answer(global.json, &answer, |_| {
        let verdict = if same { "one person" } else { "two people" };
        let mut lines = vec![format!(
            "{:?} of {} and {:?} are {verdict}; the next provisioning by the source follows this answer",
            question.stated.user_name, question.source, question.known.user_name
        )];
        if !replayed.is_empty() {
            lines.push(format!(
                "{} handed in again; see: rollcall dead-letters",
                print::count(replayed.len() as u64, "event was", "events were")
            ));
        }
        lines.extend(failed.iter().map(|why| format!("  {why}")));
        lines.join("\n")
    });
    Ok(match (failed.is_empty(), open(roster).is_empty()) {
        (false, _) => Ending::Failed,
        (true, false) => Ending::Waits,
        (true, true) => Ending::Done,
    })
}

/// Replays the events that were set aside because of this question. Returns their ids, and errors.
async fn replay(
    session: &CliSession,
    question: &IdentityQuestion,
    at_ms: u64,
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let by = parked::by();
    let (mut replayed, mut failed) = (Vec::new(), Vec::new());
    let mut behind = 0;
    loop {
        let page = session.bus.dead_letters(&session.org, behind).await?;
        let Some(last) = page.last() else {
            return Ok((replayed, failed));
        };
        behind = last.place();
        for letter in page
            .iter()
            .filter(|letter| letter.reason.contains(question.id.as_str()))
        {
            match session
                .bus
                .replay_letter(&session.org, letter, None, (&by, at_ms))
                .await
            {
                Ok(()) => replayed.push(letter.id.clone()),
                Err(error) => failed.push(format!("{}: {}", letter.id, chassis::error_chain(&error))),
            }
        }
    }
}
