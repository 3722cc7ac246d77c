//! Bulk imports.

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::read;
use crate::record::{BULK_ORDER, BulkError, BulkJob, BulkRow};

/// Rows of one page of errors.
const ERRORS_PAGE: u32 = 1_000;

/// Teams that one row can name.
const ROW_TEAMS_MAX: usize = 5;

/// A row in the order that bulk imports document. What is empty is left out: Litmos then leaves it as it is, and would
/// refuse an empty access level.
fn row(row: &BulkRow) -> Value {
    let mut body = Map::new();
    body.insert("Username".to_owned(), json!(row.user_name));
    for name in BULK_ORDER {
        if name == "Address1" {
            for (index, team) in row.teams.iter().take(ROW_TEAMS_MAX).enumerate() {
                body.insert(format!("Team{}", index + 1), json!(team));
            }
        }
        if name == "Brand"
            && let Some(level) = &row.access_level
        {
            body.insert("AccessLevel".to_owned(), json!(level));
        }
        if name == "JobRole"
            && let Some(manager) = &row.manager
        {
            body.insert("Manager".to_owned(), json!(manager));
        }
        if let Some(value) = row.fields.get(name).filter(|value| !value.is_empty()) {
            body.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(body)
}

impl Client {
    /// Hands in a bulk import; the answer is a job that goes on by itself.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_import(&self, permit: Permit, rows: &[BulkRow]) -> Result<BulkJob, Failure> {
        let mut call = Call::write("bulk.import", Method::POST, "/bulkimports", &[]);
        call.query.push(("skipfirstlogin", "true".to_owned()));
        let answer = self
            .send(permit, call.body(rows.iter().map(row).collect()))
            .await?;
        read::bulk_job(&answer).ok_or_else(|| Client::broken("bulk.import", "the answer is no job"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_job(&self, permit: Permit, id: &str) -> Result<BulkJob, Failure> {
        let answer = self
            .send(permit, Call::get("bulk.job", "/bulkimports/{}", &[id]))
            .await?;
        read::bulk_job(&answer).ok_or_else(|| Client::broken("bulk.job", "the answer is no job"))
    }

    /// The recent jobs.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_jobs(&self, permit: Permit) -> Result<Vec<BulkJob>, Failure> {
        let answer = self
            .send(
                permit,
                Call::get("bulk.jobs", "/bulkimports", &[]).page(0, ERRORS_PAGE),
            )
            .await?;
        read::all(&answer, read::bulk_job)
            .ok_or_else(|| Client::broken("bulk.jobs", "the answer is no list of records"))
    }

    /// The rows that a job did not take, by offset.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_errors(&self, permit: Permit, id: &str, start: u32) -> Result<Vec<BulkError>, Failure> {
        let arguments = [id];
        let call =
            Call::get("bulk.errors", "/bulkimports/{}/usererrors", &arguments).page(start, ERRORS_PAGE);
        let answer = self.send(permit, call).await?;
        read::all(&answer, read::bulk_error)
            .ok_or_else(|| Client::broken("bulk.errors", "the answer is no list of records"))
    }
}
