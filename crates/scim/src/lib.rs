//! SCIM 2.0 (RFC 7643, RFC 7644) as its clients speak it, without IO.
//!
//! Bytes that an identity provider sends become typed documents, filters and changes; documents become the JSON it
//! expects back. The pressures: Okta and Entra each bend the protocol in their own way, what they send must never
//! be refused for form alone, and what Rollcall answers is shown to an administrator word for word.
//!
//! Laws:
//! - **Parse once.** [`UserDocument`], [`GroupDocument`], [`PatchRequest`] and [`Filter`] hold canonical names and
//!   types; nothing downstream compares attribute names or reads `"False"`.
//! - **Three-way attributes.** A value means *set*, an explicit null, empty text or empty list means *clear*, absence
//!   means *leave* ([`FieldChange`], [`litmos_attributes`]). Once an attribute was managed, its absence means *clear*
//!   ([`carry_over`]).
//! - **Never done without an effect.** What could have none is refused and named: filters that can match nothing
//!   ([`Filter::check`]), PATCH paths to attributes that are not there, removals that find nothing.
//! - **Never destructive on silence.** A PUT without `active`, `externalId` or `members` leaves them; a removal of
//!   `members` that names nobody is refused.
//! - **No read-modify-write for members.** A group PATCH yields a [`GroupChange`] without looking at the group.
//! - **Bounded.** Lengths, depths and counts have named limits; arbitrary input never panics.
//! - **No secrets.** Passwords are dropped on sight; a [`Note`] holds attribute names, never values.
//!
//! Deliberately absent: HTTP, storage, ids (the gateway gives them), bulk requests, sorting, password changes, nested
//! groups, and any translation of time zones or languages beyond the spelling of a tag (`en_US` is `en-US`).

mod body;
mod custom;
mod discovery;
mod draft;
mod error;
mod filter;
mod fold;
mod group;
mod list;
mod litmos;
mod meta;
mod note;
mod patch;
mod projection;
mod schema;
mod user;
mod value;

pub use body::read_json;
pub use custom::{CustomAttribute, CustomAttributes, CustomFieldChanges, carry_over_custom};
pub use discovery::{resource_types, schemas, service_provider_config};
pub use error::{ScimError, ScimType};
pub use filter::{
    AttributePath, Comparison, Filter, Literal, Lookup, LookupKey, MAX_FILTER_BYTES, MAX_FILTER_DEPTH,
    MembersNeeded, ParsedFilter,
};
pub use group::{
    GroupChange, GroupDocument, GroupWrite, MAX_MEMBERS_PER_REQUEST, Member, MemberChange, NetMembers,
};
pub use list::{DEFAULT_COUNT, ListQuery, MAX_COUNT, Page, list_response};
pub use litmos::{
    ACCESS_LEVELS, FieldChange, FieldChanges, carry_over, carry_over_one, cleared_by, litmos_attributes,
};
pub use meta::{Meta, etag, if_match_accepts, names_etag};
pub use note::{Note, NoteReason};
pub use patch::{MAX_OPERATIONS, Operation, OperationKind, PatchRequest};
pub use projection::Projection;
pub use schema::{ENTERPRISE_USER, GROUP, LITMOS_GROUP, LITMOS_USER, ResourceKind, USER};
pub use user::{GroupReference, StoredDocumentError, StoredNames, UserDocument, UserWrite};
pub use value::{MAX_TEXT_BYTES, MAX_VALUES};
