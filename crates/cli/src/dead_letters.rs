//! `rollcall dead-letters`: shows, replays or drops events that could not be used.

use std::time::Duration;

use anyhow::Context as _;
use bus::{DeadLetter, Event, EventBody, Outcome, Receipts};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::session::CliSession;
use crate::{Ending, Global, parked, print};

/// Most letters shown in text output; `--json` has all.
const SHOWN: usize = 50;

/// Longest wait for the next receipt of a replayed letter.
const RECEIPT: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    what: Option<LettersCommand>,
}

#[derive(Debug, Subcommand)]
enum LettersCommand {
    /// List them, oldest first (the default).
    List,
    /// Show one: its source, why it was set aside, and its content.
    Show { id: String },
    /// Send events to the feed again, after the cause is removed, and show the result of each.
    Replay(Selection),
    /// Remove them from the list for good. The journal keeps them.
    Drop(Selection),
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("selection").required(true))]
struct Selection {
    /// Ids, as the list shows them.
    #[arg(group = "selection", num_args = 1..)]
    ids: Vec<String>,
    /// All dead letters that exist now.
    #[arg(long, group = "selection")]
    all: bool,
}

impl DeadLetters {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        match &self.what {
            None | Some(LettersCommand::List) => list(global, &session).await,
            Some(LettersCommand::Show { id }) => show(global, &session, id).await,
            Some(LettersCommand::Replay(selection)) => replay(global, &session, selection).await,
            Some(LettersCommand::Drop(selection)) => drop_letters(global, &session, selection).await,
        }
    }
}

async fn list(global: &Global, session: &CliSession) -> anyhow::Result<Ending> {
    let total = session.bus.dead_letter_count(&session.org).await?;
    let most = if global.json { usize::MAX } else { SHOWN };
    let mut letters = Vec::new();
    let mut behind = 0;
    while letters.len() < most {
        let page = session.bus.dead_letters(&session.org, behind).await?;
        let Some(last) = page.last() else { break };
        behind = last.place();
        letters.extend(page.iter().take(most - letters.len()).map(summary));
    }
    let answer = json!({"org": session.org, "total": total, "letters": letters});
    print::answer(global.json, &answer, |answer| {
        let mut lines = vec![match total {
            0 => format!("there are no dead letters in {}", session.org),
            _ => format!(
                "{} could not be used in {}. Correct the cause. Then replay an event with: rollcall dead-letters replay ID, \
                 or load a corrected file again",
                print::count(total, "event or line", "events or lines"),
                session.org
            ),
        }];
        lines.extend(print::list(&answer["letters"]).iter().map(line));
        let more = total.saturating_sub(SHOWN as u64);
        if more > 0 {
            lines.push(format!("  and {more} more; --json has all"));
        }
        lines.join("\n")
    });
    Ok(ending(total))
}

fn ending(left: u64) -> Ending {
    if left > 0 { Ending::Waits } else { Ending::Done }
}

fn summary(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id, "at_ms": letter.at_ms, "source": letter.source(), "subject": letter.subject,
        "reason": letter.reason,
        "about": match &letter.event {
            Some(event) => Some(about(event)),
            None => letter.is_refused_line().then(|| "a line of a file".to_owned()),
        },
    })
}

fn line(letter: &Value) -> String {
    let about = letter["about"]
        .as_str()
        .unwrap_or("a payload that cannot be read");
    let from = letter["source"]
        .as_str()
        .unwrap_or_else(|| print::text(letter, "subject"));
    format!(
        "  {} {} from {from}, {about}: {}",
        print::text(letter, "id"),
        print::moment(print::number(letter, "at_ms")),
        print::text(letter, "reason"),
    )
}

/// Names the person or group of an event.
fn about(event: &Event) -> String {
    match &event.body {
        EventBody::PersonUpserted {
            external_id,
            user_name,
            ..
        } if external_id.is_empty() => {
            format!("person {user_name}")
        }
        EventBody::PersonUpserted {
            external_id,
            user_name,
            ..
        } => format!("person {user_name} ({external_id})"),
        EventBody::PersonDeleted { person } => format!("deletion of person {person}"),
        EventBody::PersonLeft { person } => format!("leaving of person {person}"),
        EventBody::GroupUpserted { name, .. } => format!("group {name}"),
        EventBody::GroupDeleted { group } => format!("deletion of group {group}"),
        EventBody::MembershipChanged {
            group,
            person,
            present,
        } => {
            let change = if *present { "joins" } else { "leaves" };
            format!("{person} {change} group {group}")
        }
    }
}

