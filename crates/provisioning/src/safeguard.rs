//! The safeguard: decides which harmful changes a plan may make by itself, and which wait for a person's approval.
//!
//! Pressures: a filter changed by mistake in an identity provider, or a truncated file, looks exactly like 2,000 people
//! leaving. A single leaver must still be cut off at once, also while such a mass deactivation waits. Granting access is
//! harmful too: an Account Owner can do anything in Litmos, and many people who are reactivated may be a mistake.
//!
//! Harmful changes that were requested close together are one **run**. A run passes as a whole or is held as a whole. It
//! passes if it is within the limit for a run, and if it and all changes of the sliding day are within the limit for a
//! day. So a mass deactivation is held, a leaver of an hour later is not, and many small runs are stopped within the day.
//!
//! Invariants, each a property in the tests:
//!
//! - Changes within all limits are never held.
//! - Held changes are not in the plan.
//! - Changes that pass in a day without approval never exceed the limit for a day.
//! - An approval lets through exactly the changes that it names, and only until it expires.
//!
//! Deliberately missing: a switch that turns the safeguard off. A limit of 100 percent does the same, and is visible in
//! the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{PlanHash, Subject, plan::short_hex};

/// Changes whose requests are further apart than this, in milliseconds, belong to different runs.
pub const RUN_GAP_MS: u64 = 120_000;

const HOUR_MS: u64 = 3_600_000;

/// Hours of a sliding day, in addition to the current hour. So the day is 24 to 25 hours long.
const DAY_HOURS: u64 = 24;

/// A kind of change that can do harm if it is made by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// A person loses access.
    Deactivate,
    DeleteTeam,
    /// A person who stays active loses a team.
    TeamLoss,
    /// An account gets another user name.
    Rename,
    /// A value that is not empty is replaced or cleared.
    Overwrite,
    /// A person becomes an Account Owner, with a new or an existing account.
    PromoteOwner,
    /// A person becomes an Administrator, with a new or an existing account.
    PromoteAdministrator,
    /// An inactive account becomes active.
    Reactivate,
}

