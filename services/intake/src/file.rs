//! Roster files: CSV with a header line, or JSON lines, as events.
//!
//! A line that cannot be read is reported with its number, the column and the remedy; the rest goes on. Columns are found
//! by name, whatever their order: `external_id`, `user_name`, `active`, `access_level`, `manager`, `groups` (separated by
//! `;`), `custom:NAME` for the advanced custom field that Litmos shows as NAME, and any field of a Litmos user
//! (`FirstName` or `first_name`, `JobTitle`, `CustomField1` ...). An empty value of a field clears it; a column that is
//! not there leaves it. JSON lines may hold groups, too ([`groups`](add_groups) has the CSV form).
//!
//! Nothing is concluded from who is not in a file, unless the file is proven to be read whole: [`CompleteRead`].

mod complete;
mod groups;
mod line;
mod names;
mod table;

use bus::{Event, EventBody};

pub use complete::{Absence, Absences, CompleteRead, Incomplete};
pub use groups::add_groups;

/// A line of the file that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: u64,
    pub reason: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterFile {
    pub people: Vec<EventBody>,
    /// What the file says of groups themselves, not of who is in them.
    pub groups: Vec<EventBody>,
    pub bad: Vec<BadLine>,
    end: complete::End,
}

/// The file as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(
        "byte {at} is not UTF-8 text; save the file as UTF-8 (it may be UTF-16 or a Windows code page now)"
    )]
    Encoding { at: usize },
    #[error("the header has no column {missing:?}; it has: {found}")]
    Column { missing: &'static str, found: String },
    #[error(
        "the header names columns that mean nothing here: {unknown}; use user_name, external_id, active, access_level, manager, groups, custom:NAME or Litmos field names"
    )]
    Unknown { unknown: String },
    #[error("the header names {twice} twice; keep one of the columns")]
    Twice { twice: String },
    #[error("the file is empty")]
    Empty,
}

/// Reads a file; JSON lines if its first character is `{`, CSV otherwise.
///
/// # Errors
/// When it is no file of this sort at all.
pub fn read(bytes: &[u8]) -> Result<RosterFile, FileError> {
    let text = text(bytes)?;
    let (body, end) = complete::End::split(text);
    let mut file = match body.trim_start().chars().next() {
        None => return Err(FileError::Empty),
        Some('{') => line::json_lines(body),
        Some(_) => table::people(body)?,
    };
    if let Some(bad) = end.contradiction(&file) {
        file.bad.push(bad);
    }
    Ok(RosterFile { end, ..file })
}

/// The people and groups of a file as events, groups first: the same line of the same file makes the same event.
pub fn events(bodies: impl IntoIterator<Item = EventBody>, load_id: &str, happened_at_ms: u64) -> Vec<Event> {
    bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| Event {
            event_id: format!("{load_id}-{index}"),
            happened_at_ms,
            in_order: true,
            body,
        })
        .collect()
}

fn text(bytes: &[u8]) -> Result<&str, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::Encoding {
        at: error.valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests;
