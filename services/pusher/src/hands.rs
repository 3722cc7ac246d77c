//! The hands of one org's owner: everything that touches Litmos or a bucket on behalf of an operation.
//!
//! Every request follows the same five steps: permit, intent, check that the lease and the permit still hold, send,
//! outcome. Between any two of them the process may die; whoever owns the org next finds the intent and reads before
//! it writes.

mod bulk;
mod observed;
mod people;
mod recover;
mod teams;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bus::WriteError;
use litmos::{Failure, FailureKind};
use provisioning::{
    Ended, HarmHistory, Image, Intent, IntentKind, OperationId, OrgId, ParkCode, Parked, PersonLink, Revised,
    Subject,
};
use rate_tokens::{Class, Permit};

use crate::Cuts;
use crate::controller::FreeLinks;
use crate::effects::Effects;
use crate::links::Links;
pub(crate) use bulk::{BulkPlan, POLL_PAUSES};
pub(crate) use observed::Observed;
pub(crate) use people::PersonJob;
pub(crate) use recover::bulk_operation;
pub(crate) use teams::GroupJob;

/// Longest pause between two attempts at the same item.
const BACKOFF_MAX_MS: u64 = 15 * 60_000;

/// First pause after a failure; doubles with every further one.
const BACKOFF_FIRST_MS: u64 = 5_000;

/// Attempts after which an item is parked instead of tried again: about an hour of pauses.
const ATTEMPTS_MAX: u32 = 10;

/// Characters of Litmos's words that are kept with an item.
const SAID_MAX: usize = 300;

/// How long an operation that lost a race holds its subject: about the time a watch takes to deliver.
pub(crate) const STALE_PAUSE: Duration = Duration::from_millis(100);

/// What one org's operations are performed with.
#[derive(Clone, Debug)]
pub(crate) struct Hands {
    pub(crate) org: OrgId,
    pub(crate) litmos: Arc<litmos::Client>,
    pub(crate) tokens: bus::Tokens,
    pub(crate) links: Links,
    pub(crate) observed: Observed,
    pub(crate) lease: Arc<bus::Lease>,
    pub(crate) journal: bus::Journal,
    pub(crate) cuts: Cuts,
    /// One writer at a time for what was taken away, so that an older sum never overwrites a newer one.
    pub(crate) harm_book: Arc<tokio::sync::Mutex<()>>,
    /// Longest time after its use-by that a request of ours may still take effect.
    pub(crate) settle: Duration,
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
    pub(crate) said: Option<String>,
    pub(crate) images: Vec<Image>,
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
    /// Litmos refused the credentials.
    Credentials { said: String },
    /// The bus did not take a write.
    Bus { said: String },
}

pub(crate) fn unix_ms() -> u64 {
    chassis::clock::unix_ms()
}

impl Hands {
    /// One more permit for an operation that needs several requests.
    pub(crate) async fn permit(&self, class: Class) -> Permit {
        self.cuts.place().await;
        self.tokens.acquire(&self.org, class, "pusher").await
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
        }
    }

    /// The last look before the socket: nothing is sent by somebody who no longer owns the org.
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
            halt: people::halt_of(trouble),
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
            Err(trouble) => {
                tokio::time::sleep(STALE_PAUSE).await;
                Done {
                    subjects,
                    effects,
                    outcome: None,
                    halt: people::halt_of(&trouble),
                }
            }
        }
    }

    /// Writes a person's outcome. A conflict means that the org has a new owner, who reads before it writes.
    pub(crate) async fn close_person(
        &self,
        link: &mut Revised<PersonLink>,
        effects: &mut Effects,
    ) -> Result<(), Trouble> {
        link.value.changed_at_ms = unix_ms();
        self.links.write_person(link).await?;
        effects.person_links.push((link.value.clone(), link.revision));
        Ok(())
    }
}

/// What a failure means for the item it happened to.
pub(crate) enum Sequel {
    /// Nothing took effect; it may be tried at once.
    Again,
    /// Nothing took effect; it is tried again after a pause.
    Later,
    /// It may have taken effect: quarantine, then read.
    Unknown,
    /// A person must look.
    Park(ParkCode),
    /// The account or team is not there any more.
    Gone,
    /// Nothing of this org can be done.
    Halt,
}

pub(crate) fn sequel(failure: &Failure) -> Sequel {
    match &failure.kind {
        FailureKind::Void | FailureKind::RateLimited { .. } => Sequel::Again,
        FailureKind::NotSent => Sequel::Later,
        FailureKind::Unknown | FailureKind::Broken => Sequel::Unknown,
        FailureKind::Retry => Sequel::Unknown,
        FailureKind::Exists => Sequel::Park(ParkCode::UserNameTaken),
        FailureKind::Rejected { .. } => Sequel::Park(ParkCode::RejectedByLitmos),
        FailureKind::Gone => Sequel::Gone,
        FailureKind::Credentials => Sequel::Halt,
    }
}

pub(crate) fn backoff_ms(attempts: u32) -> u64 {
    BACKOFF_FIRST_MS
        .saturating_mul(1 << attempts.saturating_sub(1).min(20))
        .min(BACKOFF_MAX_MS)
}

pub(crate) fn said(failure: &Failure) -> String {
    let mut text = String::new();
    let _ = write!(text, "{failure}");
    text.chars().take(SAID_MAX).collect()
}

/// What is written on an item's link after a failure, apart from its intent.
pub(crate) struct Setback<'a> {
    pub(crate) attempts: &'a mut u32,
    pub(crate) next_try_ms: &'a mut u64,
    pub(crate) last_error: &'a mut Option<String>,
    pub(crate) parked: &'a mut Option<Parked>,
}

impl Setback<'_> {
    /// Notes a failed attempt: a pause that doubles, and in the end a place among the parked.
    pub(crate) fn note(self, failure: &Failure, revision: u64) {
        *self.attempts += 1;
        *self.last_error = Some(said(failure));
        *self.next_try_ms = unix_ms() + backoff_ms(*self.attempts);
        if *self.attempts >= ATTEMPTS_MAX {
            *self.parked = Some(Parked {
                code: ParkCode::KeepsFailing,
                attribute: None,
                said: said(failure),
                remedy: "See whether Litmos answers at all, then ask for a retry.".to_owned(),
                revision,
                at_ms: unix_ms(),
            });
        }
    }

    pub(crate) fn park(self, code: ParkCode, failure: &Failure, revision: u64) {
        let attribute = match &failure.kind {
            FailureKind::Rejected { attribute } => attribute.clone(),
            FailureKind::Exists if code == ParkCode::UserNameTaken => Some("UserName".to_owned()),
            FailureKind::Exists => Some("Name".to_owned()),
            _ => None,
        };
        *self.last_error = Some(said(failure));
        *self.parked = Some(Parked {
            code,
            attribute,
            said: failure.said.chars().take(SAID_MAX).collect(),
            remedy: "Correct it at the source; the change is sent again by itself.".to_owned(),
            revision,
            at_ms: unix_ms(),
        });
    }
}

pub(crate) fn person_setback(link: &mut PersonLink) -> Setback<'_> {
    Setback {
        attempts: &mut link.attempts,
        next_try_ms: &mut link.next_try_ms,
        last_error: &mut link.last_error,
        parked: &mut link.parked,
    }
}
