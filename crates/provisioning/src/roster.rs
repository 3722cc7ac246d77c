//! The roster: what sources want in Litmos.

use serde::{Deserialize, Serialize};

use crate::{AccessLevel, CustomValues, GroupId, PersonId, Profile, SourceId, Sources};

/// The newest statement of one source about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// The source's own id of the thing, if it has one.
    pub external_id: Option<String>,
    /// When the source says it changed, in Unix milliseconds. Orders late events of this source, nothing else.
    pub changed_at_ms: u64,
    /// Position in the feed of the newest event of this source that was taken; 0 if none came through the feed.
    pub sequence: u64,
    /// The source let the person go, and no source has stated since whether the person is active.
    pub left: bool,
}

/// Who somebody reports to, as the source put it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredManager {
    #[default]
    Leave,
    Clear,
    /// A person id, an external id or a user name. It may name somebody who is not in the roster yet.
    Reference(String),
}

/// Somebody a source wants to have an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: PersonId,
    pub user_name: String,
    /// False: the account is to be inactive and in no team.
    pub active: bool,
    /// The source deleted the person: wanted inactive, and absent from reads.
    pub deleted: bool,
    /// `None`: leave as it is; a new account becomes a Learner.
    pub access_level: Option<AccessLevel>,
    pub profile: Profile,
    /// Advanced custom fields by the name that Litmos shows; empty: clear.
    pub custom: CustomValues,
    pub manager: DesiredManager,
    pub sources: Sources,
    /// The SCIM document as last written, without secrets, so that a client reads back what it wrote.
    pub scim_document: Option<String>,
    pub created_at_ms: u64,
    pub changed_at_ms: u64,
}

impl Person {
    /// Whether the person is to be able to log in.
    pub fn wanted_active(&self) -> bool {
        self.active && !self.deleted
    }
}

/// A group a source wants as a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    /// `None`: leave it as it is; empty: clear.
    pub description: Option<String>,
    /// The group whose team this one's is to be made under: its id, external id or name. `None`: under none.
    pub parent: Option<String>,
    /// The source deleted the group: its team is no longer managed, and deleted only where the org's policy says so.
    pub deleted: bool,
    pub sources: Sources,
    pub scim_document: Option<String>,
    pub created_at_ms: u64,
    pub changed_at_ms: u64,
}

/// Whether one person belongs to one group. A removal is written down, never concluded from absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub group: GroupId,
    pub person: PersonId,
    pub present: bool,
    pub source: SourceId,
    pub changed_at_ms: u64,
    /// Position in the feed of the event that stated it; 0 if it did not come through the feed.
    pub sequence: u64,
}
