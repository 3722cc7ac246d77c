//! `id`, `meta` and versions.

use serde_json::{Map, Value, json};

use crate::schema::ResourceKind;

/// Facts that Rollcall adds to a resource in a response.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    pub kind: ResourceKind,
    pub id: &'a str,
    /// Base URL without a trailing slash: `https://host/scim/acme/v2`.
    pub base_url: &'a str,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub changed_at_ms: u64,
    pub revision: u64,
}

impl Meta<'_> {
    /// URL of this resource.
    pub fn location(&self) -> String {
        self.address_of(self.kind, self.id)
    }

    pub(crate) fn address_of(&self, kind: ResourceKind, id: &str) -> String {
        format!("{}{}/{id}", self.base_url, kind.endpoint())
    }

    pub(crate) fn put_into(&self, body: &mut Map<String, Value>) {
        body.insert("id".to_owned(), self.id.into());
        let meta = json!({
            "resourceType": self.kind.as_str(),
            "created": instant(self.created_at_ms),
            "lastModified": instant(self.changed_at_ms),
            "location": self.location(),
            "version": etag(self.revision),
        });
        body.insert("meta".to_owned(), meta);
    }
}

/// Weak ETag of a revision.
pub fn etag(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// True if an `If-Match` header accepts the revision: it is `*`, or a list that contains its ETag, weak or strong.
pub fn if_match_accepts(header: &str, revision: u64) -> bool {
    names_etag(header, &etag(revision))
}

/// True if a list of ETags, as in `If-Match` and `If-None-Match`, is `*` or contains this one. Weak and strong ETags are equal.
pub fn names_etag(header: &str, etag: &str) -> bool {
    let opaque = |tag: &'_ str| {
        let strong = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/"));
        strong.unwrap_or(tag).to_owned()
    };
    let wanted = opaque(etag);
    header
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || opaque(tag) == wanted)
}

/// RFC 3339 in UTC with milliseconds. A time beyond the calendar is shown as its last moment.
fn instant(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(jiff::Timestamp::MAX))
}
