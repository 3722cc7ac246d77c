//! Finds out how an index can answer a filter, so that not all entries must be scanned.

use std::borrow::Cow;

use super::{AttributePath, Comparison, Filter, Literal};

/// Attributes that a store can index, the most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupKey {
    Id,
    ExternalId,
    UserName,
    Email,
    DisplayName,
    /// Id of a member, in filters for groups.
    Member,
    /// Id of a group, in filters for users.
    Group,
}

/// One equality on an indexed attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<'a> {
    pub key: LookupKey,
    pub value: Cow<'a, str>,
}

/// Members of a group that a filter needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembersNeeded<'a> {
    /// Only whether these are in the group.
    These(Vec<&'a str>),
    All,
}

impl Filter {
    /// Equalities on indexed attributes; every match satisfies at least one of them. `None` if no index can answer the filter.
    ///
    /// The entries found must still pass [`Filter::matches`], because the filter may require more, such as the type of an e-mail address.
    pub fn lookups(&self) -> Option<Vec<Lookup<'_>>> {
        match self {
            Filter::And(all) => cheapest(all.iter().filter_map(Filter::lookups)),
            Filter::Or(any) => joined(any.iter().map(Filter::lookups)),
            Filter::Compare(path, Comparison::Equal, literal) => {
                let own = path.lookup_key().zip(literal.as_text());
                own.map(|(key, value)| vec![Lookup { key, value }])
                    .or_else(|| path.selected_lookups().filter(|_| *literal != Literal::Null))
            }
            // These also match resources without such an entry.
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

    /// True if the filter uses this core attribute, or a part of it.
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

    /// Members of a group that the filter needs. Most filters name a few ids, and groups have thousands of members.
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
    /// Text that equals the literal. `None` for null.
    fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Literal::Text(text) => Some(text.into()),
            Literal::Number(number) => Some(number.to_string().into()),
            Literal::Boolean(value) => Some(value.to_string().into()),
            Literal::Null => None,
        }
    }
}

/// The list that uses the most selective attribute.
fn cheapest<'a>(ways: impl Iterator<Item = Vec<Lookup<'a>>>) -> Option<Vec<Lookup<'a>>> {
    ways.min_by_key(|way| (way.iter().map(|lookup| lookup.key).max(), way.len()))
}

/// All lists together, if each of them exists.
fn joined<'a>(ways: impl Iterator<Item = Option<Vec<Lookup<'a>>>>) -> Option<Vec<Lookup<'a>>> {
    Some(ways.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}
