//! Attributes of a user while a request is parsed into them.
//!
//! POST, PUT and PATCH all use the same edit: an operation, a path, a value. A body is an operation without a path on an empty
//! draft. In a body, read-only attributes and passwords are ignored without a note, because clients send our responses back.
//! Unknown core attributes are noted. Content under unknown extensions is stored. A PATCH operation that cannot have an effect is
//! refused ([`Draft::without_effect`]).

mod edit;

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::filter::AttributePath;
use crate::note::{NoteReason, Notes};
use crate::patch::OperationKind;
use crate::schema::{self, Access, Attribute, CORE_USER_ATTRIBUTES, ResourceKind};
use crate::value;

pub(crate) use edit::is_primary;
use edit::{Edit, object_at};

/// Most attributes of one object: a user with its extensions, or one extension. Directories have a few dozen.
pub(crate) const MAX_ATTRIBUTES: usize = 400;

#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) attributes: Map<String, Value>,
    pub(crate) notes: Notes,
    /// Value of `active` in the request, if there is one.
    pub(crate) stated_active: Option<bool>,
    /// Reason why the last edit without an effect had none.
    pub(crate) without_effect: Option<ScimError>,
}

/// Target of a path.
enum Place {
    Core(&'static Attribute),
    Extended(&'static str, &'static Attribute),
    /// An attribute that the extension's schema does not list.
    Loose(String, String),
    WholeCore,
    WholeExtension(String),
    Unknown,
}

impl Draft {
    /// Edits every attribute of the object. Keys may be names, dotted names, paths with a filter, or carry a URN.
    pub(crate) fn edit_all(
        &mut self,
        kind: OperationKind,
        object: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        few_enough(object)?;
        object
            .iter()
            .try_for_each(|(key, value)| self.edit_named(kind, key, value))
    }

    /// Like [`Draft::edit_all`], for a PATCH operation without a path: at least one attribute must have an effect.
    pub(crate) fn patch_all(
        &mut self,
        kind: OperationKind,
        object: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        few_enough(object)?;
        let (mut effects, mut refusal) = (0, None);
        for (key, value) in object {
            self.edit_named(kind, key, value)?;
            match self.without_effect.take() {
                // Clients send these back together with their changes.
                Some(_) if ["id", "meta"].iter().any(|own| key.eq_ignore_ascii_case(own)) => effects += 1,
                Some(error) => refusal = refusal.or(Some(error)),
                None => effects += 1,
            }
        }
        self.without_effect = refusal.filter(|_| effects == 0);
        Ok(())
    }

    fn edit_named(&mut self, kind: OperationKind, key: &str, value: &Value) -> Result<(), ScimError> {
        match AttributePath::parse(key) {
            Ok(path) => self.edit(kind, &path, Some(value)),
            Err(error) => {
                self.notes.add(key, NoteReason::UnknownAttribute);
                self.without_effect.get_or_insert(error);
                Ok(())
            }
        }
    }

    pub(crate) fn edit(
        &mut self,
        kind: OperationKind,
        path: &AttributePath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        if value.is_none() && kind != OperationKind::Remove {
            return Err(ScimError::invalid_value(format!(
                "{}: {kind} needs a value",
                path.label()
            )));
        }
        match self.place(kind, path, value) {
            Place::Core(attribute) if attribute.writable() => {
                let edit = Edit {
                    kind,
                    attribute,
                    path,
                    value,
                    notes: &mut self.notes,
                    without_effect: &mut self.without_effect,
                };
                if attribute.name != "active" {
                    return edit.perform(&mut self.attributes);
                }
                let mut message = Map::new();
                edit.perform(&mut message)?;
                self.stated_active = message
                    .get("active")
                    .and_then(Value::as_bool)
                    .or(self.stated_active);
                self.attributes.extend(message);
                Ok(())
            }
            Place::Core(attribute) => {
                if attribute.access == Access::ReadOnly && attribute.name != "schemas" {
                    self.without_effect.get_or_insert_with(|| read_only(attribute));
                }
                Ok(())
            }
            Place::Extended(urn, attribute) => {
                let edit = Edit {
                    kind,
                    attribute,
                    path,
                    value,
                    notes: &mut self.notes,
                    without_effect: &mut self.without_effect,
                };
                edit.perform(object_at(&mut self.attributes, urn))
            }
            Place::Loose(urn, name) => self.edit_loose(kind, &urn, &name, value),
            Place::WholeCore => match value {
                Some(Value::Object(object)) => self.edit_all(kind, object),
                _ => Err(ScimError::invalid_value(format!(
                    "{}: expected an object of attributes",
                    path.label()
                ))),
            },
            Place::WholeExtension(urn) => self.edit_extension(kind, &urn, value),
            Place::Unknown => {
                self.notes.add(&path.label(), NoteReason::UnknownAttribute);
                self.without_effect
                    .get_or_insert_with(|| ScimError::invalid_path(path.no_such(ResourceKind::User)));
                Ok(())
            }
        }
    }

