//! Recovery after a crash, a timeout or a lost response: wait until the request can no longer take effect, then read the state.
//!
//! Recovery writes nothing to Litmos. At its end the intent is removed and the observed state is current. Changes that are still missing
//! are planned again. The kind of the intent decides what is read:
//!
//! | intent | reads | writes to the buckets |
//! | --- | --- | --- |
//! | create, update of an account | the account, by id or user name | account, link |
//! | leave teams | the teams of the account | memberships that began or ended, whether leaving is still due |
//! | custom fields | the advanced custom fields of the account | the managed fields, on the link |
//! | bulk | the job, then accounts created since | accounts, links |
//! | create of a team | teams with the name of the group | teams that belong to no other group |
//! | update of a team | the team | team |
//! | members | the members of the team | memberships of active accounts that began or ended |
//! | roles | the leaders and admins of the team | roles of active members |
//! | delete of a team | the team | its removal, with its members |
//!
//! Litmos lists active members only, so a list proves nothing about an inactive account.
//!
//! The effect of a request counts as found if the state differs from the known state before the request. If it is not found, the attempt
//! has failed. The link keeps its count of failed attempts, so a request that never takes effect is parked in the end and not repeated
//! forever.

mod bulk;
mod group;
mod person;

use std::time::Duration;

use provisioning::{Ended, Subject};

use super::{Done, Executor, Outcome, Trouble, halt_of, unix_ms};
pub(crate) use bulk::bulk_operation;
pub(crate) use group::{KnownGroup, KnownMember};
pub(crate) use person::KnownPerson;

/// Pause before a failed recovery read is repeated.
const AGAIN: Duration = Duration::from_secs(5);

async fn settle(until_ms: u64) {
    let wait = until_ms.saturating_sub(unix_ms());
    tokio::time::sleep(Duration::from_millis(wait)).await;
}

fn outcome(found: bool) -> Outcome {
    if found {
        Outcome::done(Vec::new())
    } else {
        let message = "not found after no answer had come";
        Outcome::not_done(Ended::Failed, message.to_owned())
    }
}

impl Executor {
    /// Ends a recovery whose read failed. The intent stays, and recovery is tried again after a pause, or when the gate is open.
    async fn try_again_soon(&self, subjects: Vec<Subject>, trouble: Trouble) -> Done {
        let trouble = self.weigh(trouble).await;
        if let Trouble::Litmos(failure) | Trouble::Gone(failure) = &trouble {
            tracing::warn!(error = %failure, "could not read what became of a request, trying again");
            tokio::time::sleep(AGAIN).await;
        }
        Done {
            subjects,
            halt: halt_of(&trouble),
            ..Done::default()
        }
    }
}
