//! How a filter can be answered without looking at everybody.

use std::borrow::Cow;

use super::{AttributePath, Comparison, Filter, Literal};

/// The attributes a store can keep an index on, the most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupKey {
    Id,
    ExternalId,
    UserName,
    Email,
    DisplayName,
    /// The id of a member, in filters for groups.
    Member,
    /// The id of a group, in filters for users.
    Group,
}

/// One equality on an indexed attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<'a> {
    pub key: LookupKey,
    pub value: Cow<'a, str>,
}

/// Which members of a group decide whether it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembersNeeded<'a> {
    /// Only whether these are in it.
    These(Vec<&'a str>),
    All,
}

impl Filter {
    /// Equalities of which every match satisfies at least one; `None` if no index can answer the filter.
    ///
    /// What they find still has to pass [`Filter::matches`]: the filter may ask for more, such as the type of an
    /// e-mail address.
    pub fn lookups(&self) -> Option<Vec<Lookup<'_>>> {
        match self {
            Filter::And(all) => cheapest(all.iter().filter_map(Filter::lookups)),
            Filter::Or(any) => joined(any.iter().map(Filter::lookups)),
            Filter::Compare(path, Comparison::Equal, literal) => {
                let own = path.lookup_key().zip(literal.as_text());
                own.map(|(key, value)| vec![Lookup { key, value }])
                    .or_else(|| path.selected_lookups().filter(|_| *literal != Literal::Null))
            }
            // True also of what has no such entry.
            Filter::Compare(_, Comparison::NotEqual, _) | Filter::Not(_) => None,
            Filter::Compare(path, ..) | Filter::Present(path) | Filter::Any(path) => path.selected_lookups(),
        }
    }

    /// Equalities on `value` inside the brackets of an indexed attribute.
    fn lookups_of_entries(&self, key: LookupKey) -> Option<Vec<Lookup<'_>>> {
        match self {
            Filter::And(all) => cheapest(all.iter().filter_map(|filter| filter.lookups_of_entries(key))),
            Filter::Or(any) => joined(any.iter().map(|filter| filter.lookups_of_entries(key))),
            Filter::Compare(path, Comparison::Equal, literal) if path.is_plain("value") => {
                let value = literal.as_text()?;
                Some(vec![Lookup { key, value }])
            }
            Filter::Compare(..) | Filter::Not(_) | Filter::Present(_) | Filter::Any(_) => None,
        }
    }

    /// Whether the filter asks for this attribute of the core, or a part of it.
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().any(|filter| filter.mentions(attribute))
            }
            Filter::Not(inner) => inner.mentions(attribute),
            Filter::Present(path) | Filter::Any(path) | Filter::Compare(path, ..) => {
                path.is_core() && path.name().eq_ignore_ascii_case(attribute)
            }
        }
    }

    /// Which members the filter needs to see of a group: most filters ask for a few by id, and groups have thousands.
    pub fn members_needed(&self) -> MembersNeeded<'_> {
        let mut needed = Vec::new();
        if self.needs_only(&mut needed) {
            MembersNeeded::These(needed)
        } else {
            MembersNeeded::All
        }
    }

    fn needs_only<'a>(&'a self, needed: &mut Vec<&'a str>) -> bool {
        match self {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().all(|filter| filter.needs_only(needed))
            }
            Filter::Not(inner) => inner.needs_only(needed),
            Filter::Present(_) | Filter::Any(_) | Filter::Compare(..) if !self.mentions("members") => true,
            Filter::Compare(path, Comparison::Equal | Comparison::NotEqual, Literal::Text(id))
                if path.selector().is_none() && path.lookup_key() == Some(LookupKey::Member) =>
            {
                needed.push(id);
                true
            }
            Filter::Any(path) => match path.selector().and_then(|selector| selector.listed("value")) {
                Some(ids) => {
                    needed.extend(ids);
                    true
                }
                None => false,
            },
            Filter::Present(_) | Filter::Compare(..) => false,
        }
    }
}

impl AttributePath {
    fn selected_lookups(&self) -> Option<Vec<Lookup<'_>>> {
        self.selector()?.lookups_of_entries(self.entries_key()?)
    }
}

impl Literal {
    /// What text the literal is equal to; null equals none.
    fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Literal::Text(text) => Some(text.into()),
            Literal::Number(number) => Some(number.to_string().into()),
            Literal::Boolean(value) => Some(value.to_string().into()),
            Literal::Null => None,
        }
    }
}

/// Of several ways the one by the most selective attribute.
fn cheapest<'a>(ways: impl Iterator<Item = Vec<Lookup<'a>>>) -> Option<Vec<Lookup<'a>>> {
    ways.min_by_key(|way| (way.iter().map(|lookup| lookup.key).max(), way.len()))
}

/// All of them together, if there is a way for each.
fn joined<'a>(ways: impl Iterator<Item = Option<Vec<Lookup<'a>>>>) -> Option<Vec<Lookup<'a>>> {
    Some(ways.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}
