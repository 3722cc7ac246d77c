//! Orders of admins: cut a person off, retry, approve, pause or resume a group, push it now, change a link.
//!
//! Every order is a durable write of a link (by compare-and-set, like every write of a link) or of an approval. The answer is sent after
//! the write, so an answered order survives a crash. An order waits for the operation in flight on its subjects, because nothing else may
//! write their links meanwhile.

use std::collections::BTreeSet;

use bus::{GroupOrder, OperatorError, RetryTarget};
use provisioning::{
    Account, AccountId, Approval, Frozen, GroupId, GroupLink, HarmKey, NormalName, PersonId, PersonLink,
    PlanHash, Subject, protection_of,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::jobs::FreeLinks;
use super::report::{Answer, concerns};
use super::{Controller, Finished, Mode};
use crate::executor::unix_ms;
use crate::links::{current_group, current_person};

/// Most characters of the name of an order's author that are stored.
const BY_MAX: usize = 100;

/// Most links that one order changes. For more links, the order must be given again.
const LINKS_MAX: usize = 20_000;

/// Most lasting orders that an answer lists. The others are only counted.
const STANDING_MAX: usize = 200;

/// A change of links that an admin ordered.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Cuts a person off at once, independent of the desired values of the sources.
    Freeze {
        by: String,
    },
    /// Ends a freeze: the sources decide again.
    Lift,
    /// Tries again what is parked or waits after a failure.
    Retry,
    Pause,
    Resume,
    /// Gives the team exactly the members of the group.
    PushNow,
    /// Links a person to this account, or to none.
    Link {
        account: Option<AccountId>,
    },
}

/// An order that waits until its subjects have no operation in flight.
#[derive(Debug)]
pub(super) struct OpenOrder {
    pub(super) order: Order,
    pub(super) subjects: Vec<Subject>,
    message: Value,
    answer: oneshot::Sender<Answer>,
}

impl Order {
    fn person(&self, link: &mut PersonLink) {
        match self {
            Order::Freeze { by } => {
                link.frozen = Some(Box::new(Frozen {
                    at_ms: unix_ms(),
                    by: by.clone(),
                }));
                forget_setback(&mut link.attempts, &mut link.next_try_ms);
                link.parked = None;
            }
            Order::Lift => link.frozen = None,
            Order::Retry => {
                forget_setback(&mut link.attempts, &mut link.next_try_ms);
                link.parked = None;
            }
            Order::Link { account } => {
                link.made_owner &= link.account == *account;
                link.account.clone_from(account);
                (link.applied_revision, link.leave_teams_due) = (0, false);
                link.custom.clear();
                link.parked = None;
            }
            Order::Pause | Order::Resume | Order::PushNow => {}
        }
        link.changed_at_ms = unix_ms();
    }

    fn group(&self, link: &mut GroupLink) {
        match self {
            Order::Retry => {
                forget_setback(&mut link.attempts, &mut link.next_try_ms);
                link.parked = None;
            }
            Order::Pause => link.paused = true,
            Order::Resume => link.paused = false,
            Order::PushNow => (link.overwrite_due, link.parked) = (true, None),
            Order::Freeze { .. } | Order::Lift | Order::Link { .. } => {}
        }
        link.changed_at_ms = unix_ms();
    }
}

fn forget_setback(attempts: &mut u32, next_try_ms: &mut u64) {
    (*attempts, *next_try_ms) = (0, 0);
}

impl Controller {
    /// Accepts an order, or answers with the reason why not.
    pub(super) fn order(
        &mut self,
        accepted: Result<(Order, Vec<Subject>, Value), String>,
        answer: oneshot::Sender<Answer>,
    ) {
        match accepted {
            Ok((order, subjects, message)) => {
                self.orders.push(OpenOrder {
                    order,
                    subjects,
                    message,
                    answer,
                });
                self.carry_out_orders();
            }
            Err(why) => {
                let _ = answer.send(Err(OperatorError::Refused(why)));
            }
        }
    }

    /// True if an open order concerns this subject.
    pub(super) fn is_ordered(&self, subject: &Subject) -> bool {
        self.orders.iter().any(|open| open.subjects.contains(subject))
    }

