//! Keys of the buckets: which thing lies where.

use provisioning::{
    AccountId, GroupId, NormalName, OperationId, OrgId, PersonId, PlanHash, SourceId, TeamId,
};
use sha2::{Digest, Sha256};

/// A key of one bucket, readable back from its text.
pub trait Key: Clone + Send + Sync + std::fmt::Debug + 'static {
    const BUCKET: &'static str;

    /// The key as dot-separated tokens, the org first.
    fn text(&self) -> String;

    /// Reads a key back; `None` if it is none of this bucket.
    fn parse(text: &str) -> Option<Self>;
}

/// Sixteen bytes of SHA-256 as hex: names of any form become one token.
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

/// A name that was turned into a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameToken(String);

impl NameToken {
    pub fn of_name(name: &NormalName) -> NameToken {
        NameToken(digest(name.as_str()))
    }

    pub fn of_text(text: &str) -> NameToken {
        NameToken(digest(text))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RosterKey {
    Person(OrgId, PersonId),
    Group(OrgId, GroupId),
    Membership(OrgId, GroupId, PersonId),
    /// Who has a user name.
    UserName(OrgId, NameToken),
    /// Who has an id of a source.
    ExternalId(OrgId, SourceId, NameToken),
    GroupName(OrgId, NameToken),
    GroupExternalId(OrgId, SourceId, NameToken),
}

impl RosterKey {
    /// Kinds of keys that hold what sources want. The others are indexes: only who writes the roster asks them.
    pub const WISHES: [&str; 3] = ["person", "group", "member"];
}

impl Key for RosterKey {
    const BUCKET: &'static str = "roster";

    fn text(&self) -> String {
        match self {
            RosterKey::Person(org, id) => format!("{org}.person.{id}"),
            RosterKey::Group(org, id) => format!("{org}.group.{id}"),
            RosterKey::Membership(org, group, person) => format!("{org}.member.{group}.{person}"),
            RosterKey::UserName(org, name) => format!("{org}.name.{}", name.0),
            RosterKey::ExternalId(org, source, name) => format!("{org}.ext.{source}.{}", name.0),
            RosterKey::GroupName(org, name) => format!("{org}.gname.{}", name.0),
            RosterKey::GroupExternalId(org, source, name) => format!("{org}.gext.{source}.{}", name.0),
        }
    }

    fn parse(text: &str) -> Option<RosterKey> {
        let parts: Vec<&str> = text.split('.').collect();
        let org = OrgId::parse(parts.first()?).ok()?;
        match parts.as_slice() {
            [_, "person", id] => Some(RosterKey::Person(org, PersonId::parse(id).ok()?)),
            [_, "group", id] => Some(RosterKey::Group(org, GroupId::parse(id).ok()?)),
            [_, "member", group, person] => Some(RosterKey::Membership(
                org,
                GroupId::parse(group).ok()?,
                PersonId::parse(person).ok()?,
            )),
            [_, "name", name] => Some(RosterKey::UserName(org, NameToken((*name).to_owned()))),
            [_, "ext", source, name] => Some(RosterKey::ExternalId(
                org,
                SourceId::parse(source).ok()?,
                NameToken((*name).to_owned()),
            )),
            [_, "gname", name] => Some(RosterKey::GroupName(org, NameToken((*name).to_owned()))),
            [_, "gext", source, name] => Some(RosterKey::GroupExternalId(
                org,
                SourceId::parse(source).ok()?,
                NameToken((*name).to_owned()),
            )),
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
    /// What was taken away in the last day.
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
