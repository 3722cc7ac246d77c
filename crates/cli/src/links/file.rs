//! File of links that remains usable when the buckets are lost. It names people by external id and user name, and accounts by the
//! id in Litmos.
//!
//! A rebuilt roster gives people new ids, so people are found by external id first, then by user name. Both come again from the sources.

use bus::{OperatorRequest, Service};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::session::CliSession;
use crate::{Ending, Global, parked, print};

use super::table::Row;

const COLUMNS: [&str; 9] = [
    "person_id",
    "external_ids",
    "user_name",
    "account_id",
    "account_user_name",
    "active",
    "applied_revision",
    "revision",
    "state",
];

/// Most bad lines shown; `--json` has all.
const BAD_MAX: usize = 40;

pub(super) fn export(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(COLUMNS)?;
    for row in rows {
        let external: Vec<String> = row
            .external_ids
            .iter()
            .map(|(source, id)| format!("{source}={id}"))
            .collect();
        csv.write_record([
            &row.person,
            &external.join(";"),
            &row.user_name,
            row.account.as_deref().unwrap_or_default(),
            row.account_user_name.as_deref().unwrap_or_default(),
            &row.active.map(|active| active.to_string()).unwrap_or_default(),
            &row.applied_revision.to_string(),
            &row.revision.to_string(),
            serde_json::to_value(row.state)?.as_str().unwrap_or_default(),
        ])?;
    }
    csv.into_inner().context("the table cannot be written")
}

/// A link of the file: the names to search for, in order, and the account.
#[derive(Debug, PartialEq, Eq)]
struct LinkRow {
    line: u64,
    names: Vec<String>,
    account: String,
}

fn read(bytes: &[u8]) -> anyhow::Result<Vec<LinkRow>> {
    let mut csv = csv::Reader::from_reader(bytes);
    let header = csv.headers()?.clone();
    let column = |name: &str| {
        let at = header.iter().position(|column| column == name);
        at.with_context(|| {
            format!("the file has no column {name}; take one that `rollcall links --export` wrote")
        })
    };
    let (external, user_name, account) = (
        column("external_ids")?,
        column("user_name")?,
        column("account_id")?,
    );
    let mut entries = Vec::new();
    for record in csv.records() {
        let record = record?;
        let value = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let ids = value(external);
        let ids = ids
            .split(';')
            .filter_map(|id| id.split_once('='))
            .map(|(_, id)| id.to_owned());
        let names: Vec<String> = ids
            .chain([value(user_name)])
            .filter(|name| !name.is_empty())
            .collect();
        let line = record.position().map_or(0, csv::Position::line);
        if !value(account).is_empty() {
            entries.push(LinkRow {
                line,
                names,
                account: value(account),
            });
        }
    }
    Ok(entries)
}

pub(super) async fn import(global: &Global, session: &CliSession, path: &Path) -> anyhow::Result<Ending> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let entries = read(&bytes).with_context(|| format!("{} is not a file of links", path.display()))?;
    let state = pusher::state(&session.bus, &session.org).await;
    let (mut linked, mut known, mut bad) = (0, 0, Vec::new());
    for entry in entries {
        let person = entry.names.iter().find_map(|name| state.referenced(name));
        let Some(person) = person else {
            let why = format!("nobody in the roster is known as {}", entry.names.join(" or "));
            bad.push(json!({"line": entry.line, "why": why}));
            continue;
        };
        if state
            .linked_account(person)
            .is_some_and(|account| account.as_str() == entry.account)
        {
            known += 1;
            continue;
        }
        let order = OperatorRequest::Link {
            person: person.to_string(),
            account: Some(entry.account),
            by: parked::by(),
        };
        match session.request(Service::Pusher, order).await {
            Ok(_) => linked += 1,
            Err(error) => bad.push(json!({"line": entry.line, "why": error.to_string()})),
        }
    }
    let failed = !bad.is_empty();
    let answer = json!({"org": session.org, "linked": linked, "known": known, "bad": bad});
    print::answer(global.json, &answer, render);
    Ok(if failed { Ending::Waits } else { Ending::Done })
}

fn render(answer: &Value) -> String {
    let mut lines = vec![format!(
        "{} linked, {} were linked so already",
        print::number(answer, "linked"),
        print::number(answer, "known")
    )];
    let bad = print::list(&answer["bad"]);
    let line = |bad: &Value| {
        format!(
            "  line {}: {}",
            print::number(bad, "line"),
            print::text(bad, "why")
        )
    };
    lines.extend(bad.iter().take(BAD_MAX).map(line));
    if bad.len() > BAD_MAX {
        lines.push(format!("  and {} more; --json has all", bad.len() - BAD_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::table::State;
    use super::*;

    #[test]
    fn what_was_exported_is_read_back_by_the_names_that_sources_give() {
        let row = |account: Option<&str>| Row {
            person: "p1".to_owned(),
            user_name: "mira, \"the\" first@corp.example".to_owned(),
            external_ids: vec![
                ("hr".to_owned(), "E=1".to_owned()),
                ("scim".to_owned(), "00u".to_owned()),
            ],
            account: account.map(str::to_owned),
            account_user_name: None,
            active: Some(true),
            wanted_active: true,
            applied_revision: 3,
            revision: 4,
            state: State::Linked,
        };
        let bytes = export(&[row(Some("A1")), row(None)]).unwrap();
        let names = ["E=1", "00u", "mira, \"the\" first@corp.example"].map(str::to_owned);
        let entry = LinkRow {
            line: 2,
            names: names.to_vec(),
            account: "A1".to_owned(),
        };
        assert_eq!(read(&bytes).unwrap(), [entry]);
        assert!(
            read(b"a,b\n1,2\n")
                .unwrap_err()
                .to_string()
                .contains("external_ids")
        );
    }
}
