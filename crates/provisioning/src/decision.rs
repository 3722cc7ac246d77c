//! What an operation did, with what was there before: the part of the journal that can be undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccountId, AttributeChange, GroupId, OperationId, PersonId, PlanHash, TeamId, TeamRole};

/// A value that was written, of those that no list of Litmos shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// `None`: not known, because it had neither been set by us nor read.
    pub from: Option<String>,
    pub to: String,
}

/// What there was and what there is, of one thing that an operation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    Created {
        person: PersonId,
        account: AccountId,
    },
    /// Each change says the value before and after.
    Changed {
        person: PersonId,
        account: AccountId,
        changes: Vec<AttributeChange>,
    },
    /// Advanced custom fields by the name that Litmos shows. Those that stayed as they were are not in it.
    CustomSet {
        person: PersonId,
        account: AccountId,
        changes: BTreeMap<String, ValueChange>,
    },
    CutOff {
        person: PersonId,
        account: AccountId,
    },
    Joined {
        group: GroupId,
        person: PersonId,
    },
    Left {
        group: GroupId,
        person: PersonId,
    },
    RoleSet {
        group: GroupId,
        person: PersonId,
        role: TeamRole,
        holds: bool,
    },
    TeamMade {
        group: GroupId,
        team: TeamId,
    },
    TeamNamed {
        group: GroupId,
        from: String,
        to: String,
    },
    TeamDescribed {
        group: GroupId,
        change: ValueChange,
    },
    TeamDeleted {
        group: GroupId,
        name: String,
    },
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Done,
    /// Litmos did not do it, or did not say; it is tried or looked at again.
    Failed,
    /// It waits for a person.
    Parked,
}

/// One operation that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The run that it belonged to.
    pub run: PlanHash,
    pub operation: OperationId,
    pub kind: String,
    pub label: String,
    pub at_ms: u64,
    pub ended: Ended,
    /// What Litmos said, where it did not do it.
    pub message: Option<String>,
    pub images: Vec<Image>,
}
