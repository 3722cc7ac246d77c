//! A plan: an immutable list of fully specified operations, each with its price. Applying it makes no choices.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    AccessLevel, AccountId, Attribute, AttributeChange, GroupId, Harm, Held, OperationId, OrgId, Parked,
    PersonId, PlanHash, Profile, Subject, TeamId, TeamRole, held_hash,
};

/// A new account, as it will be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub user_name: String,
    pub access_level: AccessLevel,
    pub profile: Profile,
    pub manager: Option<AccountId>,
}

/// One row of a bulk import. Bulk import leaves what a row omits as it is; it can neither clear a value nor rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRow {
    pub person: PersonId,
    /// Roster revision that the row carries.
    pub revision: u64,
    /// `None`: the row creates the account.
    pub account: Option<AccountId>,
    pub user_name: String,
    pub access_level: Option<AccessLevel>,
    pub profile: Profile,
    pub manager: Option<AccountId>,
    /// Groups whose teams the row adds the account to.
    pub groups: Vec<GroupId>,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Make the account inactive: its owner can no longer log in.
    CutOff {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Take an account that was cut off out of all its teams.
    LeaveTeams {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Tie a person to the account that is theirs already. Costs nothing.
    Link {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Read an account that is linked but has not been seen since.
    Read {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    Create {
        person: PersonId,
        revision: u64,
        draft: Draft,
    },
    Update {
        person: PersonId,
        revision: u64,
        account: AccountId,
        changes: Vec<AttributeChange>,
        fresh: bool,
    },
    Bulk {
        rows: Vec<BulkRow>,
    },
    /// Set advanced custom fields of an account, and read them back: Litmos documents several shapes of the call.
    SetCustomFields {
        person: PersonId,
        revision: u64,
        /// `None`: the account that an operation before it makes.
        account: Option<AccountId>,
        values: BTreeMap<String, String>,
    },
    /// Take an active account out of all its teams, where each of them is to be left.
    LeaveAllTeams {
        person: PersonId,
        account: AccountId,
        groups: Vec<GroupId>,
    },
    /// Tie a group to the one team of its name. Costs nothing.
    LinkTeam {
        group: GroupId,
        revision: u64,
        team: TeamId,
    },
    CreateTeam {
        group: GroupId,
        revision: u64,
        name: String,
        description: String,
        /// The group whose team it is made under.
        parent: Option<GroupId>,
    },
    /// Give a team another name or description. A description that has not been read is read first.
    AmendTeam {
        group: GroupId,
        revision: u64,
        team: TeamId,
        name: Option<TextChange>,
        description: Option<String>,
    },
    /// End the tie between a group that is deleted and its team, which stays as it is. Costs nothing.
    UnlinkTeam {
        group: GroupId,
        revision: u64,
        team: TeamId,
    },
    DeleteTeam {
        group: GroupId,
        revision: u64,
        team: TeamId,
        name: String,
    },
    AddMembers {
        group: GroupId,
        people: Vec<PersonId>,
    },
    RemoveMember {
        group: GroupId,
        team: TeamId,
        /// `None`: nobody in the roster has this account ("push now" takes strangers out too).
        person: Option<PersonId>,
        account: AccountId,
    },
    /// Promote (`holds`) or demote a member inside a team.
    SetRole {
        group: GroupId,
        /// `None`: the team that an operation before it makes.
        team: Option<TeamId>,
        person: PersonId,
        /// `None`: the account that an operation before it makes.
        account: Option<AccountId>,
        role: TeamRole,
        holds: bool,
    },
    /// "Push now" has been done for a group. Costs nothing.
    EndOverwrite {
        group: GroupId,
    },
}

/// A text that becomes another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    pub from: String,
    pub to: String,
}

impl Change {
    pub fn kind(&self) -> &'static str {
        match self {
            Change::CutOff { .. } => "cut-off",
            Change::LeaveTeams { .. } => "leave-teams",
            Change::Link { .. } => "link",
            Change::Read { .. } => "read",
            Change::Create { .. } => "create",
            Change::Update { .. } => "update",
            Change::Bulk { .. } => "bulk",
            Change::LinkTeam { .. } => "link-team",
            Change::CreateTeam { .. } => "create-team",
            Change::SetCustomFields { .. } => "set-custom-fields",
            Change::LeaveAllTeams { .. } => "leave-all-teams",
            Change::AmendTeam { .. } => "amend-team",
            Change::UnlinkTeam { .. } => "unlink-team",
            Change::DeleteTeam { .. } => "delete-team",
            Change::AddMembers { .. } => "add-members",
            Change::RemoveMember { .. } => "remove-member",
            Change::SetRole { holds: true, .. } => "promote",
            Change::SetRole { holds: false, .. } => "demote",
            Change::EndOverwrite { .. } => "end-overwrite",
        }
    }

    /// Whether somebody's access ends with it: such an operation goes before everything else.
    pub fn cuts_access(&self) -> bool {
        matches!(self, Change::CutOff { .. })
    }

    /// Every subject whose link the operation writes. Two operations that share one never run at once.
    pub fn subjects(&self) -> Vec<Subject> {
        match self {
            Change::CutOff { person, .. }
            | Change::LeaveTeams { person, .. }
            | Change::Link { person, .. }
            | Change::Read { person, .. }
            | Change::Create { person, .. }
            | Change::Update { person, .. }
            | Change::SetCustomFields { person, .. } => vec![Subject::Person(person.clone())],
            Change::LeaveAllTeams { person, groups, .. } => {
                let groups = groups.iter().cloned().map(Subject::Group);
                groups.chain([Subject::Person(person.clone())]).collect()
            }
            Change::Bulk { rows } => rows
                .iter()
                .map(|row| Subject::Person(row.person.clone()))
                .collect(),
            Change::LinkTeam { group, .. }
            | Change::CreateTeam { group, .. }
            | Change::AmendTeam { group, .. }
            | Change::UnlinkTeam { group, .. }
            | Change::DeleteTeam { group, .. }
            | Change::AddMembers { group, .. }
            | Change::RemoveMember { group, .. }
            | Change::SetRole { group, .. }
            | Change::EndOverwrite { group } => vec![Subject::Group(group.clone())],
        }
    }

    /// The user names that accounts have once the operation is done, where it gives any.
    pub fn user_names(&self) -> Vec<(&PersonId, &str)> {
        match self {
            Change::Create { person, draft, .. } => vec![(person, draft.user_name.as_str())],
            Change::Bulk { rows } => {
                let new = rows.iter().filter(|row| row.account.is_none());
                new.map(|row| (&row.person, row.user_name.as_str())).collect()
            }
            Change::Update { person, changes, .. } => {
                let names = changes
                    .iter()
                    .filter(|change| change.attribute == Attribute::UserName);
                names.map(|change| (person, change.to.as_str())).collect()
            }
            Change::CutOff { .. }
            | Change::LeaveTeams { .. }
            | Change::Link { .. }
            | Change::Read { .. }
            | Change::SetCustomFields { .. }
            | Change::LeaveAllTeams { .. }
            | Change::LinkTeam { .. }
            | Change::CreateTeam { .. }
            | Change::AmendTeam { .. }
            | Change::UnlinkTeam { .. }
            | Change::DeleteTeam { .. }
            | Change::AddMembers { .. }
            | Change::RemoveMember { .. }
            | Change::SetRole { .. }
            | Change::EndOverwrite { .. } => Vec::new(),
        }
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.kind());
        let mut part = |text: &str| {
            hash.update([0]);
            hash.update(text);
        };
        match self {
            Change::CutOff { person, revision, .. }
            | Change::LeaveTeams { person, revision, .. }
            | Change::Link { person, revision, .. }
            | Change::Read { person, revision, .. }
            | Change::Create { person, revision, .. }
            | Change::SetCustomFields { person, revision, .. } => {
                part(person.as_str());
                part(&revision.to_string());
            }
            Change::Update {
                person,
                revision,
                changes,
                ..
            } => {
                part(person.as_str());
                part(&revision.to_string());
                // Somebody who swaps names is renamed twice for one wish.
                let name = changes
                    .iter()
                    .find(|change| change.attribute == Attribute::UserName);
                part(name.map_or("", |change| &change.to));
            }
            Change::LeaveAllTeams { person, groups, .. } => {
                part(person.as_str());
                groups.iter().for_each(|group| part(group.as_str()));
            }
            Change::Bulk { rows } => {
                for row in rows {
                    part(row.person.as_str());
                    part(&row.revision.to_string());
                    // A row that will only name a manager is not the one that makes the account.
                    part(if row.profile.is_empty() { "manager" } else { "" });
                }
            }
            Change::LinkTeam { group, revision, .. }
            | Change::CreateTeam { group, revision, .. }
            | Change::AmendTeam { group, revision, .. }
            | Change::UnlinkTeam { group, revision, .. }
            | Change::DeleteTeam { group, revision, .. } => {
                part(group.as_str());
                part(&revision.to_string());
            }
            Change::AddMembers { group, people } => {
                part(group.as_str());
                people.iter().for_each(|person| part(person.as_str()));
            }
            Change::RemoveMember { group, account, .. } => {
                part(group.as_str());
                part(account.as_str());
            }
            Change::SetRole {
                group, person, role, ..
            } => {
                part(group.as_str());
                part(person.as_str());
                part(role.as_str());
            }
            Change::EndOverwrite { group } => part(group.as_str()),
        }
        short_hex(&hash.finalize())
    }
}

