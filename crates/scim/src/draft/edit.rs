//! One operation on one attribute of a known schema.

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::filter::{AttributePath, Literal, no_part};
use crate::note::{NoteReason, Notes};
use crate::patch::OperationKind;
use crate::schema::{Attribute, Kind};
use crate::value;

/// One operation on one known attribute of one container.
pub(super) struct Edit<'a> {
    pub(super) kind: OperationKind,
    pub(super) attribute: &'static Attribute,
    pub(super) path: &'a AttributePath,
    pub(super) value: Option<&'a Value>,
    pub(super) notes: &'a mut Notes,
    pub(super) without_effect: &'a mut Option<ScimError>,
}

impl<'a> Edit<'a> {
    pub(super) fn perform(mut self, container: &mut Map<String, Value>) -> Result<(), ScimError> {
        match (self.attribute.kind, self.attribute.multi_valued) {
            (Kind::Complex(_), true) => self.multi_valued(container),
            (Kind::Complex(_), false) => self.complex(container),
            (Kind::Text | Kind::Boolean | Kind::DateTime | Kind::Reference(_) | Kind::AccessLevel, _) => {
                self.simple(container)
            }
        }
    }

    fn label(&self) -> String {
        self.path.label()
    }

    fn has_no_effect(&mut self, error: ScimError) {
        self.without_effect.get_or_insert(error);
    }

    fn has_no_part(&mut self, part: &str) {
        let label = self.label();
        self.notes.add(&label, NoteReason::UnknownAttribute);
        self.has_no_effect(ScimError::invalid_path(no_part(self.attribute, part)));
    }

    fn finds_nothing(&mut self) {
        let label = self.label();
        self.notes.add(&label, NoteReason::NoSuchValue);
        self.has_no_effect(ScimError::no_target(format!(
            "{}: it matches no value that is there; read the user again and name one of its values",
            self.path
        )));
    }

