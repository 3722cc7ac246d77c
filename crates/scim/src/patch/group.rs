//! PATCH on a group: attributes and membership steps, parsed without reading the group.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Operation, OperationKind, PatchRequest};
use crate::error::ScimError;
use crate::filter::AttributePath;
use crate::group::{GroupChange, GroupDraft, GroupPlace, MemberChange, check_member_id};
use crate::note::NoteReason;
use crate::schema::ResourceKind;

const NOBODY_NAMED: &str = "removing members needs their ids, as a value list or as members[value eq \"id\"]; \
                            to empty the group, replace members with an empty list";

impl GroupChange {
    /// Returns the group change that the operations mean, whatever members the group has.
    ///
    /// # Errors
    /// The number and problem of the first operation that is invalid or cannot have an effect. A request that removes members is
    /// not refused because of another operation without effect.
    pub fn from_patch(request: &PatchRequest) -> Result<GroupChange, ScimError> {
        let mut draft = GroupDraft::default();
        let mut without_effect = None;
        for (at, operation) in request.operations().iter().enumerate() {
            draft
                .apply(operation)
                .map_err(|error| error.in_operation(at + 1))?;
            if let Some(error) = draft.without_effect.take() {
                without_effect.get_or_insert_with(|| error.in_operation(at + 1));
            }
        }
        match without_effect {
            Some(error) if !draft.takes_members_out() => Err(error),
            _ => Ok(draft.finish()),
        }
    }
}

impl GroupDraft {
    fn apply(&mut self, operation: &Operation) -> Result<(), ScimError> {
        match (&operation.path, &operation.value) {
            (Some(path), value) => self.edit(operation.kind, path, value.as_ref()),
            (None, Some(Value::Object(attributes))) => self.edit_all(operation.kind, attributes),
            (None, _) => Err(ScimError::invalid_value(
                "an operation without a path needs an object as its value",
            )),
        }
    }

    fn edit_all(&mut self, kind: OperationKind, attributes: &Map<String, Value>) -> Result<(), ScimError> {
        let (mut effects, mut refusal) = (0, None);
        for (key, value) in attributes {
            match AttributePath::parse(key) {
                // The client writes a whole group, as in a PUT: null does not change the members.
                Ok(path) if value.is_null() && is_whole_membership(&path) => {
                    self.notes.add("members", NoteReason::NullIgnored);
                }
                Ok(path) => self.edit(kind, &path, Some(value))?,
                Err(error) => {
                    self.notes.add(key, NoteReason::UnknownAttribute);
                    self.without_effect.get_or_insert(error);
                }
            }
            match self.without_effect.take() {
                // Clients send these back together with their changes.
                Some(_)
                    if ["id", "meta", "externalId"]
                        .iter()
                        .any(|own| key.eq_ignore_ascii_case(own)) =>
                {
                    effects += 1;
                }
                Some(error) => refusal = refusal.or(Some(error)),
                None => effects += 1,
            }
        }
        self.without_effect = refusal.filter(|_| effects == 0);
        Ok(())
    }

    fn edit(
        &mut self,
        kind: OperationKind,
        path: &AttributePath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let attribute = match GroupPlace::at(path) {
            GroupPlace::Attribute(attribute) => attribute,
            GroupPlace::Extension => {
                return match kind {
                    OperationKind::Remove => self.write_extension(&Value::Null),
                    OperationKind::Add | OperationKind::Replace => {
                        self.write_extension(value.unwrap_or(&Value::Null))
                    }
                };
            }
            GroupPlace::Unknown => {
                self.notes.add(&path.label(), NoteReason::UnknownAttribute);
                self.without_effect
                    .get_or_insert_with(|| ScimError::invalid_path(path.no_such(ResourceKind::Group)));
                return Ok(());
            }
        };
        if attribute.name == "members" {
            return self.edit_members(kind, path, value);
        }
        if path.selector().is_some() || path.part().is_some() && attribute.parts().is_empty() {
            return Err(ScimError::invalid_path(format!(
                "{path}: {} has one plain value and no parts",
                attribute.name
            )));
        }
        match (kind, value) {
            (OperationKind::Remove, _) if attribute.required => Err(ScimError::mutability(format!(
                "{} is required and cannot be removed; replace it",
                attribute.name
            ))),
            (OperationKind::Remove, _) => self.write(attribute, &Value::Null),
            (OperationKind::Add | OperationKind::Replace, Some(value)) => self.write(attribute, value),
            (OperationKind::Add | OperationKind::Replace, None) => Err(ScimError::invalid_value(format!(
                "{}: {kind} needs a value",
                attribute.name
            ))),
        }
    }

    fn edit_members(
        &mut self,
        kind: OperationKind,
        path: &AttributePath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let given = value.filter(|value| !value.is_null());
        if path
            .part()
            .is_some_and(|part| !part.eq_ignore_ascii_case("value"))
        {
            return Err(ScimError::invalid_path(format!(
                "{path}: of a member only value can be written, the user's id; use the path members"
            )));
        }
        if let Some(selector) = path.selector() {
            let ids = selector.listed("value").ok_or_else(|| {
                ScimError::invalid_path(format!(
                    "members[{selector}]: members are chosen by value eq \"id\", several joined by or"
                ))
            })?;
            let ids = ids
                .into_iter()
                .map(check_member_id)
                .collect::<Result<Vec<_>, _>>()?;
            let others = given.map(|given| self.member_ids(given)).transpose()?;
            let named: BTreeSet<&String> = ids.iter().collect();
            if others.is_some_and(|others| others.iter().any(|id| !named.contains(id))) {
                return Err(ScimError::invalid_value(format!(
                    "{path}: the value names somebody else than the path; name them in one of the two"
                )));
            }
            return self.push(match kind {
                OperationKind::Add | OperationKind::Replace => MemberChange::Add(ids),
                OperationKind::Remove => MemberChange::Remove(ids),
            });
        }
        let Some(given) = given else {
            return Err(match kind {
                OperationKind::Remove => ScimError::no_target(NOBODY_NAMED),
                OperationKind::Add | OperationKind::Replace => ScimError::invalid_value(format!(
                    "members: {kind} needs a list of members, which may be empty"
                )),
            });
        };
        let ids = self.member_ids(given)?;
        match kind {
            OperationKind::Add => self.push(MemberChange::Add(ids)),
            OperationKind::Replace => self.push(MemberChange::ReplaceAll(ids)),
            OperationKind::Remove if ids.is_empty() => {
                self.notes.add("members", NoteReason::NoSuchValue);
                Ok(())
            }
            OperationKind::Remove => self.push(MemberChange::Remove(ids)),
        }
    }
}

fn is_whole_membership(path: &AttributePath) -> bool {
    path.selector().is_none() && GroupPlace::at(path).is_members()
}
