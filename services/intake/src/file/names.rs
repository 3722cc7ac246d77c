//! Who has which user name in a file: two people cannot have one, in whatever letter case.
//!
//! Taken as they come, the second would be laid over the first, and each load would swap them again.

use std::collections::HashMap;

use bus::EventBody;
use provisioning::NormalName;

/// The people read so far, by user name.
#[derive(Default)]
pub(super) struct Names(HashMap<NormalName, First>);

/// Who had the name first.
struct First {
    line: u64,
    external_id: String,
}

impl Names {
    /// Takes somebody in, unless the name is that of somebody else. A line that repeats somebody, or that names no
    /// external id to tell two people by, is about the same person.
    pub(super) fn take(&mut self, line: u64, body: &EventBody) -> Result<(), String> {
        let EventBody::PersonUpserted {
            external_id,
            user_name,
            ..
        } = body
        else {
            return Ok(());
        };
        let first = self.0.entry(NormalName::of(user_name)).or_insert_with(|| First {
            line,
            external_id: external_id.clone(),
        });
        let another =
            !first.external_id.is_empty() && !external_id.is_empty() && first.external_id != *external_id;
        if another {
            return Err(format!(
                "{user_name:?} is the user name of {} in line {} too, for letter case makes no difference; give one of the two another user name",
                first.external_id, first.line
            ));
        }
        Ok(())
    }
}
