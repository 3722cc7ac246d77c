//! Checks whether a resource matches a filter.
//!
//! Text is compared in normal form unless the schema says case exact (`id`, `externalId`, references). An absent attribute equals
//! only null. `ne` is exactly the opposite of `eq`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{AttributePath, Comparison, Filter, Literal};
use crate::fold::normal_form;
use crate::schema::{self, Attribute, Kind};

impl Filter {
    /// True if the resource, as rendered for clients, matches.
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        self.holds(resource, None)
    }

    /// `within` is the multi-valued attribute that `resource` is an entry of.
    pub(crate) fn holds(&self, resource: &Map<String, Value>, within: Option<&Attribute>) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|filter| filter.holds(resource, within)),
            Filter::Or(any) => any.iter().any(|filter| filter.holds(resource, within)),
            Filter::Not(inner) => !inner.holds(resource, within),
            // A complex attribute has a value if one of its parts has one.
            Filter::Present(path) if path.part().is_none() => {
                path.entries(resource).any(|entry| !is_empty(entry))
            }
            Filter::Present(path) => path.values(resource).any(|value| !is_empty(value)),
            Filter::Any(path) => path.entries(resource).next().is_some(),
            Filter::Compare(path, comparison, literal) => {
                let how = Matter::of(path, within);
                match comparison {
                    Comparison::Equal => how.equal(path, resource, literal),
                    Comparison::NotEqual => !how.equal(path, resource, literal),
                    other => path
                        .values(resource)
                        .any(|value| how.compare(value, *other, literal)),
                }
            }
        }
    }
}

impl AttributePath {
    /// Values at the end of the path. For a complex attribute: its `value`.
    fn values<'a>(&'a self, resource: &'a Map<String, Value>) -> impl Iterator<Item = &'a Value> {
        let part = self.part();
        self.entries(resource)
            .filter_map(move |entry| match (entry, part) {
                (Value::Object(entry), part) => {
                    Some(member(entry, part.unwrap_or("value")).unwrap_or(&Value::Null))
                }
                (_, Some(_)) => None,
                (simple, None) => Some(simple),
            })
    }

    /// Values of the attribute that match the selector. One value for a singular attribute.
    fn entries<'a>(&'a self, resource: &'a Map<String, Value>) -> impl Iterator<Item = &'a Value> {
        let whole = self.as_urn().as_deref().and_then(schema::canonical_urn);
        let found = match whole {
            Some(extension) => member(resource, extension),
            None => self
                .container(resource)
                .and_then(|container| member(container, self.name())),
        };
        let entries = match found {
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        let attribute = schema::filterable(self.urn(), self.name());
        entries
            .iter()
            .filter(move |entry| match (self.selector(), entry) {
                (None, _) => true,
                (Some(selector), Value::Object(entry)) => selector.holds(entry, attribute),
                (Some(_), _) => false,
            })
    }

    fn container<'a>(&self, resource: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let Some(urn) = self.urn() else {
            return Some(resource);
        };
        match schema::canonical_urn(urn) {
            Some(schema::USER | schema::GROUP) => Some(resource),
            Some(known) => member(resource, known)?.as_object(),
            None => member(resource, urn)?.as_object(),
        }
    }
}

/// Rules for comparing values of an attribute.
#[derive(Clone, Copy)]
struct Matter {
    exact: bool,
    time: bool,
}

impl Matter {
    fn of(path: &AttributePath, within: Option<&Attribute>) -> Matter {
        let attribute = match within {
            Some(outer) => outer.part(path.name()),
            None => schema::filterable(path.urn(), path.name()),
        };
        let target = attribute.map(|attribute| match path.part() {
            Some(part) => attribute.part(part).unwrap_or(attribute),
            None => attribute.part("value").unwrap_or(attribute),
        });
        Matter {
            exact: target.is_some_and(|target| target.case_exact),
            time: target.is_some_and(|target| target.kind == Kind::DateTime),
        }
    }

    fn equal(self, path: &AttributePath, resource: &Map<String, Value>, literal: &Literal) -> bool {
        if *literal == Literal::Null {
            return path.values(resource).all(is_empty);
        }
        path.values(resource)
            .any(|value| self.compare(value, Comparison::Equal, literal))
    }

    fn compare(self, value: &Value, comparison: Comparison, literal: &Literal) -> bool {
        match (value, literal) {
            (Value::String(value), Literal::Text(wanted)) => self.compare_text(value, comparison, wanted),
            (Value::String(value), Literal::Number(wanted)) => {
                self.compare_text(value, comparison, &wanted.to_string())
            }
            (Value::String(value), Literal::Boolean(wanted)) => {
                self.compare_text(value, comparison, &wanted.to_string())
            }
            (Value::Bool(value), Literal::Boolean(wanted)) => {
                comparison == Comparison::Equal && value == wanted
            }
            (Value::Bool(value), Literal::Text(wanted)) => {
                comparison == Comparison::Equal
                    && wanted.eq_ignore_ascii_case(if *value { "true" } else { "false" })
            }
            (Value::Number(value), Literal::Number(wanted)) => value
                .as_f64()
                .zip(wanted.as_f64())
                .and_then(|(a, b)| a.partial_cmp(&b))
                .is_some_and(|o| fits(o, comparison)),
            (Value::Number(value), Literal::Text(wanted)) => {
                comparison == Comparison::Equal && value.to_string() == *wanted
            }
            _ => false,
        }
    }

    fn compare_text(self, value: &str, comparison: Comparison, wanted: &str) -> bool {
        if self.time
            && let (Some(value), Some(wanted)) = (instant(value), instant(wanted))
        {
            return fits(value.cmp(&wanted), comparison);
        }
        if self.exact {
            return text_fits(value, comparison, wanted);
        }
        // Blanks around a name are ignored, as in the roster.
        let trimmed = |text: &str| normal_form(text).trim().to_owned();
        match comparison {
            Comparison::Equal => trimmed(value) == trimmed(wanted),
            other => text_fits(&normal_form(value), other, &normal_form(wanted)),
        }
    }
}

fn text_fits(value: &str, comparison: Comparison, wanted: &str) -> bool {
    match comparison {
        Comparison::Contains => value.contains(wanted),
        Comparison::StartsWith => value.starts_with(wanted),
        Comparison::EndsWith => value.ends_with(wanted),
        other => fits(value.cmp(wanted), other),
    }
}

fn fits(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => false,
    }
}

/// Parses a point in time. Without a zone it is in UTC, and the time of day may be missing.
pub(super) fn instant(text: &str) -> Option<jiff::Timestamp> {
    let civil = || {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(civil)
}

/// The member with that name, in any case. An exact match wins.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
