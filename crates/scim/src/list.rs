//! List requests and responses: RFC 7644 section 3.4.2.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::error::ScimError;
use crate::filter::{Filter, ParsedFilter};
use crate::projection::Projection;

/// Entries per page if the client gives no count. Okta's default.
pub const DEFAULT_COUNT: usize = 100;
/// Most entries per page: about a megabyte of users.
pub const MAX_COUNT: usize = 1000;

const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// Part of a list that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Index of the first entry, counted from 1.
    pub start_index: usize,
    /// Number of entries. 0 requests the total only.
    pub count: usize,
}

impl Default for Page {
    fn default() -> Page {
        Page {
            start_index: 1,
            count: DEFAULT_COUNT,
        }
    }
}

impl Page {
    /// Positions of the page in a list of `total` entries, counted from 0.
    pub fn range(self, total: usize) -> Range<usize> {
        let start = (self.start_index - 1).min(total);
        start..start.saturating_add(self.count).min(total)
    }
}

/// Query of a list request. Sorting is not supported, so `sortBy` is ignored like any unknown parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    pub filter: Option<ParsedFilter>,
    pub page: Page,
    pub projection: Projection,
}

impl ListQuery {
    /// Parses the decoded parameters, names in any case. The last one of a repeated parameter is used.
    ///
    /// # Errors
    /// `invalidFilter`, or `invalidValue` for text that is not a number.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<ListQuery, ScimError> {
        let mut query = ListQuery::default();
        let (mut attributes, mut excluded) = (None, None);
        for (name, value) in pairs {
            match name.to_ascii_lowercase().as_str() {
                "filter" if !value.trim().is_empty() => query.filter = Some(Filter::parse(value)?),
                "startindex" => query.page.start_index = number("startIndex", value)?.unwrap_or(1).max(1),
                "count" => query.page.count = number("count", value)?.unwrap_or(DEFAULT_COUNT).min(MAX_COUNT),
                "attributes" => attributes = Some(value),
                "excludedattributes" => excluded = Some(value),
                _ => {}
            }
        }
        query.projection = Projection::parse(attributes, excluded);
        Ok(query)
    }
}

/// Parses a whole number. A negative number becomes 0, blank text becomes `None`.
fn number(name: &str, text: &str) -> Result<Option<usize>, ScimError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ScimError::invalid_value(format!("{name} is a whole number")));
    }
    Ok(Some(if negative {
        0
    } else {
        digits.parse().unwrap_or(usize::MAX)
    }))
}

/// Response to a list request. `total` is the number of all matches; `resources` are the matches on the page.
pub fn list_response(total: usize, start_index: usize, resources: Vec<Map<String, Value>>) -> Value {
    let resources: Vec<Value> = resources.into_iter().map(Value::Object).collect();
    json!({
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
