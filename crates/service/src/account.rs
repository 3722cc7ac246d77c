//! Access to an org's Litmos account for services. Every request is written to the journal with its purpose.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, CallRecord, Journal, Tokens};
use litmos::{CallReport, Client, Connection};
use provisioning::OrgId;
use rate_tokens::Moment;
use settings::Org;

/// Longest duration of one request to Litmos. The settling time of the org may set a lower limit.
const REQUEST: Duration = Duration::from_secs(20);

/// Longest time for the last use reports and journal entries when a service ends. A missing use report delays a token, but is safe.
const CLOSING: Duration = Duration::from_secs(2);

/// The purpose of the requests of one piece of work.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub class: &'static str,
    pub kind: String,
    pub operation: String,
    pub subjects: Vec<String>,
    /// Number of changes that would need one request each if made one by one.
    pub covers: u32,
    /// Number of edits in the sources that caused this work.
    pub edits: u32,
}

tokio::task_local! {
    static ABOUT: About;
}

/// Runs the work. Its requests are written to the journal with this purpose.
pub fn about<F: Future>(about: About, work: F) -> impl Future<Output = F::Output> {
    ABOUT.scope(about, work)
}

/// The settings of an org's Litmos account are not usable.
#[derive(Debug, thiserror::Error)]
#[error("the Litmos account of org {org} cannot be used as it is set up")]
pub struct AccountProblem {
    pub org: OrgId,
    #[source]
    pub source: litmos::ConnectionProblem,
}

/// Gives a service tokens and Litmos clients, and writes each request to the journal.
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

    /// Creates the client for an org's account.
    ///
    /// # Errors
    /// If the base URL or the key is not usable.
    pub fn client(&self, org: &Org) -> Result<Client, AccountProblem> {
        client(org, self.service, self.journal.clone())
    }

    /// Waits until all use reports and journal entries are written, for a limited time.
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
