//! The executor of one org: it sends the requests and bucket writes of operations.
//!
//! Every request follows the same five steps: get a permit, write the intent, check that the lease and the permit are still valid, send,
//! write the outcome. The process may die between any two steps. The next owner of the org finds the intent and reads from Litmos before it
//! writes.
//!
//! A 404 may be about anything that a request names. So a 404 to a write never proves that something is gone: only a read of the account or
//! team itself does ([`Trouble::Gone`]).

mod bulk;
mod custom_fields;
mod fetch;
mod gate;
mod images;
mod imports;
mod leavers;
mod members;
mod observed;
mod people;
mod records;
mod recover;
mod roles;
mod setback;
mod teams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bus::WriteError;
use litmos::Failure;
use provisioning::{Ended, HarmHistory, Image, Intent, IntentKind, OperationId, OrgId, Subject};
use rate_tokens::{Class, Permit};

use crate::CrashPoints;
use crate::controller::FreeLinks;
use crate::effects::Effects;
use crate::links::Links;
pub(crate) use bulk::{BulkPlan, POLL_PAUSES};
pub(crate) use custom_fields::CustomFieldsShape;
pub(crate) use gate::Gate;
pub(crate) use imports::Imports;
pub(crate) use observed::Observed;
pub(crate) use people::{PersonJob, link_account};
#[cfg(test)]
pub(crate) use records::{account, team};
pub(crate) use recover::{KnownGroup, KnownMember, KnownPerson, bulk_operation};
pub(crate) use roles::RoleChange;
pub(crate) use teams::{GroupJob, TeamDraft};

/// How long an operation keeps its subjects after a write conflict: about the time that a watch needs to deliver the other write.
pub(crate) const STALE_PAUSE: Duration = Duration::from_millis(100);

/// Everything that is needed to perform the operations of one org.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    pub(crate) org: OrgId,
    pub(crate) litmos: Arc<litmos::Client>,
    pub(crate) tokens: bus::Tokens,
    pub(crate) links: Links,
    pub(crate) observed: Observed,
    pub(crate) lease: Arc<bus::Lease>,
    pub(crate) journal: bus::Journal,
    pub(crate) crash_points: CrashPoints,
    /// Allows one writer of the harm history at a time, so that an older count never overwrites a newer one.
    pub(crate) harm_book: Arc<tokio::sync::Mutex<()>>,
    pub(crate) custom_fields: CustomFieldsShape,
    pub(crate) imports: Arc<Imports>,
    pub(crate) gate: Arc<Gate>,
    /// Greatest age in ms of a record that may be written back without reading it again.
    pub(crate) fresh_ms: u64,
    /// Longest time after the use-by time of its permit that a request may still take effect.
    pub(crate) settle: Duration,
    /// Number of permits used by the operation that this executor performs.
    pub(crate) spent: Arc<AtomicU32>,
}

/// Why an operation did not succeed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another writer changed the link, or the lease is lost: plan again from the current state.
    Stale,
    /// The bus refused the write.
    Bus(WriteError),
    /// The request to Litmos failed.
    Litmos(Failure),
    /// A read of the account or team itself shows that it does not exist.
    Gone(Failure),
    /// No request can succeed at the moment: the gate is closed.
    Connection(Failure),
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Trouble {
        if error.is_conflict() {
            Trouble::Stale
        } else {
            Trouble::Bus(error)
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Litmos(failure)
    }
}

/// How an operation ended, for the journal: its changes with the earlier values, or why it failed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// The error message of Litmos, if the request failed.
    pub(crate) message: Option<String>,
    pub(crate) images: Vec<Image>,
}

impl Outcome {
    pub(crate) fn done(images: Vec<Image>) -> Outcome {
        Outcome {
            ended: Ended::Done,
            message: None,
            images,
        }
    }

    pub(crate) fn not_done(ended: Ended, message: String) -> Outcome {
        Outcome {
            ended,
            message: Some(message),
            images: Vec::new(),
        }
    }
}

/// The result of an operation.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) effects: Effects,
    /// `None` if nothing was tried, or if the outcome is not known yet.
    pub(crate) outcome: Option<Outcome>,
    /// Set if the failure stops the whole org, not only this item.
    pub(crate) halt: Option<Halt>,
}

/// Why a whole org is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The bus refused a write.
    Bus { message: String },
}

pub(crate) fn unix_ms() -> u64 {
    chassis::clock::unix_ms()
}