    /// Writes the orders whose subjects have no operation in flight.
    pub(super) fn carry_out_orders(&mut self) {
        for open in std::mem::take(&mut self.orders) {
            let busy = open
                .subjects
                .iter()
                .any(|subject| self.state.is_under_way(subject));
            if busy {
                self.orders.push(open);
                continue;
            }
            let OpenOrder {
                order,
                subjects,
                message,
                answer,
            } = open;
            self.urgent |= matches!(order, Order::Freeze { .. });
            let links = self.ordered_links(&order, &subjects);
            self.state.hold(subjects);
            self.outdated = true;
            let executor = self.executor.clone();
            self.running.spawn(async move {
                let wanted = links.subjects().len();
                let done = executor.write_links(links).await;
                let written = done.effects.person_links.len() + done.effects.group_links.len();
                let message = if written == wanted {
                    Ok(message)
                } else {
                    Err(OperatorError::Refused(
                        "the order could not be written: the org has another owner now, or the bus is away; \
                         give it again"
                            .to_owned(),
                    ))
                };
                let _ = answer.send(message);
                Finished::of(done)
            });
        }
    }

    fn ordered_links(&self, order: &Order, subjects: &[Subject]) -> FreeLinks {
        let mut links = FreeLinks::default();
        for subject in subjects {
            match subject {
                Subject::Person(id) => {
                    let mut link = current_person(&self.state, id);
                    order.person(&mut link.value);
                    links.people.push(link);
                }
                Subject::Group(id) => {
                    let mut link = current_group(&self.state, id);
                    order.group(&mut link.value);
                    links.groups.push(link);
                }
            }
        }
        links
    }

    pub(super) fn leaver(
        &self,
        person: &str,
        lift: bool,
        by: &str,
    ) -> Result<(Order, Vec<Subject>, Value), String> {
        let person = self.named_person(person)?;
        let order = if lift {
            Order::Lift
        } else {
            Order::Freeze { by: bounded(by) }
        };
        let account = self.state.account_for(&person);
        let seen = account.and_then(|id| self.state.account(id));
        if !lift && let Some(account) = seen.filter(|account| account.active) {
            self.may_be_cut_off(account)?;
        }
        let stopped: Vec<&str> = self
            .plan
            .operations
            .iter()
            .filter(|operation| !operation.change.cuts_access() && concerns(&operation.change, &person))
            .map(|operation| operation.label.as_str())
            .collect();
        let message = json!({
            "org": self.org, "person": person, "account": account, "frozen": !lift, "ordered_at_ms": unix_ms(),
            "active": seen.map(|account| account.active), "account_user_name": seen.map(|account| &account.user_name),
            "teams": account.map(|id| self.team_names(id)).unwrap_or_default(), "stopped": stopped,
        });
        Ok((order, vec![Subject::Person(person)], message))
    }

    /// Checks whether this account may be cut off.
    ///
    /// # Errors
    /// Returns the reason and the remedy if the account is protected.
    fn may_be_cut_off(&self, account: &Account) -> Result<(), String> {
        let Some(why) = protection_of(&self.state, account, &self.policy) else {
            return Ok(());
        };
        Err(format!(
            "{}: the account is protected and is not cut off; {}. {} No order was given",
            account.user_name,
            why.describe(),
            why.remedy()
        ))
    }

    pub(super) fn retry(&self, target: &RetryTarget) -> Result<(Order, Vec<Subject>, Value), String> {
        let subjects: Vec<Subject> = match target {
            RetryTarget::All => self.with_setbacks().take(LINKS_MAX).collect(),
            RetryTarget::Group(group) => vec![Subject::Group(self.named_group(group)?)],
            RetryTarget::Person(person) => vec![Subject::Person(self.named_person(person)?)],
        };
        let message = json!({"org": self.org, "retried": subjects.len()});
        Ok((Order::Retry, subjects, message))
    }

