//! The attributes known here, as one table: names, types, case exactness, mutability.
//!
//! Documents, PATCH, filters and `/Schemas` all read this table, so what is advertised is what is accepted.

mod attributes;
mod render;

pub(crate) use attributes::{CORE_GROUP_ATTRIBUTES, CORE_USER_ATTRIBUTES};
pub(crate) use render::schema_json;

use attributes::{ENTERPRISE_ATTRIBUTES, LITMOS_ATTRIBUTES, LITMOS_GROUP_ATTRIBUTES};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Litmos attributes beyond core and enterprise; the name the Entra gallery's own mapping uses.
pub const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
/// What a team has beyond a core group.
pub const LITMOS_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group";
/// Where the Entra gallery mapping puts the ten custom fields: one level below the extension itself.
const LITMOS_CUSTOM_FIELD: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User:CustomField";

const KNOWN: [&str; 5] = [USER, GROUP, ENTERPRISE_USER, LITMOS_USER, LITMOS_GROUP];

/// The two kinds of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    User,
    Group,
}

impl ResourceKind {
    /// `User` or `Group`, as in `meta.resourceType`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::User => "User",
            ResourceKind::Group => "Group",
        }
    }

    /// The path below the base URL, with a leading slash.
    pub fn endpoint(self) -> &'static str {
        match self {
            ResourceKind::User => "/Users",
            ResourceKind::Group => "/Groups",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    DateTime,
    Reference(&'static [&'static str]),
    /// One of the five Litmos access levels, read loosely.
    AccessLevel,
    Complex(&'static [Attribute]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
    /// Accepted and dropped: never kept, never returned.
    WriteOnly,
    Immutable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    pub(crate) multi_valued: bool,
    pub(crate) required: bool,
    pub(crate) case_exact: bool,
    pub(crate) unique: bool,
    pub(crate) access: Access,
    pub(crate) canonical_values: &'static [&'static str],
    /// RFC 7643 section 3.1: in every resource, and so in no schema's list.
    pub(crate) common: bool,
}

impl Attribute {
    pub(crate) fn parts(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(parts) => parts,
            Kind::Text | Kind::Boolean | Kind::DateTime | Kind::Reference(_) | Kind::AccessLevel => &[],
        }
    }

    pub(crate) fn part(&self, name: &str) -> Option<&'static Attribute> {
        find(self.parts(), name)
    }

    /// Whether a client's value for it counts.
    pub(crate) fn writable(&self) -> bool {
        matches!(self.access, Access::ReadWrite | Access::Immutable)
    }
}

/// The attribute of that name, in any case.
pub(crate) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// The known schema of that URN in its canonical spelling, in any case; the gallery's place for custom fields counts
/// as the Litmos extension.
pub(crate) fn canonical_urn(urn: &str) -> Option<&'static str> {
    if urn.eq_ignore_ascii_case(LITMOS_CUSTOM_FIELD) {
        return Some(LITMOS_USER);
    }
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(urn))
}

/// A URN that continues a known schema's own, split there: attributes may have colons in their names.
pub(crate) fn below_known(urn: &str) -> Option<(&'static str, &str)> {
    KNOWN.into_iter().find_map(|known| {
        let (start, rest) = urn.split_at_checked(known.len())?;
        Some((known, rest.strip_prefix(':')?)).filter(|_| start.eq_ignore_ascii_case(known))
    })
}

/// The attributes of a known schema.
pub(crate) fn attributes_of(urn: &str) -> &'static [Attribute] {
    match urn {
        USER => CORE_USER_ATTRIBUTES,
        GROUP => CORE_GROUP_ATTRIBUTES,
        ENTERPRISE_USER => ENTERPRISE_ATTRIBUTES,
        LITMOS_USER => LITMOS_ATTRIBUTES,
        LITMOS_GROUP => LITMOS_GROUP_ATTRIBUTES,
        _ => &[],
    }
}

/// The attribute that a filter names, users before groups (names common to both mean the same).
pub(crate) fn filterable(urn: Option<&str>, name: &str) -> Option<&'static Attribute> {
    match urn {
        Some(urn) => find(attributes_of(canonical_urn(urn)?), name),
        None => find(CORE_USER_ATTRIBUTES, name).or_else(|| find(CORE_GROUP_ATTRIBUTES, name)),
    }
}