impl Executor {
    /// A copy of this executor for one operation. Its permit count starts at 1, for the first permit of the operation.
    pub(crate) fn counting(&self) -> Executor {
        Executor {
            spent: Arc::new(AtomicU32::new(1)),
            ..self.clone()
        }
    }

    /// Waits for one more permit, for an operation that needs several requests.
    pub(crate) async fn permit(&self, class: Class) -> Permit {
        let permit = self.permit_through(class).await;
        self.spent.fetch_add(1, Ordering::Relaxed);
        permit
    }

    /// The intent of a request that uses this permit. It is settled when the permit has expired and the request can no longer take effect.
    pub(crate) fn intent(
        &self,
        permit: &Permit,
        operation: &OperationId,
        kind: IntentKind,
        revision: u64,
    ) -> Intent {
        let open_ms = permit
            .use_by()
            .as_millis()
            .saturating_sub(chassis::clock::now_ms());
        let settle_ms = u64::try_from(self.settle.as_millis()).unwrap_or(u64::MAX);
        Intent {
            operation: operation.clone(),
            kind,
            revision,
            settled_at_ms: unix_ms() + open_ms + settle_ms,
            name: None,
        }
    }

    /// Checks the lease just before a request is sent.
    ///
    /// # Errors
    /// Returns `Stale` if this replica no longer owns the org.
    pub(crate) fn still_owner(&self) -> Result<(), Trouble> {
        if self.lease.is_held() {
            Ok(())
        } else {
            Err(Trouble::Stale)
        }
    }

    /// Writes the harm history with the harms of an operation, before the operation is performed.
    pub(crate) async fn note_harms(&self, history: HarmHistory) -> Result<(), Trouble> {
        let _one = self.harm_book.lock().await;
        self.still_owner()?;
        Ok(self.links.put_harm(&history).await?)
    }

    /// The result of an operation that was not started.
    pub(crate) fn not_started(&self, subjects: Vec<Subject>, trouble: &Trouble) -> Done {
        Done {
            subjects,
            halt: halt_of(trouble),
            ..Done::default()
        }
    }

    /// Writes links that need no request to Litmos: for example parked people, or people and groups linked to existing accounts and teams.
    pub(crate) async fn write_links(&self, mut links: FreeLinks) -> Done {
        let subjects = links.subjects();
        let mut effects = Effects::default();
        let written = async {
            self.still_owner()?;
            self.links.write_people(&mut links.people).await?;
            for link in &mut links.groups {
                self.links.write_group(link).await?;
            }
            Ok::<(), Trouble>(())
        }
        .await;
        match written {
            Ok(()) => {
                effects.person_links = links
                    .people
                    .into_iter()
                    .map(|link| (link.value, link.revision))
                    .collect();
                effects.group_links = links
                    .groups
                    .into_iter()
                    .map(|link| (link.value, link.revision))
                    .collect();
                Done {
                    subjects,
                    effects,
                    outcome: None,
                    halt: None,
                }
            }
            Err(trouble) => set_aside(subjects, &trouble).await,
        }
    }
}

/// Ends an operation that failed without a fault of Litmos: another writer changed its link, or the link cannot be written. Recovery uses
/// the intent to find out what became of a sent request.
pub(crate) async fn set_aside(subjects: Vec<Subject>, trouble: &Trouble) -> Done {
    if matches!(trouble, Trouble::Stale) {
        // Waits for the watch to deliver the other write: a plan made before it would fail in the same way.
        tokio::time::sleep(STALE_PAUSE).await;
    }
    Done {
        subjects,
        halt: halt_of(trouble),
        ..Done::default()
    }
}

/// Ends an operation after its outcome was written. If the write failed, the result has only the effects, and no outcome.
pub(crate) async fn ended(
    subjects: Vec<Subject>,
    effects: Effects,
    outcome: Outcome,
    written: Result<(), Trouble>,
) -> Done {
    match written {
        Ok(()) => Done {
            subjects,
            effects,
            outcome: Some(outcome),
            halt: None,
        },
        Err(trouble) => Done {
            effects,
            ..set_aside(subjects, &trouble).await
        },
    }
}

pub(crate) fn halt_of(trouble: &Trouble) -> Option<Halt> {
    match trouble {
        Trouble::Bus(error) => Some(Halt::Bus {
            message: error.to_string(),
        }),
        Trouble::Stale | Trouble::Litmos(_) | Trouble::Gone(_) | Trouble::Connection(_) => None,
    }
}