/// Returns the fields of an event. Fields that it does not change are left out.
fn content(event: &Event) -> Value {
    let mut described = match &event.body {
        EventBody::PersonUpserted {
            external_id,
            user_name,
            active,
            access_level,
            attributes,
            manager,
            groups,
            custom_fields,
            from_complete_list,
        } => json!({
            "external_id": external_id, "user_name": user_name, "active": active, "access_level": access_level,
            "attributes": attributes, "manager": manager, "groups": groups, "custom_fields": custom_fields,
            "from_complete_list": from_complete_list,
        }),
        EventBody::PersonDeleted { person } | EventBody::PersonLeft { person } => json!({"person": person}),
        EventBody::GroupUpserted {
            external_id,
            name,
            description,
            parent,
        } => {
            json!({"external_id": external_id, "name": name, "description": description, "parent": parent})
        }
        EventBody::GroupDeleted { group } => json!({"group": group}),
        EventBody::MembershipChanged {
            group,
            person,
            present,
        } => {
            json!({"group": group, "person": person, "present": present})
        }
    };
    if let Some(fields) = described.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    described
}

async fn letter(session: &CliSession, id: &str) -> anyhow::Result<DeadLetter> {
    let letter = session.bus.dead_letter(&session.org, id).await?;
    letter.with_context(|| {
        format!(
            "there is no dead letter {id} in {}; see: rollcall dead-letters",
            session.org
        )
    })
}

async fn show(global: &Global, session: &CliSession, id: &str) -> anyhow::Result<Ending> {
    let letter = letter(session, id).await?;
    let mut answer = summary(&letter);
    if let Some(event) = &letter.event {
        answer["event_id"] = event.event_id.as_str().into();
        answer["happened_at_ms"] = event.happened_at_ms.into();
        answer["says"] = content(event);
    }
    print::answer(global.json, &answer, |answer| {
        let mut lines = vec![
            format!(
                "dead letter {}, set aside at {}",
                letter.id,
                print::moment(letter.at_ms)
            ),
            format!("  sent to: {}", letter.subject),
            format!("  reason: {}", letter.reason),
        ];
        match &letter.event {
            None if letter.is_refused_line() => lines.push(
                "  it is a line of a file; correct the line and load the file again, which removes the letter".to_owned(),
            ),
            None => lines.push("  it cannot be read; have its sender send it again, then drop it".to_owned()),
            Some(event) => {
                lines.push(format!(
                    "  about: {}, event {}, happened at {}",
                    about(event),
                    event.event_id,
                    print::moment(event.happened_at_ms)
                ));
                let fields = answer["says"].as_object().into_iter().flatten();
                lines.extend(fields.map(|(name, value)| format!("  {name}: {value}")));
            }
        }
        lines.join("\n")
    });
    Ok(ending(1))
}

/// Returns the chosen ids. All are read before anything is done: a replayed event that is refused again is a new letter.
/// The letters that the command names. Refused lines are among all of them only if `lines`: a replay cannot correct them.
async fn ids(session: &CliSession, selection: &Selection, lines: bool) -> anyhow::Result<Vec<String>> {
    if !selection.all {
        return Ok(selection.ids.clone());
    }
    let (mut ids, mut behind) = (Vec::new(), 0);
    loop {
        let page = session.bus.dead_letters(&session.org, behind).await?;
        let Some(last) = page.last() else {
            return Ok(ids);
        };
        behind = last.place();
        let wanted = page
            .into_iter()
            .filter(|letter| lines || !letter.is_refused_line());
        ids.extend(wanted.map(|letter| letter.id));
    }
}

