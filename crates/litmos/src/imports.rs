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

/// Most teams that one row can name.
const ROW_TEAMS_MAX: usize = 5;

/// A row in the documented order of bulk imports. Empty values are omitted: Litmos then leaves the field unchanged, and it would
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

/// Meaning of a job's status text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobWord {
    Over,
    Going,
    /// A text that no public source shows.
    Unknown,
}

/// Meaning of a job's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobCounts {
    /// Every row is counted.
    Full,
    /// Every row is counted, unless some were counted twice. The job is over if its counts stop changing.
    PerhapsFull,
    Open,
}

/// Beginnings of status texts of a finished job.
const OVER: [&str; 3] = ["complet", "failed", "finish"];

/// Beginnings of status texts of a running job.
const GOING: [&str; 8] = [
    "waiting",
    "pending",
    "queue",
    "process",
    "running",
    "started",
    "in progress",
    "inprogress",
];

impl BulkJob {
    pub fn word(&self) -> JobWord {
        let word = self.status.trim().to_ascii_lowercase();
        let begins = |words: &[&str]| words.iter().any(|begin| word.starts_with(begin));
        if begins(&OVER) {
            JobWord::Over
        } else if word.is_empty() || begins(&GOING) && word != "processed" {
            JobWord::Going
        } else {
            JobWord::Unknown
        }
    }

    /// Litmos documents none of its counts: rows with a refused e-mail address may be counted as failed or separately.
    pub fn counts(&self) -> JobCounts {
        let done = self.created.saturating_add(self.updated);
        let other = self.failed.saturating_sub(self.invalid_emails);
        if self.total_records == 0 {
            JobCounts::Open
        } else if done.saturating_add(other.max(self.invalid_emails)) >= self.total_records {
            JobCounts::Full
        } else if done.saturating_add(self.failed) >= self.total_records {
            JobCounts::PerhapsFull
        } else {
            JobCounts::Open
        }
    }
}

impl Client {
    /// Starts a bulk import. The response is a job that continues by itself.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_import(&self, permit: Permit, rows: &[BulkRow]) -> Result<BulkJob, Failure> {
        let mut call = Call::write("bulk.import", Method::POST, "/bulkimports", &[]);
        call.query.push(("skipfirstlogin", "true".to_owned()));
        let answer = self
            .send(permit, call.body(rows.iter().map(row).collect()))
            .await?;
        read::one(&answer)
            .and_then(read::bulk_job)
            .ok_or_else(|| Client::broken("bulk.import", "the answer is no job"))
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn bulk_job(&self, permit: Permit, id: &str) -> Result<BulkJob, Failure> {
        let answer = self
            .send(permit, Call::get("bulk.job", "/bulkimports/{}", &[id]))
            .await?;
        read::one(&answer)
            .and_then(read::bulk_job)
            .ok_or_else(|| Client::broken("bulk.job", "the answer is no job"))
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

    /// The rows that a job refused, by offset.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_over_by_its_word_or_by_its_counts() {
        for (status, word) in [
            ("Completed", JobWord::Over),
            ("completed with errors", JobWord::Over),
            ("Failed", JobWord::Over),
            ("Waiting", JobWord::Going),
            ("In Progress", JobWord::Going),
            ("Queued", JobWord::Going),
            ("Processing", JobWord::Going),
            ("Processed", JobWord::Unknown),
            ("Imported", JobWord::Unknown),
            ("", JobWord::Going),
        ] {
            let job = BulkJob {
                status: status.to_owned(),
                ..BulkJob::default()
            };
            assert_eq!(job.word(), word, "{status}");
        }
        let counts = |total_records, created, updated, failed, invalid_emails| {
            BulkJob {
                total_records,
                created,
                updated,
                failed,
                invalid_emails,
                ..BulkJob::default()
            }
            .counts()
        };
        assert_eq!(counts(0, 0, 0, 0, 0), JobCounts::Open, "nothing is known yet");
        assert_eq!(counts(10, 9, 0, 0, 0), JobCounts::Open);
        assert_eq!(counts(10, 4, 5, 1, 0), JobCounts::Full);
        assert_eq!(
            counts(10, 10, 2, 0, 0),
            JobCounts::Full,
            "created ones may be counted again"
        );
        // Two refused addresses: two rows if they are counted separately, one row if they are among the failed.
        assert_eq!(counts(10, 7, 0, 2, 2), JobCounts::Open);
        assert_eq!(counts(10, 7, 0, 4, 2), JobCounts::PerhapsFull);
    }
}
