//! `attributes` and `excludedAttributes` of RFC 7644 section 3.9.

use serde_json::{Map, Value};

use crate::filter::AttributePath;
use crate::schema;

/// Attributes that are always returned.
const ALWAYS: [&str; 2] = ["id", "schemas"];
/// Most names in one list. The schemas have fewer than 100 attributes.
const MAX_NAMES: usize = 200;

/// Attributes of a resource that a response contains. With both lists given: the wanted ones without the excluded ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    wanted: Option<Vec<Named>>,
    excluded: Vec<Named>,
}

/// An attribute or a part of it, and its place in the resource.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    /// URN of the extension, for attributes outside the core.
    container: Option<String>,
    /// Name of the attribute. Empty for a whole extension.
    name: String,
    part: Option<String>,
}

impl Projection {
    /// Parses the two comma-separated parameters. Invalid names are ignored.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Projection {
        let names = |list: &str| -> Vec<Named> {
            list.split(',')
                .map(str::trim)
                .filter_map(Named::parse)
                .take(MAX_NAMES)
                .collect()
        };
        Projection {
            wanted: attributes.filter(|list| !list.trim().is_empty()).map(names),
            excluded: excluded.map(names).unwrap_or_default(),
        }
    }

    /// True if a core attribute will be shown. If not, the caller need not fetch it.
    pub fn shows(&self, attribute: &str) -> bool {
        let names = |named: &Named| named.container.is_none() && named.name.eq_ignore_ascii_case(attribute);
        let wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.iter().any(names));
        let excluded = self
            .excluded
            .iter()
            .any(|named| names(named) && named.part.is_none());
        ALWAYS.contains(&attribute) || (wanted && !excluded)
    }

    /// Removes everything from the resource that is not shown.
    pub fn apply(&self, resource: Map<String, Value>) -> Map<String, Value> {
        let mut shown = match &self.wanted {
            None => resource,
            Some(wanted) => {
                let mut shown = Map::new();
                for (key, value) in resource {
                    if ALWAYS.contains(&key.as_str()) {
                        shown.insert(key, value);
                    } else if let Some(value) = picked(&key, value, wanted) {
                        shown.insert(key, value);
                    }
                }
                shown
            }
        };
        for named in &self.excluded {
            named.remove_from(&mut shown);
        }
        shown
    }
}

impl Named {
    fn parse(text: &str) -> Option<Named> {
        let path = AttributePath::parse(text).ok()?;
        if let Some(whole) = path.as_urn().as_deref().and_then(schema::canonical_urn) {
            return Some(Named {
                container: Some(whole.to_owned()),
                name: String::new(),
                part: None,
            });
        }
        let container = match path.urn().map(|urn| schema::canonical_urn(urn).unwrap_or(urn)) {
            None | Some(schema::USER | schema::GROUP) => None,
            Some(urn) => Some(urn.to_owned()),
        };
        Some(Named {
            container,
            name: path.name().to_owned(),
            part: path.part().map(str::to_owned),
        })
    }

    fn remove_from(&self, resource: &mut Map<String, Value>) {
        let Some(container) = &self.container else {
            if !ALWAYS.iter().any(|always| self.name.eq_ignore_ascii_case(always)) {
                remove(resource, &self.name, self.part.as_deref());
            }
            return;
        };
        if self.name.is_empty() {
            remove(resource, container, None);
        } else if let Some(Value::Object(extension)) = resource.get_mut(container) {
            remove(extension, &self.name, self.part.as_deref());
        }
    }
}

/// Returns the wanted parts of one top-level value.
fn picked(key: &str, value: Value, wanted: &[Named]) -> Option<Value> {
    let core: Vec<&Named> = wanted
        .iter()
        .filter(|w| w.container.is_none() && w.name.eq_ignore_ascii_case(key))
        .collect();
    if !core.is_empty() {
        return parts_of(value, &core);
    }
    let extended: Vec<&Named> = wanted
        .iter()
        .filter(|w| {
            w.container
                .as_deref()
                .is_some_and(|urn| urn.eq_ignore_ascii_case(key))
        })
        .collect();
    if extended.iter().any(|named| named.name.is_empty()) {
        return Some(value);
    }
    let Value::Object(extension) = value else {
        return None;
    };
    let mut shown = Map::new();
    for (name, value) in extension {
        let named: Vec<&Named> = extended
            .iter()
            .copied()
            .filter(|w| w.name.eq_ignore_ascii_case(&name))
            .collect();
        if !named.is_empty()
            && let Some(value) = parts_of(value, &named)
        {
            shown.insert(name, value);
        }
    }
    (!shown.is_empty()).then_some(Value::Object(shown))
}

/// Returns the value with only the named parts. Returns all of it if one of the names has no part.
fn parts_of(value: Value, named: &[&Named]) -> Option<Value> {
    let parts: Option<Vec<&str>> = named.iter().map(|named| named.part.as_deref()).collect();
    let Some(parts) = parts else { return Some(value) };
    let keep = |mut object: Map<String, Value>| {
        object.retain(|key, _| parts.iter().any(|part| part.eq_ignore_ascii_case(key)));
        (!object.is_empty()).then_some(Value::Object(object))
    };
    match value {
        Value::Object(object) => keep(object),
        Value::Array(values) => {
            let kept = values.into_iter().filter_map(|value| match value {
                Value::Object(object) => keep(object),
                _ => None,
            });
            let kept: Vec<Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

fn remove(object: &mut Map<String, Value>, name: &str, part: Option<&str>) {
    let Some(key) = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned() else {
        return;
    };
    match (part, object.get_mut(&key)) {
        (None, _) => {
            object.remove(&key);
        }
        (Some(part), Some(Value::Object(inner))) => remove(inner, part, None),
        (Some(part), Some(Value::Array(values))) => {
            values
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|inner| remove(inner, part, None));
        }
        (Some(_), _) => {}
    }
}
