//! Filters of RFC 7644 section 3.4.2.2: a syntax tree, its text form, and a check whether a resource matches.
//!
//! The parser accepts the whole grammar, and also common mistakes of clients: operators in any case, values without quotes or in
//! single quotes, wrong escapes, `emails[type eq "work"].value eq "x"`, `not` without parentheses. [`ParsedFilter::warnings`]
//! lists the tolerated mistakes. Printing a filter and parsing the result gives the same filter.

mod check;
mod evaluate;
mod lookup;
mod parse;
mod path;

use std::fmt;

pub(crate) use check::no_part;
pub use lookup::{Lookup, LookupKey, MembersNeeded};
pub use path::AttributePath;

/// Longest filter text: enough for a few long names, and cheap to parse.
pub const MAX_FILTER_BYTES: usize = 8192;
/// Deepest nesting of parentheses, `not` and brackets. Clients use two levels.
pub const MAX_FILTER_DEPTH: usize = 24;

#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them must match. At least two.
    And(Vec<Filter>),
    /// Any of them must match. At least two.
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// `pr`: the attribute has a value that is not empty.
    Present(AttributePath),
    Compare(AttributePath, Comparison, Literal),
    /// `emails[type eq "work"]`: some value matches the inner filter.
    Any(AttributePath),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub const ALL: [Comparison; 9] = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Contains,
        Comparison::StartsWith,
        Comparison::EndsWith,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Equal => "eq",
            Comparison::NotEqual => "ne",
            Comparison::Contains => "co",
            Comparison::StartsWith => "sw",
            Comparison::EndsWith => "ew",
            Comparison::Greater => "gt",
            Comparison::GreaterOrEqual => "ge",
            Comparison::Less => "lt",
            Comparison::LessOrEqual => "le",
        }
    }
}

/// Value that a filter compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Boolean(bool),
    Number(serde_json::Number),
    Null,
}

/// A filter, and warnings about mistakes that the parser tolerated.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedFilter {
    pub filter: Filter,
    pub warnings: Vec<String>,
}

impl Filter {
    /// Texts that `part` is compared with. `None` unless the filter consists only of equalities on it joined by `or`.
    pub(crate) fn listed(&self, part: &str) -> Option<Vec<&str>> {
        match self {
            Filter::Or(any) => {
                let lists = any
                    .iter()
                    .map(|filter| filter.listed(part))
                    .collect::<Option<Vec<_>>>()?;
                Some(lists.into_iter().flatten().collect())
            }
            Filter::Compare(path, Comparison::Equal, Literal::Text(value)) if path.is_plain(part) => {
                Some(vec![value])
            }
            Filter::Compare(..) | Filter::And(_) | Filter::Not(_) | Filter::Present(_) | Filter::Any(_) => {
                None
            }
        }
    }

    /// Parts that an entry must have to match. `None` unless the filter consists only of equalities joined by `and`.
    pub(crate) fn equalities(&self) -> Option<Vec<(&str, &Literal)>> {
        match self {
            Filter::And(all) => {
                let lists = all.iter().map(Filter::equalities).collect::<Option<Vec<_>>>()?;
                Some(lists.into_iter().flatten().collect())
            }
            Filter::Compare(path, Comparison::Equal, value) => Some(vec![(path.plain()?, value)]),
            Filter::Compare(..) | Filter::Or(_) | Filter::Not(_) | Filter::Present(_) | Filter::Any(_) => {
                None
            }
        }
    }

    fn is_compound(&self) -> bool {
        matches!(self, Filter::And(_) | Filter::Or(_))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, filters: &[Filter], word: &str| {
            for (at, filter) in filters.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                if filter.is_compound() {
                    write!(f, "({filter})")?;
                } else {
                    write!(f, "{filter}")?;
                }
            }
            Ok(())
        };
        match self {
            Filter::And(all) => joined(f, all, "and"),
            Filter::Or(any) => joined(f, any, "or"),
            Filter::Not(inner) => write!(f, "not ({inner})"),
            Filter::Present(path) => write!(f, "{path} pr"),
            Filter::Compare(path, comparison, value) => write!(f, "{path} {} {value}", comparison.as_str()),
            Filter::Any(path) => write!(f, "{path}"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Literal::Boolean(value) => write!(f, "{value}"),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Null => f.write_str("null"),
        }
    }
}
