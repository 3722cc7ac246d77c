//! All known attributes in one table: names, types, case exactness, mutability.
//!
//! Documents, PATCH, filters and `/Schemas` all use this table, so `/Schemas` shows exactly what is accepted.

mod attributes;
mod render;

pub(crate) use attributes::{CORE_GROUP_ATTRIBUTES, CORE_USER_ATTRIBUTES};
pub(crate) use render::schema_json;

use attributes::{ENTERPRISE_ATTRIBUTES, LITMOS_ATTRIBUTES, LITMOS_GROUP_ATTRIBUTES};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Extension with Litmos attributes beyond core and enterprise. Same URN as in the Entra gallery mapping.
pub const LITMOS_USER: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:User";
/// Extension with attributes of a team that a core group does not have.
pub const LITMOS_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Litmos:2.0:Group";
/// URN of the ten custom fields in the Entra gallery mapping: one level below the extension itself.
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

    /// Path below the base URL, with a leading slash.
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
    /// One of the five Litmos access levels, in any spelling.
    AccessLevel,
    Complex(&'static [Attribute]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
    /// Accepted and dropped: never stored, never returned.
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
    /// True if all resources have it (RFC 7643 section 3.1). No schema lists it.
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

    /// True if a client can write it.
    pub(crate) fn writable(&self) -> bool {
        matches!(self.access, Access::ReadWrite | Access::Immutable)
    }
}

/// Finds an attribute by name, in any case.
pub(crate) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// Returns the canonical spelling of a known schema URN, given in any case. The gallery's URN of custom fields belongs to the
/// Litmos extension.
pub(crate) fn canonical_urn(urn: &str) -> Option<&'static str> {
    if urn.eq_ignore_ascii_case(LITMOS_CUSTOM_FIELD) {
        return Some(LITMOS_USER);
    }
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(urn))
}

/// Splits a URN after the URN of a known schema, because attribute names may contain colons.
pub(crate) fn below_known(urn: &str) -> Option<(&'static str, &str)> {
    KNOWN.into_iter().find_map(|known| {
        let (start, rest) = urn.split_at_checked(known.len())?;
        Some((known, rest.strip_prefix(':')?)).filter(|_| start.eq_ignore_ascii_case(known))
    })
}

/// Attributes of a known schema.
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

/// Finds the attribute of a filter, users before groups (names common to both mean the same).
pub(crate) fn filterable(urn: Option<&str>, name: &str) -> Option<&'static Attribute> {
    match urn {
        Some(urn) => find(attributes_of(canonical_urn(urn)?), name),
        None => find(CORE_USER_ATTRIBUTES, name).or_else(|| find(CORE_GROUP_ATTRIBUTES, name)),
    }
}
