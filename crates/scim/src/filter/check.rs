//! Checks whether a filter can match a kind of resource.
//!
//! A filter on an unknown attribute finds nothing, and the client would believe that result. So a filter that can never match is
//! refused, with an error that names the cause. Content under unknown extensions is stored and may be used in filters.

use super::evaluate::instant;
use super::{AttributePath, Comparison, Filter, Literal};
use crate::error::ScimError;
use crate::schema::{self, Access, Attribute, Kind, ResourceKind};

/// Owner of the names in a filter.
#[derive(Clone, Copy)]
enum Scope {
    Resource(ResourceKind),
    /// Entries of a multi-valued attribute, inside brackets.
    Entry(&'static Attribute),
}

/// Target of a path.
enum Target {
    Value(&'static Attribute),
    /// An attribute with parts, but without a part `value`.
    Parts(&'static Attribute),
    Extension,
    /// Below an unknown extension.
    Loose,
}

impl Filter {
    /// Checks that the filter can match a resource of this kind.
    ///
    /// # Errors
    /// `invalidFilter`, with the attribute, the problem and the remedy.
    pub fn check(&self, kind: ResourceKind) -> Result<(), ScimError> {
        self.check_in(Scope::Resource(kind))
            .map_err(ScimError::invalid_filter)
    }

    /// Checks that the filter can match entries of the attribute. The error says why not.
    pub(crate) fn check_entries_of(&self, attribute: &'static Attribute) -> Result<(), String> {
        self.check_in(Scope::Entry(attribute))
    }

    fn check_in(&self, scope: Scope) -> Result<(), String> {
        match self {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().try_for_each(|filter| filter.check_in(scope))
            }
            Filter::Not(inner) => inner.check_in(scope),
            Filter::Present(path) | Filter::Any(path) => path.target(scope).map(drop),
            Filter::Compare(path, comparison, literal) => match path.target(scope)? {
                Target::Value(attribute) => comparable(path, attribute, *comparison, literal),
                Target::Parts(attribute) => {
                    let parts: Vec<String> = attribute
                        .parts()
                        .iter()
                        .map(|part| format!("{}.{}", attribute.name, part.name))
                        .collect();
                    Err(format!(
                        "{path}: it has parts and no value of its own; compare one of {}",
                        parts.join(", ")
                    ))
                }
                Target::Extension => Err(format!(
                    "{path}: this is a whole extension; name an attribute of it, as in {path}:attribute"
                )),
                Target::Loose => Ok(()),
            },
        }
    }
}

impl AttributePath {
    fn target(&self, scope: Scope) -> Result<Target, String> {
        let attribute = match scope {
            Scope::Entry(outer) => {
                let part = outer.part(self.name()).filter(|_| self.urn().is_none());
                part.ok_or_else(|| no_part(outer, self.name()))?
            }
            Scope::Resource(kind) => match self.attribute(kind)? {
                Some(attribute) => attribute,
                None if self.is_whole_extension() => return Ok(Target::Extension),
                None => return Ok(Target::Loose),
            },
        };
        if attribute.access == Access::WriteOnly {
            return Err(format!(
                "{}: it is never kept, so nobody can be found by it",
                self.label()
            ));
        }
        if attribute.parts().is_empty() {
            if self.selector().is_some() || self.part().is_some() {
                return Err(format!(
                    "{}: {} has one plain value and no parts; use {}",
                    self.label(),
                    attribute.name,
                    attribute.name
                ));
            }
            return Ok(Target::Value(attribute));
        }
        if let Some(selector) = self.selector() {
            selector.check_in(Scope::Entry(attribute))?;
        }
        match self.part() {
            Some(part) => attribute
                .part(part)
                .map(Target::Value)
                .ok_or_else(|| no_part(attribute, part)),
            None => Ok(attribute
                .part("value")
                .map_or(Target::Parts(attribute), Target::Value)),
        }
    }

