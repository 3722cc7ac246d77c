//! Bulk imports: jobs that wait, then create and update users by username.
//!
//! Missing and blank values stay as they are, so a bulk import clears nothing. It renames nobody, and only adds to teams.
//! Rows are processed one by one: a bad row is reported, and the others continue.

mod row;

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Now;
use crate::mode::{BulkDuplicate, BulkWord, Modes};
use crate::model::{Account, Fields, Refusal};
use crate::wire::{Record, Value};
pub(crate) use row::RowError;

/// Largest body of an import that Litmos accepts, in kilobytes.
pub(crate) const BODY_KB_MAX: usize = 2000;
/// Most jobs in the list.
const JOBS_LISTED: usize = 1000;

/// All import jobs, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    imported: Timestamp,
    due: Duration,
    total: usize,
    /// Rows to import. `None` after the job has run.
    rows: Option<Vec<Fields>>,
    created: usize,
    updated: usize,
    invalid_email: usize,
    send_emails: bool,
    skip_first_login: bool,
    errors: Vec<RowFailure>,
}

#[derive(Clone, Debug)]
struct RowFailure {
    user_name: String,
    error: RowError,
}

/// Options of one import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) send_emails: bool,
    pub(crate) skip_first_login: bool,
    /// Delay before the job runs.
    pub(crate) delay: Duration,
}

impl Jobs {
    pub(crate) fn find(&self, id: &str) -> Result<&Job, Refusal> {
        self.jobs
            .iter()
            .find(|job| job.id == id)
            .ok_or(Refusal::NoSuchJob)
    }

    /// Jobs in the list, newest first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().rev().take(JOBS_LISTED)
    }

    /// Number of users that all jobs have created and updated.
    pub(crate) fn totals(&self) -> (usize, usize) {
        self.jobs.iter().fold((0, 0), |(created, updated), job| {
            (created + job.created, updated + job.updated)
        })
    }
}

impl Job {
    pub(crate) fn record(&self, modes: &Modes) -> Record<'_> {
        let duplicate = match modes.bulk_duplicate {
            BulkDuplicate::Updated => self.updated,
            BulkDuplicate::None => 0,
        };
        let count = |count: usize| Value::Int(count as i64);
        Record {
            name: "UserBulkImport",
            fields: vec![
                ("Id", Value::text(&self.id)),
                (
                    "ImportDate",
                    Value::text(self.imported.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
                ),
                ("Status", Value::text(self.word(modes.bulk_word))),
                ("TotalRecords", count(self.total)),
                ("TotalUsersCreated", count(self.created)),
                ("Failed", count(self.errors.len())),
                ("Duplicate", count(duplicate)),
                ("InvalidEmail", count(self.invalid_email)),
                ("SendEmails", Value::Bool(self.send_emails)),
                ("SkipFirstLogin", Value::Bool(self.skip_first_login)),
                ("IsAPIImport", Value::Bool(true)),
            ],
        }
    }

    /// `Status` of the job. Before it runs: `Waiting`, or `Processing` in the mode that always shows it.
    fn word(&self, word: BulkWord) -> &'static str {
        let failed = self.errors.len();
        match word {
            BulkWord::Processing => "Processing",
            _ if self.rows.is_some() => "Waiting",
            BulkWord::Waiting => "Waiting",
            BulkWord::Processed => "Processed",
            BulkWord::Finished => "Finished",
            BulkWord::CompletedWithErrors if failed > 0 => "CompletedWithErrors",
            BulkWord::Failed if failed > 0 && failed == self.total => "Failed",
            BulkWord::Completed | BulkWord::CompletedWithErrors | BulkWord::Failed => "Completed",
        }
    }

    /// One record per failed row.
    pub(crate) fn user_errors(&self) -> Vec<Record<'_>> {
        self.errors
            .iter()
            .map(|failure| Record {
                name: "UserError",
                fields: vec![
                    ("Username", Value::text(&failure.user_name)),
                    ("ImportStatus", Value::text(failure.error.to_string())),
                ],
            })
            .collect()
    }
}

impl Account {
    /// Accepts an import. It runs after its delay.
    pub(crate) fn accept_import(&mut self, rows: Vec<Fields>, options: Options, now: Now) -> &Job {
        let job = Job {
            id: self.ids.job(),
            imported: now.wall,
            due: now.since_start + options.delay,
            total: rows.len(),
            rows: Some(rows),
            created: 0,
            updated: 0,
            invalid_email: 0,
            send_emails: options.send_emails,
            skip_first_login: options.skip_first_login,
            errors: Vec::new(),
        };
        let place = self.jobs.jobs.len();
        self.jobs.jobs.push(job);
        &self.jobs.jobs[place]
    }

    /// Runs all due jobs, in the order of acceptance.
    pub(crate) fn run_imports(&mut self, now: Now, modes: &Modes) {
        let mut jobs = std::mem::take(&mut self.jobs);
        for job in jobs.jobs.iter_mut().filter(|job| job.due <= now.since_start) {
            for fields in job.rows.take().into_iter().flatten() {
                self.run_row(job, &fields, modes, now.wall);
            }
        }
        self.jobs = jobs;
    }

    fn run_row(&mut self, job: &mut Job, fields: &Fields, modes: &Modes, now: Timestamp) {
        match self.import_row(fields, job.skip_first_login, modes, now) {
            Ok(row::Imported::Created) => job.created += 1,
            Ok(row::Imported::Updated) => {
                job.updated += 1;
            }
            Err(error) => {
                if error == RowError::Refused(Refusal::EmailInvalid) {
                    job.invalid_email += 1;
                }
                job.errors.push(RowFailure {
                    user_name: row::user_name(fields),
                    error,
                });
            }
        }
    }
}
