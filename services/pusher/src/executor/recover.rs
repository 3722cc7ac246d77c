//! After a crash, a time-out or a lost reply: wait until nothing can take effect any more, then read what is there.
//!
//! Recovery writes nothing to Litmos. It ends with the intent gone and the observed state true; what is still missing
//! is planned again like everything else. What was under way is told from the kind of the intent:
//!
//! | intent | what is read | and written down |
//! | --- | --- | --- |
//! | create, update of an account | the account, by id or user name | account, link |
//! | leave teams | the teams that the account is in | memberships that began or ended, whether leaving is still due |
//! | custom fields | the account's advanced custom fields | the managed ones, on the link |
//! | bulk | the job, then accounts made since | accounts, links |
//! | create of a team | teams of the group's name | those that are no other group's |
//! | update of a team | the team | team |
//! | members | the team's members | memberships of active accounts that began or ended |
//! | roles | the team's leaders and admins | roles of active members |
//! | delete of a team | the team | that it is gone, with its members |
//!
//! Litmos lists active members only, so of an inactive account nothing is concluded from a list.
//!
//! An effect counts as found where what is read differs from what was known before the request. Where it is not found
//! the attempt has failed: the link's count of attempts stays, so that a request that never takes effect ends with a
//! person and not in a circle.

mod bulk;
mod group;
mod person;

use std::time::Duration;

use provisioning::{Ended, Subject};

use super::{Done, Executor, Outcome, Trouble, halt_of, unix_ms};
pub(crate) use bulk::bulk_operation;
pub(crate) use group::{KnownGroup, KnownMember};
pub(crate) use person::KnownPerson;

/// Pause before what could not be read is read again.
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
    /// Reading failed: the intent stays, and recovery is tried again after a pause, or when the gate is open.
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
