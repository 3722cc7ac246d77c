//! PATCH bodies of RFC 7644 section 3.5.2, as Okta, Entra and others write them.

mod group;
mod user;

use std::fmt;

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::filter::AttributePath;
use crate::value::type_of;

/// Most operations of one request. Some clients write one operation per member for a large group.
pub const MAX_OPERATIONS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Add,
    Replace,
    Remove,
}

impl OperationKind {
    fn parse(text: &str) -> Option<OperationKind> {
        [OperationKind::Add, OperationKind::Replace, OperationKind::Remove]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            OperationKind::Add => "add",
            OperationKind::Replace => "replace",
            OperationKind::Remove => "remove",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One operation. Without a path, its value is an object of attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub kind: OperationKind,
    pub path: Option<AttributePath>,
    pub value: Option<Value>,
}

/// The operations of a PATCH body, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchRequest {
    operations: Vec<Operation>,
}

impl PatchRequest {
    /// Parses a PATCH body. `op` and `Operations` are accepted in any case, `schemas` may be missing, and a single operation may
    /// come without a list.
    ///
    /// # Errors
    /// A 400 with the number of the operation, counted from 1, and the problem.
    pub fn parse(body: &Value) -> Result<PatchRequest, ScimError> {
        let object = body.as_object().ok_or_else(|| {
            ScimError::invalid_syntax(format!("a PATCH body is an object, not {}", type_of(body)))
        })?;
        let list = match field(object, "Operations") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(single @ Value::Object(_)) => std::slice::from_ref(single),
            Some(other) => {
                return Err(ScimError::invalid_syntax(format!(
                    "Operations is a list, not {}",
                    type_of(other)
                )));
            }
            None if field(object, "op").is_some() => std::slice::from_ref(body),
            None => return Err(ScimError::invalid_syntax("a PATCH body needs a list Operations")),
        };
        if list.len() > MAX_OPERATIONS {
            return Err(ScimError::too_large(format!(
                "{} operations in one request; send at most {MAX_OPERATIONS}",
                list.len()
            )));
        }
        let operations = list
            .iter()
            .enumerate()
            .map(|(at, operation)| Operation::parse(operation).map_err(|error| error.in_operation(at + 1)))
            .collect::<Result<_, _>>()?;
        Ok(PatchRequest { operations })
    }

    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

impl Operation {
    fn parse(body: &Value) -> Result<Operation, ScimError> {
        let object = body.as_object().ok_or_else(|| {
            ScimError::invalid_syntax(format!("expected an object, found {}", type_of(body)))
        })?;
        let Some(op) = field(object, "op").and_then(Value::as_str) else {
            return Err(ScimError::invalid_syntax(
                "op is missing; use add, replace or remove",
            ));
        };
        let kind = OperationKind::parse(op).ok_or_else(|| {
            let given: String = op.chars().take(40).collect();
            ScimError::invalid_syntax(format!("op {given:?} is unknown; use add, replace or remove"))
        })?;
        let path = match field(object, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(AttributePath::parse(text)?),
            Some(other) => {
                return Err(ScimError::invalid_path(format!(
                    "path is text, not {}",
                    type_of(other)
                )));
            }
        };
        let value = field(object, "value").cloned();
        if path.is_none() {
            match (kind, &value) {
                (OperationKind::Remove, _) => {
                    return Err(ScimError::no_target(
                        "a remove needs a path that says what to remove",
                    ));
                }
                (OperationKind::Add | OperationKind::Replace, Some(Value::Object(_))) => {}
                (OperationKind::Add | OperationKind::Replace, _) => {
                    return Err(ScimError::invalid_value(format!(
                        "{kind} without a path needs an object of attributes as its value"
                    )));
                }
            }
        }
        Ok(Operation { kind, path, value })
    }
}

fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}
