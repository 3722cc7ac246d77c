//! Converts values that clients send to the types of the schema.
//!
//! Clients wrap single values in lists and objects, send booleans as text, and send numbers instead of text. A value with only
//! one possible meaning is accepted. Empty text and null both become null, which means *clear*.

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::filter::no_part;
use crate::litmos;
use crate::note::{NoteReason, Notes};
use crate::schema::{Attribute, Kind};

/// Longest text value. Litmos's own fields end at 1,000 characters, those of directories at a few thousand.
pub const MAX_TEXT_BYTES: usize = 8192;
/// Most values of one multi-valued attribute of a user. Directories have a few.
pub const MAX_VALUES: usize = 200;
/// Deepest nesting of content under unknown extensions. Such content is stored unchanged.
const MAX_LOOSE_DEPTH: usize = 8;

/// Converts a simple value to the attribute's type, or to null.
pub(crate) fn simple(
    attribute: &Attribute,
    label: &str,
    value: &Value,
    notes: &mut Notes,
) -> Result<Value, ScimError> {
    let value = unwrapped(value);
    match attribute.kind {
        Kind::Boolean => boolean(label, value),
        Kind::AccessLevel => match text(label, value, notes)? {
            Value::String(level) => litmos::access_level(&level).map(Value::from).ok_or_else(|| {
                let given: String = level.chars().take(60).collect();
                ScimError::invalid_value(format!(
                    "{label}: {given:?} is no Litmos access level; use one of {}",
                    litmos::ACCESS_LEVELS.join(", ")
                ))
            }),
            other => Ok(other),
        },
        Kind::Text | Kind::DateTime | Kind::Reference(_) | Kind::Complex(_) => text(label, value, notes),
    }
}

/// Converts a value to an object that has only sub-attributes of the schema. A bare value becomes its `value`. An empty value
/// becomes `None`.
pub(crate) fn complex(
    attribute: &Attribute,
    label: &str,
    value: &Value,
    notes: &mut Notes,
) -> Result<Option<Map<String, Value>>, ScimError> {
    let value = match value {
        Value::Array(values) if values.len() == 1 => &values[0],
        Value::Array(values) if values.is_empty() => return Ok(None),
        other => other,
    };
    match value {
        Value::Null => Ok(None),
        Value::Object(members) => {
            let mut parts = Map::new();
            for (name, value) in members {
                let Some(part) = attribute.part(name) else {
                    notes.add(&format!("{label}.{name}"), NoteReason::UnknownAttribute);
                    continue;
                };
                let value = simple(part, &format!("{label}.{}", part.name), value, notes)?;
                parts.insert(part.name.to_owned(), value);
            }
            // An object with only unknown names cannot be understood. Treating it as empty would clear the attribute.
            if let (true, Some(name)) = (parts.is_empty(), members.keys().next()) {
                return Err(ScimError::invalid_value(no_part(attribute, name)));
            }
            Ok(Some(parts))
        }
        bare => {
            let Some(part) = attribute.part("value") else {
                let names: Vec<_> = attribute.parts().iter().map(|part| part.name).collect();
                return Err(ScimError::invalid_value(format!(
                    "{label}: expected an object with {}, found {}",
                    names.join(", "),
                    type_of(bare)
                )));
            };
            let value = simple(part, label, bare, notes)?;
            Ok((!value.is_null()).then(|| Map::from_iter([("value".to_owned(), value)])))
        }
    }
}

/// Converts the entries of a multi-valued attribute. A single value is a list of one.
pub(crate) fn entries(
    attribute: &Attribute,
    label: &str,
    value: &Value,
    notes: &mut Notes,
) -> Result<Vec<Map<String, Value>>, ScimError> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        Value::Null => &[],
        single => std::slice::from_ref(single),
    };
    if values.len() > MAX_VALUES {
        return Err(too_many(label));
    }
    let mut entries = Vec::with_capacity(values.len());
    for value in values {
        entries.extend(complex(attribute, label, value, notes)?);
    }
    Ok(entries)
}

pub(crate) fn too_many(label: &str) -> ScimError {
    ScimError::invalid_value(format!("{label}: more than {MAX_VALUES} values; send fewer"))
}

/// Checks the limits of a value that no schema lists, and returns it unchanged.
pub(crate) fn loose(label: &str, value: &Value) -> Result<Value, ScimError> {
    fn within(value: &Value, depth: usize) -> bool {
        match value {
            Value::String(text) => text.len() <= MAX_TEXT_BYTES,
            Value::Array(values) => {
                depth > 0 && values.len() <= MAX_VALUES && values.iter().all(|value| within(value, depth - 1))
            }
            Value::Object(members) => {
                depth > 0
                    && members.len() <= MAX_VALUES
                    && members.values().all(|value| within(value, depth - 1))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
    }
    if within(value, MAX_LOOSE_DEPTH) {
        return Ok(if value == "" { Value::Null } else { value.clone() });
    }
    Err(ScimError::invalid_value(format!(
        "{label}: too large; at most {MAX_TEXT_BYTES} bytes a text, {MAX_VALUES} values a list and {MAX_LOOSE_DEPTH} levels"
    )))
}

fn boolean(label: &str, value: &Value) -> Result<Value, ScimError> {
    match value {
        Value::Bool(_) | Value::Null => Ok(value.clone()),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true.into()),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false.into()),
        other => Err(ScimError::invalid_value(format!(
            "{label}: expected true or false, found {}",
            type_of(other)
        ))),
    }
}

fn text(label: &str, value: &Value, notes: &mut Notes) -> Result<Value, ScimError> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => {
            notes.add(label, NoteReason::ReadAsText);
            value.to_string()
        }
        Value::Array(_) | Value::Object(_) => {
            return Err(ScimError::invalid_value(format!(
                "{label}: expected text, found {}",
                type_of(value)
            )));
        }
    };
    if text.len() > MAX_TEXT_BYTES {
        return Err(ScimError::invalid_value(format!(
            "{label}: {} bytes are too long; at most {MAX_TEXT_BYTES}",
            text.len()
        )));
    }
    Ok(if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    })
}

/// Returns the single value in a list of one, or in an object with `value`. Old versions of Entra wrap values in both ways.
fn unwrapped(value: &Value) -> &Value {
    let inner = match value {
        Value::Array(values) if values.is_empty() => &Value::Null,
        Value::Array(values) if values.len() == 1 => &values[0],
        other => other,
    };
    match inner {
        Value::Object(members) => members.get("value").unwrap_or(inner),
        other => other,
    }
}

pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
