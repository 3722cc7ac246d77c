//! PATCH on a user.

use super::{Operation, PatchRequest};
use crate::draft::Draft;
use crate::error::ScimError;
use crate::user::{UserDocument, UserWrite};

impl UserDocument {
    /// This user after the operations, all of them or none.
    ///
    /// # Errors
    /// The first operation that cannot be done, or could have no effect, by number. The end of somebody's access is
    /// never refused for an operation without effect beside it.
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