    /// The value to write. Null for a removal.
    fn given(&self) -> &'a Value {
        match self.kind {
            OperationKind::Remove => &Value::Null,
            OperationKind::Add | OperationKind::Replace => self.value.unwrap_or(&Value::Null),
        }
    }

    fn simple(&mut self, container: &mut Map<String, Value>) -> Result<(), ScimError> {
        let label = self.label();
        if self.path.selector().is_some() || self.path.part().is_some() {
            return Err(ScimError::invalid_path(format!(
                "{}: {} has one plain value and no parts; use the path {}",
                label, self.attribute.name, self.attribute.name
            )));
        }
        let given = self.given();
        let value = value::simple(self.attribute, &label, given, self.notes)?;
        if value.is_null() && self.attribute.required {
            return Err(match self.kind {
                OperationKind::Remove => {
                    ScimError::mutability(format!("{label} is required and cannot be removed; replace it"))
                }
                OperationKind::Add | OperationKind::Replace => {
                    ScimError::invalid_value(format!("{label} must not be empty"))
                }
            });
        }
        // `active` and the access level have no empty state, so null changes neither.
        if value.is_null() && matches!(self.attribute.kind, Kind::Boolean | Kind::AccessLevel) {
            self.notes.add(&label, NoteReason::NullIgnored);
            return Ok(());
        }
        if self.kind != OperationKind::Remove || container.contains_key(self.attribute.name) {
            container.insert(self.attribute.name.to_owned(), value);
        }
        Ok(())
    }

    fn complex(&mut self, container: &mut Map<String, Value>) -> Result<(), ScimError> {
        let label = self.label();
        let name = self.attribute.name;
        if self.path.selector().is_some() {
            return Err(ScimError::invalid_path(format!(
                "{name} has one value only; use a path without a filter"
            )));
        }
        let given = self.given();
        let absent = container.get(name).is_none_or(Value::is_null);
        if let Some(part) = self.path.part() {
            let Some(part) = self.attribute.part(part) else {
                self.has_no_part(part);
                return Ok(());
            };
            if self.kind == OperationKind::Remove && absent {
                return Ok(());
            }
            let value = value::simple(part, &label, given, self.notes)?;
            object_at(container, name).insert(part.name.to_owned(), value);
            return Ok(());
        }
        if self.kind == OperationKind::Remove && absent {
            return Ok(());
        }
        match value::complex(self.attribute, &label, given, self.notes)? {
            None => {
                container.insert(name.to_owned(), Value::Null);
            }
            // A new `value` replaces the whole object: the old parts do not describe the new value.
            Some(parts) if parts.contains_key("value") => {
                container.insert(name.to_owned(), Value::Object(parts));
            }
            Some(parts) => object_at(container, name).extend(parts),
        }
        Ok(())
    }

    fn multi_valued(&mut self, container: &mut Map<String, Value>) -> Result<(), ScimError> {
        let label = self.label();
        let name = self.attribute.name;
        let had = container.get(name).is_some();
        let mut entries: Vec<Map<String, Value>> = match container.get(name) {
            Some(Value::Array(entries)) => entries.iter().filter_map(Value::as_object).cloned().collect(),
            _ => Vec::new(),
        };
        match (self.path.selector().is_some(), self.path.part()) {
            (true, _) => self.selected(&mut entries)?,
            (false, Some(part)) => {
                let at = entries.iter().position(is_primary).unwrap_or(0);
                if entries.is_empty() && self.kind != OperationKind::Remove {
                    entries.push(Map::new());
                }
                if let Some(entry) = entries.get_mut(at) {
                    self.set_part(entry, part)?;
                }
            }
            (false, None) => self.whole(&mut entries)?,
        }
        if entries.len() > value::MAX_VALUES {
            return Err(value::too_many(&label));
        }
        if had || self.kind != OperationKind::Remove {
            self.one_primary(&mut entries);
            container.insert(name.to_owned(), entries.into_iter().map(Value::Object).collect());
        }
        Ok(())
    }

    /// Edits the whole list, without a filter.
    fn whole(&mut self, entries: &mut Vec<Map<String, Value>>) -> Result<(), ScimError> {
        let label = self.label();
        let given = match (self.kind, self.value) {
            (OperationKind::Remove, None | Some(Value::Null)) => {
                entries.clear();
                return Ok(());
            }
            (_, value) => value::entries(self.attribute, &label, value.unwrap_or(&Value::Null), self.notes)?,
        };
        match self.kind {
            OperationKind::Replace => *entries = given,
            OperationKind::Remove => {
                let before = entries.len();
                let same = |entry: &Map<String, Value>, gone: &Map<String, Value>| {
                    gone.get("value")
                        .is_some_and(|value| entry.get("value") == Some(value))
                        && gone
                            .get("type")
                            .is_none_or(|kind| entry.get("type") == Some(kind))
                };
                entries.retain(|entry| !given.iter().any(|gone| same(entry, gone)));
                if entries.len() == before && !given.is_empty() {
                    self.finds_nothing();
                }
            }
            OperationKind::Add => {
                for entry in given {
                    if entries.contains(&entry) {
                        continue;
                    }
                    if is_primary(&entry) {
                        entries.iter_mut().for_each(no_longer_primary);
                    }
                    entries.push(entry);
                }
            }
        }
        Ok(())
    }

    /// Edits the entries that the path's filter selects. An addition or replacement without a match creates an entry.
    fn selected(&mut self, entries: &mut Vec<Map<String, Value>>) -> Result<(), ScimError> {
        let label = self.label();
        let Some(selector) = self.path.selector() else {
            return Ok(());
        };
        let attribute = self.attribute;
        if let Err(problem) = selector.check_entries_of(attribute) {
            self.has_no_effect(ScimError::invalid_path(format!("{}: {problem}", self.path)));
            return Ok(());
        }
        let chosen = |entry: &Map<String, Value>| selector.holds(entry, Some(attribute));
        if self.kind == OperationKind::Remove {
            if !entries.iter().any(chosen) {
                self.finds_nothing();
            }
            match self.path.part() {
                None => entries.retain(|entry| !chosen(entry)),
                Some(part) => {
                    for entry in entries.iter_mut().filter(|entry| chosen(entry)) {
                        self.set_part(entry, part)?;
                    }
                }
            }
            return Ok(());
        }
        if !entries.iter().any(chosen) {
            let Some(parts) = selector.equalities() else {
                return Err(ScimError::no_target(format!(
                    "no value of {} matches [{selector}], and a new one can only be made from equalities joined by and",
                    attribute.name
                )));
            };
            // RFC 7644 section 3.5.2.3. A filter on other parts, such as the type, creates a missing entry, as Entra expects.
            // In a replacement, a filter on `value` does not.
            let certain = parts.iter().any(|(name, _)| name.eq_ignore_ascii_case("value"));
            if certain && self.kind == OperationKind::Replace {
                self.finds_nothing();
                return Ok(());
            }
            let mut entry = Map::new();
            for (name, value) in parts {
                let Some(part) = attribute.part(name) else {
                    continue;
                };
                let value = match value {
                    Literal::Text(text) => Value::from(text.as_str()),
                    Literal::Boolean(value) => Value::from(*value),
                    Literal::Number(number) => Value::from(number.clone()),
                    Literal::Null => Value::Null,
                };
                let value = value::simple(
                    part,
                    &format!("{}.{}", attribute.name, part.name),
                    &value,
                    self.notes,
                )?;
                entry.insert(part.name.to_owned(), value);
            }
            self.fill(&mut entry)?;
            // If the new entry did not match its own filter, every repetition would create it again.
            if !chosen(&entry) {
                self.notes.add(&label, NoteReason::NoSuchValue);
                if !blank(self.given()) {
                    self.has_no_effect(ScimError::invalid_value(format!(
                        "{}: the value does not match the filter of its own path; send a value that does, or another path",
                        self.path
                    )));
                }
                return Ok(());
            }
            if is_primary(&entry) {
                entries.iter_mut().for_each(no_longer_primary);
            }
            entries.push(entry);
            return Ok(());
        }
        for entry in entries.iter_mut().filter(|entry| chosen(entry)) {
            self.fill(entry)?;
        }
        Ok(())
    }

    fn fill(&mut self, entry: &mut Map<String, Value>) -> Result<(), ScimError> {
        match self.path.part() {
            Some(part) => self.set_part(entry, part),
            None => {
                let label = self.label();
                match value::complex(self.attribute, &label, self.given(), self.notes)? {
                    Some(parts) => entry.extend(parts),
                    None => {
                        entry.insert("value".to_owned(), Value::Null);
                    }
                }
                Ok(())
            }
        }
    }

    fn set_part(&mut self, entry: &mut Map<String, Value>, part: &str) -> Result<(), ScimError> {
        let label = self.label();
        match self.attribute.part(part) {
            Some(part) => {
                let value = value::simple(part, &label, self.given(), self.notes)?;
                entry.insert(part.name.to_owned(), value);
            }
            None => self.has_no_part(part),
        }
        Ok(())
    }

    fn one_primary(&mut self, entries: &mut [Map<String, Value>]) {
        let mut found = false;
        for entry in entries {
            if is_primary(entry) && std::mem::replace(&mut found, true) {
                no_longer_primary(entry);
                self.notes.add(self.attribute.name, NoteReason::FurtherPrimary);
            }
        }
    }
}

/// True if the value means *clear*.
fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.iter().all(blank),
        Value::Object(parts) => parts.values().all(blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(crate) fn is_primary(entry: &Map<String, Value>) -> bool {
    entry.get("primary") == Some(&Value::Bool(true))
}

fn no_longer_primary(entry: &mut Map<String, Value>) {
    if is_primary(entry) {
        entry.insert("primary".to_owned(), Value::Bool(false));
    }
}

/// Returns the object under the key. Any other value there is replaced with an empty object.
pub(super) fn object_at<'a>(container: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = container.entry(key.to_owned()).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().expect("made an object on the line above")
}
