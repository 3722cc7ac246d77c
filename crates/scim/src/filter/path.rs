//! Attribute paths: `userName`, `name.givenName`, `emails[type eq "work"].value`, with or without a schema URN.

use std::fmt;

use super::{Filter, LookupKey};
use crate::schema;

/// Longest attribute name, including its URN.
const MAX_NAME_BYTES: usize = 512;

/// Target of a filter or a PATCH operation.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributePath {
    urn: Option<String>,
    name: String,
    selector: Option<Box<Filter>>,
    part: Option<String>,
}

impl AttributePath {
    /// Parses a name as written, `urn:...:name.part`. `None` if it is not valid.
    pub(super) fn from_name(raw: &str) -> Option<AttributePath> {
        if raw.len() > MAX_NAME_BYTES {
            return None;
        }
        let has_urn = raw
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        let (urn, local) = match raw.rsplit_once(':') {
            Some((urn, local)) if has_urn => (Some(urn), local),
            Some(_) => return None,
            None => (None, raw),
        };
        let (name, part) = match local.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (local, None),
        };
        // A URN may end in a version, `2.0.1`. Outside of URNs a second dot has no meaning.
        let good_urn = |urn: &str| urn.len() > 4 && urn.split(':').all(|segment| !segment.is_empty());
        let good_part = |part: &str| !part.is_empty() && (urn.is_some() || !part.contains('.'));
        if name.is_empty() || !part.is_none_or(good_part) || !urn.is_none_or(good_urn) {
            return None;
        }
        Some(AttributePath {
            urn: urn.map(str::to_owned),
            name: name.to_owned(),
            selector: None,
            part: part.map(str::to_owned),
        })
    }

    pub(super) fn select(self, selector: Filter, part: Option<String>) -> AttributePath {
        AttributePath {
            selector: Some(Box::new(selector)),
            part,
            ..self
        }
    }

    /// The schema URN as written, if there is one.
    pub fn urn(&self) -> Option<&str> {
        self.urn.as_deref()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn selector(&self) -> Option<&Filter> {
        self.selector.as_deref()
    }

    /// The sub-attribute.
    pub fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// URN, name and part without the selector, for notes.
    pub(crate) fn label(&self) -> String {
        let bare = AttributePath {
            selector: None,
            ..self.clone()
        };
        bare.to_string()
    }

    /// URN and name read as one URN, for paths that name a whole extension.
    pub(crate) fn as_urn(&self) -> Option<String> {
        let urn = self.urn.as_deref()?;
        Some(match &self.part {
            Some(part) => format!("{urn}:{}.{part}", self.name),
            None => format!("{urn}:{}", self.name),
        })
    }

    pub(super) fn has_selector(&self) -> bool {
        self.selector.is_some()
    }

    /// The name, if the path has no other parts.
    pub(super) fn plain(&self) -> Option<&str> {
        (self.urn.is_none() && self.selector.is_none() && self.part.is_none()).then_some(self.name.as_str())
    }

    pub(super) fn is_plain(&self, name: &str) -> bool {
        self.plain().is_some_and(|plain| plain.eq_ignore_ascii_case(name))
    }

    /// True if the attribute belongs to the core of users or groups.
    pub(super) fn is_core(&self) -> bool {
        let canonical = self.urn().map(schema::canonical_urn);
        matches!(canonical, None | Some(Some(schema::USER | schema::GROUP)))
    }

    /// Index that can answer an equality on this path.
    pub(super) fn lookup_key(&self) -> Option<LookupKey> {
        let simple = self.selector.is_none() && self.part.is_none();
        match self.name.to_ascii_lowercase().as_str() {
            "id" if self.is_core() && simple => Some(LookupKey::Id),
            "externalid" if self.is_core() && simple => Some(LookupKey::ExternalId),
            "username" if self.is_core() && simple => Some(LookupKey::UserName),
            "displayname" if self.is_core() && simple => Some(LookupKey::DisplayName),
            _ => {
                let part = self.part.as_deref();
                let of_value = part.is_none_or(|part| part.eq_ignore_ascii_case("value"));
                self.entries_key().filter(|_| of_value)
            }
        }
    }

    /// Index on the `value` of this attribute's entries.
    pub(super) fn entries_key(&self) -> Option<LookupKey> {
        match self.name.to_ascii_lowercase().as_str() {
            "emails" if self.is_core() => Some(LookupKey::Email),
            "members" if self.is_core() => Some(LookupKey::Member),
            "groups" if self.is_core() => Some(LookupKey::Group),
            _ => None,
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.name)?;
        if let Some(selector) = &self.selector {
            write!(f, "[{selector}]")?;
        }
        match &self.part {
            Some(part) => write!(f, ".{part}"),
            None => Ok(()),
        }
    }
}