pub(crate) fn short_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(10)
        .fold(String::with_capacity(20), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// One change with its price and what must be done before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub change: Change,
    /// Requests that it takes when nothing goes wrong.
    pub calls: u32,
    /// Operations of the same plan that come first.
    pub after: BTreeSet<OperationId>,
    /// What it does, for a person to read.
    pub label: String,
}

impl Operation {
    pub(crate) fn new(change: Change, calls: u32, label: String) -> Operation {
        let id = OperationId::parse(change.fingerprint()).expect("hex digits are an id");
        Operation {
            id,
            change,
            calls,
            after: BTreeSet::new(),
            label,
        }
    }

    pub fn kind(&self) -> &'static str {
        self.change.kind()
    }
}

/// Why nothing is done about a subject just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// A request for it is under way, or may still be taking effect.
    UnderWay,
    /// The last attempt failed; it is tried again at this Unix time in milliseconds.
    RetryAt { at_ms: u64, error: Option<String> },
    /// No complete import of the org has been seen yet.
    FirstImport,
    /// It waits for a person, with this reason.
    Parked(Parked),
    /// The org's switch for this kind of change is off.
    SwitchedOff { feature: &'static str },
    /// The safeguard holds it until a person approves.
    Held { harm: Harm },
    /// The group that it names as its parent is not there yet, or has no team yet.
    ParentAwaited { parent: String },
    /// The account that has the wanted user name is to be renamed first.
    NameAwaited { person: PersonId },
    /// Members of its team whom no source named are taken out at this Unix time in milliseconds: the sources may still be
    /// telling of them.
    ExtraMembers { at_ms: u64 },
    /// Group push is paused for this group.
    Paused,
    /// An admin froze the person: nothing but the cut-off is done until that is lifted.
    Frozen,
}

