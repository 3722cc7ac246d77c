//! Results of operations with the values before and after: the part of the journal that can be undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccountId, AttributeChange, GroupId, OperationId, PersonId, PlanHash, TeamId, TeamRole};

/// The change of a value that no list of Litmos shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// `None`: not known, because Rollcall neither wrote nor read it before.
    pub from: Option<String>,
    pub to: String,
}

/// The state before and after, for one thing that an operation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    Created {
        person: PersonId,
        account: AccountId,
    },
    /// Each change contains the value before and after.
    Changed {
        person: PersonId,
        account: AccountId,
        changes: Vec<AttributeChange>,
    },
    /// Advanced custom fields by the name that Litmos shows. Unchanged fields are left out.
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
    /// Litmos did not perform it, or its response is missing. The operation is retried, or its effect is checked.
    Failed,
    /// It is parked until an admin acts.
    Parked,
}

/// How one operation ended, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The run to which the operation belonged.
    pub run: PlanHash,
    pub operation: OperationId,
    pub kind: String,
    pub label: String,
    pub at_ms: u64,
    pub ended: Ended,
    /// The error message of Litmos, if the operation failed.
    pub message: Option<String>,
    pub images: Vec<Image>,
}