async fn replay(global: &Global, session: &CliSession, selection: &Selection) -> anyhow::Result<Ending> {
    let (by, at_ms) = (parked::by(), chassis::clock::unix_ms());
    let (inbox, mut receipts) = session.bus.receipts().await?;
    let (mut replayed, mut expected) = (Vec::new(), Vec::new());
    let mut failed = Vec::new();
    for id in ids(session, selection, false).await? {
        let letter = letter(session, &id).await?;
        let sent = session
            .bus
            .replay_letter(&session.org, &letter, Some(&inbox), (&by, at_ms));
        match sent.await {
            Err(error) => failed.push(json!({"id": id, "reason": chassis::error_chain(&error)})),
            Ok(()) => {
                expected.extend(
                    letter
                        .event
                        .as_ref()
                        .map(|event| (event.event_id.clone(), about(event))),
                );
                replayed.push(id);
            }
        }
    }
    let outcomes = receive(&mut receipts, expected).await;
    let left = session.bus.dead_letter_count(&session.org).await?;
    let answer = json!({"org": session.org, "replayed": replayed, "outcomes": outcomes, "failed": failed, "left": left});
    print::answer(global.json, &answer, |_| {
        let mut lines = vec![format!(
            "replayed {}",
            print::count(replayed.len() as u64, "dead letter", "dead letters")
        )];
        lines.extend(print::shown(&outcomes, |described| {
            let reason = described["reason"]
                .as_str()
                .map_or(String::new(), |reason| format!(": {reason}"));
            format!(
                "  {}: {}{reason}",
                print::text(described, "about"),
                print::text(described, "outcome")
            )
        }));
        lines.extend(print::shown(&failed, |described| {
            format!("  {}", print::text(described, "reason"))
        }));
        lines.push(remaining(left));
        lines.join("\n")
    });
    let unsure = outcomes.iter().any(|described| described["outcome"] != "applied");
    Ok(if unsure || !failed.is_empty() {
        Ending::Waits
    } else {
        ending(left)
    })
}

/// Returns the results of replayed events, as far as receipts came.
async fn receive(receipts: &mut Receipts, mut expected: Vec<(String, String)>) -> Vec<Value> {
    let mut described = Vec::new();
    while !expected.is_empty() {
        let Ok(Some(receipt)) = tokio::time::timeout(RECEIPT, receipts.next()).await else {
            break;
        };
        let Some(at) = expected.iter().position(|(id, _)| *id == receipt.event_id) else {
            continue;
        };
        let (_, about) = expected.swap_remove(at);
        let (outcome, reason) = match receipt.outcome {
            Outcome::Applied => ("applied", None),
            Outcome::SetAside(reason) => ("set aside again", Some(reason)),
            Outcome::Waits(reason) => ("waits and comes again by itself", Some(reason)),
        };
        described.push(json!({"about": about, "outcome": outcome, "reason": reason}));
    }
    described.extend(expected.into_iter().map(|(_, about)| {
        json!({"about": about, "outcome": "no receipt", "reason": "it may be taken or not; see that the intake runs"})
    }));
    described
}

async fn drop_letters(
    global: &Global,
    session: &CliSession,
    selection: &Selection,
) -> anyhow::Result<Ending> {
    let (by, at_ms) = (parked::by(), chassis::clock::unix_ms());
    let mut dropped = Vec::new();
    for id in ids(session, selection, true).await? {
        let letter = letter(session, &id).await?;
        session
            .bus
            .drop_letter(&session.org, &letter, (&by, at_ms))
            .await?;
        dropped.push(id);
    }
    let left = session.bus.dead_letter_count(&session.org).await?;
    let answer = json!({"org": session.org, "dropped": dropped, "left": left});
    print::answer(global.json, &answer, |_| {
        let count = print::count(dropped.len() as u64, "dead letter", "dead letters");
        format!(
            "dropped {count}; the journal keeps what they contained\n{}",
            remaining(left)
        )
    });
    Ok(ending(left))
}

fn remaining(left: u64) -> String {
    match left {
        0 => "no dead letters remain".to_owned(),
        left => format!(
            "{} left; see: rollcall dead-letters",
            print::count(left, "dead letter is", "dead letters are")
        ),
    }
}
