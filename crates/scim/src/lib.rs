//! SCIM 2.0 (RFC 7643, RFC 7644) as its clients use it, without IO.
//!
//! It parses the bytes of an identity provider into typed documents, filters and changes, and renders documents as the JSON that
//! the provider expects. Okta and Entra each deviate from the protocol in their own way, a request must not be refused for its
//! form alone, and administrators see Rollcall's error texts unchanged.
//!
//! Rules:
//! - **Parse once.** [`UserDocument`], [`GroupDocument`], [`PatchRequest`] and [`Filter`] hold canonical names and types. No
//!   other code compares attribute names or reads `"False"`.
//! - **Three meanings of an attribute.** A value means *set*. An explicit null, empty text or empty list means *clear*. Absence
//!   means *leave* ([`FieldChange`], [`litmos_attributes`]). After an attribute was managed, its absence means *clear*
//!   ([`carry_over`]).
//! - **No success without an effect.** A request that cannot have an effect is refused, and the error names the cause: filters
//!   that can match nothing ([`Filter::check`]), PATCH paths to unknown attributes, removals that find nothing.
//! - **Absence never destroys.** A PUT without `active`, `externalId` or `members` leaves them. A removal of `members` without
//!   ids is refused.
//! - **No read-modify-write for members.** A group PATCH becomes a [`GroupChange`] without reading the group.
//! - **Bounded.** Lengths, depths and counts have named limits. Arbitrary input never panics.
//! - **No secrets.** Passwords are dropped at once. A [`Note`] contains attribute names, never values.
//!
//! Not included: HTTP, storage, ids (the gateway assigns them), bulk requests, sorting, password changes, nested groups, and
//! translation of time zones or languages except the spelling of a tag (`en_US` becomes `en-US`).

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