/// What makes Litmos equal the roster, priced, in an order that is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub org: OrgId,
    pub operations: Vec<Operation>,
    /// Subjects that cannot be done as they are; nothing is sent for them.
    pub park: Vec<(Subject, Parked)>,
    pub waiting: Vec<(Subject, WaitReason)>,
    /// What the safeguard keeps out of `operations` until a person approves.
    pub held: Vec<Held>,
    /// People and groups in the plan, as Okta's formula would count them.
    pub people: usize,
    pub groups: usize,
}

impl Plan {
    pub fn calls(&self) -> u32 {
        self.operations.iter().map(|operation| operation.calls).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The hash of what the plan says: equal exactly if the same operations stand in it.
    pub fn hash(&self) -> PlanHash {
        let mut hash = Sha256::new();
        for operation in &self.operations {
            hash.update(operation.id.as_str());
        }
        PlanHash::parse(short_hex(&hash.finalize())).expect("hex digits are a hash")
    }

    /// The hash that an approval of what is held must name; `None` where nothing is held.
    pub fn held_hash(&self) -> Option<PlanHash> {
        (!self.held.is_empty()).then(|| held_hash(&self.held))
    }

    /// Counts and calls by kind, in the order of first appearance.
    pub fn summary(&self) -> Vec<PlanLine> {
        let mut lines: Vec<PlanLine> = Vec::new();
        for operation in &self.operations {
            match lines.iter_mut().find(|line| line.kind == operation.kind()) {
                Some(line) => {
                    line.operations += 1;
                    line.calls += operation.calls;
                }
                None => lines.push(PlanLine {
                    kind: operation.kind(),
                    operations: 1,
                    calls: operation.calls,
                }),
            }
        }
        lines
    }
}

/// One line of a plan's summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanLine {
    pub kind: &'static str,
    pub operations: usize,
    pub calls: u32,
}
