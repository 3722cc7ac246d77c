//! Cuts off people in a running bulk import.
//!
//! A bulk import may take an hour, and no other operation may write the links of its people meanwhile. So the operation that waits for the
//! import also cuts these people off. It finds the account by its user name, because the import may have just created it, and writes the
//! account back as inactive. Before that, it notes on the link that the account must leave its teams. An import does not activate an
//! existing account, so the account stays inactive.

use std::collections::BTreeMap;
use std::time::Duration;

use litmos::FailureKind;
use provisioning::{AccessLevel, Account, NormalName, PersonId, PersonLink, Revised};
use rate_tokens::Class;
use tokio::time::Instant;

use super::records::{account, record};
use super::{Executor, Trouble, unix_ms};

/// Interval between checks for people in a bulk import to cut off.
const LOOK: Duration = Duration::from_millis(250);

/// Pause before the next attempt to cut a person off, if the account does not exist yet or the attempt failed. It doubles with each
/// attempt.
const AGAIN_FIRST: Duration = Duration::from_secs(2);

/// Longest of these pauses.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// The people of one bulk import that has not ended.
pub(crate) struct InImport<'a> {
    links: &'a mut [Revised<PersonLink>],
    names: &'a [String],
    /// Accounts that were cut off during the import.
    pub(crate) cut: BTreeMap<PersonId, Account>,
    tried: BTreeMap<PersonId, (u32, Instant)>,
}

impl<'a> InImport<'a> {
    pub(crate) fn new(links: &'a mut [Revised<PersonLink>], names: &'a [String]) -> InImport<'a> {
        InImport {
            links,
            names,
            cut: BTreeMap::new(),
            tried: BTreeMap::new(),
        }
    }
}

impl Executor {
    /// Sleeps for `pause`, and cuts off leavers of the import meanwhile.
    pub(crate) async fn sleep_beside(
        &self,
        pause: Duration,
        people: &mut InImport<'_>,
    ) -> Result<(), Trouble> {
        let until = Instant::now() + pause;
        loop {
            if self.imports.has_leavers() {
                self.cut_off_beside(people).await?;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    async fn cut_off_beside(&self, people: &mut InImport<'_>) -> Result<(), Trouble> {
        for (link, name) in people.links.iter_mut().zip(people.names) {
            let person = link.value.person.clone();
            let wait = people
                .tried
                .get(&person)
                .is_some_and(|(_, next)| *next > Instant::now());
            if wait || people.cut.contains_key(&person) || !self.imports.is_leaver(&person) {
                continue;
            }
            match self.cut_off_by_name(link, name).await {
                Ok(Some(account)) => {
                    people.cut.insert(person, account);
                    continue;
                }
                Ok(None) => {}
                Err(trouble) => match self.weigh(trouble).await {
                    Trouble::Litmos(failure) | Trouble::Gone(failure) | Trouble::Connection(failure) => {
                        tracing::warn!(error = %failure, "somebody in an import could not be cut off yet");
                    }
                    trouble @ (Trouble::Stale | Trouble::Bus(_)) => return Err(trouble),
                },
            }
            let tried = people.tried.entry(person).or_insert((0, Instant::now()));
            let pause = AGAIN_FIRST.saturating_mul(1 << tried.0.min(10)).min(AGAIN_MAX);
            *tried = (tried.0 + 1, Instant::now() + pause);
        }
        Ok(())
    }

    /// Cuts off the account with this user name and returns it. Returns `None` if there is no such account yet, or if it is an Account
    /// Owner, which is never cut off.
    async fn cut_off_by_name(
        &self,
        link: &mut Revised<PersonLink>,
        name: &str,
    ) -> Result<Option<Account>, Trouble> {
        let permit = self.permit(Class::Urgent).await;
        let found = match self.litmos.user_by_name(permit, name).await {
            Ok(found) if NormalName::of(&found.user_name) == NormalName::of(name) => found,
            Ok(_) => return Ok(None),
            Err(failure) if failure.kind == FailureKind::Gone => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let Some(found) = account(&found, unix_ms()) else {
            return Ok(None);
        };
        if found.access_level == Some(AccessLevel::AccountOwner) {
            return Ok(None);
        }
        if !link.value.leave_teams_due {
            link.value.leave_teams_due = true;
            link.value.changed_at_ms = unix_ms();
            self.links.write_person(link).await?;
        }
        if !found.active {
            return Ok(Some(found));
        }
        let cut = Account {
            active: false,
            ..found
        };
        let permit = self.permit(Class::Urgent).await;
        self.still_owner()?;
        self.litmos.put_user(permit, &record(&cut)).await?;
        Ok(Some(Account {
            as_of_ms: unix_ms(),
            ..cut
        }))
    }
}