    /// Subjects that are parked or wait after a failure, and have no operation in flight.
    fn with_setbacks(&self) -> impl Iterator<Item = Subject> {
        let people = self.state.person_links().filter_map(|link| {
            let link = &link.value;
            (link.parked.is_some() || link.next_try_ms > 0).then(|| Subject::Person(link.person.clone()))
        });
        let groups = self.state.group_links().filter_map(|link| {
            let link = &link.value;
            (link.parked.is_some() || link.next_try_ms > 0).then(|| Subject::Group(link.group.clone()))
        });
        people
            .chain(groups)
            .filter(|subject| !self.state.is_under_way(subject))
    }

    pub(super) fn group_order(
        &self,
        group: &str,
        order: GroupOrder,
    ) -> Result<(Order, Vec<Subject>, Value), String> {
        let group = self.named_group(group)?;
        let message = json!({"org": self.org, "group": group, "did": order.as_str()});
        let order = match order {
            GroupOrder::Pause => Order::Pause,
            GroupOrder::Resume => Order::Resume,
            GroupOrder::Push => Order::PushNow,
        };
        Ok((order, vec![Subject::Group(group)], message))
    }

    pub(super) fn link(
        &self,
        person: &str,
        account: Option<&str>,
    ) -> Result<(Order, Vec<Subject>, Value), String> {
        let person = self.named_person(person)?;
        let account = match account {
            None => None,
            Some(text) => {
                let by_id = AccountId::parse(text)
                    .ok()
                    .filter(|id| self.state.account(id).is_some());
                let by_name = || {
                    self.state
                        .account_named(&NormalName::of(text))
                        .map(|account| account.id.clone())
                };
                let id = by_id.or_else(by_name).ok_or_else(|| {
                    format!("Litmos has no account with the id or user name {text:?}; run `rollcall import` and try again")
                })?;
                if let Some(owner) = self.state.owner_of(&id)
                    && *owner != person
                {
                    return Err(format!(
                        "account {id} is linked to person {owner}; unlink that one first: rollcall links unlink {owner}"
                    ));
                }
                Some(id)
            }
        };
        let before = self.state.linked_account(&person);
        let message = json!({"org": self.org, "person": person, "before": before, "account": account});
        Ok((Order::Link { account }, vec![Subject::Person(person)], message))
    }

    /// Approves the held changes, if the order names their current hash.
    pub(super) fn approve(&mut self, plan: &str, only: &[String], by: &str, answer: oneshot::Sender<Answer>) {
        match self.approval(plan, only, by) {
            Ok(approval) => {
                let held = self.plan.held.iter().flat_map(|held| &held.items);
                let approved = held.filter(|item| approval.keys.contains(&item.key));
                let labels: Vec<&str> = approved
                    .take(STANDING_MAX)
                    .map(|item| item.label.as_str())
                    .collect();
                let message = json!({
                    "org": self.org, "approved": approval.hash, "changes": approval.keys.len(), "items": labels,
                    "by": approval.by, "at_ms": approval.at_ms, "expires_at_ms": approval.expires_at_ms,
                });
                let executor = self.executor.clone();
                self.running.spawn(async move {
                    let written = executor.links.put_approval(&approval).await;
                    let _ = answer.send(
                        written
                            .map(|()| message)
                            .map_err(|error| OperatorError::Refused(error.to_string())),
                    );
                    Finished::default()
                });
            }
            Err(why) => {
                let _ = answer.send(Err(OperatorError::Refused(why)));
            }
        }
    }

    fn approval(&self, wanted: &str, only: &[String], by: &str) -> Result<Approval, String> {
        let Some(hash) = self.plan.held_hash() else {
            return Err(format!("nothing is held in {}; see `rollcall plan`", self.org));
        };
        if wanted != hash.as_str() {
            return Err(format!(
                "{wanted:?} is not what is held any more: the roster or Litmos have changed since. \
                 Run `rollcall plan` again; what is held now is {hash}"
            ));
        }
        let only = match only {
            [] => None,
            names => Some(self.named(names)?),
        };
        let items = self.plan.held.iter().flat_map(|held| &held.items);
        let keys: BTreeSet<HarmKey> = items
            .filter(|item| only.as_ref().is_none_or(|only| only.contains(&item.subject)))
            .map(|item| item.key)
            .collect();
        if keys.is_empty() {
            return Err(
                "none of what is held concerns those people or groups; see `rollcall plan`".to_owned(),
            );
        }
        let now = unix_ms();
        Ok(Approval {
            hash: approval_hash(&hash, only.is_some(), &keys),
            keys,
            by: bounded(by),
            at_ms: now,
            expires_at_ms: now + self.policy.safeguard.approval_ms,
        })
    }

