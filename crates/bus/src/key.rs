//! Keys of the buckets.

use provisioning::{
    AccountId, GroupId, NormalName, OperationId, OrgId, Person, PersonId, PlanHash, QuestionId, TeamId,
};
use sha2::{Digest, Sha256};

/// A key of one bucket, readable back from its text.
pub trait Key: Clone + Send + Sync + std::fmt::Debug + 'static {
    const BUCKET: &'static str;

    /// The key as text: parts separated by dots, the org first.
    fn text(&self) -> String;

    /// Parses a key; `None` if the text is not a key of this bucket.
    fn parse(text: &str) -> Option<Self>;
}

/// First 16 bytes of the SHA-256 as hex, so that any name fits in one part of a key.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write as _;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Hash of a name, used as one part of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameToken(String);

impl NameToken {
    pub fn of_name(name: &NormalName) -> NameToken {
        NameToken(digest(name.as_str()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RosterKey {
    /// A person, under the hash of the user name. One guard over all keys of a name keeps the name unique.
    Person(OrgId, NameToken, PersonId),
    Group(OrgId, GroupId),
    /// A membership, under its group. One guard over all keys of a group orders all its changes.
    Membership(OrgId, GroupId, PersonId),
    /// The group that has this name.
    GroupName(OrgId, NameToken),
    Question(OrgId, QuestionId),
}

impl RosterKey {
    /// Kinds of keys that hold the desired state. Questions and the index of group names do not.
    pub const DESIRED: [&str; 2] = ["person", "group"];

    /// The key of this person.
    pub fn of_person(org: &OrgId, person: &Person) -> RosterKey {
        let name = NameToken::of_name(&NormalName::of(&person.user_name));
        RosterKey::Person(org.clone(), name, person.id.clone())
    }

    /// All keys of people who have or had this user name.
    pub fn under_name(org: &OrgId, name: &NameToken) -> KeysUnder {
        KeysUnder(format!("{org}.person.{}.*", name.0))
    }

    /// The key of the group and those of its members.
    pub fn under_group(org: &OrgId, group: &GroupId) -> KeysUnder {
        KeysUnder(format!("{org}.group.{group}.>"))
    }
}

/// A set of keys of one bucket: a subject filter without the bucket's own prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeysUnder(pub(crate) String);

impl Key for RosterKey {
    const BUCKET: &'static str = "roster";

    fn text(&self) -> String {
        match self {
            RosterKey::Person(org, name, id) => format!("{org}.person.{}.{id}", name.0),
            RosterKey::Group(org, id) => format!("{org}.group.{id}.group"),
            RosterKey::Membership(org, group, person) => format!("{org}.group.{group}.member.{person}"),
            RosterKey::GroupName(org, name) => format!("{org}.gname.{}", name.0),
            RosterKey::Question(org, id) => format!("{org}.question.{id}"),
        }
    }

    fn parse(text: &str) -> Option<RosterKey> {
        let parts: Vec<&str> = text.split('.').collect();
        let org = OrgId::parse(parts.first()?).ok()?;
        match parts.as_slice() {
            [_, "person", name, id] => Some(RosterKey::Person(
                org,
                NameToken((*name).to_owned()),
                PersonId::parse(id).ok()?,
            )),
            [_, "group", id, "group"] => Some(RosterKey::Group(org, GroupId::parse(id).ok()?)),
            [_, "group", group, "member", person] => Some(RosterKey::Membership(
                org,
                GroupId::parse(group).ok()?,
                PersonId::parse(person).ok()?,
            )),
            [_, "question", id] => Some(RosterKey::Question(org, QuestionId::parse(id).ok()?)),
            [_, "gname", name] => Some(RosterKey::GroupName(org, NameToken((*name).to_owned()))),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservedKey {
    Account(OrgId, AccountId),
    Team(OrgId, TeamId),
    TeamMember(OrgId, TeamId, AccountId),
    Import(OrgId),
}

impl Key for ObservedKey {
    const BUCKET: &'static str = "observed";

    fn text(&self) -> String {
        match self {
            ObservedKey::Account(org, id) => format!("{org}.account.{id}"),
            ObservedKey::Team(org, id) => format!("{org}.team.{id}"),
            ObservedKey::TeamMember(org, team, account) => format!("{org}.member.{team}.{account}"),
            ObservedKey::Import(org) => format!("{org}.import"),
        }
    }

    fn parse(text: &str) -> Option<ObservedKey> {
        let parts: Vec<&str> = text.split('.').collect();
        let org = OrgId::parse(parts.first()?).ok()?;
        match parts.as_slice() {
            [_, "account", id] => Some(ObservedKey::Account(org, AccountId::parse(id).ok()?)),
            [_, "team", id] => Some(ObservedKey::Team(org, TeamId::parse(id).ok()?)),
            [_, "member", team, account] => Some(ObservedKey::TeamMember(
                org,
                TeamId::parse(team).ok()?,
                AccountId::parse(account).ok()?,
            )),
            [_, "import"] => Some(ObservedKey::Import(org)),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinksKey {
    Person(OrgId, PersonId),
    Group(OrgId, GroupId),
    Bulk(OrgId, OperationId),
    /// Harmful changes of the last day, for the safeguard.
    Harm(OrgId),
    Approval(OrgId, PlanHash),
    Run(OrgId, PlanHash),
}

impl Key for LinksKey {
    const BUCKET: &'static str = "links";

    fn text(&self) -> String {
        match self {
            LinksKey::Person(org, id) => format!("{org}.person.{id}"),
            LinksKey::Group(org, id) => format!("{org}.group.{id}"),
            LinksKey::Bulk(org, id) => format!("{org}.bulk.{id}"),
            LinksKey::Harm(org) => format!("{org}.harm"),
            LinksKey::Approval(org, hash) => format!("{org}.approval.{hash}"),
            LinksKey::Run(org, id) => format!("{org}.run.{id}"),
        }
    }

    fn parse(text: &str) -> Option<LinksKey> {
        let parts: Vec<&str> = text.split('.').collect();
        let org = OrgId::parse(parts.first()?).ok()?;
        match parts.as_slice() {
            [_, "person", id] => Some(LinksKey::Person(org, PersonId::parse(id).ok()?)),
            [_, "group", id] => Some(LinksKey::Group(org, GroupId::parse(id).ok()?)),
            [_, "bulk", id] => Some(LinksKey::Bulk(org, OperationId::parse(id).ok()?)),
            [_, "harm"] => Some(LinksKey::Harm(org)),
            [_, "approval", hash] => Some(LinksKey::Approval(org, PlanHash::parse(hash).ok()?)),
            [_, "run", id] => Some(LinksKey::Run(org, PlanHash::parse(id).ok()?)),
            _ => None,
        }
    }
}

/// The user attributes of an org.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaKey(pub OrgId);

impl Key for SchemaKey {
    const BUCKET: &'static str = "schema";

    fn text(&self) -> String {
        format!("{}.current", self.0)
    }

    fn parse(text: &str) -> Option<SchemaKey> {
        OrgId::parse(text.strip_suffix(".current")?).ok().map(SchemaKey)
    }
}
