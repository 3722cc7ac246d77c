//! An org's Litmos account as services use it: every request goes into the journal with what it was for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, CallRecord, Journal, Tokens};
use litmos::{CallReport, Client, Connection};
use provisioning::OrgId;
use rate_tokens::Moment;
use settings::Org;

/// How long one request to Litmos may take at most. An org's settling time may demand less.
const REQUEST: Duration = Duration::from_secs(20);

/// How long the last reports may take when a service ends. What is not told then costs tokens a while, not safety.
const CLOSING: Duration = Duration::from_secs(2);

/// What the requests of a piece of work are for.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub class: &'static str,
    pub kind: String,
    pub operation: String,
    pub subjects: Vec<String>,
    /// Changes that would cost a request each if made one by one.
    pub covers: u32,
    /// Edits in the sources that this work answers.
    pub edits: u32,
}

tokio::task_local! {
    static ABOUT: About;
}

/// Does a piece of work so that its requests are journalled as its own.
pub fn about<F: Future>(about: About, work: F) -> impl Future<Output = F::Output> {
    ABOUT.scope(about, work)
}

/// An org's settings cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[error("the Litmos account of org {org} cannot be used as it is set up")]
pub struct AccountProblem {
    pub org: OrgId,
    #[source]
    pub source: litmos::ConnectionProblem,
}

/// What a service sends requests with: permits, and a journal of what became of them.
#[derive(Clone, Debug)]
pub struct Accounts {
    service: &'static str,
    tokens: Tokens,
    journal: Journal,
}

impl Accounts {
    pub fn new(bus: &Bus, service: &'static str) -> Accounts {
        Accounts {
            service,
            tokens: bus.tokens(chassis::clock::now_ms),
            journal: bus.journal(),
        }
    }

    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The client of an org's account.
    ///
    /// # Errors
    /// When base URL or key cannot be used at all.
    pub fn client(&self, org: &Org) -> Result<Client, AccountProblem> {
        client(org, self.service, self.journal.clone())
    }

    /// Waits until all that was sent is on the books: reported to the governor, and written to the journal.
    pub async fn close(&self) {
        self.tokens.reported(CLOSING).await;
        let _ = tokio::time::timeout(CLOSING, self.journal.written()).await;
    }
}

fn client(org: &Org, service: &'static str, journal: Journal) -> Result<Client, AccountProblem> {
    let connection = Connection {
        base_url: org.base_url.clone(),
        company: org.company.clone(),
        api_key: org.api_key.clone(),
        timeout: REQUEST.min(org.budget().settle()),
        clock: || Moment::from_millis(chassis::clock::now_ms()),
    };
    let id = org.id.clone();
    let observer = Arc::new(move |report: &CallReport| {
        let about = ABOUT.try_with(Clone::clone).unwrap_or_default();
        journal.write(CallRecord {
            org: id.to_string(),
            service: service.to_owned(),
            class: about.class.to_owned(),
            operation: about.operation,
            kind: about.kind,
            subjects: about.subjects,
            covers: about.covers,
            edits: about.edits,
            method: report.method.to_owned(),
            path: report.path.to_owned(),
            status: report.status.unwrap_or_default(),
            outcome: report.outcome.to_owned(),
            permit: report.permit_id.clone(),
            trace: bus::trace::current_id(),
            started_at_ms: report.started_at_ms,
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        });
    });
    let client = Client::new(connection).map_err(|source| AccountProblem {
        org: org.id.clone(),
        source,
    })?;
    Ok(client.observed(observer))
}
