//! List requests and answers: RFC 7644 section 3.4.2.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::error::ScimError;
use crate::filter::{Filter, ParsedFilter};
use crate::projection::Projection;

/// Entries of a page when the client names no count; what Okta asks for by itself.
pub const DEFAULT_COUNT: usize = 100;
/// Most entries of a page; about a megabyte of users.
pub const MAX_COUNT: usize = 1000;

const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1.
    pub start_index: usize,
    /// 0 asks for the total only.
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
    /// Where in a list of `total` entries the page lies, counted from 0.
    pub fn range(self, total: usize) -> Range<usize> {
        let start = (self.start_index - 1).min(total);
        start..start.saturating_add(self.count).min(total)
    }
}

/// The query of a list request. Sorting is not supported, and `sortBy` is passed over like any unknown parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    pub filter: Option<ParsedFilter>,
    pub page: Page,
    pub projection: Projection,
}

impl ListQuery {
    /// Reads the decoded parameters, names in any case. Of a repeated parameter the last one counts.
    ///
    /// # Errors
    /// `invalidFilter`, or `invalidValue` for a number that is none.
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

/// A whole number; negative ones are 0, blank is none.
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

/// The answer to a list request: `total` is the number of all matches, `resources` those of the page.
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
