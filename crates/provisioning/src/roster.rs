//! The roster: the people, groups and memberships that sources want in Litmos.

use serde::{Deserialize, Serialize};

use crate::{AccessLevel, CustomValues, GroupId, PersonId, Profile, SourceId, Sources};

/// The newest statement of one source about one person or group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// The source's own id of the person or group, if it has one.
    pub external_id: Option<String>,
    /// Time of the change according to the source, in Unix milliseconds. Used only to order late events of this source.
    pub changed_at_ms: u64,
    /// Position in the feed of the newest applied event of this source; 0 if there was none.
    pub sequence: u64,
    /// The source removed the person and has not stated since whether the person is active.
    pub left: bool,
}

/// The person's manager, as the source gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredManager {
    #[default]
    Leave,
    Clear,
    /// A person id, an external id or a user name. The named person may not be in the roster yet.
    Reference(String),
}

/// A person that a source wants to have an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: PersonId,
    pub user_name: String,
    /// False: the account is to be inactive and in no team.
    pub active: bool,
    /// The source deleted the person. The account is to be inactive, and reads leave the person out.
    pub deleted: bool,
    /// `None`: leave it as it is; a new account becomes a Learner.
    pub access_level: Option<AccessLevel>,
    pub profile: Profile,
    /// Advanced custom fields by the name that Litmos shows; empty: clear.
    pub custom: CustomValues,
    pub manager: DesiredManager,
    pub sources: Sources,
    /// The SCIM document as last written, without secrets, so that a client reads what it wrote.
    pub scim_document: Option<String>,
    pub created_at_ms: u64,
    pub changed_at_ms: u64,
}

impl Person {
    /// True if the sources want the person to be able to log in.
    pub fn wanted_active(&self) -> bool {
        self.active && !self.deleted
    }
}

/// A group that a source wants as a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    /// `None`: leave it as it is; empty: clear.
    pub description: Option<String>,
    /// Id, external id or name of the parent group: this group's team is created under the parent's team. `None`: no parent.
    pub parent: Option<String>,
    /// The source deleted the group. Its team is no longer managed; it is deleted only if the org's policy says so.
    pub deleted: bool,
    pub sources: Sources,
    pub scim_document: Option<String>,
    pub created_at_ms: u64,
    pub changed_at_ms: u64,
}

/// The membership of one person in one group. A removal is stored explicitly; a missing membership means nothing.
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
