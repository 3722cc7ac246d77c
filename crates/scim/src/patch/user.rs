//! PATCH on a user.

use super::{Operation, PatchRequest};
use crate::draft::Draft;
use crate::error::ScimError;
use crate::user::{UserDocument, UserWrite};

impl UserDocument {
    /// Returns this user after all operations.
    ///
    /// # Errors
    /// The number and problem of the first operation that is invalid or cannot have an effect. A request that ends a person's
    /// access is not refused because of another operation without effect.
    pub fn patched(&self, request: &PatchRequest) -> Result<UserWrite, ScimError> {
        let mut draft = self.draft();
        let mut without_effect = None;
        for (at, operation) in request.operations().iter().enumerate() {
            apply(&mut draft, operation).map_err(|error| error.in_operation(at + 1))?;
            if let Some(error) = draft.without_effect.take() {
                without_effect.get_or_insert_with(|| error.in_operation(at + 1));
            }
        }
        match without_effect {
            Some(error) if draft.stated_active != Some(false) => Err(error),
            _ => UserDocument::finish(draft),
        }
    }
}

fn apply(draft: &mut Draft, operation: &Operation) -> Result<(), ScimError> {
    match (&operation.path, &operation.value) {
        (Some(path), value) => draft.edit(operation.kind, path, value.as_ref()),
        (None, Some(serde_json::Value::Object(attributes))) => draft.patch_all(operation.kind, attributes),
        (None, _) => Err(ScimError::invalid_value(
            "an operation without a path needs an object as its value",
        )),
    }
}
