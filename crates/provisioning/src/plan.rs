//! A plan: an immutable list of fully specified operations, each with its price. The executor makes no choices.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    AccessLevel, AccountId, Attribute, AttributeChange, GroupId, Harm, Held, OperationId, OrgId, Parked,
    PersonId, PlanHash, Profile, Subject, TeamId, TeamRole, held_hash,
};

/// The values of a new account, as they are sent to Litmos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub user_name: String,
    pub access_level: AccessLevel,
    pub profile: Profile,
    pub manager: Option<AccountId>,
}

/// One row of a bulk import. Values that a row omits stay as they are. A row can neither clear a value nor rename.
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
    /// Makes the account inactive: its person can no longer log in.
    CutOff {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Removes an account that was cut off from all its teams.
    LeaveTeams {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Links a person to the existing account. Costs no call.
    Link {
        person: PersonId,
        revision: u64,
        account: AccountId,
    },
    /// Reads an account of a person, because the observed state does not have it or does not show all its fields.
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
    /// Sets advanced custom fields of an account and reads them back, because Litmos documents several formats of the call.
    SetCustomFields {
        person: PersonId,
        revision: u64,
        /// `None`: the account that an earlier operation creates.
        account: Option<AccountId>,
        values: BTreeMap<String, String>,
    },
    /// Removes an active account from all its teams in one call. The account is to leave each of them.
    LeaveAllTeams {
        person: PersonId,
        account: AccountId,
        groups: Vec<GroupId>,
    },
    /// Links a group to the one team with its name. Costs no call.
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
        /// The group whose team becomes the parent.
        parent: Option<GroupId>,
    },
    /// Changes the name or description of a team. An unknown description is read first.
    AmendTeam {
        group: GroupId,
        revision: u64,
        team: TeamId,
        name: Option<TextChange>,
        description: Option<String>,
    },
    /// Removes the link of a deleted group and its team. The team stays as it is. Costs no call.
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
        /// `None`: the account has no person in the roster ("push now" removes such accounts too).
        person: Option<PersonId>,
        account: AccountId,
    },
    /// Promotes (`holds`) or demotes a member inside a team.
    SetRole {
        group: GroupId,
        /// `None`: the team that an earlier operation creates.
        team: Option<TeamId>,
        person: PersonId,
        /// `None`: the account that an earlier operation creates.
        account: Option<AccountId>,
        role: TeamRole,
        holds: bool,
    },
    /// Ends "push now" for a group. Costs no call.
    EndOverwrite {
        group: GroupId,
    },
}

/// The old and the new value of a text.
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

    /// True if the operation ends a person's access. Such operations come before all others.
    pub fn cuts_access(&self) -> bool {
        matches!(self, Change::CutOff { .. })
    }

    /// Every subject whose link the operation writes. Two operations with a common subject never run at the same time.
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

    /// The user names that the operation gives to accounts.
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
                // A swap of user names renames an account twice at the same revision.
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
                    // A row that only sets a manager differs from the row that creates the account.
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

/// One change, its price, and the operations that must be done before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub change: Change,
    /// Number of calls if nothing fails.
    pub calls: u32,
    /// Operations of the same plan that must be done first.
    pub after: BTreeSet<OperationId>,
    /// Description for a person.
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

/// Reason why nothing is done about a subject now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// A request for it is in flight, or may still take effect.
    UnderWay,
    /// The last attempt failed. It is retried at this Unix time in milliseconds.
    RetryAt { at_ms: u64, error: Option<String> },
    /// No complete import of the org has been seen yet.
    FirstImport,
    /// It is parked: it waits until a person acts.
    Parked(Parked),
    /// This kind of change is switched off in the settings of the org.
    SwitchedOff { feature: &'static str },
    /// The safeguard holds it until a person approves.
    Held { harm: Harm },
    /// The group that it names as its parent does not exist yet, or has no team yet.
    ParentAwaited { parent: String },
    /// The account that has the desired user name is renamed first.
    NameAwaited { person: PersonId },
    /// Team members that no source named are removed at this Unix time in milliseconds. Until then the sources may still
    /// send them.
    ExtraMembers { at_ms: u64 },
    /// Group push is paused for this group.
    Paused,
    /// An admin froze the person: nothing except the cut-off is done until the order is lifted.
    Frozen,
}

/// The operations that make Litmos equal to the roster, with prices, in a safe order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub org: OrgId,
    pub operations: Vec<Operation>,
    /// Subjects to park, because their values cannot be sent as they are.
    pub park: Vec<(Subject, Parked)>,
    pub waiting: Vec<(Subject, WaitReason)>,
    /// Changes that the safeguard holds until a person approves. They are not in `operations`.
    pub held: Vec<Held>,
    /// Number of people in the plan, counted for Okta's formula; `groups` is the number of groups.
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

    /// Hash of the plan: equal exactly if the plan has the same operations in the same order.
    pub fn hash(&self) -> PlanHash {
        let mut hash = Sha256::new();
        for operation in &self.operations {
            hash.update(operation.id.as_str());
        }
        PlanHash::parse(short_hex(&hash.finalize())).expect("hex digits are a hash")
    }

    /// Hash that an approval of the held changes must name; `None` if nothing is held.
    pub fn held_hash(&self) -> Option<PlanHash> {
        (!self.held.is_empty()).then(|| held_hash(&self.held))
    }

    /// Number of operations and calls of each kind, in the order of first appearance.
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
