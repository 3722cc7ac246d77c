//! `rollcall explain PERSON`: one person's sync history, now or at an earlier time.

mod past;

use bus::{OperatorRequest, Service};
use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::Value;

use crate::session::{self, CliSession};
use crate::{Ending, Global, print};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// User name, id or external id.
    person: String,
    /// Show only what was decided and done until this time: 2026-03-01T09:30:00Z, or "2 hours ago".
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
}

/// Parses a time to Unix milliseconds.
fn moment(text: &str) -> Result<u64, String> {
    let at = text.parse::<Timestamp>().or_else(|_| {
        let span: Span = text.parse()?;
        // "1 day ago" means 24 hours ago.
        let ago = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
        Timestamp::now().checked_add(ago)
    });
    let at = at.map_err(|_: jiff::Error| {
        "write a moment like 2026-03-01T09:30:00Z, or how long ago like \"2 hours ago\"".to_owned()
    })?;
    u64::try_from(at.as_millisecond()).map_err(|_| "that is before 1970".to_owned())
}

impl Explain {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        let mut story = session
            .request(
                Service::Pusher,
                OperatorRequest::Explain {
                    person: self.person.clone(),
                },
            )
            .await?;
        let calls = session.bus.journal_calls(&session.org).await?;
        if let Some(at) = self.at {
            let kept = session.bus.journal_decisions(&session.org).await?;
            let past = past::past(&story, &kept, &calls, at);
            print::answer(global.json, &past, past::render);
            return Ok(Ending::Done);
        }
        let id = format!("person/{}", print::text(&story, "person"));
        let calls = calls.iter().filter(|call| call.subjects.contains(&id));
        story["calls"] = calls.map(past::call).collect::<Vec<Value>>().into();
        print::answer(global.json, &story, print::explain);
        let parked = u64::from(!story["act"]["parked"].is_null());
        Ok(session::ends_with(
            print::list(&story["plan"]["held"]).len() as u64,
            parked,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_times_and_as_ages() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000));
        let (now, ago) = (chassis::clock::unix_ms(), moment("1 day 2 hours ago").unwrap());
        assert!(now.abs_diff(ago + 26 * 3_600_000) < 60_000, "{now} {ago}");
        assert!(moment("yesterday").is_err() && moment("1960-01-01T00:00:00Z").is_err());
    }
}