    fn place(&self, kind: OperationKind, path: &AttributePath, value: Option<&Value>) -> Place {
        let (Some(urn), Some(whole)) = (path.urn(), path.as_urn()) else {
            return schema::find(CORE_USER_ATTRIBUTES, path.name()).map_or(Place::Unknown, Place::Core);
        };
        match schema::canonical_urn(&whole) {
            Some(schema::USER) => return Place::WholeCore,
            Some(known) => return Place::WholeExtension(known.to_owned()),
            None => {}
        }
        match schema::canonical_urn(urn) {
            Some(schema::USER) => {
                schema::find(CORE_USER_ATTRIBUTES, path.name()).map_or(Place::Unknown, Place::Core)
            }
            Some(schema::GROUP | schema::LITMOS_GROUP) => Place::Unknown,
            Some(known) => match schema::find(schema::attributes_of(known), path.name()) {
                Some(attribute) => Place::Extended(known, attribute),
                None => Place::Loose(known.to_owned(), loose_name(path)),
            },
            None if let Some((known, rest)) = schema::below_known(urn) => match known {
                schema::USER | schema::GROUP | schema::LITMOS_GROUP => Place::Unknown,
                _ => Place::Loose(known.to_owned(), format!("{rest}:{}", loose_name(path))),
            },
            None if matches!(value, Some(Value::Object(_)))
                || kind == OperationKind::Remove && self.attributes.contains_key(&whole) =>
            {
                Place::WholeExtension(whole)
            }
            // RFC 8141: a URN has a namespace and a name, so `urn:acme` is not one.
            None if urn.matches(':').count() < 2 => Place::Unknown,
            None => Place::Loose(urn.to_owned(), loose_name(path)),
        }
    }

    fn edit_extension(
        &mut self,
        kind: OperationKind,
        urn: &str,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let object = match (kind, value) {
            (OperationKind::Remove, _) | (_, None | Some(Value::Null)) => {
                self.attributes.remove(urn);
                return Ok(());
            }
            (_, Some(Value::Object(object))) => object,
            (_, Some(other)) => {
                let found = value::type_of(other);
                return Err(ScimError::invalid_value(format!(
                    "{urn}: expected an object, found {found}"
                )));
            }
        };
        if object.len() > MAX_ATTRIBUTES {
            return Err(ScimError::invalid_value(format!(
                "{urn}: more than {MAX_ATTRIBUTES} attributes"
            )));
        }
        for (key, value) in object {
            let path = AttributePath::parse(&format!("{urn}:{key}")).ok();
            let ours = path.filter(|path| path.urn().and_then(schema::canonical_urn) == Some(urn));
            let known = ours.and_then(|path| {
                schema::find(schema::attributes_of(urn), path.name()).map(|attribute| (path, attribute))
            });
            match known {
                Some((path, attribute)) => {
                    let edit = Edit {
                        kind,
                        attribute,
                        path: &path,
                        value: Some(value),
                        notes: &mut self.notes,
                        without_effect: &mut self.without_effect,
                    };
                    edit.perform(object_at(&mut self.attributes, urn))?;
                }
                None if key.eq_ignore_ascii_case("CustomField")
                    && urn == schema::LITMOS_USER
                    && value.is_object() =>
                {
                    self.edit_extension(kind, urn, Some(value))?;
                }
                None => self.edit_loose(kind, urn, key, Some(value))?,
            }
        }
        Ok(())
    }

    fn edit_loose(
        &mut self,
        kind: OperationKind,
        urn: &str,
        name: &str,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let value = match (kind, value) {
            (OperationKind::Remove, _) | (_, None) => Value::Null,
            (_, Some(value)) => value::loose(&format!("{urn}:{name}"), value)?,
        };
        let container = object_at(&mut self.attributes, urn);
        let known = container
            .keys()
            .find(|key| key.eq_ignore_ascii_case(name))
            .cloned();
        if known.is_none() && container.len() >= MAX_ATTRIBUTES {
            return Err(ScimError::invalid_value(format!(
                "{urn}: more than {MAX_ATTRIBUTES} attributes"
            )));
        }
        container.insert(known.unwrap_or_else(|| name.to_owned()), value);
        Ok(())
    }
}

fn few_enough(object: &Map<String, Value>) -> Result<(), ScimError> {
    if object.len() > MAX_ATTRIBUTES {
        return Err(ScimError::invalid_value(format!(
            "{} attributes in one object; at most {MAX_ATTRIBUTES} are read",
            object.len()
        )));
    }
    Ok(())
}

/// Error for a read-only attribute, with a remedy.
pub(crate) fn read_only(attribute: &Attribute) -> ScimError {
    let remedy = match attribute.name {
        "groups" => "change the members of the group",
        _ => "leave it out",
    };
    ScimError::mutability(format!("{}: it is read-only; {remedy}", attribute.name))
}

/// Outside the known schemas a dot has no special meaning.
fn loose_name(path: &AttributePath) -> String {
    match path.part() {
        Some(part) => format!("{}.{part}", path.name()),
        None => path.name().to_owned(),
    }
}