    /// Finds people and groups by id, name or another known reference.
    fn named(&self, names: &[String]) -> Result<BTreeSet<Subject>, String> {
        let subject = |name: &String| {
            let person = self.named_person(name).map(Subject::Person);
            person.or_else(|why| self.named_group(name).map(Subject::Group).map_err(|_| why))
        };
        names.iter().map(subject).collect()
    }

    /// Orders that last until they are taken back (paused groups, frozen people), and approvals that have not expired.
    pub(super) fn report_standing_orders(&self) -> Value {
        let paused: Vec<&GroupId> = self
            .state
            .group_links()
            .filter(|link| link.value.paused)
            .map(|link| &link.value.group)
            .collect();
        let names = paused.iter().take(STANDING_MAX).filter_map(|id| {
            let group = self.state.group(id)?;
            Some(json!({"group": id, "name": group.value.name.chars().take(100).collect::<String>()}))
        });
        let frozen = || {
            self.state
                .person_links()
                .filter_map(|link| Some((&link.value.person, link.value.frozen.as_ref()?)))
        };
        let people = frozen().take(STANDING_MAX).map(|(id, frozen)| {
            let user_name = self.state.person(id).map(|person| &person.value.user_name);
            json!({"person": id, "user_name": user_name, "by": frozen.by, "at_ms": frozen.at_ms})
        });
        let now = unix_ms();
        let approvals = self
            .state
            .approvals()
            .iter()
            .filter(|approval| approval.expires_at_ms > now);
        json!({
            "paused": paused.len(), "paused_groups": names.collect::<Vec<_>>(),
            "frozen": frozen().count(), "frozen_people": people.collect::<Vec<_>>(),
            "approvals": approvals.map(|approval| json!({"hash": approval.hash, "changes": approval.keys.len(),
                "by": approval.by, "expires_at_ms": approval.expires_at_ms})).collect::<Vec<_>>(),
        })
    }

    /// Number of operations that wait for `rollcall apply`.
    pub(super) fn waiting_for_apply(&self) -> usize {
        if self.mode == Mode::Automatic {
            return 0;
        }
        let waits = |subject: &Subject| self.released.get(subject) != Some(&self.revision_of(subject));
        let operations = self.plan.operations.iter();
        operations
            .filter(|operation| {
                !operation.change.cuts_access() && operation.change.subjects().iter().any(waits)
            })
            .count()
    }

    fn named_person(&self, wanted: &str) -> Result<PersonId, String> {
        let found = self.find(wanted).map(|person| person.value.id.clone());
        found.ok_or_else(|| self.nobody(wanted))
    }

    fn named_group(&self, wanted: &str) -> Result<GroupId, String> {
        let by_id = GroupId::parse(wanted)
            .ok()
            .filter(|id| self.state.group(id).is_some());
        let by_name = || {
            let name = NormalName::of(wanted);
            let mut same = self
                .state
                .groups()
                .filter(|group| NormalName::of(&group.value.name) == name);
            same.next().map(|group| group.value.id.clone())
        };
        by_id.or_else(by_name).ok_or_else(|| {
            format!(
                "the roster of {} has no group with the id or name {wanted:?}",
                self.org
            )
        })
    }
}

fn bounded(by: &str) -> String {
    by.chars().take(BY_MAX).collect()
}

/// Key of an approval. A partial approval gets its own key, so that two partial approvals do not replace each other.
fn approval_hash(hash: &PlanHash, part: bool, keys: &BTreeSet<HarmKey>) -> PlanHash {
    if !part {
        return hash.clone();
    }
    let first = keys.first().map_or(0, |key| key.0);
    PlanHash::parse(format!("{hash}-{first:x}")).unwrap_or_else(|_| hash.clone())
}