impl Harm {
    pub const ALL: [Harm; 8] = [
        Harm::Deactivate,
        Harm::DeleteTeam,
        Harm::TeamLoss,
        Harm::Rename,
        Harm::Overwrite,
        Harm::PromoteOwner,
        Harm::PromoteAdministrator,
        Harm::Reactivate,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Harm::Deactivate => "deactivate",
            Harm::DeleteTeam => "delete_team",
            Harm::TeamLoss => "team_loss",
            Harm::Rename => "rename",
            Harm::Overwrite => "overwrite",
            Harm::PromoteOwner => "promote_owner",
            Harm::PromoteAdministrator => "promote_administrator",
            Harm::Reactivate => "reactivate",
        }
    }

    pub fn parse(text: &str) -> Option<Harm> {
        Harm::ALL.into_iter().find(|harm| harm.as_str() == text)
    }

    /// Text for a person: what happens to this number of items.
    fn describe(self, count: u32) -> String {
        let one = count == 1;
        match self {
            Harm::Deactivate => format!(
                "{count} {} lose access",
                if one { "person would" } else { "people would" }
            ),
            Harm::DeleteTeam => format!(
                "{count} {} be deleted",
                if one { "team would" } else { "teams would" }
            ),
            Harm::TeamLoss => format!(
                "{count} team {} end",
                if one {
                    "membership would"
                } else {
                    "memberships would"
                }
            ),
            Harm::Rename => format!(
                "{count} {} get another user name",
                if one { "account would" } else { "accounts would" }
            ),
            Harm::Overwrite => format!(
                "{count} {} be overwritten",
                if one { "account would" } else { "accounts would" }
            ),
            Harm::PromoteOwner => match one {
                true => "1 person would become an Account Owner".to_owned(),
                false => format!("{count} people would become Account Owners"),
            },
            Harm::PromoteAdministrator => match one {
                true => "1 person would become an Administrator".to_owned(),
                false => format!("{count} people would become Administrators"),
            },
            Harm::Reactivate => format!(
                "{count} {} get access again",
                if one { "person would" } else { "people would" }
            ),
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Limit of one harm without approval: the percentage, but at least `floor` and at most `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Percentage of the existing linked active accounts, linked teams, memberships, or people who are to be active.
    pub percent: u32,
    /// Absolute bound, independent of the percentage.
    pub most: u32,
    /// Number of changes that always pass. Without it nobody could leave a company of ten.
    pub floor: u32,
}

impl Limit {
    pub fn allowed(&self, population: u32) -> u32 {
        let share = u64::from(population) * u64::from(self.percent) / 100;
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        share.max(self.floor).min(self.most)
    }
}

/// The limits of one org. Okta's import safeguard uses 20 percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safeguard {
    pub run: BTreeMap<Harm, Limit>,
    pub day: BTreeMap<Harm, Limit>,
    /// How long an approval is valid, in milliseconds.
    pub approval_ms: u64,
}

impl Safeguard {
    /// Limits that nothing exceeds.
    pub fn boundless() -> Safeguard {
        let all = Limit {
            percent: 100,
            most: u32::MAX,
            floor: u32::MAX,
        };
        let limits: BTreeMap<Harm, Limit> = Harm::ALL.into_iter().map(|harm| (harm, all)).collect();
        Safeguard {
            run: limits.clone(),
            day: limits,
            approval_ms: 3_600_000,
        }
    }
}

impl Default for Safeguard {
    fn default() -> Safeguard {
        let limit = |harm| match harm {
            Harm::Deactivate => Limit {
                percent: 20,
                most: 500,
                floor: 5,
            },
            Harm::DeleteTeam => Limit {
                percent: 10,
                most: 10,
                floor: 2,
            },
            Harm::TeamLoss => Limit {
                percent: 20,
                most: 5_000,
                floor: 20,
            },
            Harm::Rename => Limit {
                percent: 20,
                most: 1_000,
                floor: 10,
            },
            Harm::Overwrite => Limit {
                percent: 60,
                most: 100_000,
                floor: 50,
            },
            // One new owner is plausible. Two at once may be a mistake or an attack, in a company of any size.
            Harm::PromoteOwner => Limit {
                percent: 0,
                most: 1,
                floor: 1,
            },
            Harm::PromoteAdministrator => Limit {
                percent: 1,
                most: 10,
                floor: 3,
            },
            Harm::Reactivate => Limit {
                percent: 20,
                most: 500,
                floor: 5,
            },
        };
        let limits: BTreeMap<Harm, Limit> = Harm::ALL.into_iter().map(|harm| (harm, limit(harm))).collect();
        Safeguard {
            run: limits.clone(),
            day: limits,
            approval_ms: 3_600_000,
        }
    }
}

/// Harmful changes of the last day, by hour. They are stored, so a restart does not lose them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarmHistory(BTreeMap<Harm, BTreeMap<u64, u32>>);

impl HarmHistory {
    pub fn add(&mut self, harm: Harm, count: u32, now_ms: u64) {
        let hour = now_ms / HOUR_MS;
        let hours = self.0.entry(harm).or_default();
        *hours.entry(hour).or_default() += count;
        hours.retain(|old, _| *old + DAY_HOURS >= hour);
    }

    /// Subtracts changes that were added and then not made.
    pub fn take_back(&mut self, harm: Harm, count: u32, now_ms: u64) {
        if let Some(hours) = self.0.get_mut(&harm) {
            let mut left = count;
            // They may have been added in the hour before.
            for hour in [now_ms / HOUR_MS, (now_ms / HOUR_MS).saturating_sub(1)] {
                if let Some(there) = hours.get_mut(&hour) {
                    let taken = left.min(*there);
                    *there -= taken;
                    left -= taken;
                }
            }
        }
    }

    pub fn in_day(&self, harm: Harm, now_ms: u64) -> u32 {
        let hour = now_ms / HOUR_MS;
        let hours = self.0.get(&harm).into_iter().flatten();
        hours
            .filter(|(old, _)| **old + DAY_HOURS >= hour)
            .map(|(_, count)| *count)
            .fold(0, u32::saturating_add)
    }

    /// All entries: harm, hours since 1970, number of changes.
    pub fn entries(&self) -> impl Iterator<Item = (Harm, u64, u32)> {
        self.0
            .iter()
            .flat_map(|(harm, hours)| hours.iter().map(|(hour, count)| (*harm, *hour, *count)))
    }
}

impl FromIterator<(Harm, u64, u32)> for HarmHistory {
    fn from_iter<I: IntoIterator<Item = (Harm, u64, u32)>>(entries: I) -> HarmHistory {
        let mut history = HarmHistory::default();
        for (harm, hour, count) in entries {
            history.0.entry(harm).or_default().insert(hour, count);
        }
        history
    }
}

/// Permanent id of one harmful change: a hash of the harm, the subject, a detail and the roster revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HarmKey(pub u64);

impl HarmKey {
    pub fn of(harm: Harm, subject: &Subject, detail: &str, revision: u64) -> HarmKey {
        let mut hash = Sha256::new();
        hash.update(harm.as_str());
        match subject {
            Subject::Person(id) => hash.update(format!("\0person\0{id}")),
            Subject::Group(id) => hash.update(format!("\0group\0{id}")),
        }
        hash.update(format!("\0{detail}\0{revision}"));
        let bytes = hash.finalize();
        HarmKey(
            bytes
                .iter()
                .take(8)
                .fold(0, |key, byte| (key << 8) | u64::from(*byte)),
        )
    }
}

/// One harmful change that a plan would make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harmful {
    pub key: HarmKey,
    pub harm: Harm,
    pub subject: Subject,
    /// Unix time in milliseconds at which the change was requested. Changes are grouped into runs by it.
    pub requested_at_ms: u64,
    pub label: String,
    /// True if an admin ordered it by name. It then always passes, and counts in the day.
    pub ordered: bool,
}

/// A person's approval of held changes, named by their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub hash: PlanHash,
    pub keys: BTreeSet<HarmKey>,
    pub by: String,
    pub at_ms: u64,
    pub expires_at_ms: u64,
}

impl Approval {
    pub fn holds(&self, key: HarmKey, now_ms: u64) -> bool {
        now_ms < self.expires_at_ms && self.keys.contains(&key)
    }
}

/// The limit that held changes exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exceeded {
    Run,
    Day,
}

/// Changes of one harm that wait for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub harm: Harm,
    pub exceeded: Exceeded,
    pub allowed: u32,
    /// Number of changes that passed in the last day, with those that pass now by an approval or an order.
    pub in_day: u32,
    pub population: u32,
    pub items: Vec<Harmful>,
}

impl Held {
    pub fn describe(&self) -> String {
        let count = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        let limit = match self.exceeded {
            Exceeded::Run => format!("{} of {} pass without approval", self.allowed, self.population),
            Exceeded::Day => format!(
                "{} of {} pass in a day without approval, and {} did",
                self.allowed, self.population, self.in_day
            ),
        };
        format!("{}: {limit}", self.harm.describe(count))
    }
}

/// Hash that an approval names: equal exactly if the same changes are held.
pub fn held_hash(held: &[Held]) -> PlanHash {
    let keys: BTreeSet<HarmKey> = held
        .iter()
        .flat_map(|held| &held.items)
        .map(|item| item.key)
        .collect();
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key.0.to_be_bytes());
    }
    PlanHash::parse(short_hex(&hash.finalize())).expect("hex digits are a hash")
}

/// Inputs of the decision, in addition to the changes.
pub(crate) struct SafeguardInputs<'a> {
    pub(crate) safeguard: &'a Safeguard,
    pub(crate) history: &'a HarmHistory,
    pub(crate) approvals: &'a [Approval],
    pub(crate) now_ms: u64,
}

impl SafeguardInputs<'_> {
    /// Returns the changes that are held. Calls `population` only if a limit may be exceeded.
    pub(crate) fn judge(&self, changes: Vec<Harmful>, population: impl Fn(Harm) -> u32) -> Vec<Held> {
        let mut by_harm: BTreeMap<Harm, Vec<Harmful>> = BTreeMap::new();
        for change in changes {
            by_harm.entry(change.harm).or_default().push(change);
        }
        by_harm
            .into_iter()
            .flat_map(|(harm, changes)| self.judge_one(harm, changes, &population))
            .collect()
    }

    fn judge_one(
        &self,
        harm: Harm,
        mut changes: Vec<Harmful>,
        population: impl Fn(Harm) -> u32,
    ) -> Vec<Held> {
        let (Some(run), Some(day)) = (self.safeguard.run.get(&harm), self.safeguard.day.get(&harm)) else {
            return Vec::new();
        };
        let mut in_day = self.history.in_day(harm, self.now_ms);
        let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        if count <= run.floor.min(run.most) && in_day.saturating_add(count) <= day.floor.min(day.most) {
            return Vec::new();
        }
        // Changes of the last day reduced the population. The percentage is of the population before them.
        let population = population(harm).saturating_add(in_day);
        let (run_allowed, day_allowed) = (run.allowed(population), day.allowed(population));
        let before = changes.len();
        changes.retain(|change| {
            !change.ordered
                && !self
                    .approvals
                    .iter()
                    .any(|one| one.holds(change.key, self.now_ms))
        });
        in_day = in_day.saturating_add(u32::try_from(before - changes.len()).unwrap_or(u32::MAX));
        let mut held: BTreeMap<bool, Vec<Harmful>> = BTreeMap::new();
        let taken = in_day;
        for run in runs(changes) {
            let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
            if count > run_allowed {
                held.entry(false).or_default().extend(run);
            } else if in_day.saturating_add(count) > day_allowed {
                held.entry(true).or_default().extend(run);
            } else {
                in_day += count;
            }
        }
        for items in held.values_mut() {
            items.sort_by(|a, b| (&a.subject, a.key).cmp(&(&b.subject, b.key)));
        }
        held.into_iter()
            .map(|(day, items)| Held {
                harm,
                exceeded: if day { Exceeded::Day } else { Exceeded::Run },
                allowed: if day { day_allowed } else { run_allowed },
                in_day: taken,
                population,
                items,
            })
            .collect()
    }
}

/// Groups changes into runs. Small runs come first, so that a large run never uses up the day's limit for them.
fn runs(mut changes: Vec<Harmful>) -> Vec<Vec<Harmful>> {
    changes.sort_by_key(|change| (change.requested_at_ms, change.key));
    let mut runs: Vec<Vec<Harmful>> = Vec::new();
    for change in changes {
        match runs.last_mut() {
            Some(run)
                if run
                    .last()
                    .is_some_and(|last| change.requested_at_ms - last.requested_at_ms <= RUN_GAP_MS) =>
            {
                run.push(change);
            }
            _ => runs.push(vec![change]),
        }
    }
    runs.sort_by_key(Vec::len);
    runs
}

#[cfg(test)]
mod tests;
