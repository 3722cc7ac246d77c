//! The executor of one org's owner: everything that touches Litmos or a bucket on behalf of an operation.
//!
//! Every request follows the same five steps: permit, intent, check that the lease and the permit still hold, send,
//! outcome. Between any two of them the process may die; whoever owns the org next finds the intent and reads before
//! it writes.

//!
//! A 404 may be about anything that a request names, so nothing is taken for gone on the word of a write: only a read at
//! the account or team itself says so ([`Trouble::Gone`]).

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
pub(crate) use people::{PersonJob, tie};
#[cfg(test)]
pub(crate) use records::{account, team};
pub(crate) use recover::{KnownGroup, KnownMember, KnownPerson, bulk_operation};
pub(crate) use roles::RoleChange;
pub(crate) use teams::{GroupJob, TeamDraft};

/// How long an operation that lost a race holds its subject: about the time a watch takes to deliver.
pub(crate) const STALE_PAUSE: Duration = Duration::from_millis(100);

/// What one org's operations are performed with.
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
    /// One writer at a time for what was taken away, so that an older sum never overwrites a newer one.
    pub(crate) harm_book: Arc<tokio::sync::Mutex<()>>,
    pub(crate) custom_fields: CustomFieldsShape,
    pub(crate) imports: Arc<Imports>,
    pub(crate) gate: Arc<Gate>,
    /// How old a record may be to be written back without reading it again.
    pub(crate) fresh_ms: u64,
    /// Longest time after its use-by that a request of ours may still take effect.
    pub(crate) settle: Duration,
    /// Permits that the operation these executor are for has taken.
    pub(crate) spent: Arc<AtomicU32>,
}

/// Why an operation came to no outcome of its own.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Somebody else has written the link, or the lease is gone: plan again from what is there.
    Stale,
    /// The bus did not take the write.
    Bus(WriteError),
    /// Litmos did not do it.
    Litmos(Failure),
    /// A read at the account or team itself says that it is not there.
    Gone(Failure),
    /// No request can come to anything: the gate is closed.
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

/// How an operation ended, for the journal: what it did, with what was there before, or why it did not.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// What Litmos said, where it did not do it.
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

/// What an operation came to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) effects: Effects,
    /// `None` where nothing was tried, or it is not known yet what became of it.
    pub(crate) outcome: Option<Outcome>,
    /// Something that stops the whole org, not this item only.
    pub(crate) halt: Option<Halt>,
}

/// Why a whole org stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The bus did not take a write.
    Bus { message: String },
}

pub(crate) fn unix_ms() -> u64 {
    chassis::clock::unix_ms()
}

impl Executor {
    /// The same executor for an operation that comes with its first permit.
    pub(crate) fn counting(&self) -> Executor {
        Executor {
            spent: Arc::new(AtomicU32::new(1)),
            ..self.clone()
        }
    }

    /// One more permit for an operation that needs several requests.
    pub(crate) async fn permit(&self, class: Class) -> Permit {
        let permit = self.permit_through(class).await;
        self.spent.fetch_add(1, Ordering::Relaxed);
        permit
    }

    /// The intent that goes with this permit: it settles when neither the permit nor the request can act any more.
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

    /// The last read before the socket: nothing is sent by somebody who no longer owns the org.
    pub(crate) fn still_owner(&self) -> Result<(), Trouble> {
        if self.lease.is_held() {
            Ok(())
        } else {
            Err(Trouble::Stale)
        }
    }

    /// Writes what an operation is about to take away, before it does.
    pub(crate) async fn note_harms(&self, history: HarmHistory) -> Result<(), Trouble> {
        let _one = self.harm_book.lock().await;
        self.still_owner()?;
        Ok(self.links.put_harm(&history).await?)
    }

    /// An operation that was not begun, for this reason.
    pub(crate) fn not_started(&self, subjects: Vec<Subject>, trouble: &Trouble) -> Done {
        Done {
            subjects,
            halt: halt_of(trouble),
            ..Done::default()
        }
    }

    /// Writes links that no request goes with: people who are parked, accounts and teams that are tied.
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

/// Ends an operation that Litmos is not the reason of: its link was written by somebody else, or cannot be written.
/// Whatever was sent is found out from the intent.
pub(crate) async fn set_aside(subjects: Vec<Subject>, trouble: &Trouble) -> Done {
    if matches!(trouble, Trouble::Stale) {
        // The watch will bring what somebody else wrote; planning before it has would fail the same way.
        tokio::time::sleep(STALE_PAUSE).await;
    }
    Done {
        subjects,
        halt: halt_of(trouble),
        ..Done::default()
    }
}

/// Ends an operation of which something was written down, or not: then what was seen of it is all that is known.
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
