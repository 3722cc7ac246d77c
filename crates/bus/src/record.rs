//! Encodes the values of the buckets as protobuf, and decodes them.
//!
//! Invariant, checked by a property test: an encoded value decodes to the same value. Bytes that do not decode are an error,
//! never a partly correct value.

mod decisions;
pub(crate) mod fields;
mod links;
mod observed;
mod reader;
mod roster;
mod runs;

use prost::{Message, Name};
use provisioning::{
    Account, Approval, BulkJob, Decision, Field, Group, GroupLink, HarmHistory, IdentityQuestion, ImportRun,
    Membership, Person, PersonLink, Profile, Run, SchemaVersion, Team,
};
use std::collections::BTreeMap;

pub use observed::TeamMember;

/// A payload that cannot be read, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {reason}")]
pub struct BrokenRecord {
    pub type_name: String,
    pub reason: String,
}

pub(crate) fn broken(type_name: impl Into<String>, reason: impl ToString) -> BrokenRecord {
    BrokenRecord {
        type_name: type_name.into(),
        reason: reason.to_string(),
    }
}

/// A value of one bucket.
pub trait Record: Clone + Send + Sync + std::fmt::Debug + 'static {
    /// The name of the protobuf type and the bytes.
    fn encode(&self) -> (String, Vec<u8>);

    /// # Errors
    /// [`BrokenRecord`] if the bucket does not have this type or the bytes are not of this type.
    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, BrokenRecord>;

    /// The bytes without fields that only the SCIM gateway needs; `None` if the type has no such field or the bytes are damaged.
    fn lean(_type_name: &str, _bytes: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A domain type with its protobuf type `M`.
trait Wire<M>: Sized {
    fn to_wire(&self) -> M;

    fn from_wire(message: M) -> Result<Self, BrokenRecord>;

    /// Reads the usual form without the generated type. On `None` the generated type reads the bytes and gives the value or the error.
    fn read(_bytes: &[u8]) -> Option<Self> {
        None
    }

    /// Number of the field that [`Record::lean`] leaves out.
    const LEFT_OUT: Option<u32> = None;
}

/// True if `type_name` is the name of `M`. Does not allocate that name.
fn is<M: Name>(type_name: &str) -> bool {
    let rest = type_name.strip_prefix(M::PACKAGE);
    rest.and_then(|rest| rest.strip_prefix('.')) == Some(M::NAME)
}

fn encoded<M: Message + Name>(message: &M) -> (String, Vec<u8>) {
    (M::full_name(), message.encode_to_vec())
}

fn decoded<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, BrokenRecord> {
    M::decode(bytes).map_err(|error| broken(M::full_name(), error))
}

fn profile_out(profile: &Profile) -> BTreeMap<String, String> {
    profile
        .iter()
        .map(|(field, value)| (field.wire().to_owned(), value.to_owned()))
        .collect()
}

fn profile_in(type_name: &str, values: BTreeMap<String, String>) -> Result<Profile, BrokenRecord> {
    values
        .into_iter()
        .map(|(name, value)| {
            let field = Field::from_wire(&name)
                .ok_or_else(|| broken(type_name, format!("{name} is no field of Litmos")))?;
            Ok((field, value))
        })
        .collect()
}

/// The enums below box large records, so that moving hundreds of thousands of values is cheap.
impl<M, T: Wire<M>> Wire<M> for Box<T> {
    const LEFT_OUT: Option<u32> = T::LEFT_OUT;

    fn to_wire(&self) -> M {
        T::to_wire(self)
    }

    fn from_wire(message: M) -> Result<Box<T>, BrokenRecord> {
        T::from_wire(message).map(Box::new)
    }

    fn read(bytes: &[u8]) -> Option<Box<T>> {
        T::read(bytes).map(Box::new)
    }
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($variant:ident($domain:ty) = $message:path,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name { $($variant($domain),)* }

        impl Record for $name {
            fn encode(&self) -> (String, Vec<u8>) {
                match self { $($name::$variant(value) => encoded::<$message>(&value.to_wire()),)* }
            }

            fn decode(type_name: &str, bytes: &[u8]) -> Result<$name, BrokenRecord> {
                $(if is::<$message>(type_name) {
                    if let Some(value) = <$domain as Wire<$message>>::read(bytes) {
                        return Ok($name::$variant(value));
                    }
                    return Ok($name::$variant(<$domain as Wire<$message>>::from_wire(decoded::<$message>(bytes)?)?));
                })*
                Err(broken(type_name, "is no type of this bucket"))
            }

            fn lean(type_name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
                $(if is::<$message>(type_name) {
                    return fields::without(bytes, <$domain as Wire<$message>>::LEFT_OUT?);
                })*
                None
            }
        }
    };
}

/// Id of the group that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index(pub String);

impl Wire<proto::v1::Index> for Index {
    fn to_wire(&self) -> proto::v1::Index {
        proto::v1::Index { id: self.0.clone() }
    }

    fn from_wire(message: proto::v1::Index) -> Result<Index, BrokenRecord> {
        Ok(Index(message.id))
    }
}

record!(
    /// A value of the bucket `roster`.
    RosterValue {
        Person(Box<Person>) = proto::v1::Person,
        Group(Box<Group>) = proto::v1::Group,
        Membership(Membership) = proto::v1::Membership,
        Index(Index) = proto::v1::Index,
        Question(Box<IdentityQuestion>) = proto::v1::IdentityQuestion,
    }
);

record!(
    /// A value of the bucket `observed`.
    ObservedValue {
        Account(Box<Account>) = proto::v1::Account,
        Team(Team) = proto::v1::Team,
        TeamMember(TeamMember) = proto::v1::TeamMember,
        Import(ImportRun) = proto::v1::ImportRun,
    }
);

/// A value of the bucket `links`. Links of people and of groups share one payload type.
#[derive(Clone, Debug, PartialEq)]
pub enum LinksValue {
    Person(Box<PersonLink>),
    Group(Box<GroupLink>),
    Bulk(BulkJob),
    Harm(HarmHistory),
    Approval(Approval),
    Run(Run),
}

impl Record for Decision {
    fn encode(&self) -> (String, Vec<u8>) {
        encoded::<proto::v1::Decision>(&self.to_wire())
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Decision, BrokenRecord> {
        if type_name != proto::v1::Decision::full_name() {
            return Err(broken(type_name, "is no decision"));
        }
        Decision::from_wire(decoded::<proto::v1::Decision>(bytes)?)
    }
}

impl Record for SchemaVersion {
    fn encode(&self) -> (String, Vec<u8>) {
        encoded::<proto::v1::SchemaVersion>(&self.to_wire())
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<SchemaVersion, BrokenRecord> {
        if type_name != proto::v1::SchemaVersion::full_name() {
            return Err(broken(type_name, "is no type of this bucket"));
        }
        SchemaVersion::from_wire(decoded::<proto::v1::SchemaVersion>(bytes)?)
    }
}