    /// The attribute in a known schema. `None` for content of unknown extensions, which is stored unchanged.
    fn attribute(&self, kind: ResourceKind) -> Result<Option<&'static Attribute>, String> {
        let core = match kind {
            ResourceKind::User => schema::USER,
            ResourceKind::Group => schema::GROUP,
        };
        let urn = match self.urn() {
            None => core,
            Some(_) if self.is_whole_extension() => return Ok(None),
            Some(urn) => match schema::canonical_urn(urn) {
                Some(known) => known,
                None if kind == ResourceKind::User => return Ok(None),
                None => return Err(self.no_such(kind)),
            },
        };
        let foreign = match kind {
            ResourceKind::User => matches!(urn, schema::GROUP | schema::LITMOS_GROUP),
            ResourceKind::Group => !matches!(urn, schema::GROUP | schema::LITMOS_GROUP),
        };
        let found = schema::find(schema::attributes_of(urn), self.name()).filter(|_| !foreign);
        match found {
            Some(attribute) => Ok(Some(attribute)),
            // Discovered custom fields, and other content that a client stored under a known extension.
            None if !foreign && matches!(urn, schema::ENTERPRISE_USER | schema::LITMOS_USER) => Ok(None),
            None => Err(self.no_such(kind)),
        }
    }

    fn is_whole_extension(&self) -> bool {
        let whole = self.as_urn();
        whole.is_some_and(|urn| schema::canonical_urn(&urn).is_some())
    }

    /// Error for an unknown attribute, with the extension that has one of that name.
    pub(crate) fn no_such(&self, kind: ResourceKind) -> String {
        let (many, extensions): (&str, &[&str]) = match kind {
            ResourceKind::User => ("users", &[schema::ENTERPRISE_USER, schema::LITMOS_USER]),
            ResourceKind::Group => ("groups", &[schema::LITMOS_GROUP]),
        };
        let elsewhere = extensions
            .iter()
            .find_map(|urn| Some((urn, schema::find(schema::attributes_of(urn), self.name())?)));
        let remedy = match elsewhere {
            Some((urn, attribute)) => format!("write {urn}:{}", attribute.name),
            None => "/Schemas lists the attributes that are known".to_owned(),
        };
        format!("{}: {many} have no such attribute; {remedy}", self.label())
    }
}

/// Error for an unknown part of an attribute, with the known parts.
pub(crate) fn no_part(attribute: &Attribute, part: &str) -> String {
    let names: Vec<&str> = attribute.parts().iter().map(|part| part.name).collect();
    let part: String = part.chars().take(60).collect();
    format!(
        "{}.{part}: {} has no part of that name; use one of {}",
        attribute.name,
        attribute.name,
        names.join(", ")
    )
}

fn comparable(
    path: &AttributePath,
    attribute: &Attribute,
    comparison: Comparison,
    literal: &Literal,
) -> Result<(), String> {
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if *literal == Literal::Null {
        return if equality {
            Ok(())
        } else {
            Err(format!("{path}: null can be compared with eq and ne only"))
        };
    }
    match attribute.kind {
        Kind::Boolean => {
            let truth = match literal {
                Literal::Boolean(_) => true,
                Literal::Text(text) => ["true", "false"]
                    .iter()
                    .any(|word| text.eq_ignore_ascii_case(word)),
                Literal::Number(_) | Literal::Null => false,
            };
            if equality && truth {
                Ok(())
            } else {
                Err(format!(
                    "{path}: it is true or false; write {path} eq true or {path} eq false"
                ))
            }
        }
        Kind::DateTime => {
            let as_text = matches!(
                comparison,
                Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith
            );
            let time = match literal {
                Literal::Text(text) => instant(text).is_some(),
                Literal::Boolean(_) | Literal::Number(_) | Literal::Null => false,
            };
            if as_text || time {
                Ok(())
            } else {
                Err(format!(
                    "{path}: {literal} is no point in time; write it as \"2026-03-01T12:00:00Z\""
                ))
            }
        }
        Kind::Text | Kind::Reference(_) | Kind::AccessLevel | Kind::Complex(_) => Ok(()),
    }
}
